#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

#include "perijove/result.hpp"

namespace perijove {

/// Resources that code may have, under the names that AG2's tutorial gives them.
struct ResourceProfile {
  std::string_view name;
  std::uint64_t memory_bytes_max;
  double cpus_max;  ///< Processors, also parts of one.
  std::chrono::seconds timeout;
};

/// `simple`, `medium`, `complex`, `default`.
std::span<const ResourceProfile> resource_profiles();

/// The one of that name; not_found, with what may have been meant, for others.
Result<ResourceProfile> find_resource_profile(std::string_view name);

}  // namespace perijove
