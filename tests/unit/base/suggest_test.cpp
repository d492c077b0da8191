#include "base/suggest.hpp"

#include <gmock/gmock.h>

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<std::string> kKernels = {"bash", "ir", "julia-1.9", "python3", "xpython"};

TEST(Suggest, FindsSwappedLetters) {
  EXPECT_THAT(closest_names("pyhton3", kKernels), ElementsAre("python3"));
}

TEST(Suggest, FindsWrongCase) { EXPECT_THAT(closest_names("IR", kKernels), ElementsAre("ir")); }

TEST(Suggest, FindsAnAbbreviation) {
  EXPECT_THAT(closest_names("julia", kKernels), ElementsAre("julia-1.9"));
}

TEST(Suggest, PutsTheClosestFirst) {
  EXPECT_THAT(closest_names("python", kKernels), ElementsAre("python3", "xpython"));
}

TEST(Suggest, ReturnsNoMoreThanAsked) {
  EXPECT_THAT(closest_names("python", kKernels, 1), ElementsAre("python3"));
}

TEST(Suggest, IsSilentWhenNothingIsClose) {
  EXPECT_THAT(closest_names("octave", kKernels), IsEmpty());
  EXPECT_THAT(closest_names("", kKernels), IsEmpty());
  EXPECT_EQ(did_you_mean("octave", kKernels), "");
}

TEST(Suggest, IsSilentForNamesTooLongToBeAMistake) {
  EXPECT_THAT(closest_names(std::string(100'000, 'p'), kKernels), IsEmpty());
}

TEST(Suggest, AsksInOneSentence) {
  EXPECT_EQ(did_you_mean("pyhton3", kKernels), "did you mean 'python3'?");
  EXPECT_EQ(did_you_mean("python", kKernels), "did you mean 'python3' or 'xpython'?");
  EXPECT_EQ(did_you_mean("aa", {"ab", "ac", "ad"}), "did you mean 'ab', 'ac' or 'ad'?");
}

}  // namespace
}  // namespace perijove
