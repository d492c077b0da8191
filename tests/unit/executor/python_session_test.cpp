// What only a language with files, processes and exceptions of its own can show.

#include <signal.h>

#include "session_test.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(PythonSessionTest, TellsWhereCodeFailed) {
  const CodeResult result = run("def divide(a, b):\n  return a / b\n\ndivide(1, 0)");
  EXPECT_EQ(result.status, CodeStatus::error);
  EXPECT_EQ(result.exit_code, 1);
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->type, "ZeroDivisionError");
  EXPECT_EQ(result.error->message, "division by zero");
  EXPECT_EQ(result.error->line, 2);
  ASSERT_THAT(result.error->frames, SizeIs(2));
  EXPECT_EQ(result.error->frames[1].function, "divide");
  EXPECT_EQ(result.error->traceback.find('\x1b'), std::string::npos);
  EXPECT_THAT(result.output, HasSubstr("ZeroDivisionError: division by zero"));
}

// rows: H20
TEST_F(PythonSessionTest, AProgramsExitCodeIsTheBlocks) {
  const CodeResult three = run("import sys; print('x'); sys.exit(3)");
  EXPECT_EQ(three.status, CodeStatus::error);
  EXPECT_EQ(three.exit_code, 3);
  EXPECT_EQ(three.stdout_text, "x\n");
  EXPECT_EQ(run("sys.exit('message')").exit_code, 1);
  const CodeResult zero = run("sys.exit(0)");
  EXPECT_EQ(zero.status, CodeStatus::ok);
  EXPECT_EQ(zero.exit_code, 0);
  EXPECT_FALSE(zero.error);
  EXPECT_TRUE(zero.state_kept);
}

TEST_F(PythonSessionTest, ExitEndsTheListAndTheNextExecutionWorks) {
  CodeRequest request = this->request("print(1); exit()");
  request.blocks.push_back({.code = "print(2)"});
  const CodeResult result = run(request);
  EXPECT_EQ(result.status, CodeStatus::ok);
  EXPECT_EQ(result.stdout_text, "1\n");
  EXPECT_THAT(result.blocks, SizeIs(1));
  EXPECT_EQ(run("print(3)").stdout_text, "3\n");
}

TEST_F(PythonSessionTest, InputThatNobodyGivesIsAnErrorThatSaysSo) {
  const CodeResult result = run("input('name? ')");
  EXPECT_EQ(result.status, CodeStatus::error);
  EXPECT_EQ(result.error->type, "StdinNotImplementedError");
}

TEST_F(PythonSessionTest, CodeThatIsInterruptedForItsTimeKeepsItsVariables) {
  run("x = 41");
  CodeRequest request = this->request("print('begun', flush=True)\nwhile True: pass");
  request.timeout = std::chrono::milliseconds(500);
  request.grace = testing::kPatience;
  const CodeResult result = run(request);
  EXPECT_EQ(result.status, CodeStatus::timeout);
  EXPECT_EQ(result.exit_code, 124);
  EXPECT_TRUE(result.state_kept);
  EXPECT_EQ(result.stdout_text, "begun\n");
  EXPECT_EQ(run("print(x)").stdout_text, "41\n");
}

TEST_F(PythonSessionTest, CodeThatSwallowsInterruptsIsEndedWithItsChildren) {
  const auto execution = begin(
      "import subprocess, sys\n"
      "child = subprocess.Popen(['sleep', '600'])\n"
      "while True:\n"
      "  try:\n"
      "    print(child.pid, flush=True)\n"
      "    while True: pass\n"
      "  except BaseException: pass");
  ASSERT_TRUE(wait_for_output(*execution, "\n"));
  const pid_t child = std::stoi(*execution->log("stdout").read(0, 100));
  EXPECT_TRUE(testing::is_running(child));
  execution->cancel();
  const CodeResult result = wait(execution);
  EXPECT_EQ(result.status, CodeStatus::cancelled);
  EXPECT_FALSE(result.state_kept);
  EXPECT_TRUE(result.restarted);
  EXPECT_EQ(result.generation, 2u);
  EXPECT_TRUE(wait_until([&] { return !testing::is_running(child); }));
  EXPECT_EQ(run("print('on')").stdout_text, "on\n");
}

TEST_F(PythonSessionTest, AProcessThatExitsLeavesItsLastWords) {
  const CodeResult result =
      run("import os, time\nprint('last words', flush=True)\ntime.sleep(0.3)\nos._exit(1)");
  EXPECT_EQ(result.status, CodeStatus::kernel_died);
  EXPECT_EQ(result.exit_code, 137);
  EXPECT_EQ(result.stdout_text, "last words\n");
  EXPECT_FALSE(result.state_kept);
  EXPECT_EQ(run("print('on')").stdout_text, "on\n");
}

// ---- environment ----

