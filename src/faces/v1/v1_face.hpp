#pragma once

#include <nlohmann/json_fwd.hpp>

#include "executor/job_store.hpp"
#include "executor/session_store.hpp"
#include "faces/call.hpp"
#include "io/file_digests.hpp"

namespace perijove {

/// The executor's REST face, /v1: sessions, executions, files, variables, tools (docs/executors.md;
/// GET /v1/openapi.json). Translates, and holds nothing but digests of files that were asked for.
/// Shard thread only.
class V1Face {
 public:
  V1Face(KernelRegistry& registry, CodeSessionStore& sessions)
      : registry_(registry), sessions_(sessions), jobs_(registry, sessions) {}

  /// Answers a call below /v1, /healthz and /readyz; false for any other path.
  bool handle(const CallPtr& call, const PathParts& path);

  KernelRegistry& registry() { return registry_; }
  CodeSessionStore& sessions() { return sessions_; }
  JobStore& jobs() { return jobs_; }
  FileDigests& digests() { return digests_; }

 private:
  KernelRegistry& registry_;
  CodeSessionStore& sessions_;
  JobStore jobs_;
  FileDigests digests_;
};

/// What the files of this face share; nobody else needs it.
namespace v1 {

/// Answers with a problem document (RFC 9457). `code` is one word for programs:
/// `session_not_found`, `validation_failed` ...
void problem(const CallPtr& call, int status, std::string_view code, std::string_view detail,
             std::string_view hint = {});
/// The same for an error of ours; `code` replaces the one that the error's kind stands for.
void problem(const CallPtr& call, const Error& error, std::string_view code = {});

/// The session that path[2] names; answers 404 and returns nullptr when there is none.
std::shared_ptr<CodeSession> find_session(V1Face& face, const CallPtr& call, const PathParts& path);

/// The body as a JSON object; answers 400 and returns nullopt when it is none.
std::optional<nlohmann::json> body_object(const CallPtr& call);

/// The whole number in the query, `fallback` when it is not there; answers 400 and returns nullopt
/// when it is something else.
std::optional<std::uint64_t> number_argument(const CallPtr& call, std::string_view name,
                                             std::uint64_t fallback);

// One function per group of paths; false when the path is none of theirs.
bool handle_sessions(V1Face& face, const CallPtr& call, const PathParts& path);
bool handle_pools(V1Face& face, const CallPtr& call, const PathParts& path);
bool handle_executions(V1Face& face, const CallPtr& call, const PathParts& path);
bool handle_jobs(V1Face& face, const CallPtr& call, const PathParts& path);
bool handle_info(V1Face& face, const CallPtr& call, const PathParts& path);
bool handle_files(V1Face& face, const CallPtr& call, const PathParts& path);
bool handle_variables(V1Face& face, const CallPtr& call, const PathParts& path);
bool handle_history(V1Face& face, const CallPtr& call, const PathParts& path);
bool handle_packages(V1Face& face, const CallPtr& call, const PathParts& path);
bool handle_checkpoints(V1Face& face, const CallPtr& call, const PathParts& path);
bool handle_tools(V1Face& face, const CallPtr& call, const PathParts& path);
bool handle_tests(V1Face& face, const CallPtr& call, const PathParts& path);

/// What a session is made with, from the body of POST /v1/sessions. invalid_argument names the
/// field.
Result<CodeSessionOptions> read_session_options(const nlohmann::json& body,
                                                const SessionStoreOptions& defaults);

/// POST /v1/sessions with a `checkpoint`: a session that begins with what it holds. The other fields
/// go over those of the session that it was taken of.
void create_from_checkpoint(V1Face& face, const CallPtr& call, nlohmann::json body);

/// POST /v1/sessions/{id}/execute.
void execute(const std::shared_ptr<CodeSession>& session, const CallPtr& call);

}  // namespace v1
}  // namespace perijove
