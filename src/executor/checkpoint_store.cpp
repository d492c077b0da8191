#include "executor/checkpoint_store.hpp"

#include <fcntl.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "executor/checkpoint_taking.hpp"
#include "io/blocking_work.hpp"
#include "io/work_dir.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifest = "manifest.json";

// They are ours, made of hexadecimal digits and dashes: nothing else gets into a path.
bool is_checkpoint_id(const std::string& id) {
  return id.starts_with("c_") && looks_like_id(id.substr(2));
}

// Or the same.
bool is_below(const std::string& path, const std::string& directory) {
  std::error_code error;
  const fs::path inner = fs::weakly_canonical(path, error);
  fs::path outer = fs::weakly_canonical(directory, error);
  if (!outer.has_filename()) outer = outer.parent_path();
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

Result<Checkpoint> read_checkpoint(const std::string& directory) {
  std::ifstream file(directory + "/" + kManifest, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return read_manifest(text.str(), directory);
}

// One that is kept may be removed by another gateway of this user.
bool is_there(const Checkpoint& checkpoint) {
  std::error_code error;
  return !checkpoint.keep || fs::is_directory(checkpoint.directory, error);
}

}  // namespace

CheckpointStore::CheckpointStore(Shard& shard, CheckpointStoreOptions options)
    : shard_(shard), options_(std::move(options)) {
  if (options_.state_dir.empty()) options_.state_dir = CheckpointShelf::default_base();
}

CheckpointStore::~CheckpointStore() = default;

Result<CheckpointShelf*> CheckpointStore::shelf() const {
  if (!shelf_) {
    auto opened = CheckpointShelf::open(options_.state_dir);
    if (!opened) return opened.error();
    shelf_.emplace(*std::move(opened));
  }
  return &*shelf_;
}

bool CheckpointStore::holds(const std::string& directory) const {
  return is_below(directory, options_.state_dir);
}

// Its code could change the checkpoints, which would hold one another besides.
Result<void> CheckpointStore::check_place(const CodeSession& session) const {
  const std::string& work = session.options().work_dir;
  if (!is_below(options_.state_dir, work)) return {};
  return Error{Code::failed_precondition,
               "the session's work directory " + work +
                   " holds the directory that checkpoints are in; give the session another one, or "
                   "the gateway another --state-dir than " +
                   options_.state_dir};
}

Result<std::uint64_t> CheckpointStore::bytes_left(const std::string& session_id,
                                                  const Request& request) const {
  std::uint64_t used = 0;
  const std::vector<Checkpoint> own = of_session(session_id);
  const std::size_t count = own.size();
  for (const Checkpoint& each : own) used += each.bytes();
  const std::size_t kept = request.keep && shelf_ ? shelf_->kept().size() : 0;
  const std::string remedy = "; DELETE one that is not needed";
  if (count >= limits::kCheckpointsMax) {
    return Error{Code::resource_exhausted, "the session has " + std::to_string(count) +
                                               " checkpoints already, and may have no more" +
                                               remedy};
  }
  if (request.keep && kept >= limits::kKeptCheckpointsMax) {
    return Error{Code::resource_exhausted,
                 std::to_string(kept) + " checkpoints are kept already" + remedy};
  }
  if (used >= options_.bytes_max) {
    return Error{Code::resource_exhausted,
                 "the session's checkpoints take " + std::to_string(used) +
                     " bytes, and may take no more (--checkpoint-bytes)" + remedy};
  }
  return options_.bytes_max - used;
}

void CheckpointStore::take(const std::shared_ptr<CodeSession>& session, Request request,
                           std::function<void(Result<Checkpoint>)> done) {
  const auto shelf = this->shelf();
  const auto place = shelf ? check_place(*session) : Result<void>(shelf.error());
  const auto left =
      place ? bytes_left(session->id(), request) : Result<std::uint64_t>(place.error());
  if (!left) {
    done(left.error());
    return;
  }
  Checkpoint checkpoint;
  checkpoint.id = "c_" + make_uuid();
  const auto made = (*shelf)->begin(checkpoint.id);
  if (!made) {
    done(made.error());
    return;
  }
  checkpoint.label = std::move(request.label);
  checkpoint.keep = request.keep;
  checkpoint.automatic = request.automatic;
  checkpoint.session_id = session->id();
  checkpoint.created = format_utc(std::chrono::system_clock::now());
  checkpoint.kernel = session->options().kernel;
  checkpoint.language = session->language();
  checkpoint.isolation = session->options().isolation.kind;
  checkpoint.config = session->options().config;
  done = [this, session, passing = request.passing,
          done = std::move(done)](Result<Checkpoint> taken) {
    if (taken && session->ended()) {  // too late to go with it
      session_ended(session->id());
      if (!taken->keep) taken = Error{Code::aborted, "the session has ended"};
    } else if (taken && !passing) {
      session->auto_checkpoints().stands_at(*taken);
    }
    done(std::move(taken));
  };
  const std::uint64_t number = next_++;
  const auto taking = std::make_shared<CheckpointTaking>(
      session, std::move(checkpoint), *made, *left, request.holder,
      [this, number, made = *made, done = std::move(done)](Result<Checkpoint> result) {
        forget(number);
        taken(made, std::move(result), done);
      });
  work_[number] = taking;
  taking->begin();
}

void CheckpointStore::taken(const std::string& made, Result<Checkpoint> result,
                            const std::function<void(Result<Checkpoint>)>& done) {
  if (!result) {
    discard(made);
    done(result.error());
    return;
  }
  // The manifest is written last, and then all of it gets its name.
  const std::uint64_t number = next_++;
  work_[number] = do_blocking<Result<std::string>>(
      shard_,
      [shelf = &*shelf_, made, id = result->id, keep = result->keep,
       manifest = manifest_of(*result)](const std::atomic<bool>&) -> Result<std::string> {
        if (const auto written = write_file_atomically(made + "/" + kManifest, manifest);
            !written) {
          return written.error();
        }
        return shelf->commit(made, id, keep);
      },
      [this, number, made, checkpoint = *result, done](Result<std::string> committed) mutable {
        forget(number);
        if (!committed) {
          discard(made);
          done(committed.error());
          return;
        }
        checkpoint.directory = *std::move(committed);
        taken_.push_back(checkpoint);
        done(checkpoint);
      });
}

void CheckpointStore::restore(const std::shared_ptr<CodeSession>& session, const std::string& id,
                              RestoreOptions options,
                              std::function<void(Result<Restoration>)> done) {
  auto checkpoint = find(id);
  if (!checkpoint) {
    done(checkpoint.error());
    return;
  }
  const std::uint64_t number = next_++;
  const auto restoring =
      std::make_shared<CheckpointRestoring>(session, *checkpoint, std::move(options),
                                            [this, number, session, checkpoint = *checkpoint,
                                             done = std::move(done)](Result<Restoration> result) {
                                              forget(number);
                                              if (result)
                                                session->auto_checkpoints().stands_at(checkpoint);
                                              done(std::move(result));
                                            });
  work_[number] = restoring;
  restoring->begin();
}

std::vector<Checkpoint> CheckpointStore::of_session(const std::string& session_id) const {
  std::vector<Checkpoint> all;
  std::copy_if(taken_.begin(), taken_.end(), std::back_inserter(all), [&](const Checkpoint& each) {
    return each.session_id == session_id && is_there(each);
  });
  return all;
}

std::vector<Checkpoint> CheckpointStore::list() const {
  std::vector<Checkpoint> all;
  std::copy_if(taken_.begin(), taken_.end(), std::back_inserter(all),
               [](const Checkpoint& each) { return !each.keep; });
  const auto shelf = this->shelf();
  if (!shelf) return all;
  for (const std::string& directory : (*shelf)->kept()) {
    if (auto kept = read_checkpoint(directory)) all.push_back(*std::move(kept));
  }
  return all;
}

Result<Checkpoint> CheckpointStore::find(const std::string& id) const {
  for (const Checkpoint& each : taken_) {
    if (each.id == id && is_there(each)) return each;
  }
  const auto shelf = this->shelf();
  if (!shelf) return shelf.error();
  const std::string directory = (*shelf)->base() + "/kept/" + id;
  std::error_code error;
  if (is_checkpoint_id(id) && fs::is_directory(directory, error)) return read_checkpoint(directory);
  return Error{Code::not_found,
               "there is no checkpoint '" + id +
                   "'; those of a session go with it unless they are taken with \"keep\": true"};
}

Result<void> CheckpointStore::remove(const std::string& id) {
  const auto found = find(id);
  if (!found) return found.error();
  auto hidden = CheckpointShelf::withdraw(found->directory);
  if (!hidden) return hidden.error();
  std::erase_if(taken_, [&](const Checkpoint& each) { return each.id == id; });
  discard(*std::move(hidden));
  return {};
}

void CheckpointStore::session_ended(const std::string& session_id) {
  for (const Checkpoint& each : of_session(session_id)) {
    if (each.keep) continue;
    if (const auto removed = remove(each.id); !removed) {
      log::warning("checkpoint_not_removed", {{"id", each.id}, {"error", removed.error().message}});
    }
  }
  std::erase_if(taken_, [&](const Checkpoint& each) { return each.session_id == session_id; });
}

void CheckpointStore::discard(std::string directory) {
  const std::uint64_t number = next_++;
  work_[number] = do_blocking<bool>(
      shard_,
      [directory = std::move(directory)](const std::atomic<bool>&) {
        CheckpointShelf::discard(directory);
        return true;
      },
      [this, number](bool) { forget(number); });
}

// Later: what is forgotten may be what calls this.
void CheckpointStore::forget(std::uint64_t number) {
  const auto found = work_.find(number);
  if (found == work_.end()) return;
  boost::asio::post(shard_.loop(), [ended = std::move(found->second)] {});
  work_.erase(found);
}

}  // namespace perijove
