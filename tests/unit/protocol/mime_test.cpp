#include "protocol/mime.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace perijove {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(Mime, KnowsTheJsonTypesOfNbformat) {
  EXPECT_TRUE(is_json_mime_type("application/json"));
  EXPECT_TRUE(is_json_mime_type("application/vnd.plotly.v1+json"));
  EXPECT_FALSE(is_json_mime_type("text/x+json"));
  EXPECT_FALSE(is_json_mime_type("application/jsonx"));
}

TEST(Mime, KnowsHowDataIsWritten) {
  struct Row {
    const char* type;
    MimeEncoding encoding;
    const char* extension;
  };
  const Row rows[] = {
      {"image/png", MimeEncoding::base64, ".png"},
      {"image/jpeg", MimeEncoding::base64, ".jpg"},
      {"image/svg+xml", MimeEncoding::text, ".svg"},
      {"application/pdf", MimeEncoding::base64, ".pdf"},
      {"text/html", MimeEncoding::text, ".html"},
      {"text/plain", MimeEncoding::text, ".txt"},
      {"application/json", MimeEncoding::json, ".json"},
      {"application/vnd.other+json", MimeEncoding::json, ".json"},
      {"application/vnd.other+xml", MimeEncoding::text, ".xml"},
      {"image/unknown", MimeEncoding::base64, ".bin"},
      {"image/../../x", MimeEncoding::base64, ".bin"},
      {"application/x-tex", MimeEncoding::text, ".txt"},
      {"", MimeEncoding::text, ".txt"},
  };
  for (const auto& [type, encoding, extension] : rows) {
    EXPECT_EQ(mime_encoding(type), encoding) << type;
    EXPECT_EQ(file_extension(type), extension) << type;
  }
}

TEST(Mime, KnowsAFileByTheEndingOfItsName) {
  struct Row {
    const char* name;
    const char* type;
  };
  const Row rows[] = {
      {"plot.png", "image/png"},
      {"dir.png/PLOT.JPEG", "image/jpeg"},
      {"a.jpg", "image/jpeg"},
      {"notes.txt", "text/plain"},
      {"data.json", "application/json"},
      {"figure.plotly.json", "application/vnd.plotly.v1+json"},
      {"chart.vl.json", "application/vnd.vegalite.v5+json"},
      {"map.geojson", "application/geo+json"},
      {"script.py", "text/x-python"},
      {"script.js", "application/javascript"},
      {"archive.tar.gz", "application/gzip"},
      {"table.csv", "text/csv"},
      {"notebook.ipynb", "application/x-ipynb+json"},
      {"model.bin", "application/octet-stream"},
      {"model.unknown", "application/octet-stream"},
      {"Makefile", "application/octet-stream"},
      {"png", "application/octet-stream"},
      {"plot.png.part", "application/octet-stream"},
      {"plot.", "application/octet-stream"},
      {"", "application/octet-stream"},
  };
  for (const auto& [name, type] : rows) EXPECT_EQ(mime_type_of_file(name), type) << name;
}

TEST(Mime, PrefersWhatShowsMost) {
  const MimeBundle bundle = {{"text/plain", ""},
                             {"text/html", ""},
                             {"image/png", ""},
                             {"application/x-new", ""},
                             {"image/svg+xml", ""}};
  EXPECT_THAT(by_preference(bundle), ElementsAre("image/png", "image/svg+xml", "text/html",
                                                 "application/x-new", "text/plain"));
}

TEST(Mime, DecodesBase64) {
  EXPECT_EQ(*decode_mime("image/png", "iVBO\nRw0KGgo=\n"), "\x89PNG\r\n\x1a\n");
  EXPECT_FALSE(decode_mime("image/png", "<svg/>"));
}

TEST(Mime, IndentsJson) {
  EXPECT_EQ(*decode_mime("application/json", R"({"b":[1],"a":null})"),
            "{\n  \"a\": null,\n  \"b\": [\n    1\n  ]\n}\n");
  EXPECT_FALSE(decode_mime("application/json", "{"));
}

TEST(Mime, KeepsTextAsItIs) { EXPECT_EQ(*decode_mime("text/html", "<b>\r\n"), "<b>\r\n"); }

