#pragma once

/// What a request may decide about output and time.
namespace perijove {

/// Which part of a text that is too long stays.
enum class CutStrategy {
  head_tail,  ///< Its beginning and its end.
  head,       ///< Its beginning.
  tail,       ///< Its end.
  guide,      ///< Exactly the first characters, then `...(truncated)`, as tutorials teach.
};

/// What becomes of displayed images, besides their text/plain.
enum class ImagePolicy {
  file,     ///< A file in the work directory.
  in_line,  ///< A file, and the data in the answer when it is small enough.
  none,     ///< Dropped.
};

/// What to do with code that two interrupts did not end.
enum class HardLimit {
  kill_restart,  ///< Kill the kernel and start it anew; its variables are lost.
  kill,          ///< Kill it; the next block starts a fresh one.
  leave,         ///< Let it run; the session is busy until it ends.
};

}  // namespace perijove
