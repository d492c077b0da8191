#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "io/shard.hpp"

namespace perijove {

/// One accepted TCP connection: bytes in by callback, bytes out by a queue that leaves in as few
/// writes as possible. Shard thread only; held by shared_ptr, because waits on the loop keep it.
///
/// What is appended goes out at flush(): many small frames then cost one system call, and what is
/// large is gathered from where it lies. Nagle is off: peers that leave it on cost every execution
/// 40 ms of delayed acknowledgement.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  /// Bytes that arrived; valid during the call.
  using OnBytes = std::function<void(ByteView)>;
  /// The peer has closed, or the connection failed. Called once; nothing else is called after it.
  using OnEnd = std::function<void()>;
  /// All that was appended has been taken by the system, after flush() had to wait.
  using OnDrained = std::function<void()>;

  Stream(Shard& shard, boost::asio::ip::tcp::socket socket);

  Shard& shard() { return shard_; }

  /// Sets who is told; replaces what an earlier owner of the connection had set.
  void set_handlers(OnBytes on_bytes, OnEnd on_end, OnDrained on_drained);
  void start_reading();
  /// A paused stream does not read: TCP then slows the peer down. May be called from on_bytes.
  void pause_reading(bool paused);

  /// Queues bytes: copied, or kept by their owner.
  void append(ByteView bytes);
  void append(ByteView bytes, std::shared_ptr<const void> owner);
  /// The end of the queue to write small things into directly; invalidated by every other call.
  std::string& tail();

  /// Writes as much as the system takes now; the rest follows when it can.
  void flush();
  /// Whether the system took less than was queued: the peer does not read. on_drained follows.
  bool is_blocked() const { return waiting_writable_; }
  /// Bytes queued here that the system has not taken.
  std::size_t queued_bytes() const;
  /// Drops what is queued here behind the next `bytes_kept`; nothing when there is no more than
  /// that.
  void truncate_queue(std::size_t bytes_kept);
  /// Bytes that the system has taken in all.
  std::uint64_t written_bytes() const { return written_bytes_; }
  /// Of written_bytes(), those that the peer's system has acknowledged. Right after the connection
  /// has failed, too: this tells what a lost websocket still has to be sent.
  std::uint64_t acknowledged_bytes() const;

  /// Sends what is queued, then ends the connection in order. The peer gets a moment to close; one
  /// that takes nothing for half a minute loses the rest.
  void finish();
  /// Ends the connection at once.
  void abort();
  /// The same with a reset, which no peer takes for an orderly end.
  void reset();
  bool is_open() const { return open_; }

  std::string peer_address() const { return peer_address_; }

 private:
  struct Chunk {
    std::string text;                   // used when there is no owner
    std::shared_ptr<const void> owner;  // of `bytes`
    ByteView bytes;
    std::size_t sent = 0;
    ByteView rest() const { return (owner ? bytes : ByteView(text)).substr(sent); }
  };

  void wait_readable();
  void read_some();
  void wait_writable();
  void fail();
  void abort_when_stuck();
  void linger();

  Shard& shard_;
  boost::asio::ip::tcp::socket socket_;
  std::string peer_address_;
  OnBytes on_bytes_;
  OnEnd on_end_;
  OnDrained on_drained_;
  std::deque<Chunk> chunks_;
  std::uint64_t written_bytes_ = 0;
  mutable std::uint64_t acknowledged_at_end_ = 0;
  bool open_ = true;
  bool paused_ = true;
  bool waiting_readable_ = false;
  bool waiting_writable_ = false;
  bool finishing_ = false;
  bool shut_down_ = false;  // our side has been ended
};

}  // namespace perijove
