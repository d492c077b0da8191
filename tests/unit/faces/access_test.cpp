#include "faces/jupyter/access.hpp"

#include <gmock/gmock.h>

namespace perijove {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Base64 of "user:T0ken", ":T0ken", "T0ken", "T0ken:" and "user:x:T0ken".
constexpr const char* kBasicRight = "Basic dXNlcjpUMGtlbg==";
constexpr const char* kBasicNoUser = "Basic OlQwa2Vu";
constexpr const char* kBasicNoColon = "Basic VDBrZW4=";
constexpr const char* kBasicAsUser = "Basic VDBrZW46";
constexpr const char* kBasicColonInPassword = "Basic dXNlcjp4OlQwa2Vu";

JupyterFaceOptions with_token() {
  JupyterFaceOptions options;
  options.token = "T0ken";
  return options;
}

HttpRequest request(HttpFields headers = {}, const std::string& query = "") {
  HttpRequest made;
  made.method = "GET";
  made.path = "/api/kernels";
  made.headers = std::move(headers);
  made.query = parse_query(query);
  return made;
}

int status(const JupyterFaceOptions& options, const HttpRequest& request) {
  const Access access = check_access(options, request);
  EXPECT_EQ(access.refused_status == 0, access.refused_message.empty());
  return access.refused_status;
}

std::string cors(const Access& access, std::string_view name) {
  return std::string(find_field(access.cors_headers, name));
}

TEST(AccessToken, IsTakenInEveryForm) {
  for (const char* value : {"token T0ken", "Token T0ken", "TOKEN T0ken", "Bearer T0ken",
                            "bearer   T0ken", "  token\tT0ken ", kBasicRight, kBasicNoUser}) {
    EXPECT_EQ(status(with_token(), request({{"authorization", value}})), 0) << value;
  }
  EXPECT_EQ(status(with_token(), request({}, "x=1&token=T0ken")), 0);
}

TEST(AccessToken, IsRefusedWhenItIsWrong) {
  for (const char* value :
       {"", "token", "token ", "token t0ken", "token T0ke", "token T0ken2", "token T0ken T0ken",
        "T0ken", "Digest T0ken", "tokenT0ken", "token: T0ken", "Basic T0ken", "Basic", "Basic !!!!",
        kBasicNoColon, kBasicAsUser, kBasicColonInPassword}) {
    EXPECT_EQ(status(with_token(), request({{"Authorization", value}})), 401) << value;
  }
  for (const char* query : {"", "token=", "token=t0ken", "Token=T0ken", "token", "token=T0ken%00",
                            "token=x&token=T0ken"}) {
    EXPECT_EQ(status(with_token(), request({}, query)), 401) << query;
  }
}

TEST(AccessToken, OneRightFormIsEnough) {
  EXPECT_EQ(status(with_token(), request({{"Authorization", "token old"}}, "token=T0ken")), 0);
  EXPECT_EQ(status(with_token(), request({{"Authorization", "token T0ken"}}, "token=old")), 0);
}

TEST(AccessToken, IsNeverShown) {
  const Access access = check_access(with_token(), request());
  EXPECT_THAT(access.refused_message, Not(HasSubstr("T0ken")));
  EXPECT_THAT(access.refused_message, HasSubstr("Authorization: token T"));
}

TEST(AccessToken, ThatIsEmptyOpensTheGatewayToThisMachineOnly) {
  const JupyterFaceOptions open;
  EXPECT_EQ(status(open, request({{"Host", "localhost:8888"}})), 0);
  EXPECT_EQ(status(open, request({{"Host", "localhost:8888"}, {"Authorization", "token x"}})), 0);
  EXPECT_EQ(status(open, request({{"Host", "localhost:8888"}}, "token=")), 0);
}

// ---- Host and Origin, when there is no token ----

TEST(AccessHost, IsAnAddressLocalhostOrAllowed) {
  JupyterFaceOptions options;
  options.allow_hosts = {"gateway.example"};
  for (const char* host :
       {"", "localhost", "localhost:8888", "LOCALHOST", "127.0.0.1:8888", "192.168.1.7:80",
        "[::1]:8888", "[::1]", "gateway.example", "Gateway.Example:8888"}) {
    EXPECT_EQ(status(options, request({{"Host", host}})), 0) << host;
  }
  for (const char* host :
       {"evil.example", "evil.example:8888", "localhost.evil.example", "127.0.0.1.evil.example",
        "gateway.example.evil", "[evil]:1", "x@localhost", ":8888"}) {
    const Access access = check_access(options, request({{"Host", host}}));
    EXPECT_EQ(access.refused_status, 403) << host;
    EXPECT_THAT(access.refused_message, HasSubstr("--allow-host"));
  }
}

TEST(AccessHost, MayBeAnyWhenAllAreAllowed) {
  JupyterFaceOptions options;
  options.allow_hosts = {"*"};
  EXPECT_EQ(status(options, request({{"Host", "anything.example"}})), 0);
}

TEST(AccessHost, DoesNotMatterWithAToken) {
  EXPECT_EQ(status(with_token(), request({{"Host", "proxy.example"}}, "token=T0ken")), 0);
  EXPECT_EQ(status(with_token(), request({{"Host", "proxy.example"}})), 401);
}

TEST(AccessOrigin, WithoutATokenMustBeOurOwnOrAllowed) {
  JupyterFaceOptions options;
  options.allow_origins = {"https://lab.example"};
  const auto from = [&](const char* origin) {
    return status(options, request({{"Host", "localhost:8888"}, {"Origin", origin}}));
  };
  EXPECT_EQ(status(options, request({{"Host", "localhost:8888"}})), 0) << "no page sends it";
  EXPECT_EQ(from("http://localhost:8888"), 0);
  EXPECT_EQ(from("https://LOCALHOST:8888"), 0);
  EXPECT_EQ(from("https://lab.example"), 0);
  for (const char* foreign :
       {"http://evil.example", "http://localhost:9999", "http://localhost",
        "https://lab.example:444", "https://lab.example.evil", "http://lab.example", "null",
        "localhost:8888", "://localhost:8888x"}) {
    EXPECT_EQ(from(foreign), 403) << foreign;
  }
}

TEST(AccessOrigin, MayBeAnyOfAPattern) {
  JupyterFaceOptions options;
  options.allow_origins = {"https://*.lab.example", "http://localhost:*", "http://a*.b*.example"};
  const auto from = [&](const std::string& origin) {
    return status(options, request({{"Host", "127.0.0.1:8888"}, {"Origin", origin}}));
  };
  for (const char* allowed : {"https://one.lab.example", "https://x.y-2.lab.example",
                              "http://localhost:3000", "http://ax.bx.example"}) {
    EXPECT_EQ(from(allowed), 0) << allowed;
  }
  for (const char* foreign :
       {"https://lab.example", "https://.lab.example.evil", "https://one.lab.example.evil",
        "https://one.lab.example:444", "http://one.lab.example", "https://onelab.example",
        "https://evil/.lab.example", "https://evil:1.lab.example", "https://x@y.lab.example",
        "https://evil%2f.lab.example", "https://*.lab.example", "http://localhost",
        "http://localhost:", "http://localhost:1/", "http://a.b.example", "null", "*"}) {
    EXPECT_EQ(from(foreign), 403) << foreign;
  }
}

TEST(AccessOrigin, ThatIsEndlessIsRefusedAtOnce) {
  JupyterFaceOptions options;
  options.allow_origins = {"http://*-*-*-*-*-*-*.example"};
  const std::string origin = "http://" + std::string(60'000, '-') + ".evil";
  EXPECT_EQ(status(options, request({{"Host", "localhost"}, {"Origin", origin}})), 403);
}

TEST(AccessOrigin, OfASandboxedPageIsForeignEvenWithoutAHost) {
  EXPECT_EQ(status({}, request({{"Origin", "null"}})), 403);
  EXPECT_EQ(status({}, request({{"Origin", "null"}, {"Host", ""}})), 403);
}

TEST(AccessOrigin, MayBeAnyWhenAllAreAllowed) {
  JupyterFaceOptions options;
  options.allow_origins = {"*"};
  EXPECT_EQ(status(options, request({{"Host", "localhost"}, {"Origin", "http://any.example"}})), 0);
}

TEST(AccessOrigin, DoesNotMatterToWhoWasToldTheToken) {
  const HttpFields foreign = {{"Host", "localhost:8888"}, {"Origin", "http://other.example"}};
  EXPECT_EQ(status(with_token(), request(foreign, "token=T0ken")), 0);
}

// A browser that knows the password adds it to whatever any page makes it send.
TEST(AccessOrigin, MattersWithAPassword) {
  const auto from = [](const char* origin) {
    return status(
        with_token(),
        request({{"Host", "gateway.example"}, {"Origin", origin}, {"Authorization", kBasicRight}}));
  };
  EXPECT_EQ(from("http://gateway.example"), 0);
  EXPECT_EQ(from("http://evil.example"), 403);
  EXPECT_EQ(from("null"), 403);
}

// ---- what browsers are told ----

TEST(AccessCors, NamesTheOriginThatSentTheToken) {
  const HttpFields headers = {{"Host", "h"}, {"Origin", "http://page.example"}};
  const Access told = check_access(with_token(), request(headers, "token=T0ken"));
  EXPECT_EQ(cors(told, "Access-Control-Allow-Origin"), "http://page.example");
  EXPECT_EQ(cors(told, "Vary"), "Origin");
  EXPECT_EQ(cors(told, "Access-Control-Expose-Headers"), "Location");

  const Access untold = check_access(with_token(), request(headers));
  EXPECT_EQ(cors(untold, "Access-Control-Allow-Origin"), "");

  HttpFields with_password = headers;
  with_password.emplace_back("Authorization", kBasicRight);
  EXPECT_EQ(cors(check_access(with_token(), request(with_password)), "Access-Control-Allow-Origin"),
            "");
}

TEST(AccessCors, NamesAnAllowedOriginAndNoOther) {
  JupyterFaceOptions options = with_token();
  options.allow_origins = {"https://lab.example"};
  const auto told = [&](const char* origin) {
    return cors(check_access(options, request({{"Origin", origin}})),
                "Access-Control-Allow-Origin");
  };
  EXPECT_EQ(told("https://lab.example"), "https://lab.example");
  EXPECT_EQ(told("https://evil.example"), "");
}

TEST(AccessCors, SaysAnyWhenAllAreAllowed) {
  JupyterFaceOptions options = with_token();
  options.allow_origins = {"*"};
  const HttpRequest asked = request({{"Origin", "http://page.example"}});
  const Access access = check_access(options, asked);
  EXPECT_EQ(cors(access, "Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(cors(access, "Vary"), "");
  // Browsers refuse * together with credentials.
  options.allow_credentials = true;
  const Access with_credentials = check_access(options, asked);
  EXPECT_EQ(cors(with_credentials, "Access-Control-Allow-Origin"), "http://page.example");
  EXPECT_EQ(cors(with_credentials, "Access-Control-Allow-Credentials"), "true");
}

TEST(AccessCors, AnswersAPreflightThatCannotCarryTheToken) {
  for (const bool credentials : {false, true}) {
    JupyterFaceOptions options = with_token();
    options.allow_credentials = credentials;
    HttpRequest preflight = request({{"Origin", "http://page.example"}});
    preflight.method = "OPTIONS";
    const Access access = check_access(options, preflight);
    EXPECT_EQ(cors(access, "Access-Control-Allow-Origin"), "http://page.example");
    EXPECT_EQ(cors(access, "Vary"), "Origin");
    EXPECT_EQ(find_field(access.preflight_headers, "Access-Control-Allow-Headers"),
              "accept, content-type, authorization, x-xsrftoken");
    EXPECT_EQ(find_field(access.preflight_headers, "Access-Control-Allow-Methods"),
              "GET, PUT, POST, PATCH, DELETE, OPTIONS");
    EXPECT_EQ(find_field(access.preflight_headers, "Access-Control-Max-Age"), "");
  }
}

TEST(AccessCors, WithoutATokenAPreflightOfAStrangerIsToldNothing) {
  HttpRequest preflight = request({{"Host", "localhost"}, {"Origin", "http://evil.example"}});
  preflight.method = "OPTIONS";
  EXPECT_EQ(cors(check_access({}, preflight), "Access-Control-Allow-Origin"), "");
}

TEST(AccessCors, SaysWhatItsOptionsSay) {
  JupyterFaceOptions options = with_token();
  options.allow_headers = "x-a";
  options.allow_methods = "GET";
  options.expose_headers = "X-B";
  options.max_age = "600";
  const Access access = check_access(options, request());
  EXPECT_EQ(cors(access, "Access-Control-Expose-Headers"), "X-B");
  EXPECT_EQ(find_field(access.preflight_headers, "Access-Control-Allow-Headers"), "x-a");
  EXPECT_EQ(find_field(access.preflight_headers, "Access-Control-Allow-Methods"), "GET");
  EXPECT_EQ(find_field(access.preflight_headers, "Access-Control-Max-Age"), "600");
}

}  // namespace
}  // namespace perijove
