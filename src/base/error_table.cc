// The one table that says what a code means to a person, to HTTP, to gRPC and to a shell.

#include <array>

#include "base/status.h"

namespace assay {
namespace {

struct ErrorRow {
  Code code;
  std::string_view name;
  int http;
  int grpc;
  int exit;
  bool retryable;
};

// Exit codes: 0 fine, 1 failed, 2 usage or definition, 3 wrong state, 4 not found, 5 data is
// corrupt, 6 the world said no (disk, permission, lock), 7 try again, 8 outcome unknown, 130
// interrupted.
constexpr std::array kErrorTable{
    ErrorRow{Code::kOk, "ok", 200, 0, 0, false},
    ErrorRow{Code::kCancelled, "cancelled", 499, 1, 130, false},
    ErrorRow{Code::kUnknown, "unknown", 500, 2, 1, false},
    ErrorRow{Code::kInvalidArgument, "invalid_argument", 400, 3, 2, false},
    ErrorRow{Code::kDeadlineExceeded, "deadline_exceeded", 504, 4, 7, true},
    ErrorRow{Code::kNotFound, "not_found", 404, 5, 4, false},
    ErrorRow{Code::kAlreadyExists, "already_exists", 409, 6, 3, false},
    ErrorRow{Code::kPermissionDenied, "permission_denied", 403, 7, 6, false},
    ErrorRow{Code::kResourceExhausted, "resource_exhausted", 429, 8, 6, true},
    ErrorRow{Code::kFailedPrecondition, "failed_precondition", 412, 9, 3, false},
    ErrorRow{Code::kAborted, "aborted", 409, 10, 7, true},
    ErrorRow{Code::kOutOfRange, "out_of_range", 400, 11, 2, false},
    ErrorRow{Code::kUnimplemented, "unimplemented", 501, 12, 1, false},
    ErrorRow{Code::kInternal, "internal", 500, 13, 1, false},
    ErrorRow{Code::kUnavailable, "unavailable", 503, 14, 7, true},
    ErrorRow{Code::kDataLoss, "data_loss", 500, 15, 5, false},
    ErrorRow{Code::kUnauthenticated, "unauthenticated", 401, 16, 6, false},
    ErrorRow{Code::kCorrupt, "corrupt", 500, 15, 5, false},
    ErrorRow{Code::kCommitUnknown, "commit_unknown", 500, 2, 8, false},
};

const ErrorRow& row(Code code) {
  const auto index = static_cast<std::size_t>(code);
  ASSAY_CHECK(index < kErrorTable.size() && kErrorTable[index].code == code);
  return kErrorTable[index];
}

}  // namespace

std::string_view code_name(Code code) {
  return row(code).name;
}
int http_status(Code code) {
  return row(code).http;
}
int grpc_status(Code code) {
  return row(code).grpc;
}
int exit_code(Code code) {
  return row(code).exit;
}
bool retryable(Code code) {
  return row(code).retryable;
}

}  // namespace assay
