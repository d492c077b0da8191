#pragma once

#include <string>
#include <vector>

namespace perijove {

/// One thing that doctor looked at.
struct Finding {
  enum class Verdict { fine, warning, problem };
  std::string subject;  ///< "open files"
  Verdict verdict = Verdict::fine;
  std::string text;    ///< What was found.
  std::string remedy;  ///< What to do about it; empty when fine.
};

struct DoctorOptions {
  std::string runtime_base;  ///< Empty: the usual place.
  bool fix = false;          ///< Remove what dead gateways left behind.
};

/// Looks at what a gateway needs of this machine and user. Starts at most an interpreter or two for
/// a moment; changes nothing unless `fix`. Blocks for up to some seconds.
std::vector<Finding> examine(const DoctorOptions& options);

}  // namespace perijove
