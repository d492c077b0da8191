#include "protocol/parameters.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/text.hpp"
#include "protocol/code_blocks.hpp"
#include "protocol/json.hpp"
#include "protocol/python_text.hpp"

namespace perijove {
namespace {

enum class Kind { none, boolean, integer, decimal, string };

struct Value {
  Kind kind = Kind::string;
  std::string text;  // digits of an integer, characters of a string
  bool truth = false;
  double number = 0;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Python allows `_` between two digits of a number.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      plain += text[i];
    } else if (i == 0 || i + 1 == text.size() || !is_digit(text[i - 1]) || !is_digit(text[i + 1])) {
      return std::nullopt;
    }
  }
  return plain;
}

// Python's int(text): digits of any number, written without a plus and without leading zeros.
std::optional<std::string> read_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  std::string digits(text);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return negative && digits != "0" ? "-" + digits : digits;
}

// Python's float(text).
std::optional<double> read_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const std::string lower = to_lower(text);
  if (lower == "inf" || lower == "infinity") {
    number = HUGE_VAL;
  } else if (lower == "nan") {
    number = std::nan("");
  } else {
    const bool starts = !text.empty() && (is_digit(text[0]) || text[0] == '.');
    if (!starts || text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) {
      return std::nullopt;
    }
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (end != text.data() + text.size()) return std::nullopt;
    if (fault == std::errc::result_out_of_range) {
      // from_chars leaves open which: beyond the largest or below the smallest.
      const std::size_t exponent = lower.find('e');
      const bool tiny = exponent != std::string::npos && lower.compare(exponent, 2, "e-") == 0;
      number = tiny || text.starts_with("0.") ? 0 : HUGE_VAL;
    }
  }
  return negative ? -number : number;
}

// papermill/cli.py, _resolve_type.
Value read_value(const std::string& text) {
  Value value;
  value.text = text;
  if (text == "True" || text == "False") {
    value.kind = Kind::boolean;
    value.truth = text == "True";
  } else if (text == "None") {
    value.kind = Kind::none;
  } else if (const auto plain = without_underscores(trim(text))) {
    if (const auto integer = read_integer(*plain)) {
      value.kind = Kind::integer;
      value.text = *integer;
    } else if (const auto decimal = read_decimal(*plain)) {
      value.kind = Kind::decimal;
      value.number = *decimal;
    }
  }
  return value;
}

// How one language writes an assignment.
struct Syntax {
  std::string_view name;
  std::string_view comment;
  std::string_view before_name;
  std::string_view assign;
  std::string_view end;
  std::string_view none;
  std::string_view yes;
  std::string_view no;
  std::string_view nan;
  std::string_view infinity;
  std::string_view minus_infinity;
};

constexpr Syntax kSyntaxes[] = {
    {"python", "# ", "", " = ", "", "None", "True", "False", "float('nan')", "float('inf')",
     "float('-inf')"},
    {"r", "# ", "", " = ", "", "NULL", "TRUE", "FALSE", "NaN", "Inf", "-Inf"},
    {"julia", "# ", "", " = ", "", "nothing", "true", "false", "NaN", "Inf", "-Inf"},
    {"bash", "# ", "", "=", "", "", "true", "false", "nan", "inf", "-inf"},
    {"javascript", "// ", "var ", " = ", ";", "null", "true", "false", "NaN", "Infinity",
     "-Infinity"},
};

const Syntax* find_syntax(std::string_view language) {
  const std::string canonical = canonical_language(language);
  for (const Syntax& syntax : kSyntaxes) {
    if (syntax.name == canonical) return &syntax;
  }
  return nullptr;
}

