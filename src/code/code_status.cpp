#include "perijove/code_result.hpp"

namespace perijove {

std::string_view to_string(CodeStatus status) {
  switch (status) {
    case CodeStatus::ok:
      return "ok";
    case CodeStatus::error:
      return "error";
    case CodeStatus::timeout:
      return "timeout";
    case CodeStatus::interrupted:
      return "interrupted";
    case CodeStatus::cancelled:
      return "cancelled";
    case CodeStatus::out_of_memory:
      return "oom";
    case CodeStatus::kernel_died:
      return "kernel_died";
    case CodeStatus::denied:
      return "denied";
    case CodeStatus::rejected:
      return "rejected";
  }
  return "error";
}

int exit_code(CodeStatus status) {
  switch (status) {
    case CodeStatus::ok:
      return 0;
    case CodeStatus::timeout:
      return 124;
    case CodeStatus::cancelled:
      return 125;
    case CodeStatus::interrupted:
      return 130;
    case CodeStatus::out_of_memory:
    case CodeStatus::kernel_died:
      return 137;
    case CodeStatus::error:
    case CodeStatus::denied:
    case CodeStatus::rejected:
      return 1;
  }
  return 1;
}

}  // namespace perijove
