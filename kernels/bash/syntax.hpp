#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace perijove::kernels::bash {

enum class Completeness { kComplete, kIncomplete, kInvalid };

/// What `bash -n` says to the code; nothing of it is run. Throws std::exception when bash cannot be
/// started.
Completeness check_syntax(const std::string& bash, std::string_view code);

/// What bash says to code that must not be given to a shell that shall live on, nullopt for any
/// other: an interactive bash 5.2 may corrupt its memory when the code ends within `$(`.
std::optional<std::string> fatal_fault(const std::string& bash, std::string_view code);

/// "5.2.15(1)-release", or "" when bash cannot be started.
std::string bash_version(const std::string& bash);

}  // namespace perijove::kernels::bash
