#pragma once

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace perijove::testing {

/// The bytes of tests/golden/`name`, which a real peer wrote. Throws when the file is not there.
inline std::string read_golden(const std::string& name) {
  const std::string path = std::string(PERIJOVE_SOURCE_DIR) + "/tests/golden/" + name;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("golden file is missing: " + path);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

}  // namespace perijove::testing
