#include "protocol/header.hpp"

#include "protocol/json_scan.hpp"

namespace perijove {

std::optional<HeaderIds> peek_header(ByteView json) {
  HeaderIds ids;
  const auto read = [&ids](ByteView raw) -> ByteView {
    if (raw.front() != '"') return "";
    if (raw.find('\\') == ByteView::npos) return raw.substr(1, raw.size() - 2);
    if (ids.decoded.capacity() == 0) ids.decoded.reserve(3);  // growing would move what views see
    return ids.decoded.emplace_back(json_string(raw).value_or(""));
  };
  JsonMembers members(json);
  while (const auto member = members.next()) {
    ByteView* field = member->key == "msg_id"     ? &ids.msg_id
                      : member->key == "msg_type" ? &ids.msg_type
                      : member->key == "session"  ? &ids.session
                                                  : nullptr;
    // The first of a repeated key counts; otherwise a stranger could outgrow the reserve above.
    if (field != nullptr && field->data() == nullptr) *field = read(member->value);
  }
  if (!members.complete()) return std::nullopt;
  return ids;
}

}  // namespace perijove
