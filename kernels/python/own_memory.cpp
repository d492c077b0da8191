#include "python/own_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>

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

// Of a line of /proc/self/maps, `begin-end rw-p ... name`; nullopt unless it is the process's own,
// to be written to, and not the heap.
std::optional<PageRange> writable_mapping(std::string_view line) {
  constexpr int kHexadecimal = 16;
  std::uintptr_t begin = 0, end = 0;
  const char* const last = line.data() + line.size();
  const auto first = std::from_chars(line.data(), last, begin, kHexadecimal);
  if (first.ec != std::errc() || first.ptr == last) return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, last, end, kHexadecimal);
  if (second.ec != std::errc()) return std::nullopt;
  const std::string_view rest(second.ptr, static_cast<std::size_t>(last - second.ptr));
  const bool writable = rest.size() > 4 && rest[2] == 'w' && rest[4] == 'p';
  if (!writable || rest.find("[heap]") != rest.npos) return std::nullopt;
  return PageRange{begin, end - begin};
}

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
    const auto mapping = writable_mapping(line.data());
    if (!mapping || mapping->bytes > kMappingBytesMax) continue;
    add_own_pages(pagemap.get(), mapping->address, mapping->address + mapping->bytes, page_bytes,
                  ranges);
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
