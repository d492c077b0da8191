#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace perijove {

/// What the command line chose: runs after parsing and returns the exit code.
using Action = std::function<int()>;

/// Each adds one command with its options to `app`; when it is chosen, parsing sets `action`.
void add_run_command(CLI::App& app, Action& action);
void add_exec_command(CLI::App& app, Action& action);
void add_serve_command(CLI::App& app, Action& action);
void add_kernel_command(CLI::App& app, Action& action);
void add_session_command(CLI::App& app, Action& action);
void add_pool_command(CLI::App& app, Action& action);
void add_server_job_command(CLI::App& app, Action& action);
void add_kernelspec_command(CLI::App& app, Action& action);
void add_doctor_command(CLI::App& app, Action& action);
void add_completion_command(CLI::App& app, Action& action);

}  // namespace perijove
