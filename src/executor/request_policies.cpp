#include "executor/request_policies.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "code/guard.hpp"
#include "code/unknown_name.hpp"

namespace perijove {
namespace {

using nlohmann::json;

constexpr double kSecondsMax = 1e9;
constexpr double kRetriesMax = 10;

Duration read_duration(JsonFields& fields, std::string_view field, Duration fallback) {
  const double seconds = std::chrono::duration<double>(fallback).count();
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(fields.number(field, seconds, 0, kSecondsMax)));
}

// Calls `read` with the object in `field`, unless it is absent or null.
template <typename Read>
void read_object(JsonFields& fields, std::string_view field, Read read) {
  const json* const value = fields.find(field);
  if (value == nullptr || value->is_null()) return;
  JsonFields members(*value, std::string(field));
  read(members);
  if (members.error()) fields.refuse(field, members.error()->message);
}

void read_faults(JsonFields& members, std::set<std::string>& faults) {
  const json* const on = members.find("on");
  if (on == nullptr || on->is_null()) return;
  if (!on->is_array()) {
    members.refuse_type("on", "an array", *on);
    return;
  }
  faults.clear();
  for (const json& each : *on) {
    const std::string fault = each.is_string() ? each.get<std::string>() : std::string();
    if (fault != "kernel_died" && fault != "oom" && fault != "kernel_start_failed") {
      members.refuse("on",
                     "may hold kernel_died, oom and kernel_start_failed only: an error of the "
                     "code itself is not tried again");
    }
    faults.insert(fault);
  }
}

}  // namespace

Result<void> check_validation_profile(const std::string& name) {
  std::vector<std::string_view> known = {"strict", "standard"};
  for (const GuardPolicy& each : guard_policies()) known.push_back(each.name);
  if (std::find(known.begin(), known.end(), name) != known.end()) return {};
  return unknown_name("validation profile", name, known);
}

void read_request_policies(JsonFields& fields, RequestPolicies& policies) {
  read_object(fields, "policy", [&](JsonFields& policy) {
    policy.refuse_unknown({"validate", "profile"});
    Validation& validation = policies.validation;
    validation.mode = static_cast<Validation::Mode>(policy.choice(
        "validate", {"off", "warn", "deny"}, static_cast<std::size_t>(validation.mode)));
    validation.profile = policy.text("profile", validation.profile);
    const auto known = check_validation_profile(validation.profile);
    if (!known) policy.refuse("profile", "is unknown: " + known.error().message);
  });
  read_object(fields, "approval", [&](JsonFields& approval) {
    approval.refuse_unknown({"required", "wait_s"});
    policies.approval.required = approval.boolean("required", policies.approval.required);
    policies.approval.wait = read_duration(approval, "wait_s", policies.approval.wait);
  });
  read_object(fields, "retries", [&](JsonFields& retries) {
    retries.refuse_unknown({"max", "on"});
    policies.retries.max =
        static_cast<unsigned>(retries.number("max", policies.retries.max, 0, kRetriesMax));
    read_faults(retries, policies.retries.on);
  });
  read_object(fields, "cache", [&](JsonFields& cache) {
    cache.refuse_unknown({"key", "pure", "mark", "ttl_s"});
    policies.cache.wanted = true;
    policies.cache.key = cache.text("key", policies.cache.key);
    policies.cache.pure = cache.boolean("pure", policies.cache.pure);
    policies.cache.mark = cache.boolean("mark", policies.cache.mark);
    policies.cache.kept = read_duration(cache, "ttl_s", policies.cache.kept);
  });
}

}  // namespace perijove
