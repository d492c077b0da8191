#include "engine/channels.hpp"

#include <gmock/gmock.h>

#include "base/limits.hpp"
#include "support/loop.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using testing::run_until;

constexpr const char* kKey = "secret";
constexpr SignedParts kParts = {R"({"msg_id":"1"})", "{}", "{}", R"({"a":1})"};

using Frames = std::vector<std::string>;
using SlowSubscriber = KernelChannels::SlowSubscriber;

// The kernel's side: sockets of libzmq that say whatever a test wants them to say.
class ChannelsTest : public ::testing::Test {
 protected:
  ChannelsTest() {
    for (zmq::socket_t* socket : {&shell_, &control_, &stdin_, &iopub_}) {
      socket->set(zmq::sockopt::linger, 0);
      socket->set(zmq::sockopt::rcvtimeo, 30'000);
      socket->bind(endpoint(*socket));
    }
    auto opened = KernelChannels::open(
        shard_,
        {.shell = endpoint(shell_),
         .iopub = endpoint(iopub_),
         .stdin_ = endpoint(stdin_),
         .control = endpoint(control_),
         .key = kKey,
         .signature_scheme = "hmac-sha256"},
        SlowSubscriber::lose,
        {.on_message = [this](MessagePtr message) { received_.push_back(std::move(message)); },
         .on_turn_end = [] {}});
    EXPECT_TRUE(opened) << opened.error();
    channels_ = *std::move(opened);
    zmq::message_t subscription;
    EXPECT_TRUE(iopub_.recv(subscription));
    EXPECT_EQ(subscription.to_string(), "\x01") << "to everything";
  }

  std::string endpoint(const zmq::socket_t& socket) const {
    const char* const name = &socket == &shell_     ? "shell"
                             : &socket == &control_ ? "control"
                             : &socket == &stdin_   ? "stdin"
                                                    : "iopub";
    return "ipc://" + temp_.str() + "/" + name;
  }

  static std::string sign(const SignedParts& parts) {
    return Signer::create(kKey, "hmac-sha256")->sign(parts);
  }

  static Frames frames(const SignedParts& parts, const std::string& signature,
                       const Frames& buffers = {}) {
    Frames all = {"topic", std::string(kDelimiter), signature};
    for (const ByteView part : {parts.header, parts.parent_header, parts.metadata, parts.content}) {
      all.emplace_back(part);
    }
    all.insert(all.end(), buffers.begin(), buffers.end());
    return all;
  }

  static void send(zmq::socket_t& socket, const Frames& frames) {
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const auto flags = i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
      ASSERT_TRUE(socket.send(zmq::buffer(frames[i]), flags));
    }
  }

  static Frames receive(zmq::socket_t& socket) {
    Frames all;
    zmq::message_t frame;
    do {
      if (!socket.recv(frame)) return {};
      all.push_back(frame.to_string());
    } while (frame.more());
    return all;
  }

  // Whatever was sent before has been looked at when this message arrives.
  void expect_only_this_one() {
    const SignedParts last = {R"({"msg_id":"last"})", "{}", "{}", "{}"};
    send(iopub_, frames(last, sign(last)));
    ASSERT_TRUE(run_until(shard_.loop(), [this] { return !received_.empty(); }));
    ASSERT_EQ(received_.size(), 1u);
    EXPECT_EQ(received_[0]->parts().header, last.header);
  }

  testing::TempDir temp_;
  zmq::context_t context_;
  zmq::socket_t shell_{context_, zmq::socket_type::router};
  zmq::socket_t control_{context_, zmq::socket_type::router};
  zmq::socket_t stdin_{context_, zmq::socket_type::router};
  zmq::socket_t iopub_{context_, zmq::socket_type::xpub};
  Shard shard_;
  std::vector<MessagePtr> received_;
  std::unique_ptr<KernelChannels> channels_;
};

TEST_F(ChannelsTest, SignsWhatItSends) {
  const std::vector<ByteView> buffers = {"b0", ""};
  ASSERT_TRUE(channels_->send(Channel::shell, kParts, buffers, nullptr));
  const Frames sent = receive(shell_);
  ASSERT_EQ(sent.size(), 9u);
  EXPECT_EQ(
      Frames(sent.begin() + 1, sent.end()),
      Frames({"<IDS|MSG>", sign(kParts), R"({"msg_id":"1"})", "{}", "{}", R"({"a":1})", "b0", ""}));
}

TEST_F(ChannelsTest, SendsOnTheChannelAsked) {
  ASSERT_TRUE(channels_->send(Channel::control, kParts, {}, nullptr));
  ASSERT_TRUE(channels_->send(Channel::stdin_, kParts, {}, nullptr));
  EXPECT_EQ(receive(control_).size(), 7u);
  EXPECT_EQ(receive(stdin_).size(), 7u);
}

TEST_F(ChannelsTest, ShellAndStdinHaveOneIdentity) {
  // A kernel sends its input_request to the identity that the execute_request came from.
  for (const Channel channel : {Channel::shell, Channel::stdin_}) {
    ASSERT_TRUE(channels_->send(channel, kParts, {}, nullptr));
  }
  const Frames on_shell = receive(shell_);
  EXPECT_FALSE(on_shell.at(0).empty());
  EXPECT_EQ(on_shell.at(0), receive(stdin_).at(0));
}

