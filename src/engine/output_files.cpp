#include "engine/output_files.hpp"

#include <algorithm>
#include <cstdio>
#include <map>

namespace perijove {
namespace {

bool is_saved(std::string_view mime_type) {
  return mime_type != "text/plain" && mime_type != "application/vnd.jupyter.widget-view+json" &&
         mime_type != "application/vnd.jupyter.widget-state+json";
}

std::string padded(std::size_t number, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*zu", digits, number);
  return text;
}

}  // namespace

std::string output_stem(std::string_view file_name) {
  constexpr std::size_t kStemBytesMax = 100;
  file_name.remove_prefix(file_name.rfind('/') + 1);  // npos + 1 is 0
  const std::size_t dot = file_name.rfind('.');
  if (dot != std::string_view::npos && dot > 0) file_name = file_name.substr(0, dot);
  std::string stem(file_name.substr(0, kStemBytesMax));
  for (char& c : stem) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
    if (!plain) c = '_';
  }
  return stem.empty() ? "output" : stem;
}

std::string output_file_name(std::string_view stem, std::size_t block, std::size_t output,
                             std::string_view extension, std::size_t same) {
  std::string name(stem);
  name += '-' + padded(block, 3) + '-' + padded(output, 2);
  if (same > 0) name += '-' + std::to_string(same + 1);
  name += extension;
  return name;
}

bool has_files(const Output& output) {
  const auto* display = std::get_if<DisplayOutput>(&output);
  return display != nullptr && std::any_of(display->data.begin(), display->data.end(),
                                           [](const auto& entry) { return is_saved(entry.first); });
}

std::vector<SavedFile> save_display(const WorkDir& directory, std::string_view stem,
                                    std::size_t block, std::size_t position,
                                    const DisplayOutput& display, Result<void>& error) {
  std::vector<SavedFile> saved;
  std::map<std::string_view, std::size_t> extensions;
  for (const std::string& type : by_preference(display.data)) {
    if (!is_saved(type)) continue;
    const std::string_view extension = file_extension(type);
    const std::string name =
        output_file_name(stem, block, position, extension, extensions[extension]++);
    const auto bytes = decode_mime(type, display.data.at(type));
    const auto path =
        bytes
            ? directory.write(name, *bytes)
            : Result<std::string>(Error{Code::data_loss, "cannot save " + name + ": " + type +
                                                             " that is " + bytes.error().message});
    if (path) {
      saved.push_back({*path, type, block, position});
    } else if (error) {
      error = path.error();
    }
  }
  return saved;
}

std::vector<SavedFile> save_outputs(const WorkDir& directory, std::string_view stem,
                                    std::size_t block, const std::vector<Output>& outputs,
                                    Result<void>& error) {
  std::vector<SavedFile> saved;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto* display = std::get_if<DisplayOutput>(&outputs[i]);
    if (display == nullptr) continue;
    for (SavedFile& each : save_display(directory, stem, block, i, *display, error)) {
      saved.push_back(std::move(each));
    }
  }
  return saved;
}

}  // namespace perijove
