#include "executor/code_execution.hpp"

#include <signal.h>

#include "session_test.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using CodeExecutionTest = SessionTest;

// ---- what code puts out ----

// rows: H20 L13
TEST_F(CodeExecutionTest, TellsStreamsApartAndTogetherInTheirOrder) {
  const CodeResult result = run("print 1\nstderr 2\nprint 3\nresult 4\nstderr 5");
  EXPECT_EQ(result.stdout_text, "1\n3\n");
  EXPECT_EQ(result.stderr_text, "2\n5\n");
  EXPECT_EQ(result.output, "1\n2\n3\n4\n5\n");
  EXPECT_EQ(result.blocks[0].output, result.output);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.warnings, IsEmpty());
}

// rows: L12 J11
TEST_F(CodeExecutionTest, StopsAtTheFirstBlockThatFails) {
  CodeRequest request;
  request.blocks = {{.code = "print 1"}, {.code = "error ValueError bad"}, {.code = "print 3"}};
  const CodeResult result = run(request);
  EXPECT_EQ(result.status, CodeStatus::error);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.blocks, SizeIs(2));
  EXPECT_EQ(result.error->type, "ValueError");
  EXPECT_EQ(result.error->message, "bad");
  EXPECT_EQ(result.error->block, 1u);
  EXPECT_EQ(result.stdout_text, "1\n");
  EXPECT_THAT(result.output, HasSubstr("ValueError"));
}

TEST_F(CodeExecutionTest, RunsOnAfterAFailureWhenToldSoAndReportsTheFirst) {
  CodeRequest request;
  request.blocks = {{.code = "error A a"}, {.code = "error B b"}, {.code = "print 3"}};
  request.stop_on_error = false;
  const CodeResult result = run(request);
  EXPECT_THAT(result.blocks, SizeIs(3));
  EXPECT_EQ(result.status, CodeStatus::error);
  EXPECT_EQ(result.error->type, "A");
  EXPECT_EQ(result.blocks[1].error->type, "B");
  EXPECT_EQ(result.blocks[2].status, CodeStatus::ok);
  EXPECT_EQ(result.stdout_text, "3\n");
}

TEST_F(CodeExecutionTest, CutsTextsToTheBudgetAndKeepsTheError) {
  CodeRequest request = this->request("lines 5000\nerror ValueError bad");
  request.output.budget.chars_max = 200;
  const auto execution = begin(request);
  const CodeResult result = wait(execution);
  ASSERT_TRUE(result.stdout_cut);
  EXPECT_EQ(result.stdout_cut->total_chars, 23'893u);
  EXPECT_LE(result.stdout_cut->kept_chars, 200u);
  EXPECT_TRUE(result.stdout_text.starts_with("1\n2\n"));
  EXPECT_THAT(result.stdout_text, HasSubstr("/v1/executions/" + execution->id() + "/output"));
  EXPECT_TRUE(result.output_cut);
  EXPECT_THAT(result.output, HasSubstr("ValueError: bad"));
  EXPECT_FALSE(result.stderr_cut);
}

TEST_F(CodeExecutionTest, KeepsTheWholeTextInPages) {
  CodeRequest request = this->request("lines 5000\nstderr oops");
  request.output.budget.chars_max = 200;
  const auto execution = begin(request);
  wait(execution);
  std::string whole;
  for (;;) {
    const auto page = execution->log("stdout").read(whole.size(), 1000);
    ASSERT_TRUE(page) << page.error();
    if (page->empty()) break;
    EXPECT_LE(page->size(), 1000u);
    whole += *page;
  }
  EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 5000);
  EXPECT_TRUE(whole.ends_with("\n5000\n"));
  EXPECT_EQ(execution->log("stdout").total_bytes(), whole.size());
  EXPECT_EQ(*execution->log("stderr").read(0, 100), "oops\n");
  EXPECT_TRUE(std::filesystem::exists(work_dir() / ".perijove" / (execution->id() + ".stdout")));
}

