// The public API as an embedding program sees it: this file includes nothing of src/, and links the
// library that is installed. The kernels are real.

#include "perijove/executor.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>

#include "executor_test.hpp"

namespace perijove {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::is_running;
using ::testing::IsEmpty;

TEST_F(ExecutorTest, KeepsStateBetweenCalls) {
  Executor executor = start(options());
  EXPECT_EQ(run(executor, "set x 41").status, CodeStatus::ok);
  const CodeResult result = run(executor, "get x");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, HasSubstr("41"));
}

TEST_F(ExecutorTest, RunsBlocksInOrderUpToTheFirstThatFails) {
  Executor executor = start(options());
  const auto result = executor.execute(
      {{.code = "print one"}, {.code = "error ValueError no"}, {.code = "print three"}});
  ASSERT_TRUE(result) << result.error();
  EXPECT_EQ(result->status, CodeStatus::error);
  EXPECT_EQ(result->exit_code, 1);
  EXPECT_EQ(result->blocks.size(), 2u);
  ASSERT_TRUE(result->error);
  EXPECT_EQ(result->error->type, "ValueError");
  EXPECT_EQ(result->error->block, 1u);
}

TEST_F(ExecutorTest, RunsPythonWithItsErrorsAndImages) {
  if (!std::filesystem::exists(std::string(kSystemKernels) + "/python3")) {
    GTEST_SKIP() << "no Python kernel in " << kSystemKernels;
  }
  Executor executor = start(options("python3"));
  const auto sum = executor.execute(
      {{.language = "python", .code = "x = 41"}, {.language = "python", .code = "x + 1"}});
  ASSERT_TRUE(sum) << sum.error();
  EXPECT_EQ(sum->output, "42\n");
  const CodeResult failed = run(executor, "def divide():\n    return x / 0\ndivide()");
  ASSERT_TRUE(failed.error);
  EXPECT_EQ(failed.error->type, "ZeroDivisionError");
  EXPECT_EQ(failed.error->line, 2);
  EXPECT_EQ(run(executor, "import sys; sys.exit(3)").exit_code, 3);
}

TEST_F(ExecutorTest, GoesBackToACheckpointAlsoOfAnotherExecutor) {
  if (!std::filesystem::exists(std::string(kSystemKernels) + "/python3")) {
    GTEST_SKIP() << "no Python kernel in " << kSystemKernels;
  }
  std::string kept;
  {
    Executor executor = start(options("python3"));
    run(executor, "x = 41\nlog = open('log', 'w')");
    const auto taken = executor.checkpoint({.label = "good", .keep = true});
    ASSERT_TRUE(taken) << taken.error();
    kept = taken->id;
    EXPECT_EQ(taken->method, "namespace+files");
    EXPECT_THAT(taken->saved, ElementsAre("x"));
    ASSERT_EQ(taken->skipped.size(), 1U);
    EXPECT_EQ(taken->skipped[0].name, "log");
    EXPECT_THAT(taken->skipped[0].reason, HasSubstr("open file"));
    run(executor, "x = 0\nopen('more', 'w').close()");
    const auto restored = executor.restore(kept);
    ASSERT_TRUE(restored) << restored.error();
    EXPECT_THAT(restored->names, ElementsAre("x"));
    EXPECT_EQ(run(executor, "print(x)").stdout_text, "41\n");
    EXPECT_FALSE(executor.read_file("more"));
    ASSERT_TRUE(executor.checkpoint());
    EXPECT_EQ(executor.checkpoints()->size(), 2U);
  }
  Executor executor = start(options("python3"));
  ASSERT_EQ(executor.checkpoints()->size(), 1U);
  ASSERT_TRUE(executor.restore(kept));
  EXPECT_EQ(run(executor, "print(x + 1)").stdout_text, "42\n");
  EXPECT_TRUE(executor.remove_checkpoint(kept));
  EXPECT_EQ(executor.restore(kept).error().code, Code::not_found);
}

