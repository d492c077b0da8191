#include "faces/jupyter/rest_execute.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "engine/runner.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

using nlohmann::json;

std::string outputs_text(const std::vector<Output>& outputs) {
  json list = json::array();
  for (const Output& output : outputs) list.push_back(to_nbformat(output));
  return dump_json(list);
}

// What is shown of a block that still runs: the first of it, while the rest is collected.
class PartialOutputs {
 public:
  void add(const Output& output) {
    constexpr std::size_t kBytesMax = 1024 * 1024;
    if (bytes_ > kBytesMax) return;
    const auto* stream = std::get_if<StreamOutput>(&output);
    bytes_ += stream != nullptr ? stream->text.size() : dump_json(to_nbformat(output)).size();
    auto* last = outputs_.empty() ? nullptr : std::get_if<StreamOutput>(&outputs_.back());
    if (stream != nullptr && last != nullptr && last->name == stream->name) {
      last->text += stream->text;
    } else {
      outputs_.push_back(output);
    }
  }
  std::string text() const { return outputs_text(outputs_); }

 private:
  std::vector<Output> outputs_;
  std::size_t bytes_ = 0;
};

}  // namespace

struct RestExecutions::Request {
  enum class State { queued, running, done };

  std::string uid;
  std::string code;
  json cell_id;
  json document_path;
  std::optional<Duration> timeout;
  State state = State::queued;
  PartialOutputs partial;
  json result = json::object();  // `status` ..., or `error`
};

/// The requests of one kernel, which run one after another.
class RestExecutions::Queue : public std::enable_shared_from_this<Queue> {
 public:
  Queue(Shard& shard, std::shared_ptr<Kernel> kernel) : kernel_id_(kernel->id().str()) {
    begin(shard, std::move(kernel));
  }

  const Request& put(Request request) {
    const auto put = std::make_shared<Request>(std::move(request));
    waiting_.push_back(put);
    requests_.push_back(put);
    forget_oldest();
    next();
    return *put;
  }

  bool full() const { return waiting_.size() >= limits::kQueuedExecutionsMax; }

  std::shared_ptr<Request> find(std::string_view uid) const {
    const auto found = std::find_if(requests_.begin(), requests_.end(),
                                    [&](const auto& each) { return each->uid == uid; });
    return found == requests_.end() ? nullptr : *found;
  }

  void cancel(const std::shared_ptr<Request>& request) {
    if (request == running_) {
      runner_->cancel();
    } else if (request->state == Request::State::queued) {
      std::erase(waiting_, request);
      request->state = Request::State::done;
      request->result = {{"error", "the request was cancelled before it began"}};
    }
  }

  void answer(std::string_view text) {
    if (!std::exchange(asked_, std::nullopt)) return;
    runner_->answer_input(text);
  }

  // Of the request, the input that it waits for.
  const InputRequest* input_of(const Request& request) const {
    return asked_ && running_ && running_->uid == request.uid ? &*asked_ : nullptr;
  }

  json active() const {
    json found = json::array();
    for (const auto& each : requests_) {
      if (each->state != Request::State::done) found.push_back(describe(*each));
    }
    return found;
  }

  json describe(const Request& request) const {
    json model = {{"request_id", request.uid},
                  {"kernel_id", kernel_id_},
                  {"request_url", "/api/kernels/" + kernel_id_ + "/requests/" + request.uid},
                  {"cell_id", request.cell_id},
                  {"document_path", request.document_path},
                  {"pending", request.state != Request::State::done}};
    if (request.state == Request::State::done) {
      model["request_status"] = "complete";
      model.update(request.result);
    } else if (const InputRequest* input = input_of(request)) {
      model["request_status"] = "input";
      model["parent_header"] = {{"msg_type", "input_request"}};
      model["input_request"] = {{"prompt", input->prompt}, {"password", input->password}};
    } else {
      const bool queued = request.state == Request::State::queued;
      model["request_status"] = queued ? "queued" : "running";
      model["outputs"] = queued ? "[]" : request.partial.text();
    }
    return model;
  }

 private:
  void begin(Shard& shard, std::shared_ptr<Kernel> kernel) {
    BlockRunner::Events events;
    events.on_output = [this](const Output& output) {
      if (running_) running_->partial.add(output);
    };
    events.on_input = [this](const InputRequest& request) { asked_ = request; };
    runner_ = std::make_shared<BlockRunner>(shard, std::move(kernel), std::move(events));
  }

  void next() {
    if (running_ || waiting_.empty()) return;
    running_ = std::move(waiting_.front());
    waiting_.pop_front();
    running_->state = Request::State::running;
    BlockOptions options;
    options.execution.limit = running_->timeout;
    runner_->run(running_->code, options, [weak = weak_from_this()](const RunResult& run) {
      if (const auto self = weak.lock()) self->done(run);
    });
  }

  void done(const RunResult& run) {
    asked_.reset();
    const auto request = std::exchange(running_, nullptr);
    request->state = Request::State::done;
    request->partial = PartialOutputs();
    const auto reply = parse_json(run.reply);
    std::string status = reply ? json_text(*reply, "status") : "";
    if (run.verdict.outcome == execution::Outcome::timed_out) status = "error";
    if (status.empty()) {
      request->result = {{"error", run.verdict.note}};
    } else {
      const auto count = run.collected->execution_count();
      request->result = {{"status", status},
                         {"execution_count", count ? json(*count) : json()},
                         {"outputs", outputs_text(run.collected->outputs())}};
      if (!run.verdict.note.empty()) request->result["note"] = run.verdict.note;
      if (!count && reply)
        request->result["execution_count"] = reply->value("execution_count", json());
    }
    forget_oldest();
    next();
  }

