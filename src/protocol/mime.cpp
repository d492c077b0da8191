#include "protocol/mime.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "protocol/base64.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

struct KnownType {
  std::string_view name;
  std::string_view extension;
  MimeEncoding encoding;
};

// In order of preference. text/plain is last: nearly every bundle has it, and it shows least.
constexpr KnownType kKnownTypes[] = {
    {"image/png", ".png", MimeEncoding::base64},
    {"image/jpeg", ".jpg", MimeEncoding::base64},
    {"image/gif", ".gif", MimeEncoding::base64},
    {"image/webp", ".webp", MimeEncoding::base64},
    {"image/avif", ".avif", MimeEncoding::base64},
    {"image/bmp", ".bmp", MimeEncoding::base64},
    {"image/tiff", ".tiff", MimeEncoding::base64},
    {"image/svg+xml", ".svg", MimeEncoding::text},
    {"application/pdf", ".pdf", MimeEncoding::base64},
    {"application/vnd.plotly.v1+json", ".plotly.json", MimeEncoding::json},
    {"application/vnd.vegalite.v5+json", ".vl.json", MimeEncoding::json},
    {"application/vnd.vegalite.v4+json", ".vl.json", MimeEncoding::json},
    {"application/vnd.vega.v5+json", ".vg.json", MimeEncoding::json},
    {"application/geo+json", ".geojson", MimeEncoding::json},
    {"text/html", ".html", MimeEncoding::text},
    {"text/markdown", ".md", MimeEncoding::text},
    {"text/latex", ".tex", MimeEncoding::text},
    {"audio/mpeg", ".mp3", MimeEncoding::base64},
    {"audio/wav", ".wav", MimeEncoding::base64},
    {"audio/x-wav", ".wav", MimeEncoding::base64},
    {"audio/ogg", ".ogg", MimeEncoding::base64},
    {"video/mp4", ".mp4", MimeEncoding::base64},
    {"video/webm", ".webm", MimeEncoding::base64},
    {"application/json", ".json", MimeEncoding::json},
    {"application/xml", ".xml", MimeEncoding::text},
    {"text/csv", ".csv", MimeEncoding::text},
    {"application/javascript", ".js", MimeEncoding::text},
    {"text/javascript", ".js", MimeEncoding::text},
    {"application/zip", ".zip", MimeEncoding::base64},
    {"application/octet-stream", ".bin", MimeEncoding::base64},
    {"text/plain", ".txt", MimeEncoding::text},
};

const KnownType* find_known(std::string_view type) {
  for (const KnownType& known : kKnownTypes) {
    if (known.name == type) return &known;
  }
  return nullptr;
}

// Position in the order of preference; unknown types come just before text/plain.
std::size_t rank(std::string_view type) {
  const std::size_t count = std::size(kKnownTypes);
  const KnownType* known = find_known(type);
  if (known == nullptr) return 2 * (count - 1) - 1;
  return 2 * static_cast<std::size_t>(known - kKnownTypes);
}

bool is_list_of_strings(const nlohmann::json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const auto& line) { return line.is_string(); });
}

}  // namespace

bool is_json_mime_type(std::string_view type) {
  return type == "application/json" ||
         (type.starts_with("application/") && type.ends_with("+json"));
}

MimeEncoding mime_encoding(std::string_view type) {
  if (is_json_mime_type(type)) return MimeEncoding::json;
  if (const KnownType* known = find_known(type)) return known->encoding;
  if (type.ends_with("+xml")) return MimeEncoding::text;
  for (const std::string_view binary : {"image/", "audio/", "video/"}) {
    if (type.starts_with(binary)) return MimeEncoding::base64;
  }
  return MimeEncoding::text;
}

std::string_view mime_type_of_file(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kOthers[] = {
      {".jpeg", "image/jpeg"},
      {".ico", "image/x-icon"},
      {".htm", "text/html"},
      {".css", "text/css"},
      {".mjs", "text/javascript"},
      {".log", "text/plain"},
      {".py", "text/x-python"},
      {".r", "text/x-r"},
      {".sh", "text/x-sh"},
      {".tsv", "text/tab-separated-values"},
      {".gz", "application/gzip"},
      {".tar", "application/x-tar"},
      {".ipynb", "application/x-ipynb+json"},
      {".parquet", "application/vnd.apache.parquet"},
      {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}};
  const std::string lower = to_lower(name);
  std::string_view longest, type = "application/octet-stream";
  const auto consider = [&](std::string_view extension, std::string_view its_type) {
    if (!lower.ends_with(extension) || extension.size() <= longest.size()) return;
    longest = extension;
    type = its_type;
  };
  for (const KnownType& known : kKnownTypes) consider(known.extension, known.name);
  for (const auto& [extension, its_type] : kOthers) consider(extension, its_type);
  return type;
}

std::string_view file_extension(std::string_view type) {
  if (const KnownType* known = find_known(type)) return known->extension;
  if (type.ends_with("+xml")) return ".xml";
  switch (mime_encoding(type)) {
    case MimeEncoding::json:
      return ".json";
    case MimeEncoding::text:
      return ".txt";
    case MimeEncoding::base64:
      break;
  }
  return ".bin";
}

std::vector<std::string> by_preference(const MimeBundle& bundle) {
  std::vector<std::string> types;
  for (const auto& [type, data] : bundle) types.push_back(type);
  std::stable_sort(types.begin(), types.end(),
                   [](const auto& a, const auto& b) { return rank(a) < rank(b); });
  return types;
}

Result<std::string> decode_mime(std::string_view type, ByteView data) {
  switch (mime_encoding(type)) {
    case MimeEncoding::text:
      return std::string(data);
    case MimeEncoding::json: {
      const auto value = parse_json(data);
      if (!value) return value.error();
      return dump_json_pretty(*value, 2) + "\n";
    }
    case MimeEncoding::base64:
      break;
  }
  return decode_base64(data);
}

std::string plain_text(const MimeBundle& bundle) {
  for (const char* type : {"text/plain", "text/markdown", "text/latex"}) {
    if (const auto found = bundle.find(type); found != bundle.end()) return found->second;
  }
  return bundle.empty() ? std::string() : "<" + by_preference(bundle).front() + ">";
}

MimeBundle read_mime_bundle(const nlohmann::json& data) {
  MimeBundle bundle;
  if (!data.is_object()) return bundle;
  for (const auto& [type, value] : data.items()) {
    if (is_json_mime_type(type)) {
      bundle.emplace(type, dump_json(value));
    } else if (value.is_string()) {
      bundle.emplace(type, value.get<std::string>());
    } else if (is_list_of_strings(value)) {
      std::string text;
      for (const auto& line : value) text += line.get_ref<const std::string&>();
      bundle.emplace(type, std::move(text));
    } else {
      bundle.emplace(type, dump_json(value));
    }
  }
  return bundle;
}

nlohmann::json to_json(const MimeBundle& bundle) {
  nlohmann::json data = nlohmann::json::object();
  for (const auto& [type, text] : bundle) {
    if (is_json_mime_type(type)) {
      auto value = parse_json(text);
      data[type] = value ? *std::move(value) : nlohmann::json(text);
    } else {
      data[type] = text;
    }
  }
  return data;
}

}  // namespace perijove
