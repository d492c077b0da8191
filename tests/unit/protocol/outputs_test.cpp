#include "protocol/outputs.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support/golden.hpp"

namespace perijove {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// The outputs of one execution, one verb per message.
struct Execution {
  explicit Execution(OutputLimits limits = {}) : collector(limits) {}

  bool send(const char* type, const json& content) { return collector.add(type, content.dump()); }
  bool print(const std::string& text, const char* stream = "stdout") {
    return send("stream", {{"name", stream}, {"text", text}});
  }
  bool display(const json& data, const char* id = nullptr) {
    return send("display_data", content(data, id));
  }
  bool update(const json& data, const char* id) {
    return send("update_display_data", content(data, id));
  }
  static json content(const json& data, const char* id) {
    json made = {{"data", data}, {"metadata", json::object()}, {"transient", nullptr}};
    if (id != nullptr) made["transient"] = {{"display_id", id}};
    return made;
  }

  json outputs() const {
    json list = json::array();
    for (const Output& output : collector.outputs()) list.push_back(to_nbformat(output));
    return list;
  }
  std::string text() const {
    std::string all;
    for (const Output& output : collector.outputs()) {
      if (const auto* stream = std::get_if<StreamOutput>(&output)) all += stream->text;
    }
    return all;
  }

  OutputCollector collector;
};

TEST(Outputs, AreThoseOfNbclientForTheSameMessages) {
  const json cases = json::parse(testing::read_golden("documents/outputs.json"));
  ASSERT_GT(cases.size(), 10u);
  for (const json& row : cases) {
    Execution execution;
    for (const json& message : row.at("messages")) {
      execution.collector.add(message.at("type").get<std::string>(), message.at("content").dump());
    }
    EXPECT_EQ(execution.outputs(), row.at("outputs")) << row.at("name");
    EXPECT_EQ(execution.collector.execution_count(), row.at("execution_count").get<int>());
    EXPECT_FALSE(execution.collector.cuts().any());
  }
}

TEST(Outputs, JoinNeighboursOfTheSameStreamOnly) {
  Execution execution;
  execution.print("a");
  execution.print("b");
  execution.print("c", "stderr");
  execution.print("d");
  EXPECT_EQ(execution.outputs(),
            json::parse(R"([{"output_type":"stream","name":"stdout","text":"ab"},
                            {"output_type":"stream","name":"stderr","text":"c"},
                            {"output_type":"stream","name":"stdout","text":"d"}])"));
}

TEST(Outputs, JoinTwentyThousandPrints) {
  Execution execution;
  std::string expected;
  for (int i = 0; i < 20'000; ++i) {
    const std::string line = std::to_string(i) + "\n";
    execution.print(line);
    expected += line;
  }
  EXPECT_EQ(execution.text(), expected);
  EXPECT_THAT(execution.outputs(), SizeIs(1));
}

TEST(Outputs, SayWhetherTheyChanged) {
  Execution execution;
  EXPECT_TRUE(execution.print("x"));
  EXPECT_TRUE(execution.display({{"text/plain", "x"}}, "d"));
  EXPECT_TRUE(execution.update({{"text/plain", "y"}}, "d"));
  EXPECT_FALSE(execution.update({{"text/plain", "y"}}, "of another execution"));
  EXPECT_FALSE(execution.send("status", {{"execution_state", "busy"}}));
  EXPECT_FALSE(execution.send("clear_output", {{"wait", true}}));
  EXPECT_TRUE(execution.send("clear_output", {{"wait", false}}));
}

TEST(Outputs, OfBrokenMessagesAreNone) {
  Execution execution;
  EXPECT_FALSE(execution.collector.add("stream", "{"));
  EXPECT_FALSE(execution.collector.add("stream", "[]"));
  EXPECT_FALSE(execution.send("stream", {{"name", "stdout"}}));
  EXPECT_FALSE(execution.send("stream", {{"name", 1}, {"text", "x"}}));
  EXPECT_FALSE(execution.send("display_data", json::object()));
  EXPECT_FALSE(execution.send("display_data", {{"data", "text"}}));
  EXPECT_FALSE(execution.send("update_display_data", {{"transient", 3}, {"data", json::object()}}));
  EXPECT_THAT(execution.outputs(), IsEmpty());
}

TEST(Outputs, TakeDisplaysWithoutMetadataAndErrorsWithoutTraceback) {
  Execution execution;
  execution.send("display_data", {{"data", {{"text/plain", "x"}}}, {"metadata", nullptr}});
  execution.send("error", {{"ename", "E"}});
  EXPECT_EQ(execution.outputs(),
            json::parse(R"([{"output_type":"display_data","data":{"text/plain":"x"},"metadata":{}},
                            {"output_type":"error","ename":"E","evalue":"","traceback":[]}])"));
}

TEST(Outputs, UpdatesDoNotTriggerAWaitingClear) {
  Execution execution;
  execution.display({{"text/plain", "first"}}, "d");
  execution.send("clear_output", {{"wait", true}});
  execution.update({{"text/plain", "second"}}, "d");
  EXPECT_EQ(execution.outputs()[0]["data"]["text/plain"], "second");
}

TEST(Outputs, TextOverItsLimitLosesItsMiddleAndSaysHowMuch) {
  Execution execution({.text_bytes_max = 1000});
  std::string all;
  for (int i = 1000; i < 2000; ++i) {
    execution.print(std::to_string(i) + "\n");
    all += std::to_string(i) + "\n";
  }
  const std::string text = execution.text();
  EXPECT_THAT(text, StartsWith("1000\n1001\n"));
  EXPECT_THAT(text, EndsWith("1998\n1999\n"));

  // What is said to be missing is exactly what is missing.
  const std::size_t mark = text.find("\n[... ");
  ASSERT_NE(mark, std::string::npos);
  const std::size_t behind = text.find("...]\n") + 5;
  EXPECT_EQ(std::stoul(text.substr(mark + 6)), all.size() - mark - (text.size() - behind));
  EXPECT_TRUE(all.starts_with(text.substr(0, mark)));
  EXPECT_TRUE(all.ends_with(text.substr(behind)));
  EXPECT_EQ(text[behind - 1], '\n');
  EXPECT_GT(execution.collector.cuts().text_bytes, 3900u);
  EXPECT_THAT(execution.outputs(), SizeIs(1));
}

TEST(Outputs, OneHugeChunkIsCutLikeManySmallOnes) {
  Execution execution({.text_bytes_max = 1000});
  execution.print("begin\n" + std::string(100'000, 'x') + "\nend\n");
  EXPECT_THAT(execution.text(), StartsWith("begin\nxxx"));
  EXPECT_THAT(execution.text(), EndsWith("\nend\n"));
  EXPECT_LT(execution.text().size(), 1100u);
}

TEST(Outputs, AreNeverCutWithinACharacter) {
  for (std::size_t limit = 40; limit < 60; ++limit) {
    Execution execution({.text_bytes_max = limit});
    std::string text;
    for (int i = 0; i < 100; ++i) text += "\xe2\x82\xac";
    execution.print(text);
    EXPECT_NO_THROW((void)json(execution.text()).dump()) << limit;  // throws on invalid UTF-8
    EXPECT_GT(execution.collector.cuts().text_bytes, 0u);
  }
}

TEST(Outputs, DisplaysStayWhereTheyWereAmongCutText) {
  Execution execution({.text_bytes_max = 100});
  execution.print(std::string(1000, 'a') + "\n");
  execution.display({{"text/plain", "figure"}});
  execution.print(std::string(20, 'b') + "\n");
  const json outputs = execution.outputs();
  ASSERT_THAT(outputs, SizeIs(3));
  EXPECT_EQ(outputs[1]["data"]["text/plain"], "figure");
  EXPECT_THAT(outputs[0]["text"].get<std::string>(), HasSubstr("of output were cut here"));
  EXPECT_THAT(outputs[2]["text"].get<std::string>(), EndsWith("bbb\n"));
}

TEST(Outputs, AlternatingStreamsAreBoundedInNumberToo) {
  Execution execution({.outputs_max = 10});
  for (int i = 0; i < 1000; ++i) {
    execution.print("o\n");
    execution.print("e\n", "stderr");
  }
  EXPECT_LE(execution.outputs().size(), 10u);
  EXPECT_EQ(execution.text().size(), 4000u);
}

TEST(Outputs, AlternatingStreamsAreBoundedInBytesToo) {
  Execution execution({.text_bytes_max = 100, .outputs_max = 10});
  for (int i = 0; i < 1000; ++i) {
    execution.print("oooo\n");
    execution.print("eeee\n", "stderr");
    execution.display({{"text/plain", "d"}});
  }
  EXPECT_LE(execution.text().size(), 300u);
  EXPECT_EQ(execution.collector.cuts().outputs, 990u);
  EXPECT_THAT(execution.text(), HasSubstr("990 more outputs were cut: the limit is 10"));
}

TEST(Outputs, StreamsOfEndlesslyManyNamesAreBounded) {
  Execution execution({.outputs_max = 5});
  for (int i = 0; i < 100; ++i) execution.print("x", ("name" + std::to_string(i)).c_str());
  EXPECT_LE(execution.outputs().size(), 6u);
  EXPECT_THAT(execution.text(), HasSubstr("95 bytes of output were cut"));
}

TEST(Outputs, AnImageOverTheLimitLeavesItsTextAndANote) {
  Execution execution({.data_bytes_max = 1000});
  execution.display({{"image/png", std::string(2000, 'A')}, {"text/plain", "<Figure>"}});
  const json data = execution.outputs()[0]["data"];
  EXPECT_FALSE(data.contains("image/png"));
  EXPECT_EQ(data["text/plain"],
            "<Figure>\n[image/png of 2009 bytes was cut: the displays of one execution are limited "
            "to 1000 bytes]");
  EXPECT_EQ(execution.collector.cuts().data_bytes, 2009u);
}

TEST(Outputs, UpdatingADisplayUsesItsRoomAgain) {
  Execution execution({.data_bytes_max = 1000});
  execution.display({{"image/png", "A"}}, "d");
  for (int i = 0; i < 100; ++i) execution.update({{"image/png", std::string(900, 'B')}}, "d");
  EXPECT_FALSE(execution.collector.cuts().any());
}

TEST(Outputs, ClearingFreesAllRoom) {
  Execution execution({.text_bytes_max = 100, .data_bytes_max = 1000, .outputs_max = 2});
  for (int i = 0; i < 50; ++i) {
    execution.print(std::string(100, 'x'));
    execution.display({{"image/png", std::string(900, 'B')}}, "d");
    execution.display({{"text/plain", "x"}});
    execution.send("clear_output", {{"wait", i % 2 == 0}});
  }
  execution.print("after");
  EXPECT_FALSE(execution.collector.cuts().any());
  EXPECT_EQ(execution.text(), "after");
}

TEST(Outputs, TheErrorSurvivesAnyAmountOfText) {
  Execution execution({.text_bytes_max = 10, .data_bytes_max = 10, .outputs_max = 1});
  for (int i = 0; i < 100; ++i) {
    execution.print("flood\n");
    execution.display({{"text/plain", "flood"}});
  }
  execution.send("error", {{"ename", "E"}, {"evalue", "v"}, {"traceback", {"one", "two"}}});
  json error;
  for (const json& output : execution.outputs()) {
    if (output["output_type"] == "error") error = output;
  }
  EXPECT_EQ(error["evalue"], "v");
  EXPECT_EQ(error["traceback"], json({"one", "two"}));
}

TEST(Outputs, AnEndlessTracebackKeepsItsEnd) {
  Execution execution({.error_bytes_max = 100});
  json lines = json::array();
  for (int i = 0; i < 1000; ++i) lines.push_back("line " + std::to_string(i));
  execution.send("error",
                 {{"ename", "E"}, {"evalue", std::string(500, 'v')}, {"traceback", lines}});
  const json error = execution.outputs()[0];
  EXPECT_THAT(error["traceback"].back().get<std::string>(), "line 999");
  EXPECT_THAT(error["traceback"].front().get<std::string>(), HasSubstr("of traceback were cut"));
  EXPECT_THAT(error["evalue"].get<std::string>(), HasSubstr("bytes were cut"));
  EXPECT_LT(error.dump().size(), 500u);
  EXPECT_GT(execution.collector.cuts().error_bytes, 0u);
}

TEST(Outputs, ErrorsAreBoundedInNumber) {
  Execution execution;
  for (int i = 0; i < 1000; ++i) execution.send("error", {{"ename", "E"}});
  EXPECT_EQ(execution.collector.cuts().outputs, 900u);
}

}  // namespace
}  // namespace perijove
