#include "protocol/notebook_text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "protocol/json.hpp"
#include "protocol/mime.hpp"
#include "protocol/python_text.hpp"

namespace perijove {
namespace {

using nlohmann::json;

bool is_lines(const json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const json& line) { return line.is_string(); });
}

void join(json& value) {
  if (!is_lines(value)) return;
  std::string text;
  for (const json& line : value) text += line.get_ref<const std::string&>();
  value = std::move(text);
}

void split(json& value) {
  if (!value.is_string()) return;
  json lines = json::array();
  for (const std::string_view line : split_python_lines(value.get_ref<const std::string&>())) {
    lines.push_back(line);
  }
  value = std::move(lines);
}

void join_bundle(json& data) {
  if (!data.is_object()) return;
  for (auto& [type, value] : data.items()) {
    if (!is_json_mime_type(type)) join(value);
  }
}

void split_bundle(json& data) {
  if (!data.is_object()) return;
  for (auto& [type, value] : data.items()) {
    if (type.starts_with("text/") || type == "application/javascript" || type == "image/svg+xml") {
      split(value);
    }
  }
}

// Applies `bundle` to every MIME bundle and `text` to every multi-line text of the document.
template <typename Text, typename Bundle>
void for_each_text(json& document, Text text, Bundle bundle) {
  for (json& cell : document["cells"]) {
    text(cell["source"]);
    if (cell.contains("attachments")) {
      for (json& attachment : cell["attachments"]) bundle(attachment);
    }
    if (cell["cell_type"] != "code") continue;
    for (json& output : cell["outputs"]) {
      const json& type = output["output_type"];
      if (type == "execute_result" || type == "display_data") {
        if (output.contains("data")) bundle(output["data"]);
      } else if (output.contains("text")) {
        text(output["text"]);
      }
    }
  }
}

void new_line(std::string& out, int depth) {
  out += '\n';
  out.append(static_cast<std::size_t>(depth), ' ');
}

// Our own, because nlohmann writes some floats in other words than Python. Recursion is bounded by
// the depth that parse_json accepts.
void dump(std::string& out, const json& value, int depth) {
  if (value.is_object() && !value.empty()) {
    out += '{';
    for (auto member = value.begin(); member != value.end(); ++member) {
      if (member != value.begin()) out += ',';
      new_line(out, depth + 1);
      out += dump_json(member.key());
      out += ": ";
      dump(out, *member, depth + 1);
    }
    new_line(out, depth);
    out += '}';
  } else if (value.is_array() && !value.empty()) {
    out += '[';
    for (auto element = value.begin(); element != value.end(); ++element) {
      if (element != value.begin()) out += ',';
      new_line(out, depth + 1);
      dump(out, *element, depth + 1);
    }
    new_line(out, depth);
    out += ']';
  } else if (value.is_number_float()) {
    out += format_python_float(value.get<double>());
  } else {
    out += dump_json(value);
  }
}

}  // namespace

void join_lines(json& document) { for_each_text(document, join, join_bundle); }

void split_lines(json& document) { for_each_text(document, split, split_bundle); }

void strip_transient(json& document) {
  json& metadata = document["metadata"];
  for (const char* name : {"orig_nbformat", "orig_nbformat_minor", "signature"}) {
    metadata.erase(name);
  }
  for (json& cell : document["cells"]) cell["metadata"].erase("trusted");
}

std::string dump_notebook(const json& document) {
  std::string out;
  dump(out, document, 0);
  out += '\n';
  return out;
}

}  // namespace perijove
