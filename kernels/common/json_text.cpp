#include "common/json_text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace perijove::kernels {

std::string json_string(std::string_view text) {
  const bool as_it_is = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= ' ' && c != '"' && c != '\\' && c != '\x7f';  // a char beyond ASCII is negative
  });
  if (as_it_is) return '"' + std::string(text) + '"';
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace perijove::kernels
