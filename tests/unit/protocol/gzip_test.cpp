#include "protocol/gzip.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

namespace perijove {
namespace {

std::string unzipped(const std::string& bytes, std::size_t size_max) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  std::string out(size_max, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  EXPECT_EQ(inflateEnd(&stream), Z_OK);
  return out;
}

TEST(GzipWriter, GivesBackWhatItWasGiven) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i * 7919) + "\n";
  GzipWriter writer;
  std::string zipped;
  for (std::size_t at = 0; at < text.size(); at += 10'000) {
    writer.write(std::string_view(text).substr(at, 10'000), zipped);
  }
  writer.finish(zipped);
  EXPECT_LT(zipped.size(), text.size());
  EXPECT_EQ(unzipped(zipped, text.size() + 1), text);
}

TEST(GzipWriter, MakesAnEmptyMemberOfNothing) {
  GzipWriter writer;
  std::string zipped;
  writer.finish(zipped);
  EXPECT_EQ(unzipped(zipped, 1), "");
}

}  // namespace
}  // namespace perijove
