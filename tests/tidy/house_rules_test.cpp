// What no file of ours may do, and what to do instead.
#include <gmock/gmock.h>

#include "source_tree.hpp"

namespace perijove::tidy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct BannedCall {
  const char* name;
  const char* instead;
  std::vector<std::string> where;   // paths that begin so
  std::vector<std::string> except;  // but not so
};

const std::vector<BannedCall> kBannedCalls = {
    {"system",
     "ChildProcess::spawn: no shell reads what we start",
     {"src/", "kernels/", "tests/"},
     {}},
    {"popen",
     "ChildProcess::spawn: no shell reads what we start",
     {"src/", "kernels/", "tests/"},
     {}},
    {"rand",
     "random_hex for secrets, std::mt19937 with a printed seed for tests",
     {"src/", "kernels/", "tests/"},
     {}},
    {"srand", "std::mt19937 with a printed seed", {"src/", "kernels/", "tests/"}, {}},
    {"strtol", "std::from_chars: it knows errors and no locale", {"src/"}, {}},
    {"strtoul", "std::from_chars: it knows errors and no locale", {"src/"}, {}},
    {"strtod", "std::from_chars: it knows errors and no locale", {"src/"}, {}},
    {"atoi", "std::from_chars: it knows errors and no locale", {"src/", "kernels/", "tests/"}, {}},
    {"atof", "std::from_chars: it knows errors and no locale", {"src/", "kernels/", "tests/"}, {}},
    {"stoi", "std::from_chars: it throws nothing", {"src/"}, {}},
    {"sscanf",
     "std::from_chars: it knows errors and no locale",
     {"src/", "kernels/", "tests/"},
     {}},
    {"sprintf",
     "std::snprintf: it knows where the buffer ends",
     {"src/", "kernels/", "tests/"},
     {}},
    {"strcpy", "std::string", {"src/", "kernels/", "tests/"}, {}},
    {"strcat", "std::string", {"src/", "kernels/", "tests/"}, {}},
    {"strtok", "std::string_view", {"src/", "kernels/", "tests/"}, {}},
    {"gmtime", "gmtime_r: it shares nothing between threads", {"src/", "kernels/", "tests/"}, {}},
    {"localtime", "format_utc: what is told is told in UTC", {"src/", "kernels/", "tests/"}, {}},
    {"tmpnam", "testing::TempDir, or a file without a name", {"src/", "kernels/", "tests/"}, {}},
    {"regex",
     "a parser by hand: std::regex recurses on what strangers write",
     {"src/", "kernels/"},
     {}},
    {"fork", "start_process: between fork and exec nothing may run but system calls", {"src/"}, {}},
    // A shard must not block, and a test that sleeps is either slow or wrong.
    {"sleep_for", "a timer on the loop", {"src/"}, {"src/app/"}},
    {"sleep_for",
     "testing::run_until: wait for the event, with a deadline",
     {"tests/"},
     {"tests/bench/"}},
    {"sleep", "testing::run_until: wait for the event, with a deadline", {"src/", "tests/"}, {}},
    {"usleep", "testing::run_until: wait for the event, with a deadline", {"src/", "tests/"}, {}},
};

// In two pieces, so that this file does not break its own rule.
const std::vector<std::string> kUnfinishedWords = {std::string("TO") + "DO",
                                                   std::string("FIX") + "ME"};

// A file beyond it has more than one reason to change. Tests are tables, and may be longer.
std::size_t lines_max(std::string_view path) {
  return path.find("/tests/") != path.npos || path.starts_with("tests/") ? 700 : 600;
}

bool is_source(std::string_view path) {
  return is_cpp(path) || path.ends_with(".py") || path.ends_with(".mjs") || path.ends_with(".sh");
}

bool applies(const BannedCall& ban, std::string_view path) {
  const auto begins = [&](const std::string& each) { return path.starts_with(each); };
  return std::any_of(ban.where.begin(), ban.where.end(), begins) &&
         std::none_of(ban.except.begin(), ban.except.end(), begins);
}

