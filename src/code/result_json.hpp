#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>

#include "perijove/code_result.hpp"

/// Results as JSON, as REST answers and command lines show them. Text goes in as it is: bytes that
/// are no UTF-8 become U+FFFD when dump_json() writes it. What is not known is null; only maps
/// (`mimes`, `truncated`) lack what is not there.
namespace perijove {

/// `type`, `message`, `block`, `line`, `column`, `frames`, `traceback`, `hint`.
nlohmann::json to_json(const CodeError& error);

/// `checkpoint_id`, `created`, `executions_lost`, `restored`, and `failed` with `name` and `reason`.
nlohmann::json to_json(const Recovery& recovery);

/// `path`, `mime`, `size`, `sha256`, `source`, `block`; `change` (`created` or `changed`) of a file
/// that the code wrote; `width` and `height` of an image.
nlohmann::json to_json(const OutputFile& file);

/// `kind` (`execute_result` or `display`), `text`, `main`, and `mimes`: by MIME type `file` with
/// its `bytes`, `width` and `height` as `files` tells them, or inline `data`.
nlohmann::json to_json(const RichOutput& output, std::span<const OutputFile> files = {});

/// One of `blocks` of a result; `files` are the result's.
nlohmann::json to_json(const BlockResult& block, std::span<const OutputFile> files = {});

/// The whole answer. `truncated` says `total_chars` and `kept` of those texts that were cut;
/// `timing` the waiting time, the running time and both together.
nlohmann::json to_json(const CodeResult& result);

}  // namespace perijove
