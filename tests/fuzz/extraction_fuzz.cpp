// Invariant: a path that is let through stays beneath its directory and is normal; a reply is read
// back from its own format; no pattern reads outside the code.
#include <cstddef>
#include <cstdint>

#include "code/extraction.hpp"
#include "code/format_result.hpp"
#include "code/guard.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  if (const auto path = path_in_work_directory(text)) {
    PERIJOVE_REQUIRE(!path->empty() && path->front() != '/' && path->back() != '/');
    const std::string framed = "/" + *path + "/";
    for (const char* wrong : {"//", "/./", "/../"}) {
      PERIJOVE_REQUIRE(framed.find(wrong) == std::string::npos);
    }
    PERIJOVE_REQUIRE(path->size() <= text.size());
    PERIJOVE_REQUIRE(*path_in_work_directory(*path) == *path);
  }
  (void)requested_file_name(text);

  CodeResult result;
  result.output = text;
  result.exit_code = static_cast<int>(size % 256);
  const ExecutionReply reply = extract_execution_results(format_exitcode(result));
  PERIJOVE_REQUIRE(reply.exit_code == result.exit_code);
  PERIJOVE_REQUIRE(reply.output == text || reply.output + "\n" == text);
  (void)extract_execution_results(text);
  for (const std::string_view name : format_names()) PERIJOVE_REQUIRE(format_result(name, result));

  for (const GuardPolicy& policy : guard_policies()) {
    for (const GuardIssue& issue : check_patterns(policy, text, policy.language).issues) {
      PERIJOVE_REQUIRE(issue.line >= 1 && issue.line <= size + 1);
    }
  }
  return 0;
}
