#include "executor/session_store.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "engine/output_files.hpp"
#include "protocol/sha256.hpp"

namespace perijove {

namespace fs = std::filesystem;

CodeSessionStore::CodeSessionStore(Shard& shard, KernelRegistry& registry,
                                   SessionStoreOptions options)
    : shard_(shard),
      registry_(registry),
      options_(std::move(options)),
      python_(shard, helper_interpreter(registry.kernelspecs())),
      alive_(std::make_shared<CodeSessionStore*>(this)) {}

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

Result<std::shared_ptr<CodeSession>> CodeSessionStore::create(CodeSessionOptions options) {
  if (stopping_ || registry_.draining()) {
    return Error{Code::unavailable, "the gateway is shutting down"};
  }
  if (!options.key.empty() && find(options.key)) {
    return Error{Code::already_exists, "there is a session with the key '" + options.key +
                                           "' already; PUT /v1/sessions/by-key/KEY gets it"};
  }
  if (sessions_.size() >= limits::kCodeSessionsMax) {
    return Error{Code::resource_exhausted,
                 "there are " + std::to_string(sessions_.size()) + " sessions already"};
  }
  auto directory = work_dir_for(options);
  if (!directory) return directory.error();
  options.work_dir = *std::move(directory);
  auto id = std::make_shared<std::string>();
  auto session = CodeSession::create(
      shard_, registry_, std::move(options), [store = std::weak_ptr(alive_), id] {
        if (const auto alive = store.lock()) {
          std::erase_if((*alive)->sessions_, [&](const auto& each) { return each->id() == *id; });
        }
      });
  if (!session) return session.error();
  *id = (*session)->id();
  sessions_.push_back(*session);
  return session;
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

void CodeSessionStore::stop_all(std::function<void()> done) {
  stopping_ = true;
  const auto left = std::make_shared<std::size_t>(sessions_.size() + 1);
  const auto one_less = [left, done = std::move(done)] {
    if (--*left == 0) done();
  };
  const auto sessions = sessions_;
  for (const auto& each : sessions) {
    each->stop([one_less](const Result<void>&) { one_less(); });
  }
  boost::asio::post(shard_.loop(), one_less);
}

}  // namespace perijove
