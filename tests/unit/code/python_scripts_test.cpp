#include "code/python_scripts.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace perijove {
namespace {

namespace fs = std::filesystem;

/// What src/code/python says under this name: a file, or the files of a folder in their order.
std::string source_text(const std::string& name) {
  const fs::path folder = fs::path(PERIJOVE_SOURCE_DIR) / "src/code/python";
  std::vector<fs::path> parts;
  if (fs::is_directory(folder / name)) {
    for (const auto& entry : fs::directory_iterator(folder / name)) {
      if (entry.path().extension() == ".py") parts.push_back(entry.path());
    }
    std::sort(parts.begin(), parts.end());
  } else {
    parts.push_back(folder / (name + ".py"));
  }
  std::string text;
  for (const fs::path& part : parts) {
    std::ifstream file(part, std::ios::binary);
    EXPECT_TRUE(file) << part;
    text.append(std::istreambuf_iterator<char>(file), {});
  }
  return text;
}

TEST(PythonScripts, AreTheirSourcesByteForByte) {
  EXPECT_EQ(kCheckCodeScript, source_text("check_code"));
  EXPECT_EQ(kFunctionsScript, source_text("functions"));
  EXPECT_EQ(kPackagesScript, source_text("packages"));
  EXPECT_EQ(kRestrictedScript, source_text("restricted"));
  EXPECT_EQ(kVariablesScript, source_text("variables"));
}

// execve takes no argument longer than 128 KiB, and no NUL.
TEST(PythonScripts, FitInOneArgument) {
  for (const std::string_view script :
       {kCheckCodeScript, kFunctionsScript, kRestrictedScript, kVariablesScript}) {
    EXPECT_THAT(script.size(), ::testing::AllOf(::testing::Gt(1000u), ::testing::Lt(128u * 1024)));
    EXPECT_EQ(script.find('\0'), script.npos);
  }
}

}  // namespace
}  // namespace perijove
