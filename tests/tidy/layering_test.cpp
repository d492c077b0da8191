// Who may include whom: the floors of docs/architecture.md, as a test.
#include <gmock/gmock.h>

#include <map>
#include <optional>
#include <set>

#include "source_tree.hpp"

namespace perijove::tidy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Floor {
  std::set<std::string> below;         // the floors it may include, besides itself
  std::vector<std::string> libraries;  // the others' headers it may include, by how they begin
};

const std::map<std::string, Floor> kFloors = {
    {"base", {{}, {"spdlog/"}}},
    {"protocol", {{"base"}, {"nlohmann/", "openssl/", "zlib.h"}}},
    {"code", {{"base", "protocol"}, {"nlohmann/"}}},
    {"model", {{"base", "protocol"}, {}}},
    {"io", {{"base", "protocol", "model"}, {"boost/asio/", "zmq.hpp"}}},
    {"net", {{"base", "protocol", "model", "io"}, {"boost/asio/", "boost/beast/"}}},
    {"provision", {{"base", "protocol", "model", "io", "net"}, {"boost/asio/", "nlohmann/"}}},
    {"engine",
     {{"base", "protocol", "model", "io", "net", "provision", "code"},
      {"boost/asio/", "nlohmann/"}}},
    {"executor",
     {{"base", "protocol", "code", "model", "io", "net", "provision", "engine"},
      {"boost/asio/", "nlohmann/"}}},
    {"api",
     {{"base", "protocol", "code", "model", "io", "net", "provision", "engine", "executor"},
      {"boost/asio/", "nlohmann/"}}},
    {"faces",
     {{"base", "protocol", "code", "model", "io", "net", "provision", "engine", "executor"},
      {"boost/asio/", "nlohmann/"}}},
    {"app",
     {{"base", "protocol", "code", "model", "io", "net", "provision", "engine", "executor",
       "faces"},
      {"boost/asio/", "nlohmann/", "CLI/", "zmq.h"}}},
};

// base, protocol, code and model take bytes and time and return values: sockets, threads, files and
// clocks belong on floor io and above.
const std::set<std::string> kPure = {"base", "protocol", "code", "model"};

const std::set<std::string> kImpureHeaders = {
    // threads
    "thread", "mutex", "shared_mutex", "condition_variable", "future", "semaphore", "latch",
    "barrier", "stop_token", "pthread.h",
    // files
    "filesystem", "fstream", "iostream", "unistd.h", "fcntl.h", "dirent.h", "sys/stat.h",
    "sys/file.h", "sys/mman.h", "sys/ioctl.h",
    // sockets and processes
    "sys/socket.h", "sys/un.h", "sys/epoll.h", "sys/wait.h", "sys/types.h", "poll.h", "signal.h",
    "csignal", "spawn.h", "netdb.h", "netinet/in.h", "netinet/tcp.h", "arpa/inet.h",
    // clocks
    "sys/time.h", "time.h"};

const std::vector<std::string> kImpureCalls = {
    "now",  "time",  "gettimeofday", "clock_gettime", "getenv",   "secure_getenv",
    "open", "fopen", "socket",       "fork",          "sleep_for"};

struct Include {
  std::size_t line;
  std::string target;
  bool quoted;
};

std::vector<Include> includes_of(std::string_view text) {
  std::vector<Include> found;
  std::size_t number = 0;
  for (std::string_view line : lines_of(text)) {
    ++number;
    const std::size_t hash = line.find_first_not_of(" \t");
    if (hash == line.npos || line[hash] != '#') continue;
    line.remove_prefix(hash + 1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (!line.starts_with("include")) continue;
    const std::size_t open = line.find_first_of("<\"");
    if (open == line.npos) continue;
    const std::size_t close = line.find_first_of(">\"", open + 1);
    found.push_back(
        {number, std::string(line.substr(open + 1, close - open - 1)), line[open] == '"'});
  }
  return found;
}

std::string first_part(std::string_view path) {
  return std::string(path.substr(0, path.find('/')));
}

bool begins_with_one_of(std::string_view text, const std::vector<std::string>& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](const std::string& each) { return text.starts_with(each); });
}

