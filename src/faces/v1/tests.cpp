#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "code/result_json.hpp"
#include "faces/v1/v1_face.hpp"
#include "protocol/json_fields.hpp"
#include "protocol/python_text.hpp"

// POST /v1/tests: runs code, and then cases against it.
namespace perijove::v1 {
namespace {

using nlohmann::json;

constexpr std::size_t kCasesMax = 1000;

struct TestCase {
  std::string test;  // the call, or what is asserted
  bool asserts = false;
  json expected;              // as the client gave it
  std::string expected_text;  // what print() would print
};

struct TestRun {
  std::string code;
  std::vector<TestCase> cases;
  std::shared_ptr<CodeSession> session;
  bool temporary = false;  // the session ends with the tests, and its directory goes
};

// Python's str() of what a JSON value becomes in Python; inside of containers its repr().
std::string python_text(const json& value, bool inside = false) {
  switch (value.type()) {
    case json::value_t::null:
      return "None";
    case json::value_t::boolean:
      return value.get<bool>() ? "True" : "False";
    case json::value_t::number_float:
      return format_python_float(value.get<double>());
    case json::value_t::string:
      return inside ? python_quoted(value.get<std::string>()) : value.get<std::string>();
    case json::value_t::array:
    case json::value_t::object: {
      std::string text;
      for (const auto& [key, each] : value.items()) {
        if (!text.empty()) text += ", ";
        if (value.is_object()) text += python_quoted(key) + ": ";
        text += python_text(each, true);
      }
      return value.is_object() ? "{" + text + "}" : "[" + text + "]";
    }
    default:
      return value.dump();
  }
}

TestCase read_case(const json& value, JsonFields& fields) {
  TestCase made;
  JsonFields members(value, "case");
  members.refuse_unknown({"call", "expected", "assert"});
  const json* const call = members.find("call");
  const json* const asserted = members.find("assert");
  made.asserts = asserted != nullptr;
  made.test = members.text(made.asserts ? "assert" : "call");
  if ((call != nullptr) == (asserted != nullptr) || trim(made.test).empty()) {
    members.refuse("call", "must be there, or 'assert': exactly one of them, with code in it");
  }
  if (const json* const expected = members.find("expected"); expected != nullptr) {
    if (made.asserts) members.refuse("expected", "goes with 'call' only");
    made.expected = *expected;
    made.expected_text = python_text(*expected);
  } else if (!made.asserts) {
    members.refuse("expected", "must be there");
  }
  if (members.error()) fields.refuse("cases", members.error()->message);
  return made;
}

// A restricted session keeps nothing: there each case brings the code along.
std::string code_of(const TestCase& test, const TestRun& run) {
  std::string code = run.session->options().policies.restricted ? run.code + "\n" : std::string();
  if (!test.asserts) return code + "print(" + test.test + ")";
  const bool is_statement = test.test.starts_with("assert ") || test.test.starts_with("assert(");
  return code + (is_statement ? test.test : "assert (" + test.test + ")");
}

std::string actual_of(const BlockResult& block, const TestCase& test) {
  if (block.error) {
    return block.error->type + (block.error->message.empty() ? "" : ": " + block.error->message);
  }
  return test.asserts ? "passed" : std::string(trim(block.stdout_text));
}

// The texts are not cut: what does not fit a budget would look like a wrong answer.
CodeRequest request_for(const TestRun& run) {
  CodeRequest request = run.session->options().defaults;
  request.blocks.clear();
  request.output.budget.chars_max = std::size_t{1} << 20;
  request.capture_files = false;
  request.store_history = false;
  return request;
}

void when_done(const std::shared_ptr<CodeExecution>& execution, std::function<void()> then) {
  const auto listening = std::make_shared<std::shared_ptr<void>>();
  *listening = execution->listen([execution, listening, then = std::move(then)] {
    if (!execution->done() || !*listening) return;
    const auto keep = std::exchange(*listening, nullptr);  // this very function
    then();
  });
}

void end(const TestRun& run) {
  if (!run.temporary) return;
  run.session->stop([session = run.session](const Result<void>&) {
    const WorkDir& directory = session->directory();
    if (const auto entries = directory.list("", false, kSnapshotFilesMax)) {
      for (const WorkDirEntry& each : *entries) (void)directory.remove(each.path, true);
    }
    (void)directory.remove(".perijove", true);
    std::error_code ignored;
    std::filesystem::remove(directory.path(), ignored);
  });
}

void answer(const CallPtr& call, const TestRun& run, const CodeResult* setup,
            const CodeResult* results) {
  json list = json::array();
  std::size_t passed = 0;
  std::string log;
  for (std::size_t i = 0; i < run.cases.size(); ++i) {
    const TestCase& test = run.cases[i];
    const BlockResult* const block =
        results != nullptr && i < results->blocks.size() ? &results->blocks[i] : nullptr;
    std::string actual = block != nullptr ? actual_of(*block, test) : "not run";
    const bool ok =
        block != nullptr && !block->error && (test.asserts || actual == trim(test.expected_text));
    passed += ok ? 1 : 0;
    log += "Test " + std::to_string(i + 1) + ": " + (ok ? "PASS" : "FAIL") + "\n";
    list.push_back({{"test", test.test},
                    {"expected", test.asserts ? json("passed") : test.expected},
                    {"actual", std::move(actual)},
                    {"passed", ok}});
  }
  const CodeResult& whole = results != nullptr ? *results : *setup;
  const bool failed = setup != nullptr && setup->error;
  call->json(200, {{"total", run.cases.size()},
                   {"passed", passed},
                   {"results", std::move(list)},
                   {"output", log},
                   {"session_id", run.temporary ? json() : json(run.session->id())},
                   {"error", failed ? perijove::to_json(*setup->error) : json()},
                   {"duration_ms", whole.duration.count()}});
}

void run_cases(const CallPtr& call, const std::shared_ptr<TestRun>& run,
               const std::shared_ptr<CodeExecution>& setup) {
  CodeRequest request = request_for(*run);
  request.stop_on_error = false;
  for (const TestCase& each : run->cases) {
    request.blocks.push_back({.language = "python", .code = code_of(each, *run)});
  }
  const auto execution = run->session->execute(std::move(request));
  if (!execution) {
    problem(call, execution.error());
    end(*run);
    return;
  }
  call->exchange().set_on_disconnect([execution = *execution] { execution->cancel(); });
  when_done(*execution, [call, run, setup, execution = *execution] {
    answer(call, *run, setup ? &setup->result() : nullptr, &execution->result());
    end(*run);
  });
}

void run_code(const CallPtr& call, const std::shared_ptr<TestRun>& run) {
  const bool brings_code_along = run->session->options().policies.restricted;
  if (trim(run->code).empty() || brings_code_along) {
    run_cases(call, run, nullptr);
    return;
  }
  CodeRequest request = request_for(*run);
  request.blocks = {{.language = "python", .code = run->code}};
  const auto execution = run->session->execute(std::move(request));
  if (!execution) {
    problem(call, execution.error());
    end(*run);
    return;
  }
  call->exchange().set_on_disconnect([execution = *execution] { execution->cancel(); });
  when_done(*execution, [call, run, execution = *execution] {
    if (execution->result().status == CodeStatus::ok) {
      run_cases(call, run, execution);
      return;
    }
    answer(call, *run, &execution->result(), nullptr);
    end(*run);
  });
}

}  // namespace

bool handle_tests(V1Face& face, const CallPtr& call, const PathParts& path) {
  if (path.size() != 2 || path[1] != "tests") return false;
  if (!method_is(call, "POST")) return true;
  auto body = body_object(call);
  if (!body) return true;
  JsonFields fields(*body, "tests request");
  const auto run = std::make_shared<TestRun>();
  run->code = fields.text("code");
  const std::string name = fields.text("session");
  if (const json* const cases = fields.find("cases"); cases == nullptr || !cases->is_array()) {
    fields.refuse("cases", "must be an array");
  } else if (cases->empty() || cases->size() > kCasesMax) {
    fields.refuse("cases", "must be 1 to " + std::to_string(kCasesMax));
  } else {
    for (const json& each : *cases) run->cases.push_back(read_case(each, fields));
  }
  if (!name.empty()) fields.refuse_unknown({"session", "code", "cases"});
  if (fields.error()) {
    problem(call, *fields.error(), "validation_failed");
    return true;
  }
  if (!name.empty()) {
    run->session = find_session(face, call, {"v1", "sessions", name});
    if (run->session) run_code(call, run);
    return true;
  }
  // What is left makes the session: `profile`, `mode`, `kernel`, `timeout` ...
  for (const char* const field : {"session", "code", "cases"}) body->erase(field);
  auto options = read_session_options(*body, face.sessions().options());
  if (!options) {
    problem(call, options.error(), "validation_failed");
    return true;
  }
  run->temporary = true;
  const auto session = face.sessions().create(*std::move(options));
  if (!session) {
    problem(call, session.error());
    return true;
  }
  run->session = *session;
  run->session->set_up([call, run](const Result<void>& ready) {
    if (ready) {
      run_code(call, run);
      return;
    }
    problem(call, 400, "setup_failed", ready.error().message);
    end(*run);
  });
  return true;
}

}  // namespace perijove::v1
