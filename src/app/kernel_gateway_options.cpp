#include "app/kernel_gateway_options.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "app/settings.hpp"
#include "base/text.hpp"

namespace perijove {
namespace {

// A trait of jupyter_kernel_gateway (or of the jupyter_server and jupyter_client classes that it
// configures), its variable, and the setting of ours that does the same.
struct Trait {
  std::string_view name;      // Class.trait
  std::string_view variable;  // empty: none
  std::string_view setting;   // empty: nothing to do
};

constexpr Trait kTraits[] = {
    {"KernelGatewayApp.ip", "KG_IP", "ip"},
    {"KernelGatewayApp.port", "KG_PORT", "port"},
    {"KernelGatewayApp.port_retries", "KG_PORT_RETRIES", "port-retries"},
    {"KernelGatewayApp.base_url", "KG_BASE_URL", "base-url"},
    {"KernelGatewayApp.auth_token", "KG_AUTH_TOKEN", "token"},
    {"KernelGatewayApp.allow_credentials", "KG_ALLOW_CREDENTIALS", "allow-credentials"},
    {"KernelGatewayApp.allow_headers", "KG_ALLOW_HEADERS", "allow-headers"},
    {"KernelGatewayApp.allow_methods", "KG_ALLOW_METHODS", "allow-methods"},
    {"KernelGatewayApp.allow_origin", "KG_ALLOW_ORIGIN", "allow-origin"},
    {"KernelGatewayApp.expose_headers", "KG_EXPOSE_HEADERS", "expose-headers"},
    {"KernelGatewayApp.max_age", "KG_MAX_AGE", "max-age"},
    {"KernelGatewayApp.max_kernels", "KG_MAX_KERNELS", "max-kernels"},
    {"KernelGatewayApp.default_kernel_name", "KG_DEFAULT_KERNEL_NAME", "default-kernel"},
    {"KernelGatewayApp.prespawn_count", "KG_PRESPAWN_COUNT", "warm-kernels"},
    {"KernelGatewayApp.env_process_whitelist", "KG_ENV_PROCESS_WHITELIST", "inherit-env"},
    {"KernelGatewayApp.ws_ping_interval", "KG_WS_PING_INTERVAL_SECS", "ws-ping-interval"},
    {"KernelGatewayApp.root_dir", "", "work-dir"},
    {"KernelGatewayApp.log_level", "", "log-level"},
    {"JupyterApp.log_level", "", "log-level"},
    {"Application.log_level", "", "log-level"},
    {"JupyterWebsocketPersonality.list_kernels", "KG_LIST_KERNELS", "list-kernels"},
    {"JupyterWebsocketPersonality.env_whitelist", "KG_ENV_WHITELIST", "client-env"},
    {"MappingKernelManager.cull_idle_timeout", "", "cull-idle-timeout"},
    {"MappingKernelManager.cull_connected", "", "cull-connected"},
    {"MappingKernelManager.cull_busy", "", "cull-busy"},
    {"MappingKernelManager.kernel_info_timeout", "", "start-timeout"},
    {"MappingKernelManager.default_kernel_name", "", "default-kernel"},
    {"MappingKernelManager.root_dir", "", "work-dir"},
    {"MultiKernelManager.default_kernel_name", "", "default-kernel"},
    {"KernelManager.shutdown_wait_time", "", "shutdown-timeout"},
    {"KernelManager.autorestart", "", "auto-restart"},
    {"KernelRestarter.restart_limit", "", "restart-limit"},
    // Harmless to ignore: questions nobody asks here, formats, and what is always so with us.
    {"JupyterApp.answer_yes", "", ""},
    {"JupyterApp.logging_config", "", ""},
    {"JupyterApp.log_format", "", ""},
    {"JupyterApp.log_datefmt", "", ""},
    {"KernelGatewayApp.answer_yes", "", ""},
    {"KernelGatewayApp.logging_config", "", ""},
    {"KernelGatewayApp.trust_xheaders", "KG_TRUST_XHEADERS", ""},
    {"KernelGatewayApp.cookie_secret", "", ""},
    {"KernelGatewayApp.cookie_secret_file", "", ""},
    {"MappingKernelManager.cull_interval", "", ""},
    {"MappingKernelManager.buffer_offline_messages", "", ""},
    {"ZMQChannelsWebsocketConnection.limit_rate", "", ""},
    {"ZMQChannelsWebsocketConnection.iopub_msg_rate_limit", "", ""},
    {"ZMQChannelsWebsocketConnection.iopub_data_rate_limit", "", ""},
    {"ZMQChannelsWebsocketConnection.rate_limit_window", "", ""},
};

// Ignoring these would serve something else than what was asked for.
constexpr std::tuple<std::string_view, std::string_view, std::string_view> kRefused[] = {
    {"KernelGatewayApp.certfile", "KG_CERTFILE", "TLS is not spoken here: put a proxy in front"},
    {"KernelGatewayApp.keyfile", "KG_KEYFILE", "TLS is not spoken here: put a proxy in front"},
    {"KernelGatewayApp.client_ca", "KG_CLIENT_CA", "TLS is not spoken here: put a proxy in front"},
    {"KernelGatewayApp.seed_uri", "KG_SEED_URI", "kernels are not seeded from a notebook here"},
    {"KernelGatewayApp.force_kernel_name", "KG_FORCE_KERNEL_NAME",
     "clients choose their kernelspec here"},
    {"KernelGatewayApp.config_file", "", "Python configuration files are not read here"},
};

constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"ip", "KernelGatewayApp.ip"},
    {"port", "KernelGatewayApp.port"},
    {"port_retries", "KernelGatewayApp.port_retries"},
    {"api", "KernelGatewayApp.api"},
    {"seed_uri", "KernelGatewayApp.seed_uri"},
    {"log-level", "KernelGatewayApp.log_level"},
    {"config", "KernelGatewayApp.config_file"},
};