TEST(Mime, AlwaysHasAPlainText) {
  EXPECT_EQ(plain_text({{"text/plain", "x"}, {"image/png", "AA=="}}), "x");
  EXPECT_EQ(plain_text({{"text/markdown", "# x"}, {"text/html", "<h1>"}}), "# x");
  EXPECT_EQ(plain_text({{"text/html", "<h1>"}, {"image/png", "AA=="}}), "<image/png>");
  EXPECT_EQ(plain_text({}), "");
}

TEST(Mime, ReadsBundlesAsKernelsSendThem) {
  const auto data = json::parse(R"({"text/plain":"x","text/html":["a\n","b"],
      "application/json":{"a":[1]},"application/vnd.x+json":"text","text/odd":7})");
  EXPECT_THAT(read_mime_bundle(data),
              ElementsAre(Pair("application/json", R"({"a":[1]})"),
                          Pair("application/vnd.x+json", R"("text")"), Pair("text/html", "a\nb"),
                          Pair("text/odd", "7"), Pair("text/plain", "x")));
  EXPECT_TRUE(read_mime_bundle(json::array()).empty());
}

TEST(Mime, WritesBundlesAsItReadThem) {
  const auto data = json::parse(R"({"text/plain":"x","application/json":{"a":[1,null]}})");
  EXPECT_EQ(to_json(read_mime_bundle(data)), data);
  EXPECT_EQ(to_json(MimeBundle{}), json::object());
}

std::string png(std::string_view tail = {"\0\0\x02\x80\0\0\x01\xe0", 8}) {
  return std::string("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 16) + std::string(tail);
}

// Start of image, a JFIF segment of 4 bytes, a baseline frame of 480 x 640 pixels.
const std::string kJpeg("\xff\xd8\xff\xe0\0\x04..\xff\xff\xc0\0\x0b\x08\x01\xe0\x02\x80", 18);

TEST(ImageSize, ReadsPngJpegAndGif) {
  EXPECT_EQ(image_size(png()), (ImageSize{640, 480}));
  EXPECT_EQ(image_size(kJpeg), (ImageSize{640, 480}));
  EXPECT_EQ(image_size(std::string("GIF89a\x80\x02\xe0\x01", 10)), (ImageSize{640, 480}));
}

TEST(ImageSize, ReadsTheThreeKindsOfWebp) {
  const std::string riff("RIFF\0\0\0\0WEBP", 12);
  const std::string lossy("VP8 \0\0\0\0...\x9d\x01\x2a\x80\x02\xe0\x01", 18);
  const std::string lossless("VP8L\0\0\0\0\x2f\x7f\xc2\x77\0.....", 18);  // 639 | 479 << 14
  const std::string extended("VP8X\x0a\0\0\0\0\0\0\0\x7f\x02\0\xdf\x01\0", 18);
  for (const std::string& kind : {lossy, lossless, extended}) {
    EXPECT_EQ(image_size(riff + kind), (ImageSize{640, 480})) << kind;
    EXPECT_EQ(image_size((riff + kind).substr(0, 29)), std::nullopt) << kind;
  }
}

TEST(ImageSize, RefusesEveryCutFile) {
  const std::string gif("GIF89a\x80\x02\xe0\x01", 10);
  const std::string webp("RIFF\0\0\0\0WEBPVP8 \0\0\0\0...\x9d\x01\x2a\x80\x02\xe0\x01", 30);
  for (const std::string& file : {png(), kJpeg, gif, webp}) {
    ASSERT_TRUE(image_size(file)) << file;
    for (std::size_t length = 0; length < file.size(); ++length) {
      EXPECT_EQ(image_size(file.substr(0, length)), std::nullopt) << length;
    }
  }
}

TEST(ImageSize, RefusesOtherFilesAndBrokenSegments) {
  EXPECT_EQ(image_size("<svg width='1'/>"), std::nullopt);
  EXPECT_EQ(image_size(std::string("\xff\xd8\xff\xe0\0\0\0\0\0\0\0\0", 12)), std::nullopt);
  EXPECT_EQ(
      image_size(std::string("\xff\xd8\xff\xda\0\x04..\xff\xc0\0\x0b\x08\x01\xe0\x02\x80", 17)),
      std::nullopt);
  EXPECT_EQ(image_size(std::string("\xff\xd8\xff\xe0\xff\xff..\xff\xc0", 10)), std::nullopt);
  EXPECT_EQ(image_size("\xff\xd8\xff" + std::string(100'000, '\xff')), std::nullopt);
}

}  // namespace
}  // namespace perijove
