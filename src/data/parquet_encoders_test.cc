#include "data/parquet_encoders.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "data/batch.h"

namespace assay::data {
namespace {

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they reserve terabytes

/// Let this process have only a little more than it has.
void limit_memory() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  if (file == nullptr || std::fscanf(file, "%lu", &pages) != 1) {
    std::exit(1);
  }
  static_cast<void>(std::fclose(file));
  const rlimit limit{pages * 4096 + (4 << 20), RLIM_INFINITY};
  if (::setrlimit(RLIMIT_AS, &limit) != 0) {
    std::exit(2);
  }
}

Batch numbers(int64_t rows) {
  const SchemaPtr schema = make_schema({{"i", Type::kInt64}});
  BatchBuilder builder(schema);
  for (int64_t row = 0; row < rows; ++row) {
    builder.column(0).append(row * 7919);
  }
  return builder.finish();
}

int encode_without_memory() {
  const Batch large = numbers(12'000'000);
  const Batch small = numbers(10);
  ParquetEncoders encoders(4, std::size_t{1} << 30);
  limit_memory();
  encoders.put({small});
  encoders.put({small});  // a thread of its own would begin here: there is no room for its stack
  const bool encoded = encoders.take().ok() && encoders.take().ok();
  encoders.put({large});
  const bool refused = encoders.take().code() == Code::kResourceExhausted;
  return encoded && refused ? 0 : 3;
}

TEST(ParquetEncoders, WantOfMemoryOrThreadsEndsNoProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";  // anew, without stacks of older threads
  EXPECT_EXIT(std::exit(encode_without_memory()), testing::ExitedWithCode(0), "");
}

#endif

TEST(ParquetEncoders, RowGroupsComeInTheirOrderFromAnyThread) {
  ParquetEncoders encoders(3, std::size_t{1} << 30);
  const SchemaPtr schema = make_schema({{"i", Type::kInt64}});
  for (int64_t rows = 1; rows <= 5; ++rows) {
    encoders.put({Batch(schema, {constant_column(Scalar::int64(rows), rows * 100)}, rows * 100)});
  }
  for (int64_t rows = 1; rows <= 5; ++rows) {
    EXPECT_EQ(encoders.take().value().rows, rows * 100);
  }
  EXPECT_TRUE(encoders.empty());
}

}  // namespace
}  // namespace assay::data
