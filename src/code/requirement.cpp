#include "code/requirement.hpp"

#include <cstddef>

namespace perijove {
namespace {

constexpr std::size_t kRequirementBytesMax = 500;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Reads one requirement from its beginning.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() {
    skip_blanks();
    return text_.empty();
  }
  bool take(std::string_view token) {
    skip_blanks();
    if (!text_.starts_with(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }
  // PEP 508 `identifier`; empty when there is none.
  std::string_view take_name() {
    skip_blanks();
    std::size_t size = 0;
    while (size < text_.size() && (is_alphanumeric(text_[size]) || is_one_of(text_[size], "-_."))) {
      ++size;
    }
    if (size == 0 || !is_alphanumeric(text_[0]) || !is_alphanumeric(text_[size - 1])) return {};
    return take_prefix(size);
  }
  // PEP 508 `version`; empty when there is none.
  std::string_view take_version() {
    skip_blanks();
    std::size_t size = 0;
    while (size < text_.size() &&
           (is_alphanumeric(text_[size]) || is_one_of(text_[size], "-_.*+!"))) {
      ++size;
    }
    if (size == 0 || !is_alphanumeric(text_[0])) return {};
    return take_prefix(size);
  }
  bool take_operator() {
    for (const char* const each : {"===", "~=", "==", "!=", "<=", ">=", "<", ">"}) {
      if (take(each)) return true;
    }
    return false;
  }

 private:
  static bool is_one_of(char c, std::string_view set) { return set.find(c) != set.npos; }
  void skip_blanks() {
    while (!text_.empty() && is_one_of(text_.front(), " \t")) text_.remove_prefix(1);
  }
  std::string_view take_prefix(std::size_t size) {
    const std::string_view taken = text_.substr(0, size);
    text_.remove_prefix(size);
    return taken;
  }

  std::string_view text_;
};

std::string normalized(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c - 'A' + 'a');
    } else if (is_alphanumeric(c)) {
      out += c;
    } else if (!out.ends_with('-')) {
      out += '-';
    }
  }
  return out;
}

// `[a, b]`, possibly empty.
bool read_extras(Reader& reader) {
  if (!reader.take("[") || reader.take("]")) return true;
  do {
    if (reader.take_name().empty()) return false;
  } while (reader.take(","));
  return reader.take("]");
}

// `>=1,<2`, possibly in parentheses.
bool read_versions(Reader& reader) {
  const bool enclosed = reader.take("(");
  if (!enclosed && reader.at_end()) return true;
  do {
    if (!reader.take_operator() || reader.take_version().empty()) return false;
  } while (reader.take(","));
  return !enclosed || reader.take(")");
}

}  // namespace

Result<Requirement> parse_requirement(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first != text.npos) text = text.substr(first, text.find_last_not_of(" \t") - first + 1);
  Reader reader(text);
  const std::string_view name = reader.take_name();
  const bool sound = text.size() <= kRequirementBytesMax && !name.empty() && read_extras(reader);
  if (sound && reader.take("@")) {
    return Error{Code::invalid_argument,
                 "a package is named by what its index calls it, without an "
                 "address: '" +
                     std::string(name) + "'"};
  }
  if (sound && read_versions(reader) && reader.at_end()) {
    return Requirement{normalized(name), std::string(text)};
  }
  return Error{Code::invalid_argument,
               "'" + std::string(text.substr(0, 100)) +
                   "' is no package requirement such as pandas, pandas>=2,<3 or uvicorn[standard]"};
}

}  // namespace perijove
