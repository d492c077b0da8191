#include "code/code_error.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support/golden.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// An error as a kernel sent it, see golden/tracebacks/record.py.
CodeError recorded(const std::string& file, const std::string& name) {
  const auto all = nlohmann::json::parse(testing::read_golden("tracebacks/" + file + ".json"));
  const auto& one = all.at(name);
  const ErrorOutput raised{one.at("ename"), one.at("evalue"), one.at("traceback")};
  const std::string code = one.at("code");
  return make_code_error(raised, {code, file == "r" ? "R" : "python3", one.at("execution_count")});
}

class PythonError : public ::testing::TestWithParam<const char*> {
 protected:
  static CodeError error(const std::string& name) { return recorded(GetParam(), name); }
};

TEST_P(PythonError, HasTypeMessageAndLine) {
  const CodeError found = error("top_level");
  EXPECT_EQ(found.type, "ZeroDivisionError");
  EXPECT_EQ(found.message, "division by zero");
  EXPECT_EQ(found.line, 3);
  EXPECT_EQ(found.column, std::nullopt);
  EXPECT_THAT(found.frames, ElementsAre(SourceFrame{"<cell 1>", 3, "", "1 / 0"}));
}

TEST_P(PythonError, NamesTheFunctionsOutermostFirst) {
  const CodeError found = error("nested");
  EXPECT_EQ(found.line, 2);
  EXPECT_THAT(found.frames, ElementsAre(SourceFrame{"<cell 1>", 7, "", "outer(5)"},
                                        SourceFrame{"<cell 1>", 5, "outer", "return divide(x, 0)"},
                                        SourceFrame{"<cell 1>", 2, "divide", "return a / b"}));
}

TEST_P(PythonError, TellsTheLineInItsOwnBlock) {
  const CodeError found = error("earlier_cell");
  EXPECT_EQ(found.line, 3);
  ASSERT_EQ(found.frames.size(), 2u);
  EXPECT_EQ(found.frames[0], (SourceFrame{"<cell 2>", 3, "", "late(3)"}));
  EXPECT_EQ(found.frames[1].function, "late");
  EXPECT_EQ(found.frames[1].code, "return [][x]");
  EXPECT_NE(found.frames[1].file, "<cell 2>");
}

TEST_P(PythonError, ShowsModulesOfTheUser) {
  const CodeError found = error("own_module");
  EXPECT_EQ(found.line, 3);
  EXPECT_THAT(found.frames, ElementsAre(SourceFrame{"<cell 1>", 3, "", "helper.reciprocal(0)"},
                                        SourceFrame{"/home/user/project/helper.py", 3, "reciprocal",
                                                    "return 1 / y"}));
}

TEST_P(PythonError, LeavesLibrariesToTheTraceback) {
  const CodeError found = error("library");
  EXPECT_EQ(found.type, "JSONDecodeError");
  EXPECT_THAT(found.frames, ElementsAre(SourceFrame{"<cell 1>", 3, "", "json.loads('{')"}));
  EXPECT_THAT(found.traceback, HasSubstr("decoder.py"));
  EXPECT_THAT(found.traceback, Not(HasSubstr("\x1b")));
}

TEST_P(PythonError, TellsThePlaceOfASyntaxError) {
  const CodeError found = error("syntax");
  EXPECT_EQ(found.type, "SyntaxError");
  EXPECT_EQ(found.line, 3);
  EXPECT_EQ(found.column, 9);
  EXPECT_THAT(found.frames, ElementsAre(SourceFrame{"<cell 1>", 3, "", "y = = 2"}));
  const CodeError indentation = error("indentation");
  EXPECT_EQ(indentation.line, 2);
  EXPECT_EQ(indentation.column, 1);
}

TEST_P(PythonError, TellsWhereABrokenModuleIsImported) {
  const CodeError found = error("syntax_from_import");
  EXPECT_EQ(found.line, 2);
  EXPECT_EQ(found.column, std::nullopt);
  EXPECT_THAT(found.frames,
              ElementsAre(SourceFrame{"<cell 1>", 2, "", "import broken"},
                          SourceFrame{"/home/user/project/broken.py", 2, "", "b = = 2"}));
}

TEST_P(PythonError, IsTheLastOfAChain) {
  const CodeError found = error("chained");
  EXPECT_EQ(found.type, "ValueError");
  EXPECT_EQ(found.message, "outer");
  EXPECT_EQ(found.line, 5);
  ASSERT_EQ(found.frames.size(), 2u);
  EXPECT_EQ(found.frames[0].line, 8);
  EXPECT_THAT(found.traceback, HasSubstr("KeyError: 'k'"));
}