// rows: J07 J08
TEST_F(CodeExecutionTest, SavesDisplaysUnderNamesThatFollowFromTheirPlace) {
  run("print nothing to save");
  CodeRequest request = this->request("print x\npng\nhtml <b>b</b>");
  request.blocks.push_back({.code = "png"});
  const CodeResult result = run(request);
  ASSERT_THAT(result.output_files, SizeIs(3));
  EXPECT_EQ(result.output_files[0].path, "outputs/0002-001-01.png");
  EXPECT_EQ(result.output_files[1].path, "outputs/0002-001-02.html");
  EXPECT_EQ(result.output_files[2].path, "outputs/0002-002-00.png");
  const OutputFile& png = result.output_files[0];
  EXPECT_EQ(png.mime_type, "image/png");
  EXPECT_EQ(png.source, OutputFile::Source::display);
  EXPECT_EQ(png.width, 1u);
  EXPECT_EQ(png.height, 1u);
  EXPECT_EQ(png.size_bytes, std::filesystem::file_size(work_dir() / png.path));
  EXPECT_THAT(png.sha256, SizeIs(64));
  EXPECT_EQ(png.sha256, result.output_files[2].sha256);
  EXPECT_EQ(result.output_files[2].block, 1u);
  ASSERT_THAT(result.blocks[0].results, SizeIs(2));
  EXPECT_EQ(result.blocks[0].results[0].files.at("image/png"), png.path);
  EXPECT_THAT(result.blocks[0].results[0].inline_data, IsEmpty());
}

TEST_F(CodeExecutionTest, ADisplayIsNotReportedAgainAsAFileThatTheCodeWrote) {
  CodeRequest request = this->request("png");
  request.blocks.push_back({.code = "print x"});
  EXPECT_THAT(run(request).output_files, SizeIs(1));
  EXPECT_THAT(run("print y").output_files, IsEmpty());
}

TEST_F(CodeExecutionTest, GivesSmallImagesInlineWhenAsked) {
  CodeRequest request = this->request("png\nhtml <b>");
  request.output.images = ImagePolicy::in_line;
  const CodeResult result = run(request);
  EXPECT_TRUE(result.blocks[0].results[0].inline_data.at("image/png").starts_with("iVBORw0KGgo"));
  EXPECT_THAT(result.blocks[0].results[1].inline_data, IsEmpty()) << "HTML is always a file";
  EXPECT_THAT(result.output_files, SizeIs(2));
  request.output.inline_image_bytes_max = result.output_files[0].size_bytes - 1;
  const CodeResult large = run(request);
  EXPECT_THAT(large.blocks[0].results[0].inline_data, IsEmpty());
  EXPECT_THAT(large.blocks[0].results[0].not_inline.at("image/png"), HasSubstr("bytes"));
}

TEST_F(CodeExecutionTest, ImagesOfMorePixelsThanAModelTakesAreFilesAndSayWhy) {
  CodeRequest request = this->request("png");
  request.output.images = ImagePolicy::in_line;
  request.output.inline_image_pixels_max = 0;
  const CodeResult result = run(request);
  EXPECT_THAT(result.blocks[0].results[0].inline_data, IsEmpty());
  EXPECT_THAT(result.blocks[0].results[0].not_inline.at("image/png"), HasSubstr("1x1 pixels"));
  EXPECT_THAT(result.output_files, SizeIs(1));
}

TEST_F(CodeExecutionTest, DropsImagesWhenAskedAndKeepsTheirText) {
  CodeRequest request = this->request("png\nhtml <b>");
  request.output.images = ImagePolicy::none;
  const CodeResult result = run(request);
  ASSERT_THAT(result.output_files, SizeIs(1));
  EXPECT_EQ(result.output_files[0].mime_type, "text/html");
  ASSERT_THAT(result.blocks[0].results, SizeIs(2));
  EXPECT_NE(result.blocks[0].results[0].text, "");
  EXPECT_EQ(result.output.find("base64"), std::string::npos);
}

TEST_F(CodeExecutionTest, SaysThatADisplayCannotBeSaved) {
  const CodeResult result = run("display image/png <svg/>\nprint on");
  EXPECT_EQ(result.status, CodeStatus::ok);
  ASSERT_THAT(result.warnings, SizeIs(1));
  EXPECT_THAT(result.warnings[0], HasSubstr("image/png"));
  EXPECT_THAT(result.output_files, IsEmpty());
}

