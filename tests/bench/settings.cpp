#include "settings.hpp"

namespace bench {

void Settings::make_quick() {
  rounds = 2;
  round_seconds = 0.3;
  patience_seconds = 10;
  flood_messages = 20'000;
  printed_lines = 4'000;
  output_mib = 16;
  upload_mib = {8};
  kernel_counts = {10};
  stall_seconds = 2;
  stall_mib = 16;
  lifecycle_repeats = 2;
  lifecycle_of_ipykernel = false;
  rest_kernels = 10;
  python_counts = {1, 5};
  branch_mib = {64};
  idle_kernels = {0, 10};
  idle_websockets = {50};
  idle_seconds = 1;
}

}  // namespace bench