TEST_P(PythonError, KeepsTheFirstAndTheLastFrames) {
  const CodeError found = error("deep");
  EXPECT_EQ(found.frames.size(), 17u);
  EXPECT_EQ(found.line, 16);
  EXPECT_THAT(found.traceback, HasSubstr("> 17 f0()"));
  EXPECT_THAT(found.traceback, HasSubstr("\n... [8 frames omitted] ...\n"));
  EXPECT_THAT(found.traceback, Not(HasSubstr("> 1 def f0()")));
  EXPECT_THAT(found.traceback, Not(HasSubstr("> 8 def f7()")));
  EXPECT_THAT(found.traceback, HasSubstr("> 9 def f8()"));
  EXPECT_THAT(found.traceback, EndsWith("RuntimeError: deep"));
}

TEST_P(PythonError, DoesNotTakeItsMessageForFrames) {
  const CodeError found = error("message_lines");
  EXPECT_EQ(found.line, 1);
  EXPECT_EQ(found.frames.size(), 1u);
  EXPECT_EQ(found.message, "first\n\nCell In[1], line 99\nlast");
}

TEST_P(PythonError, MayHaveNoMessage) {
  EXPECT_EQ(error("assertion").message, "");
  EXPECT_EQ(error("assertion").line, 1);
  EXPECT_EQ(error("exit").type, "SystemExit");
  EXPECT_EQ(error("exit").line, std::nullopt);
}

TEST_P(PythonError, CountsLinesFromAboveTheMagic) {
  // IPython 7 does not tell the line.
  if (std::string_view(GetParam()) != "python_7") {
    EXPECT_EQ(error("magic").line, 3);
  }
  EXPECT_EQ(error("magic").frames.back().file, "<cell 1>");
}

INSTANTIATE_TEST_SUITE_P(IPython, PythonError,
                         ::testing::Values("python_7", "python_8", "python_9"),
                         [](const auto& each) { return std::string(each.param); });

CodeError python(const std::string& type, const std::string& message, const std::string& traceback,
                 std::string_view code = "") {
  return make_code_error({type, message, {traceback}}, {code, "python", 4});
}

TEST(CodeErrorOfPython, ReadsTheOlderHeaders) {
  const auto lines = [](const CodeError& error) {
    std::vector<std::pair<std::string, int>> found;
    for (const SourceFrame& frame : error.frames) found.emplace_back(frame.file, frame.line);
    return found;
  };
  using ::testing::Pair;
  EXPECT_THAT(lines(python("E", "m",
                           "<ipython-input-4-0123abcd> in <module>\n----> 7 f(1)\n\n"
                           "<ipython-input-3-0123abcd> in f(x)\n      1 def f(x):\n----> 2     g\n"
                           "\n~/x.py in g()\n     11 def g():\n---> 12     raise E\n\nE: m")),
              ElementsAre(Pair("<cell 4>", 7), Pair("<cell 3>", 2), Pair("~/x.py", 12)));
  EXPECT_THAT(lines(python("E", "m",
                           "Input In [4], in <cell line: 7>()\n      6 x\n----> 7 f(1)\n\n"
                           "Input In [4], in f(x)\n      1 def f(x):\n----> 2     g\n\nE: m")),
              ElementsAre(Pair("<cell 4>", 7), Pair("<cell 4>", 2)));
  EXPECT_THAT(lines(python("E", "m",
                           "Traceback (most recent call last):\n"
                           "  File \"/srv/job.py\", line 9, in <module>\n    main()\n    ~~~~^^\n"
                           "  File \"/srv/job.py\", line 3, in main\n    raise E('m')\nE: m")),
              ElementsAre(Pair("/srv/job.py", 9), Pair("/srv/job.py", 3)));
}