TEST_F(ExecutorTest, GivesAKernelThatDiedTheVariablesOfTheLastCheckpoint) {
  if (!std::filesystem::exists(std::string(kSystemKernels) + "/python3")) {
    GTEST_SKIP() << "no Python kernel in " << kSystemKernels;
  }
  ExecutorOptions careful = options("python3");
  careful.auto_checkpoint = {.every = 2, .recover = true};
  Executor executor = start(careful);
  EXPECT_EQ(run(executor, "x = 41").checkpoint_after, "");
  const CodeResult second = run(executor, "y = 1");
  const auto checkpoints = executor.checkpoints();
  ASSERT_EQ(checkpoints->size(), 1U);
  EXPECT_EQ(checkpoints->front().id, second.checkpoint_after);
  EXPECT_TRUE(checkpoints->front().automatic);
  const CodeResult died = run(executor, "x = 0; import os; os._exit(5)");
  EXPECT_EQ(died.status, CodeStatus::kernel_died);
  ASSERT_TRUE(died.recovered);
  EXPECT_EQ(died.recovered->checkpoint_id, second.checkpoint_after);
  EXPECT_EQ(died.recovered->executions_lost, 1U);
  EXPECT_THAT(died.recovered->restored, ElementsAre("x", "y"));
  EXPECT_EQ(run(executor, "print(x, y)").stdout_text, "41 1\n");
  const auto undone = executor.execute({{.code = "x = 2"}}, {.checkpoint_before = true});
  ASSERT_TRUE(executor.restore(undone->checkpoint_before));
  EXPECT_EQ(run(executor, "print(x)").stdout_text, "41\n");
}

TEST_F(ExecutorTest, NamesTheKernelspecsWhenThereIsNoneOfThatName) {
  const auto executor = Executor::start(options("perijove-ecko"));
  ASSERT_FALSE(executor);
  EXPECT_EQ(executor.error().code, Code::not_found);
  EXPECT_THAT(executor.error().message, HasSubstr("perijove-echo"));
  EXPECT_THAT(executor.error().message, HasSubstr(kBuiltKernels));
}

TEST_F(ExecutorTest, RefusesOptionsThatCannotBe) {
  ExecutorOptions negative = options();
  negative.timeout = -1s;
  ExecutorOptions variable = options();
  variable.env = {{"A=B", "c"}};
  ExecutorOptions level = options();
  level.log_level = "loud";
  ExecutorOptions none_kept = options();
  none_kept.auto_checkpoint.keep_last = 0;
  ExecutorOptions profile = options();
  profile.auto_checkpoint.before_risky = "standart";
  for (const ExecutorOptions& wrong : {negative, variable, level, none_kept, profile}) {
    const auto executor = Executor::start(wrong);
    ASSERT_FALSE(executor);
    EXPECT_EQ(executor.error().code, Code::invalid_argument) << executor.error();
  }
}

TEST_F(ExecutorTest, SaysWhyAKernelDoesNotStart) {
  ExecutorOptions broken = options();
  broken.env = {{"PERIJOVE_ECHO_OPTIONS", "--fail-start"}};
  const auto executor = Executor::start(broken);
  ASSERT_FALSE(executor);
  EXPECT_EQ(executor.error().code, Code::unavailable) << executor.error();

  ExecutorOptions slow = options();
  slow.env = {{"PERIJOVE_ECHO_OPTIONS", "--no-kernel-info"}};
  slow.start_timeout = 200ms;
  const auto late = Executor::start(slow);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::deadline_exceeded) << late.error();
}

TEST_F(ExecutorTest, RefusesABlockWhoseEntryPointIsMissing) {
  Executor executor = start(options());
  const auto result = executor.execute({{.files = {{"a.txt", "print a"}}, .entry_point = "b.txt"}});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::invalid_argument);
  const auto sound = executor.execute({{.files = {{"a.txt", "print a"}}, .entry_point = "a.txt"}});
  ASSERT_TRUE(sound) << sound.error();
  EXPECT_EQ(sound->stdout_text, "a\n");
}

TEST_F(ExecutorTest, GivesKernelsTheirEnvironment) {
  ::setenv("PERIJOVE_TEST_INHERITED", "from outside", 1);
  ExecutorOptions with_env = options();
  with_env.env = {{"PERIJOVE_TEST_OWN", "of the executor"}};
  with_env.inherit_env = {"PERIJOVE_TEST_I*"};
  Executor executor = start(with_env);
  EXPECT_THAT(run(executor, "env PERIJOVE_TEST_OWN").output, HasSubstr("of the executor"));
  EXPECT_THAT(run(executor, "env PERIJOVE_TEST_INHERITED").output, HasSubstr("from outside"));
  ::unsetenv("PERIJOVE_TEST_INHERITED");
}

