// Invariant: what is told of an archive is the same in whatever pieces its bytes come; a file has
// as many bytes as its entry says, ends once, and nothing is told behind what is no archive.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/tar_reader.hpp"
#include "require.hpp"

namespace {

using namespace perijove;

struct Told {
  std::string text;
  bool sound = true;
};

Told read(std::string_view archive, const std::uint8_t* lengths) {
  Told told;
  bool open = false;
  std::uint64_t left = 0;
  std::size_t bytes_told = 0;
  TarReader reader({.on_entry =
                        [&](const TarEntry& entry) {
                          PERIJOVE_REQUIRE(told.sound && !open);
                          open = !entry.is_directory;
                          left = entry.size_bytes;
                          told.text += entry.path + (entry.is_directory ? "/" : "=");
                        },
                    .on_bytes =
                        [&](std::string_view more) {
                          PERIJOVE_REQUIRE(open && more.size() <= left);
                          left -= more.size();
                          bytes_told += more.size();
                          told.text += more;
                        },
                    .on_end =
                        [&] {
                          PERIJOVE_REQUIRE(open && left == 0);
                          open = false;
                          told.text += '\n';
                        }});
  for (std::size_t at = 0; at < archive.size();) {
    const std::size_t length = lengths == nullptr ? archive.size() : 1 + lengths[at] * 3;
    const bool sound = reader.feed(archive.substr(at, length));
    PERIJOVE_REQUIRE(told.sound || !sound);
    told.sound = sound;
    at += length;
  }
  PERIJOVE_REQUIRE(bytes_told <= archive.size());
  return told;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view archive(reinterpret_cast<const char*>(data), size);
  const Told whole = read(archive, nullptr);
  const Told pieces = read(archive, data);
  PERIJOVE_REQUIRE(whole.sound == pieces.sound);
  PERIJOVE_REQUIRE(whole.text == pieces.text);
  return 0;
}
