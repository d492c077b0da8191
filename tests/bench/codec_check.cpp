// Checks the load generator's own codecs: a measurement that misreads what it receives is worse
// than none. Exit status 1 and a line for each expectation that does not hold. Prints what decoding
// a message costs, which is what the load generator adds to every figure.

#include <cstdio>
#include <string>

#include "clock.hpp"
#include "http_client.hpp"
#include "json_scan.hpp"
#include "message.hpp"
#include "statistics.hpp"
#include "websocket_codec.hpp"

namespace bench {
namespace {

int g_failures = 0;

void expect(bool holds, const char* fact) {
  if (holds) return;
  ++g_failures;
  std::printf("does not hold: %s\n", fact);
}

std::string server_frame(Opcode opcode, std::string_view payload, bool final = true) {
  std::string frame(1, static_cast<char>((final ? 0x80 : 0) | static_cast<int>(opcode)));
  if (payload.size() < 126) {
    frame += static_cast<char>(payload.size());
  } else {
    frame += static_cast<char>(126);
    frame += static_cast<char>(payload.size() >> 8);
    frame += static_cast<char>(payload.size());
  }
  return frame.append(payload);
}

void check_websocket_frames() {
  // RFC 6455, section 5.7: a single-frame masked text message, and section 1.3: the accept value.
  std::string sent;
  append_client_frame(sent, Opcode::kText, "Hello", {'\x37', '\xfa', '\x21', '\x3d'});
  expect(sent == "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "masks as RFC 6455 shows");
  expect(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
         "computes RFC 6455's Sec-WebSocket-Accept");

  const std::string large(70'000, 'x');
  const std::string stream =
      server_frame(Opcode::kText, "one") + server_frame(Opcode::kBinary, "fir", false) +
      server_frame(Opcode::kPing, "p") + server_frame(Opcode::kContinuation, "st") +
      server_frame(Opcode::kText, large.substr(0, 60'000));
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, stream.size()}) {
    FrameReader reader;
    std::string seen;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      reader.append(std::string_view(stream).substr(at, step));
      WebsocketMessage message;
      while (reader.next(message)) {
        seen += std::to_string(static_cast<int>(message.opcode)) + ":" +
                std::string(message.payload.substr(0, 5)) + "/" +
                std::to_string(message.payload.size()) + " ";
      }
    }
    expect(seen == "1:one/3 9:p/1 2:first/5 1:xxxxx/60000 ",
           "reads whole, fragmented and control frames however the bytes are cut");
  }
  FrameReader reader;
  reader.append(sent);
  WebsocketMessage message;
  bool refused = false;
  try {
    reader.next(message);
  } catch (const WebsocketError&) {
    refused = true;
  }
  expect(refused, "refuses a masked frame from a server");
}

void check_framings() {
  // The bytes that jupyter_server itself makes of such a message, with {} for the parent's id.
  const std::string_view v1(
      "\x07\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\x45\0\0\0\0\0\0\0\x4c\0\0\0\0\0\0\0\x4e\0\0\0\0\0\0\0"
      "\x50\0\0\0\0\0\0\0\x52\0\0\0\0\0\0\0\x54\0\0\0\0\0\0\0shell{\"a\":1}{}{}{}\x01\x02",
      84);
  Message message;
  expect(decode(Framing::kV1, v1, false, message) && message.channel == Channel::kShell &&
             message.content == "{}" && message.buffers.size() == 1 &&
             message.buffers[0] == "\x01\x02",
         "reads the v1 framing's golden bytes");
  for (std::size_t size = 0; size < v1.size() - 2; ++size) {
    expect(!decode(Framing::kV1, v1.substr(0, size), false, message), "refuses a cut v1 frame");
  }

  const std::string_view buffers_frame(
      "\0\0\0\x03\0\0\0\x10\0\0\0\x81\0\0\0\x83"
      "{\"header\": {\"msg_id\": \"m\", \"date\": null}, \"parent_header\": {}, \"metadata\": {}, "
      "\"content\": {}, \"channel\": \"iopub\"}\x01\x02\xff",
      132);
  expect(decode(Framing::kJson, buffers_frame, false, message) &&
             message.channel == Channel::kIopub && message.buffers.size() == 2 &&
             message.buffers[1] == "\xff",
         "reads the JSON framing's golden bytes with buffers");

  const Request request = {Channel::kShell, "comm_msg", "m1", R"({"data":"}\"{"})", {"ab", ""}};
  for (const Framing framing : {Framing::kJson, Framing::kV1}) {
    const Payload payload = encode(framing, request, "s");
    expect(decode(framing, payload.bytes, payload.text, message) && message.type == "comm_msg" &&
               message.content == request.content && message.buffers == request.buffers,
           "reads back what it writes");
  }
}

void check_json_scan() {
  const std::string_view object = R"({"a" : "x\\", "b": {"c": "}"} , "d":[1,"]"], "e":null})";
  expect(json_scan::string_member(object, "a") == R"(x\\)", "a string may end in a backslash");
  expect(json_scan::member(object, "b") == R"({"c": "}"})", "a brace within a string ends nothing");
  expect(json_scan::member(object, "d") == R"([1,"]"])", "a bracket within a string ends nothing");
  expect(json_scan::member(object, "e") == "null", "a bare word ends at the brace");
  expect(json_scan::member(object, "c").empty(), "only the outermost object is looked at");
  expect(json_scan::member(R"({"a)", "a").empty(), "cut text gives nothing");
  expect(json_scan::quoted("a\"\\\n\x01") == R"("a\"\\\n\u0001")", "escapes what JSON demands");
}

