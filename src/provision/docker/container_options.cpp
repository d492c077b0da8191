#include "provision/docker/container_options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"
#include "provision/docker/run_args.hpp"

namespace perijove::docker {
namespace {

using nlohmann::json;

constexpr double kSizeMax = 1e15;

// Fields of the Engine that undo what keeps a kernel in its container, and why they are not there.
constexpr std::pair<std::string_view, std::string_view> kRefusedFields[] = {
    {"privileged", "would give the kernel the whole machine"},
    {"cap_add",
     "would give back what a container can break out with; kernels have no capabilities"},
    {"devices", "would give the kernel devices of the machine; GPUs are had by device_requests"},
    {"pid_mode", "would show the kernel the machine's processes"},
    {"ipc_mode", "would share memory with the machine"},
    {"userns_mode", "is the daemon's to set"},
    {"security_opt", "is fixed: no-new-privileges, and a filter of system calls"},
    {"binds", "is spelled extra_volumes here"},
    {"publish", "would open the kernel to others; the gateway reaches it without"},
    {"ports", "would open the kernel to others; the gateway reaches it without"},
};

bool is_volume_name(std::string_view name) {
  const auto is_word = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  return name.size() >= 2 && is_word(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
           return is_word(c) || c == '_' || c == '.' || c == '-';
         });
}

bool is_plain_path(std::string_view path) {
  if (!path.starts_with('/') || path.find('\0') != path.npos) return false;
  std::string_view rest = path;
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::size_t end = std::min(rest.find('/'), rest.size());
    if (rest.substr(0, end) == "..") return false;
    rest = rest.substr(end);
  }
  return true;
}

std::vector<std::string> read_texts(JsonFields& fields, std::string_view field) {
  std::vector<std::string> texts;
  const json* value = fields.find(field);
  if (value == nullptr || value->is_null()) return texts;
  const bool all = value->is_array() && std::all_of(value->begin(), value->end(),
                                                    [](const json& v) { return v.is_string(); });
  if (!all) {
    fields.refuse(field, "must be an array of strings");
    return texts;
  }
  return value->get<std::vector<std::string>>();
}

// A number, or a text such as "2.0": guides write both.
std::optional<double> read_number(JsonFields& fields, std::string_view field, const json* value) {
  if (value == nullptr || value->is_null()) return std::nullopt;
  double number = 0;
  if (value->is_number()) {
    number = value->get<double>();
  } else if (value->is_string()) {
    const std::string& text = value->get_ref<const std::string&>();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) number = -1;
  } else {
    number = -1;
  }
  if (number > 0 && number <= kSizeMax) return number;
  fields.refuse(field, "must be a number above 0");
  return std::nullopt;
}

