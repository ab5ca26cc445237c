#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace assay {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "assay: bug: check failed at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace assay
