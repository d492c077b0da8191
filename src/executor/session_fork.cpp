// A session as a copy of another one that lives.

#include <nlohmann/json.hpp>
#include <utility>

#include "base/limits.hpp"
#include "executor/code_session.hpp"
#include "io/run_process.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

// Those that tell one kernel from another; the rest is as code has left it.
Environment own_variables(const Environment& all) {
  Environment own;
  for (const auto& [name, value] : all) {
    if (name.starts_with("KERNEL_") || name.starts_with("JPY_") || name == "PERIJOVE_PROCESS") {
      own.emplace(name, value);
    }
  }
  return own;
}

// What perijove_fork_request is answered with; adds what the copy lacks to `lacks`.
Result<pid_t> read_fork_reply(const std::string& text, std::vector<std::string>& lacks) {
  const auto reply = parse_json(text);
  if (!reply || !reply->is_object()) {
    return Error{Code::unavailable, "the kernel's answer is no JSON object"};
  }
  if (json_text(*reply, "status") != "ok") {
    return Error{Code::failed_precondition, "the kernel refuses: " + json_text(*reply, "evalue")};
  }
  for (const json& warning : reply->value("warnings", json::array())) {
    if (warning.is_string()) lacks.push_back(warning.get<std::string>());
  }
  const auto pid = reply->find("pid");
  if (pid == reply->end() || !pid->is_number_integer() || pid->get<std::int64_t>() <= 1) {
    return Error{Code::unavailable, "the kernel's answer names no process"};
  }
  return pid->get<pid_t>();
}

}  // namespace

void CodeSession::copy_history(const CodeSession& of) {
  history_ = of.history_;
  history_bytes_ = of.history_bytes_;
}

CodeSessionOptions CodeSession::options_of_branch() const {
  CodeSessionOptions options = options_;
  options.key.clear();
  options.work_dir.clear();
  options.files.clear();
  options.pool.clear();
  return options;
}

Result<void> CodeSession::check_fork() const {
  if (ended_) return Error{Code::failed_precondition, "the session has ended"};
  if (busy() || evaluating_) {
    return Error{Code::aborted, "the session is busy; it can be forked between executions"};
  }
  if (options_.isolation.kind != "none") {
    return Error{Code::unimplemented, "kernels in isolation '" + options_.isolation.kind +
                                          "' cannot be forked while they live"};
  }
  const auto own = kernels_.find(language_);
  if (own == kernels_.end() || !own->second->ready) {
    return Error{Code::failed_precondition,
                 "the session has no kernel yet, and nothing to be copied but files"};
  }
  const Kernelspec& spec = own->second->kernel->spec();
  if (kernelspec_setting(spec, "fork") != "live") {
    return Error{
        Code::unimplemented,
        "the kernel '" + spec.name + "' cannot be forked while it lives; 'perijove-python' can"};
  }
  return {};
}

void CodeSession::fork_into(const std::shared_ptr<CodeSession>& branch,
                            std::function<void(Result<std::vector<std::string>>)> done) {
  if (const auto possible = check_fork(); !possible) {
    done(possible.error());
    return;
  }
  evaluating_ = true;  // nothing else meanwhile: files and variables are of one moment
  const auto self = shared_from_this();
  const auto end = [self, done = std::move(done)](Result<std::vector<std::string>> lacks) {
    self->evaluating_ = false;
    self->run_next();
    done(std::move(lacks));
  };
  branch->copy_files(options_.work_dir, [self, branch, end](const Result<void>& copied) {
    if (copied) {
      branch->begin_as_copy(self, end);
    } else {
      end(copied.error());
    }
  });
}

void CodeSession::copy_files(const std::string& from, std::function<void(Result<void>)> done) {
  SpawnRequest copy;
  copy.argv = {"cp", "-a", "--reflink=auto", "--", from + "/.", options_.work_dir};
  copy.env = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C.UTF-8"}};
  copy.work_dir = "/";
  when_copied_ = std::move(done);
  copying_ = run_process(
      shard_, copy, {.time_max = limits::kCopyTimeMax}, [this](const Result<ProcessOutput>& run) {
        const auto self = shared_from_this();
        if (run && run->exit.code == 0) {
          end_copying({});
        } else {
          end_copying(Error{
              Code::resource_exhausted,
              "the files could not be copied: " + (run ? run->error_output : run.error().message)});
        }
      });
}

void CodeSession::end_copying(Result<void> result) {
  copying_.reset();
  if (const auto done = std::exchange(when_copied_, nullptr)) done(std::move(result));
}

void CodeSession::begin_as_copy(const std::shared_ptr<CodeSession>& of,
                                std::function<void(Result<std::vector<std::string>>)> done) {
  const auto source = of->kernels_.find(of->language_);
  if (ended_ || of->ended_ || source == of->kernels_.end()) {
    done(Error{Code::aborted, "the session has ended"});
    return;
  }
  set_up_ = of->set_up_;
  prepared_ = of->prepared_;
  copy_history(*of);
  changes_ = of->changes_ + 1;  // not pristine, whatever it ran
  const auto lacks = std::make_shared<std::vector<std::string>>();
  for (const auto& [language, kernel] : of->kernels_) {
    if (language != of->language_) {
      lacks->push_back("the " + language + " kernel starts anew, without variables");
    }
  }
  const Branch branch = [lacks, runner = source->second->runner](
                            const BranchRequest& request,
                            std::function<void(Result<pid_t>)> forked) {
    runner->ask("perijove_fork_request",
                dump_json({{"connection_file", request.connection_file},
                           {"cwd", request.work_dir},
                           {"env", own_variables(request.env)},
                           {"output", request.output},
                           {"orphan", true}}),
                [lacks, forked = std::move(forked)](const Result<std::string>& answer) {
                  forked(answer ? read_fork_reply(*answer, *lacks) : Result<pid_t>(answer.error()));
                });
  };
  const auto started = start_kernel(language_, options_.kernel, branch);
  if (!started) {
    done(started.error());
    return;
  }
  evaluating_ = true;
  (*started)->when_ready = [self = shared_from_this(), lacks,
                            done = std::move(done)](const Result<LanguageKernel*>& kernel) {
    self->evaluating_ = false;
    if (kernel) {
      done(std::move(*lacks));
    } else {
      done(kernel.error());
    }
    self->run_next();
  };
}

}  // namespace perijove
