#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "perijove/result.hpp"

/// Lists of forbidden patterns, word by word as tutorials and AG2 have them. They are a guard rail
/// against accidents and no boundary: `from os import remove` and `getattr(__builtins__, 'ev' +
/// 'al')` pass, `# import os` and `reopen(` do not. What confines code is its sandbox.
namespace perijove {

/// What becomes of code in which something is found.
enum class Severity {
  allow,  ///< It is run; nothing is said.
  warn,   ///< It is run, with a warning.
  deny,   ///< It is not run.
};

/// `allow`, `warn`, `deny`.
std::string_view to_string(Severity severity);
/// The reverse; invalid_argument for other words.
Result<Severity> parse_severity(std::string_view text);

struct GuardRule {
  std::string_view pattern;  ///< As the source has it.
  bool is_regex = false;     ///< Else the text itself, anywhere.
  std::string_view message;  ///< What to say about it, word by word.
};

/// One list.
struct GuardPolicy {
  std::string_view name;
  std::string_view source;  ///< Where the list is from, for people.
  /// Canonical name of the language it is about; code in others passes.
  std::string_view language;
  std::vector<GuardRule> rules;
};

/// The lists: `ag2-forbidden`, `ag2-network`, `course`, `guide`, `ag2-shell`.
std::span<const GuardPolicy> guard_policies();

/// The one of that name; not_found, with what may have been meant, for others.
Result<const GuardPolicy*> find_guard_policy(std::string_view name);

struct GuardIssue {
  std::string pattern;
  std::string message;
  std::size_t line = 0;  ///< Where the first match ends, from 1.
  bool operator==(const GuardIssue&) const = default;
};

struct GuardReport {
  /// `allow` when nothing was found, else what was asked for.
  Severity verdict = Severity::allow;
  std::vector<GuardIssue> issues;  ///< One for each rule that matches, in the order of the list.
};

/// What a list says about code in a language (any name of it).
GuardReport check_patterns(const GuardPolicy& policy, std::string_view code,
                           std::string_view language, Severity severity = Severity::deny);

// ---- The tutorials' own functions: what they answer, word by word ----

/// AG2 tutorial: permission_denied (its SecurityError) with `Potentially unsafe code detected:
/// import os` for the first of the list that the code contains, and unless `allow_network` with
/// `Network access not allowed: requests` for a module of the network that it imports.
Result<void> refuse_forbidden_code(std::string_view code, bool allow_network = false);

/// Course: whether the code is safe, and else what is wrong: `OS module import`.
struct OperationsCheck {
  bool safe = true;
  std::vector<std::string> issues;
};
OperationsCheck check_dangerous_operations(std::string_view code);

/// AutoGen guide: invalid_argument (its ValueError) `Code contains prohibited patterns` for Python
/// that does; code in other languages passes.
Result<void> refuse_prohibited_code(std::string_view code, std::string_view language);

/// Errors of a Python text as `Line 3: invalid syntax`; empty when it compiles.
using SyntaxCheck = std::function<std::vector<std::string>(std::string_view code)>;

/// Course: whether input is code that may be run, and else the first reason against it: its length
/// in characters, a NUL byte, its syntax, what it does. Lists in it are written as Python does.
struct InputCheck {
  bool valid = true;
  std::string reason;
};
inline constexpr std::size_t kInputCharsMax = 10'000;
InputCheck validate_code_input(std::string_view code, const SyntaxCheck& syntax_errors);

/// AG2's sanitize_command: invalid_argument `Potentially dangerous command detected: ...` for shell
/// code that deletes, overwrites disks or multiplies; code in other languages passes.
Result<void> refuse_dangerous_command(std::string_view code, std::string_view language);

}  // namespace perijove
