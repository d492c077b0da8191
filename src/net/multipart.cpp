#include "net/multipart.hpp"

#include <algorithm>
#include <utility>

namespace perijove {
namespace {

constexpr std::string_view kLineBreak = "\r\n";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

struct Parameters {
  std::string_view type;
  HttpFields fields;
};

// A value up to the next `;`, with or without quotes; `text` begins with it and loses it. Only `"`
// and `\` are escaped: some browsers send the paths of Windows as they are.
std::string take_value(std::string_view& text) {
  if (!text.starts_with('"')) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string value(trimmed(text.substr(0, end)));
    text.remove_prefix(end);
    return value;
  }
  std::string value;
  std::size_t i = 1;
  for (; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
    value += text[i];
  }
  text.remove_prefix(std::min(i + 1, text.size()));
  return value;
}

// `form-data; name="x"; filename="y"`.
Parameters parse_parameters(std::string_view text) {
  Parameters parameters;
  const std::size_t end = std::min(text.find(';'), text.size());
  parameters.type = trimmed(text.substr(0, end));
  text.remove_prefix(end);
  while (!text.empty()) {
    text.remove_prefix(std::min(text.find_first_not_of("; \t"), text.size()));
    const std::size_t equals = text.find_first_of("=;");
    if (equals == text.npos) break;
    if (text[equals] == ';') {  // a word without a value
      text.remove_prefix(equals);
      continue;
    }
    std::string name(trimmed(text.substr(0, equals)));
    text.remove_prefix(equals + 1);
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    parameters.fields.emplace_back(std::move(name), take_value(text));
    text.remove_prefix(std::min(text.find(';'), text.size()));
  }
  return parameters;
}

bool has_parameter(const Parameters& parameters, std::string_view name) {
  return std::any_of(parameters.fields.begin(), parameters.fields.end(),
                     [&](const auto& field) { return equal_ignoring_case(field.first, name); });
}

// RFC 5987's `UTF-8''na%C3%AFve`, which Python's older clients send for names that are not ASCII.
std::optional<std::string> extended_value(std::string_view value) {
  constexpr std::string_view kCharset = "utf-8'";
  if (!equal_ignoring_case(value.substr(0, kCharset.size()), kCharset)) return std::nullopt;
  const std::size_t quote = value.find('\'', kCharset.size());  // behind the language
  if (quote == value.npos) return std::nullopt;
  return percent_decode(value.substr(quote + 1));
}

// Where the next delimiter begins at or behind `from`, and where the line behind it goes on.
struct Delimiter {
  std::size_t begin = 0;  // of the line break before it
  std::size_t end = 0;
  bool is_last = false;
};

std::optional<Delimiter> find_delimiter(ByteView body, std::string_view dashes, std::size_t from) {
  for (std::size_t at = body.find(dashes, from); at != body.npos; at = body.find(dashes, at + 1)) {
    std::size_t begin = at;
    if (at > from) {
      if (at < from + 2 || body.substr(at - 2, 2) != kLineBreak) continue;
      begin = at - 2;
    } else if (from != 0) {
      continue;  // a part has its header first
    }
    const ByteView rest = body.substr(at + dashes.size());
    if (rest.starts_with("--")) return Delimiter{begin, at + dashes.size() + 2, true};
    const std::size_t text = std::min(rest.find_first_not_of(" \t"), rest.size());
    if (rest.substr(text).starts_with(kLineBreak)) {
      return Delimiter{begin, at + dashes.size() + text + 2, false};
    }
  }
  return std::nullopt;
}

Error broken(const std::string& what) {
  return {Code::invalid_argument, "the multipart body is broken: " + what};
}

// One part: header lines, an empty line, bytes.
Result<MultipartPart> parse_part(ByteView text) {
  MultipartPart part;
  while (true) {
    const std::size_t end = text.find(kLineBreak);
    if (end == text.npos) return broken("a part's header has no end");
    const ByteView line = text.substr(0, end);
    text.remove_prefix(end + kLineBreak.size());
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon == line.npos || colon == 0) return broken("a line of a part's header is no field");
    part.headers.emplace_back(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  }
  part.bytes = text;
  const Parameters disposition = parse_parameters(find_field(part.headers, "Content-Disposition"));
  if (!equal_ignoring_case(disposition.type, "form-data") || !has_parameter(disposition, "name")) {
    return broken("a part's Content-Disposition must be form-data with a name");
  }
  part.name = find_field(disposition.fields, "name");
  if (has_parameter(disposition, "filename*")) {
    part.file_name = extended_value(find_field(disposition.fields, "filename*"));
    if (!part.file_name) return broken("a filename* must be in UTF-8");
  } else if (has_parameter(disposition, "filename")) {
    part.file_name = find_field(disposition.fields, "filename");
  }
  return part;
}

}  // namespace

std::optional<std::string> multipart_boundary(std::string_view content_type) {
  const Parameters type = parse_parameters(content_type);
  if (!equal_ignoring_case(type.type, "multipart/form-data")) return std::nullopt;
  constexpr std::size_t kBoundaryBytesMax = 70;
  constexpr std::string_view kAllowed =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? ";
  std::string boundary(find_field(type.fields, "boundary"));
  if (boundary.empty() || boundary.size() > kBoundaryBytesMax || boundary.back() == ' ' ||
      boundary.find_first_not_of(kAllowed) != boundary.npos) {
    return std::nullopt;
  }
  return boundary;
}

Result<std::vector<MultipartPart>> parse_multipart(ByteView body, std::string_view boundary) {
  const std::string dashes = "--" + std::string(boundary);
  std::vector<MultipartPart> parts;
  auto delimiter = find_delimiter(body, dashes, 0);
  if (!delimiter) return broken("its boundary does not occur in it");
  while (!delimiter->is_last) {
    const std::size_t begin = delimiter->end;
    delimiter = find_delimiter(body, dashes, begin);
    if (!delimiter) return broken("its last boundary is missing");
    if (parts.size() == kMultipartPartsMax) {
      return Error{Code::resource_exhausted, "the multipart body has more than " +
                                                 std::to_string(kMultipartPartsMax) + " parts"};
    }
    auto part = parse_part(body.substr(begin, delimiter->begin - begin));
    if (!part) return part.error();
    parts.push_back(*std::move(part));
  }
  return parts;
}

}  // namespace perijove
