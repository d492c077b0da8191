#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/environment.hpp"
#include "perijove/result.hpp"
#include "protocol/kernelspec.hpp"
#include "provision/provisioner.hpp"

namespace perijove {

/// Where the default is this, it is the strongest kind that can be had here, and never `none`.
inline constexpr const char* kAutoIsolation = "auto";

/// What the one who runs the gateway decides about isolation. Clients may ask for more of it, never
/// for less.
struct IsolationPolicy {
  std::string default_kind = "none";  ///< A kind, or kAutoIsolation.
  std::string docker_image;           ///< Of containers for which nobody names one; empty: ours.
  /// Where `default_kind` is not none: networks that a client may name besides none, and
  /// directories below which it may name mounts. Where it is none, clients may have everything
  /// anyway.
  std::vector<std::string> networks;
  std::vector<std::string> mount_roots;  ///< Absolute.
};

/// What the default is here.
struct DefaultIsolation {
  std::string kind;  ///< Empty: the default is `auto`, and there is nothing here that it could be.
  /// For people, where it is `auto`: what holds kernels, and what stronger kinds lack.
  std::string why;
};

/// The ways to run kernels that this gateway has, and which one a kernel gets. Shard thread only.
class Provisioners {
 public:
  explicit Provisioners(IsolationPolicy policy);

  void add(std::unique_ptr<Provisioner> provisioner);
  /// Calls Provisioner::begin of each.
  void begin(Shard& shard);
  /// Finds out what `auto` is here; without it, kernels of that default are refused. Looked for
  /// once: what is installed later counts from the gateway's next start on. `done` is called once,
  /// from the loop, or at once where the default is something else.
  void settle(Shard& shard, std::function<void()> done);
  /// Their kinds, from the weakest isolation to the strongest.
  std::vector<std::string> kinds() const;
  const DefaultIsolation& default_isolation() const { return default_; }
  const IsolationPolicy& policy() const { return policy_; }

  /// Who runs a kernel: what `request` says, else the stronger of the default and what `spec` says
  /// (metadata {"perijove": {"isolation": KIND}}); the kind is then written into `request`. Errors:
  /// invalid_argument (no such kind, or the provisioner's check), permission_denied (weaker than
  /// the default, of which `auto` promises a sandbox; or a network or mount that is not allowed),
  /// failed_precondition (nobody says a kind, and `auto` has found none).
  Result<Provisioner*> choose(IsolationRequest& request, const Kernelspec& spec) const;
  /// The one of that kind. Errors: invalid_argument, with the kinds there are.
  Result<Provisioner*> find(const std::string& kind) const;

 private:
  void settle_from(Shard& shard, std::size_t end, std::string lacking, std::function<void()> done);
  /// The least that a client can have.
  std::string floor() const;
  Result<void> allow(const IsolationRequest& request, const Provisioner& provisioner) const;

  IsolationPolicy policy_;
  DefaultIsolation default_;
  std::vector<std::unique_ptr<Provisioner>> provisioners_;
};

}  // namespace perijove
