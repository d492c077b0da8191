#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "executor/notebook_job.hpp"
#include "executor/session_store.hpp"

namespace perijove {

/// What a job is submitted with besides its work.
struct JobSubmission {
  std::string session;                 ///< Id or key; empty: a session of its own.
  CodeSessionOptions session_options;  ///< Of its own session.
  JobWork work;
  NotebookJobOptions job;
};

/// The jobs of a gateway: those that run, and the last that have ended. Shard thread only.
class JobStore {
 public:
  JobStore(KernelRegistry& registry, CodeSessionStore& sessions)
      : registry_(registry), sessions_(sessions) {}

  /// Begins a job. not_found: no such session or kernel; else as CodeSessionStore::create and
  /// NotebookJob::create.
  Result<std::shared_ptr<NotebookJob>> submit(JobSubmission submission);
  /// nullptr when there is none (any more).
  std::shared_ptr<NotebookJob> find(std::string_view id) const;
  /// In the order in which they were submitted.
  const std::vector<std::shared_ptr<NotebookJob>>& list() const { return jobs_; }

 private:
  void forget_oldest();

  KernelRegistry& registry_;
  CodeSessionStore& sessions_;
  std::vector<std::shared_ptr<NotebookJob>> jobs_;
};

}  // namespace perijove