TEST_F(CodeExecutionTest, HonoursUpdatesAndClearedOutput) {
  const CodeResult result = run("display-id a one\nupdate-display a two\nprint x");
  EXPECT_EQ(result.output, "two\nx\n");
  EXPECT_EQ(run("print gone\nclear\nprint here").output, "here\n");
}

TEST_F(CodeExecutionTest, TellsUpdatesAndClearsAsTheyCome) {
  const auto execution = begin("display-id a one\nsleep 0.1\nupdate-display a two\nprint x\nclear");
  const CodeResult result = wait(execution);
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.blocks[0].results, IsEmpty());
  EXPECT_THAT(types_of(*execution), ElementsAre("started", "display", "stdout", "update_display",
                                                "clear", "block_done", "done"));
  const nlohmann::json display = events_of(*execution, "display")[0];
  EXPECT_EQ(display["display_id"], "a");
  EXPECT_EQ(display["text"], "one");
  const nlohmann::json update = events_of(*execution, "update_display")[0];
  EXPECT_EQ(update["display_id"], "a");
  EXPECT_EQ(update["text"], "two");
  EXPECT_EQ(events_of(*execution, "clear")[0]["wait"], false);
}

TEST_F(CodeExecutionTest, SoonestUpdatesOfOneDisplayAreToldTogether) {
  std::string code = "display-id a 0\n";
  for (int i = 1; i <= 500; ++i) code += "update-display a " + std::to_string(i) + "\n";
  const auto execution = begin(code);
  const CodeResult result = wait(execution);
  EXPECT_EQ(result.output, "500\n");
  const nlohmann::json updates = events_of(*execution, "update_display");
  ASSERT_THAT(updates, Not(IsEmpty()));
  EXPECT_EQ(updates.back()["text"], "500") << "the last is never left out";
}

TEST_F(CodeExecutionTest, TheFileOfADisplayFollowsItsUpdates) {
  const std::string html = R"({"data": {"text/html": "<b>TEXT</b>"}, "metadata": {}, )"
                           R"("transient": {"display_id": "a"}})";
  const auto publish = [&](const std::string& type, const std::string& text) {
    return "publish " + type + " " + std::string(html).replace(html.find("TEXT"), 4, text);
  };
  const CodeResult first =
      run(publish("display_data", "one") + "\n" + publish("update_display_data", "two"));
  ASSERT_THAT(first.output_files, SizeIs(1));
  const std::string path = first.output_files[0].path;
  EXPECT_EQ(*session().directory().read(path), "<b>two</b>");

  // Of an earlier execution, and of an earlier block of the same.
  const auto later = begin(publish("update_display_data", "three"));
  const CodeResult second = wait(later);
  EXPECT_EQ(*session().directory().read(path), "<b>three</b>");
  ASSERT_THAT(second.output_files, SizeIs(1));
  EXPECT_EQ(second.output_files[0].path, path);
  EXPECT_EQ(second.output_files[0].source, OutputFile::Source::display);
  EXPECT_FALSE(second.output_files[0].created);
  const nlohmann::json update = events_of(*later, "update_display")[0];
  EXPECT_EQ(update["mimes"]["text/html"]["file"], path);

  CodeRequest both = request(publish("display_data", "four"));
  both.blocks.push_back({.code = publish("update_display_data", "fifth")});
  const CodeResult third = run(both);
  ASSERT_THAT(third.output_files, SizeIs(2)) << "the earlier one, and its own";
  EXPECT_EQ(third.output_files[0].path, path);
  EXPECT_FALSE(third.output_files[0].created);
  EXPECT_TRUE(third.output_files[1].created);
  EXPECT_EQ(third.output_files[1].size_bytes, 12u) << "as it is after the update";
  EXPECT_EQ(*session().directory().read(path), "<b>fifth</b>");
}

TEST_F(CodeExecutionTest, FilesOfClearedDisplaysAreRemoved) {
  const CodeResult result = run("print x\nhtml <b>b</b>\nclear\nhtml <i>i</i>");
  ASSERT_THAT(result.output_files, SizeIs(1));
  EXPECT_EQ(result.output_files[0].path, "outputs/0001-001-00.html");
  EXPECT_FALSE(session().directory().stat("outputs/0001-001-01.html"));
  EXPECT_EQ(*session().directory().read("outputs/0001-001-00.html"), "<i>i</i>");
}

