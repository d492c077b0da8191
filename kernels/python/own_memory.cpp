#include "python/own_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>

#include "guest/descriptor.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace perijove::kernels::python {
namespace {

// Bits of an entry of /proc/self/pagemap.
constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kExclusive = std::uint64_t{1} << 56;

// Larger ones are places kept free for something (a sanitizer's shadow has terabytes), and looking
// at each page takes longer than it can save.
constexpr std::size_t kMappingBytesMax = std::size_t{1} << 30;

struct CloseFile {
  void operator()(FILE* file) const { std::fclose(file); }
};

void add_own_pages(int pagemap, std::uintptr_t begin, std::uintptr_t end, std::size_t page_bytes,
                   std::vector<PageRange>& out) {
  std::array<std::uint64_t, 512> entries;
  for (std::uintptr_t at = begin; at < end;) {
    const ssize_t got = pread(pagemap, entries.data(), sizeof entries,
                              static_cast<off_t>(at / page_bytes * sizeof entries[0]));
    if (got <= 0) return;
    const std::size_t count = static_cast<std::size_t>(got) / sizeof entries[0];
    for (std::size_t i = 0; i < count && at < end; ++i, at += page_bytes) {
      if ((entries[i] & kPresent) == 0 || (entries[i] & kExclusive) == 0) continue;
      if (!out.empty() && out.back().address + out.back().bytes == at) {
        out.back().bytes += page_bytes;
      } else {
        out.push_back({at, page_bytes});
      }
    }
  }
}

}  // namespace

std::vector<PageRange> own_pages() {
  std::vector<PageRange> ranges;
  const std::unique_ptr<FILE, CloseFile> maps(std::fopen("/proc/self/maps", "re"));
  const guest::Descriptor pagemap(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!maps || pagemap.get() < 0) return ranges;
  const auto page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::array<char, 4096> line;
  while (std::fgets(line.data(), line.size(), maps.get()) != nullptr) {
    std::uintptr_t begin = 0, end = 0;
    std::array<char, 5> access{};
    if (std::sscanf(line.data(), "%" SCNxPTR "-%" SCNxPTR " %4s", &begin, &end, access.data()) !=
            3 ||
        access[1] != 'w' || access[3] != 'p' || end - begin > kMappingBytesMax ||
        std::strstr(line.data(), "[heap]") != nullptr) {
      continue;
    }
    add_own_pages(pagemap.get(), begin, end, page_bytes, ranges);
  }
  return ranges;
}

void own(const std::vector<PageRange>& ranges) {
  for (const PageRange& range : ranges) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses are numbers in /proc
    madvise(reinterpret_cast<void*>(range.address), range.bytes, MADV_POPULATE_WRITE);
  }
}

}  // namespace perijove::kernels::python
