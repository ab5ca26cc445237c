// Any bytes at all as a journal: damage, or reads, each of which gives its bytes again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "flow/read_journal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  std::string again;
  int64_t index = 0;
  const auto reads = assay::flow::parse_reads(text);
  if (!reads.ok()) {
    return 0;
  }
  for (const assay::flow::JournaledRead& read : *reads) {
    assay::flow::append_read(&again, index++, read);
  }
  if (*assay::flow::parse_reads(again) != *reads) {
    std::abort();
  }
  return 0;
}
