#include "executor/checkpoint.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

constexpr int kManifestFormat = 1;

template <typename Items>
json list_of(const Items& items) {
  json all = json::array();
  for (const auto& each : items) all.push_back(to_json(each));
  return all;
}

json to_json(const SavedNamespace& saved) {
  return {{"language", saved.language},
          {"kernel", saved.kernel},
          {"problem", saved.problem.empty() ? json() : json(saved.problem)},
          {"bytes", saved.bytes},
          {"saved", saved.saved},
          {"skipped", list_of(saved.skipped)}};
}

std::uint64_t number(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::vector<std::string> texts(const json& object, const char* name) {
  std::vector<std::string> all;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return all;
  for (const json& each : *found) {
    if (each.is_string()) all.push_back(each.get<std::string>());
  }
  return all;
}

SavedNamespace read_namespace(const json& object) {
  SavedNamespace saved;
  saved.language = json_text(object, "language");
  saved.kernel = json_text(object, "kernel");
  saved.problem = json_text(object, "problem");
  saved.file = json_text(object, "file");
  saved.sha256 = json_text(object, "sha256");
  saved.bytes = number(object, "bytes");
  saved.saved = texts(object, "saved");
  const auto skipped = object.find("skipped");
  if (skipped == object.end() || !skipped->is_array()) return saved;
  for (const json& each : *skipped) {
    saved.skipped.push_back({json_text(each, "name"), json_text(each, "reason")});
  }
  return saved;
}

}  // namespace

json to_json(const NotCarried& left_out) {
  return {{"name", left_out.name}, {"reason", left_out.reason}};
}

std::uint64_t Checkpoint::bytes() const {
  std::uint64_t all = file_bytes;
  for (const SavedNamespace& each : namespaces) all += each.bytes;
  return all;
}

std::string Checkpoint::method() const {
  for (const SavedNamespace& each : namespaces) {
    if (each.problem.empty()) return "namespace+files";
  }
  return "files";
}

std::vector<std::string> Checkpoint::warnings() const {
  std::vector<std::string> all;
  if (namespaces.empty()) all.emplace_back("no kernel had been started: there are no variables");
  for (const SavedNamespace& each : namespaces) {
    if (!each.problem.empty()) all.push_back(each.language + ": " + each.problem);
    for (const NotCarried& name : each.skipped) {
      all.push_back(each.language + ": '" + name.name + "' is left out: " + name.reason);
    }
  }
  for (const std::string& each : files_left_out) all.push_back("file left out: " + each);
  return all;
}

json to_json(const Checkpoint& checkpoint) {
  json namespaces = json::array();
  json saved = json::array();
  json skipped = json::array();
  for (const SavedNamespace& each : checkpoint.namespaces) {
    namespaces.push_back(to_json(each));
    if (each.language != checkpoint.language) continue;
    saved = each.saved;
    skipped = list_of(each.skipped);
  }
  return {{"checkpoint_id", checkpoint.id},
          {"label", checkpoint.label},
          {"session_id", checkpoint.session_id},
          {"created", checkpoint.created},
          {"duration_s", checkpoint.duration_s},
          {"keep", checkpoint.keep},
          {"automatic", checkpoint.automatic},
          {"kernel", checkpoint.kernel},
          {"language", checkpoint.language},
          {"isolation", checkpoint.isolation},
          {"method", checkpoint.method()},
          {"bytes", checkpoint.bytes()},
          {"files",
           {{"count", checkpoint.files},
            {"bytes", checkpoint.file_bytes},
            {"left_out", checkpoint.files_left_out}}},
          {"saved", std::move(saved)},
          {"skipped", std::move(skipped)},
          {"namespaces", std::move(namespaces)}};
}

std::string manifest_of(const Checkpoint& checkpoint) {
  json manifest = to_json(checkpoint);
  manifest.erase("saved");
  manifest.erase("skipped");
  manifest["format"] = kManifestFormat;
  manifest["config"] = checkpoint.config;
  for (std::size_t i = 0; i < checkpoint.namespaces.size(); ++i) {
    manifest["namespaces"][i]["file"] = checkpoint.namespaces[i].file;
    manifest["namespaces"][i]["sha256"] = checkpoint.namespaces[i].sha256;
  }
  return dump_json(manifest);
}

Result<Checkpoint> read_manifest(const std::string& text, std::string directory) {
  const auto manifest = parse_json(text);
  if (!manifest || !manifest->is_object() || number(*manifest, "format") != kManifestFormat) {
    return Error{Code::data_loss,
                 "the checkpoint in " + directory + " is damaged, or of another version"};
  }
  Checkpoint checkpoint;
  checkpoint.directory = std::move(directory);
  checkpoint.id = json_text(*manifest, "checkpoint_id");
  checkpoint.label = json_text(*manifest, "label");
  checkpoint.session_id = json_text(*manifest, "session_id");
  checkpoint.created = json_text(*manifest, "created");
  const json duration = manifest->value("duration_s", json());
  if (duration.is_number()) checkpoint.duration_s = duration.get<double>();
  checkpoint.keep = manifest->value("keep", json()) == true;
  checkpoint.automatic = manifest->value("automatic", json()) == true;
  checkpoint.kernel = json_text(*manifest, "kernel");
  checkpoint.language = json_text(*manifest, "language");
  checkpoint.isolation = json_text(*manifest, "isolation");
  checkpoint.config = json_text(*manifest, "config");
  const json files = manifest->value("files", json::object());
  checkpoint.files = number(files, "count");
  checkpoint.file_bytes = number(files, "bytes");
  checkpoint.files_left_out = texts(files, "left_out");
  for (const json& each : manifest->value("namespaces", json())) {
    if (each.is_object()) checkpoint.namespaces.push_back(read_namespace(each));
  }
  return checkpoint;
}

json to_json(const Restoration& restoration) {
  json namespaces = json::array();
  for (const Restoration::Namespace& each : restoration.namespaces) {
    namespaces.push_back({{"language", each.language},
                          {"problem", each.problem.empty() ? json() : json(each.problem)},
                          {"restored", each.restored},
                          {"failed", list_of(each.failed)}});
  }
  return {{"checkpoint_id", restoration.checkpoint_id},
          {"files", restoration.files},
          {"namespaces", std::move(namespaces)}};
}

}  // namespace perijove
