#pragma once

#include <cassert>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "perijove/export.hpp"

namespace perijove {

/// What went wrong, named after what the caller does next (as in absl::StatusCode).
enum class Code {
  invalid_argument,     ///< Fix the request; it is wrong whatever the state.
  not_found,            ///< Name something that exists.
  already_exists,       ///< Choose another name, or use what is there.
  permission_denied,    ///< Not with these credentials.
  resource_exhausted,   ///< Free something or raise the named limit.
  failed_precondition,  ///< Change the state first; a retry alone does not help.
  aborted,              ///< Retry at a higher level.
  deadline_exceeded,    ///< Took longer than allowed; it may or may not have happened.
  unavailable,          ///< Retry the same call later.
  unimplemented,        ///< Not offered here.
  data_loss,            ///< Something is gone for good.
  internal,             ///< A fault of ours.
};

/// `not_found` and so on: the enumerator's own spelling.
PERIJOVE_API std::string_view to_string(Code code);

/// The HTTP status a face answers with when it has nothing more exact to say.
PERIJOVE_API int http_status(Code code);

/// The process exit code of the command line (sysexits where one fits, 1 otherwise).
PERIJOVE_API int exit_code(Code code);

/// A failure of ours or of the caller's request: a code for programs, a sentence for people that
/// names cause and remedy. Never holds secrets, so that it may be shown and logged.
struct Error {
  Code code = Code::internal;
  std::string message;
};

inline std::ostream& operator<<(std::ostream& out, const Error& error) {
  return out << error.message;
}

/// A value or an Error. Reading the wrong alternative is a bug of the caller and asserts.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  explicit operator bool() const { return state_.index() == 0; }
  bool has_value() const { return state_.index() == 0; }

  T& value() & {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    assert(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    assert(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit

  explicit operator bool() const { return !error_; }
  bool has_value() const { return !error_; }
  const Error& error() const {
    assert(error_);
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace perijove
