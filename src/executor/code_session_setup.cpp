// How a session is made ready before its first kernel starts.

#include <utility>

#include "executor/code_session.hpp"

namespace perijove {

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
        if (prepared) prepared_ = *std::move(prepared);
        end_set_up(prepared ? Result<void>() : Result<void>(prepared.error()));
      });
  setup_->begin();
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

std::string CodeSession::state_identity() const {
  if (changes_ == 0) return "pristine";
  std::string identity = std::to_string(changes_);
  for (const auto& [language, kernel] : kernels_) {
    identity += " " + language + ":" + std::to_string(kernel->generation);
  }
  return identity;
}

}  // namespace perijove
