#include "common/requests.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace perijove::kernels {
namespace {

using nlohmann::json;

TEST(Requests, ReplyTypesFollowRequestTypes) {
  EXPECT_EQ(reply_type_of("execute_request"), "execute_reply");
  EXPECT_TRUE(is_request("x_request"));
  EXPECT_FALSE(is_request("comm_msg"));
}

TEST(Requests, CellsAndCommsAreForXeus) {
  EXPECT_TRUE(is_for_xeus("execute_request"));
  EXPECT_TRUE(is_for_xeus("comm_close"));
  EXPECT_FALSE(is_for_xeus("shutdown_request"));
  EXPECT_FALSE(is_for_xeus(""));
}

TEST(Requests, WellFormedContentHasNoFault) {
  EXPECT_EQ(fault_of("execute_request", {{"code", "1"}, {"silent", false}, {"more", 1}}),
            std::nullopt);
  EXPECT_EQ(fault_of("kernel_info_request", json::object()), std::nullopt);  // not for xeus
  EXPECT_EQ(fault_of("comm_msg", {{"comm_id", std::string(55, 'x')}}), std::nullopt);
}

TEST(Requests, FaultsNameTheField) {
  EXPECT_EQ(fault_of("execute_request", json::object()), "execute_request has no code");
  EXPECT_EQ(fault_of("execute_request", {{"code", "1"}, {"silent", 1}}),
            "execute_request has a bad silent");
  EXPECT_EQ(fault_of("complete_request", {{"code", "1"}, {"cursor_pos", 1.5}}),
            "complete_request has a bad cursor_pos");
  EXPECT_EQ(fault_of("comm_msg", {{"comm_id", std::string(56, 'x')}}),
            "comm_msg has a bad comm_id");
  EXPECT_EQ(fault_of("comm_open", {{"comm_id", "x"}}), "comm_open has no target_name");
}

}  // namespace
}  // namespace perijove::kernels
