// Invariant: any text is a kernelspec or is refused; what is read has a valid JSON model, a command
// to start, and an environment whose names and values exec can take and in which the gateway's
// secret is nowhere.
#include <cstddef>
#include <cstdint>

#include "protocol/environment.hpp"
#include "protocol/json_scan.hpp"
#include "protocol/kernelspec.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  const ByteView text(reinterpret_cast<const char*>(data), size);
  const auto spec = parse_kernelspec("name", "/opt/venv/share/jupyter/kernels/name", text);
  if (!spec) {
    PERIJOVE_REQUIRE(spec.error().code == Code::invalid_argument);
    PERIJOVE_REQUIRE(!spec.error().message.empty());
    return 0;
  }
  PERIJOVE_REQUIRE(is_json_value(kernelspec_model(*spec, {"logo-64x64.png", "kernel.js"}, "/")));
  const auto argv = launch_argv(*spec, {{"connection_file", "/run/kernel.json"}});
  PERIJOVE_REQUIRE(argv.size() == spec->argv.size());
  for (const auto& part : argv) PERIJOVE_REQUIRE(part.find('\0') == std::string::npos);

  const std::string secret = "a-secret-that-no-input-guesses-0123456789";
  const Environment gateway = {{"PATH", "/usr/bin"}, {"PERIJOVE_TOKEN", secret}};
  const Environment client = {{"KERNEL_USERNAME", "ada"}};
  const auto made =
      make_kernel_environment({gateway, *spec, client, {"*"}, {}, "kernel-id", "", ""});
  for (const auto& [name, value] : made.variables) {
    PERIJOVE_REQUIRE(!name.empty() &&
                     name.find_first_of(std::string_view("=\0", 2)) == std::string::npos);
    PERIJOVE_REQUIRE(value.find('\0') == std::string::npos);
    PERIJOVE_REQUIRE(value.find(secret) == std::string::npos);
  }
  PERIJOVE_REQUIRE(made.variables.at("KERNEL_ID") == "kernel-id");
  return 0;
}