// Python's notation of text and lists, as traitlets takes it: 'a', ['a', 'b'].
std::string strip_python(std::string_view value) {
  value = trim(value);
  if (value.size() >= 2 && value.front() == '[' && value.back() == ']') {
    value = value.substr(1, value.size() - 2);
  }
  std::string plain;
  for (const char c : value) {
    if (c != '\'' && c != '"') plain += c;
  }
  return plain;
}

// DEBUG or 10 and so on, as Python's logging has them.
std::string log_level_name(const std::string& value) {
  const std::string name = to_lower(value);
  if (name == "0" || name == "10" || name == "debug") return "debug";
  if (name == "30" || name == "warn") return "warning";
  if (name == "40") return "error";
  if (name == "50" || name == "critical") return "error";
  return name == "20" ? "info" : name;
}

std::string value_for(std::string_view setting, const std::string& raw) {
  const bool is_verbatim = setting == "token";
  const std::string value = is_verbatim ? raw : strip_python(raw);
  if (setting == "log-level") return log_level_name(value);
  if (setting == "auto-restart") {
    const std::string lower = to_lower(value);
    return lower == "false" || lower == "0" ? "never" : "always";
  }
  // None means no limit, and so does 0 here.
  if ((setting == "max-kernels" || setting == "warm-kernels" || setting == "ws-ping-interval") &&
      value == "None") {
    return "0";
  }
  return value;
}

class Reader {
 public:
  Reader() {
    // jupyter_kernel_gateway's own defaults where ours differ.
    made_.serve.port_retries = 50;
    made_.serve.face.list_kernels = false;
    // It has no isolation, and its users have what it runs in for that: a container, mostly.
    made_.serve.gateway.isolation.default_kind = "none";
    // AG2 reads standard error up to the line with the address and no further: what is logged after
    // it must not fill the pipe.
    made_.serve.log_level = "warning";
  }

