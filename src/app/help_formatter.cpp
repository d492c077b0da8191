#include "app/help_formatter.hpp"

#include <algorithm>
#include <string_view>

namespace perijove {

std::string HelpFormatter::entry(const std::string& name, const std::string& description) {
  constexpr std::size_t kIndent = 30;
  constexpr std::size_t kColumns = 100;
  std::string text = "  " + name;
  std::size_t column = text.size();
  if (column + 2 > kIndent) {
    text += '\n';
    column = 0;
  }
  text.append(kIndent - column, ' ');
  column = kIndent;
  std::string_view rest = description;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    if (column > kIndent && column + end + 1 > kColumns) {
      text += '\n';
      text.append(kIndent, ' ');
      column = kIndent;
    } else if (column > kIndent) {
      text += ' ';
      ++column;
    }
    text += rest.substr(0, end);
    column += end;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return text + '\n';
}

}  // namespace perijove
