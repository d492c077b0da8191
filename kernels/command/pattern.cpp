#include "command/pattern.hpp"

#include <array>
#include <stdexcept>

namespace perijove::kernels::command {

Pattern::Pattern(const std::string& source) {
  auto compiled = std::make_unique<regex_t>();
  if (const int fault = regcomp(compiled.get(), source.c_str(), REG_EXTENDED); fault != 0) {
    std::array<char, 200> why{};
    regerror(fault, compiled.get(), why.data(), why.size());
    throw std::invalid_argument(why.data());
  }
  compiled_ = std::shared_ptr<const regex_t>(compiled.release(), [](const regex_t* pattern) {
    auto* const owned = const_cast<regex_t*>(pattern);
    regfree(owned);
    delete owned;
  });
}

std::optional<std::vector<std::string>> Pattern::find_in(std::string_view text) const {
  const std::string terminated(text);
  std::vector<regmatch_t> places(groups() + 1);
  if (regexec(compiled_.get(), terminated.c_str(), places.size(), places.data(), 0) != 0) {
    return std::nullopt;
  }
  std::vector<std::string> found;
  for (const regmatch_t& place : places) {
    if (place.rm_so < 0) {
      found.emplace_back();
    } else {
      const auto begin = static_cast<std::size_t>(place.rm_so);
      found.push_back(terminated.substr(begin, static_cast<std::size_t>(place.rm_eo) - begin));
    }
  }
  return found;
}

}  // namespace perijove::kernels::command
