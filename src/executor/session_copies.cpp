// Sessions that are made of checkpoints.

#include <algorithm>
#include <utility>

#include "executor/session_store.hpp"

namespace perijove {
namespace {

std::vector<std::string> what_failed(const Restoration& restoration) {
  std::vector<std::string> all;
  for (const Restoration::Namespace& each : restoration.namespaces) {
    for (const NotCarried& name : each.failed) {
      all.push_back(each.language + ": '" + name.name + "' did not come back: " + name.reason);
    }
  }
  return all;
}

}  // namespace

void CodeSessionStore::restore(const std::shared_ptr<CodeSession>& session,
                               const std::string& checkpoint_id,
                               std::function<void(Result<Restoration>)> done) {
  const auto checkpoint = checkpoints_->find(checkpoint_id);
  if (!checkpoint) {
    done(checkpoint.error());
    return;
  }
  // Its variables are code, and code of an isolated session stays in one.
  const std::vector<std::string> kinds = registry_.provisioners().kinds();
  const auto rank = [&](const std::string& kind) {
    return std::find(kinds.begin(), kinds.end(), kind) - kinds.begin();
  };
  const std::string& kind = session->options().isolation.kind;
  if (rank(kind) < rank(checkpoint->isolation)) {
    done(Error{Code::permission_denied,
               "the checkpoint is of a session with isolation '" + checkpoint->isolation +
                   "', and its variables are code: it is not restored with '" + kind + "'"});
    return;
  }
  checkpoints_->restore(session, checkpoint_id, {}, std::move(done));
}

void CodeSessionStore::create_from(const std::string& checkpoint_id, CodeSessionOptions options,
                                   std::function<void(Result<FromCheckpoint>)> done) {
  const auto session = create(std::move(options));
  if (!session) {
    done(session.error());
    return;
  }
  const auto store = std::weak_ptr(alive_);
  const auto fail = [store, session = *session, done](const Error& error) {
    if (const auto alive = store.lock()) (*alive)->undo(session);
    done(error);
  };
  (*session)->set_up([store, checkpoint_id, session = *session, done,
                      fail](const Result<void>& ready) {
    const auto alive = store.lock();
    if (!ready || !alive) {
      fail(ready ? Error{Code::unavailable, "the gateway is shutting down"}
                 : Error{Code::invalid_argument, ready.error().message});
      return;
    }
    (*alive)->restore(session, checkpoint_id, [session, done, fail](Result<Restoration> restored) {
      if (restored) {
        done(FromCheckpoint(session, *std::move(restored)));
      } else {
        fail(restored.error());
      }
    });
  });
}

void CodeSessionStore::fork_by_checkpoint(const std::shared_ptr<CodeSession>& session,
                                          std::size_t count,
                                          std::map<std::string, std::string> labels,
                                          std::function<void(Result<Forks>)> done) {
  checkpoints_->take(session, {.label = "fork", .passing = true},
                     [this, session, count, labels = std::move(labels),
                      done = std::move(done)](const Result<Checkpoint>& checkpoint) {
                       if (!checkpoint) {
                         done(checkpoint.error());
                         return;
                       }
                       const auto forks = std::make_shared<Forks>();
                       forks->method = checkpoint->method();
                       forks->lacks = checkpoint->warnings();
                       fork_from(session, *checkpoint, count, forks, labels,
                                 [this, id = checkpoint->id, done](Result<Forks> made) {
                                   (void)checkpoints_->remove(id);
                                   done(std::move(made));
                                 });
                     });
}

void CodeSessionStore::fork_from(const std::shared_ptr<CodeSession>& session,
                                 const Checkpoint& checkpoint, std::size_t left,
                                 const std::shared_ptr<Forks>& forks,
                                 std::map<std::string, std::string> labels,
                                 std::function<void(Result<Forks>)> done) {
  if (left == 0) {
    done(*forks);
    return;
  }
  CodeSessionOptions options = session->options_of_branch();
  if (!labels.empty()) options.labels = labels;
  create_from(checkpoint.id, std::move(options),
              [this, store = std::weak_ptr(alive_), session, checkpoint, left, forks,
               labels = std::move(labels), done = std::move(done)](Result<FromCheckpoint> made) {
                if (!store.lock()) {
                  done(Error{Code::unavailable, "the gateway is shutting down"});
                  return;
                }
                if (!made) {
                  for (const auto& each : forks->sessions) undo(each);
                  done(made.error());
                  return;
                }
                made->first->copy_history(*session);
                forks->sessions.push_back(made->first);
                if (forks->sessions.size() == 1) {
                  for (std::string& each : what_failed(made->second)) {
                    forks->lacks.push_back(std::move(each));
                  }
                }
                fork_from(session, checkpoint, left - 1, forks, labels, done);
              });
}

}  // namespace perijove
