#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace assay::serve {

/// The highest file handle that the process may have, and back.
class FileLimit {
 public:
  FileLimit() { ::getrlimit(RLIMIT_NOFILE, &before_); }
  ~FileLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;
  void below(int handle) {
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(handle);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  void lift() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace assay::serve
