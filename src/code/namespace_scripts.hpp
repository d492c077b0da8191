#pragma once

#include <string_view>

namespace perijove {

/// Functions that write the variables of a bash kernel to a file and tell which came back; the text
/// says how they are called. Begins a block of code.
extern const std::string_view kNamespaceBash;

/// The same for JavaScript: an asynchronous arrow function, to be put into parentheses and called.
extern const std::string_view kNamespaceJavaScript;

}  // namespace perijove
