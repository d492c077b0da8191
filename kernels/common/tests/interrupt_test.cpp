#include "common/interrupt.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <thread>

namespace perijove::kernels {
namespace {

constexpr std::chrono::seconds kForEver{600};

bool readable(int fd) {
  pollfd item{fd, POLLIN, 0};
  return poll(&item, 1, 0) == 1;
}

TEST(Interrupt, IsWantedUntilForgotten) {
  Interrupt interrupt;
  EXPECT_NO_THROW(interrupt.check());
  EXPECT_FALSE(readable(interrupt.fd()));
  interrupt.request();
  EXPECT_THROW(interrupt.check(), Interrupted);
  EXPECT_TRUE(readable(interrupt.fd()));
  interrupt.forget();
  EXPECT_NO_THROW(interrupt.check());
  EXPECT_FALSE(readable(interrupt.fd()));
}

TEST(Interrupt, EndsASleep) {
  Interrupt interrupt;
  std::thread other([&] { interrupt.request(); });
  EXPECT_THROW(interrupt.sleep_for(kForEver), Interrupted);
  other.join();
}

TEST(Interrupt, BeforeASleepPreventsIt) {
  Interrupt interrupt;
  interrupt.request();
  EXPECT_THROW(interrupt.sleep_for(kForEver), Interrupted);
}

TEST(Interrupt, SleepsAreNotCutShortOtherwise) {
  const Interrupt interrupt;
  const auto begin = std::chrono::steady_clock::now();
  interrupt.sleep_for(std::chrono::milliseconds(20));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(20));
  interrupt.sleep_for(std::chrono::seconds(-1));
}

TEST(Interrupt, CanBeIgnored) {
  Interrupt interrupt;
  interrupt.ignore(true);
  interrupt.request();
  EXPECT_FALSE(interrupt.requested());
  interrupt.ignore(false);
  interrupt.request();
  EXPECT_TRUE(interrupt.requested());
}

TEST(Interrupt, IsRequestedBySigint) {
  // For the life of the process, as the contract says.
  static Interrupt interrupt;
  interrupt.catch_sigint();
  raise(SIGINT);
  EXPECT_TRUE(interrupt.requested());
}

}  // namespace
}  // namespace perijove::kernels