std::optional<std::uint64_t> read_count(JsonFields& fields, std::string_view field,
                                        const json* value) {
  const auto number = read_number(fields, field, value);
  if (!number) return std::nullopt;
  if (*number < 1 || *number != std::floor(*number)) {
    fields.refuse(field, "must be a whole number above 0");
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(*number);
}

std::optional<std::uint64_t> read_size(JsonFields& fields, std::string_view field,
                                       const json* value) {
  if (value != nullptr && value->is_string()) {
    const auto size = parse_size(value->get_ref<const std::string&>());
    if (!size) fields.refuse(field, "must be a size such as 512m or 2g");
    return size;
  }
  return read_count(fields, field, value);
}

void read_limits(JsonFields& fields, ContainerOptions& options) {
  // In an object of its own, as guides have it, or beside the others.
  const json* limits = fields.find("resource_limits");
  if (limits != nullptr && !limits->is_null()) {
    if (!limits->is_object()) {
      fields.refuse_type("resource_limits", "an object", *limits);
      return;
    }
    JsonFields inner(*limits, "docker.resource_limits");
    inner.refuse_unknown({"memory", "memory_swap", "cpus", "pids"});
    options.memory_bytes = read_size(inner, "memory", inner.find("memory"));
    options.memory_swap_bytes = read_size(inner, "memory_swap", inner.find("memory_swap"));
    options.cpus = read_number(inner, "cpus", inner.find("cpus"));
    options.pids = read_count(inner, "pids", inner.find("pids"));
    if (inner.error()) fields.refuse("resource_limits", "is wrong: " + inner.error()->message);
  }
  const auto prefer = [](auto& to, const auto& from) {
    if (from) to = from;
  };
  prefer(options.memory_bytes, read_size(fields, "memory", fields.find("memory")));
  prefer(options.memory_swap_bytes, read_size(fields, "memory_swap", fields.find("memory_swap")));
  prefer(options.cpus, read_number(fields, "cpus", fields.find("cpus")));
  prefer(options.pids, read_count(fields, "pids", fields.find("pids")));
  options.shm_bytes = read_size(fields, "shm_size", fields.find("shm_size"));
  if (const auto size = read_size(fields, "log_size", fields.find("log_size"))) {
    options.log_bytes_max = *size;
  }
}

// {"/host": {"bind": "/inside", "mode": "ro"}}, {"/host": "/inside:ro"} or ["/host:/inside:ro"].
void read_volumes(JsonFields& fields, std::string_view field, std::vector<Volume>& volumes) {
  const json* value = fields.find(field);
  if (value == nullptr || value->is_null()) return;
  const auto add = [&](const std::string& text) {
    auto volume = parse_volume(text);
    if (volume) {
      volumes.push_back(*std::move(volume));
    } else {
      fields.refuse(field, "is wrong: " + volume.error().message);
    }
  };
  if (value->is_array()) {
    for (const std::string& text : read_texts(fields, field)) add(text);
    return;
  }
  if (!value->is_object()) {
    fields.refuse_type(field, "an object or an array", *value);
    return;
  }
  for (const auto& [source, target] : value->items()) {
    if (target.is_string()) {
      add(source + ":" + target.get<std::string>());
    } else if (target.is_object()) {
      JsonFields inner(target, "docker." + std::string(field) + "['" + source + "']");
      inner.refuse_unknown({"bind", "mode"});
      add(source + ":" + inner.text("bind") + ":" + inner.text("mode", "rw"));
      if (inner.error()) fields.refuse(field, "is wrong: " + inner.error()->message);
    } else {
      fields.refuse(field, "must hold objects such as {\"bind\": \"/data\", \"mode\": \"ro\"}");
    }
  }
}

void read_device_requests(JsonFields& fields, ContainerOptions& options) {
  const json* value = fields.find("device_requests");
  if (value == nullptr || value->is_null()) return;
  if (!value->is_array()) {
    fields.refuse_type("device_requests", "an array of objects", *value);
    return;
  }
  for (const json& each : *value) {
    JsonFields inner(each, "docker.device_requests");
    inner.refuse_unknown({"driver", "count", "device_ids", "capabilities", "options"});
    DeviceRequest request;
    request.driver = inner.text("driver");
    if (inner.find("count") != nullptr) request.count = inner.integer("count", -1, 1024);
    request.device_ids = read_texts(inner, "device_ids");
    request.options = inner.text_map("options");
    if (const json* lists = inner.find("capabilities"); lists != nullptr) {
      const bool texts =
          lists->is_array() && std::all_of(lists->begin(), lists->end(), [](const json& list) {
            return list.is_array() && std::all_of(list.begin(), list.end(),
                                                  [](const json& v) { return v.is_string(); });
          });
      if (texts) {
        request.capabilities = lists->get<std::vector<std::vector<std::string>>>();
      } else {
        inner.refuse("capabilities", "must be an array of arrays of strings, [[\"gpu\"]] say");
      }
    }
    if (inner.error()) fields.refuse("device_requests", "is wrong: " + inner.error()->message);
    options.device_requests.push_back(std::move(request));
  }
}

void read_tmpfs(JsonFields& fields, ContainerOptions& options) {
  const json* value = fields.find("tmpfs");
  if (value == nullptr || value->is_null()) return;
  if (value->is_object()) {
    options.tmpfs = fields.text_map("tmpfs");
  } else if (value->is_string()) {
    options.tmpfs.emplace(value->get<std::string>(), "");
  } else {
    for (const std::string& path : read_texts(fields, "tmpfs")) options.tmpfs.emplace(path, "");
  }
}

void read_ulimits(JsonFields& fields, ContainerOptions& options) {
  const json* value = fields.find("ulimits");
  if (value == nullptr || value->is_null()) return;
  if (!value->is_object()) {
    fields.refuse_type("ulimits", "an object", *value);
    return;
  }
  for (const auto& [name, limit] : value->items()) {
    Ulimit read;
    if (limit.is_number_unsigned() && limit <= INT64_MAX) {
      read.soft = read.hard = limit.get<std::int64_t>();
    } else if (limit.is_object()) {
      JsonFields inner(limit, "docker.ulimits." + name);
      read.soft = inner.integer("soft", 0, INT32_MAX);
      read.hard = inner.integer("hard", 0, INT32_MAX);
      if (inner.error()) fields.refuse("ulimits", "is wrong: " + inner.error()->message);
    } else {
      fields.refuse("ulimits", "must hold numbers, or objects with soft and hard");
    }
    options.ulimits[name] = read;
  }
}

void read_network(JsonFields& fields, ContainerOptions& options) {
  options.network = fields.text("network");
  const std::string mode = fields.text("network_mode");
  if (!mode.empty() && !options.network.empty() && mode != options.network) {
    fields.refuse("network_mode", "says something else than 'network'");
  }
  if (options.network.empty()) options.network = mode;
  if (fields.boolean("network_disabled", false)) {
    if (!options.network.empty() && options.network != "none") {
      fields.refuse("network_disabled", "contradicts the network that is named");
    }
    options.network = "none";
  }
}

void read_run_args(JsonFields& fields, ContainerOptions& options) {
  const json* value = fields.find("docker_run_args");
  if (value == nullptr || value->is_null()) return;
  std::vector<std::string> args;
  if (value->is_string()) {
    auto words = split_run_args(value->get_ref<const std::string&>());
    if (!words) {
      fields.refuse("docker_run_args", "is wrong: " + words.error().message);
      return;
    }
    args = *std::move(words);
  } else {
    args = read_texts(fields, "docker_run_args");
  }
  if (const auto applied = apply_run_args(args, options); !applied) {
    fields.refuse("docker_run_args", "is wrong: " + applied.error().message);
  }
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !(number > 0)) return std::nullopt;
  std::string unit = to_lower(text.substr(static_cast<std::size_t>(end - text.data())));
  if (unit.size() > 1 && unit.ends_with('b')) unit.pop_back();
  if (unit.size() > 1 && unit.ends_with('i')) unit.pop_back();
  double factor = 1;
  if (unit == "k") {
    factor = 1024;
  } else if (unit == "m") {
    factor = 1024.0 * 1024;
  } else if (unit == "g") {
    factor = 1024.0 * 1024 * 1024;
  } else if (unit == "t") {
    factor = 1024.0 * 1024 * 1024 * 1024;
  } else if (!unit.empty() && unit != "b") {
    return std::nullopt;
  }
  number *= factor;
  if (number < 1 || number > kSizeMax) return std::nullopt;
  return static_cast<std::uint64_t>(number);
}