TEST_F(ExecutorTest, CallsFromTwoThreadsAllRun) {
  Executor executor = start(options());
  constexpr int kCalls = 25;
  std::atomic<int> counted = 0;
  const auto call_often = [&](const std::string& name) {
    for (int i = 0; i < kCalls; ++i) {
      const std::string value = name + std::to_string(i);
      const auto result =
          executor.execute({{.code = "set " + name + " " + value}, {.code = "get " + name}});
      if (result && result->output.find(value) != std::string::npos) ++counted;
    }
  };
  std::thread first(call_often, "a");
  std::thread second(call_often, "b");
  first.join();
  second.join();
  EXPECT_EQ(counted, 2 * kCalls);
}

TEST_F(ExecutorTest, AThirdThreadCancelsWhatRunsAndWhatWaits) {
  Executor executor = start(options());
  run(executor, "set x kept");
  Signal begun;
  auto running = begin_sleep(executor, begun);
  ASSERT_TRUE(begun.wait());
  Signal never;
  auto waiting = begin_sleep(executor, never);
  // Whether the second call has arrived yet shows nowhere: cancel until both have ended.
  std::thread third([&] {
    EXPECT_TRUE(eventually([&] {
      executor.cancel();
      return running.wait_for(0s) == std::future_status::ready &&
             waiting.wait_for(1ms) == std::future_status::ready;
    }));
  });
  third.join();
  for (auto* call : {&running, &waiting}) {
    const auto result = call->get();
    ASSERT_TRUE(result) << result.error();
    EXPECT_EQ(result->status, CodeStatus::cancelled);
    EXPECT_EQ(result->exit_code, 125);
  }
  EXPECT_THAT(run(executor, "get x").output, HasSubstr("kept"));
}

