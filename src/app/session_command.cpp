#include <CLI/CLI.hpp>
#include <utility>

#include "app/commands.hpp"
#include "app/session_actions.hpp"

namespace perijove {
namespace {

void add_timeout(CLI::App& command, SessionFlags& flags, const char* description) {
  command.add_option("--timeout", flags.timeout, description)->option_text("SECONDS");
}

void add_env(CLI::App& command, SessionFlags& flags, const char* description) {
  command.add_option("--env", flags.env, description)
      ->option_text("NAME=VALUE")
      ->allow_extra_args(false);
}

void add_start_options(CLI::App& command, SessionFlags& flags) {
  command
      .add_option("KERNEL", flags.kernel,
                  "Kernelspec or language of code that names none; absent: the default one")
      ->option_text(" ");
  command.add_option("--key", flags.key, "A name of your own for it, in place of the id")
      ->option_text("NAME");
  command.add_flag("--reuse", flags.reuse, "If a session of that key lives, take it as it is");
  command
      .add_option("--work-dir", flags.work_dir,
                  "Its directory below the gateway's [sessions/KEY, or a new one]")
      ->option_text("DIR");
  command
      .add_option("--pool", flags.pool,
                  "Take one that is ready from this pool of the gateway; only --key goes with it")
      ->option_text("NAME");
  command
      .add_option("--checkpoint", flags.checkpoint,
                  "Begin with what this checkpoint holds, also one of a session that has ended")
      ->option_text("CHECKPOINT");
  command
      .add_option("--checkpoint-every", flags.checkpoint_every,
                  "Take a checkpoint at the end of each N executions; the last three stay")
      ->option_text("N");
  command
      .add_option("--checkpoint-before-risky", flags.checkpoint_before_risky,
                  "Take one before code in which this checker finds something: standard, strict, ...")
      ->option_text("PROFILE");
  command
      .add_option("--checkpoint-idle", flags.checkpoint_idle,
                  "Take one when nothing has run for so long")
      ->option_text("SECONDS");
  command.add_flag("--recover", flags.recover,
                   "Give a kernel that dies the variables of the last checkpoint");
  command
      .add_option("--config", flags.config,
                  "A JSON file with what it is made with, as for POST /v1/sessions; flags win")
      ->option_text("FILE");
  command
      .add_option("--isolation", flags.isolation,
                  "What keeps its kernels from the machine: none, sandbox, docker [the gateway's]")
      ->option_text("KIND");
  command
      .add_option("--network", flags.network,
                  "What its kernels reach: none, host, a network of Docker [by its isolation]")
      ->option_text("NAME");
  command
      .add_option("--image", flags.image,
                  "Run its kernels in containers of this image: isolation docker")
      ->option_text("NAME");
  command
      .add_option("--virtual-env", flags.virtual_env,
                  "A Python environment, as its kernels see it, whose programs come first")
      ->option_text("DIR");
  add_env(command, flags, "A variable for its kernels; may be repeated");
  add_timeout(command, flags,
              "Seconds that each block may take by default; 0: no limit [the gateway's]");
  command
      .add_option("--idle-timeout", flags.idle_timeout,
                  "End it when nothing has run for so long; 0: never [the gateway's]")
      ->option_text("SECONDS");
  command
      .add_option("--max-lifetime", flags.lifetime,
                  "End it so long after its beginning; 0: never [the gateway's]")
      ->option_text("SECONDS");
  command.footer(
      "Kernels start when code of their language first comes. For example:\n"
      "  perijove session start python --key report\n"
      "  perijove session exec report -c 'x = 41'\n"
      "  perijove session exec report -c 'print(x + 1)'\n"
      "  perijove session stop report");
}

void add_exec_options(CLI::App& command, SessionFlags& flags) {
  command
      .add_option("FILE", flags.file,
                  "A .py, .R, .sh, .js ... or .md file of yours; - is standard input")
      ->option_text(" ");
  command.add_option("-c,--code", flags.code, "The code itself")->option_text("CODE");
  command
      .add_option("-l,--language", flags.language,
                  "The code's language [by the end of FILE, else the session's own]")
      ->option_text("NAME");
  command.add_flag("--markdown", flags.markdown,
                   "Run the code blocks of a markdown text, each in the kernel of its language");
  add_timeout(command, flags,
              "Seconds that each block may take; it is then interrupted, and the exit code is 124. "
              "0: no limit [the session's]");
  add_env(command, flags, "A variable that is set while the code runs; may be repeated");
  command.add_flag("--checkpoint", flags.checkpoint_before,
                   "Take a checkpoint first; `perijove session restore` goes back to it");
  command.add_flag("--allow-errors", flags.allow_errors, "Go on after a block that failed");
  command.add_flag("-q,--quiet", flags.quiet, "Only what the code prints, and errors");
  command.footer(
      "Variables stay for the next time. What the code prints comes as it is printed; Ctrl-C\n"
      "interrupts the code. --json prints the whole result when it has ended.\n"
      "The exit code is that of the code: 0, 1 for an exception, N for SystemExit(N);\n"
      "124 out of time, 125 cancelled, 130 interrupted, 137 when the kernel died.");
}

template <typename AddWithId, typename Add>
void add_checkpoint_commands(const AddWithId& add_with_id, const Add& add) {
  const auto [take, take_flags] = add_with_id(
      "checkpoint", "Save a session's files and variables on disk, and print the checkpoint's id",
      take_checkpoint);
  take->add_option("--label", take_flags->label, "A word of your own for it")->option_text("TEXT");
  take->add_flag("--keep", take_flags->keep,
                 "Keep it when the session ends, and when the gateway does");
  take->footer(
      "What cannot be saved (open files, threads, sockets ...) is named. The session goes on as "
      "it\n"
      "is; it must not be busy. For example:\n"
      "  perijove session exec report -c 'x = 41'\n"
      "  C=$(perijove session checkpoint report --keep)\n"
      "  perijove session exec report -c 'del x'\n"
      "  perijove session restore report $C\n"
      "  perijove session start --key tomorrow --checkpoint $C");
  const auto [list, list_flags] =
      add("checkpoints", "Show checkpoints: id, session, method, size, when", list_checkpoints);
  list->add_option("ID", list_flags->id, "Only those of this session; absent: all there are")
      ->option_text(" ");
  list->add_option("--remove", list_flags->checkpoint, "Remove this one instead")
      ->option_text("CHECKPOINT");
  const auto [restore, restore_flags] =
      add_with_id("restore", "Put a checkpoint's files and variables in the place of a session's",
                  restore_checkpoint);
  restore
      ->add_option("CHECKPOINT", restore_flags->checkpoint,
                   "Its id, the beginning of it, or its label; `checkpoints` shows them")
      ->option_text(" ")
      ->required();
  restore->footer(
      "Its kernels end and start anew. Files that the checkpoint does not have are gone. What did\n"
      "not come back is named; the checkpoint stays as it is.");
}

}  // namespace

void add_session_command(CLI::App& app, Action& action) {
  CLI::App* const group = app.add_subcommand(
      "session", "Sessions of a gateway that is running: code that keeps its state, and its files");
  group->require_subcommand(1);
  const auto add = [group, &action](const char* name, const char* description,
                                    SessionAction* body) {
    return add_gateway_command<SessionFlags>(*group, action, name, description, body);
  };
  const auto add_with_id = [&add](const char* name, const char* description, SessionAction* body) {
    const auto added = add(name, description, body);
    added.first->add_option("ID", added.second->id, "Id of a session, its beginning, or its key")
        ->option_text(" ")
        ->required();
    return added;
  };
  const auto add_with_ids = [&add](const char* name, const char* description, SessionAction* body) {
    const auto [command, flags] = add(name, description, body);
    command->add_option("ID", flags->ids, "Ids of sessions, their beginnings, or keys")
        ->option_text("...");
    command->add_flag("--all", flags->all, "All sessions");
  };

  add("list", "Show what lives: id, key, kernel, state, directory", list_sessions);
  const auto [start_command, start_flags] =
      add("start", "Make a session and print its id", start_session);
  add_start_options(*start_command, *start_flags);
  add_with_id("show", "Show one session: its kernels, limits and directory", show_session);
  const auto [exec_command, exec_flags] =
      add_with_id("exec", "Run code in a session and show what it prints", exec_in_session);
  add_exec_options(*exec_command, *exec_flags);
  add_with_ids("interrupt", "Interrupt what they run; variables stay", interrupt_sessions);
  add_with_ids("restart", "Start their kernels anew, without their variables", restart_sessions);
  const auto [fork_command, fork_flags] = add_with_id(
      "fork", "Copy a session as it stands, with its files and variables, and print the new ids",
      fork_session);
  fork_command->add_option("--count", fork_flags->count, "How many copies [1]")
      ->option_text("COUNT");
  add_checkpoint_commands(add_with_id, add);
  add_with_ids("stop", "End them; their directories stay", stop_sessions);
  add_with_ids("release", "Give them back to their pool: they end, and their directories go",
               release_sessions);

  const auto [files_command, files_flags] =
      add_with_id("files", "List the files of a session", list_session_files);
  files_command->add_option("PATH", files_flags->path, "A directory in it; absent: the top")
      ->option_text(" ");
  files_command->add_flag("-r,--recursive", files_flags->recursive, "With all that is below");
  const auto [get_command, get_flags] =
      add_with_id("get", "Get a file from a session", get_session_file);
  get_command->add_option("PATH", get_flags->path, "The file in the session")
      ->option_text(" ")
      ->required();
  get_command
      ->add_option("LOCAL", get_flags->local,
                   "Where it goes: a name or a directory; - is standard output [its own name]")
      ->option_text(" ");
  const auto [put_command, put_flags] =
      add_with_id("put", "Put a file into a session", put_session_file);
  put_command->add_option("LOCAL", put_flags->local, "The file; - is standard input")
      ->option_text(" ")
      ->required();
  put_command
      ->add_option("PATH", put_flags->path,
                   "Its name in the session, or a directory that ends in / [its own name]")
      ->option_text(" ");
}

}  // namespace perijove
