#include "lake/deletion_vector.h"

#include <map>
#include <set>

#include <gmock/gmock.h>

#include "lake/foreign_table.h"

namespace assay::lake {
namespace {

using testing::HasSubstr;
using T = ForeignTable;

std::string little(uint64_t value, int width) {
  std::string out;
  for (int i = 0; i < width; ++i) {
    out += static_cast<char>(value >> (8 * i) & 0xFFU);
  }
  return out;
}

std::string big(uint64_t value) {
  std::string out = little(value, 4);
  std::reverse(out.begin(), out.end());
  return out;
}

uint32_t naive_crc32(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFFU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) {
      crc = crc >> 1 ^ (0xEDB88320U & (0U - (crc & 1U)));
    }
  }
  return ~crc;
}

/// One container in the form asked for; arrays above 4,096 values do not exist.
std::string container(const std::set<uint32_t>& values, bool runs) {
  std::string out;
  if (runs) {
    std::vector<std::pair<uint32_t, uint32_t>> found;
    for (const uint32_t value : values) {
      if (!found.empty() && found.back().first + found.back().second + 1 == value) {
        ++found.back().second;
      } else {
        found.emplace_back(value, 0);
      }
    }
    out = little(found.size(), 2);
    for (const auto& [first, more] : found) {
      out += little(first, 2) + little(more, 2);
    }
  } else if (values.size() <= 4'096) {
    for (const uint32_t value : values) {
      out += little(value, 2);
    }
  } else {
    out.assign(8'192, '\0');
    for (const uint32_t value : values) {
      out[value / 8] = static_cast<char>(out[value / 8] | 1 << (value % 8));
    }
  }
  return out;
}

/// The naive writer: every container of runs, or none.
std::string encoded(const std::set<int64_t>& rows, bool runs) {
  std::map<int64_t, std::map<int64_t, std::set<uint32_t>>> bitmaps;
  for (const int64_t row : rows) {
    bitmaps[row >> 32][row >> 16 & 0xFFFF].insert(static_cast<uint32_t>(row & 0xFFFF));
  }
  std::string out = little(1'681'511'377, 4) + little(bitmaps.size(), 8);
  for (const auto& [high, containers] : bitmaps) {
    const std::size_t count = containers.size();
    out += little(static_cast<uint64_t>(high), 4);
    if (runs) {
      out += little(12'347 | (count - 1) << 16, 4) + std::string((count + 7) / 8, '\xff');
    } else {
      out += little(12'346, 4) + little(count, 4);
    }
    std::string offsets;
    std::string bodies;
    for (const auto& [key, values] : containers) {
      out += little(static_cast<uint64_t>(key), 2) + little(values.size() - 1, 2);
      offsets += little(bodies.size(), 4);  // no reader of ours looks at them
      bodies += container(values, runs);
    }
    out += (!runs || count >= 4 ? offsets : "") + bodies;
  }
  return out;
}

std::string z85(std::string bytes) {
  constexpr std::string_view kDigits =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
  bytes.resize((bytes.size() + 3) / 4 * 4);
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 4) {
    uint64_t value = 0;
    for (std::size_t j = i; j < i + 4; ++j) {
      value = value << 8 | static_cast<unsigned char>(bytes[j]);
    }
    std::string five;
    for (int digit = 0; digit < 5; ++digit) {
      five.insert(five.begin(), kDigits[value % 85]);
      value /= 85;
    }
    out += five;
  }
  return out;
}

TEST(DeletionVector, AllKindsOfContainersAreDecoded) {
  std::set<int64_t> rows = {0, 1, 2, 65'535, 65'536, 200'000, (int64_t{1} << 32) + 7};
  for (int64_t row = 300'000; row < 330'000; ++row) {
    rows.insert(row % 3 == 0 ? row : row + 100'000);
  }
  for (int64_t row = 0; row < 65'536; ++row) {
    rows.insert((int64_t{9} << 16) + row);  // a full container
  }
  for (const bool runs : {false, true}) {
    const auto decoded =
        decode_deletion_vector(encoded(rows, runs), static_cast<int64_t>(rows.size()));
    ASSERT_TRUE(decoded.ok()) << decoded.status().to_string();
    EXPECT_TRUE(std::equal(decoded->begin(), decoded->end(), rows.begin(), rows.end()));
  }
  EXPECT_TRUE(decode_deletion_vector(encoded({}, false), 0).value().empty());
}

TEST(DeletionVector, DamagedBytesAreCorruptNeverOtherRows) {
  const std::string good = encoded({1, 5, 70'000}, false);
  EXPECT_EQ(decode_deletion_vector(good, 2).code(), Code::kCorrupt);
  EXPECT_EQ(decode_deletion_vector(good, 4).code(), Code::kCorrupt);
  EXPECT_EQ(decode_deletion_vector(good, -1).code(), Code::kCorrupt);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(decode_deletion_vector(good.substr(0, size), 3).code(), Code::kCorrupt) << size;
  }
  std::string preview = good;
  preview[0] = static_cast<char>(preview[0] - 1);
  EXPECT_EQ(decode_deletion_vector(preview, 3).code(), Code::kUnimplemented);
}

TEST(DeletionVector, Z85IsThatOfItsSpecification) {
  EXPECT_EQ(decode_z85("HelloWorld").value(), "\x86\x4F\xD2\x6F\xB5\x59\xF7\x5B");
  EXPECT_EQ(decode_z85("Hell").code(), Code::kCorrupt);
  EXPECT_EQ(decode_z85("Hell\"").code(), Code::kCorrupt);
  EXPECT_EQ(decode_z85("#####").code(), Code::kCorrupt);
}

/// Members of an add: a vector of storage type `type`.
std::string vector_json(const std::string& type,
                        const std::string& name,
                        const std::string& data,
                        std::size_t rows) {
  std::string quoted;
  append_json_string(quoted, name);
  return R"(,"deletionVector":{"storageType":")" + type + R"(","pathOrInlineDv":)" + quoted +
         (type == "i" ? "" : R"(,"offset":1)") + R"(,"sizeInBytes":)" +
         std::to_string(data.size()) + R"(,"cardinality":)" + std::to_string(rows) + "}";
}

std::string vector_file(const std::string& data) {
  return "\x01" + big(data.size()) + data + big(naive_crc32(data));
}

const char* const kUuidName = "deletion_vector_00010203-0405-0607-0809-0a0b0c0d0e0f.bin";
const std::string kUuid("\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf", 16);

TEST(DeletionVector, DeletedRowsAreNotReadWhereverTheVectorLies) {
  const std::set<int64_t> rows = {0, 2};
  const std::string data = encoded(rows, false);
  const std::string protocol =
      T::protocol(3, "\"deletionVectors\"") +
      T::metadata({T::field("a", "long"), T::field("file_row_number", "long")});
  const std::string three = "SELECT a, 0::BIGINT AS file_row_number FROM range(10, 13) AS r(a)";
  T table;
  const std::string absolute = "file://" + table.local(kUuidName);
  table.parquet("1", three)
      .parquet("2", three)
      .parquet("3", three)
      .parquet("4", three)
      .parquet("5", three)
      .put(std::string("ab/") + kUuidName, vector_file(data))
      .put(kUuidName, vector_file(data))
      .commit(protocol + T::add("1", "", vector_json("u", "ab" + z85(kUuid), data, 2)) +
              T::add("2", "", vector_json("u", z85(kUuid), data, 2)) +
              T::add("3", "", vector_json("i", z85(data), data, 2)) +
              T::add("4", "", vector_json("p", absolute, data, 2)) +
              T::add("5", "", R"(,"stats":"{\"numRecords\":3}")"));
  EXPECT_EQ(table.rows("a <> 11"),
            "{'a': 10, 'file_row_number': 0}\n{'a': 12, 'file_row_number': 0}");
  EXPECT_EQ(table.lake().count(*table.open().value(), "a = 11"), 5);
}

TEST(DeletionVector, ManyFilesInManyPartitionsKeepTheirOwn) {
  const std::string data = encoded({1}, true);
  T table;
  std::string actions = T::protocol(3, "\"deletionVectors\"") +
                        T::metadata({T::field("a", "long"), T::field("p", "integer")}, R"("p")");
  for (int i = 0; i < 20; ++i) {
    const std::string name = "f" + std::to_string(i);
    table.parquet(name, "SELECT a FROM range(3) AS r(a)");
    actions += T::add(name,
                      R"("p":")" + std::to_string(i) + "\"",
                      i % 2 == 0 ? vector_json("i", z85(data), data, 1) : "");
  }
  table.commit(actions);
  EXPECT_EQ(
      table.lake().number(
          "SELECT count(*) FROM " +
          table.open().value()->relation(*table.open().value()->snapshot().value(), "").value() +
          " WHERE a <> 1 OR p % 2 = 1"),
      50);
  EXPECT_EQ(table.lake().count(*table.open().value()), 50);
}

TEST(DeletionVector, AChangedVectorIsAnotherFileOfTheLog) {
  const std::string one = encoded({1}, false);
  const std::string two = encoded({0, 1}, false);
  const std::string removed = R"({"remove":{"path":"f","dataChange":true)";
  T table;
  table.parquet("f", "SELECT a FROM range(3) AS r(a)")
      .commit(T::protocol(3, "\"deletionVectors\"") + T::metadata({T::field("a", "long")}) +
              T::add("f", "", R"(,"stats":"{\"numRecords\":3}")"))
      .commit(removed + "}}\n" + T::add("f", "", vector_json("i", z85(one), one, 1)))
      .commit(
          T::add("f", "", vector_json("i", z85(two), two, 2) + R"(,"stats":"{\"numRecords\":3}")") +
          removed + vector_json("i", z85(one), one, 1) + "}}\n");
  EXPECT_EQ(table.rows("", 0), "{'a': 0}\n{'a': 1}\n{'a': 2}");
  EXPECT_EQ(table.rows("", 1), "{'a': 0}\n{'a': 2}");
  EXPECT_EQ(table.rows(), "{'a': 2}");
  EXPECT_EQ(table.open().value()->snapshot().value()->rows(), 1);
}

TEST(DeletionVector, DamagedAndMissingVectorFilesAreNamed) {
  const std::string data = encoded({1}, false);
  T table;
  table.parquet("f", "SELECT a FROM range(3) AS r(a)")
      .commit(T::protocol(3, "\"deletionVectors\"") + T::metadata({T::field("a", "long")}) +
              T::add("f", "", vector_json("u", z85(kUuid), data, 1)));
  EXPECT_THAT(table.rows(), testing::AllOf(HasSubstr("not_found"), HasSubstr(kUuidName)));
  std::string bytes = vector_file(data);
  for (const std::size_t at : {std::size_t{1}, std::size_t{6}, bytes.size() - 1}) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    table.put(kUuidName, damaged);
    EXPECT_THAT(table.rows(), testing::AllOf(HasSubstr("corrupt"), HasSubstr(kUuidName))) << at;
  }
  table.put(kUuidName, bytes.substr(0, bytes.size() - 1));
  EXPECT_THAT(table.rows(), HasSubstr("corrupt"));
  T outside;
  outside.parquet("f", "SELECT 1 AS a")
      .commit(T::protocol(3, "\"deletionVectors\"") + T::metadata({T::field("a", "long")}) +
              T::add("f", "", vector_json("p", "file:/elsewhere/x.bin", data, 1)));
  EXPECT_THAT(outside.rows(), HasSubstr("file:/elsewhere/x.bin"));
}

}  // namespace
}  // namespace assay::lake
