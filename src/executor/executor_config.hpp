#pragma once

#include <nlohmann/json_fwd.hpp>

#include "perijove/result.hpp"

namespace perijove {

/// The fields of POST /v1/sessions that a declarative configuration stands for:
///
/// - `false`, AG2's code_execution_config for "no code is run";
/// - AG2's object with `executor` (`commandline-local`, `ipython-embedded`) and that executor's own
///   options, or of its older form (`work_dir`, `use_docker`, `timeout`, `last_n_messages`, which
///   becomes a label);
/// - AutoGen's component `{"provider": ..., "config": {...}}` of its local and Docker executors;
/// - `{"provider": "perijove.Session", "config": FIELDS}`, as sessions show themselves.
///
/// invalid_argument for others, and for options that have no meaning here: none is passed over.
Result<nlohmann::json> session_fields_of(const nlohmann::json& config);

/// The last form, for a session made with these fields, without what belongs to that one session
/// (`key`, `files`) and without `env`, which may hold secrets.
nlohmann::json session_config(nlohmann::json fields);

}  // namespace perijove
