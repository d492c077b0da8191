#include "executor/job_store.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"

namespace perijove {

Result<std::shared_ptr<NotebookJob>> JobStore::submit(JobSubmission submission) {
  std::shared_ptr<CodeSession> session;
  if (!submission.session.empty()) {
    session = sessions_.find(submission.session);
    if (!session) {
      return Error{Code::not_found, "there is no session '" + submission.session + "'"};
    }
  } else {
    CodeSessionOptions& options = submission.session_options;
    if (const auto& notebook = submission.work.notebook; notebook && options.kernel.empty()) {
      options.kernel = notebook->kernel_name();
      if (options.kernel.empty()) options.kernel = notebook->language();
    }
    auto created = sessions_.create(std::move(options));
    if (!created) return created.error();
    session = *std::move(created);
  }
  const std::string& name = session->options().kernel;
  const auto catalogue = registry_.kernelspecs().current();
  const auto spec = catalogue->find(name);
  auto job = NotebookJob::create(session,
                                 {.name = name,
                                  .display_name = spec ? (*spec)->spec.display_name : name,
                                  .language = session->language()},
                                 std::move(submission.work), std::move(submission.job));
  auto begun = job ? (*job)->resume() : Result<void>(job.error());
  if (!begun) {
    if (submission.session.empty()) session->stop(nullptr);
    return begun.error();
  }
  jobs_.push_back(*job);
  forget_oldest();
  return job;
}

std::shared_ptr<NotebookJob> JobStore::find(std::string_view id) const {
  const auto found =
      std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job->id() == id; });
  return found == jobs_.end() ? nullptr : *found;
}

void JobStore::forget_oldest() {
  const auto ended = [](const std::shared_ptr<NotebookJob>& job) { return !job->running(); };
  const auto count = static_cast<std::size_t>(std::count_if(jobs_.begin(), jobs_.end(), ended));
  if (count > limits::kFinishedJobsMax) {
    jobs_.erase(std::find_if(jobs_.begin(), jobs_.end(), ended));
  }
}

}  // namespace perijove
