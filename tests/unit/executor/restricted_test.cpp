#include "executor/restricted.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace perijove {
namespace {

using nlohmann::json;

TEST(RestrictedResult, OfSuccessIsWhatWasPrinted) {
  const BlockResult result =
      restricted_result(2, json{{"success", true}, {"output", "6\n"}, {"error", nullptr}});
  EXPECT_EQ(result.index, 2);
  EXPECT_EQ(result.status, CodeStatus::ok);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.stdout_text, "6\n");
  EXPECT_FALSE(result.error);
}

TEST(RestrictedResult, OfRefusedCodeIsItsReasons) {
  const BlockResult result =
      restricted_result(0, json{{"success", false},
                                {"output", "Line 1: No imports\nLine 2: No files"},
                                {"error", "SecurityError: Line 1: No imports"},
                                {"line", 1}});
  EXPECT_EQ(result.status, CodeStatus::error);
  EXPECT_EQ(result.stdout_text, "");
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->type, "SecurityError");
  EXPECT_EQ(result.error->traceback, "Line 1: No imports\nLine 2: No files");
  EXPECT_EQ(result.error->line, 1);
}

TEST(RestrictedResult, OfAnErrorKeepsWhatWasPrinted) {
  const BlockResult result =
      restricted_result(0, json{{"success", false},
                                {"output", "before\n"},
                                {"error", "ZeroDivisionError: division by zero"},
                                {"line", nullptr}});
  EXPECT_EQ(result.stdout_text, "before\n");
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->type, "ZeroDivisionError");
  EXPECT_EQ(result.error->message, "division by zero");
  EXPECT_FALSE(result.error->line);
}

TEST(RestrictedResult, AnErrorMayHaveNoMessage) {
  const BlockResult result = restricted_result(
      0, json{{"success", false}, {"output", ""}, {"error", "KeyError"}, {"line", 1}});
  EXPECT_EQ(result.error->type, "KeyError");
  EXPECT_EQ(result.error->message, "");
}

TEST(RestrictedResult, TellsItsTimeFromOtherFaults) {
  const BlockResult late = restricted_result(0, Error{Code::deadline_exceeded, "too late"});
  EXPECT_EQ(late.status, CodeStatus::timeout);
  EXPECT_EQ(late.exit_code, 124);
  const BlockResult fault = restricted_result(0, Error{Code::unavailable, "no answer"});
  EXPECT_EQ(fault.status, CodeStatus::error);
  EXPECT_EQ(fault.error->type, "restricted_failed");
}

}  // namespace
}  // namespace perijove
