// Answers in pieces whose length is known before.

#include "server_test.hpp"

namespace perijove {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TcpClient;

/// Answers with ten bytes in two pieces; with five of them for /short.
class HttpSizedBodyTest : public ServerTest {
 protected:
  HttpSizedBodyTest()
      : ServerTest([](std::shared_ptr<HttpExchange> exchange) {
          const bool is_short = exchange->request().path == "/short";
          const auto body = exchange->respond_in_pieces(
              {.status = 200, .headers = {{"Content-Length", "10"}}, .body = ""});
          body->write("01234");
          if (is_short) return;  // dropped
          body->write("56789");
          body->finish();
        }) {}
};

TEST_F(HttpSizedBodyTest, IsNotChunked) {
  TcpClient client(port_);
  client.send(get("/") + get("/"));
  for (int i = 0; i < 2; ++i) {
    const Response response = read_response(client);
    EXPECT_THAT(response.head, AllOf(HasSubstr("\r\nContent-Length: 10\r\n"),
                                     Not(HasSubstr("Transfer-Encoding"))));
    EXPECT_EQ(response.body, "0123456789");
  }
}

TEST_F(HttpSizedBodyTest, LeavesTheConnectionToTheNextRequestForHttpOnePointZero) {
  TcpClient client(port_);
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(read_response(client).body, "0123456789");
  client.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(read_response(client).body, "0123456789");
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(HttpSizedBodyTest, OfHeadIsOnlyItsLength) {
  TcpClient client(port_);
  client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + get("/"));
  EXPECT_THAT(read_response(client, true).head, HasSubstr("\r\nContent-Length: 10\r\n"));
  EXPECT_EQ(read_response(client).body, "0123456789");
}

TEST_F(HttpSizedBodyTest, ThatIsTooShortEndsTheConnection) {
  TcpClient client(port_);
  client.send(get("/short"));
  client.read_until("\r\n\r\n");
  EXPECT_LT(client.read_to_end().size(), 10u);
}

}  // namespace
}  // namespace perijove