TEST_F(ExecutorTest, AStopRequestEndsItsOwnCallOnly) {
  Executor executor = start(options());
  Signal begun;
  std::stop_source of_first, of_second;
  auto first = begin_sleep(executor, begun, of_first.get_token());
  ASSERT_TRUE(begun.wait());
  Signal never;
  auto second = begin_sleep(executor, never, of_second.get_token());
  of_second.request_stop();
  ASSERT_EQ(second.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(second.get()->status, CodeStatus::cancelled);
  EXPECT_EQ(first.wait_for(0s), std::future_status::timeout);
  of_first.request_stop();
  ASSERT_EQ(first.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(first.get()->status, CodeStatus::cancelled);
}

TEST_F(ExecutorTest, AnInterruptKeepsTheState) {
  Executor executor = start(options());
  run(executor, "set x kept");
  Signal begun;
  auto running = begin_sleep(executor, begun);
  ASSERT_TRUE(begun.wait());
  executor.interrupt();
  ASSERT_EQ(running.wait_for(kPatience), std::future_status::ready);
  const auto result = running.get();
  ASSERT_TRUE(result) << result.error();
  EXPECT_EQ(result->status, CodeStatus::interrupted);
  EXPECT_EQ(result->exit_code, 130);
  EXPECT_TRUE(result->state_kept);
  EXPECT_THAT(run(executor, "get x").output, HasSubstr("kept"));
}

TEST_F(ExecutorTest, CodeOutOfTimeIsInterruptedOrItsKernelRestarted) {
  ExecutorOptions hasty = options();
  hasty.timeout = 300ms;
  hasty.interrupt_grace = 300ms;
  Executor executor = start(hasty);
  run(executor, "set x kept");
  const CodeResult soft = run(executor, "sleep 600");
  EXPECT_EQ(soft.status, CodeStatus::timeout);
  EXPECT_EQ(soft.exit_code, 124);
  EXPECT_TRUE(soft.state_kept);
  EXPECT_THAT(run(executor, "get x").output, HasSubstr("kept"));

  const CodeResult hard = run(executor, "ignore-interrupt on\nsleep 600");
  EXPECT_EQ(hard.status, CodeStatus::timeout);
  EXPECT_FALSE(hard.state_kept);
  EXPECT_TRUE(hard.restarted);
  EXPECT_EQ(run(executor, "get x").error->type, "NameError");
}

TEST_F(ExecutorTest, ARestartForgetsEverything) {
  Executor executor = start(options());
  run(executor, "set x 1");
  const pid_t before = kernel_pid(executor);
  const auto restarted = executor.restart();
  ASSERT_TRUE(restarted) << restarted.error();
  EXPECT_FALSE(is_running(before));
  EXPECT_EQ(run(executor, "get x").error->type, "NameError");
}

TEST_F(ExecutorTest, CallbacksRunOnTheWaitingThreadWhileTheCodeRuns) {
  Executor executor = start(options());
  std::string printed, complained;
  ExecuteOptions followed;
  followed.on_output = [&, waiting = std::this_thread::get_id()](const OutputText& output) {
    EXPECT_EQ(std::this_thread::get_id(), waiting);
    EXPECT_EQ(output.block, 0u);
    const bool error = output.stream == OutputText::Stream::standard_error;
    (error ? complained : printed) += output.text;
    executor.interrupt();  // what it does not need to wait for, it may ask for
  };
  const CodeResult result = run(executor, "print out\nstderr err\nsleep 600", followed);
  EXPECT_EQ(result.status, CodeStatus::interrupted);
  EXPECT_EQ(printed, "out\n");
  EXPECT_EQ(complained, "err\n");
}

TEST_F(ExecutorTest, AllOutputPassesAWindowThatIsSmallerThanIt) {
  ExecutorOptions told = options();
  std::size_t bytes = 0;
  bool gap = false;
  told.on_output = [&](const OutputText& output) {
    bytes += output.text.size();
    gap = gap || output.after_gap;
  };
  told.output_chars_max = 1000;
  Executor executor = start(told);
  std::string code;
  for (const char* letter : {"a", "b", "c"}) {
    code += "print ";
    for (int i = 0; i < 1'000'000; ++i) code += letter;
    code += '\n';
  }
  const CodeResult result = run(executor, code);
  EXPECT_EQ(result.status, CodeStatus::ok);
  EXPECT_EQ(bytes, 3'000'003u);
  EXPECT_FALSE(gap);
  EXPECT_LT(result.stdout_text.size(), 2000u);
  ASSERT_TRUE(result.stdout_cut);
  EXPECT_GE(result.stdout_cut->total_chars, 3'000'000u);
  const auto whole = executor.read_file(".perijove/" + result.execution_id + ".stdout");
  ASSERT_TRUE(whole) << whole.error();
  EXPECT_EQ(whole->size(), bytes);
}

TEST_F(ExecutorTest, AQuestionIsAnsweredOrFails) {
  Executor executor = start(options());
  ExecuteOptions interactive;
  interactive.on_input = [](const InputPrompt& prompt) {
    EXPECT_FALSE(prompt.password);
    return "to " + std::string(prompt.prompt);
  };
  EXPECT_THAT(run(executor, "input whom", interactive).output, HasSubstr("to whom"));
  const CodeResult refused = run(executor, "input whom");
  EXPECT_EQ(refused.status, CodeStatus::error);
}

TEST_F(ExecutorTest, WhatACallbackThrowsComesOutAndTheCodeIsCancelled) {
  Executor executor = start(options());
  ExecuteOptions throwing;
  throwing.on_output = [](const OutputText&) { throw std::runtime_error("enough"); };
  EXPECT_THROW(run(executor, "print a\nsleep 600", throwing), std::runtime_error);
  EXPECT_EQ(run(executor, "print b").stdout_text, "b\n");
}

TEST_F(ExecutorTest, ReadsAndWritesFilesOfTheWorkDirectoryOnly) {
  Executor executor = start(options());
  EXPECT_EQ(executor.work_dir(), temp_.str() + "/work");
  ASSERT_TRUE(executor.write_file("data/in.txt", std::string("a\0b", 3)));
  EXPECT_EQ(*executor.read_file("data/in.txt"), std::string("a\0b", 3));
  const auto files = executor.list_files();
  ASSERT_TRUE(files) << files.error();
  std::vector<std::string> paths;
  for (const FileEntry& file : *files) paths.push_back(file.path);
  EXPECT_THAT(paths, ElementsAre("data", "data/in.txt"));
  EXPECT_TRUE((*files)[0].is_directory);
  EXPECT_EQ((*files)[1].size_bytes, 3u);
  EXPECT_LT(std::chrono::system_clock::now() - (*files)[1].modified, 1h);

  EXPECT_FALSE(executor.write_file("../out.txt", "x"));
  std::filesystem::create_symlink("/etc/passwd", temp_.path() / "work/link");
  const auto linked = executor.read_file("link");
  ASSERT_FALSE(linked);
  EXPECT_EQ(linked.error().code, Code::permission_denied) << linked.error();
  EXPECT_EQ(executor.read_file("none").error().code, Code::not_found);
}

TEST_F(ExecutorTest, TellsWhichFilesTheCodeLeftBehind) {
  Executor executor = start(options());
  const CodeResult result = run(executor, "png");
  ASSERT_EQ(result.output_files.size(), 1u);
  const OutputFile& file = result.output_files.front();
  EXPECT_EQ(file.mime_type, "image/png");
  EXPECT_EQ(executor.read_file(file.path)->size(), file.size_bytes);
}

TEST_F(ExecutorTest, DestructionWhileCodeRunsEndsEverything) {
  auto executor = std::make_unique<Executor>(start(options()));
  const pid_t kernel = kernel_pid(*executor);
  const std::string forked = run(*executor, "fork-daemon").output;
  Signal begun;
  auto running = begin_sleep(*executor, begun);
  ASSERT_TRUE(begun.wait());
  executor.reset();
  EXPECT_FALSE(is_running(kernel));
  for (std::size_t at = forked.find_first_of("0123456789"); at != forked.npos; at = forked.npos) {
    pid_t daemon = 0;
    std::from_chars(forked.data() + at, forked.data() + forked.size(), daemon);
    EXPECT_TRUE(eventually([&] { return !is_running(daemon); })) << forked;
  }
  ASSERT_EQ(running.wait_for(kPatience), std::future_status::ready);
  const auto result = running.get();
  ASSERT_TRUE(result) << result.error();
  EXPECT_EQ(result->status, CodeStatus::cancelled);
  for (const auto& left : std::filesystem::directory_iterator(temp_.path() / "run")) {
    EXPECT_FALSE(left.is_directory()) << left.path();
  }
}

TEST_F(ExecutorTest, EndsByItselfWhenNobodyUsesIt) {
  ExecutorOptions brief = options();
  brief.idle_timeout = 100ms;
  Executor executor = start(brief);
  const pid_t kernel = kernel_pid(executor);
  ASSERT_TRUE(eventually([&] { return !is_running(kernel); }));
  const auto late = executor.execute({{.code = "print late"}});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::failed_precondition);
  EXPECT_FALSE(executor.restart());
}

TEST_F(ExecutorTest, IsMovedWithEverythingInIt) {
  Executor first = start(options());
  run(first, "set x moved");
  Executor second = std::move(first);
  EXPECT_THAT(run(second, "get x").output, HasSubstr("moved"));
  const pid_t replaced = kernel_pid(second);
  second = start(options());
  EXPECT_FALSE(is_running(replaced));
  EXPECT_EQ(run(second, "get x").error->type, "NameError");
}

TEST_F(ExecutorTest, LeavesTheChildrenOfItsProcessAlone) {
  const pid_t child = fork();
  if (child == 0) _exit(7);
  ASSERT_GT(child, 0);
  ASSERT_TRUE(eventually([&] { return !is_running(child); }));
  {
    Executor executor = start(options());
    run(executor, "print a");
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(ExecutorTest, LeavesNoThreadNoDescriptorAndNoChild) {
  { const Executor warm = start(options()); }  // what libraries keep for good is made once
  const auto before = testing::open_descriptors();
  { const Executor executor = start(options()); }
  EXPECT_EQ(testing::open_descriptors(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  std::size_t threads = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream name(task.path() / "comm");
    std::string text;
    std::getline(name, text);
    if (text == "perijove") ++threads;
  }
  EXPECT_EQ(threads, 0u);
}

TEST_F(ExecutorTest, ShowsAndSetsVariables) {
  if (!std::filesystem::exists(std::string(kSystemKernels) + "/python3")) {
    GTEST_SKIP() << "no Python kernel in " << kSystemKernels;
  }
  Executor executor = start(options("python3"));
  run(executor, "import os\nrows = [1, 2]\n_hidden = 1");
  ASSERT_TRUE(executor.set_variable("limit", R"({"low": 1.5})"));
  const auto variables = executor.variables();
  ASSERT_TRUE(variables) << variables.error();
  ASSERT_EQ(variables->size(), 2u);
  EXPECT_EQ((*variables)[0].name, "rows");
  EXPECT_EQ((*variables)[0].type, "list");
  EXPECT_EQ((*variables)[0].preview, "[1, 2]");
  EXPECT_EQ((*variables)[1].name, "limit");
  const auto sum = executor.evaluate("sum(rows) + limit['low']");
  ASSERT_TRUE(sum) << sum.error();
  EXPECT_EQ(sum->type, "float");
  EXPECT_EQ(sum->json, "4.5");
  EXPECT_EQ(run(executor, "print(len(In))").output, "3\n") << "looking leaves no trace";

  const auto wrong = executor.evaluate("nowhere");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::invalid_argument);
  EXPECT_THAT(wrong.error().message, HasSubstr("NameError"));
  EXPECT_EQ(executor.set_variable("class", "1").error().code, Code::invalid_argument);
  EXPECT_EQ(executor.set_variable("x", "not JSON").error().code, Code::invalid_argument);
}

TEST_F(ExecutorTest, HasNoVariablesOfOtherLanguagesNorWhileCodeRuns) {
  Executor executor = start(options());
  EXPECT_EQ(executor.variables().error().code, Code::unimplemented);
  EXPECT_EQ(executor.evaluate("1").error().code, Code::unimplemented);
}

TEST_F(ExecutorTest, InstallsNothingThatIsNoPackage) {
  Executor executor = start(options());
  const auto installed = executor.install({"rich", "--index-url=http://127.0.0.1:9/"});
  ASSERT_FALSE(installed);
  EXPECT_EQ(installed.error().code, Code::invalid_argument);
}

TEST_F(ExecutorTest, SaysWhichIsolationsThereAre) {
  ExecutorOptions options = this->options();
  options.isolation = "none";
  Executor plain = start(options);
  EXPECT_EQ(run(plain, "print 1").status, CodeStatus::ok);
  options.isolation = "cardboard";
  const auto executor = Executor::start(options);
  ASSERT_FALSE(executor);
  EXPECT_EQ(executor.error().code, Code::invalid_argument);
  EXPECT_THAT(executor.error().message, HasSubstr("cardboard"));
}

TEST_F(ExecutorTest, IsolatesUnlessToldNotTo) {
  ExecutorOptions options = this->options();
  const std::string home = std::getenv("HOME") == nullptr ? "/" : std::getenv("HOME");
  for (const char* const kind : {"none", "auto", ""}) {
    options.isolation = kind;
    auto executor = Executor::start(options);
    const bool isolated = options.isolation != "none";
    if (!executor && isolated) {  // nothing can be had here, and that is not none either
      EXPECT_THAT(executor.error().message, HasSubstr("--isolation none"));
      continue;
    }
    ASSERT_TRUE(executor) << executor.error();
    EXPECT_EQ(run(*executor, "env HOME").output != home + "\n", isolated) << kind;
  }
}

TEST_F(ExecutorTest, FormatsAResultForItsReader) {
  Executor executor = start(options());
  const CodeResult result = run(executor, "print 5");
  EXPECT_EQ(*format_result("exitcode", result),
            "exitcode: 0 (execution succeeded)\nCode output: 5\n");
  const auto unknown = format_result("exitcod", result);
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("did you mean 'exitcode'?"));
}

TEST(PublicFunctions, AreInTheLibrary) {
  EXPECT_EQ(to_string(Code::not_found), "not_found");
  EXPECT_EQ(http_status(Code::not_found), 404);
  EXPECT_EQ(exit_code(Code::deadline_exceeded), 124);
  EXPECT_EQ(to_string(CodeStatus::out_of_memory), "oom");
  EXPECT_EQ(exit_code(CodeStatus::cancelled), 125);
}

TEST_F(ExecutorTest, ListsTheKernelspecsThereAre) {
  const auto found = Executor::kernelspecs({kBuiltKernels});
  const auto echo = std::find_if(found.begin(), found.end(), [](const KernelspecInfo& each) {
    return each.name == "perijove-echo";
  });
  ASSERT_NE(echo, found.end());
  EXPECT_EQ(echo->language, "echo");
  EXPECT_EQ(echo->directory, std::string(kBuiltKernels) + "/perijove-echo");
  EXPECT_THAT(Executor::kernelspecs({temp_.str()}), IsEmpty());
}

}  // namespace
}  // namespace perijove
