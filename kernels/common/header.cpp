#include "common/header.hpp"

#include <array>
#include <cstdio>
#include <ctime>
#include <xeus/xguid.hpp>
#include <xeus/xmessage.hpp>

#include "common/json_text.hpp"

namespace perijove::kernels {
namespace {

/// ISO 8601 with all six digits of the microseconds, which xeus::iso8601_now() does not write.
std::string utc_now() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  tm calendar;
  gmtime_r(&now.tv_sec, &calendar);
  std::array<char, 64> text;
  const std::size_t seconds_end = strftime(text.data(), text.size(), "%FT%T", &calendar);
  std::snprintf(text.data() + seconds_end, text.size() - seconds_end, ".%06ldZ",
                now.tv_nsec / 1000);
  return text.data();
}

}  // namespace

HeaderWriter::HeaderWriter() : session_(xeus::new_xguid()) {
  constant_fields_ = R"("session":)" + json_string(session_) +
                     R"(,"username":"kernel","version":)" +
                     json_string(xeus::get_protocol_version());
}

std::string HeaderWriter::write(std::string_view msg_type) {
  std::string header = R"({"msg_id":")";
  header.reserve(256);
  header += session_;
  header += '_';
  header += std::to_string(++messages_);
  header += R"(","msg_type":)";
  header += json_string(msg_type);
  header += R"(,"date":")";
  header += utc_now();
  header += R"(",)";
  header += constant_fields_;
  header += '}';
  return header;
}

}  // namespace perijove::kernels