Result<Volume> parse_volume(std::string_view text) {
  const auto wrong = [&](const std::string& why) {
    return Error{Code::invalid_argument, "the volume '" + std::string(text) + "' " + why};
  };
  Volume volume;
  std::string_view rest = text;
  for (const std::string_view mode : {":ro", ":rw"}) {
    if (!rest.ends_with(mode)) continue;
    volume.read_only = mode == ":ro";
    rest.remove_suffix(mode.size());
    break;
  }
  const std::size_t colon = rest.rfind(':');
  if (colon == rest.npos) return wrong("is not SOURCE:TARGET or SOURCE:TARGET:ro");
  volume.source = rest.substr(0, colon);
  volume.target = rest.substr(colon + 1);
  if (volume.is_named() ? !is_volume_name(volume.source) : !is_plain_path(volume.source)) {
    return wrong("must begin with an absolute path without '..', or the name of a volume");
  }
  if (!is_plain_path(volume.target) || volume.target == "/") {
    return wrong("must have an absolute path below '/' as its target, and ro or rw as its mode");
  }
  return volume;
}

Result<DeviceRequest> parse_gpus(std::string_view text) {
  DeviceRequest request;
  request.capabilities = {{"gpu"}};
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);  // docker's own documentation quotes device=...
  }
  constexpr std::string_view kDevice = "device=";
  if (text == "all") {
    request.count = -1;
  } else if (text.starts_with(kDevice)) {
    text.remove_prefix(kDevice.size());
    while (!text.empty()) {
      const std::size_t comma = std::min(text.find(','), text.size());
      if (comma > 0) request.device_ids.emplace_back(text.substr(0, comma));
      text.remove_prefix(std::min(comma + 1, text.size()));
    }
  } else {
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), request.count);
    if (error != std::errc() || end != text.data() + text.size()) request.count = 0;
  }
  if (request.count == 0 && request.device_ids.empty()) {
    return Error{Code::invalid_argument,
                 "'" + std::string(text) + "' names no GPUs: all, a number, or device=ID,ID"};
  }
  return request;
}