  Result<void> read_environment(const Environment& environment) {
    const auto ours = apply_environment(made_.serve, environment);
    if (!ours) return ours.error();
    made_.warnings = *ours;
    for (const auto& [trait, variable, why] : kRefused) {
      const auto found = environment.find(std::string(variable));
      if (!variable.empty() && found != environment.end() && !found->second.empty()) {
        return refuse(std::string(variable), why);
      }
    }
    for (const Trait& trait : kTraits) {
      const auto found = environment.find(std::string(trait.variable));
      if (trait.variable.empty() || found == environment.end() || found->second.empty()) continue;
      if (auto set = apply(trait, found->second, std::string(trait.variable)); !set) return set;
    }
    if (const auto api = environment.find("KG_API"); api != environment.end()) {
      return read_api(api->second, "KG_API");
    }
    return {};
  }

  Result<void> read_arguments(const std::vector<std::string>& arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const std::string& argument = arguments[i];
      if (argument == "--version" || argument == "-V") {
        made_.version = true;
      } else if (argument == "--help" || argument == "-h" || argument == "--help-all") {
        made_.help = true;
      } else if (argument == "--debug") {
        made_.serve.log_level = "debug";
      } else if (argument == "-y") {
        continue;
      } else if (!argument.starts_with("--")) {
        made_.warnings.push_back("'" + argument + "' is ignored: it is no option");
      } else {
        const std::size_t equals = argument.find('=');
        std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
        std::string value = "true";  // a flag without a value
        if (equals != std::string::npos) {
          value = argument.substr(equals + 1);
        } else if (i + 1 < arguments.size() && !arguments[i + 1].starts_with("--")) {
          value = arguments[++i];
        }
        if (auto set = set_trait(std::move(name), value); !set) return set;
      }
    }
    return {};
  }

  KernelGatewayOptions result() { return std::move(made_); }

 private:
  static Error refuse(const std::string& source, std::string_view why) {
    return {Code::unimplemented, source + ": " + std::string(why)};
  }

  Result<void> set_trait(std::string name, const std::string& value) {
    const std::string source = "--" + name;
    for (const auto& [alias, trait] : kAliases) {
      if (name == alias) name = trait;
    }
    if (name == "KernelGatewayApp.api") return read_api(value, source);
    for (const auto& [trait, variable, why] : kRefused) {
      if (name == trait && !value.empty()) return refuse(source, why);
    }
    for (const Trait& trait : kTraits) {
      if (name == trait.name) return apply(trait, value, source);
    }
    made_.warnings.push_back(source + " is ignored: it is not known here");
    return {};
  }

  Result<void> apply(const Trait& trait, const std::string& value, const std::string& source) {
    if (trait.setting.empty()) return {};
    return apply_setting(made_.serve, *find_setting(trait.setting),
                         {value_for(trait.setting, value)}, source);
  }

  static Result<void> read_api(const std::string& value, const std::string& source) {
    const std::string api = strip_python(value);
    if (api.empty() || api == "kernel_gateway.jupyter_websocket" || api == "jupyter-websocket") {
      return {};
    }
    return refuse(source, "only kernel_gateway.jupyter_websocket is offered, not " + api);
  }

  KernelGatewayOptions made_;
};

}  // namespace

Result<KernelGatewayOptions> read_kernel_gateway_options(const std::vector<std::string>& arguments,
                                                         const Environment& environment) {
  Reader reader;
  if (const auto read = reader.read_environment(environment); !read) return read.error();
  if (const auto read = reader.read_arguments(arguments); !read) return read.error();
  KernelGatewayOptions options = reader.result();
  ServeOptions& serve = options.serve;
  if (serve.face.token.empty()) {
    // The real one serves without a token then. So do we where nobody else can connect, and
    // elsewhere only if told to (GatewayServer::start says how).
    serve.no_auth = true;
  } else {
    // It looks at no Host header; with a token there is nothing for DNS rebinding to gain.
    serve.face.allow_hosts = {"*"};
  }
  return options;
}

}  // namespace perijove
