#include "model/process_exit.hpp"

#include <gtest/gtest.h>

namespace perijove {
namespace {

TEST(ProcessExit, NamesTheExitCode) {
  EXPECT_EQ(describe(ProcessExit::exited(7)), "exited with code 7");
}

TEST(ProcessExit, NamesTheSignal) {
  EXPECT_EQ(describe(ProcessExit::killed_by(11)), "was killed by signal 11 (SIGSEGV)");
  EXPECT_EQ(describe(ProcessExit::killed_by(50)), "was killed by signal 50");
}

TEST(ProcessExit, SaysWhatSigxcpuMeans) {
  EXPECT_EQ(describe(ProcessExit::killed_by(24)),
            "was killed by signal 24 (SIGXCPU), its limit of CPU time");
}

TEST(ProcessExit, TakesSigkillForNoProofOfMissingMemory) {
  EXPECT_EQ(describe(ProcessExit::killed_by(9)),
            "was killed by signal 9 (SIGKILL), which the system also sends to processes when "
            "memory runs out");
}

TEST(ProcessExit, BelievesEvidenceAboutMemory) {
  ProcessExit exit = ProcessExit::killed_by(9);
  exit.out_of_memory = true;
  EXPECT_EQ(describe(exit), "was killed because it ran out of memory");
  exit.out_of_memory = false;
  EXPECT_EQ(describe(exit), "was killed by signal 9 (SIGKILL)");
}

TEST(ProcessExit, AdmitsWhatItDoesNotKnow) { EXPECT_EQ(describe({}), "ended in an unknown way"); }

}  // namespace
}  // namespace perijove
