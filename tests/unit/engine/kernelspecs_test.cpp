#include "engine/kernelspecs.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "support/temp_dir.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class KernelspecsTest : public ::testing::Test {
 protected:
  std::string directory(const std::string& name) const { return (temp_.path() / name).string(); }

  void install(const std::string& where, const std::string& language = "python",
               const std::string& program = "run") {
    temp_.write(where + "/kernel.json", R"({"argv":[")" + program +
                                            R"("],"display_name":"A kernel","language":")" +
                                            language + R"("})");
  }

  KernelspecCatalogue scan(const std::vector<std::string>& names) const {
    std::vector<std::string> directories;
    for (const std::string& name : names) directories.push_back(directory(name));
    return KernelspecCatalogue::blocking_scan({.directories = directories});
  }

  static std::vector<std::string> names(const KernelspecCatalogue& catalogue) {
    std::vector<std::string> names;
    for (const auto& [name, entry] : catalogue.entries()) names.push_back(name);
    return names;
  }

  testing::TempDir temp_;
};

TEST_F(KernelspecsTest, FirstDirectoryWins) {
  install("user/python3", "python", "mine");
  install("system/python3", "python", "theirs");
  install("system/ir", "R");
  const auto catalogue = scan({"user", "system"});
  EXPECT_THAT(names(catalogue), ElementsAre("ir", "python3"));
  EXPECT_EQ(catalogue.entries().at("python3").spec.argv.front(), "mine");
}

TEST_F(KernelspecsTest, ABrokenKernelJsonHidesNothingAndIsReported) {
  install("user/good");
  install("system/broken", "python", "sound");
  temp_.write("user/broken/kernel.json", R"({"argv":7})");
  temp_.write("user/lost/kernel.json", "{");
  const auto catalogue = scan({"user", "system"});
  EXPECT_THAT(names(catalogue), ElementsAre("broken", "good"));
  EXPECT_EQ(catalogue.entries().at("broken").spec.argv.front(), "sound");
  ASSERT_EQ(catalogue.faults().size(), 2u);
  EXPECT_EQ(catalogue.faults()[0].path, directory("user/broken/kernel.json"));
  EXPECT_THAT(catalogue.faults()[0].reason, HasSubstr("field 'argv'"));
  EXPECT_THAT(catalogue.find("lost").error().message,
              HasSubstr(directory("user/lost/kernel.json")));
}

TEST_F(KernelspecsTest, IgnoresWhatIsNotAKernelspec) {
  install("user/good");
  temp_.write("user/readme.txt", "x");
  fs::create_directories(temp_.path() / "user/empty");
  const auto catalogue = scan({"missing", "user"});
  EXPECT_THAT(names(catalogue), ElementsAre("good"));
  EXPECT_THAT(catalogue.faults(), IsEmpty());
}

TEST_F(KernelspecsTest, ReportsNamesThatNoUrlCouldCarry) {
  install("user/my kernel");
  const auto catalogue = scan({"user"});
  EXPECT_THAT(names(catalogue), IsEmpty());
  ASSERT_EQ(catalogue.faults().size(), 1u);
  EXPECT_THAT(catalogue.faults()[0].reason, HasSubstr("name must consist of"));
}

TEST_F(KernelspecsTest, NeverWaitsForAPipeThatPosesAsKernelJson) {
  fs::create_directories(temp_.path() / "user/pipe");
  ASSERT_EQ(mkfifo(directory("user/pipe/kernel.json").c_str(), 0600), 0);
  const auto catalogue = scan({"user"});
  ASSERT_EQ(catalogue.faults().size(), 1u);
  EXPECT_THAT(catalogue.faults()[0].reason, HasSubstr("not a regular file"));
}

TEST_F(KernelspecsTest, RefusesAnEnormousKernelJson) {
  temp_.write("user/huge/kernel.json", std::string(2 * 1024 * 1024, ' '));
  EXPECT_THAT(scan({"user"}).faults().at(0).reason, HasSubstr("larger than"));
}

TEST_F(KernelspecsTest, FindsByNameInAnyCase) {
  install("user/sAmple", "sample-language");
  const auto catalogue = scan({"user"});
  for (const char* name : {"sample", "sAmple", "SAMPLE"}) {
    const auto found = catalogue.find(name);
    ASSERT_TRUE(found) << found.error();
    EXPECT_EQ((*found)->spec.name, "sample");
  }
}