// rows: L08
TEST_F(PythonSessionTest, VariablesOfARequestAreThereForItOnly) {
  CodeRequest request =
      this->request("import os\nprint(os.environ['NEW'], os.environ['INHERITED'])");
  request.blocks.push_back({.code = "print(os.environ['NEW'])"});
  request.env = {{"NEW", "a 'b' \"c\" \\d"}, {"INHERITED", "changed"}};
  const auto execution = begin(request);
  const CodeResult result = wait(execution);
  EXPECT_EQ(result.stdout_text, "a 'b' \"c\" \\d changed\na 'b' \"c\" \\d\n");
  EXPECT_EQ(result.blocks[1].execution_count, 2) << "setting them counts for nothing";
  EXPECT_EQ(run("print(os.environ.get('NEW'), os.environ['INHERITED'])").stdout_text,
            "None from the session\n");
}

TEST_F(PythonSessionTest, VariablesOfARequestThatFailsAreTakenBackToo) {
  CodeRequest request = this->request("raise ValueError");
  request.env = {{"NEW", "n"}};
  EXPECT_EQ(run(request).error->type, "ValueError");
  EXPECT_EQ(run("import os; print(os.environ.get('NEW'))").stdout_text, "None\n");
}

TEST_F(PythonSessionTest, ADeathInBetweenIsToldToARequestWithVariablesToo) {
  run("x = 41");
  const pid_t before = kernel_pids().at(0);
  ::kill(before, SIGKILL);
  ASSERT_TRUE(wait_until([&] {
    const auto pids = kernel_pids();
    return pids.size() == 1 && pids[0] != before &&
           session().to_json()["kernels"][0]["execution_state"] == "idle";
  }));
  CodeRequest request = this->request("print('on')");
  request.env = {{"NEW", "n"}};
  EXPECT_FALSE(run(request).state_kept);
  EXPECT_TRUE(run("print('again')").state_kept);
}

TEST_F(PythonSessionTest, ARestartWhileVariablesAreSetLeavesNothingHalfDone) {
  CodeRequest request = this->request("print('never')");
  request.env = {{"NEW", "n"}};
  const auto execution = begin(request);
  ASSERT_TRUE(wait_for_event(*execution, "started"));
  bool restarted = false;
  session().restart([&](const Result<void>&) { restarted = true; });
  const CodeResult result = wait(execution);
  EXPECT_EQ(result.status, CodeStatus::cancelled);
  EXPECT_THAT(result.blocks, SizeIs(1));
  EXPECT_THAT(result.output_files, IsEmpty());
  EXPECT_THAT(session().history(), IsEmpty());
  EXPECT_EQ(run("import os; print(os.environ.get('NEW'))").stdout_text, "None\n");
  EXPECT_TRUE(restarted);
}

// ---- files ----

// rows: H19
TEST_F(PythonSessionTest, RunsAnEntryPointAmongItsFiles) {
  CodeRequest request;
  request.blocks = {{.files = {{"main.py", "from lib.helper import f\nprint(f())"},
                               {"lib/helper.py", "def f(): return 41"}},
                     .entry_point = "main.py"}};
  const CodeResult result = run(request);
  EXPECT_EQ(result.stdout_text, "41\n") << result.output;
  EXPECT_EQ(result.blocks[0].code_file, "main.py");
  EXPECT_EQ(read_file(work_dir() / "lib/helper.py"), "def f(): return 41");
}

// rows: L11
TEST_F(PythonSessionTest, SavesCodeUnderTheNameThatItAsksFor) {
  const std::string code = "# filename: sub/job.py\nprint(1)";
  const CodeResult result = run(code);
  EXPECT_EQ(result.blocks[0].code_file, "sub/job.py");
  EXPECT_EQ(read_file(work_dir() / "sub/job.py"), code);
  EXPECT_THAT(result.output_files, IsEmpty()) << "what the caller wrote is no output";
}

// rows: L11
TEST_F(PythonSessionTest, RefusesFilesOutsideTheWorkDirectoryAndRunsNothing) {
  fs::create_directory_symlink(temp_.path(), [this] {
    session();
    return work_dir() / "link";
  }());
  for (const char* const path : {"../up.py", "/tmp/up.py", "a/../../up.py", "link/up.py", ""}) {
    CodeRequest files;
    files.blocks = {{.code = "print('ran')", .files = {{path, "x"}}}};
    const CodeResult result = run(files);
    EXPECT_EQ(result.status, CodeStatus::rejected) << path;
    EXPECT_EQ(result.error->type, "path_outside_work_dir") << path;
    EXPECT_EQ(result.stdout_text, "");
  }
  for (const char* const path : {"../up.py", "/tmp/up.py", "link/up.py"}) {
    const CodeResult result = run(std::string("# filename: ") + path + "\nprint('ran')");
    EXPECT_EQ(result.status, CodeStatus::rejected) << path;
    EXPECT_EQ(result.stdout_text, "");
  }
  EXPECT_FALSE(fs::exists(temp_.path() / "up.py"));
}

