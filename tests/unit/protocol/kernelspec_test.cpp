#include "protocol/kernelspec.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kPython[] = R"json({
 "argv": ["/usr/bin/python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
 "display_name": "Python 3 (ipykernel)",
 "language": "python",
 "metadata": {"debugger": true}
})json";

Kernelspec read(const std::string& text, std::string_view name = "python3",
                std::string_view directory = "/usr/share/jupyter/kernels/python3") {
  auto spec = parse_kernelspec(name, directory, text);
  EXPECT_TRUE(spec) << spec.error();
  return *spec;
}

TEST(Kernelspec, ReadsWhatDebianInstalls) {
  const Kernelspec spec = read(kPython);
  EXPECT_EQ(spec.name, "python3");
  EXPECT_EQ(spec.display_name, "Python 3 (ipykernel)");
  EXPECT_EQ(spec.language, "python");
  EXPECT_EQ(spec.interrupt_mode, InterruptMode::signal);
  EXPECT_EQ(spec.metadata, R"({"debugger":true})");
  EXPECT_EQ(spec.resource_dir, "/usr/share/jupyter/kernels/python3");
  EXPECT_TRUE(spec.env.empty());
}

TEST(Kernelspec, ReadsTheRareFields) {
  const Kernelspec spec = read(R"({"argv":["ark"],"env":{"A":"${B}"},"interrupt_mode":"Message",
                                   "kernel_protocol_version":"5.5","mimetype":"text/x-r","new":1})");
  EXPECT_EQ(spec.env.at("A"), "${B}");
  EXPECT_EQ(spec.interrupt_mode, InterruptMode::message);
  EXPECT_EQ(spec.kernel_protocol_version, "5.5");
}

TEST(Kernelspec, IsShownUnderItsNameWithoutADisplayName) {
  const Kernelspec spec = read(R"({"argv":["x"]})", "My-Kernel");
  EXPECT_EQ(spec.name, "my-kernel");
  EXPECT_EQ(spec.display_name, "My-Kernel");
}

struct Refusal {
  const char* text;
  const char* reason;
};

TEST(Kernelspec, NamesTheFieldThatIsWrong) {
  const Refusal refusals[] = {
      {R"({})", "field 'argv' is missing"},
      {R"({"argv":"python"})", "field 'argv' must be an array of strings, not a string"},
      {R"({"argv":[]})", "field 'argv' must begin with the program"},
      {R"({"argv":[""]})", "field 'argv' must begin with the program"},
      {R"({"argv":["a",3]})", "field 'argv[1]' must be a string, not a number"},
      {R"({"argv":["a\u0000"]})", "field 'argv[0]' must not hold a NUL"},
      {R"({"argv":["a"],"env":[]})", "field 'env' must be an object of strings, not an array"},
      {R"({"argv":["a"],"env":{"N":1}})", "field 'env.N' must be a string, not a number"},
      {R"({"argv":["a"],"env":{"":"1"}})", "field 'env' holds a name"},
      {R"({"argv":["a"],"env":{"A=B":"1"}})", "field 'env' holds a name"},
      {R"({"argv":["a"],"env":{"A":"\u0000"}})", "field 'env.A' must not hold a NUL"},
      {R"({"argv":["a"],"interrupt_mode":"kill"})", "field 'interrupt_mode' must be"},
      {R"({"argv":["a"],"language":7})", "field 'language' must be a string, not a number"},
      {R"({"argv":["a"],"display_name":null})", "field 'display_name' must be a string, not null"},
      {R"({"argv":["a"],"metadata":[]})", "field 'metadata' must be an object, not an array"},
      {R"([1])", "kernel.json: must be a JSON object, not an array"},
      {R"({"argv":["a")", "kernel.json: "},
  };
  for (const auto& [text, reason] : refusals) {
    const auto spec = parse_kernelspec("x", "/kernels/x", text);
    ASSERT_FALSE(spec) << text;
    EXPECT_EQ(spec.error().code, Code::invalid_argument);
    EXPECT_THAT(spec.error().message, HasSubstr(reason)) << text;
  }
}

TEST(Kernelspec, NamesAreAsciiWordsWithDotsAndHyphens) {
  EXPECT_TRUE(is_valid_kernelspec_name("python3"));
  EXPECT_TRUE(is_valid_kernelspec_name("julia-1.9"));
  EXPECT_TRUE(is_valid_kernelspec_name("sAmple_2"));
  for (const char* name : {"", ".", "..", "a/b", "a b", "a\n", "caf\xc3\xa9", "%41"}) {
    EXPECT_FALSE(is_valid_kernelspec_name(name)) << name;
  }
  EXPECT_FALSE(is_valid_kernelspec_name(std::string(256, 'a')));
  EXPECT_FALSE(parse_kernelspec("../etc", "/x", kPython));
}

