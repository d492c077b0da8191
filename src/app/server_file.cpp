#include "app/server_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "io/process_tree.hpp"
#include "io/work_dir.hpp"
#include "perijove/version.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

std::string directory_of(const std::string& runtime_base) { return runtime_base + "/servers"; }

struct Record {
  ServerEntry entry;
  std::string start_time;  // of the process, which alone does not name it: numbers are used again

  bool is_of_a_running_process() const {
    return !start_time.empty() && process_start_time(entry.pid) == start_time;
  }
};

Result<Record> read_record(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto document = parse_json(text);
  if (!document) return document.error();
  if (!document->is_object()) return Error{Code::invalid_argument, "not a JSON object"};
  JsonFields fields(*document, "server file");
  Record record;
  auto& [entry, start_time] = record;
  constexpr int kPidMax = 4'194'304;  // the system's limit (pid_max on 64-bit machines)
  entry.pid = fields.integer("pid", 1, kPidMax);
  entry.url = fields.text("url");
  entry.token = fields.text("token");
  start_time = fields.text("start_time");
  if (fields.error()) return *fields.error();
  return record;
}

}  // namespace

Result<ServerFile> ServerFile::write(const std::string& runtime_base, const std::string& url,
                                     const std::string& token) {
  const std::string path = directory_of(runtime_base);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error{Code::unavailable, "cannot make " + path + ": " + std::strerror(errno)};
  }
  find_servers(runtime_base);  // for what it removes: files of gateways that were killed
  const auto directory = WorkDir::open(path);
  if (!directory) return directory.error();
  const nlohmann::json entry = {{"pid", ::getpid()},
                                {"start_time", process_start_time(::getpid())},
                                {"url", url},
                                {"token", token},
                                {"version", PERIJOVE_VERSION}};
  constexpr mode_t kOwnerOnly = 0600;
  const auto written = directory->write(std::to_string(::getpid()) + ".json",
                                        dump_json_pretty(entry) + "\n", kOwnerOnly);
  if (!written) return written.error();
  return ServerFile(*written);
}

ServerFile::~ServerFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

std::vector<ServerEntry> find_servers(const std::string& runtime_base) {
  std::vector<ServerEntry> servers;
  std::error_code error;
  for (fs::directory_iterator file(directory_of(runtime_base), error), end; !error && file != end;
       file.increment(error)) {
    if (file->path().extension() != ".json") continue;
    auto record = read_record(file->path());
    if (!record) continue;
    if (record->is_of_a_running_process()) {
      servers.push_back(std::move(record->entry));
    } else {
      std::error_code ignored;
      fs::remove(file->path(), ignored);
    }
  }
  return servers;
}

}  // namespace perijove
