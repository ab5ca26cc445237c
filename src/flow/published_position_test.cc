#include "flow/published_position.h"

#include <gtest/gtest.h>

namespace assay::flow {
namespace {

const PublishedState kOne{{{"gold/spend", 3}}, {17}, 0};
const PublishedState kTwo{{{"gold/spend", 4}, {"gold/others_v2", 9}}, {18}, 5, 1234567890123};

TEST(PublishedPosition, ReadsAsItWasWritten) {
  for (const PublishedPosition& position : {PublishedPosition{},
                                            PublishedPosition{kOne, {}, 0},
                                            PublishedPosition{{}, kTwo, 7},
                                            PublishedPosition{kOne, kTwo, 0},
                                            PublishedPosition{kOne, kTwo, 2, {kTwo, kOne}}}) {
    const auto read = parse_position(position_text(position));
    ASSERT_TRUE(read.ok()) << read.status().to_string();
    EXPECT_EQ(*read, position);
  }
}

TEST(PublishedPosition, TextOfOthersIsRefused) {
  for (const char* text : {"",
                           "[]",
                           "{",
                           R"({"whole":{"as_of":1}})",
                           R"({"whole":{"as_of":1,"tables":{"a":"b"}}})",
                           R"({"next":{"as_of":1,"tables":{}}})",
                           R"({"left":{"as_of":1,"tables":{}}})",
                           R"({"left":[1]})",
                           R"({"whole":{"as_of":1,"tables":{},"files":"x"}})",
                           R"({"whole":{"as_of":1,"tables":{},"model_version":1.5}})"}) {
    EXPECT_EQ(parse_position(text).code(), Code::kCorrupt) << text;
  }
}

}  // namespace
}  // namespace assay::flow
