#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace perijove {

/// Bytes that somebody else owns. Jupyter's frames are JSON text almost always, so a view of char
/// serves both as bytes and as text; nothing about it says that the bytes are valid UTF-8.
using ByteView = std::string_view;

/// Immutable bytes and a share in whatever keeps them alive: a string, a frame of libzmq, a read
/// buffer. Copying shares; the bytes are freed with the last copy. Safe to share between threads
/// when the owner may be destroyed on any of them.
class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(std::shared_ptr<const void> owner, ByteView view)
      : owner_(std::move(owner)), view_(view) {}

  /// Takes over `text` without copying its characters.
  static SharedBytes own(std::string text) {
    auto held = std::make_shared<const std::string>(std::move(text));
    const ByteView view = *held;
    return {std::move(held), view};
  }

  ByteView view() const { return view_; }
  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }

 private:
  std::shared_ptr<const void> owner_;
  ByteView view_;
};

}  // namespace perijove