TEST(CodeErrorOfPython, KeepsItsMessageWholeButNotInTheTraceback) {
  const std::string message(10'000, 'x');
  const CodeError error =
      python("ValueError", message, "Cell In[4], line 1\n----> 1 f()\n\nValueError: " + message);
  EXPECT_EQ(error.message, message);
  EXPECT_LT(error.traceback.size(), 4'200u);
  EXPECT_THAT(error.traceback, StartsWith("Cell In[4], line 1\n"));
  EXPECT_THAT(error.traceback, HasSubstr("ValueError: xxx"));
  EXPECT_THAT(error.traceback, HasSubstr("more characters in this line"));
}

TEST(CodeErrorOfPython, IsBoundedWhateverTheTraceback) {
  std::string huge = "Cell In[4], line 1\n";
  for (int i = 0; i < 100'000; ++i) huge += "context " + std::to_string(i) + "\n";
  EXPECT_LT(python("E", "m", huge + "\nE: m").traceback.size(), 21'000u);
}

TEST(CodeErrorOfPython, NeedsNothingToBeThere) {
  const CodeError error = make_code_error({"", "", {}}, {"", "python"});
  EXPECT_EQ(error.type, "Error");
  EXPECT_EQ(error.traceback, "");
  EXPECT_THAT(error.frames, IsEmpty());
}

TEST(CodeErrorOfR, TellsTheLinesThatItKnows) {
  const CodeError found = recorded("r", "nested");
  EXPECT_EQ(found.type, "ERROR");
  EXPECT_EQ(found.line, 5);
  EXPECT_THAT(found.frames, ElementsAre(SourceFrame{"<cell 1>", 0, "", "f(1)"},
                                        SourceFrame{"<cell 1>", 2, "f", "g(x)"},
                                        SourceFrame{"<cell 1>", 5, "g", "stop('inner')"}));
  EXPECT_EQ(recorded("r", "unknown").line, std::nullopt);
}

TEST(CodeErrorOfR, TellsThePlaceOfASyntaxError) {
  const CodeError found = recorded("r", "syntax");
  EXPECT_EQ(found.line, 2);
  EXPECT_EQ(found.column, 6);
}

constexpr const char* kNodeInternals =
    "    at Script.runInThisContext (node:vm:137:12)\n"
    "    at Object.<anonymous> (/usr/lib/kernel.js:3:12)\n"
    "    at Module._compile (node:internal/modules/cjs/loader:1521:14)";

TEST(CodeErrorOfJavaScript, ReadsTheStackOfV8) {
  const std::string code = "function f(x) {\n  return x.y.z;\n}\n\nf({});";
  const std::string stack =
      "evalmachine.<anonymous>:2\n  return x.y.z;\n             ^\n\n"
      "TypeError: Cannot read properties of undefined (reading 'z')\n"
      "    at f (evalmachine.<anonymous>:2:14)\n    at evalmachine.<anonymous>:5:1\n";
  const CodeError error = make_code_error(
      {"TypeError", "Cannot read properties of undefined (reading 'z')", {stack + kNodeInternals}},
      {code, "js", 2});
  EXPECT_EQ(error.line, 2);
  EXPECT_EQ(error.column, std::nullopt);
  EXPECT_THAT(error.frames, ElementsAre(SourceFrame{"<cell 2>", 5, "", "f({});"},
                                        SourceFrame{"<cell 2>", 2, "f", "return x.y.z;"}));
}

TEST(CodeErrorOfJavaScript, TellsThePlaceOfASyntaxError) {
  const std::string stack =
      "evalmachine.<anonymous>:2\n  let y = = 2;\n          ^\n\n"
      "SyntaxError: Unexpected token '='\n    at new Script (node:vm:117:7)\n";
  const CodeError error =
      make_code_error({"SyntaxError", "Unexpected token '='", {stack + kNodeInternals}},
                      {"let x = 1;\n  let y = = 2;", "javascript", 2});
  EXPECT_EQ(error.line, 2);
  EXPECT_EQ(error.column, 11);
  EXPECT_THAT(error.frames, ElementsAre(SourceFrame{"<cell 2>", 2, "", "let y = = 2;"}));
}

TEST(CodeErrorOfJavaScript, KnowsModulesAndEval) {
  const CodeError error =
      make_code_error({"Error",
                       "m",
                       {"Error: m\n    at eval (eval at run (/k/x.js:1:1), <anonymous>:2:9)\n"
                        "    at async load (file:///home/user/util.mjs:7:3)\n"
                        "    at <anonymous>:1:1\n"}},
                      {"one();\ntwo();", "typescript", 1});
  EXPECT_THAT(error.frames, ElementsAre(SourceFrame{"<cell 1>", 1, "", "one();"},
                                        SourceFrame{"/home/user/util.mjs", 7, "load", ""},
                                        SourceFrame{"<cell 1>", 2, "eval", "two();"}));
}

TEST(CodeErrorOfBash, TellsTheLine) {
  const CodeError error =
      make_code_error({"CommandFailed", "exit code 127", {"bash: line 2: nosuch: not found"}},
                      {"echo a\nnosuch", "sh", 1});
  EXPECT_EQ(error.line, 2);
  EXPECT_THAT(error.frames, ElementsAre(SourceFrame{"<cell 1>", 2, "", "nosuch"}));
  const CodeError script =
      make_code_error({"", "./x.sh: line 7: y: unset", {}}, {"./x.sh", "bash"});
  EXPECT_EQ(script.type, "Error");
  EXPECT_EQ(script.line, std::nullopt);
  EXPECT_THAT(script.frames, ElementsAre(SourceFrame{"./x.sh", 7, "", ""}));
}

// rows: H20
TEST(SystemExitCode, FollowsPythonsRule) {
  const auto code = [](const char* name, const char* message) {
    return system_exit_code({name, message, {}});
  };
  EXPECT_EQ(code("SystemExit", ""), 0);
  EXPECT_EQ(code("SystemExit", "None"), 0);
  EXPECT_EQ(code("SystemExit", "3"), 3);
  EXPECT_EQ(code("SystemExit", "-1"), 255);
  EXPECT_EQ(code("SystemExit", "3 apples"), 1);
  EXPECT_EQ(code("ValueError", "3"), std::nullopt);
}

TEST(CodeErrorOfBash, FindsTheLinesOfItsMessageWithoutATraceback) {
  std::string message;
  for (int i = 1; i <= 20; ++i) message += "bash: line " + std::to_string(i) + ": no\n";
  const CodeError error = make_code_error({"", message, {}}, {"", "bash"});
  EXPECT_EQ(error.frames.size(), 20u);
  EXPECT_EQ(error.traceback, "");
}

// What the guides' Python gives, number by number.
// rows: H10
TEST(ParseError, ReadsAsTheGuidesDo) {
  const auto parsed = [](const char* text) { return parse_error(text); };
  EXPECT_EQ(parsed("NameError: name 'x' is not defined").type, "NameError");
  EXPECT_EQ(parsed("json.decoder.JSONDecodeError: x").type, "JSONDecodeError");
  EXPECT_EQ(parsed("Error: x").type, "Unknown");
  EXPECT_EQ(parsed("An Error: then MyError: x").type, "MyError");
  EXPECT_EQ(parsed("KeyboardInterrupt").type, "Unknown");
  EXPECT_EQ(parsed("File \"a\", line 12, in f\nFile \"b\", line 3").line, 12);
  EXPECT_EQ(parsed("line x, baseline 5").line, 5);
  EXPECT_EQ(parsed("nothing").line, std::nullopt);
  EXPECT_EQ(parsed("line 99999999999999999999").line, std::nullopt);
  EXPECT_EQ(parsed(" ValueError: m \n").message, " ValueError: m \n");
}

// rows: H10
TEST(ParseError, KnowsAnyExceptionWhenAsked) {
  const auto parsed = [](const char* text) {
    return parse_error(text, ErrorReading::any_exception);
  };
  const char* const traceback =
      "Traceback (most recent call last):\n  File \"a.py\", line 12, in <module>\n    f()\n"
      "  File \"a.py\", line 3, in f\n    raise Stop('now:\\nline 5')\n"
      "mypackage.Stop: now:\nValueError: no\n";
  EXPECT_EQ(parsed(traceback).type, "Stop");
  EXPECT_EQ(parsed(traceback).line, 3);
  EXPECT_EQ(parsed(traceback).message, "now:\nValueError: no");
  EXPECT_EQ(parsed("...\nKeyboardInterrupt\n").type, "KeyboardInterrupt");
  EXPECT_EQ(parsed("KeyboardInterrupt: ").message, "");
  EXPECT_EQ(parsed("StopIteration").type, "StopIteration");
  EXPECT_EQ(parsed("SystemExit: 3").message, "3");
  EXPECT_EQ(parsed("/x.py:3: DeprecationWarning: old\n  f()").type, "DeprecationWarning");
  EXPECT_EQ(parsed("note: all well").type, "Unknown");
  EXPECT_EQ(parsed("note: all well").message, "note: all well");
  EXPECT_EQ(parsed("\x1b[31mValueError\x1b[0m: m").type, "ValueError");
}

}  // namespace
}  // namespace perijove
