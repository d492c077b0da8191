#include "code/profiles.hpp"

#include <array>
#include <vector>

#include "code/unknown_name.hpp"

namespace perijove {
namespace {

constexpr std::uint64_t kMebibyte = 1024 * 1024;

constexpr std::array<ResourceProfile, 4> kProfiles = {{
    {"simple", 256 * kMebibyte, 0.5, std::chrono::seconds(30)},
    {"medium", 512 * kMebibyte, 1.0, std::chrono::seconds(120)},
    {"complex", 1024 * kMebibyte, 2.0, std::chrono::seconds(600)},
    {"default", 1024 * kMebibyte, 1.0, std::chrono::seconds(300)},
}};

}  // namespace

std::span<const ResourceProfile> resource_profiles() { return kProfiles; }

Result<ResourceProfile> find_resource_profile(std::string_view name) {
  std::vector<std::string_view> known;
  for (const ResourceProfile& each : kProfiles) {
    if (each.name == name) return each;
    known.push_back(each.name);
  }
  return unknown_name("resource profile", name, known);
}

}  // namespace perijove
