#include <algorithm>

#include "common/json_text.hpp"
#include "echo/command.hpp"

namespace perijove::kernels::echo {
namespace {

Message line(Cell& cell, std::string_view text) {
  return cell.server.compose("stream", R"({"name":"stdout","text":)" + json_string(text) + '}');
}

zmq::message_t& signature_of(Frames& frames) {
  // topic, delimiter, signature
  return frames.at(2);
}

void bad_signature(Cell& cell, Arguments arguments) {
  const std::string_view kind = arguments.word_or("wrong");
  Frames frames = cell.server.seal_for_iopub(line(cell, "its signature is bad\n"));
  std::string signature = signature_of(frames).to_string();
  if (kind == "wrong") {
    if (!signature.empty()) signature.back() = signature.back() == '0' ? '1' : '0';
  } else if (kind == "short") {
    signature.resize(signature.size() / 2);
  } else if (kind == "long") {
    signature += "00";
  } else if (kind == "none") {
    signature.clear();
  } else {
    throw UsageError("it must be wrong, short, long or none");
  }
  signature_of(frames) = frame_of(std::move(signature));
  cell.server.publish_frames(std::move(frames));
}

void unsigned_message(Cell& cell, Arguments) { bad_signature(cell, Arguments("none")); }

/// Messages whose frames are wrong, each in one way. All but the last are cut short.
void malformed(Cell& cell, Arguments) {
  const std::size_t whole = cell.server.seal_for_iopub(line(cell, "")).size();
  for (std::size_t size = 1; size < whole; ++size) {
    Frames frames = cell.server.seal_for_iopub(line(cell, "cut short\n"));
    frames.resize(size);
    cell.server.publish_frames(std::move(frames));
  }
  Frames frames = cell.server.seal_for_iopub(line(cell, "without delimiter\n"));
  frames.erase(frames.begin() + 1);
  cell.server.publish_frames(std::move(frames));
  frames = cell.server.seal_for_iopub(line(cell, "header and content change places\n"));
  std::swap(frames.at(3), frames.at(6));
  cell.server.publish_frames(std::move(frames));
}

void bad_json(Cell& cell, Arguments arguments) {
  const std::string_view part = arguments.word_or("content");
  Message message = line(cell, "");
  const std::string broken = R"({"text":)";
  if (part == "header") {
    message.header = broken;
  } else if (part == "parent") {
    message.parent_header = broken;
  } else if (part == "metadata") {
    message.metadata = broken;
  } else if (part == "content") {
    message.content = broken;
  } else {
    throw UsageError("it must be header, parent, metadata or content");
  }
  cell.server.publish(std::move(message));
}

void deep_json(Cell& cell, Arguments arguments) {
  constexpr std::uint64_t kDepthMax = 50'000'000;
  const auto depth = static_cast<std::size_t>(arguments.number("N", kDepthMax));
  cell.server.publish("display_data",
                      R"({"metadata":{},"transient":{},"data":{"application/json":)" +
                          std::string(depth, '[') + std::string(depth, ']') + "}}");
}

void replay(Cell& cell, Arguments) {
  const Frames frames = cell.server.seal_for_iopub(line(cell, "once\n"));
  for (int i = 0; i < 2; ++i) {
    Frames copies;
    for (const zmq::message_t& frame : frames) copies.emplace_back(frame.data(), frame.size());
    cell.server.publish_frames(std::move(copies));
  }
}

void foreign_parent(Cell& cell, Arguments arguments) {
  Message message = line(cell, "an answer to somebody else\n");
  message.parent_header = R"({"msg_id":)" + json_string(arguments.word_or("somebody-else")) +
                          R"(,"msg_type":"execute_request","session":"somebody-else",)" +
                          R"("username":"","date":"2020-01-01T00:00:00Z","version":"5.3"})";
  cell.server.publish(std::move(message));
}

void no_idle(Cell& cell, Arguments) { cell.state.tricks.play(Trick::kNoIdle); }

void no_reply(Cell& cell, Arguments) { cell.state.tricks.play(Trick::kNoReply); }

void late_idle(Cell& cell, Arguments arguments) {
  cell.state.tricks.play(Trick::kLateIdle, arguments.seconds());
}

void late_reply(Cell& cell, Arguments arguments) {
  cell.state.tricks.play(Trick::kLateReply, arguments.seconds());
}

constexpr Command kCommands[] = {
    {"bad-signature", "[wrong|short|long|none]", "a stream message with such a signature",
     bad_signature},
    {"unsigned", "", "a stream message with an empty signature", unsigned_message},
    {"malformed", "", "messages whose frames are missing, cut off or in another order", malformed},
    {"bad-json", "[header|parent|metadata|content]", "a well signed message that is not JSON",
     bad_json},
    {"deep-json", "N", "a display_data with N nested arrays", deep_json},
    {"replay", "", "a stream message, and the same frames again", replay},
    {"foreign-parent", "[MSG_ID]", "a stream message that answers another request", foreign_parent},
    {"no-idle", "", "no idle status for this request", no_idle},
    {"no-reply", "", "no reply to this request", no_reply},
    {"late-idle", "SECONDS", "the idle status comes that long after the reply", late_idle},
    {"late-reply", "SECONDS", "the reply comes that long after the idle status", late_reply},
};

}  // namespace

std::span<const Command> hostile_commands() { return kCommands; }

}  // namespace perijove::kernels::echo
