// A session that is held still, for what concerns its state as a whole.

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "executor/code_session.hpp"

namespace perijove {

Result<void> CodeSession::hold(std::string_view purpose, Holder holder) {
  if (ended_) return Error{Code::failed_precondition, "the session has ended"};
  if (evaluating_ || (holder == Holder::client && busy())) {
    return Error{Code::aborted, "the session is busy; " + std::string(purpose)};
  }
  evaluating_ = true;
  return {};
}

void CodeSession::let_go() {
  evaluating_ = false;
  idle_since_ = shard_.now();
  set_timer();
  run_next();
}

std::map<std::string, KernelSummary> CodeSession::kernels() const {
  std::map<std::string, KernelSummary> all;
  for (const auto& [language, kernel] : kernels_) {
    all.emplace(language, kernel->kernel->summary());
  }
  return all;
}

std::set<std::string> CodeSession::lost_languages() const {
  std::set<std::string> lost;
  for (const auto& [language, kernel] : kernels_) {
    const lifecycle::State state = kernel->kernel->state();
    const bool gone = state == lifecycle::State::dead || state == lifecycle::State::stopped;
    if (gone || kernel->loss_is_untold || kernel->runner->state_lost()) lost.insert(language);
  }
  return lost;
}

void CodeSession::note_recovered(const std::set<std::string>& languages) {
  for (const auto& [language, kernel] : kernels_) {
    if (languages.contains(language)) kernel->loss_is_untold = false;
  }
}

bool CodeSession::stuck() const {
  return std::any_of(kernels_.begin(), kernels_.end(),
                     [](const auto& each) { return each.second->stuck(); });
}

void CodeSession::run_held(const std::string& language, std::string code, BlockOptions options,
                           std::function<void(Result<RunResult>)> done) {
  if (ended_) {
    done(Error{Code::aborted, "the session has ended"});
    return;
  }
  ++changes_;
  with_kernel(
      language, [self = shared_from_this(), code = std::move(code), options = std::move(options),
                 done = std::move(done)](const Result<LanguageKernel*>& kernel) {
        if (!kernel) {
          done(kernel.error());
          return;
        }
        // The runner lives until it has told the end, whatever becomes of the kernel.
        const auto runner = (*kernel)->runner;
        runner->run(code, options,
                    [self, runner, language = (*kernel)->language, done](const RunResult& run) {
                      const auto found = self->kernels_.find(language);
                      if (found != self->kernels_.end() && found->second->runner == runner &&
                          !found->second->restarting) {
                        found->second->note_loss(run.verdict);
                      }
                      done(run);
                    });
      });
}

void CodeSession::end_kernels(std::function<void()> done) {
  ++changes_;
  const auto left = std::make_shared<std::size_t>(kernels_.size() + 1);
  const auto one_less = [left, done = std::move(done)] {
    if (--*left == 0) done();
  };
  for (auto& [language, kernel] : std::exchange(kernels_, {})) {
    generations_[language] = std::max(generations_[language], kernel->generation);
    // It is shared until it has ended.
    kernel->kernel->stop([one_less, held = kernel->kernel](const Result<void>&) { one_less(); },
                         true);
  }
  boost::asio::post(shard_.loop(), one_less);
}

}  // namespace perijove
