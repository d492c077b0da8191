#include "executor/admission.hpp"

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "code/guard.hpp"
#include "code/python_scripts.hpp"

namespace perijove {
namespace {

using nlohmann::json;

bool is_tree_profile(std::string_view profile) {
  return profile == "strict" || profile == "standard";
}

bool is_python_file(std::string_view path) { return path.ends_with(".py"); }

}  // namespace

bool AdmissionRequest::needed() const {
  return validation.mode != Validation::Mode::off || approval.required || sanitize;
}

Admission::Admission(Shard& shard, PythonHelper& python, AdmissionRequest request, Hooks hooks)
    : shard_(shard),
      python_(python),
      request_(std::move(request)),
      hooks_(std::move(hooks)),
      timer_(shard.loop()) {
  for (std::size_t i = 0; i < request_.blocks.size(); ++i) {
    const CodeBlock& block = request_.blocks[i];
    if (!block.code.empty()) pieces_.push_back({i, block.language, block.code});
    // The entry point, and what it may import.
    for (const auto& [path, contents] : block.files) {
      if (path == block.entry_point) {
        pieces_.push_back({i, block.language, contents});
      } else if (is_python_file(path)) {
        pieces_.push_back({i, "python", contents});
      }
    }
  }
}

void Admission::begin() {
  boost::asio::post(shard_.loop(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->check_next();
  });
}

void Admission::check_next() {
  while (next_piece_ < pieces_.size() && !verdict_.refusal) {
    const Piece& piece = pieces_[next_piece_++];
    if (request_.sanitize) {
      if (const auto sound = refuse_dangerous_command(piece.code, piece.language); !sound) {
        refuse({piece.block, "validation_failed", sound.error().message});
        break;
      }
    }
    if (request_.validation.mode == Validation::Mode::off) continue;
    const std::string& profile = request_.validation.profile;
    if (is_tree_profile(profile)) {
      if (piece.language != "python") continue;
      check_tree(piece);
      return;
    }
    const auto policy = find_guard_policy(profile);
    if (!policy) {
      refuse({piece.block, "validation_failed", policy.error().message});
      break;
    }
    for (const GuardIssue& issue : check_patterns(**policy, piece.code, piece.language).issues) {
      found(piece, true, issue.message, static_cast<int>(issue.line));
    }
  }
  if (verdict_.refusal || !request_.approval.required) {
    end();
  } else {
    ask();
  }
}

void Admission::check_tree(const Piece& piece) {
  running_ = python_.run(
      kCheckCodeScript,
      {{"code", piece.code}, {"policy", {{"profile", request_.validation.profile}}}}, kCheckTimeMax,
      [this, piece](const Result<json>& answer) { take_tree(piece, answer); });
}

void Admission::take_tree(const Piece& piece, const Result<json>& answer) {
  const auto self = shared_from_this();
  running_.reset();
  if (!answer) {
    found(piece, true, "the code could not be checked: " + answer.error().message, std::nullopt);
    check_next();
    return;
  }
  for (const json& each : answer->value("errors", json::array())) {
    found(piece, true, each.get<std::string>(), std::nullopt);
  }
  for (const json& each : answer->value("issues", json::array())) {
    const int line = each.value("line", 0);
    found(piece, each.value("severity", std::string()) == "deny",
          "Line " + std::to_string(line) + ": " + each.value("message", std::string()), line);
  }
  if (!answer->value("safe", false) && !verdict_.refusal &&
      request_.validation.mode == Validation::Mode::deny) {
    found(piece, true, "the checker does not call this code safe", std::nullopt);
  }
  check_next();
}

void Admission::found(const Piece& piece, bool denied, const std::string& message,
                      std::optional<int> line) {
  if (!denied || request_.validation.mode == Validation::Mode::warn) {
    verdict_.warnings.push_back("block " + std::to_string(piece.block) + ": " + message);
    return;
  }
  if (verdict_.refusal) {  // of the same piece: all of them are told
    verdict_.refusal->message += "\n" + message;
    return;
  }
  refuse({.block = piece.block,
          .type = "validation_failed",
          .message = message,
          .line = line,
          .hint = "the profile '" + request_.validation.profile + "' does not allow it"});
}

void Admission::ask() {
  asked_ = true;
  timer_.expires_after(request_.approval.wait);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self) return;
    self->answer(false,
                 "nobody approved it within " + format_duration(self->request_.approval.wait));
  });
  hooks_.on_ask();
}

bool Admission::answer(bool approved, std::string_view reason) {
  if (!std::exchange(asked_, false)) return false;
  timer_.cancel();
  if (!approved) {
    refuse({.type = "not_approved",
            .message = "Code execution was not approved. Reason: " + std::string(reason)});
  }
  end();
  return true;
}

void Admission::refuse(AdmissionVerdict::Refusal refusal) { verdict_.refusal = std::move(refusal); }

void Admission::end() {
  boost::asio::post(shard_.loop(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || !self->hooks_.done) return;
    std::exchange(self->hooks_.done, nullptr)(std::move(self->verdict_));
  });
}

}  // namespace perijove