void check_http() {
  HttpResponseReader reader;
  const std::string_view answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n0\r\n\r\nrest";
  std::size_t used = 0;
  while (!reader.complete()) used += reader.feed(answer.substr(used, 3));
  expect(reader.body() == "Wiki" && answer.substr(used) == "rest",
         "reads a chunked body and nothing after it");
  const ServerUrl url = ServerUrl::parse("http://h:81/base?x=1&token=T&y=2");
  expect(url.host == "h" && url.port == 81 && url.base_path == "/base/" && url.token == "T",
         "takes a server's URL apart");
}

void check_statistics() {
  expect(median({3, 1, 2}) == 2 && percentile({1, 2, 3, 4}, 0.99) == 4 && median({}) == 0,
         "takes percentiles by nearest rank");
}

void print_cost(Framing framing) {
  constexpr std::string_view kHeader =
      R"("header":{"msg_id":"0123456789-123","msg_type":"stream","username":"u","session":"0123456789",)"
      R"("date":"2026-01-01T00:00:00.000000Z","version":"5.3"},)";
  constexpr std::string_view kParent =
      R"("parent_header":{"msg_id":"0123456789-7","msg_type":"execute_request","username":"u",)"
      R"("session":"0123456789","date":"2026-01-01T00:00:00.000000Z","version":"5.3"},)";
  const std::string content = R"({"name":"stdout","text":")" + std::string(80, 'x') + R"(\n"})";
  std::string json = "{" + std::string(kHeader) + std::string(kParent) +
                     R"("metadata":{},"content":)" + content +
                     R"(,"buffers":[],"channel":"iopub"})";
  Payload payload{json, true};
  if (framing == Framing::kV1) {
    const Request request = {Channel::kIopub, "stream", "0123456789-123", content, {}};
    payload = encode(Framing::kV1, request, "0123456789");
  }
  const std::string frame = server_frame(Opcode::kBinary, payload.bytes);
  std::string batch;
  constexpr std::size_t kBatch = 300;
  for (std::size_t i = 0; i < kBatch; ++i) batch += frame;
  FrameReader reader;
  WebsocketMessage received;
  Message message;
  std::size_t count = 0;
  const TimePoint begin = Clock::now();
  while (count < 100'000) {
    reader.append(batch);
    while (reader.next(received)) {
      decode(framing, received.payload, payload.text, message);
      count += message.execution_state().empty() ? 1 : 0;
    }
  }
  std::printf("a stream message in the %s framing costs %.2f µs to read\n",
              std::string(to_string(framing)).c_str(),
              microseconds_between(begin, Clock::now()) / static_cast<double>(count));
}

int run() {
  check_websocket_frames();
  check_framings();
  check_json_scan();
  check_http();
  check_statistics();
  print_cost(Framing::kJson);
  print_cost(Framing::kV1);
  std::printf("%s\n", g_failures == 0 ? "all expectations hold" : "FAILED");
  return g_failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main() { return bench::run(); }
