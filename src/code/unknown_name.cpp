#include "code/unknown_name.hpp"

#include <string>
#include <utility>
#include <vector>

#include "base/suggest.hpp"

namespace perijove {

Error unknown_name(std::string_view kind, std::string_view name,
                   std::span<const std::string_view> known) {
  std::string message = "there is no " + std::string(kind) + " '" + std::string(name) + "'; ";
  const std::string meant =
      did_you_mean(name, std::vector<std::string>(known.begin(), known.end()));
  if (!meant.empty()) message += meant + " ";
  message += "known are: ";
  std::string_view separator;
  for (const std::string_view each : known) {
    message += separator;
    message += each;
    separator = ", ";
  }
  return Error{Code::not_found, std::move(message)};
}

}  // namespace perijove
