#include "code/requirement.hpp"

#include <gtest/gtest.h>

#include <string>

namespace perijove {
namespace {

TEST(ParseRequirement, TakesNamesExtrasAndVersions) {
  for (const char* text :
       {"pandas", "pandas>=2", "pandas >= 2 , < 3", "uvicorn[standard]==0.30.*", "a[b,c-d]", "a[]",
        "zope.interface~=6.0", "torch==2.3.0+cpu", "x===1!2.0", "pandas (>=2,<3)", "a1"}) {
    EXPECT_TRUE(parse_requirement(text)) << text;
  }
}

TEST(ParseRequirement, NormalizesTheName) {
  EXPECT_EQ(parse_requirement(" Ruamel._Yaml>1 ")->name, "ruamel-yaml");
  EXPECT_EQ(parse_requirement(" Ruamel._Yaml>1 ")->text, "Ruamel._Yaml>1");
}

TEST(ParseRequirement, RefusesOptionsPathsAndShells) {
  for (const char* text : {"",
                           " ",
                           "-r requirements.txt",
                           "--index-url=http://x",
                           "-e .",
                           ".",
                           "./x.whl",
                           "/x.whl",
                           "x.whl/",
                           "a b",
                           "a;rm",
                           "a; python_version<'3'",
                           "a$(id)",
                           "a`id`",
                           "a|b",
                           "a&b",
                           "a\nb",
                           "a>2 --pre",
                           "a==",
                           "a>=>1",
                           "a[b",
                           "a[,]",
                           "a(>=1",
                           "a,b",
                           "a-",
                           "git+https://x/y",
                           "a==1;",
                           "a==1,",
                           "a\t\n"}) {
    EXPECT_FALSE(parse_requirement(text)) << text;
  }
  EXPECT_FALSE(parse_requirement(std::string("a\0b", 3)));
  EXPECT_FALSE(parse_requirement(std::string(501, 'a')));
}

TEST(ParseRequirement, SaysWhyAddressesAreRefused) {
  const auto read = parse_requirement("a @ https://example.org/a.whl");
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("without an address"), std::string::npos);
}

}  // namespace
}  // namespace perijove
