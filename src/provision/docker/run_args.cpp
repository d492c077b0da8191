#include "provision/docker/run_args.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/suggest.hpp"
#include "base/text.hpp"

namespace perijove::docker {
namespace {

using Outcome = std::optional<std::string>;  // what is wrong

struct Flag {
  std::string_view name;
  std::string_view short_name;  // empty: none
  bool has_value;
  Outcome (*apply)(ContainerOptions& options, const std::string& value);
};

Outcome set_size(std::optional<std::uint64_t>& size, const std::string& value) {
  size = parse_size(value);
  return size ? Outcome() : "needs a size such as 512m or 2g";
}

Outcome add_pair(std::map<std::string, std::string>& pairs, const std::string& value, char between,
                 const char* needs) {
  const std::size_t at = value.find(between);
  if (at == 0 || at == value.npos) return needs;
  pairs[value.substr(0, at)] = value.substr(at + 1);
  return {};
}

std::optional<std::int64_t> parse_whole(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

Outcome set_cpus(ContainerOptions& options, const std::string& value) {
  double cpus = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), cpus);
  if (error != std::errc() || end != value.data() + value.size() || !(cpus > 0) || cpus > 4096) {
    return "needs a number above 0, such as 1.5";
  }
  options.cpus = cpus;
  return {};
}

Outcome set_pids(ContainerOptions& options, const std::string& value) {
  const auto pids = parse_whole(value);
  if (!pids || *pids == 0) return "needs a whole number above 0";
  options.pids = static_cast<std::uint64_t>(*pids);
  return {};
}

Outcome add_volume(ContainerOptions& options, const std::string& value) {
  auto volume = parse_volume(value);
  if (!volume) return "is wrong: " + volume.error().message;
  options.volumes.push_back(*std::move(volume));
  return {};
}

// --mount type=bind,source=/a,target=/b,readonly
Outcome add_mount(ContainerOptions& options, const std::string& value) {
  std::string type = "volume", source, target;
  bool read_only = false;
  std::string_view rest = value;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string_view key = part.substr(0, equals);
    const std::string_view given = equals < part.size() ? part.substr(equals + 1) : "";
    if (key == "type") {
      type = given;
    } else if (key == "source" || key == "src") {
      source = given;
    } else if (key == "target" || key == "dst" || key == "destination") {
      target = given;
    } else if (key == "readonly" || key == "ro") {
      read_only = given.empty() || given == "true" || given == "1";
    } else {
      return "does not know '" + std::string(key) + "' here";
    }
  }
  if (type == "tmpfs" && !target.empty()) {
    options.tmpfs[target];
    return {};
  }
  if (type != "bind" && type != "volume") return "needs a type of bind, volume or tmpfs";
  if ((type == "bind") != source.starts_with('/')) {
    return "needs a path as the source of a bind, and a name as that of a volume";
  }
  return add_volume(options, source + ":" + target + (read_only ? ":ro" : ":rw"));
}

Outcome add_ulimit(ContainerOptions& options, const std::string& value) {
  const std::size_t equals = value.find('=');
  const char* const needs = "needs NAME=SOFT[:HARD]";
  if (equals == 0 || equals == value.npos) return needs;
  const std::string_view limits = std::string_view(value).substr(equals + 1);
  const std::size_t colon = std::min(limits.find(':'), limits.size());
  const auto soft = parse_whole(limits.substr(0, colon));
  const auto hard = colon < limits.size() ? parse_whole(limits.substr(colon + 1)) : soft;
  if (!soft || !hard) return needs;
  options.ulimits[value.substr(0, equals)] = {*soft, *hard};
  return {};
}

Outcome set_pull(ContainerOptions& options, const std::string& value) {
  if (value == "missing") {
    options.pull = PullPolicy::missing;
  } else if (value == "never") {
    options.pull = PullPolicy::never;
  } else if (value == "always") {
    options.pull = PullPolicy::always;
  } else {
    return "needs missing, never or always";
  }
  return {};
}

