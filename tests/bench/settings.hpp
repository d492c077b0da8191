#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "client.hpp"

namespace bench {

/// How much is measured; the command line fills it in.
struct Settings {
  std::vector<Framing> framings = {Framing::kJson, Framing::kV1};
  std::vector<Ack> acks = {Ack::kOrdinary};
  std::string echo_kernel = "perijove-echo";
  std::string ipykernel = "python3";
  /// Python kernels whose starts are compared; copies of live sessions are those of the first.
  std::vector<std::string> python_kernels = {"perijove-python", "python3"};

  std::size_t rounds = 5;
  double round_seconds = 1;      ///< upper bound of what one target measures in one round
  double patience_seconds = 60;  ///< after this long without an answer a message counts as lost
  /// A lane that has taken so long in one scenario takes part in none of its further rounds; 0: no
  /// limit. A slow target then has fewer rounds, and everybody's are over sooner.
  double lane_seconds = 0;

  std::size_t flood_messages = 100'000;
  std::size_t flood_bytes = 80;
  std::size_t printed_lines = 20'000;
  std::size_t output_mib = 64;
  std::vector<std::size_t> upload_mib = {8, 64};
  std::vector<std::size_t> kernel_counts = {1, 10, 50};
  std::size_t fanout_clients = 10;
  double stall_seconds = 10;
  std::size_t stall_mib = 200;
  std::size_t lifecycle_repeats = 10;
  bool lifecycle_of_ipykernel = true;
  std::size_t rest_kernels = 50;
  std::vector<std::size_t> python_counts = {1, 20, 100, 500};
  std::vector<std::size_t> branch_mib = {64, 1024};
  std::vector<std::size_t> idle_kernels = {0, 50, 1000};
  std::vector<std::size_t> idle_websockets = {500, 5000};
  double idle_seconds = 3;
  double bring_up_seconds = 120;  ///< bringing kernels or websockets up ends then

  /// Sizes for a look that takes about a minute.
  void make_quick();
};

}  // namespace bench
