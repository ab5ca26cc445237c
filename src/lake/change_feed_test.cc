#include "lake/change_feed.h"

#include <gmock/gmock.h>

#include "lake/foreign_table.h"

namespace assay::lake {
namespace {

using testing::HasSubstr;
using T = ForeignTable;

std::string changed_rows(T& table, Version after, Version last) {
  const auto opened = table.open();
  if (!opened.ok()) {
    return opened.status().to_string();
  }
  const auto changes = (*opened)->changes_between(after, last);
  if (!changes.ok()) {
    return changes.status().to_string();
  }
  return table.rows_of((*opened)->relation_of_changes(*(*opened)->snapshot().value(), *changes));
}

std::string removal(const std::string& path, const std::string& more = "") {
  return R"({"remove":{"path":")" + path + R"(","dataChange":true)" + more + "}}\n";
}

TEST(ChangeFeed, AddedAndRemovedRowsOfARangeAreToldWithTheirVersion) {
  T table;
  table
      .commit(T::protocol(1) +
              T::metadata({T::field("a", "long"), T::field("p", "string")}, R"("p")"))
      .parquet("1", "SELECT 1::BIGINT AS a")
      .parquet("2", "SELECT 2::BIGINT AS a")
      .parquet("12", "SELECT 1::BIGINT AS a UNION ALL SELECT 2")
      .commit(T::add("1", R"("p":"x")"))
      .commit(T::add("2", R"("p":"x")"))
      .commit(R"({"remove":{"path":"1","dataChange":false}})"
              "\n"
              R"({"remove":{"path":"2","dataChange":false}})"
              "\n"
              R"({"add":{"path":"12","partitionValues":{"p":"x"},"size":1,"dataChange":false}})")
      .commit(removal("12") + T::add("1", R"("p":"y")"));
  EXPECT_EQ(changed_rows(table, 0, 4),
            "{'a': 1, 'p': x, '_change_type': delete, '_commit_version': 4}\n"
            "{'a': 1, 'p': x, '_change_type': insert, '_commit_version': 1}\n"
            "{'a': 1, 'p': y, '_change_type': insert, '_commit_version': 4}\n"
            "{'a': 2, 'p': x, '_change_type': delete, '_commit_version': 4}\n"
            "{'a': 2, 'p': x, '_change_type': insert, '_commit_version': 2}");
  EXPECT_EQ(changed_rows(table, 2, 3), "");  // compacted
  EXPECT_EQ(changed_rows(table, 4, 4), "");
  EXPECT_EQ(changed_rows(table, -1, 1),
            "{'a': 1, 'p': x, '_change_type': insert, '_commit_version': 1}");
  EXPECT_THAT(changed_rows(table, 0, 5), HasSubstr("not_found"));
}

TEST(ChangeFeed, DeletionVectorsAreComparedRowByRow) {
  // Rows 0 and 1, in a file of its own.
  T table;
  const std::string two =
      R"(,"deletionVector":{"storageType":"u","pathOrInlineDv":"00000000000000000000","offset":1,"sizeInBytes":36,"cardinality":2})";
  table.put("deletion_vector_00000000-0000-0000-0000-000000000000.bin",
            std::string("\001\000\000\000\044\321\323\071\144\001\000\000\000\000\000\000"
                        "\000\000\000\000\000\072\060\000\000\001\000\000\000\000\000\001"
                        "\000\020\000\000\000\000\000\001\000\342\276\222\116",
                        45));
  table.parquet("f", "SELECT a FROM range(3) AS r(a)")
      .commit(T::protocol(3, "\"deletionVectors\"") + T::metadata({T::field("a", "long")}) +
              T::add("f"))
      .commit(removal("f") + T::add("f", "", two))
      .commit(removal("f", two) + T::add("f"));
  EXPECT_EQ(changed_rows(table, 0, 2),
            "{'a': 0, '_change_type': delete, '_commit_version': 1}\n"
            "{'a': 0, '_change_type': insert, '_commit_version': 2}\n"
            "{'a': 1, '_change_type': delete, '_commit_version': 1}\n"
            "{'a': 1, '_change_type': insert, '_commit_version': 2}");
  // Rows of a file that has deleted ones have no order of their own.
  const auto opened = table.open().value();
  for (const auto& [version, is_ordered] :
       {std::pair<Version, bool>{0, true}, {1, false}, {2, true}}) {
    const auto snapshot = opened->snapshot(version).value();
    EXPECT_EQ(opened->relation_in_order(*snapshot, "").value().has_value(), is_ordered);
    EXPECT_EQ(opened->files_in_order(*snapshot, "").value().has_value(), is_ordered);
  }
}

TEST(ChangeFeed, ARangeThatWasCleanedUpSaysWhatToDo) {
  T table;
  table.commit(T::protocol(1) + T::metadata({T::field("a", "long")}));
  for (int i = 0; i < 3; ++i) {
    table.commit(R"({"commitInfo":{}})");
  }
  ASSERT_TRUE(table.open().value()->checkpoint().code() == Code::kUnimplemented);
  table.parquet("_delta_log/00000000000000000003.checkpoint.parquet",
                "SELECT {'minReaderVersion': 1, 'minWriterVersion': 2} AS protocol, "
                "{'schemaString': '{\"fields\":[{\"name\":\"a\",\"type\":\"long\"}]}'} AS "
                "\"metaData\" UNION ALL SELECT NULL, NULL");
  for (Version version = 0; version < 3; ++version) {
    ASSERT_TRUE(table.lake().store().remove(log_prefix("t") + log_file_name(version)).ok());
  }
  EXPECT_EQ(changed_rows(table, 2, 3), "");
  EXPECT_THAT(changed_rows(table, 1, 3),
              testing::AllOf(HasSubstr("out_of_range: version 2"), HasSubstr("read a whole")));
  EXPECT_EQ(table.open().value()->added_between(1, 3).code(), Code::kOutOfRange);
}

}  // namespace
}  // namespace assay::lake