// What is so anyway may be said.
Outcome is_so_anyway(ContainerOptions&, const std::string&) { return {}; }

Outcome check_security(ContainerOptions&, const std::string& value) {
  if (value == "no-new-privileges" || value == "no-new-privileges:true" ||
      value == "no-new-privileges=true") {
    return {};
  }
  return "may only be no-new-privileges, which is so anyway: the filter of system calls is the "
         "gateway's";
}

using Options = ContainerOptions;
using Text = std::string;

const Flag kFlags[] = {
    {"--memory", "-m", true, [](Options& o, const Text& v) { return set_size(o.memory_bytes, v); }},
    {"--memory-swap", "", true,
     [](Options& o, const Text& v) { return set_size(o.memory_swap_bytes, v); }},
    {"--cpus", "", true, set_cpus},
    {"--pids-limit", "", true, set_pids},
    {"--shm-size", "", true, [](Options& o, const Text& v) { return set_size(o.shm_bytes, v); }},
    {"--ulimit", "", true, add_ulimit},
    {"--volume", "-v", true, add_volume},
    {"--mount", "", true, add_mount},
    {"--tmpfs", "", true,
     [](Options& o, const Text& v) {
       const std::size_t colon = std::min(v.find(':'), v.size());
       o.tmpfs[v.substr(0, colon)] = colon < v.size() ? v.substr(colon + 1) : "";
       return Outcome();
     }},
    {"--env", "-e", true,
     [](Options& o, const Text& v) {
       return add_pair(o.environment, v, '=',
                       "needs NAME=VALUE: the gateway's own variables are not handed on");
     }},
    {"--label", "-l", true,
     [](Options& o, const Text& v) { return add_pair(o.labels, v, '=', "needs NAME=VALUE"); }},
    {"--add-host", "", true,
     [](Options& o, const Text& v) {
       return add_pair(o.extra_hosts, v, ':', "needs NAME:ADDRESS");
     }},
    {"--dns", "", true,
     [](Options& o, const Text& v) {
       o.dns.push_back(v);
       return Outcome();
     }},
    {"--network", "", true,
     [](Options& o, const Text& v) {
       o.network = v;
       return Outcome();
     }},
    {"--net", "", true,
     [](Options& o, const Text& v) {
       o.network = v;
       return Outcome();
     }},
    {"--gpus", "", true,
     [](Options& o, const Text& v) {
       auto request = parse_gpus(v);
       if (!request) return Outcome(request.error().message);
       o.device_requests.push_back(*std::move(request));
       return Outcome();
     }},
    {"--name", "", true,
     [](Options& o, const Text& v) {
       o.container_name = v;
       return Outcome();
     }},
    {"--user", "-u", true,
     [](Options& o, const Text& v) {
       o.user = v;
       return Outcome();
     }},
    {"--workdir", "-w", true,
     [](Options& o, const Text& v) {
       o.work_dir_inside = v;
       return Outcome();
     }},
    {"--runtime", "", true,
     [](Options& o, const Text& v) {
       o.runtime = v;
       return Outcome();
     }},
    {"--pull", "", true, set_pull},
    {"--read-only", "", false,
     [](Options& o, const Text&) {
       o.read_only = true;
       return Outcome();
     }},
    {"--rm", "", false,
     [](Options& o, const Text&) {
       o.auto_remove = true;
       return Outcome();
     }},
    {"--init", "", false, is_so_anyway},
    {"--detach", "-d", false, is_so_anyway},
    {"--cap-drop", "", true, is_so_anyway},
    {"--security-opt", "", true, check_security},
};

struct RefusedFlag {
  std::string_view name;
  bool has_value;
  std::string_view why;
};

