#include "model/journal.hpp"

#include <algorithm>

#include "protocol/ws_v1.hpp"

namespace perijove {
namespace {

// The v1 websocket framing keeps a message as it is, and its reader is strict: good enough for a
// file.
std::string to_bytes(const Message& message) {
  std::string bytes;
  bytes.reserve(ws_v1_preamble_size(message) + message.size_bytes());
  append_ws_v1_preamble(bytes, message);
  const SignedParts& parts = message.parts();
  for (const ByteView part : {parts.header, parts.parent_header, parts.metadata, parts.content}) {
    bytes += part;
  }
  for (const ByteView buffer : message.buffers()) bytes += buffer;
  return bytes;
}

MessagePtr from_bytes(std::string bytes) {
  const SharedBytes shared = SharedBytes::own(std::move(bytes));
  const auto decoded = decode_ws_v1(shared.view());
  if (!decoded) return nullptr;
  return Message::share(decoded->channel, decoded->parts, decoded->buffers,
                        std::make_shared<SharedBytes>(shared));
}

}  // namespace

void Journal::append(MessagePtr message, ReaderId reader) {
  memory_bytes_ += message->size_bytes();
  Entry& entry = entries_.emplace_back();
  entry.size = message->size_bytes();
  entry.message = std::move(message);
  entry.reader = reader;
  spill();
}

// The newest message stays in memory whatever its size: it is about to be read.
void Journal::spill() {
  while (memory_bytes_ > memory_bytes_max_ && first_in_memory_ + 1 < end()) {
    Entry& entry = entries_[first_in_memory_ - begin_];
    ++first_in_memory_;
    memory_bytes_ -= entry.size;
    entry.counted = false;
    // A message that a reader is just sending stays in memory whatever we do.
    if (entry.message.use_count() > 1) continue;
    const std::string bytes = to_bytes(*entry.message);
    const auto where = store_ ? store_->write(bytes) : std::nullopt;
    entry.message = nullptr;
    entry.lost = !where;
    entry.where = where.value_or(0);
    entry.size = bytes.size();
  }
}

MessagePtr Journal::load(Entry& entry) {
  if (entry.message || entry.lost) return entry.message;
  auto bytes = store_->read(entry.where, entry.size);
  MessagePtr message = bytes ? from_bytes(std::move(*bytes)) : nullptr;
  entry.lost = !message;
  return message;
}

Journal::Read Journal::read(std::uint64_t position, ReaderId reader) {
  Read result{.message = nullptr, .position = position};
  if (position < begin_) {
    result.missed = begin_ - position;
    result.position = begin_;
  }
  while (!result.message && result.position < end()) {
    Entry& entry = entries_[result.position - begin_];
    ++result.position;
    if (entry.reader != kEveryReader && entry.reader != reader) continue;
    result.message = load(entry);
    if (!result.message) ++result.missed;
  }
  return result;
}

void Journal::trim(std::uint64_t position) {
  position = std::min(position, end());
  while (begin_ < position) {
    const Entry& entry = entries_.front();
    if (entry.counted) memory_bytes_ -= entry.size;
    entries_.pop_front();
    ++begin_;
  }
  first_in_memory_ = std::max(first_in_memory_, begin_);
  if (!store_) return;
  if (first_in_memory_ == begin_) {
    store_->clear();
  } else {
    const auto kept = std::find_if(entries_.begin(), entries_.end(), [](const Entry& entry) {
      return !entry.message && !entry.lost;
    });
    if (kept != entries_.end()) store_->release_before(kept->where);
  }
}

}  // namespace perijove