std::vector<std::string> complaints_about(const SourceFile& file) {
  std::vector<std::string> complaints;
  const auto complain = [&](std::size_t line, const std::string& what) {
    complaints.push_back(file.path + ":" + std::to_string(line) + ": " + what);
  };
  const auto lines = lines_of(file.text);
  if (lines.size() > lines_max(file.path)) {
    complain(lines.size(),
             "longer than " + std::to_string(lines_max(file.path)) + " lines: divide it");
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (const std::string& word : kUnfinishedWords) {
      if (lines[i].find(word) != lines[i].npos)
        complain(i + 1, "'" + word + "': finish it, or say why not");
    }
  }
  if (!is_cpp(file.path)) return complaints;
  if (file.path.ends_with(".hpp") && (lines.empty() || lines[0] != "#pragma once")) {
    complain(1, "a header begins with #pragma once");
  }
  const std::string code = without_comments_and_literals(file.text);
  for (const BannedCall& ban : kBannedCalls) {
    if (!applies(ban, file.path)) continue;
    for (const std::size_t line : calls_of(code, ban.name)) {
      complain(line, std::string(ban.name) + "(): use " + ban.instead);
    }
  }
  return complaints;
}

// ---- the rules themselves ----

std::vector<std::string> complaints(const std::string& path, const std::string& text) {
  return complaints_about({path, text});
}

TEST(HouseRules, NameTheCallAndWhatToDoInstead) {
  EXPECT_THAT(complaints("src/app/a.cpp", "int main() {\n  return std::system(\"ls\");\n}\n"),
              ElementsAre("src/app/a.cpp:2: system(): use ChildProcess::spawn: no shell reads what "
                          "we start"));
  EXPECT_EQ(complaints("src/io/a.cpp", "int a = ::rand ();").size(), 1u);
  EXPECT_EQ(complaints("tests/unit/a.cpp", "std::this_thread::sleep_for(kPause);").size(), 1u);
  EXPECT_THAT(complaints("tests/bench/a.cpp", "std::this_thread::sleep_for(kPause);"), IsEmpty());
}

TEST(HouseRules, LookAtCodeOnly) {
  EXPECT_THAT(
      complaints("src/io/a.cpp",
                 "// never call system()\n/* rand() */ int brand(int);\n"
                 "const char* a = \"system(\\\"x\\\") \"; char b = '\"'; int operand(int);\n"
                 "const char* c = R\"x(system(\")\" )x\"; int d = 1'000; the.system(1);\n"),
      IsEmpty());
  EXPECT_EQ(complaints("src/io/a.cpp", "char a = '\"'; system(b); char c = '\"';").size(), 1u);
  EXPECT_EQ(complaints("src/io/a.cpp", "int a = 1'000; system(b); int c = 2'000;").size(), 1u);
}

TEST(HouseRules, BoundTheLengthOfFiles) {
  std::string text;
  for (int i = 0; i < 601; ++i) text += "\n";
  EXPECT_EQ(complaints("src/io/a.cpp", text).size(), 1u);
  EXPECT_THAT(complaints("tests/unit/a.cpp", text), IsEmpty());
  EXPECT_THAT(complaints("kernels/echo/tests/a.py", text), IsEmpty());
}

TEST(HouseRules, WantHeadersToBeIncludedOnce) {
  EXPECT_EQ(complaints("src/io/a.hpp", "#ifndef A\n").size(), 1u);
  EXPECT_THAT(complaints("src/io/a.hpp", "#pragma once\n"), IsEmpty());
}

TEST(HouseRules, WantThingsFinished) {
  for (const std::string& word : kUnfinishedWords) {
    EXPECT_EQ(complaints("src/io/a.py", "x = 1  # " + word + ": later\n").size(), 1u);
  }
}

// ---- the tree ----

TEST(House, KeepsItsRules) {
  const auto files = read_tree({"src", "include", "kernels", "tests", "scripts", "cmake"});
  ASSERT_GT(files.size(), 200u) << "where are the sources?";
  for (const SourceFile& file : files) {
    if (!is_source(file.path)) continue;
    EXPECT_THAT(complaints_about(file), IsEmpty());
  }
}

// What is written on one machine must read the same on every other.
TEST(House, NamesNoPlaceOfTheMachineItIsOn) {
  const std::string here = std::string(PERIJOVE_SOURCE_DIR) + "/";
  for (const SourceFile& file : read_tree({"."})) {
    EXPECT_EQ(file.text.find(here), std::string::npos) << file.path << " names " << here;
  }
}

}  // namespace
}  // namespace perijove::tidy
