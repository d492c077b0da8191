// Checkpoints that an execution takes and goes back to: the part of CodeExecution around its
// blocks.

#include <nlohmann/json.hpp>
#include <utility>

#include "code/result_json.hpp"
#include "executor/code_execution.hpp"
#include "executor/code_session.hpp"

namespace perijove {

// ---- before the first block ----

void CodeExecution::before_blocks() {
  lost_ = session_.lost_languages();  // while nothing ran
  if (!lost_.empty() && session_.auto_checkpoints().can_recover()) {
    result_.state_kept = false;
    result_.restarted = true;
    recover([this] { look_for_risk(); });
  } else {
    lost_.clear();  // the first block in each of them tells it
    look_for_risk();
  }
}

void CodeExecution::look_for_risk() {
  const std::string& profile = session_.auto_checkpoints().options().risky_profile;
  if (request_.checkpoint_before) {
    take_before();
    return;
  }
  if (profile.empty()) {
    begin_blocks();
    return;
  }
  AdmissionRequest what{.blocks = judged_blocks(),
                        .validation = {.mode = Validation::Mode::warn, .profile = profile},
                        .approval = {},
                        .sanitize = true};
  Admission::Hooks hooks;
  hooks.done = [this](const AdmissionVerdict& verdict) {
    const auto self = shared_from_this();
    admission_.reset();
    if (verdict.refusal || !verdict.warnings.empty()) {
      take_before();
    } else {
      begin_blocks();
    }
  };
  admission_ = std::make_shared<Admission>(session_.shard(), session_.python_, std::move(what),
                                           std::move(hooks));
  admission_->begin();
}

void CodeExecution::take_before() {
  session_.auto_checkpoints().take(
      "before " + id_, [weak = weak_from_this()](const Result<std::string>& taken) {
        const auto self = weak.lock();
        if (!self || self->done()) return;
        self->note_checkpoint("before", taken, self->result_.checkpoint_before);
        self->begin_blocks();
      });
}

void CodeExecution::begin_blocks() {
  if (cancelled_) {
    refuse_ended();
    finish();
    return;
  }
  // Neither the waiting for somebody's word nor a checkpoint is any of the code's time.
  started_at_ = session_.shard().now();
  result_.queued = std::chrono::duration_cast<std::chrono::milliseconds>(started_at_ - queued_at_);
  begun_ = true;
  set_request_timer();
  next_block();
}

// ---- after the last ----

void CodeExecution::after_blocks() {
  AutoCheckpoints& checkpoints = session_.auto_checkpoints();
  const bool due = checkpoints.count_execution();
  if (!lost_.empty() && checkpoints.can_recover()) {
    recover([this] { conclude(); });  // which leaves the session at a checkpoint
  } else if (due) {
    take_after();
  } else {
    conclude();
  }
}

void CodeExecution::take_after() {
  if (session_.stuck()) {
    result_.warnings.emplace_back("no checkpoint was taken: code that was given up still runs");
    conclude();
    return;
  }
  session_.auto_checkpoints().take(
      "after " + id_, [weak = weak_from_this()](const Result<std::string>& taken) {
        const auto self = weak.lock();
        if (!self || self->done()) return;
        self->note_checkpoint("after", taken, self->result_.checkpoint_after);
        self->conclude();
      });
}

void CodeExecution::note_checkpoint(const char* when, const Result<std::string>& taken,
                                    std::string& id) {
  if (taken) {
    id = *taken;
    emit("checkpoint", {{"when", when}, {"checkpoint_id", id}});
    return;
  }
  std::string warning = "no checkpoint was taken: " + taken.error().message;
  emit("warning", {{"message", warning}});
  result_.warnings.push_back(std::move(warning));
}

// ---- after the loss of a kernel ----

void CodeExecution::recover(std::function<void()> next) {
  const std::set<std::string> languages = std::exchange(lost_, {});
  session_.auto_checkpoints().recover(
      languages,
      [weak = weak_from_this(), languages, next = std::move(next)](Result<Recovery> recovered) {
        const auto self = weak.lock();
        if (!self || self->done()) return;
        if (recovered) {
          self->session_.note_recovered(languages);
          self->emit("recovered", perijove::to_json(*recovered));
          self->result_.recovered = *std::move(recovered);
        } else {
          std::string warning = "variables did not come back: " + recovered.error().message;
          self->emit("warning", {{"message", warning}});
          self->result_.warnings.push_back(std::move(warning));
        }
        next();
      });
}

}  // namespace perijove
