#include "executor/session_isolation.hpp"

#include <nlohmann/json.hpp>

#include "protocol/json.hpp"

namespace perijove {

using nlohmann::json;

namespace {

void read_mounts(JsonFields& fields, std::vector<Mount>& mounts) {
  const json* const list = fields.find("mounts");
  if (list == nullptr || list->is_null()) return;
  if (!list->is_array()) {
    fields.refuse_type("mounts", "an array", *list);
    return;
  }
  for (const json& each : *list) {
    if (!each.is_object()) {
      fields.refuse_type("mounts", "an array of objects", each);
      return;
    }
    JsonFields mount(each, "mount");
    mount.refuse_unknown({"source", "target", "read_only"});
    Mount read{.source = mount.text("source"), .target = mount.text("target")};
    read.read_only = mount.boolean("read_only", true);
    if (read.target.empty()) read.target = read.source;
    for (const std::string& path : {read.source, read.target}) {
      if (!path.starts_with('/')) mount.refuse("source", "and 'target' must be absolute paths");
    }
    if (mount.error()) {
      fields.refuse("mounts", "has a wrong entry: " + mount.error()->message);
      return;
    }
    mounts.push_back(std::move(read));
  }
}

}  // namespace

void read_isolation(JsonFields& fields, IsolationRequest& request) {
  request.kind = fields.text("isolation", request.kind);
  request.network = fields.text("network", request.network);
  read_mounts(fields, request.mounts);
  for (const char* const kind : {"sandbox", "docker"}) {
    const json* const options = fields.find(kind);
    if (options == nullptr || options->is_null()) continue;
    if (!options->is_object()) {
      fields.refuse_type(kind, "an object", *options);
    } else if (request.kind.empty()) {
      request.kind = kind;  // whoever sets options of one wants that one
    }
    if (request.kind != kind) {
      fields.refuse(kind, "is not for isolation '" + request.kind + "'");
    } else {
      request.options = dump_json(*options);
    }
  }
}

json to_json(const IsolationReport& report) {
  json limits = json::array();
  for (const HeldLimit& each : report.limits) {
    limits.push_back({{"name", each.name},
                      {"value", each.value},
                      {"unit", each.unit},
                      {"held_by", each.held_by}});
  }
  return {{"isolation", report.kind},
          {"network", report.network.empty() ? json() : json(report.network)},
          {"limits", std::move(limits)},
          {"notes", report.notes}};
}

}  // namespace perijove
