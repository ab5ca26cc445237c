#include "lake/uri_path.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::lake {
namespace {

TEST(UriPath, TheLogEncodesWhatIsOnDiskOnceMore) {
  const std::string on_disk = "p=" + encode_path_part("a b/c%=\xC3\xA9");
  EXPECT_EQ(on_disk, "p=a%20b%2Fc%25%3D%C3%A9");
  EXPECT_EQ(encode_log_path(on_disk + "/part-1.parquet"),
            "p=a%2520b%252Fc%2525%253D%25C3%25A9/part-1.parquet");
}

TEST(UriPath, DecodingUndoesEncodingOfAnyBytes) {
  const auto random = seeded_random(3);
  for (int round = 0; round < 500; ++round) {
    std::string path;
    for (uint64_t i = random->below(40); i > 0; --i) {
      path += static_cast<char>(random->below(256));
    }
    EXPECT_EQ(decode_log_path(encode_log_path(path)).value(), path);
    EXPECT_EQ(decode_log_path(encode_path_part(path)).value(), path);
  }
}

TEST(UriPath, AHalfEncodedByteIsCorrupt) {
  for (const char* path : {"%", "a%2", "%zz/b", "%%41"}) {
    EXPECT_EQ(decode_log_path(path).code(), Code::kCorrupt) << path;
  }
  EXPECT_EQ(decode_log_path("%41%6a").value(), "Aj");
}

}  // namespace
}  // namespace assay::lake