TEST_F(CodeExecutionTest, ASilentExecutionLeavesNoTrace) {
  CodeRequest request = this->request("set x 1");
  request.silent = true;
  EXPECT_EQ(run(request).status, CodeStatus::ok);
  EXPECT_THAT(session().history(), IsEmpty());
  EXPECT_EQ(run("count").output, "1\n");
}

// ---- events ----

TEST_F(CodeExecutionTest, TellsItsStepsInOrderAndTheResultLast) {
  const auto execution = begin("print 1\nstderr 2\npng\nerror E e");
  wait(execution);
  EXPECT_THAT(types_of(*execution),
              ElementsAre("started", "stdout", "stderr", "display", "error", "block_done", "done"));
  const nlohmann::json events = events_of(*execution);
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i]["seq"], i + 1);
    EXPECT_TRUE(events[i]["ts"].is_string());
  }
  EXPECT_EQ(events[0]["language"], "echo");
  EXPECT_EQ(events[1]["text"], "1\n");
  EXPECT_EQ(events[3]["mimes"]["image/png"]["file"], "outputs/0001-001-02.png");
  EXPECT_EQ(events[4]["error"]["type"], "E") << "and not the event's type";
  EXPECT_EQ(events[5]["status"], "error");
  EXPECT_EQ(events[6]["result"], execution->to_json());
}

TEST_F(CodeExecutionTest, EventsAreReadFromANumberOn) {
  const auto execution = begin("print 1");
  wait(execution);
  EXPECT_EQ(execution->events(3, 10).events.front()->type, "block_done");
  EXPECT_THAT(execution->events(2, 1).events, SizeIs(1));
  EXPECT_EQ(execution->events(0, 1).events.front()->seq, 1u);
  EXPECT_EQ(execution->events(0, 1).missed, 0u);
  EXPECT_THAT(execution->events(5, 10).events, IsEmpty());
  EXPECT_THAT(execution->events(UINT64_MAX, 10).events, IsEmpty());
}

TEST_F(CodeExecutionTest, CountsTheEventsThatAreNotKeptAnyMore) {
  const auto execution = begin("flood 400 32768");
  wait(execution);
  const auto events = execution->events(1, SIZE_MAX);
  EXPECT_GT(events.missed, 0u);
  ASSERT_FALSE(events.events.empty());
  EXPECT_EQ(events.events.front()->seq, events.missed + 1);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < events.events.size(); ++i) {
    EXPECT_EQ(events.events[i]->seq, events.missed + 1 + i);
    bytes += events.events[i]->json.size();
  }
  EXPECT_LE(bytes, 8u << 20);
  EXPECT_EQ(events.events.back()->type, "done");
  EXPECT_EQ(execution->events(events.missed + 1, 1).missed, 0u);
  EXPECT_EQ(execution->log("stdout").total_bytes(), execution->log("stdout").kept_bytes());
  EXPECT_GE(execution->log("stdout").total_bytes(), 400u * 32768u);
}

TEST_F(CodeExecutionTest, CallsThoseWhoListenUntilTheyDoNot) {
  const auto execution = begin("print 1\nsleep 0.05\nprint 2");
  int calls = 0, others = 0;
  const auto listener = execution->listen([&] { ++calls; });
  execution->listen([&] { ++others; });
  wait(execution);
  ASSERT_TRUE(wait_until([&] { return calls > 0; }));
  EXPECT_EQ(others, 0) << "its share was dropped at once";
  std::shared_ptr<void> own;
  bool called = false;
  own = execution->listen([&] {
    called = true;
    own.reset();
  });
  EXPECT_FALSE(called);
}

// ---- time limits ----

