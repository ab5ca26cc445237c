#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "ingest/record_reader.h"

namespace assay::ingest {
namespace {

/// A file that is the input.
class Input : public FileReader {
 public:
  explicit Input(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<std::string> read(std::size_t bytes_max) override {
    std::string part = bytes_.substr(at_, bytes_max);
    at_ += part.size();
    return part;
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

/// Whatever the file is, reading ends, and what was damaged stays so.
void read(const uint8_t* bytes, std::size_t size) {
  const std::string file(reinterpret_cast<const char*>(bytes), size);
  auto reader = open_avro_records(std::make_unique<Input>(file), "input", 0);
  for (bool more = reader.ok(); more;) {
    RecordBatch batch;
    const Result<bool> got = (*reader)->read(100, std::size_t{1} << 20, &batch);
    more = got.ok() && *got;
    if (!got.ok()) {
      RecordBatch again;
      ASSAY_CHECK((*reader)->read(100, std::size_t{1} << 20, &again).code() == got.code());
    }
  }
}

}  // namespace
}  // namespace assay::ingest

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  assay::ingest::read(bytes, size);
  return 0;
}
