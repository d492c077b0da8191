#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/environment.hpp"
#include "perijove/result.hpp"
#include "protocol/kernelspec.hpp"
#include "provision/provisioner.hpp"

namespace perijove {

/// What the one who runs the gateway decides about isolation. Clients may ask for more of it, never
/// for less.
struct IsolationPolicy {
  std::string default_kind = "none";
  /// Where `default_kind` is not none: networks that a client may name besides none, and
  /// directories below which it may name mounts. Where it is none, clients may have everything
  /// anyway.
  std::vector<std::string> networks;
  std::vector<std::string> mount_roots;  ///< Absolute.
};

/// The ways to run kernels that this gateway has, and which one a kernel gets. Shard thread only.
class Provisioners {
 public:
  explicit Provisioners(IsolationPolicy policy) : policy_(std::move(policy)) {}

  void add(std::unique_ptr<Provisioner> provisioner);
  /// Calls Provisioner::begin of each.
  void begin(Shard& shard);
  /// Their kinds, from the weakest isolation to the strongest.
  std::vector<std::string> kinds() const;
  const std::string& default_kind() const { return policy_.default_kind; }
  const IsolationPolicy& policy() const { return policy_; }

  /// Who runs a kernel: what `request` says, else the stronger of the default and what `spec` says
  /// (metadata {"perijove": {"isolation": KIND}}); the kind is then written into `request`. Errors:
  /// invalid_argument (no such kind, or the provisioner's check), permission_denied (weaker than
  /// the default, or a network or mount that is not allowed).
  Result<Provisioner*> choose(IsolationRequest& request, const Kernelspec& spec) const;
  /// The one of that kind. Errors: invalid_argument, with the kinds there are.
  Result<Provisioner*> find(const std::string& kind) const;

 private:
  Result<void> allow(const IsolationRequest& request, const Provisioner& provisioner) const;

  IsolationPolicy policy_;
  std::vector<std::unique_ptr<Provisioner>> provisioners_;
};

}  // namespace perijove