// rows: L01 J02 H18
TEST_F(CodeExecutionTest, CodeOverItsTimeIsInterruptedAndKeepsItsState) {
  run("set x 41");
  CodeRequest request = this->request("print begun\nsleep 600");
  request.timeout = std::chrono::milliseconds(200);
  request.grace = testing::kPatience;
  const CodeResult result = run(request);
  EXPECT_EQ(result.status, CodeStatus::timeout);
  EXPECT_EQ(result.exit_code, 124);
  EXPECT_TRUE(result.state_kept);
  EXPECT_FALSE(result.restarted);
  EXPECT_EQ(result.generation, 1u);
  EXPECT_EQ(result.stdout_text, "begun\n");
  EXPECT_THAT(result.note, HasSubstr("variables are kept"));
  EXPECT_EQ(run("get x").output, "41\n");
}

TEST_F(CodeExecutionTest, CodeThatIgnoresInterruptsIsEndedWithItsKernel) {
  run("set x 41");
  const pid_t before = kernel_pids().at(0);
  const CodeResult result = run(hurried("ignore-interrupt on\nprint begun\nsleep 600"));
  EXPECT_EQ(result.status, CodeStatus::timeout);
  EXPECT_EQ(result.exit_code, 124);
  EXPECT_FALSE(result.state_kept);
  EXPECT_TRUE(result.restarted);
  EXPECT_EQ(result.generation, 2u);
  EXPECT_EQ(result.stdout_text, "begun\n");
  EXPECT_FALSE(testing::is_running(before));
  const CodeResult next = run("get x");
  EXPECT_EQ(next.error->type, "NameError");
  EXPECT_TRUE(next.state_kept) << "the loss was told already";
  EXPECT_EQ(next.generation, 2u);
}

TEST_F(CodeExecutionTest, AKernelMayBeKilledAndReplacedOnlyWhenItIsNeeded) {
  run("set x 41");
  CodeRequest request = hurried("ignore-interrupt on\nsleep 600");
  request.hard_limit = HardLimit::kill;
  const CodeResult result = run(request);
  EXPECT_EQ(result.status, CodeStatus::timeout);
  EXPECT_FALSE(result.state_kept);
  EXPECT_FALSE(result.restarted);
  EXPECT_EQ(result.kernel, "dead");
  EXPECT_EQ(result.generation, 1u);
  EXPECT_TRUE(wait_until([&] { return kernel_pids().empty(); }));
  const CodeResult next = run("get x");
  EXPECT_EQ(next.error->type, "NameError");
  EXPECT_EQ(next.generation, 2u);
}

TEST_F(CodeExecutionTest, CodeThatIsLeftRunningKeepsTheSessionBusy) {
  CodeRequest request = hurried("set x 41\nignore-interrupt on\nsleep 2\nprint late");
  request.hard_limit = HardLimit::leave;
  const CodeResult result = run(request);
  EXPECT_EQ(result.status, CodeStatus::timeout);
  EXPECT_TRUE(result.state_kept);
  EXPECT_EQ(result.kernel, "busy");
  const CodeResult refused = run("get x");
  EXPECT_EQ(refused.status, CodeStatus::rejected);
  EXPECT_EQ(refused.error->type, "kernel_busy");
  EXPECT_NE(refused.error->hint, "");
  EXPECT_EQ(run("print other", "shout").output, "other\n") << "its other languages are free";
  ASSERT_TRUE(
      wait_until([&] { return session().to_json()["kernels"][0]["execution_state"] == "idle"; }));
  EXPECT_EQ(run("get x").output, "41\n");
}

TEST_F(CodeExecutionTest, AnInterruptReachesCodeThatWasLeftRunning) {
  CodeRequest request = hurried(
      "set x 41\nignore-interrupt on\nsleep 1\nignore-interrupt off\n"
      "sleep 600");
  request.hard_limit = HardLimit::leave;
  EXPECT_EQ(run(request).status, CodeStatus::timeout);
  ASSERT_TRUE(wait_until([&] {
    session().interrupt();
    return session().to_json()["kernels"][0]["execution_state"] == "idle";
  }));
  // One of those interrupts may be under way still, and hit what comes next.
  EXPECT_TRUE(wait_until([&] { return run("get x").output == "41\n"; }));
}

