#include "executor/checkpoint_taking.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "io/blocking_work.hpp"
#include "io/copy_tree.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

// Any Python can be helped; another kernel of the other languages may be quite unlike ours.
bool may_be_without(const std::string& language) { return language != "python"; }

FileDescriptor make_file(const std::string& path) {
  return FileDescriptor(
      ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600));
}

Error cannot_write(const std::string& path) {
  return {errno == ENOSPC || errno == EDQUOT ? Code::resource_exhausted : Code::unavailable,
          "cannot write " + path + ": " + std::strerror(errno)};
}

// All that takes time, on a thread of its own: it gets a copy of what it needs.
class Copying {
 public:
  Copying(Checkpoint checkpoint, std::string directory, std::uint64_t bytes_max,
          std::shared_ptr<FileDescriptor> from,
          std::vector<std::shared_ptr<FileDescriptor>> written)
      : checkpoint_(std::move(checkpoint)),
        directory_(std::move(directory)),
        bytes_left_(bytes_max),
        from_(std::move(from)),
        written_(std::move(written)) {}

  Result<Checkpoint> run(const std::atomic<bool>& stopped) {
    std::size_t next = 0;
    for (SavedNamespace& each : checkpoint_.namespaces) {
      if (!each.problem.empty()) continue;
      if (const auto copied = copy_namespace(*written_[next++], each, stopped); !copied) {
        return copied.error();
      }
    }
    if (const auto copied = copy_files(stopped); !copied) return copied.error();
    return std::move(checkpoint_);
  }

 private:
  Result<void> copy_namespace(const FileDescriptor& from, SavedNamespace& into,
                              const std::atomic<bool>& stopped) {
    into.file = "namespace-" + into.language;
    const std::string path = directory_ + "/" + into.file;
    const FileDescriptor to = make_file(path);
    if (!to) return cannot_write(path);
    Sha256 digest;
    const auto copied = blocking_copy_file(from, to, bytes_left_, digest, stopped);
    if (!copied) return copied.error();
    into.bytes = *copied;
    into.sha256 = digest.hex();
    bytes_left_ -= *copied;
    if (loads_from_text(into.language) && into.bytes > kNamespaceTextBytesMax) {
      return Error{Code::resource_exhausted, "the variables of " + into.language +
                                                 " are more than " +
                                                 std::to_string(kNamespaceTextBytesMax) + " bytes"};
    }
    // From what is stored: the kernel may have changed its own file since.
    const auto head = read_at(to, 0, kNamespaceHeaderBytesMax);
    if (!head) return head.error();
    const auto read =
        read_namespace_header(std::string_view(*head).substr(0, head->find('\n')), into);
    if (read || !may_be_without(into.language)) return read;
    ::unlink(path.c_str());
    bytes_left_ += into.bytes;
    into = {.language = into.language, .kernel = into.kernel, .problem = read.error().message};
    return {};
  }

  Result<void> copy_files(const std::atomic<bool>& stopped) {
    const std::string path = directory_ + "/files";
    if (::mkdir(path.c_str(), 0700) != 0) return cannot_write(path);
    const FileDescriptor to(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!to) return cannot_write(path);
    auto copied = blocking_copy_tree(
        *from_, to, {.bytes_max = bytes_left_, .entries_max = limits::kCheckpointFilesMax},
        stopped);
    if (!copied) return copied.error();
    checkpoint_.file_bytes = copied->bytes;
    checkpoint_.files = copied->entries;
    checkpoint_.files_left_out = std::move(copied->left_out);
    return {};
  }

  Checkpoint checkpoint_;
  std::string directory_;
  std::uint64_t bytes_left_;
  std::shared_ptr<FileDescriptor> from_;
  std::vector<std::shared_ptr<FileDescriptor>> written_;
};

}  // namespace

HandOver hand_over_files(const CodeSession& session) {
  const std::string name = ".perijove/state-" + random_hex(8);
  HandOver files{.file = name, .report = name + ".report", .directories = {}};
  files.directories.push_back(session.options().work_dir);
  const auto options = parse_json(session.options().isolation.options);
  if (options && options->is_object()) {  // of a container
    const std::string inside = json_text(*options, "container_work_dir");
    if (!inside.empty()) files.directories.push_back(inside);
  }
  files.directories.insert(files.directories.end(), {"/workspace", "."});
  return files;
}

BlockOptions namespace_run_options(const NamespaceCode& code) {
  BlockOptions options;
  options.execution.limit = limits::kNamespaceTimeMax;
  options.silent = true;
  options.store_history = false;
  options.allow_input = false;
  if (!code.expression.empty()) {
    options.user_expressions = dump_json({{"value", code.expression}});
  }
  return options;
}

