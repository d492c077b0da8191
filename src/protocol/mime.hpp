#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// One output in several representations: MIME type -> data as on the wire. JSON types
/// (is_json_mime_type) hold their JSON text, the others their string: text, or base64 of bytes.
using MimeBundle = std::map<std::string, std::string>;

/// How the data of a MIME type is written in a bundle.
enum class MimeEncoding { text, base64, json };

/// `application/json` and `application/*+json`: the rule of nbformat (v4/rwbase.py).
bool is_json_mime_type(std::string_view type);

/// Known types by a table; of the others images, audio and video are base64 and the rest is text.
MimeEncoding mime_encoding(std::string_view type);

/// The extension for files of this type, with its dot: `.png`. For types that are not known one
/// that opens nothing by itself: `.json`, `.xml`, `.txt` or `.bin`. Never made of the type's own
/// text.
std::string_view file_extension(std::string_view type);

/// The types of a bundle, what shows most first: images before HTML before plain text.
std::vector<std::string> by_preference(const MimeBundle& bundle);

/// The contents of a file that holds one entry of a bundle: bytes for base64 (line breaks in it are
/// fine), indented text for JSON, and text as it is. invalid_argument when it is not what it says.
Result<std::string> decode_mime(std::string_view type, ByteView data);

/// The type of a file by the ending of its name, in any case; `application/octet-stream` when that
/// says nothing.
std::string_view mime_type_of_file(std::string_view name);

/// The bundle for people who see only text: its text/plain, else text/markdown or text/latex, else
/// the most telling type in angle brackets: `<image/png>`. Empty for an empty bundle.
std::string plain_text(const MimeBundle& bundle);

/// Reads the `data` of a message or a notebook. Lists of lines are joined; other values that are
/// not strings are kept as JSON text. Anything but an object is an empty bundle.
MimeBundle read_mime_bundle(const nlohmann::json& data);

/// The `data` object of a message or a notebook.
nlohmann::json to_json(const MimeBundle& bundle);

/// Width and height in pixels.
struct ImageSize {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  bool operator==(const ImageSize&) const = default;
};

/// Reads the header of a PNG, JPEG, GIF or WebP file; nullopt for anything else, cut or broken ones
/// included. Decodes nothing and believes no length it has not checked.
std::optional<ImageSize> image_size(ByteView file);

}  // namespace perijove
