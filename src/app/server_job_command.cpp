#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "app/commands.hpp"
#include "app/gateway_command.hpp"
#include "app/job_command.hpp"
#include "app/table.hpp"
#include "app/units.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"
#include "protocol/nbformat.hpp"
#include "protocol/parameters.hpp"

namespace perijove {
namespace {

using nlohmann::json;

constexpr std::size_t kNotebookBytesMax = std::size_t{512} * 1024 * 1024;

struct ServerJobFlags : GatewayFlags {
  std::string id;
  std::string notebook;
  std::string kernel;
  std::string session;
  std::string output;
  std::string timeout;
  std::string from_step;
  std::vector<std::string> parameters;  // name, value, name, value ...
  bool allow_errors = false;
  bool wait = false;
};

Result<Notebook> read_notebook(const std::string& path) {
  const auto text = read_input_file(path, kNotebookBytesMax);
  if (!text) return text.error();
  auto notebook = Notebook::parse(*text);
  if (!notebook) return Error{notebook.error().code, path + ": " + notebook.error().message};
  return notebook;
}

std::string progress_of(const json& job) {
  const json progress = job.value("progress", json::object());
  return std::to_string(progress.value("done", 0)) + "/" +
         std::to_string(progress.value("total", 0));
}

std::string error_of(const json& job) {
  const auto error = job.find("error");
  if (error == job.end() || !error->is_object()) return {};
  return json_text(*error, "type") + ": " + json_text(*error, "message");
}

// Shows the job, when it has ended if that was asked for. 1 for one that has failed.
Result<int> show(const GatewayClient& client, const ServerJobFlags& flags, Console& console,
                 json job) {
  constexpr auto kPause = std::chrono::milliseconds(200);
  const std::string path = "v1/jobs/" + json_text(job, "job_id");
  while (flags.wait && json_text(job, "status") == "running") {
    std::this_thread::sleep_for(kPause);
    auto asked = client.ask_json("GET", path);
    if (!asked) return asked.error();
    job = *std::move(asked);
  }
  const std::string status = json_text(job, "status");
  if (flags.as_json) {
    console.result(dump_json_pretty(job));
  } else {
    console.result(json_text(job, "job_id") + " " + status + " " + progress_of(job));
    for (const json& step : job.value("steps", json::array())) {
      console.note("  " + json_text(step, "status") + "  " + json_text(step, "name"));
    }
    if (const std::string error = error_of(job); !error.empty()) console.note(error);
  }
  return status == "failed" || status == "cancelled" ? 1 : 0;
}

Result<int> submit(const GatewayClient& client, const ServerJobFlags& flags, Console& console) {
  auto notebook = read_notebook(flags.notebook);
  if (!notebook) return notebook.error();
  Parameters parameters;
  for (std::size_t i = 0; i + 1 < flags.parameters.size(); i += 2) {
    parameters.push_back({flags.parameters[i], flags.parameters[i + 1]});
  }
  const std::string language = notebook->language();
  const auto set = inject_parameters(*notebook, parameters, language.empty() ? "python" : language);
  if (!set) return set.error();
  const auto document = parse_json(notebook->to_text());
  if (!document) return document.error();
  json body = {{"notebook", *document},
               {"name", std::filesystem::path(flags.notebook).filename().string()},
               {"allow_errors", flags.allow_errors}};
  if (!flags.kernel.empty()) body["kernel"] = flags.kernel;
  if (!flags.session.empty()) body["session"] = flags.session;
  if (!flags.output.empty()) body["output_path"] = flags.output;
  if (!flags.timeout.empty()) {
    const auto timeout = parse_duration(flags.timeout, "--timeout");
    if (!timeout) return timeout.error();
    body["timeout"] = std::chrono::duration<double>(*timeout).count();
  }
  auto job = client.ask_json("POST", "v1/jobs", dump_json(body));
  if (!job) return job.error();
  return show(client, flags, console, *std::move(job));
}

Result<int> list(const GatewayClient& client, const ServerJobFlags& flags, Console& console) {
  const auto answer = client.ask_json("GET", "v1/jobs");
  if (!answer) return answer.error();
  const json jobs = answer->value("jobs", json::array());
  if (flags.as_json) {
    console.result(dump_json_pretty(jobs));
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {
      {"ID", "NAME", "STATUS", "STEPS", "CREATED", "ERROR"}};
  for (const json& job : jobs) {
    rows.push_back({json_text(job, "job_id"), fit(json_text(job, "name"), 40),
                    json_text(job, "status"), progress_of(job),
                    json_text(job, "created").substr(0, 19), fit(error_of(job), 60)});
  }
  if (jobs.empty()) {
    console.note("no jobs at " + client.url());
  } else {
    console.result(format_table(rows));
  }
  return 0;
}

Result<int> status(const GatewayClient& client, const ServerJobFlags& flags, Console& console) {
  auto job = client.ask_json("GET", "v1/jobs/" + flags.id);
  if (!job) return job.error();
  return show(client, flags, console, *std::move(job));
}

Result<int> resume(const GatewayClient& client, const ServerJobFlags& flags, Console& console) {
  json body = json::object();
  if (!flags.from_step.empty()) body["from_step"] = flags.from_step;
  if (!flags.notebook.empty()) {
    const auto notebook = read_notebook(flags.notebook);
    if (!notebook) return notebook.error();
    const auto document = parse_json(notebook->to_text());
    if (!document) return document.error();
    body["notebook"] = *document;
  }
  auto job = client.ask_json("POST", "v1/jobs/" + flags.id + "/resume", dump_json(body));
  if (!job) return job.error();
  return show(client, flags, console, *std::move(job));
}

Result<int> cancel(const GatewayClient& client, const ServerJobFlags& flags, Console& console) {
  const auto job = client.ask_json("POST", "v1/jobs/" + flags.id + "/cancel");
  if (!job) return job.error();
  const std::string text =
      flags.as_json ? dump_json_pretty(*job) : json_text(*job, "job_id") + " is being ended";
  console.result(text);
  return 0;
}

Result<int> print_notebook(const GatewayClient& client, const ServerJobFlags& flags,
                           Console& console) {
  const auto text = client.ask("GET", "v1/jobs/" + flags.id + "/notebook");
  if (!text) return text.error();
  console.print(*text);
  return 0;
}

}  // namespace

void add_server_job_command(CLI::App& app, Action& action) {
  CLI::App* const group =
      app.add_subcommand("job", "Notebooks that a running gateway executes by itself");
  group->require_subcommand(1);
  const auto add = [group, &action](const char* name, const char* description, auto body) {
    return add_gateway_command<ServerJobFlags>(*group, action, name, description, body);
  };
  const auto add_with_id = [&add](const char* name, const char* description, auto body) {
    const auto [command, flags] = add(name, description, body);
    command->add_option("ID", flags->id, "Id of the job")->option_text(" ")->required();
    return std::pair(command, flags);
  };
  const auto add_wait = [](CLI::App* command, ServerJobFlags& flags) {
    command->add_flag("--wait", flags.wait, "Until it has ended; exit code 1 when it has failed");
  };
  {
    const auto [command, flags] = add("submit", "Give a notebook to the gateway", submit);
    command->add_option("NOTEBOOK", flags->notebook, "An .ipynb file; - is standard input")
        ->option_text(" ")
        ->required();
    command->add_option("-k,--kernel", flags->kernel, "Kernelspec or language [the notebook's]")
        ->option_text("NAME");
    command->add_option("--session", flags->session, "Id or key of a session to run in")
        ->option_text("ID");
    command
        ->add_option("-o,--output", flags->output,
                     "Path of the executed notebook in the session's work directory")
        ->option_text("PATH");
    command
        ->add_option("-p,--parameter", flags->parameters,
                     "Set in a cell after the one tagged `parameters`; may be repeated")
        ->type_size(2)
        ->option_text("NAME VALUE")
        ->allow_extra_args(false);
    command->add_option("--timeout", flags->timeout, "Seconds that one cell may take [no limit]")
        ->option_text("SECONDS");
    command->add_flag("--allow-errors", flags->allow_errors, "Go on after a cell that failed");
    add_wait(command, *flags);
  }
  add("list", "Show jobs: id, name, status, steps, error", list);
  {
    const auto [command, flags] = add_with_id("status", "Show a job and its steps", status);
    add_wait(command, *flags);
  }
  {
    const auto [command, flags] =
        add_with_id("resume", "Go on from the step that failed, with the state kept", resume);
    command->add_option("--from", flags->from_step, "Number or name of another step")
        ->option_text("STEP");
    command->add_option("--notebook", flags->notebook, "The notebook as it is now")
        ->option_text("FILE");
    add_wait(command, *flags);
  }
  add_with_id("cancel", "End the running step and the job", cancel);
  add_with_id("notebook", "Print the executed notebook as it was saved last", print_notebook);
}

}  // namespace perijove