// Python's shlex.quote: between single quotes nothing means anything to the shell.
std::string quote_for_shell(std::string_view text) {
  constexpr std::string_view kHarmless =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_";
  if (!text.empty() && text.find_first_not_of(kHarmless) == std::string_view::npos) {
    return std::string(text);
  }
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\"'\"'";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string quote(const Syntax& syntax, std::string_view text) {
  if (syntax.name == "bash") return quote_for_shell(text);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\' || (c == '$' && syntax.name == "julia")) {  // $ interpolates there
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\r') {
      quoted += "\\r";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted += "\\x";
      quoted += kDigits[byte >> 4];
      quoted += kDigits[byte & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string write_value(const Syntax& syntax, const Value& value) {
  switch (value.kind) {
    case Kind::none:
      return std::string(syntax.none);
    case Kind::boolean:
      return std::string(value.truth ? syntax.yes : syntax.no);
    case Kind::integer:
      return value.text;
    case Kind::decimal:
      if (std::isnan(value.number)) return std::string(syntax.nan);
      if (std::isinf(value.number)) {
        return std::string(value.number < 0 ? syntax.minus_infinity : syntax.infinity);
      }
      return format_python_float(value.number);
    case Kind::string:
      break;
  }
  return quote(syntax, value.text);
}

bool is_identifier(std::string_view name, const Syntax& syntax) {
  if (name.empty() || is_digit(name[0]) || name[0] == '.') return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && !is_digit(c) && !(c == '.' && syntax.name == "r")) return false;
  }
  return syntax.name != "r" || name[0] != '_';
}

}  // namespace

Result<Parameters> read_parameters(const nlohmann::json& object) {
  if (!object.is_object()) {
    return Error{Code::invalid_argument, "parameters must be a JSON object"};
  }
  Parameters parameters;
  for (const auto& [name, value] : object.items()) {
    if (value.is_string()) {
      parameters.push_back({name, value.get<std::string>(), true});
    } else if (value.is_boolean()) {
      parameters.push_back({name, value.get<bool>() ? "True" : "False"});
    } else if (value.is_null()) {
      parameters.push_back({name, "None"});
    } else if (value.is_number()) {
      parameters.push_back({name, dump_json(value)});
    } else {
      return Error{Code::invalid_argument,
                   "parameter '" + name + "' must be a string, number, boolean or null"};
    }
  }
  return parameters;
}

Result<std::string> parameters_source(const Parameters& parameters, std::string_view language) {
  const Syntax* syntax = find_syntax(language);
  if (syntax == nullptr) {
    std::string known;
    for (const Syntax& each : kSyntaxes)
      known += (known.empty() ? "" : ", ") + std::string(each.name);
    return Error{Code::unimplemented, "parameters cannot be written in the language '" +
                                          std::string(language) + "'; they can in: " + known};
  }

  // A name that is given twice is set once, where it was first, to its last value.
  Parameters unique;
  for (const Parameter& parameter : parameters) {
    const auto known = std::find_if(unique.begin(), unique.end(), [&](const Parameter& each) {
      return each.name == parameter.name;
    });
    if (known == unique.end()) {
      unique.push_back(parameter);
    } else {
      *known = parameter;
    }
  }

  std::string source = std::string(syntax->comment) + "Parameters\n";
  for (const auto& [name, value, is_string] : unique) {
    if (!is_identifier(name, *syntax)) {
      return Error{
          Code::invalid_argument,
          "parameter '" + name + "': not a name of a variable in " + std::string(syntax->name)};
    }
    if (value.find('\0') != std::string::npos) {
      return Error{Code::invalid_argument, "parameter '" + name + "': the value holds a NUL"};
    }
    source += syntax->before_name;
    source += name;
    source += syntax->assign;
    source += is_string ? quote(*syntax, value) : write_value(*syntax, read_value(value));
    source += syntax->end;
    source += '\n';
  }
  return source;
}

Result<void> inject_parameters(Notebook& notebook, const Parameters& parameters,
                               std::string_view language) {
  if (parameters.empty()) return {};
  const auto source = parameters_source(parameters, language);
  if (!source) return source.error();

  std::optional<std::size_t> defaults;
  std::optional<std::size_t> injected;
  for (std::size_t index = notebook.size(); index-- > 0;) {
    const Cell cell = notebook.cell(index);
    if (cell.has_tag("parameters")) defaults = index;
    if (cell.has_tag("injected-parameters")) injected = index;
  }
  if (injected) notebook.erase_cell(*injected);
  const std::size_t at = injected ? *injected : defaults ? *defaults + 1 : 0;
  notebook.insert_cell(at, CellType::code, *source, {"injected-parameters"}, "injected-parameters");
  return {};
}

}  // namespace perijove