Result<void> read_namespace_run(const Result<RunResult>& run, const NamespaceCode& code) {
  if (!run) return run.error();
  if (run->verdict.outcome == execution::Outcome::timed_out) {
    return Error{Code::deadline_exceeded, "the kernel did not come to an end with its variables"};
  }
  const auto reply = parse_json(run->reply);
  if (!reply || !reply->is_object()) {
    return Error{Code::unavailable, "the kernel gave no answer: " + run->verdict.note};
  }
  const json told = code.expression.empty()
                        ? *reply
                        : reply->value(json::json_pointer("/user_expressions/value"), json());
  if (told.is_object() && json_text(told, "status") == "ok") return {};
  const std::string type = told.is_object() ? json_text(told, "ename") : "";
  const std::string why = told.is_object() ? json_text(told, "evalue") : "";
  return Error{Code::unavailable, "the kernel could not do it: " + type + ": " + why};
}

CheckpointTaking::CheckpointTaking(std::shared_ptr<CodeSession> session, Checkpoint checkpoint,
                                   std::string directory, std::uint64_t bytes_max, Holder holder,
                                   Done done)
    : session_(std::move(session)),
      checkpoint_(std::move(checkpoint)),
      directory_(std::move(directory)),
      bytes_max_(bytes_max),
      holder_(holder),
      done_(std::move(done)),
      begun_(session_->shard().now()) {}

CheckpointTaking::~CheckpointTaking() {
  if (holds_) session_->let_go();
}

void CheckpointTaking::begin() {
  const auto self = shared_from_this();
  if (const auto held = session_->hold("a checkpoint is taken between executions", holder_);
      !held) {
    finish(held.error());
    return;
  }
  holds_ = true;
  left_ = session_->kernels();
  save_next();
}

void CheckpointTaking::save_next() {
  if (left_.empty()) {
    copy();
    return;
  }
  const auto [language, kernel] = *left_.begin();
  left_.erase(left_.begin());
  SavedNamespace saved{.language = language, .kernel = kernel.name};
  const bool lives = kernel.execution_state != ExecutionState::dead &&
                     kernel.execution_state != ExecutionState::starting;
  if (!can_carry_namespace(language)) {
    saved.problem = "the variables of this language are not carried, only files";
  } else if (!lives) {
    saved.problem = "its kernel does not run";
  }
  checkpoint_.namespaces.push_back(saved);
  if (!saved.problem.empty()) {
    save_next();
    return;
  }
  const HandOver files = hand_over_files(*session_);
  auto made = session_->directory().create_file(files.file);
  if (!made) {
    finish(made.error());
    return;
  }
  written_.push_back(std::make_shared<FileDescriptor>(*std::move(made)));
  writing_ = files.file;
  const NamespaceCode code = save_namespace(language, files);
  session_->run_held(
      language, code.code, namespace_run_options(code),
      [weak = weak_from_this(), language = language, code](const Result<RunResult>& run) {
        if (const auto self = weak.lock()) self->saved(language, code, run);
      });
}

void CheckpointTaking::saved(const std::string& language, const NamespaceCode& code,
                             const Result<RunResult>& run) {
  (void)session_->directory().remove(std::exchange(writing_, {}));
  if (const auto written = read_namespace_run(run, code); !written) {
    if (may_be_without(language) && written.error().code == Code::unavailable) {
      checkpoint_.namespaces.back().problem = written.error().message;
      written_.pop_back();
      save_next();
      return;
    }
    finish(Error{written.error().code, language + ": " + written.error().message});
    return;
  }
  save_next();
}

void CheckpointTaking::copy() {
  auto from = session_->directory().open_itself();
  if (!from) {
    finish(from.error());
    return;
  }
  const auto copying = std::make_shared<Copying>(checkpoint_, directory_, bytes_max_,
                                                 std::make_shared<FileDescriptor>(*std::move(from)),
                                                 std::move(written_));
  copying_ = do_blocking<Result<Checkpoint>>(
      session_->shard(),
      [copying](const std::atomic<bool>& stopped) { return copying->run(stopped); },
      [weak = weak_from_this()](Result<Checkpoint> copied) {
        const auto self = weak.lock();
        if (!self) return;
        if (copied) self->checkpoint_ = *std::move(copied);
        self->finish(copied ? Result<void>() : Result<void>(copied.error()));
      });
}

void CheckpointTaking::finish(Result<void> result) {
  const auto self = shared_from_this();  // lives to the end of this call
  if (!writing_.empty()) (void)session_->directory().remove(writing_);
  if (std::exchange(holds_, false)) session_->let_go();
  checkpoint_.duration_s = std::chrono::duration<double>(session_->shard().now() - begun_).count();
  if (const auto done = std::exchange(done_, nullptr)) {
    if (result) {
      done(std::move(checkpoint_));
    } else {
      done(result.error());
    }
  }
}

}  // namespace perijove