TEST_F(KernelspecsTest, FindsByLanguage) {
  install("user/apython");
  install("user/python3");
  install("user/ir", "R");
  const auto catalogue = scan({"user"});
  EXPECT_EQ((*catalogue.find("python"))->spec.name, "python3");
  EXPECT_EQ((*catalogue.find("r"))->spec.name, "ir");
}

TEST_F(KernelspecsTest, AKernelspecOfThatNameGoesBeforeTheLanguage) {
  install("user/python");
  install("user/python3");
  EXPECT_EQ((*scan({"user"}).find("python"))->spec.name, "python");
}

TEST_F(KernelspecsTest, SaysWhatWasMeantAndWhereItLooked) {
  install("user/python3");
  const auto found = scan({"user", "system"}).find("pyhton3");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::not_found);
  EXPECT_EQ(
      found.error().message,
      "kernelspec 'pyhton3' not found; did you mean 'python3'? installed: python3; searched: " +
          directory("user") + ", " + directory("system"));
}

TEST_F(KernelspecsTest, DoesNotRepeatNamesThatAreNone) {
  const auto found = scan({"user"}).find("../\n<script>");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::not_found);
  EXPECT_THAT(found.error().message, Not(HasSubstr("script")));
}

TEST_F(KernelspecsTest, Python3IsTheDefaultOrElseTheFirst) {
  EXPECT_EQ(scan({"user"}).default_name(), "");
  install("user/bash", "bash");
  install("user/ir", "R");
  EXPECT_EQ(scan({"user"}).default_name(), "bash");
  install("user/python3");
  EXPECT_EQ(scan({"user"}).default_name(), "python3");
}

TEST_F(KernelspecsTest, WithoutPython3TheDefaultSpeaksPython) {
  install("system/bash", "bash");
  install("system/conda", "Python");
  EXPECT_EQ(scan({"system"}).default_name(), "conda");
}

TEST_F(KernelspecsTest, OurPythonKernelIsPython3WhereNobodyHasOne) {
  install("own/perijove-python-any", "python", "any");
  EXPECT_EQ(scan({"own"}).entries().at("python3").spec.argv.front(), "any");
  install("own/perijove-python", "python", "ours");
  const auto catalogue = scan({"own"});
  const auto found = catalogue.find("python3");
  ASSERT_TRUE(found) << found.error();
  EXPECT_EQ((*found)->spec.argv.front(), "ours");
  EXPECT_EQ((*found)->spec.name, "python3");
  EXPECT_EQ(catalogue.default_name(), "python3");
  temp_.write("broken/python3/kernel.json", "{");
  const auto broken = scan({"broken", "own"});
  ASSERT_FALSE(broken.find("python3"));
  EXPECT_THAT(broken.find("python3").error().message, HasSubstr("cannot be used"));
  install("system/python3", "python", "theirs");
  EXPECT_EQ(scan({"system", "own"}).entries().at("python3").spec.argv.front(), "theirs");
}

TEST_F(KernelspecsTest, WhatComesWithTheProgramForTestsIsFoundWhereItIsLookedFor) {
  temp_.write("own/echo/kernel.json", R"({"argv":["run"],"display_name":"Echo","language":"echo",)"
                                      R"("metadata":{"perijove":{"for_tests":true}}})");
  install("own/bash", "bash");
  const std::string own = directory("own");
  EXPECT_THAT(names(KernelspecCatalogue::blocking_scan({.directories = {own}, .own = own})),
              ElementsAre("bash"));
  EXPECT_THAT(names(scan({"own"})), ElementsAre("bash", "echo"));
}

TEST_F(KernelspecsTest, ModelListsSpecsAndResources) {
  install("user/python3");
  temp_.write("user/python3/logo-64x64.png", "png");
  fs::create_directories(temp_.path() / "user/python3/logo-directory");
  const auto model = nlohmann::json::parse(scan({"user"}).rest_model("python3", "/"));
  EXPECT_EQ(model.at("default"), "python3");
  const auto& python = model.at("kernelspecs").at("python3");
  EXPECT_EQ(python.at("name"), "python3");
  EXPECT_EQ(python.at("resources"),
            nlohmann::json({{"logo-64x64", "/kernelspecs/python3/logo-64x64.png"}}));
}

TEST_F(KernelspecsTest, ModelOfNoKernelspecsIsWhole) {
  EXPECT_EQ(scan({}).rest_model("", "/"), R"({"default":"","kernelspecs":{}})");
}