// rows: U03
TEST_F(CodeExecutionTest, AllBlocksTogetherHaveATimeToo) {
  CodeRequest request;
  request.blocks = {{.code = "print 1"}, {.code = "sleep 600"}, {.code = "print 3"}};
  request.timeout = std::nullopt;
  request.total_timeout = std::chrono::milliseconds(300);
  request.stop_on_error = false;
  run("print ready");
  const CodeResult result = run(request);
  EXPECT_EQ(result.status, CodeStatus::timeout);
  EXPECT_EQ(result.exit_code, 124);
  EXPECT_THAT(result.blocks, SizeIs(2));
  EXPECT_EQ(result.stdout_text, "1\n");
  EXPECT_TRUE(result.state_kept);
  EXPECT_THAT(result.note, HasSubstr("300 ms"));
}

// rows: K02
TEST_F(CodeExecutionTest, SilenceHasALimitOfItsOwn) {
  run("print ready");
  CodeRequest request = this->request("print begun\nsleep 600");
  request.quiet_timeout = std::chrono::milliseconds(200);
  const CodeResult result = run(request);
  EXPECT_EQ(result.status, CodeStatus::timeout);
  EXPECT_EQ(result.stdout_text, "begun\n");
  EXPECT_THAT(result.note, HasSubstr("no sign of life"));
}

// ---- cancelling ----

// rows: L15 K10 H27
TEST_F(CodeExecutionTest, CancellingEndsTheRunningBlockAndThoseAfterIt) {
  CodeRequest request = this->request("set x 41\nprint begun\nsleep 600");
  request.blocks.push_back({.code = "print 2"});
  request.stop_on_error = false;
  const auto execution = begin(request);
  ASSERT_TRUE(wait_for_output(*execution, "begun"));
  execution->cancel();
  execution->cancel();
  const CodeResult result = wait(execution);
  EXPECT_EQ(result.status, CodeStatus::cancelled);
  EXPECT_EQ(result.exit_code, 125);
  EXPECT_THAT(result.blocks, SizeIs(1));
  EXPECT_EQ(result.stdout_text, "begun\n");
  EXPECT_TRUE(result.state_kept);
  EXPECT_EQ(run("get x").output, "41\n");
  execution->cancel();
  EXPECT_EQ(execution->events(1, SIZE_MAX).events.back()->type, "done");
}

TEST_F(CodeExecutionTest, CancellingCodeThatDoesNotYieldRestartsItsKernel) {
  CodeRequest request = this->request("ignore-interrupt on\nprint begun\nsleep 600");
  request.grace = std::chrono::milliseconds(100);
  const auto execution = begin(request);
  ASSERT_TRUE(wait_for_output(*execution, "begun"));
  execution->cancel();
  const CodeResult result = wait(execution);
  EXPECT_EQ(result.status, CodeStatus::cancelled);
  EXPECT_FALSE(result.state_kept);
  EXPECT_EQ(run("print on").output, "on\n");
}

TEST_F(CodeExecutionTest, CancelledWhileItsKernelStartsItRunsNothing) {
  const auto execution = begin("set x 1");
  ASSERT_TRUE(wait_until([&] { return registry_->size() == 1; }));
  execution->cancel();
  EXPECT_EQ(wait(execution).status, CodeStatus::cancelled);
  EXPECT_EQ(run("get x").error->type, "NameError");
}

// ---- death ----

TEST_F(CodeExecutionTest, SaysHowItsKernelDiedAndTheNextOneWorks) {
  run("set x 41");
  const CodeResult result = run("print last words\nsleep 0.1\ndie 3");
  EXPECT_EQ(result.status, CodeStatus::kernel_died);
  EXPECT_EQ(result.exit_code, 137);
  EXPECT_EQ(result.stdout_text, "last words\n");
  EXPECT_FALSE(result.state_kept);
  EXPECT_TRUE(result.restarted);
  EXPECT_EQ(result.generation, 2u);
  EXPECT_THAT(result.note, HasSubstr("exited with code 3"));
  const CodeResult next = run("get x");
  EXPECT_EQ(next.error->type, "NameError");
  EXPECT_TRUE(next.state_kept);
}

