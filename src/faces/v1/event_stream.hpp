#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "executor/event_log.hpp"
#include "faces/call.hpp"

namespace perijove::v1 {

/// Answers with the events of a log from number `from` on, as they come, until it is closed: one
/// line of JSON each, or server-sent events for a client that accepts text/event-stream. `on_lost`
/// is called when the client goes before that; may be null.
void stream_events(const CallPtr& call, std::shared_ptr<EventLog> log, std::uint64_t from,
                   HttpFields extra, std::function<void()> on_lost);

/// The number that a client that comes back asks to begin with: `?from=`, or the one behind the
/// header Last-Event-ID; 1 when it says neither. Answers 400 and returns nullopt for nonsense.
std::optional<std::uint64_t> first_event(const CallPtr& call);

}  // namespace perijove::v1
