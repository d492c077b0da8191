#include "protocol/nbformat.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"
#include "protocol/notebook_text.hpp"

namespace perijove {
namespace {

using nlohmann::json;

constexpr int kFormat = 4;
constexpr int kMinor = 5;

std::string_view to_string(CellType type) {
  switch (type) {
    case CellType::code:
      return "code";
    case CellType::markdown:
      return "markdown";
    case CellType::raw:
      return "raw";
  }
  return "";
}

// `^[a-zA-Z0-9-_]+$`, at most 64 characters (nbformat.v4.5.schema.json, cell_id).
bool is_cell_id(const json& id) {
  if (!id.is_string()) return false;
  const auto& text = id.get_ref<const std::string&>();
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  });
}

Result<int> read_version(JsonFields& fields) {
  const int format = fields.integer("nbformat", 1, 1000);
  if (fields.error()) return *fields.error();
  if (format < kFormat) {
    return Error{Code::invalid_argument,
                 "notebook: is in format " + std::to_string(format) +
                     ", which is older than 4; convert it first: jupyter nbconvert --to notebook "
                     "--inplace FILE"};
  }
  if (format > kFormat) {
    return Error{Code::invalid_argument, "notebook: is in format " + std::to_string(format) +
                                             "; formats 4.0 to 4.5 are understood"};
  }
  const int minor = fields.integer("nbformat_minor", 0, 1000);
  if (fields.error()) return *fields.error();
  return std::max(minor, kMinor);
}

// Members that must be an object, and are an empty one where the file leaves them out.
void require_object(JsonFields& fields, json& owner, const std::string& path, const char* name) {
  json& value = owner[name];
  if (value.is_null()) value = json::object();
  if (!value.is_object()) fields.refuse_type(path + name, "an object", value);
}

void check_outputs(JsonFields& fields, json& cell, const std::string& path) {
  json& outputs = cell["outputs"];
  if (outputs.is_null()) outputs = json::array();
  if (!outputs.is_array()) {
    fields.refuse_type(path + "outputs", "an array", outputs);
    return;
  }
  std::size_t index = 0;
  for (const json& output : outputs) {
    const std::string at = path + "outputs[" + std::to_string(index++) + "]";
    if (!output.is_object()) {
      fields.refuse_type(at, "an object", output);
    } else if (!output.contains("output_type") || !output["output_type"].is_string()) {
      fields.refuse(at + ".output_type", "must be a string");
    }
  }
}

void check_cell(JsonFields& fields, json& cell, std::size_t index) {
  const std::string path = "cells[" + std::to_string(index) + "].";
  if (!cell.is_object()) {
    fields.refuse_type(path.substr(0, path.size() - 1), "an object", cell);
    return;
  }
  const auto type = cell.find("cell_type");
  if (type == cell.end() || (*type != "code" && *type != "markdown" && *type != "raw")) {
    fields.refuse(path + "cell_type", "must be 'code', 'markdown' or 'raw'");
    return;
  }
  require_object(fields, cell, path, "metadata");
  if (cell.contains("attachments")) require_object(fields, cell, path, "attachments");

  const auto source = cell.find("source");
  const bool is_lines = source != cell.end() && source->is_array() &&
                        std::all_of(source->begin(), source->end(),
                                    [](const json& line) { return line.is_string(); });
  if (!is_lines && (source == cell.end() || !source->is_string())) {
    fields.refuse(path + "source", "must be a string or an array of strings");
  }
  if (*type == "code") {
    check_outputs(fields, cell, path);
    const json& count = cell["execution_count"];  // makes the null that nbformat writes
    if (!count.is_null() && !count.is_number_integer()) {
      fields.refuse_type(path + "execution_count", "an integer or null", count);
    }
  }
}

std::string free_id(const std::set<std::string>& taken, const std::string& wish,
                    std::size_t number) {
  std::string id = wish + "-" + std::to_string(number);
  while (taken.contains(id)) id = wish + "-" + std::to_string(++number);
  return id;
}

std::set<std::string> cell_ids(const json& document) {
  std::set<std::string> ids;
  for (const json& cell : document.at("cells")) {
    const auto id = cell.find("id");
    if (id != cell.end() && id->is_string()) ids.insert(id->get<std::string>());
  }
  return ids;
}

// Ids that are missing, invalid or there twice become `cell-POSITION`.
void complete_ids(json& document) {
  std::set<std::string> taken = cell_ids(document);
  std::set<std::string> seen;
  std::size_t position = 0;
  for (json& cell : document["cells"]) {
    ++position;
    json& id = cell["id"];
    if (!is_cell_id(id) || seen.contains(id.get<std::string>())) {
      id = free_id(taken, "cell", position);
      taken.insert(id.get<std::string>());
    }
    seen.insert(id.get<std::string>());
  }
}

