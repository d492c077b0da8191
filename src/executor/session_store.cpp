#include "executor/session_store.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "engine/output_files.hpp"
#include "io/run_process.hpp"
#include "protocol/sha256.hpp"

namespace perijove {

namespace fs = std::filesystem;

CodeSessionStore::CodeSessionStore(Shard& shard, KernelRegistry& registry,
                                   SessionStoreOptions options)
    : shard_(shard),
      registry_(registry),
      options_(std::move(options)),
      python_(shard, helper_interpreter(registry.kernelspecs())),
      checkpoints_(std::make_shared<CheckpointStore>(shard, options_.checkpoints)),
      alive_(std::make_shared<CodeSessionStore*>(this)) {
  kernel_events_ = registry_.listen([this](const KernelEvent& event) {
    if (event.action == "died" || event.action == "cull") fill_pools();
  });
}

CodeSessionStore::~CodeSessionStore() = default;

Result<std::string> CodeSessionStore::work_dir_for(const CodeSessionOptions& options) const {
  std::error_code error;
  const fs::path root = fs::weakly_canonical(options_.work_root, error);
  if (options.work_dir.empty()) {
    std::string name = options.key.empty() ? random_hex(8) : output_stem(options.key);
    // Two keys may look alike without what no file name can have.
    if (!options.key.empty() && name != options.key) {
      name += '-' + sha256_hex(options.key).substr(0, 16);
    }
    return (root / "sessions" / name).string();
  }
  const fs::path wanted = fs::weakly_canonical(root / options.work_dir, error);
  const auto [end, ignored] = std::mismatch(root.begin(), root.end(), wanted.begin(), wanted.end());
  if (error || end != root.end()) {
    return Error{Code::permission_denied, "work_dir '" + options.work_dir +
                                              "' leads out of the gateway's directory " +
                                              root.string()};
  }
  return wanted.string();
}

Result<void> CodeSessionStore::check_key(const std::string& key) const {
  if (key.empty() || !find(key)) return {};
  return Error{Code::already_exists, "there is a session with the key '" + key +
                                         "' already; PUT /v1/sessions/by-key/KEY gets it"};
}

std::size_t CodeSessionStore::session_count() const {
  std::size_t count = sessions_.size();
  for (const auto& [name, pool] : pools_) count += pool->waiting();
  return count;
}

Result<std::shared_ptr<CodeSession>> CodeSessionStore::create(CodeSessionOptions options) {
  if (const auto free = check_key(options.key); !free) return free.error();
  auto session = make(std::move(options));
  if (session) sessions_.push_back(*session);
  return session;
}

Result<std::shared_ptr<CodeSession>> CodeSessionStore::make(CodeSessionOptions options) {
  if (stopping_ || registry_.draining()) {
    return Error{Code::unavailable, "the gateway is shutting down"};
  }
  if (session_count() >= limits::kCodeSessionsMax) {
    return Error{Code::resource_exhausted,
                 "there are " + std::to_string(session_count()) + " sessions already"};
  }
  auto directory = work_dir_for(options);
  if (!directory) return directory.error();
  if (checkpoints_->holds(*directory)) {
    return Error{Code::permission_denied,
                 "work_dir '" + options.work_dir + "' is where the gateway keeps checkpoints"};
  }
  options.work_dir = *std::move(directory);
  auto id = std::make_shared<std::string>();
  auto session = CodeSession::create(shard_, registry_, std::move(options),
                                     [store = std::weak_ptr(alive_), id] {
                                       if (const auto alive = store.lock())
                                         (*alive)->session_ended(*id);
                                     });
  if (session) {
    *id = (*session)->id();
    (*session)->auto_checkpoints().keep_in(checkpoints_);
  }
  return session;
}

void CodeSessionStore::session_ended(const std::string& id) {
  std::erase_if(sessions_, [&](const auto& each) { return each->id() == id; });
  for (const auto& [name, pool] : std::map(pools_)) pool->ended(id);
  checkpoints_->session_ended(id);
}

std::shared_ptr<CodeSession> CodeSessionStore::find(std::string_view id_or_key) const {
  for (const auto& each : sessions_) {
    const std::string& key = each->options().key;
    if (!each->ended() && (each->id() == id_or_key || (!key.empty() && key == id_or_key))) {
      return each;
    }
  }
  return nullptr;
}

std::shared_ptr<CodeExecution> CodeSessionStore::find_execution(std::string_view id) const {
  for (const auto& each : sessions_) {
    if (auto execution = each->find_execution(id)) return execution;
  }
  return nullptr;
}

std::shared_ptr<CodeSession> CodeSessionStore::session_of(const CodeExecution& execution) const {
  return find(execution.result().session_id);
}

// ---- copies ----

void CodeSessionStore::fork_session(const std::shared_ptr<CodeSession>& session, std::size_t count,
                                    std::map<std::string, std::string> labels,
                                    std::function<void(Result<Forks>)> done) {
  const auto possible = session->check_fork();
  if (!possible && possible.error().code == Code::unimplemented) {
    fork_by_checkpoint(session, count, std::move(labels), std::move(done));
    return;
  }
  fork_next(session, count, std::make_shared<Forks>(), std::move(labels), std::move(done));
}

void CodeSessionStore::fork_next(const std::shared_ptr<CodeSession>& session, std::size_t left,
                                 const std::shared_ptr<Forks>& forks,
                                 std::map<std::string, std::string> labels,
                                 std::function<void(Result<Forks>)> done) {
  if (left == 0) {
    done(*forks);
    return;
  }
  CodeSessionOptions options = session->options_of_branch();
  if (!labels.empty()) options.labels = labels;
  auto branch = create(std::move(options));
  if (!branch) {
    for (const auto& each : forks->sessions) undo(each);
    done(branch.error());
    return;
  }
  session->fork_into(*branch, [this, store = std::weak_ptr(alive_), session, left, forks,
                               branch = *branch, labels = std::move(labels),
                               done = std::move(done)](Result<std::vector<std::string>> lacks) {
    if (!store.lock()) {
      done(Error{Code::unavailable, "the gateway is shutting down"});
    } else if (lacks) {
      forks->sessions.push_back(branch);
      forks->lacks = *std::move(lacks);
      fork_next(session, left - 1, forks, labels, done);
    } else {
      undo(branch);
      for (const auto& each : forks->sessions) undo(each);
      done(lacks.error());
    }
  });
}

// A copy that nobody gets.
void CodeSessionStore::undo(const std::shared_ptr<CodeSession>& session) {
  end_and_remove(session, [](const Result<void>&) {});
}

// ---- pools ----

Result<std::shared_ptr<SessionPool>> CodeSessionStore::set_pool(SessionPoolOptions options) {
  if (options.name.empty()) return Error{Code::invalid_argument, "a pool needs a name"};
  if (options.session.policies.restricted || options.session.policies.off) {
    return Error{Code::invalid_argument,
                 "a pool keeps kernels ready, and sessions of this mode have none"};
  }
  if (stopping_ || registry_.draining()) {
    return Error{Code::unavailable, "the gateway is shutting down"};
  }
  // What can be known to be wrong is told now, and not when a session is wanted.
  if (!options.session.kernelspec && !options.session.kernel.empty()) {
    const auto found = registry_.kernelspecs().blocking_refresh()->find(options.session.kernel);
    if (!found) return found.error();
  }
  if (const auto existing = find_pool(options.name)) {
    existing->change(std::move(options));
    return existing;
  }
  if (pools_.size() >= limits::kSessionPoolsMax) {
    return Error{Code::resource_exhausted,
                 "there are " + std::to_string(pools_.size()) + " pools already"};
  }
  const std::string name = options.name;
  const auto pool = std::make_shared<SessionPool>(
      shard_, std::move(options),
      SessionPool::Hooks{
          .make = [this](CodeSessionOptions session) { return make(std::move(session)); },
          .discard =
              [this](const std::shared_ptr<CodeSession>& session) {
                release(session, [](const Result<void>&) {});
              }});
  pools_.emplace(name, pool);
  pool->fill();
  return pool;
}

bool CodeSessionStore::remove_pool(std::string_view name) {
  const auto found = pools_.find(name);
  if (found == pools_.end()) return false;
  const auto pool = std::move(found->second);
  pools_.erase(found);
  pool->stop();
  return true;
}

std::shared_ptr<SessionPool> CodeSessionStore::find_pool(std::string_view name) const {
  const auto found = pools_.find(name);
  return found == pools_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<SessionPool>> CodeSessionStore::pools() const {
  std::vector<std::shared_ptr<SessionPool>> all;
  for (const auto& [name, pool] : pools_) all.push_back(pool);
  return all;
}

Result<std::shared_ptr<CodeSession>> CodeSessionStore::take(
    std::string_view name, std::string key, std::map<std::string, std::string> labels) {
  const auto pool = find_pool(name);
  if (!pool) {
    return Error{Code::not_found,
                 "there is no pool '" + std::string(name) + "'; PUT /v1/pools/NAME makes one"};
  }
  if (const auto free = check_key(key); !free) return free.error();
  auto session = pool->take();
  if (!session) return session.error();
  const CodeSessionOptions& wanted = pool->options().session;
  (*session)->hand_over(std::move(key), std::move(labels), wanted.idle_timeout,
                        wanted.lifetime_max);
  sessions_.push_back(*session);
  return session;
}

void CodeSessionStore::release(const std::shared_ptr<CodeSession>& session,
                               std::function<void(Result<void>)> done) {
  if (session->options().pool.empty()) {
    done(Error{Code::failed_precondition, "the session is of no pool; DELETE ends it"});
    return;
  }
  end_and_remove(session, std::move(done));
}

void CodeSessionStore::end_and_remove(const std::shared_ptr<CodeSession>& session,
                                      std::function<void(Result<void>)> done) {
  ++releases_;
  const auto store = std::weak_ptr(alive_);
  session->stop([store, path = session->directory().path(),
                 done = std::move(done)](const Result<void>& stopped) {
    const auto alive = store.lock();
    if (!alive) {
      done(stopped);
      return;
    }
    (*alive)->remove_directory(path, [self = *alive, done](const Result<void>& removed) {
      done(removed);
      if (--self->releases_ == 0 && self->when_released_) {
        std::exchange(self->when_released_, {})();
      }
    });
  });
}

void CodeSessionStore::remove_directory(const std::string& path,
                                        std::function<void(Result<void>)> done) {
  SpawnRequest remove;
  remove.argv = {"rm", "-rf", "--", path};
  remove.env = {{"PATH", "/usr/bin:/bin"}};
  remove.work_dir = "/";
  const std::uint64_t number = next_removal_++;
  removals_[number] = run_process(
      shard_, remove, {.time_max = limits::kRemovalTimeMax},
      [this, number, path, done = std::move(done)](const Result<ProcessOutput>& run) {
        const auto finished = std::move(removals_[number]);
        removals_.erase(number);
        Result<void> removed;
        if (!run || run->exit.code != 0) {
          removed = Error{Code::internal, "the directory could not be removed: " +
                                              (run ? run->error_output : run.error().message)};
          log::warning("directory_not_removed",
                       {{"path", path}, {"error", removed.error().message}});
        }
        done(removed);
      });
}

void CodeSessionStore::fill_pools() {
  for (const auto& [name, pool] : pools_) {
    boost::asio::post(shard_.loop(), [pool = pool] { pool->fill(); });
  }
}

void CodeSessionStore::stop_all(std::function<void()> done) {
  stopping_ = true;
  // Those that nobody has taken leave nothing behind.
  while (!pools_.empty()) remove_pool(pools_.begin()->first);
  const auto left = std::make_shared<std::size_t>(sessions_.size() + 1);
  const auto one_less = [this, left, done = std::move(done)] {
    if (--*left > 0) return;
    if (releases_ == 0) {
      done();
    } else {
      when_released_ = done;
    }
  };
  const auto sessions = sessions_;
  for (const auto& each : sessions) {
    each->stop([one_less](const Result<void>&) { one_less(); });
  }
  boost::asio::post(shard_.loop(), one_less);
}

}  // namespace perijove
