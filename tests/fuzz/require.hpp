#pragma once

#include <cstdio>
#include <cstdlib>

/// Ends a fuzz target when an invariant does not hold: libFuzzer keeps the input that showed it.
#define PERIJOVE_REQUIRE(condition)                                                       \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)
