#include "code/pip_install.hpp"

#include <gtest/gtest.h>

namespace perijove {
namespace {

// rows: L14
TEST(SilencePip, AddsTheOptionWhereAutoGenDoes) {
  EXPECT_EQ(silence_pip("!pip install pandas", "python"), "!pip install -qqq pandas");
  EXPECT_EQ(silence_pip("! pip install pandas\nimport pandas", "python"),
            "! pip install -qqq pandas\nimport pandas");
  EXPECT_EQ(silence_pip("pip install pandas\npython x.py\n", "bash"),
            "pip install -qqq pandas\npython x.py\n");
  EXPECT_EQ(silence_pip("pip install pandas", "sh"), "pip install -qqq pandas");
  EXPECT_EQ(silence_pip("pip install pandas", "pwsh"), "pip install -qqq pandas");
}

TEST(SilencePip, KnowsTheMagicAndTheModule) {
  EXPECT_EQ(silence_pip("%pip install x", "python"), "%pip install -qqq x");
  EXPECT_EQ(silence_pip("if True:\n    !python -m pip install x", "py"),
            "if True:\n    !python -m pip install -qqq x");
  EXPECT_EQ(silence_pip("  pip3  install x", "bash"), "  pip3  install -qqq x");
  EXPECT_EQ(silence_pip("python3 -m pip install", "bash"), "python3 -m pip install -qqq");
}

TEST(SilencePip, LeavesWhatIsSilentAndWhatInstallsNothing) {
  for (const char* const code :
       {"!pip install -qqq pandas", "!pip list", "# !pip install x", "pip install x",
        "x = '!pip install'", "!pipx install x", "!pip installer", "!python pip install x", ""}) {
    EXPECT_EQ(silence_pip(code, "python"), code);
  }
  EXPECT_EQ(silence_pip("pip install x", "r"), "pip install x");
  EXPECT_EQ(silence_pip("echo pip install x", "bash"), "echo pip install x");
}

TEST(SilencePip, KeepsEveryLine) {
  EXPECT_EQ(silence_pip("\n\n!pip install x\n\n", "python"), "\n\n!pip install -qqq x\n\n");
}

}  // namespace
}  // namespace perijove
