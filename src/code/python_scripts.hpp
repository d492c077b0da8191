#pragma once

#include <string_view>

namespace perijove {

// What has to be done by Python itself, as source text: the files of src/code/python, each of which
// says at its top what it takes and what it answers. They need the standard library of Python 3.8
// or newer, and nothing of each other.
//
// Three are programs: `python3 -I -c <text>`, one JSON request on stdin up to its end, one line of
// JSON on stdout. Whoever starts one sets the time limit; a program that ends without an answer has
// refused.

/// Syntax, and what a policy has against it. The code is never run. A guard rail, not a boundary.
extern const std::string_view kCheckCodeScript;

/// The module of functions that an agent may call: source, stubs, prompt, packages.
extern const std::string_view kFunctionsScript;

/// Runs the small language of restricted mode. Advisory: its process must be expendable.
extern const std::string_view kRestrictedScript;

/// Not a program: the text to send inside a user expression to list, inspect and set variables of a
/// Python kernel. The text says how the expression is written; the answer is JSON, to be parsed
/// from `data["text/plain"]` of the expression's value as it stands.
extern const std::string_view kVariablesScript;

/// Sent in the same way: writes the variables of a Python kernel to a file, and reads them back.
extern const std::string_view kNamespaceScript;

/// Not a program either: the text that code of a session hands to exec() to install packages into
/// the Python of its kernel. Its last line on stdout is the answer, in JSON.
extern const std::string_view kPackagesScript;

}  // namespace perijove
