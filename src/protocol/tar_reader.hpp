#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "protocol/tar.hpp"

namespace perijove {

/// Takes a tar archive apart that comes in pieces: ustar, with pax extended headers and GNU's long
/// names. Of what is in it, regular files and directories are told; links, devices and the like are
/// passed over with their bytes.
class TarReader {
 public:
  struct Events {
    /// The next file or directory. Its path is as the archive has it, but without `./` before and
    /// `/` behind: whoever writes it must know where to.
    std::function<void(const TarEntry&)> on_entry;
    /// Bytes of the file, in any pieces, as many as its size.
    std::function<void(std::string_view)> on_bytes;
    /// All of the file has come; also of one without bytes. Not for directories.
    std::function<void()> on_end;
  };
  explicit TarReader(Events events) : events_(std::move(events)) {}

  /// false once something came that is no archive; nothing is told from there on.
  bool feed(std::string_view bytes);
  /// Whether all entries so far are whole.
  bool at_boundary() const { return block_.empty() && left_ == 0 && padding_ == 0; }

 private:
  enum class Part { file, extension, long_name, skipped };

  bool read_header();
  void take(std::string_view bytes);
  void part_ended();
  void read_extension();

  Events events_;
  std::string block_;  // of a header, as far as it has come
  Part part_ = Part::skipped;
  std::uint64_t left_ = 0;  // bytes of the part
  std::size_t padding_ = 0;
  std::string text_;  // of an extension
  // What extensions say of the next entry.
  std::string next_path_;
  std::uint64_t next_size_ = 0;
  bool has_next_size_ = false;
  bool broken_ = false;
};

}  // namespace perijove
