#pragma once

#include <string>
#include <string_view>

namespace perijove {

/// The code with `-qqq` behind each `pip install` that a line begins with, as AutoGen and AG2 do so
/// that a model does not have to read pip's progress: `!pip`, `%pip` and `! python -m pip` in
/// Python, `pip`, `pip3` and `python3 -m pip` in shells; other languages stay as they are. Lines
/// stay lines, so that errors name the right one. `language` is any name of it.
///
/// Text only: such a line in a string literal is changed, too.
std::string silence_pip(std::string_view code, std::string_view language);

}  // namespace perijove
