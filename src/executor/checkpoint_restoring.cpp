#include "executor/checkpoint_restoring.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "executor/checkpoint_taking.hpp"
#include "io/blocking_work.hpp"
#include "io/copy_tree.hpp"

namespace perijove {
namespace {

constexpr const char* kNothingChanged = "; nothing was changed";
constexpr const char* kFilesAsBefore =
    "; the kernels have ended and variables are gone, the files are as they were";
constexpr const char* kOnlyLost = "; its variables are gone";
constexpr const char* kFilesRestored =
    "; the files are those of the checkpoint, and no variables are there: restore it again, or go "
    "on without them";

Error with(const Error& error, const char* condition) {
  return {error.code, error.message + condition};
}

FileDescriptor open_directory(const std::string& path) {
  return FileDescriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// What threads get: descriptors, and no session.
struct Place {
  FileDescriptor directory;  // the work directory
  FileDescriptor staged;
  std::string staged_name;
};

Result<void> copy_to(const std::string& from, const Place& place,
                     const std::atomic<bool>& stopped) {
  const FileDescriptor stored = open_directory(from + "/files");
  if (!stored) {
    return Error{Code::data_loss, "the checkpoint's files are gone: " + from};
  }
  const auto copied = blocking_copy_tree(stored, place.staged, {}, stopped);
  if (!copied) {
    blocking_remove_tree(place.directory, place.staged_name);
    return copied.error();
  }
  return {};
}

// The present files make room, and come back when something is in the way.
Result<void> change_places(const Place& place, const FileDescriptor& before,
                           const std::string& before_name) {
  auto moved = move_entries(place.directory, before);
  if (moved) moved = move_entries(place.staged, place.directory);
  if (!moved) {
    (void)move_entries(place.directory, place.staged);
    (void)move_entries(before, place.directory);
  }
  blocking_remove_tree(place.directory, place.staged_name);
  if (moved) blocking_remove_tree(place.directory, before_name);
  return moved;
}

Result<void> copy_namespace(const Checkpoint& checkpoint, const SavedNamespace& saved,
                            const FileDescriptor& to, const std::atomic<bool>& stopped) {
  const std::string path = checkpoint.directory + "/" + saved.file;
  const FileDescriptor from(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!from) return Error{Code::data_loss, "the checkpoint's variables are gone: " + path};
  Sha256 digest;
  const auto copied = blocking_copy_file(from, to, saved.bytes, digest, stopped);
  if (!copied) return copied.error();
  if (digest.hex() == saved.sha256) return {};
  return Error{Code::data_loss, "the checkpoint's variables are damaged: " + path};
}

}  // namespace

CheckpointRestoring::CheckpointRestoring(std::shared_ptr<CodeSession> session,
                                         Checkpoint checkpoint, RestoreOptions options, Done done)
    : session_(std::move(session)),
      checkpoint_(std::move(checkpoint)),
      options_(std::move(options)),
      done_(std::move(done)) {
  restoration_.checkpoint_id = checkpoint_.id;
}

CheckpointRestoring::~CheckpointRestoring() {
  work_.reset();
  remove_handed_over();
  if (holds_) session_->let_go();
}

void CheckpointRestoring::begin() {
  const auto self = shared_from_this();
  if (session_->language() != checkpoint_.language) {
    finish(Error{Code::failed_precondition, "the session speaks " + session_->language() +
                                                ", and the checkpoint is of one that speaks " +
                                                checkpoint_.language});
    return;
  }
  if (const auto held =
          session_->hold("a checkpoint is restored between executions", options_.holder);
      !held) {
    finish(held.error());
    return;
  }
  holds_ = true;
  left_ = checkpoint_.namespaces;
  if (options_.variables_of.empty()) {
    restoration_.files = checkpoint_.files;
    stage();
    return;
  }
  std::erase_if(left_, [&](const SavedNamespace& each) {
    return !options_.variables_of.contains(each.language);
  });
  load_next();
}

void CheckpointRestoring::stage() {
  staged_ = ".perijove-restore-" + random_hex(8);
  auto directory = session_->directory().open_itself();
  auto staged = session_->directory().make_directory(staged_);
  if (!directory || !staged) {
    finish(with(!directory ? directory.error() : staged.error(), kNothingChanged));
    return;
  }
  const auto place =
      std::make_shared<Place>(Place{*std::move(directory), *std::move(staged), staged_});
  work_ = do_blocking<Result<void>>(
      session_->shard(),
      [from = checkpoint_.directory, place](const std::atomic<bool>& stopped) {
        return copy_to(from, *place, stopped);
      },
      [weak = weak_from_this()](const Result<void>& copied) {
        const auto self = weak.lock();
        if (!self) return;
        if (!copied) {
          self->finish(with(copied.error(), kNothingChanged));
          return;
        }
        self->session_->end_kernels([weak] {
          if (const auto alive = weak.lock()) alive->swap();
        });
      });
}

void CheckpointRestoring::swap() {
  const std::string before_name = ".perijove-before-" + random_hex(8);
  auto directory = session_->directory().open_itself();
  auto staged = session_->directory().open_directory(staged_);
  auto before = session_->directory().make_directory(before_name);
  for (const auto* each : {&directory, &staged, &before}) {
    if (*each) continue;
    finish(with(each->error(), kFilesAsBefore));
    return;
  }
  const auto place =
      std::make_shared<Place>(Place{*std::move(directory), *std::move(staged), staged_});
  const auto old = std::make_shared<FileDescriptor>(*std::move(before));
  work_ = do_blocking<Result<void>>(
      session_->shard(),
      [place, old, before_name](const std::atomic<bool>&) {
        return change_places(*place, *old, before_name);
      },
      [weak = weak_from_this()](const Result<void>& swapped) {
        const auto self = weak.lock();
        if (!self) return;
        if (swapped) {
          self->load_next();
        } else {
          self->finish(with(swapped.error(), kFilesAsBefore));
        }
      });
}

// In which the session is when variables cannot be loaded.
const char* CheckpointRestoring::condition_after_load() const {
  return options_.variables_of.empty() ? kFilesRestored : kOnlyLost;
}

void CheckpointRestoring::load_next() {
  while (!left_.empty()) {
    const SavedNamespace saved = std::move(left_.front());
    left_.erase(left_.begin());
    restoration_.namespaces.push_back({.language = saved.language, .problem = saved.problem});
    if (!saved.problem.empty()) continue;
    load(saved);
    return;
  }
  finish({});
}

void CheckpointRestoring::load(const SavedNamespace& saved) {
  files_ = hand_over_files(*session_);
  auto file = session_->directory().create_file(files_.file);
  auto report = session_->directory().create_file(files_.report);
  if (!file || !report) {
    finish(with(!file ? file.error() : report.error(), condition_after_load()));
    return;
  }
  report_ = *std::move(report);
  const auto to = std::make_shared<FileDescriptor>(*std::move(file));
  work_ = do_blocking<Result<std::string>>(
      session_->shard(),
      [checkpoint = checkpoint_, saved,
       to](const std::atomic<bool>& stopped) -> Result<std::string> {
        if (!loads_from_text(saved.language)) {
          const auto copied = copy_namespace(checkpoint, saved, *to, stopped);
          return copied ? Result<std::string>(std::string()) : copied.error();
        }
        const FileDescriptor from(::open((checkpoint.directory + "/" + saved.file).c_str(),
                                         O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        auto text = read_at(from, 0, kNamespaceTextBytesMax);
        if (text && sha256_hex(*text) != saved.sha256) {
          return Error{Code::data_loss, "the checkpoint's variables are damaged"};
        }
        return text;
      },
      [weak = weak_from_this(), saved](Result<std::string> text) {
        const auto self = weak.lock();
        if (!self) return;
        if (!text) {
          self->finish(with(text.error(), self->condition_after_load()));
          return;
        }
        const NamespaceCode code = load_namespace(saved, self->files_, *text);
        self->session_->run_held(saved.language, code.code, namespace_run_options(code),
                                 [weak, saved, code](const Result<RunResult>& run) {
                                   if (const auto alive = weak.lock())
                                     alive->loaded(saved, code, run);
                                 });
      });
}

void CheckpointRestoring::loaded(const SavedNamespace& saved, const NamespaceCode& code,
                                 const Result<RunResult>& run) {
  auto read = read_namespace_run(run, code);
  if (read) {
    const auto text = read_at(report_, 0, kNamespaceHeaderBytesMax);
    read =
        text ? read_load_report(*text, restoration_.namespaces.back()) : Result<void>(text.error());
  }
  remove_handed_over();
  if (!read) {
    finish(with(Error{read.error().code, saved.language + ": " + read.error().message},
                condition_after_load()));
    return;
  }
  load_next();
}

void CheckpointRestoring::remove_handed_over() {
  if (files_.file.empty()) return;
  (void)session_->directory().remove(files_.file);
  (void)session_->directory().remove(files_.report);
  files_ = {};
}

void CheckpointRestoring::finish(Result<void> result) {
  const auto self = shared_from_this();  // lives to the end of this call
  remove_handed_over();
  if (std::exchange(holds_, false)) session_->let_go();
  if (const auto done = std::exchange(done_, nullptr)) {
    if (result) {
      done(std::move(restoration_));
    } else {
      done(result.error());
    }
  }
}

}  // namespace perijove
