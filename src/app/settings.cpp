#include "app/settings.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "app/units.hpp"
#include "base/text.hpp"

namespace perijove {
namespace {

using Shape = Setting::Shape;

Setting declare(std::string name, std::string unit, std::string description,
                Shape shape = Shape::value) {
  Setting setting;
  setting.name = std::move(name);
  setting.unit = std::move(unit);
  setting.description = std::move(description);
  setting.shape = shape;
  return setting;
}

// Each builder takes an accessor, `[](ServeOptions& o) -> T& { ... }`: reading and writing then
// cannot disagree about which field is meant.

template <typename Access>
auto read_only(Access access) {
  return [access](const ServeOptions& options) -> const auto& {
    return access(const_cast<ServeOptions&>(options));  // the accessor only points at a field
  };
}

template <typename Access>
Setting text(std::string name, std::string unit, Access access, std::string description) {
  Setting setting = declare(std::move(name), std::move(unit), std::move(description));
  setting.write = [access](ServeOptions& options, const std::vector<std::string>& values) {
    access(options) = values.front();
    return Result<void>();
  };
  setting.read = [get = read_only(access)](const ServeOptions& options) { return get(options); };
  return setting;
}

template <typename Access>
Setting list(std::string name, std::string unit, Access access, std::string description) {
  Setting setting = declare(std::move(name), std::move(unit), std::move(description), Shape::list);
  setting.write = [access](ServeOptions& options, const std::vector<std::string>& values) {
    auto& all = access(options);
    all.clear();
    for (const std::string& value : values) {
      for (std::size_t start = 0; start <= value.size();) {
        const std::size_t end = std::min(value.find(',', start), value.size());
        const std::string_view entry = trim(std::string_view(value).substr(start, end - start));
        if (!entry.empty()) all.emplace_back(entry);
        start = end + 1;
      }
    }
    return Result<void>();
  };
  setting.read = [get = read_only(access)](const ServeOptions& options) {
    std::string joined;
    for (const std::string& entry : get(options)) joined += (joined.empty() ? "" : ",") + entry;
    return joined;
  };
  return setting;
}

template <typename Access>
Setting toggle(std::string name, Access access, std::string description) {
  Setting setting =
      declare(std::move(name), "true or false", std::move(description), Shape::toggle);
  setting.write = [access](ServeOptions& options,
                           const std::vector<std::string>& values) -> Result<void> {
    const std::string value = to_lower(values.front());
    if (value == "true" || value == "1" || value == "yes" || value == "on") {
      access(options) = true;
    } else if (value == "false" || value == "0" || value == "no" || value == "off") {
      access(options) = false;
    } else {
      return Error{Code::invalid_argument, "must be true or false, not '" + values.front() + "'"};
    }
    return {};
  };
  setting.read = [get = read_only(access)](const ServeOptions& options) {
    return std::string(get(options) ? "true" : "false");
  };
  return setting;
}

template <typename Access>
Setting number(std::string name, std::string unit, std::uint64_t max, Access access,
               std::string description) {
  Setting setting = declare(std::move(name), std::move(unit), std::move(description));
  setting.write = [access, max](ServeOptions& options,
                                const std::vector<std::string>& values) -> Result<void> {
    const auto count = parse_count(values.front(), "the value", 0, max);
    if (!count) return count.error();
    auto& field = access(options);
    field = static_cast<std::remove_reference_t<decltype(field)>>(*count);
    return {};
  };
  setting.read = [get = read_only(access)](const ServeOptions& options) {
    return std::to_string(get(options));
  };
  return setting;
}

template <typename Access>
Setting bytes(std::string name, Access access, std::string description) {
  Setting setting = declare(std::move(name), "bytes", std::move(description));
  setting.write = [access](ServeOptions& options,
                           const std::vector<std::string>& values) -> Result<void> {
    const auto size = parse_bytes(values.front(), "the value");
    if (!size) return size.error();
    auto& field = access(options);
    field = static_cast<std::remove_reference_t<decltype(field)>>(*size);
    return {};
  };
  setting.read = [get = read_only(access)](const ServeOptions& options) {
    return bytes_text(get(options));
  };
  return setting;
}

template <typename Access>
Setting seconds(std::string name, Access access, std::string description) {
  Setting setting = declare(std::move(name), "seconds", std::move(description));
  setting.write = [access](ServeOptions& options,
                           const std::vector<std::string>& values) -> Result<void> {
    const auto duration = parse_duration(values.front(), "the value");
    if (!duration) return duration.error();
    access(options) = *duration;
    return {};
  };
  setting.read = [get = read_only(access)](const ServeOptions& options) {
    return duration_text(get(options));
  };
  return setting;
}

// A time limit that may be absent: 0 is none.
template <typename Access>
Setting seconds_or_none(std::string name, Access access, std::string description) {
  Setting setting = declare(std::move(name), "seconds", std::move(description));
  setting.write = [access](ServeOptions& options,
                           const std::vector<std::string>& values) -> Result<void> {
    const auto duration = parse_duration(values.front(), "the value");
    if (!duration) return duration.error();
    access(options) = *duration > Duration::zero() ? std::optional(*duration) : std::nullopt;
    return {};
  };
  setting.read = [get = read_only(access)](const ServeOptions& options) {
    return duration_text(get(options).value_or(Duration::zero()));
  };
  return setting;
}

// A leading and a trailing slash, whatever was given.
Setting base_url() {
  Setting setting = declare("base-url", "path",
                            "Where the gateway stands below its host, when a proxy puts it there: "
                            "/jupyter/.");
  setting.write = [](ServeOptions& options,
                     const std::vector<std::string>& values) -> Result<void> {
    std::string path = values.front();
    if (path.find_first_of("?# \t") != std::string::npos) {
      return Error{Code::invalid_argument, "must be a path such as /jupyter/, not '" + path + "'"};
    }
    if (!path.starts_with('/')) path.insert(0, 1, '/');
    if (!path.ends_with('/')) path += '/';
    options.face.base_url = std::move(path);
    return {};
  };
  setting.read = [](const ServeOptions& options) { return options.face.base_url; };
  return setting;
}

Setting kernel_transport() {
  Setting setting = declare("kernel-transport", "ipc or tcp",
                            "How the gateway reaches its kernels: `ipc`, sockets in a private "
                            "directory, or `tcp` on the loopback address, which holds more of what "
                            "a kernel prints in a hurry but lets other users of the machine "
                            "connect. A kernelspec's metadata.perijove.transport wins.");
  setting.write = [](ServeOptions& options,
                     const std::vector<std::string>& values) -> Result<void> {
    if (values.front() != "ipc" && values.front() != "tcp") {
      return Error{Code::invalid_argument, "must be ipc or tcp, not '" + values.front() + "'"};
    }
    options.gateway.registry.kernel_transport =
        values.front() == "tcp" ? Transport::tcp : Transport::ipc;
    return {};
  };
  setting.read = [](const ServeOptions& options) {
    return std::string(to_string(options.gateway.registry.kernel_transport));
  };
  return setting;
}

Setting auto_restart() {
  Setting setting = declare("auto-restart", "never or always",
                            "What happens to a kernel that dies: `always` starts it again, without "
                            "its state, as Jupyter does; `never` leaves it dead until somebody "
                            "restarts it.");
  setting.write = [](ServeOptions& options,
                     const std::vector<std::string>& values) -> Result<void> {
    auto& field = options.gateway.registry.kernel.lifecycle.auto_restart;
    if (values.front() == "never") {
      field = lifecycle::AutoRestart::never;
    } else if (values.front() == "always") {
      field = lifecycle::AutoRestart::always;
    } else {
      return Error{Code::invalid_argument, "must be never or always, not '" + values.front() + "'"};
    }
    return {};
  };
  setting.read = [](const ServeOptions& options) {
    const auto value = options.gateway.registry.kernel.lifecycle.auto_restart;
    return std::string(value == lifecycle::AutoRestart::never ? "never" : "always");
  };
  return setting;
}

Setting log_level() {
  Setting setting = text(
      "log-level", "debug, info, warning, error or off",
      [](ServeOptions& o) -> std::string& { return o.log_level; },
      "What is logged on standard error.");
  setting.write = [](ServeOptions& options,
                     const std::vector<std::string>& values) -> Result<void> {
    for (const std::string_view known : {"debug", "info", "warning", "error", "off"}) {
      if (values.front() != known) continue;
      options.log_level = known;
      return {};
    }
    return Error{Code::invalid_argument,
                 "must be debug, info, warning, error or off, not '" + values.front() + "'"};
  };
  return setting;
}

Setting token() {
  Setting setting = text(
      "token", "text", [](ServeOptions& o) -> std::string& { return o.face.token; },
      "What clients prove themselves with: `?token=`, `Authorization: token` or `Bearer`. Absent: "
      "one is made and shown. The variable is the better place: other users see command lines.");
  setting.secret = true;
  return setting;
}

std::vector<Setting> make_settings() {
  using O = ServeOptions;
  constexpr std::uint64_t kPortMax = 65'535;
  constexpr std::uint64_t kCountMax = 1'000'000;
  constexpr std::uint64_t kCharactersMax = 100'000'000;
  return {
      text(
          "ip", "address", [](O & o) -> auto& { return o.ip; },
          "The address to listen on; 0.0.0.0 is every one."),
      number(
          "port", "port", kPortMax, [](O & o) -> auto& { return o.port; },
          "The port to listen on; 0 takes a free one and says which."),
      number(
          "port-retries", "ports", kPortMax, [](O & o) -> auto& { return o.port_retries; },
          "How many of the ports after it are tried when it is taken."),
      token(),
      toggle(
          "no-auth", [](O & o) -> auto& { return o.no_auth; },
          "Let everybody in who can connect. Refused unless the address is a loopback one."),
      toggle(
          "allow-no-auth", [](O & o) -> auto& { return o.allow_no_auth; },
          "Allow running without a token where others can connect: whoever reaches the port "
          "runs code as this user. For a container that nobody else reaches."),
      base_url(),
      list(
          "allow-origin", "origins", [](O & o) -> auto& { return o.face.allow_origins; },
          "Origins of other sites whose pages may talk to the gateway; `*` is any, and within one "
          "stands for a part of a host's name or a port: `https://*.example.com`, "
          "`http://localhost:*`."),
      toggle(
          "allow-credentials", [](O & o) -> auto& { return o.face.allow_credentials; },
          "Send Access-Control-Allow-Credentials to those."),
      text(
          "allow-headers", "text", [](O & o) -> auto& { return o.face.allow_headers; },
          "Access-Control-Allow-Headers in place of the usual ones."),
      text(
          "allow-methods", "text", [](O & o) -> auto& { return o.face.allow_methods; },
          "Access-Control-Allow-Methods in place of the usual ones."),
      text(
          "expose-headers", "text", [](O & o) -> auto& { return o.face.expose_headers; },
          "Access-Control-Expose-Headers in place of Location."),
      text(
          "max-age", "seconds", [](O & o) -> auto& { return o.face.max_age; },
          "Access-Control-Max-Age."),
      list(
          "allow-host", "host names", [](O & o) -> auto& { return o.face.allow_hosts; },
          "Host headers that are answered besides addresses, localhost and `ip`; `*` is any. "
          "Protects a gateway without a token from web pages (DNS rebinding)."),
      toggle(
          "list-kernels", [](O & o) -> auto& { return o.face.list_kernels; },
          "Answer GET /api/kernels and /api/sessions; false: 403."),
      text(
          "work-dir", "directory", [](O & o) -> auto& { return o.gateway.registry.work_root; },
          "Where kernels run, or below it when a client says so. Absent: the current directory."),
      text(
          "default-kernel", "kernelspec",
          [](O & o) -> auto& { return o.gateway.registry.default_kernelspec; },
          "For clients that name none. Absent: python3, or the first there is."),
      number(
          "max-kernels", "kernels", kCountMax,
          [](O & o) -> auto& { return o.gateway.registry.kernels_max; },
          "Live kernels at a time; a further start is answered with 403. 0: no limit."),
      list(
          "inherit-env", "patterns",
          [](O & o) -> auto& { return o.gateway.registry.inherited_env; },
          "Variables of the gateway that kernels get besides PATH, HOME, LANG and the like; "
          "`AWS_*` and `*` are patterns. Tokens of gateways never."),
      list(
          "client-env", "patterns", [](O & o) -> auto& { return o.gateway.registry.client_env; },
          "Variables that a client may set for its kernel besides KERNEL_*."),
      seconds(
          "start-timeout",
          [](O & o) -> auto& { return o.gateway.registry.kernel.lifecycle.start_timeout; },
          "From launch to a kernel that answers; then it is ended and the reason shown."),
      seconds(
          "shutdown-timeout",
          [](O & o) -> auto& { return o.gateway.registry.kernel.lifecycle.shutdown_wait; },
          "From the polite request to end until a kernel is killed; half of it until SIGTERM."),
      auto_restart(),
      kernel_transport(),
      toggle(
          "fork-servers", [](O & o) -> auto& { return o.gateway.fork_servers; },
          "Start kernels, in the sandbox and in containers, too, as a fork of a process that has "
          "imported what they need, in milliseconds, where their kernelspec has such a fork "
          "server."),
      number(
          "restart-limit", "restarts per minute", 1'000, [](O & o) -> auto& {
            return o.gateway.registry.kernel.lifecycle.restart_budget.restarts_max;
          },
          "Automatic restarts of one kernel within a minute; one more death is final."),
      seconds(
          "cull-idle-timeout",
          [](O & o) -> auto& { return o.gateway.registry.kernel.cull.idle_timeout; },
          "End kernels that have been idle for so long. 0: never. A kernelspec's "
          "metadata.cull_idle_timeout wins."),
      toggle(
          "cull-connected", [](O & o) -> auto& { return o.gateway.registry.kernel.cull.connected; },
          "Also while a client is connected."),
      toggle(
          "cull-busy", [](O & o) -> auto& { return o.gateway.registry.kernel.cull.busy; },
          "Also while code runs: counted from the kernel's last sign of life."),
      text(
          "isolation", "kind", [](O & o) -> auto& { return o.gateway.isolation.default_kind; },
          "What keeps kernels from this machine unless a session asks for more: none, sandbox, "
          "docker, or auto: docker where its daemon has the image, else sandbox, else no kernel "
          "starts. With another than none, clients cannot ask for less, with auto for less than "
          "sandbox."),
      text(
          "docker-image", "name", [](O & o) -> auto& { return o.gateway.isolation.docker_image; },
          "Image of containers for which neither session nor kernelspec names one; empty: "
          "perijove-kernels:latest. It is never pulled."),
      list(
          "isolation-networks", "names",
          [](O & o) -> auto& { return o.gateway.isolation.networks; },
          "Networks that clients may then name for their kernels besides none: host, or those of "
          "Docker."),
      list(
          "isolation-mounts", "directories",
          [](O & o) -> auto& { return o.gateway.isolation.mount_roots; },
          "Directories below which clients may then name mounts for their kernels."),
      seconds_or_none(
          "session-timeout", [](O & o) -> auto& { return o.sessions.defaults.timeout; },
          "That each block of a /v1 session may take when neither session nor request says "
          "otherwise; it is then interrupted. 0: no limit."),
      seconds_or_none(
          "session-idle-timeout", [](O & o) -> auto& { return o.sessions.idle_timeout; },
          "End /v1 sessions in which nothing has run for so long, unless they say otherwise. "
          "0: never."),
      seconds_or_none(
          "session-max-lifetime", [](O & o) -> auto& { return o.sessions.lifetime_max; },
          "End /v1 sessions so long after their beginning, whatever runs. 0: never."),
      list(
          "warm-kernels", "NAME=COUNT", [](O & o) -> auto& { return o.warm_kernels; },
          "Keep COUNT kernels of the kernelspec NAME (COUNT alone: of the default one) running for "
          "clients who start one without environment or directory of their own; no list shows them "
          "before, and --max-kernels does not count them."),
      list(
          "pool", "NAME=COUNT", [](O & o) -> auto& { return o.pools; },
          "Keep COUNT sessions of the kernelspec or language NAME ready, in a pool of that name; "
          "clients of /v1 take one with {\"pool\": NAME}."),
      number(
          "output-max-chars", "characters", kCharactersMax,
          [](O & o) -> auto& { return o.sessions.defaults.output.budget.chars_max; },
          "Longest text of stdout, of stderr and of both together in a result of /v1, unless "
          "session or request say otherwise; more is cut in the middle, and kept on disk."),
      text(
          "state-dir", "directory", [](O & o) -> auto& { return o.sessions.checkpoints.state_dir; },
          "Where checkpoints of /v1 sessions are kept, out of reach of isolated kernels. Absent: "
          "$XDG_STATE_HOME/perijove or ~/.local/state/perijove."),
      bytes(
          "checkpoint-bytes", [](O & o) -> auto& { return o.sessions.checkpoints.bytes_max; },
          "What the checkpoints of one session may take on disk together; beyond it none is taken, "
          "and the answer is 429."),
      bytes(
          "max-body-size", [](O & o) -> auto& { return o.body_bytes_max; },
          "Longest body of a request; longer: 413."),
      bytes(
          "max-ws-message-size", [](O & o) -> auto& { return o.face.ws_message_bytes_max; },
          "Longest message of a client; longer: its websocket is closed with 1009."),
      seconds(
          "ws-ping-interval", [](O & o) -> auto& { return o.face.ws_ping_interval; },
          "Between pings on an open websocket, which keep proxies from closing it. 0: none. "
          "Nobody is dropped for not answering."),
      bytes(
          "journal-memory",
          [](O & o) -> auto& { return o.gateway.registry.kernel.journal_memory_bytes_max; },
          "Messages of one kernel that wait in memory for slow or lost clients; more of them "
          "wait on disk."),
      bytes(
          "journal-disk",
          [](O & o) -> auto& { return o.gateway.registry.kernel.journal_disk_bytes_max; },
          "The same on disk; beyond it messages are dropped, and clients are told."),
      text(
          "journal-dir", "directory",
          [](O & o) -> auto& { return o.gateway.registry.kernel.journal_directory; },
          "Where that is."),
      text(
          "runtime-dir", "directory", [](O & o) -> auto& { return o.gateway.runtime_base; },
          "Base of the directories with sockets and connection files; short, for a socket's path "
          "has 107 bytes. Absent: $XDG_RUNTIME_DIR/perijove or /tmp/perijove-UID."),
      log_level(),
  };
}

std::string markdown_cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.insert(at, 1, '\\');
  }
  return text;
}

}  // namespace

std::string Setting::variable() const {
  std::string upper(kSettingVariablePrefix);
  for (const char c : name) {
    upper += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
  return upper;
}

const std::vector<Setting>& serve_settings() {
  static const std::vector<Setting> settings = make_settings();
  return settings;
}

const Setting* find_setting(std::string_view name) {
  std::string wanted(name);
  std::replace(wanted.begin(), wanted.end(), '_', '-');
  for (const Setting& setting : serve_settings()) {
    if (setting.name == wanted) return &setting;
  }
  return nullptr;
}

std::string settings_table() {
  const ServeOptions defaults;
  std::string table = "| option | default | unit | meaning |\n|---|---|---|---|\n";
  for (const Setting& setting : serve_settings()) {
    const std::string value = setting.secret ? "" : setting.read(defaults);
    table += "| `--" + setting.name + "` | " +
             (value.empty() ? std::string("-") : "`" + markdown_cell(value) + "`") + " | " +
             markdown_cell(setting.unit) + " | " + markdown_cell(setting.description) + " |\n";
  }
  return table;
}

}  // namespace perijove
