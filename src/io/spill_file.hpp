#pragma once

#include <memory>
#include <string>

#include "model/journal.hpp"

namespace perijove {

/// A JournalStore in a file without a name in `directory`: nobody else can open it and it is gone
/// with this process. Made at the first write, closed by clear(). `bytes_max` bounds what is kept;
/// write() refuses beyond it. Nothing is synced: what is here must only outlive a slow reader, not
/// the machine.
std::unique_ptr<JournalStore> make_spill_file(std::string directory, std::uint64_t bytes_max);

}  // namespace perijove