bool is_third_party(std::string_view target) {
  return begins_with_one_of(target, {"boost/", "zmq", "openssl/", "nlohmann/", "spdlog/", "fmt/",
                                     "CLI/", "xeus", "sqlite3", "zlib.h", "gtest/", "gmock/"});
}

// The lowest floor that may include this library, for the complaint.
std::string home_of(const std::string& target) {
  for (const char* floor : {"base", "protocol", "code", "model", "io", "net", "provision", "engine",
                            "executor", "api", "faces", "app"}) {
    if (begins_with_one_of(target, kFloors.at(floor).libraries)) return floor;
  }
  return "none";
}

// What is wrong with one include of a file on `floor`; nullopt when nothing is.
std::optional<std::string> fault_of(const std::string& path, const std::string& floor,
                                    const Include& include) {
  const std::string& target = include.target;
  if (!include.quoted) {
    if (is_third_party(target)) {
      if (target == "nlohmann/json.hpp" && path.ends_with(".hpp")) {
        return "a header names nlohmann/json_fwd.hpp only";
      }
      if (begins_with_one_of(target, kFloors.at(floor).libraries)) return std::nullopt;
      return "floor " + floor + " may not use it; it belongs on floor " + home_of(target);
    }
    if (kPure.contains(floor) && kImpureHeaders.contains(target)) {
      return "floor " + floor +
             " is free of sockets, threads, files and clocks; it belongs on floor io";
    }
    return std::nullopt;
  }
  const std::string from = first_part(target);
  if (from == "perijove" || from == floor) {
    // A face knows no other face: src/faces/NAME/ includes faces/NAME/ and what stands beside it.
    if (from != "faces" || path.substr(4).starts_with(target.substr(0, target.rfind('/') + 1))) {
      return std::nullopt;
    }
    return "a face knows no other face";
  }
  if (!kFloors.contains(from)) return "there is no floor " + from;
  if (kFloors.at(floor).below.contains(from)) return std::nullopt;
  return "floor " + floor + " may not include floor " + from + ", which does not stand below it";
}

std::vector<std::string> complaints_about(const SourceFile& file) {
  std::vector<std::string> complaints;
  const auto complain = [&](std::size_t line, const std::string& what) {
    complaints.push_back(file.path + ":" + std::to_string(line) + ": " + what);
  };
  if (file.path.starts_with("include/")) {
    for (const Include& include : includes_of(file.text)) {
      if (is_third_party(include.target) ||
          (include.quoted && first_part(include.target) != "perijove")) {
        complain(include.line, include.target + ": public headers need nobody else's");
      }
    }
    return complaints;
  }
  const std::string floor = first_part(std::string_view(file.path).substr(4));  // behind "src/"
  if (!kFloors.contains(floor)) return {file.path + ": there is no floor " + floor};
  for (const Include& include : includes_of(file.text)) {
    if (const auto fault = fault_of(file.path, floor, include)) {
      complain(include.line, include.target + ": " + *fault);
    }
  }
  if (kPure.contains(floor)) {
    const std::string code = without_comments_and_literals(file.text);
    for (const std::string& call : kImpureCalls) {
      for (const std::size_t line : calls_of(code, call)) {
        complain(line, call + "(): floor " + floor +
                           " asks nobody outside; pass what it needs as an argument");
      }
    }
  }
  return complaints;
}

// ---- the rules themselves ----

std::vector<std::string> complaints(const std::string& path, const std::string& text) {
  return complaints_about({path, text});
}

TEST(LayeringRules, AllowWhatStandsBelow) {
  EXPECT_THAT(complaints("src/engine/kernel.cpp",
                         "#include \"engine/kernel.hpp\"\n#include <boost/asio/post.hpp>\n"
                         "#include <mutex>\n#include \"base/ids.hpp\"\n#include \"net/http.hpp\"\n"
                         "#include \"perijove/result.hpp\"\n"),
              IsEmpty());
}

TEST(LayeringRules, RefuseWhatStandsAboveOrBeside) {
  EXPECT_THAT(complaints("src/model/journal.cpp", "\n#include \"io/spill_file.hpp\"\n"),
              ElementsAre("src/model/journal.cpp:2: io/spill_file.hpp: floor model may not include "
                          "floor io, which does not stand below it"));
  EXPECT_EQ(complaints("src/net/a.hpp", "#include \"provision/provisioner.hpp\"\n").size(), 1u);
  EXPECT_EQ(complaints("src/base/a.hpp", "# include  \"protocol/a.hpp\"").size(), 1u);
  EXPECT_EQ(complaints("src/io/a.hpp", "#include \"attic/a.hpp\"").size(), 1u);
  EXPECT_EQ(complaints("src/attic/a.hpp", "").size(), 1u);
}

