#include "net/multipart.hpp"

#include <gtest/gtest.h>

#include <string>

namespace perijove {
namespace {

std::string part(const std::string& disposition, const std::string& bytes) {
  return "--b\r\nContent-Disposition: " + disposition + "\r\n\r\n" + bytes + "\r\n";
}

std::vector<MultipartPart> parts_of(const std::string& body) {
  auto parts = parse_multipart(body, "b");
  EXPECT_TRUE(parts) << parts.error();
  return parts ? *std::move(parts) : std::vector<MultipartPart>();
}

TEST(MultipartBoundary, IsReadWithAndWithoutQuotes) {
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(multipart_boundary("Multipart/Form-Data;charset=utf-8; Boundary=\"a b\""), "a b");
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=----WebKit7MA"), "----WebKit7MA");
}

TEST(MultipartBoundary, IsNulloptForOtherTypesAndBadOnes) {
  for (const std::string type :
       {"", "text/plain; boundary=b", "multipart/form-data", "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"a \"", "multipart/form-data; boundary=\"a\nb\""}) {
    EXPECT_EQ(multipart_boundary(type), std::nullopt) << type;
  }
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'b')),
            std::nullopt);
}

TEST(ParseMultipart, KeepsBytesExactly) {
  const std::string bytes("a\0\r\n--\r\n--bx\r\n-b--b\r\n", 21);
  const std::string body = "preamble\r\n" +
                           part("form-data; name=\"f\"; filename=\"a.bin\"", bytes) +
                           part("form-data; name=empty; filename=e", "") + "--b--\r\nepilogue";
  const auto parts = parts_of(body);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].name, "f");
  EXPECT_EQ(parts[0].file_name, "a.bin");
  EXPECT_EQ(parts[0].bytes, bytes);
  EXPECT_EQ(parts[1].name, "empty");
  EXPECT_EQ(parts[1].bytes, "");
}

TEST(ParseMultipart, TellsFilesFromFields) {
  const std::string body = part("form-data; name=\"x\"", "1") +
                           part("form-data; name=\"y\"; filename=\"\"", "2") + "--b--";
  const auto parts = parts_of(body);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].file_name, std::nullopt);
  EXPECT_EQ(parts[1].file_name, "");
}

TEST(ParseMultipart, ReadsNamesAsClientsWriteThem) {
  const std::pair<const char*, const char*> names[] = {
      {R"(form-data; name="f"; filename="a \"b\".txt")", "a \"b\".txt"},
      {R"(form-data; name="f"; filename="C:\data\a.txt")", R"(C:\data\a.txt)"},
      {R"(form-data; name="f"; filename="a;b=c.txt")", "a;b=c.txt"},
      {"form-data; filename=plain.txt ; name=f", "plain.txt"},
      {"form-data; name=\"f\"; filename*=utf-8''na%C3%AFve.txt", "na\xc3\xafve.txt"},
      {"form-data; name=\"f\"; filename=\"x\"; filename*=UTF-8'en'y", "y"},
  };
  for (const auto& [disposition, name] : names) {
    const std::string body = part(disposition, "") + "--b--";
    const auto parts = parts_of(body);
    ASSERT_EQ(parts.size(), 1u) << disposition;
    EXPECT_EQ(parts[0].file_name, name) << disposition;
  }
}

TEST(ParseMultipart, SkipsBlanksBehindABoundary) {
  const std::string body = "--b \t\r\nContent-Disposition: form-data; name=f\r\n\r\n1\r\n--b--";
  EXPECT_EQ(parts_of(body).size(), 1u);
}

TEST(ParseMultipart, TakesABodyWithoutParts) { EXPECT_TRUE(parts_of("--b--\r\n").empty()); }

TEST(ParseMultipart, RefusesWhatIsBroken) {
  for (const std::string body :
       {"", "--b", "no boundary", "--b\r\nContent-Disposition: form-data; name=f\r\n\r\nnever ends",
        "--b\r\nContent-Disposition: form-data; name=f\r\n--b--",
        "--b\r\nno field\r\n\r\n\r\n--b--", "--b\r\n\r\nno header\r\n--b--",
        "--b\r\nContent-Disposition: attachment; name=f\r\n\r\n\r\n--b--",
        "--b\r\nContent-Disposition: form-data; filename=f\r\n\r\n\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=f; filename*=latin1''f\r\n\r\n\r\n--b--"}) {
    const auto parts = parse_multipart(body, "b");
    ASSERT_FALSE(parts) << body;
    EXPECT_EQ(parts.error().code, Code::invalid_argument);
  }
}

TEST(ParseMultipart, RefusesTooManyParts) {
  std::string body;
  for (std::size_t i = 0; i <= kMultipartPartsMax; ++i) body += part("form-data; name=f", "");
  const auto parts = parse_multipart(body + "--b--", "b");
  ASSERT_FALSE(parts);
  EXPECT_EQ(parts.error().code, Code::resource_exhausted);
}

}  // namespace
}  // namespace perijove
