#include "executor/admission.hpp"

#include <gmock/gmock.h>

#include "support/loop.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

class AdmissionTest : public ::testing::Test {
 protected:
  void begin() {
    Admission::Hooks hooks;
    hooks.on_ask = [this] { ++questions_; };
    hooks.done = [this](AdmissionVerdict verdict) {
      EXPECT_FALSE(verdict_) << "decided once";
      verdict_ = std::move(verdict);
    };
    admission_ = std::make_shared<Admission>(shard_, python_, request_, std::move(hooks));
    admission_->begin();
    EXPECT_FALSE(verdict_) << "decided from the loop";
  }
  bool wait() {
    return testing::run_until(shard_.loop(), [this] { return verdict_.has_value(); });
  }
  AdmissionVerdict decide() {
    begin();
    EXPECT_TRUE(wait());
    return verdict_.value_or(AdmissionVerdict{});
  }
  void add(const std::string& language, const std::string& code) {
    request_.blocks.push_back({.language = language, .code = code});
  }

  Shard shard_;
  PythonHelper python_{shard_, "/usr/bin/python3"};
  AdmissionRequest request_;
  std::shared_ptr<Admission> admission_;
  std::optional<AdmissionVerdict> verdict_;
  int questions_ = 0;
};

TEST_F(AdmissionTest, IsNeededWhenSomethingIsAskedFor) {
  EXPECT_FALSE(request_.needed());
  request_.sanitize = true;
  EXPECT_TRUE(request_.needed());
}

TEST_F(AdmissionTest, SoundCodeIsLetIn) {
  request_.validation = {.mode = Validation::Mode::deny, .profile = "strict"};
  add("python", "x = 1");
  add("bash", "import os");  // no Python: the checker does not read it
  const auto verdict = decide();
  EXPECT_FALSE(verdict.refusal);
  EXPECT_THAT(verdict.warnings, SizeIs(0));
}

TEST_F(AdmissionTest, ARefusalNamesBlockAndLineAndAllThatIsWrongInIt) {
  request_.validation = {.mode = Validation::Mode::deny, .profile = "strict"};
  add("python", "x = 1");
  add("python", "x = 1\nimport os\neval('1')");
  const auto verdict = decide();
  ASSERT_TRUE(verdict.refusal);
  EXPECT_EQ(verdict.refusal->block, 1);
  EXPECT_EQ(verdict.refusal->type, "validation_failed");
  EXPECT_EQ(verdict.refusal->line, 2);
  EXPECT_THAT(verdict.refusal->message, HasSubstr("Line 2: "));
  EXPECT_THAT(verdict.refusal->message, HasSubstr("\nLine 3: "));
}

TEST_F(AdmissionTest, WarningsLetTheCodeIn) {
  request_.validation = {.mode = Validation::Mode::warn, .profile = "guide"};
  add("python", "import os");
  const auto verdict = decide();
  EXPECT_FALSE(verdict.refusal);
  EXPECT_THAT(verdict.warnings, ElementsAre(StartsWith("block 0: ")));
}

TEST_F(AdmissionTest, WithoutAnAnswerOfTheCheckerTheCodeIsRefused) {
  PythonHelper nowhere(shard_, "/no/such/python3");
  request_.validation = {.mode = Validation::Mode::deny, .profile = "standard"};
  add("python", "x = 1");
  Admission::Hooks hooks{
      .on_ask = [] {}, .done = [this](AdmissionVerdict verdict) { verdict_ = std::move(verdict); }};
  const auto admission = std::make_shared<Admission>(shard_, nowhere, request_, std::move(hooks));
  admission->begin();
  ASSERT_TRUE(wait());
  ASSERT_TRUE(verdict_->refusal);
  EXPECT_THAT(verdict_->refusal->message, StartsWith("the code could not be checked: "));
}

TEST_F(AdmissionTest, NobodyIsAskedAboutRefusedCode) {
  request_.validation = {.mode = Validation::Mode::deny, .profile = "guide"};
  request_.approval.required = true;
  add("python", "import os");
  EXPECT_TRUE(decide().refusal);
  EXPECT_EQ(questions_, 0);
}

TEST_F(AdmissionTest, ItWaitsForTheAnswer) {
  request_.approval.required = true;
  add("python", "x");
  begin();
  ASSERT_TRUE(testing::run_until(shard_.loop(), [this] { return questions_ == 1; }));
  EXPECT_TRUE(admission_->waits_for_approval());
  EXPECT_FALSE(verdict_);
  EXPECT_TRUE(admission_->answer(true, ""));
  EXPECT_FALSE(admission_->answer(false, "")) << "only the first answer counts";
  ASSERT_TRUE(wait());
  EXPECT_FALSE(verdict_->refusal);
}

TEST_F(AdmissionTest, ANoIsToldInAutoGensWords) {
  request_.approval.required = true;
  add("python", "x");
  begin();
  ASSERT_TRUE(testing::run_until(shard_.loop(), [this] { return questions_ == 1; }));
  admission_->answer(false, "too risky");
  ASSERT_TRUE(wait());
  ASSERT_TRUE(verdict_->refusal);
  EXPECT_EQ(verdict_->refusal->type, "not_approved");
  EXPECT_EQ(verdict_->refusal->message, "Code execution was not approved. Reason: too risky");
}

TEST_F(AdmissionTest, NoAnswerInTimeIsANo) {
  request_.approval = {.required = true, .wait = std::chrono::milliseconds(20)};
  add("python", "x");
  const auto verdict = decide();
  ASSERT_TRUE(verdict.refusal);
  EXPECT_THAT(verdict.refusal->message, HasSubstr("within 20 ms"));
}

TEST_F(AdmissionTest, DroppedItDecidesNothing) {
  request_.validation = {.mode = Validation::Mode::deny, .profile = "strict"};
  add("python", "x");
  begin();
  shard_.loop().run_one();  // the checker runs
  admission_.reset();
  shard_.loop().restart();
  shard_.loop().poll();
  EXPECT_FALSE(verdict_);
}

}  // namespace
}  // namespace perijove
