#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "protocol/mime.hpp"

namespace perijove {

/// Text that code printed.
struct StreamOutput {
  std::string name;  ///< `stdout` or `stderr`.
  std::string text;
};

/// What code displayed, or the value of its last expression.
struct DisplayOutput {
  bool is_result = false;  ///< execute_result rather than display_data.
  std::optional<std::int64_t> execution_count;
  MimeBundle data;
  std::string metadata = "{}";  ///< The JSON text of an object.
  std::string display_id = {};  ///< By which later messages may update it; usually empty.
  std::size_t position = 0;     ///< Among the outputs of its block when it came, from 0.
};

/// The exception that ended an execution.
struct ErrorOutput {
  std::string name;                    ///< `ename`: ZeroDivisionError.
  std::string message;                 ///< `evalue`.
  std::vector<std::string> traceback;  ///< Lines, usually with ANSI colours.
};

using Output = std::variant<StreamOutput, DisplayOutput, ErrorOutput>;

/// The content of a `stream` message, read without building its JSON: programs print gigabytes.
/// nullopt when it is none.
std::optional<StreamOutput> read_stream(ByteView content);

/// One output as nbformat 4 defines it.
nlohmann::json to_nbformat(const Output& output);

/// How much of one execution is kept.
struct OutputLimits {
  std::size_t text_bytes_max =
      std::size_t{16} * 1024 * 1024;  ///< Streams; over it the middle is cut.
  std::size_t data_bytes_max = std::size_t{256} * 1024 * 1024;  ///< All displays together.
  std::size_t outputs_max = 10'000;  ///< Displays; and separately pieces of streams.
  std::size_t error_bytes_max =
      std::size_t{1024} * 1024;  ///< The traceback, whatever the streams took.
};

/// What was not kept. outputs() says the same in the places where something is missing.
struct OutputCuts {
  std::uint64_t text_bytes = 0;   ///< Of streams.
  std::uint64_t data_bytes = 0;   ///< Of displays.
  std::uint64_t error_bytes = 0;  ///< Of errors.
  std::uint64_t outputs = 0;      ///< Whole displays and errors.

  bool any() const { return text_bytes + data_bytes + error_bytes + outputs != 0; }
};

/// Gathers the outputs of one execution from its iopub messages, as a notebook front end does:
/// neighbouring chunks of the same stream are joined, displays are updated by their display_id, and
/// clear_output clears, at once or before the next output.
///
/// Memory is bounded by the limits whatever the kernel sends. Not thread-safe.
class OutputCollector {
 public:
  explicit OutputCollector(OutputLimits limits = {}) : limits_(limits) {}

  /// Takes one message: its type and the JSON text of its content. Returns whether the outputs
  /// changed. Other types and broken contents change nothing.
  ///
  /// update_display_data may belong to an earlier execution: hand it to that one's collector too;
  /// where its display_id is not known, it changes nothing.
  bool add(std::string_view message_type, ByteView content);

  /// The same for a stream message that has been read already.
  bool add(const StreamOutput& stream);

  /// The outputs so far, in order of arrival.
  std::vector<Output> outputs() const;

  /// What the latest message added: a display or an error. nullptr when it added neither, or was
  /// cut. Good until the next message.
  const Output* newest() const;
  /// The displays of that display_id, none for an empty one. Good until the next message.
  std::vector<const DisplayOutput*> displays(std::string_view display_id) const;

  /// The number in `In [3]`, when a message has told it.
  std::optional<std::int64_t> execution_count() const { return execution_count_; }

  const OutputCuts& cuts() const { return cuts_; }

 private:
  struct Slot {
    Output output;
    std::size_t data_bytes = 0;  // of a display
    bool in_tail = false;        // of a stream: behind the place where text is cut
    std::size_t skipped = 0;     // bytes at the start of the stream's text that are cut
  };

  void begin_output();
  void clear();
  bool add_display(const nlohmann::json& content, bool is_result);
  bool update_displays(const std::string& display_id, const nlohmann::json& content);
  bool add_error(const nlohmann::json& content);
  void append_text(const std::string& name, ByteView text, bool in_tail);
  void trim_tail();
  void set_data(Slot& slot, const nlohmann::json& content);

  OutputLimits limits_;
  OutputCuts cuts_;
  std::vector<Slot> slots_;
  std::optional<std::int64_t> execution_count_;
  bool clear_before_next_ = false;
  bool head_is_full_ = false;
  std::size_t head_bytes_ = 0;
  std::size_t tail_bytes_ = 0;
  std::size_t first_tail_slot_ = 0;
  std::size_t data_bytes_ = 0;
  std::size_t streams_ = 0;
  std::size_t displays_ = 0;
  std::size_t errors_ = 0;
  std::size_t next_position_ = 0;  // of a display
  bool newest_is_last_ = false;    // the last slot is what the latest message added
};

}  // namespace perijove