Result<void> check_container_options(const ContainerOptions& options) {
  const auto wrong = [](std::string why) { return Error{Code::invalid_argument, std::move(why)}; };
  if (options.network == "host") {
    return wrong(
        "network 'host' is not to be had in a container: it would share every port of the "
        "machine; name a network of Docker's, or none");
  }
  if (options.network.starts_with("container:")) {
    return wrong("network 'container:...' would join another kernel's network; name a network");
  }
  if (!is_plain_path(options.work_dir_inside) || options.work_dir_inside == "/") {
    return wrong("container_work_dir must be an absolute path below '/' without '..'");
  }
  if (!options.bind_dir.empty() && !is_plain_path(options.bind_dir)) {
    return wrong("bind_dir must be an absolute path without '..'");
  }
  if (!options.container_name.empty() && !is_volume_name(options.container_name)) {
    return wrong("container_name '" + options.container_name +
                 "' must consist of ASCII letters, digits, '_', '.' and '-', and begin with one of "
                 "the first two");
  }
  if (options.reuse_container && options.container_name.empty()) {
    return wrong("reuse_container needs a container_name, by which the container is found again");
  }
  if (!options.stop_container && options.auto_remove) {
    return wrong(
        "a container that is not stopped cannot be removed: set auto_remove to false, too");
  }
  if (!options.build_path.empty() && !options.build_path.starts_with('/')) {
    return wrong("build_path must be an absolute path");
  }
  for (const auto& [path, mount_options] : options.tmpfs) {
    if (!is_plain_path(path)) return wrong("tmpfs '" + path + "' must be an absolute path");
  }
  if (options.memory_bytes && options.memory_swap_bytes &&
      *options.memory_swap_bytes < *options.memory_bytes) {
    return wrong("memory_swap is memory and swap together: it cannot be less than memory");
  }
  if (options.memory_swap_bytes && !options.memory_bytes) {
    return wrong("memory_swap needs memory, too");
  }
  for (const auto& [name, value] : options.labels) {
    if (name.starts_with("org.perijove.")) {
      return wrong("labels that begin with 'org.perijove.' are the gateway's own");
    }
  }
  return {};
}

Result<ContainerOptions> parse_container_options(std::string_view text) {
  const auto document = parse_json(text);
  if (!document) return Error{Code::invalid_argument, "docker: " + document.error().message};
  JsonFields fields(*document, "docker");
  for (const auto& [name, why] : kRefusedFields) {
    if (fields.find(name) != nullptr) fields.refuse(name, why);
  }
  fields.refuse_unknown({"image",
                         "pull",
                         "build_path",
                         "container_name",
                         "auto_remove",
                         "stop_container",
                         "reuse_container",
                         "container_work_dir",
                         "bind_dir",
                         "files",
                         "extra_volumes",
                         "volumes",
                         "extra_hosts",
                         "environment",
                         "device_requests",
                         "init_command",
                         "network",
                         "network_mode",
                         "network_disabled",
                         "dns",
                         "read_only",
                         "tmpfs",
                         "resource_limits",
                         "memory",
                         "memory_swap",
                         "cpus",
                         "pids",
                         "user",
                         "runtime",
                         "shm_size",
                         "ulimits",
                         "labels",
                         "command",
                         "startup_timeout",
                         "log_size",
                         "docker_run_args"});
  ContainerOptions options;
  options.image = fields.text("image");
  constexpr PullPolicy kPolicies[] = {PullPolicy::missing, PullPolicy::never, PullPolicy::always};
  options.pull = kPolicies[fields.choice("pull", {"missing", "never", "always"}, 0)];
  options.build_path = fields.text("build_path");
  options.container_name = fields.text("container_name");
  options.stop_container = fields.boolean("stop_container", true);
  options.reuse_container = fields.boolean("reuse_container", false);
  // A container that is to be used again or runs on is not to be removed, unless somebody says so.
  options.auto_remove =
      fields.boolean("auto_remove", options.stop_container && !options.reuse_container);
  options.work_dir_inside = fields.text("container_work_dir", options.work_dir_inside);
  options.bind_dir = fields.text("bind_dir");
  constexpr FileSharing kSharings[] = {FileSharing::automatic, FileSharing::mount,
                                       FileSharing::archive};
  options.files = kSharings[fields.choice("files", {"auto", "mount", "archive"}, 0)];
  read_volumes(fields, "extra_volumes", options.volumes);
  read_volumes(fields, "volumes", options.volumes);
  options.extra_hosts = fields.text_map("extra_hosts");
  options.environment = fields.text_map("environment");
  read_device_requests(fields, options);
  options.init_command = fields.text("init_command");
  read_network(fields, options);
  options.dns = read_texts(fields, "dns");
  options.read_only = fields.boolean("read_only", false);
  read_tmpfs(fields, options);
  read_limits(fields, options);
  options.user = fields.text("user");
  options.runtime = fields.text("runtime");
  read_ulimits(fields, options);
  options.labels = fields.text_map("labels");
  options.command = read_texts(fields, "command");
  constexpr double kStartupMax = 24 * 3600;
  options.startup_timeout =
      std::chrono::seconds(static_cast<int>(fields.number("startup_timeout", 60, 1, kStartupMax)));
  read_run_args(fields, options);
  if (fields.error()) return *fields.error();
  if (const auto right = check_container_options(options); !right) {
    return Error{right.error().code, "docker: " + right.error().message};
  }
  return options;
}

}  // namespace perijove::docker
