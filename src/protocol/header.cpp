#include "protocol/header.hpp"

#include "protocol/json_scan.hpp"

namespace perijove {

std::optional<HeaderIds> peek_header(ByteView json) {
  // Of a repeated key the last counts, as in every JSON reader that a kernel may have.
  ByteView msg_id, msg_type, session;
  JsonMembers members(json);
  while (const auto member = members.next()) {
    if (member->key == "msg_id") msg_id = member->value;
    if (member->key == "msg_type") msg_type = member->value;
    if (member->key == "session") session = member->value;
  }
  if (!members.complete()) return std::nullopt;

  HeaderIds ids;
  const auto read = [&ids](ByteView raw) -> ByteView {
    if (!raw.starts_with('"')) return {};
    if (raw.find('\\') == ByteView::npos) return raw.substr(1, raw.size() - 2);
    if (ids.decoded.empty()) ids.decoded.reserve(3);  // growing would move what views see
    return ids.decoded.emplace_back(json_string(raw).value_or(""));
  };
  ids.msg_id = read(msg_id);
  ids.msg_type = read(msg_type);
  ids.session = read(session);
  return ids;
}

}  // namespace perijove
