// The client of the Engine API, its streams, and who a container belongs to: without a daemon.
#include <gmock/gmock.h>

#include "net/http_server.hpp"
#include "provision/docker/engine.hpp"
#include "provision/docker/events.hpp"
#include "provision/docker/gateway_identity.hpp"
#include "provision/docker/log_frames.hpp"
#include "support/loop.hpp"
#include "support/temp_dir.hpp"

namespace perijove::docker {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_until;

TEST(DockerHost, IsASocketOrAnAddress) {
  EXPECT_EQ(parse_docker_host("unix:///var/run/docker.sock")->socket_path, "/var/run/docker.sock");
  EXPECT_EQ(parse_docker_host("tcp://127.0.0.1:2000")->describe(), "http://127.0.0.1:2000");
  EXPECT_EQ(parse_docker_host("tcp://host")->port, "2375");
  EXPECT_EQ(parse_docker_host("tcp://[::1]")->port, "2375");
  EXPECT_THAT(parse_docker_host("tcp://host", "/nowhere").error().message,
              HasSubstr("/nowhere/ca.pem"));
  EXPECT_EQ(parse_docker_host("ssh://host").error().code, Code::unimplemented);
  for (const char* text : {"", "unix://", "unix://relative", "host", "tcp://", "tcp://host/path"}) {
    EXPECT_EQ(parse_docker_host(text).error().code, Code::invalid_argument) << text;
  }
}

TEST(Answers, HaveTheDaemonsMessage) {
  const HttpAddress address{{}, {}, "/s"};
  const auto judge = [&](int status, const std::string& body) {
    return judge_answer(HttpResponse{status, {}, body}, address);
  };
  EXPECT_EQ(*judge(201, "body"), "body");
  EXPECT_EQ(*judge(304, ""), "");
  EXPECT_EQ(judge(404, R"({"message":"No such image: x"})").error().message,
            "Docker: No such image: x");
  EXPECT_EQ(judge(404, "{}").error().code, Code::not_found);
  EXPECT_EQ(judge(409, "{}").error().code, Code::already_exists);
  EXPECT_EQ(judge(400, "plain text\n").error().message, "Docker: plain text");
  EXPECT_EQ(judge(500, "").error().message, "Docker: Internal Server Error");
  EXPECT_EQ(judge(500, "").error().code, Code::failed_precondition);
}

// rows: D24
TEST(Answers, ThatDoNotComeSayWhatWouldHelp) {
  const HttpAddress address{{}, {}, "/s"};
  EXPECT_THAT(judge_answer(Error{Code::permission_denied, "cannot reach"}, address).error().message,
              AllOf(HasSubstr("usermod -aG docker"), HasSubstr("rootless")));
  EXPECT_THAT(judge_answer(Error{Code::unavailable, "cannot reach"}, address).error().message,
              AllOf(HasSubstr("systemctl start docker"), HasSubstr("DOCKER_HOST")));
}

// A daemon of the test's own, on a port.
class EngineTest : public ::testing::Test {
 protected:
  EngineTest()
      : server_(shard_, {.body_bytes_max = 1 << 20}, [this](const auto& exchange) {
          asked_.push_back(exchange->request().method + " " + exchange->request().path);
          HttpResponse response;
          if (exchange->request().path == "/_ping") {
            response.headers.emplace_back("Api-Version", version_);
          } else if (const auto name = exchange->request().argument("name")) {
            response.body = *name;
          }
          exchange->respond(std::move(response));
        }) {
    const auto port = server_.listen("127.0.0.1", 0);
    EXPECT_TRUE(port) << port.error();
    engine_ = std::make_shared<Engine>(shard_, HttpAddress{"127.0.0.1", std::to_string(*port), {}});
  }
  ~EngineTest() override { engine_->close(); }

  Result<std::string> ask(EngineCall call) {
    std::optional<Result<std::string>> answer;
    engine_->call(std::move(call), [&](Result<std::string> told) { answer = std::move(told); });
    EXPECT_TRUE(run_until(shard_.loop(), [&] { return answer.has_value(); }));
    return *answer;
  }
  EngineCall get(const std::string& path) {
    EngineCall call;
    call.path = path;
    return call;
  }

