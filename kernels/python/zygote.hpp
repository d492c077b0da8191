#pragma once

/// The fork server, `perijove-kernel-python --zygote FD|PATH [--preload MODULE,...] [--plain]`: a
/// process that has imported Python, IPython and a list of modules, and forks a kernel per request
/// in milliseconds, on memory that is shared until it is written to.
///
/// This header is the contract with whoever starts it; perijove_kernel/zygote.py fulfils it.
///
/// FD     an inherited, connected AF_UNIX socket of type SOCK_SEQPACKET. One packet is one JSON
///        object in UTF-8, at most kPacketBytesMax long. Descriptors 0-2 of the zygote are its own;
///        what could not be imported is named on its stderr.
/// PATH   where such a socket is made once everything has been imported, for a peer that has not
///        started this process: the zygote is the main process of a container, which has one
///        kernel at a time, and ends what that has started when it ends. It is absolute; the first
///        to connect is the peer, and the only one.
///
/// 1. When it is ready, the zygote says so, before any request:
///        {"ready": true, "pid": P, "python": "3.11.2", "preloaded": [MODULE...],
///         "skipped": {MODULE: "why"...}, "paths": [DIRECTORY...]}
///    paths            where modules come from: when one of these directories has changed, what has
///                     been imported may be of yesterday
///    If an import has started a thread, it says which on stderr instead and exits with
///    kNotSingleThreaded: a fork would copy locks that such a thread may hold.
///
/// 2. A request for a kernel, with descriptors attached (SCM_RIGHTS): the stdout and the stderr of
///    the kernel, in this order, and nothing else but what "sandbox" says; the zygote closes its
///    copies. Without any the kernel has those of the zygote. stdin is /dev/null.
///        {"id": N, "connection_file": PATH, "cwd": PATH, "env": {NAME: VALUE...},
///         "limits": {"address_space_bytes": B, "data_bytes": B, "cpu_seconds": S,
///                    "file_bytes": B, "open_files": N, "processes": N}, "orphan": BOOLEAN,
///         "sandbox": {"uid": U, "cgroups": N}}
///    id               any JSON value; comes back in the answer
///    connection_file  absolute; read by the kernel itself, after the fork: its key never is in the
///                     memory of the zygote
///    env              the whole environment of the kernel; of the zygote's own nothing is left.
///                     Absent: the zygote's own, as it is.
///                     JPY_PARENT_PID in it names the process with which the kernel ends; without
///                     it the kernel outlives the zygote and everybody else. Variables that Python
///                     reads only when it starts (PYTHONHASHSEED, PYTHONPATH...) come too late,
///                     except that the directories of PYTHONPATH are put into sys.path.
///                     PERIJOVE_PROCESS replaces the zygote's in /proc/PID/environ, too, when it
///                     is as long.
///    limits           may be absent, as each of its members may: soft and hard rlimits
///    orphan           may be absent: false. true: the process between the zygote and the kernel
///                     ends before the answer, so that the nearest process above that adopts
///                     orphans (PR_SET_CHILD_SUBREAPER) is the kernel's parent: it reaps it, and
///                     there is no 4. After the first such request the zygote has one more orphan
///                     forked ahead, which waits to be the next kernel, and ends with the zygote.
///    sandbox          may be absent; wants "orphan". A sandbox that stands, which the kernel enters
///                     before it does anything else (confinement.hpp). The further descriptors are
///                     N cgroup.procs files, open for writing; namespaces, in the order in which
///                     they are entered; the program of its filter of system calls. The process
///                     between joins the cgroups, becomes user and group U, unless that is absent,
///                     and enters the namespaces; the kernel gives up every capability, and all
///                     that is a path in this request is one inside.
///
/// 3. The answer, in the order of the requests:
///        {"id": N, "pid": P}           the kernel has been forked; it leads a session of its own
///        {"id": N, "error": "why"}     nothing was started: a faulty request, no process left, or a
///                                      sandbox that cannot be entered
///    A kernel that cannot go on after the fork (no such directory, a limit that is not allowed, an
///    unusable connection file) says so on its stderr and exits with status 1: see 4.
///    A packet that is no JSON object is answered with {"id": null, "error": "why"}.
///
/// 4. When a kernel has ended; the zygote is its parent and reaps it:
///        {"exited": P, "code": C}      it exited with status C
///        {"exited": P, "signal": S}    signal S has killed it
///    "exited" never comes before the answer with that pid.
///
/// 5. A signal for the groups of the kernels that it has to reap; no answer:
///        {"signal": S}
///
/// 6. When the peer closes its end, or SIGTERM comes, the zygote exits with status 0. Its kernels
///    go on: they watch JPY_PARENT_PID themselves.
///
/// A kernel inherits no descriptor of the zygote but its own 0-2. It has default signal handlers
/// and an empty signal mask, and freshly seeded `random` and `numpy.random`. All kernels of one
/// zygote share the layout of their address space and the secret of Python's string hash: kernels
/// of people who must not attack each other want a zygote each.
namespace perijove::kernels::python {

constexpr int kNotSingleThreaded = 3;
constexpr int kPacketBytesMax = 1 << 20;
constexpr int kDescriptorsMax = 32;

}  // namespace perijove::kernels::python
