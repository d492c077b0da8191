// How a session is made, and made ready before its first kernel starts.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "executor/code_session.hpp"
#include "executor/package_installation.hpp"
#include "protocol/code_blocks.hpp"
#include "protocol/json.hpp"
#include "provision/sandbox/mount_policy.hpp"
#include "provision/virtual_env.hpp"

namespace perijove {
namespace {

using nlohmann::json;

// Installing, and trying the functions: kPackagesScript has a time limit for the latter.
constexpr std::chrono::minutes kPrepareTimeMax{12};

// What of a session would run beside its kernels, with the gateway's own rights.
Result<void> check_inside(const CodeSessionOptions& options, const std::string& isolation) {
  if (isolation == "none") return {};
  if (!options.policies.restricted) return {};
  return Error{Code::invalid_argument,
               "mode 'restricted' would run outside of isolation '" + isolation +
                   "', on the gateway's own machine: a kernel in isolation needs no such mode"};
}

// A sandbox shows a virtual environment, and the Python that it was made with, as it does any
// directory that a session names: when the gateway lends it.
Result<void> lend_virtual_env(const std::string& directory, const std::string& work_dir,
                              std::vector<Mount>& mounts) {
  const auto environment = blocking_read_virtual_env(directory);
  if (!environment) return Error{Code::invalid_argument, environment.error().message};
  for (const std::string& path : {environment->directory, environment->base}) {
    // What is the system's or the session's own is there in any case.
    const bool is_there = path == "/" || is_within(path, "/usr") || is_within(path, work_dir);
    if (path.empty() || is_there) continue;
    const Mount mount{.source = path, .target = path, .read_only = true};
    if (std::find(mounts.begin(), mounts.end(), mount) == mounts.end()) mounts.push_back(mount);
  }
  return {};
}

// The word after `-m`, in the command of a kernel that is a module of Python's.
std::string module_of(const std::vector<std::string>& command) {
  const auto flag = std::find(command.begin(), command.end(), "-m");
  return flag == command.end() || flag + 1 == command.end() ? std::string() : *(flag + 1);
}

// What the session's virtual environment must be to run its kernel.
void describe_kernel(const Kernelspec& spec, SessionSetupOptions& setup) {
  if (canonical_language(spec.language) != "python") return;
  setup.has_own_python = !begins_with_python(spec);
  setup.kernel_module = module_of(spec.argv);
}

}  // namespace

Result<std::shared_ptr<CodeSession>> CodeSession::create(Shard& shard, KernelRegistry& registry,
                                                         CodeSessionOptions options,
                                                         std::function<void()> on_end) {
  Kernelspec spec;
  if (options.kernelspec) {
    spec = *options.kernelspec;
  } else {
    const std::string name =
        options.kernel.empty() ? registry.default_kernelspec() : options.kernel;
    const auto catalogue = registry.kernelspecs().blocking_refresh();
    const auto found = catalogue->find(name);
    if (!found) return found.error();
    spec = (*found)->spec;
  }
  options.kernel = spec.name;
  // The kind is fixed here: kernels of further languages get no weaker one than the first.
  IsolationRequest& isolation = options.isolation;
  if (const auto allowed = registry.provisioners().choose(isolation, spec); !allowed) {
    return allowed.error();
  }
  if (const auto inside = check_inside(options, isolation.kind); !inside) return inside.error();
  options.setup.isolated = isolation.kind != "none";
  options.setup.is_elsewhere = options.setup.isolated && isolation.kind != "sandbox";
  describe_kernel(spec, options.setup);
  auto directory = WorkDir::open(options.work_dir);
  if (!directory) return directory.error();
  options.work_dir = directory->path();
  const std::string& environment = options.setup.virtual_env;
  if (!environment.empty() && isolation.kind == "sandbox") {
    const auto lent = lend_virtual_env(environment, options.work_dir, isolation.mounts);
    if (!lent) return lent.error();
    if (const auto allowed = registry.provisioners().choose(isolation, spec); !allowed) {
      return Error{allowed.error().code, "virtual_env: " + allowed.error().message};
    }
  }
  for (const auto& [path, contents] : options.files) {
    const auto written = directory->write(path, contents);
    if (!written) return Error{written.error().code, "files: " + written.error().message};
  }
  std::shared_ptr<CodeSession> session(new CodeSession(shard, registry, std::move(options),
                                                       *std::move(directory), std::move(on_end)));
  session->language_ = canonical_language(spec.language);
  session->set_timer();
  return session;
}

void CodeSession::set_up(Done done) {
  if (!set_up_ && (ended_ || !options_.setup.needed())) {
    set_up_ = ended_ ? Result<void>(Error{Code::aborted, "the session has ended"}) : Result<void>();
  }
  if (set_up_) {
    if (done) done(*set_up_);
    return;
  }
  when_set_up_.push_back(std::move(done));
  if (setup_) return;
  // What a kernel of the session gets, as far as it matters to pip and to an import.
  Environment env;
  for (const char* const name : {"PATH", "HOME", "LANG", "TMPDIR"}) {
    const auto& gateway = registry_.options().gateway_env;
    if (const auto found = gateway.find(name); found != gateway.end()) env.insert(*found);
  }
  for (const auto& [name, value] : options_.env) env[name] = value;
  setup_ = std::make_shared<SessionSetup>(
      shard_, python_, directory_, options_.setup, std::move(env), python_.interpreter(),
      [this](Result<PreparedSession> prepared) {
        const auto self = shared_from_this();
        if (!prepared) {
          end_set_up(prepared.error());
          return;
        }
        prepared_ = *std::move(prepared);
        const bool inside = !prepared_.packages.empty() || options_.setup.has_functions();
        if (options_.setup.isolated && inside) {
          set_up_inside();
        } else {
          end_set_up({});
        }
      });
  setup_->begin();
}

// What would run the client's code beside its kernels is done by one of them.
void CodeSession::set_up_inside() {
  find_kernel("python", [self = shared_from_this()](const Result<LanguageKernel*>& kernel) {
    if (!kernel) {
      self->end_set_up(kernel.error());
      return;
    }
    if (!self->prepared_.packages.empty()) self->keep_packages();
    const std::string module =
        self->options_.setup.has_functions() ? self->options_.setup.module : "";
    const auto bring = [self, module] {
      const auto found = self->kernels_.find("python");
      if (found == self->kernels_.end()) {
        self->end_set_up(Error{Code::unavailable, "the kernel has ended"});
      } else {
        self->bring_packages(*found->second, module,
                             [self](const Result<void>& brought) { self->end_set_up(brought); });
      }
    };
    RemoteFiles* const files = (*kernel)->remote_files(self->directory_);
    if (files == nullptr) {
      bring();
      return;
    }
    files->push([self, bring](const Result<void>& pushed) {
      if (pushed) {
        bring();
      } else {
        self->end_set_up(pushed.error());
      }
    });
  });
}

void CodeSession::find_packages(LanguageKernel& kernel,
                                std::function<void(Result<LanguageKernel*>)> use) {
  if (!keeps_packages_ || kernel.language != "python" || kernel.finds_packages) {
    use(&kernel);
    return;
  }
  bring_packages(kernel, "", [self = shared_from_this(), use = std::move(use)](
                                 const Result<void>& brought) {
    const auto found = self->kernels_.find("python");
    if (found == self->kernels_.end()) {
      use(Error{Code::unavailable, "the kernel has ended"});
    } else if (brought) {
      use(found->second.get());
    } else {
      use(brought.error());
    }
  });
}

void CodeSession::bring_packages(LanguageKernel& kernel, const std::string& module, Done done) {
  const std::string expression = packages_expression(
      "prepare", {{"install", prepared_.packages}, {"module", module}, {"keep", keeps_packages_}});
  ask_kernel(kernel, "", expression, kPrepareTimeMax,
             [self = shared_from_this(), done = std::move(done)](const Result<std::string>& text) {
               const auto answer = text ? parse_json(*text) : Result<json>(text.error());
               if (!answer || !answer->is_object()) {
                 done(text ? Error{Code::unavailable, "the kernel's answer is not what it was asked for"}
                           : text.error());
                 return;
               }
               if (const std::string error = json_text(*answer, "error"); !error.empty()) {
                 done(Error{Code::failed_precondition, error});
                 return;
               }
               if (self->keeps_packages_) {
                 self->prepared_.env["PYTHONPATH"] = json_text(*answer, "python_path");
                 const auto found = self->kernels_.find("python");
                 if (found != self->kernels_.end()) found->second->finds_packages = true;
               }
               done({});
             });
}

void CodeSession::end_set_up(Result<void> result) {
  if (set_up_) return;
  set_up_ = std::move(result);
  setup_.reset();
  const auto waiting = std::exchange(when_set_up_, {});
  for (const Done& done : waiting) {
    if (done) done(*set_up_);
  }
}

void CodeSession::prepare(Done done) {
  if (ended_ || busy() || evaluating_) {
    done(Error{Code::aborted, ended_ ? "the session has ended" : "the session is busy"});
    return;
  }
  evaluating_ = true;
  const auto self = shared_from_this();
  with_kernel(language_, [self, done = std::move(done)](const Result<LanguageKernel*>& kernel) {
    self->evaluating_ = false;
    self->run_next();
    done(kernel ? Result<void>() : Result<void>(kernel.error()));
  });
}

bool CodeSession::ready() const {
  const auto own = kernels_.find(language_);
  return !ended_ && own != kernels_.end() && own->second->ready &&
         own->second->kernel->state() == lifecycle::State::ready;
}

void CodeSession::hand_over(std::string key, std::map<std::string, std::string> labels,
                            std::optional<Duration> idle_timeout,
                            std::optional<Duration> lifetime_max) {
  options_.key = std::move(key);
  options_.labels = std::move(labels);
  created_ = std::chrono::system_clock::now();
  created_at_ = idle_since_ = shard_.now();
  set_limits(idle_timeout, lifetime_max);
}

void CodeSession::admit(AdmissionRequest request, std::function<void(AdmissionVerdict)> done) {
  const auto owner = std::make_shared<std::shared_ptr<Admission>>();
  Admission::Hooks hooks;
  hooks.done = [owner, self = shared_from_this(),
                done = std::move(done)](AdmissionVerdict verdict) {
    const auto last = std::move(*owner);  // lives to the end of this call
    done(std::move(verdict));
  };
  *owner = std::make_shared<Admission>(shard_, python_, std::move(request), std::move(hooks));
  (*owner)->begin();
}

std::string CodeSession::state_identity() const {
  if (changes_ == 0) return "pristine";
  std::string identity = std::to_string(changes_);
  for (const auto& [language, kernel] : kernels_) {
    identity += " " + language + ":" + std::to_string(kernel->generation);
  }
  return identity;
}

}  // namespace perijove
