#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "perijove/result.hpp"

namespace perijove {

/// How the commands of this user find a gateway that serves: `<runtime base>/servers/<pid>.json`,
/// readable by nobody else because it holds the token. Removed with this object.
class ServerFile {
 public:
  /// Removes files of gateways that do not run any more, too.
  static Result<ServerFile> write(const std::string& runtime_base, const std::string& url,
                                  const std::string& token);
  ServerFile(ServerFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ServerFile& operator=(ServerFile&&) = delete;
  ~ServerFile();

 private:
  explicit ServerFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// A gateway as its file describes it.
struct ServerEntry {
  pid_t pid = 0;
  std::string url;    ///< With its base path and a slash at the end, without the token.
  std::string token;  ///< Empty: it asks for none.
};

/// The gateways of this user that are running; files of others are removed.
std::vector<ServerEntry> find_servers(const std::string& runtime_base);

}  // namespace perijove
