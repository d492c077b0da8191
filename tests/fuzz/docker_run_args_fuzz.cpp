// Invariant: flags of docker run become options or an Error that says something; volumes
// have a target below '/', and words that are quoted come back as they were.
#include <cstddef>
#include <cstdint>
#include <string>

#include "provision/docker/run_args.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove::docker;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto words = split_run_args(text);
  if (!words) {
    PERIJOVE_REQUIRE(!words.error().message.empty());
    return 0;
  }
  std::string quoted;
  for (const std::string& word : *words) {
    quoted += '\'';
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    quoted += "' ";
  }
  const auto again = split_run_args(quoted);
  PERIJOVE_REQUIRE(again && *again == *words);

  ContainerOptions options;
  if (const auto applied = apply_run_args(*words, options); !applied) {
    PERIJOVE_REQUIRE(!applied.error().message.empty());
    return 0;
  }
  for (const Volume& volume : options.volumes) {
    PERIJOVE_REQUIRE(volume.target.starts_with('/') && volume.target != "/");
    PERIJOVE_REQUIRE(!volume.is_named() || volume.source.find('/') == std::string::npos);
  }
  PERIJOVE_REQUIRE(!options.memory_bytes || *options.memory_bytes > 0);
  PERIJOVE_REQUIRE(!options.cpus || *options.cpus > 0);
  return 0;
}