TEST(LayeringRules, RefuseALibraryOnTheWrongFloor) {
  EXPECT_THAT(complaints("src/engine/a.cpp", "#include <boost/beast/http.hpp>\n"),
              ElementsAre("src/engine/a.cpp:1: boost/beast/http.hpp: floor engine may not use it; "
                          "it belongs on floor net"));
  EXPECT_EQ(complaints("src/protocol/a.cpp", "#include <zmq.hpp>\n").size(), 1u);
  EXPECT_EQ(complaints("src/protocol/a.hpp", "#include <nlohmann/json.hpp>\n").size(), 1u);
  EXPECT_THAT(complaints("src/protocol/a.hpp", "#include <nlohmann/json_fwd.hpp>\n"), IsEmpty());
  EXPECT_THAT(complaints("src/protocol/a.cpp", "#include <nlohmann/json.hpp>\n"), IsEmpty());
}

TEST(LayeringRules, KeepTheLowerFloorsPure) {
  for (const char* header : {"<thread>", "<fstream>", "<sys/socket.h>", "<unistd.h>"}) {
    const std::string text = std::string("#include ") + header + "\n";
    EXPECT_EQ(complaints("src/protocol/a.cpp", text).size(), 1u) << header;
    EXPECT_THAT(complaints("src/io/a.cpp", text), IsEmpty()) << header;
  }
  const std::string asks = "auto a = Clock::now();\nauto b = std::getenv(\"HOME\");\n";
  EXPECT_EQ(complaints("src/model/a.cpp", asks).size(), 2u);
  EXPECT_THAT(complaints("src/engine/a.cpp", asks), IsEmpty());
  EXPECT_THAT(complaints("src/model/a.cpp",
                         "// Clock::now() is the shell's\nint known(int now);\n"
                         "const char* text = \"getenv(\";\nfile.open(path);\n"),
              IsEmpty());
}

TEST(LayeringRules, KeepFacesApart) {
  EXPECT_THAT(complaints("src/faces/jupyter/a.cpp", "#include \"faces/jupyter/b.hpp\"\n"),
              IsEmpty());
  EXPECT_THAT(complaints("src/faces/jupyter/a.cpp", "#include \"faces/shared.hpp\"\n"), IsEmpty());
  EXPECT_EQ(complaints("src/faces/jupyter/a.cpp", "#include \"faces/mcp/b.hpp\"\n").size(), 1u);
}

TEST(LayeringRules, KeepPublicHeadersFreeOfOthers) {
  EXPECT_EQ(complaints("include/perijove/a.hpp", "#include <boost/asio.hpp>\n").size(), 1u);
  EXPECT_EQ(complaints("include/perijove/a.hpp", "#include \"base/ids.hpp\"\n").size(), 1u);
  EXPECT_THAT(complaints("include/perijove/a.hpp", "#include <string>\n"), IsEmpty());
}

// ---- the tree ----

TEST(Layering, EveryFileStaysOnItsFloor) {
  const auto files = read_tree({"src", "include"});
  ASSERT_GT(files.size(), 100u) << "where are the sources?";
  for (const SourceFile& file : files) {
    if (!is_cpp(file.path)) continue;
    EXPECT_THAT(complaints_about(file), IsEmpty());
  }
}

TEST(Layering, KernelsShareNoCodeWithTheGateway) {
  for (const SourceFile& file : read_tree({"kernels"})) {
    if (!is_cpp(file.path)) continue;
    for (const Include& include : includes_of(file.text)) {
      const bool ours =
          include.quoted && (std::filesystem::exists(std::filesystem::path(PERIJOVE_SOURCE_DIR) /
                                                     "src" / include.target) ||
                             first_part(include.target) == "perijove");
      EXPECT_FALSE(ours) << file.path << ':' << include.line << ": " << include.target
                         << ": the wire protocol is all that is between kernels and gateway";
    }
  }
}

}  // namespace
}  // namespace perijove::tidy