  Shard shard_;
  std::string version_ = "1.41";
  std::vector<std::string> asked_;
  HttpServer server_;
  std::shared_ptr<Engine> engine_;
};

TEST_F(EngineTest, AgreesOnAVersionOnce) {
  EXPECT_TRUE(ask(get("/info")));
  EXPECT_TRUE(ask(get("/info")));
  EXPECT_THAT(asked_, ElementsAre("GET /_ping", "GET /v1.41/info", "GET /v1.41/info"));
}

TEST_F(EngineTest, TakesNoNewerVersionThanItKnows) {
  version_ = "1.99";
  EXPECT_TRUE(ask(get("/info")));
  EXPECT_EQ(asked_.at(1), "GET /v1.47/info");
}

TEST_F(EngineTest, SaysThatADaemonIsTooOldOrNone) {
  version_ = "1.24";
  EXPECT_THAT(ask(get("/info")).error().message, HasSubstr("1.40"));
  version_ = "";
  EXPECT_THAT(ask(get("/info")).error().message, HasSubstr("is it a Docker daemon?"));
}

TEST_F(EngineTest, EncodesArguments) {
  EngineCall call = get("/x");
  call.query = {{"name", "a b&c=d/\u00e4+%"}};
  EXPECT_EQ(*ask(std::move(call)), "a b&c=d/\u00e4+%");
}

TEST_F(EngineTest, DropsItsCallsWhenClosed) {
  bool told = false;
  engine_->call(get("/info"), [&](const auto&) { told = true; });
  engine_->close();
  shard_.loop().poll();
  EXPECT_FALSE(told);
}

TEST(EngineWithoutADaemon, TriesAgainForAWhile) {
  Shard shard;
  const testing::TempDir temp;
  const auto engine =
      std::make_shared<Engine>(shard, HttpAddress{{}, {}, temp.str() + "/later.sock"});
  EngineCall call;
  call.path = "/info";
  call.retry_for = std::chrono::milliseconds(300);
  std::optional<Result<std::string>> answer;
  const TimePoint begun = Clock::now();
  engine->call(std::move(call), [&](Result<std::string> told) { answer = std::move(told); });
  ASSERT_TRUE(run_until(shard.loop(), [&] { return answer.has_value(); }));
  EXPECT_GE(Clock::now() - begun, std::chrono::milliseconds(300));
  EXPECT_EQ(answer->error().code, Code::unavailable);
}

TEST(JsonLines, ComeInAnyPieces) {
  std::vector<std::string> lines;
  JsonLines splitter;
  const auto feed = [&](std::string_view bytes) {
    splitter.feed(bytes, [&](std::string_view line) { lines.emplace_back(line); });
  };
  feed("a");
  feed("b\n\nc\nd");
  EXPECT_THAT(lines, ElementsAre("ab", "c"));
  feed(std::string(2 * JsonLines::kLineBytesMax, 'x'));
  feed("\ne\n");
  EXPECT_THAT(lines, ElementsAre("ab", "c", "e"));
}

std::string frame(char stream, const std::string& payload) {
  std::string bytes{stream, 0, 0, 0, 0, 0, 0, 0};
  bytes[6] = static_cast<char>(payload.size() >> 8);
  bytes[7] = static_cast<char>(payload.size());
  return bytes + payload;
}

TEST(LogFrames, ComeInAnyPieces) {
  const std::string bytes = frame(1, "out") + frame(2, "") + frame(2, std::string(300, 'e'));
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    std::string out, error;
    LogFrames frames(
        [&](int stream, std::string_view payload) { (stream == 1 ? out : error) += payload; });
    for (std::size_t at = 0; at < bytes.size(); at += size) {
      EXPECT_TRUE(frames.feed(std::string_view(bytes).substr(at, size)));
    }
    EXPECT_EQ(out, "out");
    EXPECT_EQ(error, std::string(300, 'e'));
  }
}

TEST(LogFrames, EndAtWhatIsNone) {
  std::string told;
  LogFrames frames([&](int, std::string_view payload) { told += payload; });
  EXPECT_FALSE(frames.feed(frame(1, "first") + "no frame at all"));
  EXPECT_FALSE(frames.feed(frame(1, "more")));
  EXPECT_EQ(told, "first");
}

TEST(GatewayIdentities, SurviveTheirLabel) {
  const GatewayIdentity own = own_identity("/run/x/1");
  EXPECT_FALSE(own.start_time.empty());
  EXPECT_EQ(parse_identity(to_label(own)), own);
  for (const char* text : {"", "{}", "[]", "nonsense", R"({"pid": "1"})"}) {
    EXPECT_EQ(parse_identity(text), std::nullopt) << text;
  }
}

TEST(GatewayIdentities, AreDeadOnlyForCertain) {
  const GatewayIdentity own = own_identity("/run/x/1");
  const ProcessFacts gone = {.runs_since_then = false, .runtime_dir_is_held = false};
  GatewayIdentity other = own;
  other.pid = own.pid + 1;
  EXPECT_TRUE(is_dead(other, own, gone));
  EXPECT_FALSE(is_dead(other, own, {.runs_since_then = true, .runtime_dir_is_held = false}));
  EXPECT_FALSE(is_dead(other, own, {.runs_since_then = false, .runtime_dir_is_held = true}));
  GatewayIdentity before = other;
  before.boot = "an earlier one";
  EXPECT_TRUE(is_dead(before, own, gone));
  GatewayIdentity elsewhere = before;
  elsewhere.machine = "another";
  EXPECT_FALSE(is_dead(elsewhere, own, gone));
  GatewayIdentity contained = other;
  contained.pid_namespace = "another";
  EXPECT_TRUE(is_dead(contained, own, gone)) << "the same base: a container started again";
  contained.runtime_dir = "/elsewhere/1";
  EXPECT_FALSE(is_dead(contained, own, gone));
  EXPECT_TRUE(look_at(own).runs_since_then);
}

}  // namespace
}  // namespace perijove::docker