TEST_F(PythonSessionTest, RefusesAnEntryPointThatIsNotThere) {
  CodeRequest request;
  request.blocks = {{.files = {{"a.py", "print(1)"}}, .entry_point = "b.py"}};
  const CodeResult result = run(request);
  EXPECT_EQ(result.status, CodeStatus::rejected);
  EXPECT_THAT(result.error->message, HasSubstr("b.py"));
}

// rows: K12
TEST_F(PythonSessionTest, ReportsTheFilesThatTheCodeWrote) {
  session();
  temp_.write("work/old.txt", "old");
  temp_.write("work/same.txt", "same");
  const auto execution = begin(
      "import base64, os\n"
      "os.makedirs('plots')\n"
      "open('plots/dot.png', 'wb').write(base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYA"
      "AAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='))\n"
      "open('old.txt', 'a').write('er')\n"
      "open('gone.txt', 'w').close(); os.remove('gone.txt')\n"
      "os.symlink('/etc/passwd', 'link.txt')\n");
  const CodeResult result = wait(execution);
  ASSERT_EQ(result.status, CodeStatus::ok) << result.output;
  ASSERT_THAT(result.output_files, SizeIs(2));
  const OutputFile& old = result.output_files[0];
  EXPECT_EQ(old.path, "old.txt");
  EXPECT_FALSE(old.created);
  EXPECT_EQ(old.source, OutputFile::Source::written);
  EXPECT_EQ(old.size_bytes, 5u);
  EXPECT_EQ(old.mime_type, "text/plain");
  // Of "older".
  EXPECT_EQ(old.sha256, "da925a30e31f7fdaa7044e3e5ba4ae17670de82d677b0e7adf5700428a137a36");
  const OutputFile& dot = result.output_files[1];
  EXPECT_EQ(dot.path, "plots/dot.png");
  EXPECT_TRUE(dot.created);
  EXPECT_EQ(dot.mime_type, "image/png");
  EXPECT_EQ(dot.width, 1u);
  EXPECT_EQ(dot.height, 1u);
  ASSERT_THAT(events_of(*execution, "file"), SizeIs(2));
  EXPECT_EQ(events_of(*execution, "file")[0]["change"], "changed");
  CodeRequest blind = request("open('unseen', 'w').close()");
  blind.capture_files = false;
  EXPECT_THAT(run(blind).output_files, IsEmpty());
}

TEST_F(PythonSessionTest, DisplaysDoNotFollowALinkPlantedInTheirWay) {
  testing::TempDir elsewhere;
  const CodeResult result = run("import os\nos.symlink('" + elsewhere.str() +
                                "', 'outputs')\n"
                                "from IPython.display import HTML, display\ndisplay(HTML('x'))");
  EXPECT_EQ(result.status, CodeStatus::ok);
  EXPECT_TRUE(fs::is_empty(elsewhere.path()));
  ASSERT_THAT(result.warnings, SizeIs(1));
  EXPECT_THAT(result.warnings[0], HasSubstr("leads out of the work directory"));
}

TEST_F(PythonSessionTest, LogsDoNotFollowALinkPlantedInTheirWay) {
  testing::TempDir elsewhere;
  const auto execution = begin("import os\nos.symlink('" + elsewhere.str() +
                               "', '.perijove')\nprint('x', flush=True)");
  EXPECT_EQ(wait(execution).stdout_text, "x\n");
  EXPECT_TRUE(fs::is_empty(elsewhere.path()));
  EXPECT_EQ(execution->log("stdout").kept_bytes(), 0u);
}

// rows: J07
TEST_F(PythonSessionTest, ValuesOfTablesAreTextAndAFile) {
  const CodeResult result =
      run("class Table:\n"
          "  def __repr__(self): return 'a  b'\n"
          "  def _repr_html_(self): return '<table></table>'\n"
          "Table()");
  EXPECT_EQ(result.output, "a  b\n");
  ASSERT_THAT(result.blocks[0].results, SizeIs(1));
  const RichOutput& value = result.blocks[0].results[0];
  EXPECT_TRUE(value.is_result);
  EXPECT_EQ(value.text, "a  b");
  EXPECT_EQ(read_file(work_dir() / value.files.at("text/html")), "<table></table>");
}

TEST_F(PythonSessionTest, EvaluatesExpressions) {
  run("x = {'a': 41}");
  std::optional<Result<std::string>> answer;
  session().evaluate("import json", "json.dumps(x)", [&](auto got) { answer = std::move(got); });
  ASSERT_TRUE(wait_until([&] { return answer.has_value(); }));
  ASSERT_TRUE(*answer) << answer->error();
  EXPECT_EQ(**answer, "'{\"a\": 41}'");
}

}  // namespace
}  // namespace perijove
