#include "engine/provisioners.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "base/suggest.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

// From the weakest to the strongest; what is not listed counts as the weakest.
constexpr std::array<std::string_view, 4> kByStrength = {"none", "sandbox", "docker", "kubernetes"};

std::size_t strength(std::string_view kind) {
  const auto found = std::find(kByStrength.begin(), kByStrength.end(), kind);
  return found == kByStrength.end() ? 0 : static_cast<std::size_t>(found - kByStrength.begin());
}

// Symbolic links resolved as far as the path exists: the mount would follow them.
bool lies_below(const std::string& path, const std::string& root) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  if (error) return false;
  const fs::path real_root = fs::weakly_canonical(root, error);
  if (error) return false;
  const fs::path relative = real.lexically_relative(real_root);
  return !relative.empty() && *relative.begin() != "..";
}

}  // namespace

Provisioners::Provisioners(IsolationPolicy policy) : policy_(std::move(policy)) {
  if (policy_.default_kind == kAutoIsolation) {
    default_.why = "nobody has looked yet what isolation can be had here";
  } else {
    default_.kind = policy_.default_kind;
  }
}

void Provisioners::add(std::unique_ptr<Provisioner> provisioner) {
  provisioners_.push_back(std::move(provisioner));
  std::stable_sort(provisioners_.begin(), provisioners_.end(), [](const auto& a, const auto& b) {
    return strength(a->kind()) < strength(b->kind());
  });
}

void Provisioners::begin(Shard& shard) {
  for (const auto& each : provisioners_) each->begin(shard);
}

void Provisioners::settle(Shard& shard, std::function<void()> done) {
  if (policy_.default_kind != kAutoIsolation) {
    done();
    return;
  }
  settle_from(shard, provisioners_.size(), {}, std::move(done));
}

// Asks those before `end`, the strongest first. `lacking`: what those asked already have said.
void Provisioners::settle_from(Shard& shard, std::size_t end, std::string lacking,
                               std::function<void()> done) {
  while (end > 0 && strength(provisioners_[end - 1]->kind()) == 0) --end;
  if (end == 0) {
    default_ = {.kind = "",
                .why =
                    "no kernel can be kept from this machine, and none is started without that "
                    "unasked." +
                    lacking +
                    " Install one of them, or start the gateway with --isolation none: kernels "
                    "may then do what its user may"};
    done();
    return;
  }
  Provisioner& next = *provisioners_[end - 1];
  const std::string kind(next.kind());
  next.probe_default(shard, [this, &shard, end, kind, lacking = std::move(lacking),
                             done = std::move(done)](const Result<std::string>& found) {
    if (found) {
      default_ = {.kind = kind, .why = *found + (lacking.empty() ? "" : "." + lacking)};
      done();
    } else {
      settle_from(shard, end - 1, lacking + " Not " + kind + ": " + found.error().message + ".",
                  done);
    }
  });
}

std::vector<std::string> Provisioners::kinds() const {
  std::vector<std::string> kinds;
  for (const auto& each : provisioners_) kinds.emplace_back(each->kind());
  return kinds;
}

Result<Provisioner*> Provisioners::find(const std::string& kind) const {
  for (const auto& each : provisioners_) {
    if (each->kind() == kind) return each.get();
  }
  std::string known;
  for (const std::string& each : kinds()) known += (known.empty() ? "" : ", ") + each;
  const std::string hint = did_you_mean(kind, kinds());
  return Error{Code::invalid_argument, "there is no isolation '" + kind + "'; " +
                                           (hint.empty() ? "" : hint + " ") +
                                           "known are: " + known};
}

Result<Provisioner*> Provisioners::choose(IsolationRequest& request, const Kernelspec& spec) const {
  if (request.kind.empty()) {
    const std::string own = kernelspec_setting(spec, "isolation");
    request.kind = strength(own) > strength(default_.kind) ? own : default_.kind;
    if (request.kind.empty()) return Error{Code::failed_precondition, default_.why};
  }
  const auto provisioner = find(request.kind);
  if (!provisioner) return provisioner.error();
  if (const auto allowed = allow(request, **provisioner); !allowed) return allowed.error();
  if (const auto checked = (*provisioner)->check(request); !checked) return checked.error();
  return *provisioner;
}

std::string Provisioners::floor() const {
  return policy_.default_kind == kAutoIsolation ? "sandbox" : policy_.default_kind;
}

Result<void> Provisioners::allow(const IsolationRequest& request,
                                 const Provisioner& provisioner) const {
  if (strength(floor()) == 0) return {};
  if (strength(provisioner.kind()) < strength(floor())) {
    return Error{Code::permission_denied,
                 "isolation '" + request.kind + "' is weaker than '" + floor() +
                     "', the least that this gateway gives; whoever runs it can start it with "
                     "--isolation " +
                     request.kind};
  }
  if (!request.network.empty() && request.network != "none" &&
      std::find(policy_.networks.begin(), policy_.networks.end(), request.network) ==
          policy_.networks.end()) {
    return Error{Code::permission_denied,
                 "network '" + request.network +
                     "' is not allowed; whoever runs the gateway can allow it with "
                     "--isolation-networks"};
  }
  for (const Mount& mount : request.mounts) {
    const bool below =
        std::any_of(policy_.mount_roots.begin(), policy_.mount_roots.end(),
                    [&mount](const std::string& root) { return lies_below(mount.source, root); });
    if (!below) {
      return Error{Code::permission_denied,
                   "mount '" + mount.source +
                       "' is not below a directory that this gateway lends; whoever runs it can "
                       "name some with --isolation-mounts"};
    }
  }
  return {};
}

}  // namespace perijove
