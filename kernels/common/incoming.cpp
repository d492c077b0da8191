#include "common/incoming.hpp"

#include <nlohmann/json.hpp>

namespace perijove::kernels {
namespace {

using nlohmann::json;

/// Deeper JSON is refused: far beyond any real message, far below what exhausts a stack.
constexpr std::size_t kJsonDepthMax = 200;

}  // namespace

std::variant<Request, Refusal> admit(const Frames& frames, Signer& signer, ReplayGuard& guard) {
  const auto envelope = open_envelope(frames);
  if (!envelope) return Refusal{"its frames are not those of a Jupyter message"};
  if (!signer.verify(envelope->signature, envelope->parts))
    return Refusal{"its signature is wrong"};
  if (signer.signs() && !guard.admit(envelope->signature)) {
    return Refusal{"it was received before"};
  }
  for (const std::string_view part : envelope->parts) {
    if (nests_deeper_than(part, kJsonDepthMax)) return Refusal{"its JSON nests too deeply"};
  }

  const auto& [header, parent_header, metadata, content] = envelope->parts;
  Request request;
  request.data.m_header = json::parse(header, nullptr, false);
  request.data.m_parent_header = json::object();
  request.data.m_metadata = json::parse(metadata, nullptr, false);
  request.data.m_content = json::parse(content, nullptr, false);
  if (!request.data.m_header.is_object() || !request.data.m_metadata.is_object() ||
      !request.data.m_content.is_object()) {
    return Refusal{"its header, metadata or content is not a JSON object"};
  }
  const auto msg_type = request.data.m_header.find("msg_type");
  if (msg_type == request.data.m_header.end() || !msg_type->is_string()) {
    return Refusal{"its header has no msg_type"};
  }
  request.msg_type = msg_type->get<std::string>();
  request.header_text = header;
  for (const zmq::message_t& identity : envelope->identities) {
    request.identities.push_back(identity.to_string());
  }
  for (const zmq::message_t& buffer : envelope->buffers) {
    const auto* const bytes = static_cast<const char*>(buffer.data());
    request.data.m_buffers.emplace_back(bytes, bytes + buffer.size());
  }
  return request;
}

}  // namespace perijove::kernels
