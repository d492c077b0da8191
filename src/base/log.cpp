#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

namespace perijove::log {
namespace {

std::atomic<Level> g_level{Level::info};

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("perijove",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    made->set_level(spdlog::level::trace);  // filtered by enabled(), before anything is formatted
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      break;
  }
  return spdlog::level::off;
}

}  // namespace

void set_level(Level level) { g_level.store(level, std::memory_order_relaxed); }

bool set_level(std::string_view name) {
  static constexpr std::pair<std::string_view, Level> kNames[] = {{"debug", Level::debug},
                                                                  {"info", Level::info},
                                                                  {"warning", Level::warning},
                                                                  {"error", Level::error},
                                                                  {"off", Level::off}};
  for (const auto& [known, level] : kNames) {
    if (known == name) {
      set_level(level);
      return true;
    }
  }
  return false;
}

bool enabled(Level level) { return level >= g_level.load(std::memory_order_relaxed); }

std::string escape_value(std::string_view text) {
  static constexpr std::size_t kCharactersMax = 1000;
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  bool quote = text.empty();
  for (const char c : text.substr(0, kCharactersMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
      quote = true;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      quote = quote || c == ' ' || c == '=';
      out += c;
    }
  }
  if (text.size() > kCharactersMax) out += "...";
  return quote ? '"' + out + '"' : out;
}

void write(Level level, std::string_view event, Fields fields) {
  if (!enabled(level)) return;
  std::string line(event);
  for (const auto& [key, value] : fields) {
    line += ' ';
    line += key;
    line += '=';
    line += escape_value(value);
  }
  logger().log(to_spdlog(level), "{}", line);
}

}  // namespace perijove::log
