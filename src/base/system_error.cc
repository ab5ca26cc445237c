#include "base/system_error.h"

#include <array>
#include <cstring>
#include <string>

namespace assay {

Code code_of_errno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return Code::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return Code::kResourceExhausted;
    case EEXIST:
      return Code::kAlreadyExists;
    case EISDIR:
    case ENAMETOOLONG:
      return Code::kInvalidArgument;
    default:
      return Code::kUnavailable;
  }
}

Status system_failure(std::string_view what, std::string_view path, int error) {
  std::array<char, 128> text{};
  const char* const reason = strerror_r(error, text.data(), text.size());
  return {code_of_errno(error), std::string(what) + " " + std::string(path) + ": " + reason};
}

}  // namespace assay
