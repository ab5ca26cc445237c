#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace assay {

/// Outcome classes: gRPC's, plus two of our own. `error_table.cc` maps each to HTTP, gRPC and CLI
/// exit.
enum class Code {
  kOk = 0,
  kCancelled,
  kUnknown,
  kInvalidArgument,  // the caller's input is wrong: a definition, a flag, a request
  kDeadlineExceeded,
  kNotFound,
  kAlreadyExists,
  kPermissionDenied,
  kResourceExhausted,   // disk full, memory bound reached, body too large
  kFailedPrecondition,  // right request, wrong state: not applied yet, another process holds the
                        // lock
  kAborted,             // lost a race; planning again may succeed
  kOutOfRange,
  kUnimplemented,
  kInternal,
  kUnavailable,  // try again later
  kDataLoss,
  kUnauthenticated,
  kCorrupt,        // bytes on disk or wire are not what they claim to be
  kCommitUnknown,  // a commit may or may not have landed: look, never retry blindly
};

/// Name of a code as users see it, e.g. "invalid_argument".
std::string_view code_name(Code code);
/// HTTP status for a code, e.g. 404.
int http_status(Code code);
/// gRPC status number for a code.
int grpc_status(Code code);
/// Exit code of the command line for a code; the table is in docs/reference/exit_codes.md.
int exit_code(Code code);
/// True when the same call may succeed later without any change by the caller.
bool retryable(Code code);

/// Success, or a code with a message. Values come last in the message; context is added on the way
/// up.
///
/// Threads immutable once returned.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  [[nodiscard]] bool ok() const { return code_ == Code::kOk; }
  [[nodiscard]] Code code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }

  /// The same failure with "context: " in front of its message. Success stays success.
  [[nodiscard]] Status with_context(std::string_view context) const {
    if (ok()) {
      return *this;
    }
    return {code_, std::string(context) + ": " + message_};
  }
  /// "code_name: message", or "ok".
  [[nodiscard]] std::string to_string() const {
    return ok() ? "ok" : std::string(code_name(code_)) + ": " + message_;
  }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

/// A value or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value)  // NOLINT(google-explicit-constructor): `return value;`
      : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    ASSAY_CHECK(!status_.ok());
  }

  [[nodiscard]] bool ok() const { return value_.has_value(); }
  [[nodiscard]] Code code() const { return status_.code(); }
  [[nodiscard]] const Status& status() const& { return status_; }
  [[nodiscard]] Status status() && { return std::move(status_); }

  T& value() & {
    ASSAY_CHECK(value_.has_value());
    return *value_;
  }
  const T& value() const& {
    ASSAY_CHECK(value_.has_value());
    return *value_;
  }
  T&& value() && {
    ASSAY_CHECK(value_.has_value());
    return *std::move(value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace assay

#define ASSAY_CONCAT_INNER(a, b) a##b
#define ASSAY_CONCAT(a, b) ASSAY_CONCAT_INNER(a, b)

/// Leave the function with the failure of `expression` (a Status), if it failed.
#define ASSAY_RETURN_IF_ERROR(expression)        \
  do {                                           \
    ::assay::Status assay_status = (expression); \
    if (!assay_status.ok()) {                    \
      return assay_status;                       \
    }                                            \
  } while (false)

/// `ASSAY_ASSIGN_OR_RETURN(auto x, f());`: x is the value of the Result, or the function returns
/// its Status.
#define ASSAY_ASSIGN_OR_RETURN(declaration, expression) \
  ASSAY_ASSIGN_OR_RETURN_INNER(ASSAY_CONCAT(assay_result_, __LINE__), declaration, expression)
#define ASSAY_ASSIGN_OR_RETURN_INNER(name, declaration, expression) \
  auto name = (expression);                                         \
  if (!name.ok()) {                                                 \
    return std::move(name).status();                                \
  }                                                                 \
  declaration = std::move(name).value()
