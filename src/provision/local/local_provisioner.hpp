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
///
/// With `fork_servers`, kernels whose kernelspec's metadata has {"perijove": {"fork_server":
/// [argv...]}} are forked by that program (fork_server.hpp) where that is possible; where it is
/// not, they start as others do, and the log says why. In that argv `{program}` is the first word
/// of the kernel's own, and `{socket}` the number of the server's socket. For a process that serves
/// for long: the servers live as long as the provisioner.
std::unique_ptr<Provisioner> make_local_provisioner(RuntimeDir& runtime_dir,
                                                    bool fork_servers = false);

}  // namespace perijove
