#include "executor/auto_checkpoints.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.hpp"
#include "executor/checkpoint_store.hpp"
#include "executor/code_session.hpp"
#include "executor/request_policies.hpp"

namespace perijove {
namespace {

using nlohmann::json;

constexpr const char* kField = "auto_checkpoint";
constexpr int kEveryMax = 1'000'000;
constexpr double kSecondsMax = 1e9;

unsigned read_count(JsonFields& members, std::string_view field, unsigned fallback, int min,
                    int max) {
  const json* const value = members.find(field);
  if (value == nullptr || value->is_null()) return fallback;
  return static_cast<unsigned>(members.integer(field, min, max));
}

// true is the profile that validation has, too; a text names another.
void read_risky(JsonFields& members, std::string& profile) {
  const json* const value = members.find("before_risky");
  if (value == nullptr || value->is_null() || *value == false) return;
  if (*value == true) {
    profile = Validation().profile;
  } else if (value->is_string()) {
    profile = value->get<std::string>();
    const auto known = check_validation_profile(profile);
    if (!known) members.refuse("before_risky", "is unknown: " + known.error().message);
  } else {
    members.refuse_type("before_risky", "true, false or the name of a validation profile", *value);
  }
}

Recovery recovery_of(const Restoration& restoration, const std::string& own_language) {
  Recovery recovery{.checkpoint_id = restoration.checkpoint_id};
  for (const Restoration::Namespace& each : restoration.namespaces) {
    const std::string before = each.language == own_language ? "" : each.language + ": ";
    for (const std::string& name : each.restored) recovery.restored.push_back(before + name);
    for (const NotCarried& name : each.failed) {
      recovery.failed.push_back({before + name.name, name.reason});
    }
    if (!each.problem.empty()) recovery.failed.push_back({each.language, each.problem});
  }
  return recovery;
}

}  // namespace

void read_auto_checkpoint(JsonFields& fields, AutoCheckpointOptions& options) {
  const json* const value = fields.find(kField);
  if (value == nullptr || value->is_null()) return;
  if (!value->is_object()) {
    fields.refuse_type(kField, "an object", *value);
    return;
  }
  JsonFields members(*value, kField);
  members.refuse_unknown({"every", "before_risky", "idle_s", "keep_last", "recover"});
  options.every = read_count(members, "every", options.every, 1, kEveryMax);
  read_risky(members, options.risky_profile);
  if (const json* const idle = members.find("idle_s"); idle != nullptr && !idle->is_null()) {
    options.idle = std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(members.number("idle_s", 0, 0, kSecondsMax)));
  }
  options.keep_last = read_count(members, "keep_last", options.keep_last, 1, kAutoCheckpointsKeptMax);
  options.recover = members.boolean("recover", options.recover);
  if (members.error()) fields.refuse(kField, members.error()->message);
}

AutoCheckpoints::AutoCheckpoints(CodeSession& session)
    : session_(session), timer_(session.shard().loop()) {}

const AutoCheckpointOptions& AutoCheckpoints::options() const {
  return session_.options().auto_checkpoint;
}

void AutoCheckpoints::take(std::string label, std::function<void(Result<std::string>)> done) {
  timer_.cancel();
  const auto store = store_.lock();
  if (!store) {
    done(Error{Code::unavailable, "checkpoints are not kept here"});
    return;
  }
  store->take(session_.shared_from_this(),
              {.label = std::move(label), .automatic = true, .holder = Holder::execution},
              [this, session = session_.shared_from_this(),
               done = std::move(done)](const Result<Checkpoint>& checkpoint) {
                taken(checkpoint);
                done(checkpoint ? Result<std::string>(checkpoint->id) : checkpoint.error());
              });
}

void AutoCheckpoints::taken(const Result<Checkpoint>& checkpoint) {
  problem_ = checkpoint ? "" : checkpoint.error().message;
  const auto store = store_.lock();
  if (!checkpoint || !store) return;
  std::vector<std::string> mine;
  for (const Checkpoint& each : store->of_session(session_.id())) {
    if (each.automatic) mine.push_back(each.id);
  }
  for (std::size_t i = 0; i + options().keep_last < mine.size(); ++i) {
    if (const auto removed = store->remove(mine[i]); !removed) {
      log::warning("checkpoint_not_removed", {{"id", mine[i]}, {"error", removed.error().message}});
    }
  }
}

void AutoCheckpoints::recover(const std::set<std::string>& languages,
                              std::function<void(Result<Recovery>)> done) {
  const auto store = store_.lock();
  if (!store || !last_) {
    done(Error{Code::unavailable, "there is no checkpoint"});
    return;
  }
  store->restore(session_.shared_from_this(), last_->id,
                 {.variables_of = languages, .holder = Holder::execution},
                 [session = session_.shared_from_this(), last = *last_, lost = executions_,
                  done = std::move(done)](const Result<Restoration>& restored) {
                   if (!restored) {
                     done(restored.error());
                     return;
                   }
                   Recovery recovery = recovery_of(*restored, session->language());
                   recovery.created = last.created;
                   recovery.executions_lost = lost;
                   done(std::move(recovery));
                 });
}

bool AutoCheckpoints::count_execution() {
  ++executions_;
  return options().every > 0 && executions_ >= options().every;
}

void AutoCheckpoints::on_idle() {
  timer_.cancel();
  if (!options().idle || executions_ == 0) return;
  timer_.expires_after(*options().idle);
  timer_.async_wait(
      [this, weak = session_.weak_from_this()](const boost::system::error_code& error) {
        const auto session = weak.lock();
        if (!error && session && !session->ended()) take_idle();
      });
}

// Nobody waits for it: when something runs just then, the end of that begins to wait again.
void AutoCheckpoints::take_idle() {
  const auto store = store_.lock();
  if (!store || session_.busy()) return;
  store->take(session_.shared_from_this(), {.label = "idle", .automatic = true},
              [this, session = session_.shared_from_this()](const Result<Checkpoint>& checkpoint) {
                taken(checkpoint);
              });
}

void AutoCheckpoints::stands_at(const Checkpoint& checkpoint) {
  timer_.cancel();
  last_ = Last{checkpoint.id, checkpoint.created};
  executions_ = 0;
}

json AutoCheckpoints::to_json() const {
  const AutoCheckpointOptions& given = options();
  const bool wanted =
      given.every > 0 || !given.risky_profile.empty() || given.idle || given.recover;
  if (!wanted) return nullptr;
  return {
      {"every", given.every > 0 ? json(given.every) : json()},
      {"before_risky", given.risky_profile.empty() ? json() : json(given.risky_profile)},
      {"idle_s",
       given.idle ? json(std::chrono::duration<double>(*given.idle).count()) : json()},
      {"keep_last", given.keep_last},
      {"recover", given.recover},
      {"last", last_ ? json{{"checkpoint_id", last_->id}, {"created", last_->created}} : json()},
      {"executions_since", executions_},
      {"problem", problem_.empty() ? json() : json(problem_)}};
}

}  // namespace perijove
