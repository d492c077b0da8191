#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace perijove {

/// Help texts that stay within 100 columns, with the descriptions in a column of their own.
class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    return entry(make_option_name(option, is_positional) + make_option_opts(option),
                 make_option_desc(option));
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string text =
        option->get_option_text().empty() ? option->get_type_name() : option->get_option_text();
    return text.empty() || option->get_type_size() == 0 ? "" : " " + text;
  }
  std::string make_subcommand(const CLI::App* command) const override {
    return entry(command->get_display_name(true), command->get_description());
  }

 private:
  static std::string entry(const std::string& name, const std::string& description);
};

}  // namespace perijove
