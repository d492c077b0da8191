#include "model/journal.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "protocol/ws_v1.hpp"

namespace perijove {
namespace {

// The v1 websocket framing keeps a message as it is, and its reader is strict: good enough for a
// file.
void append_bytes(std::string& out, const Message& message) {
  append_ws_v1_preamble(out, message);
  const SignedParts& parts = message.parts();
  for (const ByteView part : {parts.header, parts.parent_header, parts.metadata, parts.content}) {
    out += part;
  }
  for (const ByteView buffer : message.buffers()) out += buffer;
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

// The newest message stays in memory whatever its size: it is about to be read. What a reader is
// just sending stays there, too; it gets its place in the store now, so that places come in the
// order of messages, and most often never has to be written.
void Journal::spill() {
  if (memory_bytes_ <= memory_bytes_max_) return;
  // More than has to, so that small messages are written together: most of what a write costs is
  // the call.
  const std::size_t target = memory_bytes_max_ - (store_ ? memory_bytes_max_ / 8 : 0);
  std::vector<Entry*> run;  // of small messages, each behind the other in the store
  while (memory_bytes_ > target && first_in_memory_ + 1 < end()) {
    const std::uint64_t position = first_in_memory_++;
    Entry& entry = at(position);
    memory_bytes_ -= entry.size;
    entry.size = ws_v1_preamble_size(*entry.message) + entry.message->size_bytes();
    if (store_) entry.where = store_->reserve(entry.size);
    if (entry.message.use_count() > 1) {
      held_.push_back(position);
    } else if (!entry.where || entry.size > limits::kCopyMessageBytesMax) {
      put_by(entry);
    } else {
      if (!run.empty() && *run.back()->where + run.back()->size != *entry.where) put_by(run);
      run.push_back(&entry);
    }
  }
  if (!run.empty()) put_by(run);
}

void Journal::put_by(Entry& entry) {
  const MessagePtr message = std::exchange(entry.message, nullptr);
  if (!entry.where) return;  // lost
  std::string preamble;
  append_ws_v1_preamble(preamble, *message);
  const SignedParts& parts = message->parts();
  std::vector<ByteView> pieces = {preamble, parts.header, parts.parent_header, parts.metadata,
                                  parts.content};
  pieces.insert(pieces.end(), message->buffers().begin(), message->buffers().end());
  if (!store_->write(*entry.where, pieces)) entry.where.reset();
}

void Journal::put_by(std::vector<Entry*>& run) {
  std::string bytes;
  for (Entry* const entry : run) {
    append_bytes(bytes, *entry->message);
    entry->message = nullptr;
  }
  const ByteView pieces[] = {bytes};
  if (!store_->write(*run.front()->where, pieces)) {
    for (Entry* const entry : run) entry->where.reset();
  }
  run.clear();
}

MessagePtr Journal::load(Entry& entry) {
  if (entry.message || !entry.where) return entry.message;
  auto bytes = store_->read(*entry.where, entry.size);
  MessagePtr message = bytes ? from_bytes(std::move(*bytes)) : nullptr;
  if (!message) entry.where.reset();
  return message;
}

Journal::Read Journal::read(std::uint64_t position, ReaderId reader) {
  Read result{.message = nullptr, .position = position};
  if (position < begin_) {
    result.missed = begin_ - position;
    result.position = begin_;
  }
  while (!result.message && result.position < end()) {
    Entry& entry = at(result.position);
    ++result.position;
    if (entry.reader != kEveryReader && entry.reader != reader) continue;
    result.message = load(entry);
    if (!result.message) ++result.missed;
  }
  return result;
}

void Journal::trim(std::uint64_t position) {
  position = std::min(position, end());
  for (; begin_ < position; ++begin_) {
    if (begin_ >= first_in_memory_) memory_bytes_ -= entries_.front().size;
    entries_.pop_front();
  }
  first_in_memory_ = std::max(first_in_memory_, begin_);
  // Here, and not before: of what its readers have sent, most is forgotten by now.
  std::erase_if(held_, [this](std::uint64_t held) {
    if (held < begin_) return true;
    Entry& entry = at(held);
    if (entry.message.use_count() > 1) return false;
    put_by(entry);
    return true;
  });
  if (!store_) return;
  if (first_in_memory_ == begin_) {
    store_->clear();
  } else {
    const auto kept = std::find_if(entries_.begin(), entries_.end(),
                                   [](const Entry& entry) { return entry.where.has_value(); });
    if (kept != entries_.end()) store_->release_before(*kept->where);
  }
}

}  // namespace perijove
