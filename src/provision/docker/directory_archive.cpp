#include "provision/docker/directory_archive.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "protocol/tar.hpp"

namespace perijove::docker {

namespace fs = std::filesystem;

Result<std::string> pack_directory(const std::string& what, const std::string& directory,
                                   const std::string& prefix, std::size_t bytes_max) {
  std::error_code error;
  std::vector<fs::path> paths;
  for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->is_symlink()) continue;
    if (entry->is_directory() || entry->is_regular_file()) paths.push_back(entry->path());
  }
  if (error) {
    return Error{Code::not_found, what + ": cannot read '" + directory + "': " + error.message()};
  }
  std::sort(paths.begin(), paths.end());
  std::string tar;
  for (const fs::path& path : paths) {
    TarEntry entry;
    entry.path = prefix + path.lexically_relative(directory).string();
    entry.is_directory = fs::is_directory(path, error);
    entry.mode = static_cast<std::uint32_t>(fs::status(path, error).permissions()) & 0777;
    std::string bytes;
    if (!entry.is_directory) {
      std::ifstream file(path, std::ios::binary);
      bytes.assign(std::istreambuf_iterator<char>(file), {});
      if (!file && !file.eof()) {
        return Error{Code::not_found, what + ": cannot read '" + path.string() + "'"};
      }
    }
    entry.size_bytes = bytes.size();
    if (tar.size() + bytes.size() > bytes_max) {
      return Error{Code::resource_exhausted,
                   what + ": '" + directory + "' holds more than " +
                       std::to_string(bytes_max / (1024 * 1024)) +
                       " MiB; keep what the container does not need elsewhere"};
    }
    tar += tar_header(entry);
    tar += bytes;
    tar.append(tar_padding(bytes.size()), '\0');
  }
  tar.append(kTarEndBytes, '\0');
  return tar;
}

}  // namespace perijove::docker