TEST_F(CodeExecutionTest, AKernelThatIsKilledDied) {
  const auto execution = begin("print begun\nsleep 600");
  ASSERT_TRUE(wait_for_output(*execution, "begun"));
  ::kill(kernel_pids().at(0), SIGKILL);
  const CodeResult result = wait(execution);
  EXPECT_EQ(result.status, CodeStatus::kernel_died);
  EXPECT_EQ(result.exit_code, 137);
  EXPECT_EQ(result.stdout_text, "begun\n");
  EXPECT_EQ(run("print on").output, "on\n");
}

TEST_F(CodeExecutionTest, ADeathInBetweenIsToldByTheNextResult) {
  run("set x 41");
  const pid_t before = kernel_pids().at(0);
  ::kill(before, SIGKILL);
  ASSERT_TRUE(wait_until([&] {
    const auto pids = kernel_pids();
    return pids.size() == 1 && pids[0] != before &&
           session().to_json()["kernels"][0]["execution_state"] == "idle";
  }));
  const CodeResult result = run("print on");
  EXPECT_EQ(result.status, CodeStatus::ok);
  EXPECT_FALSE(result.state_kept);
  EXPECT_EQ(result.generation, 2u);
  EXPECT_TRUE(run("print again").state_kept);
}

TEST_F(CodeExecutionTest, ADeathInBetweenIsToldThoughSomebodyLookedAtVariables) {
  run("set x 41");
  const pid_t before = kernel_pids().at(0);
  ::kill(before, SIGKILL);
  ASSERT_TRUE(wait_until([&] {
    const auto pids = kernel_pids();
    return pids.size() == 1 && pids[0] != before &&
           session().to_json()["kernels"][0]["execution_state"] == "idle";
  }));
  bool answered = false;
  session().evaluate("", "x", [&](const Result<std::string>&) { answered = true; });
  ASSERT_TRUE(wait_until([&] { return answered; }));
  EXPECT_FALSE(run("print on").state_kept);
  EXPECT_TRUE(run("print again").state_kept);
}

// ---- input ----

TEST_F(CodeExecutionTest, CodeThatAsksForInputThatNobodyGivesFails) {
  const CodeResult result = run("input who?\nprint never");
  EXPECT_EQ(result.status, CodeStatus::error);
  EXPECT_EQ(result.error->type, "StdinNotImplementedError");
  EXPECT_EQ(result.stdout_text, "");
}

TEST_F(CodeExecutionTest, AnswersWhatInteractiveCodeAsks) {
  CodeRequest request = this->request("input who?\npassword secret?");
  request.interactive = true;
  const auto execution = begin(request);
  EXPECT_FALSE(execution->answer_input("too early"));
  ASSERT_TRUE(wait_for_event(*execution, "input_request"));
  EXPECT_EQ(events_of(*execution, "input_request")[0]["prompt"], "who?");
  EXPECT_EQ(events_of(*execution, "input_request")[0]["password"], false);
  EXPECT_TRUE(execution->answer_input("bob"));
  EXPECT_FALSE(execution->answer_input("twice"));
  ASSERT_TRUE(wait_until([&] { return events_of(*execution, "input_request").size() == 2; }));
  EXPECT_EQ(events_of(*execution, "input_request")[1]["password"], true);
  EXPECT_TRUE(execution->answer_input("s3cret"));
  EXPECT_EQ(wait(execution).stdout_text, "bob\ns3cret\n");
  EXPECT_FALSE(execution->answer_input("too late"));
}

TEST_F(CodeExecutionTest, CodeThatWaitsForInputCanBeCancelled) {
  CodeRequest request = this->request("input who?");
  request.interactive = true;
  const auto execution = begin(request);
  ASSERT_TRUE(wait_for_event(*execution, "input_request"));
  execution->cancel();
  EXPECT_EQ(wait(execution).status, CodeStatus::cancelled);
  EXPECT_EQ(run("print on").output, "on\n");
}

// ---- environment ----

TEST_F(CodeExecutionTest, RefusesVariablesWhereTheyCannotBeSet) {
  CodeRequest request = this->request("print never");
  request.env = {{"A", "1"}};
  const CodeResult result = run(request);
  EXPECT_EQ(result.status, CodeStatus::rejected);
  EXPECT_THAT(result.error->message, HasSubstr("give them to the session"));
  EXPECT_EQ(result.stdout_text, "");
}

}  // namespace
}  // namespace perijove
