#include "code/guard.hpp"

#include <algorithm>
#include <utility>

#include "code/pattern.hpp"
#include "code/text_budget.hpp"
#include "code/unknown_name.hpp"
#include "protocol/code_blocks.hpp"
#include "protocol/python_text.hpp"

namespace perijove {
namespace {

// A list whose rules say no more than their pattern.
std::vector<GuardRule> rules(bool is_regex, std::initializer_list<std::string_view> patterns) {
  std::vector<GuardRule> made;
  for (const std::string_view pattern : patterns) made.push_back({pattern, is_regex, pattern});
  return made;
}

std::vector<GuardPolicy> all_policies() {
  return {
      {"ag2-forbidden", "AG2 tutorial, code safety", "python",
       rules(false, {"import os", "import subprocess", "import sys", "exec(", "eval(", "open(",
                     "file(", "__import__", "globals()", "locals()"})},
      {"ag2-network",
       "AG2 tutorial, network access",
       "python",
       {{"import requests", false, "requests"},
        {"from requests", false, "requests"},
        {"import urllib", false, "urllib"},
        {"from urllib", false, "urllib"},
        {"import http", false, "http"},
        {"from http", false, "http"},
        {"import socket", false, "socket"},
        {"from socket", false, "socket"}}},
      {"course",
       "agent course, check_dangerous_operations",
       "python",
       {{R"(import\s+os)", true, "OS module import"},
        {R"(import\s+sys)", true, "System module import"},
        {R"(import\s+subprocess)", true, "Subprocess import"},
        {R"(open\s*\()", true, "File operations"},
        {R"(eval\s*\()", true, "Eval usage"},
        {R"(exec\s*\()", true, "Exec usage"},
        {"__import__", true, "Dynamic imports"}}},
      {"guide", "AutoGen executors guide, validate_code", "python",
       rules(true, {R"(import\s+os)", R"(import\s+subprocess)", "__import__", R"(eval\s*\()",
                    R"(exec\s*\()"})},
      {"ag2-shell",
       "AG2, LocalCommandLineCodeExecutor.sanitize_command",
       "bash",
       {{R"(\brm\s+-rf\b)", true, "Use of 'rm -rf' command is not allowed."},
        {R"(\bmv\b.*?\s+/dev/null)", true, "Moving files to /dev/null is not allowed."},
        {R"(\bdd\b)", true, "Use of 'dd' command is not allowed."},
        {R"(>\s*/dev/sd[a-z][1-9]?)", true, "Overwriting disk blocks directly is not allowed."},
        {R"(:\(\)\{\s*:\|:\&\s*\};:)", true, "Fork bombs are not allowed."}}},
  };
}

const GuardPolicy& policy(std::string_view name) { return **find_guard_policy(name); }

// Where the rule's first match ends.
std::optional<std::size_t> match(const GuardRule& rule, std::string_view code) {
  if (rule.is_regex) return Pattern(rule.pattern).find_in(code);
  const std::size_t at = code.find(rule.pattern);
  if (at == std::string_view::npos) return std::nullopt;
  return at + rule.pattern.size();
}

// The first issue as the error of a function that raises.
Result<void> refuse(std::string_view name, Code code, const std::string& opening,
                    std::string_view text, std::string_view language) {
  const GuardReport report = check_patterns(policy(name), text, language);
  if (report.issues.empty()) return {};
  return Error{code, opening + report.issues.front().message};
}

// Python's repr() of a list of texts.
std::string python_list(const std::vector<std::string>& texts) {
  std::string list = "[";
  for (const std::string& text : texts) {
    if (list.size() > 1) list += ", ";
    list += python_quoted(text);
  }
  return list + "]";
}

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::allow:
      return "allow";
    case Severity::warn:
      return "warn";
    case Severity::deny:
      return "deny";
  }
  return "deny";
}

Result<Severity> parse_severity(std::string_view text) {
  for (const Severity each : {Severity::allow, Severity::warn, Severity::deny}) {
    if (text == to_string(each)) return each;
  }
  return Error{Code::invalid_argument,
               "severity is '" + std::string(text) + "'; it is one of allow, warn, deny"};
}

std::span<const GuardPolicy> guard_policies() {
  static const std::vector<GuardPolicy> kPolicies = all_policies();
  return kPolicies;
}

Result<const GuardPolicy*> find_guard_policy(std::string_view name) {
  std::vector<std::string_view> known;
  for (const GuardPolicy& each : guard_policies()) {
    if (each.name == name) return &each;
    known.push_back(each.name);
  }
  return unknown_name("list of patterns", name, known);
}

GuardReport check_patterns(const GuardPolicy& list, std::string_view code,
                           std::string_view language, Severity severity) {
  GuardReport report;
  if (canonical_language(language) != list.language) return report;
  for (const GuardRule& rule : list.rules) {
    const auto end = match(rule, code);
    if (!end) continue;
    const auto line =
        1 + std::count(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(*end), '\n');
    report.issues.push_back(
        {std::string(rule.pattern), std::string(rule.message), static_cast<std::size_t>(line)});
  }
  if (!report.issues.empty()) report.verdict = severity;
  return report;
}

Result<void> refuse_forbidden_code(std::string_view code, bool allow_network) {
  if (auto refused = refuse("ag2-forbidden", Code::permission_denied,
                            "Potentially unsafe code detected: ", code, "python");
      !refused || allow_network) {
    return refused;
  }
  return refuse("ag2-network", Code::permission_denied, "Network access not allowed: ", code,
                "python");
}

OperationsCheck check_dangerous_operations(std::string_view code) {
  OperationsCheck check;
  for (GuardIssue& issue : check_patterns(policy("course"), code, "python").issues) {
    check.issues.push_back(std::move(issue.message));
  }
  check.safe = check.issues.empty();
  return check;
}

Result<void> refuse_prohibited_code(std::string_view code, std::string_view language) {
  if (check_patterns(policy("guide"), code, language).issues.empty()) return {};
  return Error{Code::invalid_argument, "Code contains prohibited patterns"};
}

InputCheck validate_code_input(std::string_view code, const SyntaxCheck& syntax_errors) {
  if (count_characters(code) > kInputCharsMax) {
    return {false, "Code too long (max " + std::to_string(kInputCharsMax) + " chars)"};
  }
  if (code.find('\0') != std::string_view::npos) return {false, "Invalid characters in code"};
  if (const auto errors = syntax_errors(code); !errors.empty()) {
    return {false, "Syntax error: " + python_list(errors)};
  }
  if (const auto operations = check_dangerous_operations(code); !operations.safe) {
    return {false, "Unsafe operations: " + python_list(operations.issues)};
  }
  return {};
}

Result<void> refuse_dangerous_command(std::string_view code, std::string_view language) {
  return refuse("ag2-shell", Code::invalid_argument,
                "Potentially dangerous command detected: ", code, language);
}

}  // namespace perijove
