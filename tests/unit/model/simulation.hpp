#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/time.hpp"

/// What the simulation tests share: a seeded source of chance and the list of seeds. A failure
/// prints its seed; PERIJOVE_SEED=<seed> runs that one alone.
namespace perijove::simulation {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// 0 to `count` - 1.
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(engine_() % count); }
  bool chance(std::size_t percent) { return below(100) < percent; }

  Duration between(Duration low, Duration high) {
    const auto low_ms = std::chrono::duration_cast<std::chrono::milliseconds>(low).count();
    const auto high_ms = std::chrono::duration_cast<std::chrono::milliseconds>(high).count();
    return std::chrono::milliseconds(
        low_ms + static_cast<long>(below(static_cast<std::size_t>(high_ms - low_ms + 1))));
  }

  template <typename T>
  const T& pick(const std::vector<T>& choices) {
    return choices[below(choices.size())];
  }

 private:
  std::mt19937_64 engine_;
};

inline std::vector<std::uint64_t> seeds(std::uint64_t count) {
  if (const char* wanted = std::getenv("PERIJOVE_SEED")) {
    return {std::strtoull(wanted, nullptr, 10)};
  }
  std::vector<std::uint64_t> all;
  for (std::uint64_t seed = 1; seed <= count; ++seed) all.push_back(seed);
  return all;
}

inline bool runs_all_seeds() { return std::getenv("PERIJOVE_SEED") == nullptr; }

}  // namespace perijove::simulation