  // Results that nobody has asked for do not pile up.
  void forget_oldest() {
    constexpr std::size_t kBytesMax = 64 * 1024 * 1024;
    const auto size_of = [](const Request& request) {
      return json_text(request.result, "outputs").size();
    };
    std::size_t ended = 0, bytes = 0;
    for (const auto& each : requests_) {
      if (each->state != Request::State::done) continue;
      ++ended;
      bytes += size_of(*each);
    }
    while (ended > 1 && (ended > limits::kFinishedExecutionsMax || bytes > kBytesMax)) {
      const auto oldest = std::find_if(requests_.begin(), requests_.end(), [](const auto& each) {
        return each->state == Request::State::done;
      });
      --ended;
      bytes -= size_of(**oldest);
      requests_.erase(oldest);
    }
  }

  std::string kernel_id_;
  std::shared_ptr<BlockRunner> runner_;
  std::deque<std::shared_ptr<Request>> waiting_;
  std::shared_ptr<Request> running_;
  std::deque<std::shared_ptr<Request>> requests_;  // all of them, oldest first
  std::optional<InputRequest> asked_;              // by the running one
};

RestExecutions::RestExecutions(Shard& shard, KernelRegistry& registry)
    : shard_(shard), registry_(registry) {
  registry_events_ = registry_.listen([this](const KernelEvent& event) {
    if (event.action == "shutdown" || event.action == "cull") {
      // Not now: it may be the kernel's own runner that hears of it next.
      const auto found = queues_.find(event.id.str());
      if (found == queues_.end()) return;
      boost::asio::post(shard_.loop(), [queue = std::move(found->second)] {});
      queues_.erase(found);
    }
  });
}

RestExecutions::~RestExecutions() = default;

RestExecutions::Queue& RestExecutions::queue_of(const std::shared_ptr<Kernel>& kernel) {
  auto& queue = queues_[kernel->id().str()];
  if (!queue) queue = std::make_shared<Queue>(shard_, kernel);
  return *queue;
}

bool RestExecutions::handle(const CallPtr& call, const PathParts& path) {
  if (path.size() < 4 || path.size() > 5 || path[0] != "api" || path[1] != "kernels" ||
      !looks_like_id(path[2])) {
    return false;
  }
  const bool executes = path.size() == 4 && path[3] == "execute";
  const bool answers = path.size() == 4 && path[3] == "input";
  const bool asks = path.size() == 5 && path[3] == "requests";
  if (!executes && !answers && !asks) return false;
  if (!method_is(call, executes ? "GET,POST" : answers ? "POST" : "GET,DELETE")) return true;
  const auto kernel = registry_.find(KernelId(path[2]));
  if (!kernel) {
    call->error(404, "Unknown kernel with id: " + path[2]);
    return true;
  }
  Queue& queue = queue_of(kernel);
  const bool reads = call->request().method == "GET";
  if (executes && reads) {
    call->json(200, {{"kernel_id", path[2]}, {"requests", queue.active()}});
    return true;
  }
  if (asks) {
    const auto request = queue.find(path[4]);
    if (!request) {
      call->error(404,
                  "Execution request " + path[4] + " for kernel " + path[2] + " does not exists.");
    } else if (!reads) {
      queue.cancel(request);
      call->empty(204);
    } else if (request->result.contains("error")) {
      call->json(500, queue.describe(*request));
    } else if (queue.input_of(*request) != nullptr) {
      call->json(300, queue.describe(*request),
                 {{"Location", call->base_url() + "api/kernels/" + path[2] + "/input"}});
    } else {
      call->json(request->state == Request::State::done ? 200 : 202, queue.describe(*request));
    }
    return true;
  }
  const auto body = call->body_object();
  if (!body) return true;
  JsonFields fields(*body, answers ? "input" : "execute request");
  if (answers) {
    const std::string text = fields.text("input");
    if (fields.error() || fields.find("input") == nullptr) {
      call->error(400, "'input' must be a string");
      return true;
    }
    queue.answer(text);
    call->empty(201);
    return true;
  }
  Request request;
  request.uid = make_uuid();
  request.code = fields.text("code");
  if (const json* const metadata = fields.find("metadata");
      metadata != nullptr && metadata->is_object()) {
    request.cell_id = metadata->value("cell_id", json());
    request.document_path = metadata->value("document_path", json());
  }
  constexpr double kSecondsMax = 1e9;
  const double timeout = fields.number("timeout", 0, 0, kSecondsMax);
  if (timeout > 0) {
    request.timeout = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(timeout));
  }
  if (fields.error()) {
    call->error(400, fields.error()->message);
  } else if (body->contains("server")) {
    call->error(400, "Kernels of other servers are not run from here");
  } else if (fields.find("code") == nullptr) {
    call->error(400, "'code' must be a string; documents are not run by their id here");
  } else if (queue.full()) {
    call->error(429, "Too many requests wait for this kernel");
  } else {
    const Request& put = queue.put(std::move(request));
    json model = queue.describe(put);
    // Whether or not it has begun, as its first answer always says.
    model["request_status"] = "queued";
    model["outputs"] = "[]";
    call->json(
        202, model,
        {{"Location", call->base_url() + "api/kernels/" + path[2] + "/requests/" + put.uid}});
  }
  return true;
}

}  // namespace perijove
