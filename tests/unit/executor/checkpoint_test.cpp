#include "executor/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "executor/namespace_code.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Checkpoint example() {
  Checkpoint checkpoint;
  checkpoint.id = "c_1";
  checkpoint.label = "first";
  checkpoint.keep = true;
  checkpoint.session_id = "s_1";
  checkpoint.created = "2026-11-22T00:00:00.000000Z";
  checkpoint.kernel = "python3";
  checkpoint.language = "python";
  checkpoint.isolation = "sandbox";
  checkpoint.config = R"({"provider": "perijove.Session"})";
  checkpoint.file_bytes = 100;
  checkpoint.files = 2;
  checkpoint.files_left_out = {"pipe: no file, link or directory"};
  SavedNamespace python{.language = "python", .kernel = "python3"};
  python.file = "namespace-python";
  python.sha256 = "abc";
  python.bytes = 23;
  python.saved = {"x", "y"};
  python.skipped = {{"f", "an open file"}};
  checkpoint.namespaces.push_back(python);
  SavedNamespace julia{.language = "julia", .kernel = "julia-1"};
  julia.problem = "not carried";
  checkpoint.namespaces.push_back(julia);
  return checkpoint;
}

TEST(CheckpointTest, AnotherGatewayReadsWhatOneHasWritten) {
  const Checkpoint written = example();
  const auto read = read_manifest(manifest_of(written), "/somewhere");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->directory, "/somewhere");
  EXPECT_EQ(to_json(*read), to_json(written));
  EXPECT_EQ(read->config, written.config);
  EXPECT_EQ(read->namespaces[0].sha256, "abc");
  EXPECT_EQ(read->namespaces[0].file, "namespace-python");
}

TEST(CheckpointTest, SaysWhatItIsMadeOfAndWhatItLacks) {
  Checkpoint checkpoint = example();
  EXPECT_EQ(checkpoint.method(), "namespace+files");
  EXPECT_EQ(checkpoint.bytes(), 123U);
  EXPECT_THAT(checkpoint.warnings(),
              ElementsAre("python: 'f' is left out: an open file", "julia: not carried",
                          "file left out: pipe: no file, link or directory"));
  checkpoint.namespaces.erase(checkpoint.namespaces.begin());
  EXPECT_EQ(checkpoint.method(), "files");
}

TEST(CheckpointTest, ADamagedManifestIsAnError) {
  for (const char* const text : {"", "[]", "{}", R"({"format": 2})", R"({"format": "1"})", "{"}) {
    const auto read = read_manifest(text, "/d");
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Code::data_loss);
  }
}

TEST(CheckpointTest, AManifestOfOddTypesIsReadAsFarAsItGoes) {
  const auto read = read_manifest(
      R"({"format": 1, "label": 5, "files": [], "namespaces": {"a": 1}, "keep": "x", "duration_s": []})",
      "/d");
  ASSERT_TRUE(read) << read.error();
  EXPECT_FALSE(read->keep);
}

TEST(NamespaceCodeTest, WhatAKernelWroteIsReadWithoutTrust) {
  SavedNamespace saved;
  ASSERT_TRUE(read_namespace_header(
      R"({"saved": ["x", 5], "skipped": [{"name": "f", "reason": "r"}, 7, {}]})", saved));
  EXPECT_THAT(saved.saved, ElementsAre("x"));
  ASSERT_EQ(saved.skipped.size(), 2U);
  EXPECT_EQ(saved.skipped[0].reason, "r");
  for (const char* const line : {"", "[", "[]", "{}", R"({"saved": 1})", "\xff"}) {
    SavedNamespace other;
    EXPECT_FALSE(read_namespace_header(line, other)) << line;
  }
  EXPECT_FALSE(read_namespace_header(std::string(200'000, '['), saved));
}

TEST(NamespaceCodeTest, QuotesWhatItSendsToAShell) {
  const HandOver files{.file = "f", .report = "r", .directories = {"/it's $(here)"}};
  EXPECT_THAT(save_namespace("bash", files).code, HasSubstr(R"('/it'\''s $(here)')"));
  EXPECT_TRUE(save_namespace("bash", files).expression.empty());
  EXPECT_THAT(save_namespace("python", files).expression, HasSubstr("it's $(here)"));
}

TEST(NamespaceCodeTest, OnlySomeLanguagesAreCarried) {
  EXPECT_TRUE(can_carry_namespace("python"));
  EXPECT_TRUE(can_carry_namespace("bash"));
  EXPECT_TRUE(can_carry_namespace("javascript"));
  EXPECT_FALSE(can_carry_namespace("echo"));
}

}  // namespace
}  // namespace perijove