TEST(Kernelspec, ModelIsTheOneOfJupyterServer) {
  const Kernelspec spec = read(kPython);
  const auto model = nlohmann::json::parse(kernelspec_model(
      spec,
      {"kernel.css", "kernel.js", "kernel.json", "logo-64x64.png", "logo-svg.svg", "notes.txt"},
      "/a%40b/"));
  const auto expected = nlohmann::json::parse(R"json({
    "name": "python3",
    "spec": {
      "argv": ["/usr/bin/python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
      "env": {}, "display_name": "Python 3 (ipykernel)", "language": "python",
      "interrupt_mode": "signal", "metadata": {"debugger": true}, "kernel_protocol_version": ""},
    "resources": {
      "kernel.css": "/a%40b/kernelspecs/python3/kernel.css",
      "kernel.js": "/a%40b/kernelspecs/python3/kernel.js",
      "logo-64x64": "/a%40b/kernelspecs/python3/logo-64x64.png",
      "logo-svg": "/a%40b/kernelspecs/python3/logo-svg.svg"}})json");
  EXPECT_EQ(model, expected);
}

TEST(Kernelspec, ModelKeepsEmptyListsAndObjects) {
  const auto model = nlohmann::json::parse(kernelspec_model(read(R"({"argv":["x"]})"), {}, "/"));
  EXPECT_TRUE(model.at("resources").is_object());
  EXPECT_TRUE(model.at("spec").at("env").is_object());
  EXPECT_TRUE(model.at("spec").at("metadata").is_object());
}

TEST(Kernelspec, KnowsTheEnvironmentItIsInstalledIn) {
  EXPECT_EQ(environment_prefix("/opt/venv/share/jupyter/kernels/python3"), "/opt/venv");
  EXPECT_EQ(environment_prefix("/usr/share/jupyter/kernels/python3/"), "/usr");
  EXPECT_EQ(environment_prefix("/home/ada/.ipython/kernels/python3"), "");
  EXPECT_EQ(environment_prefix("python3"), "");
  EXPECT_EQ(environment_prefix(""), "");
}

TEST(Kernelspec, ABarePythonIsThatOfItsEnvironment) {
  const auto candidate = [](const std::string& program) {
    return interpreter_candidate(
        read(R"({"argv":[")" + program + R"("]})", "p", "/opt/venv/share/jupyter/kernels/p"));
  };
  EXPECT_EQ(candidate("python"), "/opt/venv/bin/python");
  EXPECT_EQ(candidate("python3"), "/opt/venv/bin/python3");
  EXPECT_EQ(candidate("python3.11"), "/opt/venv/bin/python3.11");
  for (const char* other : {"/usr/bin/python3", "pythonista", "python3.", "python.3", "R"}) {
    EXPECT_EQ(candidate(other), "") << other;
  }
}

TEST(Kernelspec, FillsInTheCommandLine) {
  Kernelspec spec = read(R"({"argv":["python","{resource_dir}/run.py","-f","{connection_file}",
                             "--id={kernel_id}","{prefix}","{unknown}","{{connection_file}}","{"]})",
                         "p", "/opt/venv/share/jupyter/kernels/p");
  spec.interpreter = "/opt/venv/bin/python";
  EXPECT_THAT(launch_argv(spec, {{"connection_file", "/run/{kernel_id}.json"}, {"kernel_id", "7"}}),
              ElementsAre("/opt/venv/bin/python", "/opt/venv/share/jupyter/kernels/p/run.py", "-f",
                          "/run/{kernel_id}.json", "--id=7", "/opt/venv", "{unknown}",
                          "{/run/{kernel_id}.json}", "{"));
}

TEST(Kernelspec, LeavesTheProgramToPathWithoutAnInterpreter) {
  EXPECT_THAT(launch_argv(read(R"({"argv":["python3","{prefix}"]})", "p", "/srv/p"), {}),
              ElementsAre("python3", "{prefix}"));
}

TEST(KernelspecFlag, IsSetByTrueAndByNothingElse) {
  Kernelspec spec;
  spec.metadata = R"({"perijove": {"stateless": true, "text": "true", "off": false}})";
  EXPECT_TRUE(kernelspec_flag(spec, "stateless"));
  EXPECT_FALSE(kernelspec_flag(spec, "text"));
  EXPECT_FALSE(kernelspec_flag(spec, "off"));
  EXPECT_FALSE(kernelspec_flag(spec, "absent"));
  spec.metadata = R"({"stateless": true})";
  EXPECT_FALSE(kernelspec_flag(spec, "stateless"));
}

}  // namespace
}  // namespace perijove