const json* member(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::string text_at(const json& object, const char* outer, const char* inner) {
  const json* value = member(object, outer);
  if (value != nullptr) value = member(*value, inner);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

}  // namespace

bool Cell::has_tag(std::string_view tag) const {
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

Notebook::Notebook()
    : Notebook(json{{"cells", json::array()},
                    {"metadata", json::object()},
                    {"nbformat", kFormat},
                    {"nbformat_minor", kMinor}}) {}

Notebook::Notebook(json document) : document_(std::make_unique<json>(std::move(document))) {}
Notebook::Notebook(const Notebook& other) : document_(std::make_unique<json>(*other.document_)) {}
Notebook::Notebook(Notebook&& other) noexcept = default;
Notebook::~Notebook() = default;

Notebook& Notebook::operator=(Notebook other) noexcept {
  document_.swap(other.document_);
  return *this;
}

Result<Notebook> Notebook::parse(ByteView text) {
  auto parsed = parse_json(text);
  if (!parsed) return Error{Code::invalid_argument, "notebook: " + parsed.error().message};
  json document = *std::move(parsed);
  JsonFields fields(document, "notebook");
  const auto minor = read_version(fields);
  if (!minor) return minor.error();

  document["nbformat_minor"] = *minor;
  require_object(fields, document, "", "metadata");
  json& cells = document["cells"];
  if (!cells.is_array()) {
    fields.refuse_type("cells", "an array", cells);
    return *fields.error();
  }
  std::size_t index = 0;
  for (json& cell : cells) check_cell(fields, cell, index++);
  if (fields.error()) return *fields.error();

  join_lines(document);
  strip_transient(document);
  complete_ids(document);
  return Notebook(std::move(document));
}

std::string Notebook::to_text() const {
  json document = *document_;
  strip_transient(document);
  split_lines(document);
  return dump_notebook(document);
}

std::size_t Notebook::size() const { return document_->at("cells").size(); }

Cell Notebook::cell(std::size_t index) const {
  const json& found = document_->at("cells").at(index);
  Cell cell;
  const json& type = found.at("cell_type");
  if (type == "markdown") cell.type = CellType::markdown;
  if (type == "raw") cell.type = CellType::raw;
  cell.id = found.at("id").get<std::string>();
  cell.source = found.at("source").get<std::string>();
  if (const json* tags = member(found.at("metadata"), "tags");
      tags != nullptr && tags->is_array()) {
    for (const json& tag : *tags) {
      if (tag.is_string()) cell.tags.push_back(tag.get<std::string>());
    }
  }
  const json* count = member(found, "execution_count");
  if (count != nullptr && count->is_number_integer()) {
    cell.execution_count = count->get<std::int64_t>();
  }
  return cell;
}

std::string Notebook::kernel_name() const {
  return text_at(document_->at("metadata"), "kernelspec", "name");
}

std::string Notebook::language() const {
  const json& metadata = document_->at("metadata");
  const std::string named = text_at(metadata, "language_info", "name");
  return named.empty() ? text_at(metadata, "kernelspec", "language") : named;
}

void Notebook::set_kernelspec(std::string_view name, std::string_view display_name,
                              std::string_view language) {
  (*document_)["metadata"]["kernelspec"] = {
      {"name", name}, {"display_name", display_name}, {"language", language}};
}

void Notebook::set_language_info(const json& language_info) {
  if (language_info.is_object()) (*document_)["metadata"]["language_info"] = language_info;
}

void Notebook::set_result(std::size_t index, std::optional<std::int64_t> execution_count,
                          const std::vector<Output>& outputs) {
  json& cell = document_->at("cells").at(index);
  cell["execution_count"] = nullptr;
  if (execution_count) cell["execution_count"] = *execution_count;
  json& list = cell["outputs"] = json::array();
  for (const Output& output : outputs) list.push_back(to_nbformat(output));
}

void Notebook::clear_results() {
  for (std::size_t index = 0; index < size(); ++index) {
    if (cell(index).type == CellType::code) set_result(index, std::nullopt, {});
  }
}

void Notebook::insert_cell(std::size_t index, CellType type, std::string_view source,
                           const std::vector<std::string>& tags, std::string_view id) {
  const std::set<std::string> taken = cell_ids(*document_);
  std::string free(id);
  if (taken.contains(free)) free = free_id(taken, free, 2);
  json cell = {{"cell_type", to_string(type)},
               {"id", free},
               {"metadata", json::object()},
               {"source", source}};
  if (!tags.empty()) cell["metadata"]["tags"] = tags;
  if (type == CellType::code) {
    cell["execution_count"] = nullptr;
    cell["outputs"] = json::array();
  }
  json& cells = (*document_)["cells"];
  cells.insert(cells.begin() + static_cast<json::difference_type>(index), std::move(cell));
}

void Notebook::erase_cell(std::size_t index) { (*document_)["cells"].erase(index); }

}  // namespace perijove
