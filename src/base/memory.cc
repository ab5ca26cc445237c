#include "base/memory.h"

#include <sys/mman.h>
#include <sys/resource.h>

namespace assay {

void prefer_huge_pages(void* data, std::size_t size) {
  constexpr std::size_t kPage = std::size_t{2} << 20;
  const auto begin = (reinterpret_cast<std::uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<std::uintptr_t>(data) + size) / kPage * kPage;
  if (begin < end) {
    // Advice: a system that does not take it goes on with small pages.
    static_cast<void>(::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE));
  }
}

Result<int64_t> peak_memory_bytes() {
  struct rusage usage {};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) {
    return Status(Code::kUnavailable, "the system does not tell how much memory is used");
  }
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace assay
