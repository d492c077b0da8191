#include "protocol/message.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "protocol/header.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Message, ACopyOutlivesWhatItWasMadeFrom) {
  std::string header = "{\"h\":1}", parent = "{}", metadata = "", content = "{\"c\":2}";
  std::string buffer("\0\x01", 2);
  MessagePtr message;
  {
    const std::vector<ByteView> buffers = {buffer, ""};
    message = Message::copy(Channel::iopub, {header, parent, metadata, content}, buffers);
  }
  for (std::string* source : {&header, &parent, &content, &buffer}) source->assign(99, '!');

  EXPECT_EQ(message->channel(), Channel::iopub);
  EXPECT_EQ(message->parts().header, "{\"h\":1}");
  EXPECT_EQ(message->parts().parent_header, "{}");
  EXPECT_EQ(message->parts().metadata, "");
  EXPECT_EQ(message->parts().content, "{\"c\":2}");
  EXPECT_THAT(message->buffers(), ElementsAre(ByteView("\0\x01", 2), ""));
}

TEST(Message, CountsTheBytesOfPartsAndBuffers) {
  const std::vector<ByteView> buffers = {"12345", "", "6"};
  const SignedParts parts = {"a", "bc", "", "def"};
  EXPECT_EQ(Message::copy(Channel::shell, parts, buffers)->size_bytes(), 12u);
  EXPECT_EQ(Message::share(Channel::shell, parts, buffers, nullptr)->size_bytes(), 12u);
  EXPECT_EQ(Message::copy(Channel::shell, {})->size_bytes(), 0u);
}

TEST(Message, MayBeEmpty) {
  const MessagePtr message = Message::copy(Channel::shell, {});
  EXPECT_EQ(message->parts().header, "");
  EXPECT_THAT(message->buffers(), IsEmpty());
}

TEST(Message, KeepsItsOwnerInsteadOfCopying) {
  auto owner = std::make_shared<const std::string>("{\"text\":\"x\"}");
  const std::weak_ptr<const std::string> watched = owner;
  const std::vector<ByteView> buffers = {ByteView(*owner).substr(2, 4)};
  MessagePtr message = Message::share(Channel::shell, {"{}", "{}", "{}", *owner}, buffers, owner);
  EXPECT_EQ(message->parts().content.data(), owner->data());
  EXPECT_EQ(message->buffers()[0], "text");

  owner.reset();
  MessagePtr second = message;
  message.reset();
  EXPECT_FALSE(watched.expired());
  second.reset();
  EXPECT_TRUE(watched.expired());
}

TEST(Message, WritesItsOwnHeader) {
  const auto date = WallTime(std::chrono::microseconds(1'795'247'125'012'735));
  EXPECT_EQ(make_header({.msg_type = "status", .msg_id = "m-1", .session = "s-1", .date = date}),
            R"({"msg_id":"m-1","msg_type":"status","username":"perijove","session":"s-1",)"
            R"("date":"2026-11-21T07:45:25.012735Z","version":"5.3"})");
}

TEST(Message, EscapesWhatStandsInItsHeader) {
  const std::string header = make_header(
      {.msg_type = "a\"b", .msg_id = "line\nbreak\\", .session = "\xff\x01", .date = {}});
  const auto parsed = parse_json(header);
  ASSERT_TRUE(parsed) << parsed.error();
  EXPECT_EQ((*parsed)["msg_type"], "a\"b");
  EXPECT_EQ((*parsed)["msg_id"], "line\nbreak\\");
  EXPECT_EQ((*parsed)["session"], "\xef\xbf\xbd\x01");
}

TEST(Message, OfTheGatewayHasAllParts) {
  const MessagePtr message = make_message(
      Channel::iopub, {.msg_type = "status", .msg_id = "m", .session = "s", .date = {}},
      R"({"msg_id":"parent"})", R"({"execution_state":"idle"})");
  EXPECT_EQ(message->channel(), Channel::iopub);
  EXPECT_EQ(peek_header(message->parts().header)->msg_type, "status");
  EXPECT_EQ(message->parts().parent_header, R"({"msg_id":"parent"})");
  EXPECT_EQ(message->parts().metadata, "{}");
  EXPECT_EQ(message->parts().content, R"({"execution_state":"idle"})");
}

}  // namespace
}  // namespace perijove
