#include "io/shard.hpp"

#include <gmock/gmock.h>

#include <boost/asio/post.hpp>
#include <stdexcept>

namespace perijove {
namespace {

TEST(ShardTest, GoesOnServingAfterAHandlerThatThrows) {
  Shard shard;
  bool served = false;
  boost::asio::post(shard.loop(), [] { throw std::out_of_range("a mistake"); });
  boost::asio::post(shard.loop(), [&] { served = true; });
  ::testing::internal::CaptureStderr();
  shard.serve();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::HasSubstr("internal_error what=\"a mistake\""));
  EXPECT_TRUE(served);
  EXPECT_EQ(shard.failures(), 1U);
}

TEST(ShardTest, HandsOnWhatAHandlerThrowsWhereOneThingRuns) {
  Shard shard;
  boost::asio::post(shard.loop(), [] { throw std::out_of_range("a mistake"); });
  EXPECT_THROW(shard.run(), std::out_of_range);
}

}  // namespace
}  // namespace perijove
