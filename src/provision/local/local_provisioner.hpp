#pragma once

#include <memory>

#include "io/runtime_dir.hpp"
#include "provision/provisioner.hpp"

namespace perijove {

/// Kernels as processes of the gateway's own user: isolation `none`. Each has a session and process
/// group of its own, and its sockets in a 0700 directory of its own in `runtime_dir`, which must
/// outlive this object and every kernel it launched.
///
/// The transport is ipc unless the kernelspec's metadata says {"perijove": {"transport": "tcp"}}
/// (Deno and tslab cannot do ipc); tcp ports are held, not guessed.
std::unique_ptr<Provisioner> make_local_provisioner(RuntimeDir& runtime_dir);

}  // namespace perijove
