#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

/// Every bound of the gateway that no option sets: what it is, its unit, why this number, and what
/// happens when it is reached. What an option sets has its default in app/settings.cpp.
/// docs/limits.md lists both.
namespace perijove::limits {

/// libzmq sockets in one context. The library's default, 1,023, ends at 255 kernels of four
/// sockets.
inline constexpr int kZmqSocketsMax = 65'536;

/// Messages that one kernel may hand over before the others on its shard get their turn.
inline constexpr int kMessagesPerTurn = 256;
/// The same in bytes; the message that passes it is the last of its turn.
inline constexpr std::size_t kBytesPerTurn = std::size_t{1} * 1024 * 1024;

/// What a block's execution reads of its kernel's journal in a turn: less than is put into it, so
/// that a backlog is in the journal, which is bounded and on disk, and not in libzmq.
inline constexpr std::size_t kBytesReadPerTurn = kBytesPerTurn / 4;

/// What is still read of it when the block is given up, at once.
inline constexpr std::size_t kAbandonedBacklogBytesMax = 16 * kBytesPerTurn;

/// Outputs of one kernel that wait to be received, when it is one that then waits itself (kernelspec
/// metadata {"perijove": {"slow_subscriber": "wait"}}, which ours have). Kernels that would drop
/// them have no limit here.
inline constexpr int kQueuedOutputsMax = 256;

/// A message up to this size is copied into one block; a larger one keeps its frames. A copy of
/// 16 KiB costs less than what the bookkeeping of foreign frames does.
inline constexpr std::size_t kCopyMessageBytesMax = 16 * 1024;

/// Bytes that a websocket takes from its kernel's journal ahead of what its peer has read. More
/// waits in the journal, where all clients of the kernel share it.
inline constexpr std::size_t kWebsocketAheadBytes = 512 * 1024;

/// Messages of clients that wait for a kernel's socket (it is starting, or busy with its queue
/// full). Beyond it the websocket that sends is not read until the kernel has caught up.
inline constexpr std::size_t kPendingToKernelMessagesMax = 4'096;
inline constexpr std::size_t kPendingToKernelBytesMax = 64 * 1024 * 1024;

/// Requests whose reply a kernel still owes, remembered to route it. The oldest is forgotten: its
/// reply then goes by session, or is dropped and logged.
inline constexpr std::size_t kOutstandingRequestsMax = 65'536;

/// Sessions of lost websockets that a kernel keeps messages for. The longest lost is forgotten.
inline constexpr std::size_t kDetachedSessionsMax = 64;
/// How long a lost websocket's session may still come back and get what it missed.
inline constexpr std::chrono::minutes kDetachedSessionKept{60};

/// Fork servers at a time: one for each kernelspec that has one, and for each environment of it that
/// differs in what is read at a start. Kernels beyond start as if there were none.
inline constexpr std::size_t kForkServersMax = 8;
/// How long one may take to read in what its kernels need, and to answer a request; then it is
/// ended. Kernels start without it as long as it is not ready.
inline constexpr std::chrono::seconds kForkServerStartMax{120};
inline constexpr std::chrono::seconds kForkAnswerMax{10};
/// After one that was never ready, until another is tried: it will hardly fare better.
inline constexpr std::chrono::seconds kForkServerRetry{60};

/// Of a kernel's own standard output and error the last bytes, for errors and `kernel logs`.
inline constexpr std::size_t kKernelLogBytesMax = 64 * 1024;

/// Dead kernels that stay listed with their reason. The longest dead is forgotten.
inline constexpr std::size_t kDeadKernelsMax = 100;

/// One HTTP header section, request line included. Beyond it: 431.
inline constexpr std::uint32_t kHttpHeaderBytesMax = 64 * 1024;
/// How long a client may take to send one request's header and body before its connection is
/// closed, counted from the first byte. An idle keep-alive connection may rest longer.
inline constexpr std::chrono::seconds kHttpRequestTimeMax{60};
inline constexpr std::chrono::seconds kHttpIdleTimeMax{120};

/// Connections that may be open at once; a further one is closed at once.
inline constexpr std::size_t kConnectionsMax = 16'384;

/// A unix socket's path, its terminating zero included (sockaddr_un).
inline constexpr std::size_t kSocketPathBytesMax = 108;

/// Signatures remembered per kernel to refuse a replayed message.
inline constexpr std::size_t kReplayHistoryMax = 8'192;

/// Events of one execution that are kept for those who follow it; older ones are counted as missed.
inline constexpr std::size_t kExecutionEventsBytesMax = std::size_t{8} * 1024 * 1024;
/// Executions that wait in one session; one more is refused.
inline constexpr std::size_t kQueuedExecutionsMax = 1000;
/// Ended executions that a session keeps to be asked for; the oldest is forgotten.
inline constexpr std::size_t kFinishedExecutionsMax = 100;
/// The history of a session; the oldest blocks are forgotten.
inline constexpr std::size_t kHistoryBytesMax = std::size_t{16} * 1024 * 1024;
/// Outputs of one block in the history; larger ones are left out of it.
inline constexpr std::size_t kHistoryEntryBytesMax = std::size_t{4} * 1024 * 1024;
/// Displays of earlier blocks that later code may update; the oldest are forgotten.
inline constexpr std::size_t kUpdatableDisplaysMax = 1000;
/// Sessions at a time; one more is refused.
inline constexpr std::size_t kCodeSessionsMax = 10'000;
/// Pools of sessions, and sessions or kernels that one keeps ready; more is refused.
inline constexpr std::size_t kSessionPoolsMax = 100;
inline constexpr std::size_t kPoolSizeMax = 1'000;
/// Sessions or kernels of one pool that start at the same time: the machine is there for those that work.
inline constexpr std::size_t kPoolStartsAtOnceMax = 2;
/// A pool of what cannot be made ready tries again after 1 s, 2 s, ... and this.
inline constexpr std::chrono::seconds kPoolRetryMax{60};
/// Copies of a session that one request may ask for.
inline constexpr std::size_t kForksMax = 16;
/// How long copying a session's files may take.
inline constexpr std::chrono::minutes kCopyTimeMax{10};
/// Checkpoints of one session, and those that are kept, of all gateways of this user; one more is
/// refused. What they may take on disk is an option.
inline constexpr std::size_t kCheckpointsMax = 32;
inline constexpr std::size_t kKeptCheckpointsMax = 1'000;
/// Files, links and directories in one checkpoint; a work directory with more has none.
inline constexpr std::size_t kCheckpointFilesMax = 100'000;
/// How long a kernel may take to write its variables, or to read them; it is interrupted then.
inline constexpr std::chrono::minutes kNamespaceTimeMax{10};
/// How long the removal of a returned session's directory may take.
inline constexpr std::chrono::minutes kRemovalTimeMax{10};
/// Files of a work directory in one listing, and in one archive; more is 413.
inline constexpr std::size_t kListedFilesMax = 10'000;
inline constexpr std::size_t kArchivedFilesMax = 100'000;
/// Jobs that have ended and are kept to be asked for; the oldest is forgotten.
inline constexpr std::size_t kFinishedJobsMax = 100;
/// Steps of one job; a longer list is refused.
inline constexpr std::size_t kJobStepsMax = 10'000;
/// Outputs of one job's notebook together; those of further steps are left out of it.
inline constexpr std::size_t kJobOutputsBytesMax = std::size_t{256} * 1024 * 1024;

}  // namespace perijove::limits
