#include <nlohmann/json.hpp>
#include <utility>

#include "executor/session_isolation.hpp"
#include "faces/v1/event_stream.hpp"
#include "faces/v1/v1_face.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::v1 {
namespace {

using nlohmann::json;

// A job's own session that nobody says anything else of is kept so long for a resume.
constexpr auto kIdleTimeout = std::chrono::hours(1);

std::string job_url(const CallPtr& call, const NotebookJob& job) {
  return call->base_url() + "v1/jobs/" + job.id();
}

json shown(const CallPtr& call, const NotebookJob& job, bool with_steps) {
  json answer = job.to_json(with_steps);
  answer["notebook"]["url"] = job_url(call, job) + "/notebook";
  return answer;
}

bool given(const json* value) { return value != nullptr && !value->is_null(); }

// A notebook as JSON, or its path below `directory`.
Result<Notebook> read_notebook(const json& value, const Result<WorkDir>& directory,
                               const std::string& below) {
  if (value.is_object()) return Notebook::parse(dump_json(value));
  if (!value.is_string()) {
    return Error{Code::invalid_argument,
                 "job: field 'notebook' must be a notebook or the path of one, not " +
                     std::string(json_type(value))};
  }
  if (!directory) return directory.error();
  const std::string path = below + value.get<std::string>();
  const auto text = directory->read(path);
  if (!text) return text.error();
  auto notebook = Notebook::parse(*text);
  if (!notebook) return Error{notebook.error().code, path + ": " + notebook.error().message};
  return notebook;
}

std::vector<JobStep> read_steps(JsonFields& fields) {
  std::vector<JobStep> steps;
  const json* const value = fields.find("steps");
  if (!value->is_array()) {
    fields.refuse_type("steps", "an array", *value);
    return steps;
  }
  for (const json& each : *value) {
    JsonFields step(each, "step");
    step.refuse_unknown({"name", "language", "code"});
    steps.push_back({step.text("name"), step.text("language"), step.text("code")});
    if (step.error()) fields.refuse("steps", step.error()->message);
  }
  return steps;
}

// `notebook` or `steps`; nullopt when there is neither.
Result<std::optional<JobWork>> read_work(JsonFields& fields, const Result<WorkDir>& directory,
                                         const std::string& below) {
  const bool has_notebook = given(fields.find("notebook"));
  const bool has_steps = given(fields.find("steps"));
  if (!has_notebook && !has_steps) return std::optional<JobWork>();
  JobWork work;
  if (has_notebook && has_steps) {
    fields.refuse("steps", "and 'notebook' cannot both be there");
  } else if (has_notebook) {
    auto notebook = read_notebook(*fields.find("notebook"), directory, below);
    if (!notebook) return notebook.error();
    work.notebook = *std::move(notebook);
  } else {
    work.steps = read_steps(fields);
  }
  if (fields.error()) return *fields.error();
  return std::optional<JobWork>(std::move(work));
}

// Fields that make a session; a job that has one already has no use for them.
std::vector<std::string> session_fields() {
  std::vector<std::string> fields = {"kernel",         "language",       "work_dir",   "labels",
                                     "idle_timeout_s", "max_lifetime_s", "policy",     "approval",
                                     "retries",        "config",         "kernel_spec"};
  fields.insert(fields.end(), kSessionPolicyFields.begin(), kSessionPolicyFields.end());
  fields.insert(fields.end(), kIsolationFields.begin(), kIsolationFields.end());
  return fields;
}

Result<CodeSessionOptions> read_own_session(V1Face& face, JsonFields& fields) {
  json body = json::object();
  for (const std::string& name : session_fields()) {
    if (const json* const value = fields.find(name)) body[name] = *value;
  }
  if (const json* const env = fields.find("env")) body["env"] = *env;
  auto options = read_session_options(body, face.sessions().options());
  if (options && !body.contains("idle_timeout_s") && !options->idle_timeout) {
    options->idle_timeout = kIdleTimeout;
  }
  return options;
}

// What every step runs under is written as in an execute request; no time limit, unless somebody
// has set one.
Result<CodeRequest> read_request(JsonFields& fields, const CodeRequest& defaults, bool in_session) {
  json request = {{"code", ""}};
  if (!given(fields.find("profile")) && !given(fields.find("mode"))) request["timeout"] = nullptr;
  for (const char* const name : {"timeout", "idle_output_timeout_s", "output", "stdin"}) {
    if (const json* const value = fields.find(name)) request[name] = *value;
  }
  // A session of the job's own has it already.
  if (const json* const env = fields.find("env"); in_session && env != nullptr) {
    request["env"] = *env;
  }
  return read_code_request(request, defaults);
}

Result<JobSubmission> read_submission(V1Face& face, const json& body) {
  JobSubmission submission;
  JsonFields fields(body, "job");
  std::vector<std::string> known = session_fields();
  known.insert(known.end(), {"name", "notebook", "steps", "session", "parameters", "timeout",
                             "idle_output_timeout_s", "env", "output", "stdin", "allow_errors",
                             "output_path", "keep_session"});
  fields.refuse_unknown(known);
  submission.session = fields.text("session");
  const bool in_session = !submission.session.empty();
  NotebookJobOptions& job = submission.job;
  job.name = fields.text("name");
  job.allow_errors = fields.boolean("allow_errors", false);
  job.output_path = fields.text("output_path");
  job.ends_session = !fields.boolean("keep_session", false) && !in_session;
  if (const json* const parameters = fields.find("parameters"); given(parameters)) {
    auto read = read_parameters(*parameters);
    if (!read) return read.error();
    job.parameters = *std::move(read);
  }
  if (in_session) {
    for (const std::string& name : session_fields()) {
      if (given(fields.find(name))) fields.refuse(name, "is the session's already");
    }
  }
  if (fields.error()) return *fields.error();

  std::string directory = face.sessions().options().work_root;
  std::string below;
  const CodeRequest* defaults = &submission.session_options.defaults;
  if (in_session) {
    const auto session = face.sessions().find(submission.session);
    if (!session) {
      return Error{Code::not_found, "there is no session '" + submission.session + "'"};
    }
    directory = session->directory().path();
    defaults = &session->options().defaults;
  } else {
    auto own = read_own_session(face, fields);
    if (!own) return own.error();
    submission.session_options = *std::move(own);
    const std::string& work_dir = submission.session_options.work_dir;
    if (!work_dir.empty()) below = work_dir + "/";
  }
  auto request = read_request(fields, *defaults, in_session);
  if (!request) return request.error();
  job.each = *std::move(request);
  auto work = read_work(fields, WorkDir::open(directory), below);
  if (!work) return work.error();
  if (!*work) return Error{Code::invalid_argument, "job: there must be 'notebook' or 'steps'"};
  submission.work = **std::move(work);
  if (fields.error()) return *fields.error();
  return submission;
}

void refuse(const CallPtr& call, const Error& error) {
  const bool invalid = error.code == Code::invalid_argument || error.code == Code::unimplemented;
  problem(call, error, invalid ? "validation_failed" : "");
}

void submit(V1Face& face, const CallPtr& call) {
  const auto body = body_object(call);
  if (!body) return;
  auto submission = read_submission(face, *body);
  if (!submission) {
    refuse(call, submission.error());
    return;
  }
  const auto job = face.jobs().submit(*std::move(submission));
  if (!job) {
    refuse(call, job.error());
    return;
  }
  call->json(202, shown(call, **job, true), {{"Location", job_url(call, **job)}});
}

void resume(const CallPtr& call, const std::shared_ptr<NotebookJob>& job) {
  const auto body = body_object(call);
  if (!body) return;
  JsonFields fields(*body, "resume request");
  fields.refuse_unknown({"from_step", "notebook", "steps"});
  std::string from;
  if (const json* const step = fields.find("from_step"); given(step)) {
    if (step->is_number_unsigned()) {
      from = std::to_string(step->get<std::uint64_t>());
    } else if (step->is_string() && !step->get_ref<const std::string&>().empty()) {
      from = step->get<std::string>();
    } else {
      fields.refuse("from_step", "must be the number of a step from 0, or its name");
    }
  }
  auto work = read_work(fields, WorkDir::open(job->session().directory().path()), "");
  if (fields.error()) {
    refuse(call, *fields.error());
  } else if (!work) {
    refuse(call, work.error());
  } else if (const auto resumed = job->resume(from, *std::move(work)); !resumed) {
    const bool gone = job->session().ended();
    const bool running = job->running();
    problem(call, gone || running ? 409 : http_status(resumed.error().code),
            running ? "job_running"
            : gone  ? "session_expired"
                    : to_string(resumed.error().code),
            resumed.error().message, gone ? "submit it anew: POST /v1/jobs" : "");
  } else {
    call->json(202, shown(call, *job, true), {{"Location", job_url(call, *job)}});
  }
}

void send_notebook(const CallPtr& call, const NotebookJob& job) {
  const auto text = job.notebook_text();
  if (!text) {
    problem(call, text.error());
    return;
  }
  call->respond(200, *text, "application/x-ipynb+json",
                {{"Content-Disposition", "attachment; filename=\"" + job.id() + ".ipynb\""}});
}

void list(V1Face& face, const CallPtr& call) {
  json jobs = json::array();
  for (const auto& job : face.jobs().list()) jobs.push_back(shown(call, *job, false));
  call->json(200, {{"jobs", jobs}});
}

}  // namespace

bool handle_jobs(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() < 2 || path.size() > 4 || path[1] != "jobs") return false;
  if (path.size() == 2) {
    if (!method_is(call, "GET,POST")) return true;
    call->request().method == "POST" ? submit(face, call) : list(face, call);
    return true;
  }
  const std::string action = path.size() == 4 ? path[3] : std::string();
  const bool reads = action.empty() || action == "events" || action == "notebook";
  if (!reads && action != "cancel" && action != "resume") return false;
  if (!method_is(call, reads ? "GET" : "POST")) return true;
  const auto job = face.jobs().find(path[2]);
  if (!job) {
    problem(call, 404, "job_not_found", "there is no job '" + path[2] + "'",
            "the last 100 that have ended are kept");
  } else if (action.empty()) {
    call->json(200, shown(call, *job, true));
  } else if (action == "events") {
    if (const auto from = first_event(call)) {
      stream_events(call, job->event_log(), *from, {}, nullptr);
    }
  } else if (action == "notebook") {
    send_notebook(call, *job);
  } else if (action == "cancel") {
    job->cancel();
    call->json(202, shown(call, *job, false), {{"Location", job_url(call, *job)}});
  } else {
    resume(call, job);
  }
  return true;
}

}  // namespace perijove::v1