const RefusedFlag kRefused[] = {
    {"--privileged", false, "would give the kernel the whole machine"},
    {"--cap-add", true, "would give back what a container can be broken out of with"},
    {"--device", true, "would give the kernel a device of the machine; GPUs are had by --gpus"},
    {"--pid", true, "would show the kernel processes that are not its own"},
    {"--ipc", true, "would share memory with others"},
    {"--uts", true, "would give the kernel the machine's name to change"},
    {"--userns", true, "is the daemon's to set"},
    {"--cgroupns", true, "is the daemon's to set"},
    {"--cgroup-parent", true, "would take the container out of its limits"},
    {"--volumes-from", true, "would give the kernel another container's files"},
    {"--publish", true, "would open the kernel to others; the gateway reaches it without"},
    {"-p", true, "would open the kernel to others; the gateway reaches it without"},
    {"--publish-all", false, "would open the kernel to others; the gateway reaches it without"},
    {"-P", false, "would open the kernel to others; the gateway reaches it without"},
    {"--restart", true, "is the gateway's: it starts kernels again and tells their clients"},
    {"--entrypoint", true, "is the kernel's command; the option 'command' replaces it"},
    {"--env-file", true, "would read a file of the gateway's machine; use -e"},
    {"--oom-kill-disable", false, "would let the kernel take the machine's memory"},
    {"--sysctl", true, "would change the system below the kernel"},
    {"--group-add", true, "would give the kernel the rights of another group"},
    {"--interactive", false, "makes no sense for a kernel: its input is the stdin channel"},
    {"-i", false, "makes no sense for a kernel: its input is the stdin channel"},
    {"--tty", false, "makes no sense for a kernel"},
    {"-t", false, "makes no sense for a kernel"},
    {"-it", false, "makes no sense for a kernel: its input is the stdin channel"},
};

const Flag* find_flag(std::string_view name) {
  for (const Flag& flag : kFlags) {
    if (flag.name == name || (!flag.short_name.empty() && flag.short_name == name)) return &flag;
  }
  return nullptr;
}

Error unknown_flag(std::string_view name) {
  for (const RefusedFlag& refused : kRefused) {
    if (refused.name == name) {
      return {Code::invalid_argument,
              "'" + std::string(name) + "' cannot be had here: it " + std::string(refused.why)};
    }
  }
  std::vector<std::string> known;
  for (const Flag& flag : kFlags) known.emplace_back(flag.name);
  const std::string meant = did_you_mean(name, known);
  return {Code::invalid_argument, "'" + std::string(name) +
                                      "' is not a flag of docker run that is known here" +
                                      (meant.empty() ? "" : "; " + meant)};
}

}  // namespace

Result<std::vector<std::string>> split_run_args(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0 && c == quote) {
      quote = 0;
    } else if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      word += text[++i];
      in_word = true;
    } else if (quote != 0) {
      word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      in_word = true;
    } else if (trim(text.substr(i, 1)).empty()) {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) {
    return Error{Code::invalid_argument, std::string("a quote ") + quote + " is not closed"};
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

Result<void> apply_run_args(const std::vector<std::string>& args, ContainerOptions& options) {
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (!arg.starts_with('-') || arg == "-" || arg == "--") {
      return Error{Code::invalid_argument,
                   "'" + arg +
                       "' is not a flag: image and command are options of their own, 'image' and "
                       "'command'"};
    }
    // --flag VALUE, --flag=VALUE, -f VALUE, -fVALUE
    const bool is_long = arg.starts_with("--");
    std::string name = arg.substr(0, is_long ? arg.find('=') : 2);
    std::optional<std::string> value;
    if (name.size() < arg.size()) value = arg.substr(name.size() + (is_long ? 1 : 0));
    const Flag* const flag = find_flag(name);
    if (flag == nullptr) return unknown_flag(is_long ? name : arg.size() == 3 ? arg : name);
    if (flag->has_value && !value) {
      if (i + 1 == args.size()) {
        return Error{Code::invalid_argument, "'" + name + "' needs a value"};
      }
      value = args[++i];
    }
    if (!flag->has_value && value && *value != "true") {
      return Error{Code::invalid_argument, "'" + name + "' takes no value"};
    }
    if (const Outcome wrong = flag->apply(options, value.value_or(""))) {
      return Error{Code::invalid_argument, "'" + name + "' " + *wrong};
    }
  }
  return {};
}

}  // namespace perijove::docker
