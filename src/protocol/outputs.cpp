#include "protocol/outputs.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "protocol/json.hpp"
#include "protocol/json_scan.hpp"

namespace perijove {
namespace {

constexpr std::size_t kErrorsMax = 100;  // an execution usually ends with its first one

// How far a cut looks for the end of a line, in a piece of text of that size.
std::size_t line_search_bytes(std::size_t size) { return std::min<std::size_t>(4096, size / 4); }

const nlohmann::json* member(const nlohmann::json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::optional<std::string> text_member(const nlohmann::json& object, const char* name) {
  const nlohmann::json* value = member(object, name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return value->get<std::string>();
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// The most of `text` that fits into `bytes_max` and ends with a line, or with a whole character
// where lines are long.
std::size_t head_length(ByteView text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text.size();
  const std::size_t newline = text.substr(0, bytes_max).rfind('\n');
  if (newline != ByteView::npos && newline + line_search_bytes(bytes_max) >= bytes_max)
    return newline + 1;
  std::size_t length = bytes_max;
  while (length > 0 && continues_character(text[length])) --length;
  return length;
}

// How much more to skip at the start of `text`, whose beginning was cut off, to begin with a line.
std::size_t tail_start(ByteView text) {
  const std::size_t newline = text.substr(0, line_search_bytes(text.size())).find('\n');
  if (newline != ByteView::npos) return newline + 1;
  std::size_t start = 0;
  while (start < text.size() && continues_character(text[start])) ++start;
  return start;
}

std::string bytes(std::uint64_t count) { return std::to_string(count) + " bytes"; }

void append(std::vector<Output>& outputs, const std::string& name, ByteView text) {
  if (text.empty()) return;
  if (!outputs.empty()) {
    auto* last = std::get_if<StreamOutput>(&outputs.back());
    if (last != nullptr && last->name == name) {
      last->text += text;
      return;
    }
  }
  outputs.emplace_back(StreamOutput{name, std::string(text)});
}

std::string display_id_of(const nlohmann::json& content) {
  const nlohmann::json* transient = member(content, "transient");  // may be null
  if (transient == nullptr) return {};
  return text_member(*transient, "display_id").value_or("");
}

}  // namespace

nlohmann::json to_nbformat(const Output& output) {
  if (const auto* stream = std::get_if<StreamOutput>(&output)) {
    return {{"output_type", "stream"}, {"name", stream->name}, {"text", stream->text}};
  }
  if (const auto* error = std::get_if<ErrorOutput>(&output)) {
    return {{"output_type", "error"},
            {"ename", error->name},
            {"evalue", error->message},
            {"traceback", error->traceback}};
  }
  const auto& display = std::get<DisplayOutput>(output);
  auto metadata = parse_json(display.metadata);
  nlohmann::json made = {{"output_type", display.is_result ? "execute_result" : "display_data"},
                         {"data", to_json(display.data)},
                         {"metadata", metadata ? *metadata : nlohmann::json::object()}};
  if (display.is_result) {
    made["execution_count"] = nullptr;
    if (display.execution_count) made["execution_count"] = *display.execution_count;
  }
  return made;
}

std::optional<StreamOutput> read_stream(ByteView content) {
  std::optional<std::string> name, text;
  JsonMembers members(content);
  while (const auto member = members.next()) {
    if (member->key == "name") name = json_string(member->value);
    if (member->key == "text") text = json_string(member->value);
  }
  if (!members.complete() || !name || !text) return std::nullopt;
  return StreamOutput{*std::move(name), *std::move(text)};
}

bool OutputCollector::add(std::string_view message_type, ByteView text) {
  const bool relevant = message_type == "stream" || message_type == "display_data" ||
                        message_type == "execute_result" || message_type == "error" ||
                        message_type == "update_display_data" || message_type == "clear_output" ||
                        message_type == "execute_input";
  if (!relevant) return false;
  newest_is_last_ = false;
  if (message_type == "stream") {
    const auto stream = read_stream(text);
    return stream && add(*stream);
  }
  const auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object()) return false;
  const nlohmann::json& content = *parsed;

  const nlohmann::json* count = member(content, "execution_count");
  if (count != nullptr && count->is_number_integer()) execution_count_ = count->get<std::int64_t>();

  if (message_type == "error") return add_error(content);
  if (message_type == "clear_output") {
    const nlohmann::json* wait = member(content, "wait");
    if (wait != nullptr && wait->is_boolean() && wait->get<bool>()) {
      clear_before_next_ = true;
      return false;
    }
    clear();
    return true;
  }
  if (message_type == "execute_input") return false;

  const bool updated = update_displays(display_id_of(content), content);
  if (message_type == "update_display_data") return updated;
  return add_display(content, message_type == "execute_result") || updated;
}

void OutputCollector::clear() {
  slots_.clear();
  cuts_ = {};
  clear_before_next_ = false;
  head_is_full_ = false;
  head_bytes_ = tail_bytes_ = first_tail_slot_ = data_bytes_ = 0;
  streams_ = displays_ = errors_ = next_position_ = 0;
}

void OutputCollector::begin_output() {
  if (clear_before_next_) clear();
}

bool OutputCollector::add(const StreamOutput& stream) {
  newest_is_last_ = false;
  begin_output();
  const std::string& name = stream.name;
  ByteView rest = stream.text;
  if (!head_is_full_) {
    const std::size_t room = limits_.text_bytes_max / 2 - head_bytes_;
    const std::size_t length = head_length(rest, room);
    append_text(name, rest.substr(0, length), /*in_tail=*/false);
    rest.remove_prefix(length);
    head_is_full_ = !rest.empty();
  }
  // Piece by piece: most of a huge text would be copied only to be dropped.
  constexpr std::size_t kPieceBytes = std::size_t{1} * 1024 * 1024;
  while (!rest.empty()) {
    const std::size_t length = std::max<std::size_t>(head_length(rest, kPieceBytes), 1);
    append_text(name, rest.substr(0, length), /*in_tail=*/true);
    trim_tail();
    rest.remove_prefix(length);
  }
  return true;
}

void OutputCollector::append_text(const std::string& name, ByteView text, bool in_tail) {
  if (text.empty()) return;
  const auto takes = [&](const Slot& slot) {
    const auto* stream = std::get_if<StreamOutput>(&slot.output);
    return stream != nullptr && stream->name == name && slot.in_tail == in_tail;
  };
  std::size_t at = slots_.size();
  if (!slots_.empty() && takes(slots_.back())) {
    at = slots_.size() - 1;
  } else if (streams_ < limits_.outputs_max) {
    ++streams_;
    // outputs() joins it with what is before it, if only the place of the cut is between them.
    const auto* last = slots_.empty() ? nullptr : std::get_if<StreamOutput>(&slots_.back().output);
    if (last == nullptr || last->name != name) ++next_position_;
    Slot& slot = slots_.emplace_back();
    slot.output.emplace<StreamOutput>().name = name;
    slot.in_tail = in_tail;
  } else {
    // Too many pieces to keep their order among each other: join the last one of that name.
    while (at > 0 && !takes(slots_[at - 1])) --at;
    if (at == 0) {
      cuts_.text_bytes += text.size();
      return;
    }
    --at;
  }
  std::get<StreamOutput>(slots_[at].output).text += text;
  if (in_tail) {
    tail_bytes_ += text.size();
    first_tail_slot_ = std::min(first_tail_slot_, at);
  } else {
    head_bytes_ += text.size();
  }
}

void OutputCollector::trim_tail() {
  const std::size_t tail_max = limits_.text_bytes_max - limits_.text_bytes_max / 2;
  while (tail_bytes_ > tail_max) {
    Slot& slot = slots_[first_tail_slot_];
    auto* stream = slot.in_tail ? std::get_if<StreamOutput>(&slot.output) : nullptr;
    if (stream == nullptr || slot.skipped == stream->text.size()) {
      ++first_tail_slot_;
      continue;
    }
    const std::size_t dropped =
        std::min(tail_bytes_ - tail_max, stream->text.size() - slot.skipped);
    slot.skipped += dropped;
    tail_bytes_ -= dropped;
    cuts_.text_bytes += dropped;
    // Moved together now and then rather than for every chunk: each byte is moved at most once on
    // average, and at most as much is held in vain as is kept.
    if (slot.skipped >= stream->text.size() - slot.skipped) {
      stream->text.erase(0, slot.skipped);
      slot.skipped = 0;
    }
  }
}

bool OutputCollector::add_display(const nlohmann::json& content, bool is_result) {
  const nlohmann::json* data = member(content, "data");
  if (data == nullptr || !data->is_object()) return false;
  begin_output();
  if (displays_ >= limits_.outputs_max) {
    ++cuts_.outputs;
    return true;
  }
  ++displays_;
  Slot& slot = slots_.emplace_back();
  newest_is_last_ = true;
  auto& display = slot.output.emplace<DisplayOutput>();
  display.display_id = display_id_of(content);
  display.position = next_position_++;
  display.is_result = is_result;
  if (is_result) display.execution_count = execution_count_;
  set_data(slot, content);
  return true;
}

bool OutputCollector::update_displays(const std::string& display_id,
                                      const nlohmann::json& content) {
  const nlohmann::json* data = member(content, "data");
  if (display_id.empty() || data == nullptr || !data->is_object()) return false;
  bool updated = false;
  for (Slot& slot : slots_) {
    const auto* display = std::get_if<DisplayOutput>(&slot.output);
    if (display == nullptr || display->display_id != display_id) continue;
    set_data(slot, content);
    updated = true;
  }
  return updated;
}

const Output* OutputCollector::newest() const {
  return newest_is_last_ ? &slots_.back().output : nullptr;
}

std::vector<const DisplayOutput*> OutputCollector::displays(std::string_view display_id) const {
  std::vector<const DisplayOutput*> found;
  if (display_id.empty()) return found;
  for (const Slot& slot : slots_) {
    const auto* display = std::get_if<DisplayOutput>(&slot.output);
    if (display != nullptr && display->display_id == display_id) found.push_back(display);
  }
  return found;
}

// Replaces the data of a display by the content's, as much of it as the limit allows: the small
// entries first, so that the text survives an image that is too large.
void OutputCollector::set_data(Slot& slot, const nlohmann::json& content) {
  auto& display = std::get<DisplayOutput>(slot.output);
  data_bytes_ -= slot.data_bytes;
  slot.data_bytes = 0;
  const auto fits = [&](std::size_t size) {
    if (size > limits_.data_bytes_max - data_bytes_) {
      cuts_.data_bytes += size;
      return false;
    }
    data_bytes_ += size;
    slot.data_bytes += size;
    return true;
  };

  display.data.clear();
  MimeBundle bundle = read_mime_bundle(*member(content, "data"));
  std::vector<std::pair<std::size_t, std::string>> by_size;
  for (const auto& [type, data] : bundle) by_size.emplace_back(type.size() + data.size(), type);
  std::sort(by_size.begin(), by_size.end());
  std::string notes;
  for (auto& [size, type] : by_size) {
    if (fits(size)) {
      display.data.insert(bundle.extract(type));
    } else {
      notes += "\n[" + type.substr(0, 100) + " of " + bytes(size) +
               " was cut: the displays of one execution are limited to " +
               bytes(limits_.data_bytes_max) + "]";
    }
  }
  if (!notes.empty()) {
    std::string& plain = display.data["text/plain"];
    plain += plain.empty() ? notes.substr(1) : notes;
  }

  const nlohmann::json* metadata = member(content, "metadata");
  display.metadata = "{}";
  if (metadata != nullptr && metadata->is_object() && !metadata->empty()) {
    std::string text = dump_json(*metadata);
    if (fits(text.size())) display.metadata = std::move(text);
  }
}

bool OutputCollector::add_error(const nlohmann::json& content) {
  begin_output();
  if (errors_ >= kErrorsMax) {
    ++cuts_.outputs;
    return true;
  }
  ++errors_;
  ++next_position_;
  newest_is_last_ = true;
  auto& error = slots_.emplace_back().output.emplace<ErrorOutput>();
  error.name = text_member(content, "ename").value_or("");
  error.message = text_member(content, "evalue").value_or("");
  std::size_t room = limits_.error_bytes_max;
  for (std::string* text : {&error.name, &error.message}) {
    const std::size_t kept = head_length(*text, room / 2);
    if (kept < text->size()) {
      cuts_.error_bytes += text->size() - kept;
      const std::string note = "[... " + bytes(text->size() - kept) + " were cut]";
      text->resize(kept);
      *text += note;
    }
    room -= kept;
  }

  // A traceback's last frames say most, so lines are kept from its end.
  const nlohmann::json* traceback = member(content, "traceback");
  std::uint64_t cut = 0;
  if (traceback != nullptr && traceback->is_array()) {
    for (auto line = traceback->rbegin(); line != traceback->rend(); ++line) {
      if (!line->is_string()) continue;
      const auto& text = line->get_ref<const std::string&>();
      if (cut > 0 || text.size() > room) {
        cut += text.size();
      } else {
        room -= text.size();
        error.traceback.push_back(text);
      }
    }
  }
  if (cut > 0) {
    cuts_.error_bytes += cut;
    error.traceback.push_back("[... " + bytes(cut) + " of traceback were cut]");
  }
  std::reverse(error.traceback.begin(), error.traceback.end());
  return true;
}

std::vector<Output> OutputCollector::outputs() const {
  std::vector<Output> outputs;
  bool cut_is_told = cuts_.text_bytes == 0;
  for (const Slot& slot : slots_) {
    const auto* stream = std::get_if<StreamOutput>(&slot.output);
    if (stream == nullptr) {
      outputs.push_back(slot.output);
      continue;
    }
    ByteView text = ByteView(stream->text).substr(slot.skipped);
    if (slot.in_tail && !cut_is_told && !text.empty()) {
      const std::size_t skipped = tail_start(text);
      text.remove_prefix(skipped);
      append(outputs, stream->name,
             "\n[... " + bytes(cuts_.text_bytes + skipped) + " of output were cut here ...]\n");
      cut_is_told = true;
    }
    append(outputs, stream->name, text);
  }
  if (!cut_is_told) {
    append(outputs, "stderr", "[... " + bytes(cuts_.text_bytes) + " of output were cut ...]\n");
  }
  if (cuts_.outputs > 0) {
    append(outputs, "stderr",
           "[... " + std::to_string(cuts_.outputs) + " more outputs were cut: the limit is " +
               std::to_string(limits_.outputs_max) + " ...]\n");
  }
  return outputs;
}

}  // namespace perijove