TEST_F(ChannelsTest, ReceivesOnEveryChannel) {
  const std::pair<Channel, zmq::socket_t*> all[] = {
      {Channel::shell, &shell_}, {Channel::control, &control_}, {Channel::stdin_, &stdin_}};
  for (const auto& [channel, socket] : all) {
    ASSERT_TRUE(channels_->send(channel, kParts, {}, nullptr));
    const std::string identity = receive(*socket).at(0);
    const std::string header = R"({"on":")" + std::string(to_string(channel)) + "\"}";
    const SignedParts reply = {header, kParts.header, "{}", "{}"};
    Frames reply_frames = frames(reply, sign(reply));
    reply_frames[0] = identity;
    send(*socket, reply_frames);
    ASSERT_TRUE(run_until(shard_.loop(), [this] { return !received_.empty(); }));
    EXPECT_EQ(received_[0]->channel(), channel);
    EXPECT_EQ(received_[0]->parts().header, header);
    EXPECT_EQ(received_[0]->parts().parent_header, kParts.header);
    received_.clear();
  }
}

TEST_F(ChannelsTest, ReceivesMessagesOfEverySizeVerbatim) {
  for (const std::size_t size : {std::size_t{0}, limits::kCopyMessageBytesMax,
                                 2 * limits::kCopyMessageBytesMax, std::size_t{5'000'000}}) {
    const std::string content = R"({"text":")" + std::string(size, 'x') + "\"}";
    const std::string header = R"({"msg_id":")" + std::to_string(size) + "\"}";
    const SignedParts parts = {header, "{}", "{}", content};
    send(iopub_, frames(parts, sign(parts), {"small", std::string(size, 'b')}));
    ASSERT_TRUE(run_until(shard_.loop(), [this] { return !received_.empty(); }));
    const MessagePtr message = std::exchange(received_, {})[0];
    EXPECT_EQ(message->channel(), Channel::iopub);
    EXPECT_EQ(message->parts().header, header);
    EXPECT_EQ(message->parts().content, content);
    EXPECT_THAT(message->buffers(), ElementsAre("small", std::string(size, 'b')));
  }
}

TEST_F(ChannelsTest, RefusesUnsignedAndWronglySignedMessages) {
  const std::string right = sign(kParts);
  std::string flipped = right;
  flipped[0] = flipped[0] == '0' ? '1' : '0';
  for (const std::string& signature :
       {std::string(), flipped, right.substr(1), right + "0", std::string(64, '0')}) {
    send(iopub_, frames(kParts, signature));
  }
  SignedParts changed = kParts;
  changed.content = R"({"a":2})";
  send(iopub_, frames(changed, right));
  expect_only_this_one();
  EXPECT_EQ(channels_->counters().rejected_signatures, 6u);
}

TEST_F(ChannelsTest, RefusesWhatIsNotFramed) {
  send(iopub_, {"topic"});
  send(iopub_, {"topic", "{}", "{}", "{}", "{}", "{}", "{}"});
  send(iopub_, {"topic", std::string(kDelimiter), "", "{}", "{}", "{}"});
  send(iopub_, {"", "", ""});
  expect_only_this_one();
  EXPECT_EQ(channels_->counters().rejected_frames, 4u);
}

TEST_F(ChannelsTest, RefusesAReplayedMessage) {
  for (int i = 0; i < 3; ++i) send(iopub_, frames(kParts, sign(kParts)));
  ASSERT_TRUE(run_until(shard_.loop(), [this] { return !received_.empty(); }));
  EXPECT_EQ(std::exchange(received_, {})[0]->parts().header, kParts.header);
  expect_only_this_one();
  EXPECT_EQ(channels_->counters().rejected_replays, 2u);
}

TEST_F(ChannelsTest, RefusesAMessageReplayedOnAnotherChannel) {
  ASSERT_TRUE(channels_->send(Channel::shell, kParts, {}, nullptr));
  Frames on_shell = frames(kParts, sign(kParts));
  on_shell[0] = receive(shell_).at(0);
  send(shell_, on_shell);
  ASSERT_TRUE(run_until(shard_.loop(), [this] { return !received_.empty(); }));
  received_.clear();
  send(iopub_, frames(kParts, sign(kParts)));
  expect_only_this_one();
  EXPECT_EQ(channels_->counters().rejected_replays, 1u);
}

TEST_F(ChannelsTest, SaysWhenTheKernelsQueueIsFull) {
  shell_.close();  // nobody takes anything
  int sent = 0;
  while (sent < 100'000 && channels_->send(Channel::shell, kParts, {}, nullptr)) ++sent;
  EXPECT_LT(sent, 100'000);
}

TEST(KernelChannels, CannotBeOpenedWithoutAKeyOrWithAnUnknownScheme) {
  Shard shard;
  Endpoints endpoints = {.shell = "ipc:///nowhere/1",
                         .iopub = "ipc:///nowhere/2",
                         .stdin_ = "ipc:///nowhere/3",
                         .control = "ipc:///nowhere/4",
                         .key = "",
                         .signature_scheme = "hmac-sha256"};
  EXPECT_FALSE(KernelChannels::open(shard, endpoints, SlowSubscriber::lose, {}));
  endpoints.key = kKey;
  endpoints.signature_scheme = "hmac-none";
  EXPECT_FALSE(KernelChannels::open(shard, endpoints, SlowSubscriber::lose, {}));
  endpoints.signature_scheme = "hmac-sha256";
  endpoints.control = "nonsense";
  EXPECT_FALSE(KernelChannels::open(shard, endpoints, SlowSubscriber::lose, {}));
}

}  // namespace
}  // namespace perijove