TEST_F(KernelspecsTest, ABarePythonIsThatOfTheEnvironmentWhereThereIsOne) {
  install("venv/share/jupyter/kernels/python3", "python", "python");
  EXPECT_EQ(scan({"venv/share/jupyter/kernels"}).entries().at("python3").spec.interpreter, "");
  temp_.write("venv/bin/python", "#!");
  fs::permissions(temp_.path() / "venv/bin/python", fs::perms::owner_all);
  EXPECT_EQ(scan({"venv/share/jupyter/kernels"}).entries().at("python3").spec.interpreter,
            directory("venv/bin/python"));
}

TEST_F(KernelspecsTest, ScansAgainWhenAKernelspecComesChangesOrGoes) {
  install("user/python3");
  Kernelspecs kernelspecs({.directories = {directory("user"), directory("later")}});
  const auto first = kernelspecs.current();
  EXPECT_EQ(kernelspecs.blocking_refresh(), first);

  install("later/ir", "R");
  EXPECT_THAT(names(*kernelspecs.blocking_refresh()), ElementsAre("ir", "python3"));
  install("user/python3", "python", "another-program");
  EXPECT_EQ(kernelspecs.blocking_refresh()->entries().at("python3").spec.argv.front(),
            "another-program");
  fs::remove_all(temp_.path() / "user/python3");
  EXPECT_THAT(names(*kernelspecs.blocking_refresh()), ElementsAre("ir"));
  EXPECT_EQ(kernelspecs.current(), kernelspecs.blocking_refresh());
  EXPECT_THAT(names(*first), ElementsAre("python3"));  // who holds a catalogue keeps what it saw
}

class ResourceTest : public KernelspecsTest {
 protected:
  ResourceTest() {
    install("kernels/ir", "R");
    temp_.write("kernels/ir/logo-64x64.png", std::string("\x89PNG\0", 5));
    temp_.write("kernels/ir/more/inner.js", "1");
    temp_.write("kernels/ir-private/secret", "s3cr3t");
    temp_.write("secret", "s3cr3t");
    spec_.name = "ir";
    spec_.resource_dir = directory("kernels/ir");
  }

  Code refusal(std::string_view path) const {
    const auto contents = blocking_read_resource(spec_, path);
    EXPECT_FALSE(contents) << path;
    if (contents) return Code::internal;
    EXPECT_THAT(contents.error().message, Not(HasSubstr(temp_.str())));
    return contents.error().code;
  }

  Kernelspec spec_;
};

TEST_F(ResourceTest, ReadsFilesOfTheDirectory) {
  EXPECT_EQ(*blocking_read_resource(spec_, "logo-64x64.png"), std::string("\x89PNG\0", 5));
  EXPECT_EQ(*blocking_read_resource(spec_, "more/inner.js"), "1");
}

TEST_F(ResourceTest, RefusesPathsThatLeaveTheDirectory) {
  for (const char* path : {"../ir-private/secret", "more/../../../secret", "..", "/etc/passwd",
                           "more/../logo-64x64.png"}) {
    EXPECT_EQ(refusal(path), Code::permission_denied) << path;
  }
}

TEST_F(ResourceTest, RefusesLinksThatLeaveTheDirectory) {
  fs::create_symlink(temp_.path() / "secret", temp_.path() / "kernels/ir/link");
  fs::create_symlink("../ir-private", temp_.path() / "kernels/ir/sibling");
  EXPECT_EQ(refusal("link"), Code::permission_denied);
  EXPECT_EQ(refusal("sibling/secret"), Code::permission_denied);
}

TEST_F(ResourceTest, FollowsLinksWithinTheDirectory) {
  fs::create_symlink("more/inner.js", temp_.path() / "kernels/ir/kernel.js");
  EXPECT_EQ(*blocking_read_resource(spec_, "kernel.js"), "1");
}

TEST_F(ResourceTest, FindsNoFileWhereThereIsNone) {
  fs::create_symlink("gone", temp_.path() / "kernels/ir/dangling");
  ASSERT_EQ(mkfifo(directory("kernels/ir/pipe").c_str(), 0600), 0);
  for (const std::string path : {"", "missing", "more", ".", "dangling", "pipe", "a\\..\\b"}) {
    EXPECT_EQ(refusal(path), Code::not_found) << path;
  }
  EXPECT_EQ(refusal(std::string_view("logo-64x64.png\0.txt", 19)), Code::not_found);
}

TEST_F(ResourceTest, RefusesFilesThatNoLogoIsAsLargeAs) {
  temp_.write("kernels/ir/huge", std::string(kKernelspecResourceBytesMax + 1, 'x'));
  EXPECT_EQ(refusal("huge"), Code::resource_exhausted);
}

}  // namespace
}  // namespace perijove
