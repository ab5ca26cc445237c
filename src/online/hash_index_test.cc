#include "online/hash_index.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "online/log_record.h"
#include "online/store_fixture.h"

namespace assay::online {
namespace {

/// Places that slots of one hash lead to.
std::vector<uint64_t> places(const HashIndex& index, uint64_t hash) {
  std::vector<uint64_t> found;
  HashIndex::Probe probe(index, hash);
  for (;;) {
    const Result<std::optional<HashIndex::Slot>> slot = probe.next();
    EXPECT_TRUE(slot.ok()) << slot.status().to_string();
    if (!slot.ok() || !slot->has_value()) {
      return found;
    }
    found.push_back((*slot)->place);
  }
}

TEST(HashIndex, LeadsWhereANaiveMapLeads) {
  const TempFolder folder;
  const auto index = HashIndex::create(join_path(folder.path(), "index"), 10).value();
  std::mt19937_64 random(20261128);
  std::map<uint64_t, uint64_t> naive;
  uint64_t claimed = 0;
  for (uint64_t step = 1; step < 1500; ++step) {
    // Hashes of few homes, some of the last slots: long runs, over the end of the table.
    const uint64_t hash = (random() % 8 + 1016) << 38 | (random() % 60 + 1);
    const uint64_t previous = naive.count(hash) != 0 ? naive[hash] : 0;
    claimed += *index->set(hash, previous, step) ? 1 : 0;
    ASSERT_FALSE(*index->set(hash, previous, step)) << "a second time changes nothing";
    naive[hash] = step;
  }
  EXPECT_EQ(claimed, naive.size());
  const auto read_only = HashIndex::open(join_path(folder.path(), "index"), false).value();
  const auto larger = HashIndex::create(join_path(folder.path(), "larger"), 11).value();
  EXPECT_EQ(larger->copy_from(*index).value(), naive.size());
  for (const auto& [hash, place] : naive) {
    EXPECT_EQ(places(*read_only, hash), std::vector<uint64_t>{place});
    EXPECT_EQ(places(*larger, hash), std::vector<uint64_t>{place});
    EXPECT_EQ(read_only->first_place(hash), place);
    EXPECT_EQ(larger->first_place(hash), place);
    EXPECT_EQ(index->first_place(hash + 100), 0U);
  }
  EXPECT_TRUE(places(*index, 7).empty());
}

TEST(HashIndex, TwoKeysOfOneHashHaveASlotEach) {
  const TempFolder folder;
  const auto index = HashIndex::create(join_path(folder.path(), "index"), 4).value();
  EXPECT_TRUE(*index->set(5, 0, 10));
  EXPECT_TRUE(*index->set(5, 0, 20));
  EXPECT_FALSE(*index->set(5, 20, 30));
  EXPECT_EQ(places(*index, 5), (std::vector<uint64_t>{10, 30}));
  index->point(0, 5, 0);
  EXPECT_FALSE(*index->set(5, 30, 40)) << "the slot of the key, not the vacant one before it";
  EXPECT_EQ(places(*index, 5), (std::vector<uint64_t>{0, 40}));
  EXPECT_FALSE(*index->set(5, 0, 50));
  EXPECT_EQ(places(*index, 5), (std::vector<uint64_t>{50, 40}));
}

TEST(HashIndex, AnyFlippedByteOfASlotThatIsLookedAtIsNamed) {
  const TempFolder folder;
  const auto index = HashIndex::create(join_path(folder.path(), "index"), 4).value();
  ASSERT_TRUE(*index->set(uint64_t{3} << 44, 0, 10));
  for (std::size_t byte = 0; byte < 2 * kSlotBytes; ++byte) {  // a used slot, and the empty one
    char& changed = index->file().data()[kIndexHeaderBytes + 3 * kSlotBytes + byte];
    changed = static_cast<char>(changed ^ 0x10);
    HashIndex::Probe probe(*index, uint64_t{3} << 44);
    Status status = probe.next().status();
    const std::size_t slot = 3 + byte / kSlotBytes;
    if (slot == 4) {
      status = index->entry(4).status();
    }
    EXPECT_EQ(status.code(), Code::kCorrupt) << byte;
    if (slot == 3) {
      EXPECT_EQ(index->first_place(uint64_t{3} << 44), 0U) << "the walk says what is wrong";
    }
    EXPECT_NE(status.message().find("index, offset " + std::to_string(64 + 16 * slot)),
              std::string::npos)
        << status.message();
    changed = static_cast<char>(changed ^ 0x10);
  }
}

TEST(HashIndex, AFileThatWasCutOrHasAnotherHeaderIsRefused) {
  const TempFolder folder;
  TestWorld world;
  const std::string path = join_path(folder.path(), "index");
  ASSERT_TRUE(HashIndex::create(path, 4).ok());
  const std::string whole = *world.files->read(path);
  for (const std::size_t size : {0U, 10U, 63U, 64U, 319U}) {
    ASSERT_TRUE(world.files->write(path, whole.substr(0, size)).ok());
    EXPECT_EQ(HashIndex::open(path, false).code(), Code::kCorrupt) << size;
  }
  for (std::size_t at = 0; at < kIndexHeaderBytes; ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    ASSERT_TRUE(world.files->write(path, flipped).ok());
    EXPECT_EQ(HashIndex::open(path, false).code(), Code::kCorrupt) << at;
  }
}

TEST(LogRecord, ComesBackAndEveryFlippedByteIsFoundOut) {
  LogBytes appended;
  const LogRecord record{RecordKind::kPage, false, 7, 99, "key", "some value"};
  append_record(1234, record, &appended);
  const std::string bytes(std::string_view{appended});
  EXPECT_EQ(bytes.size(), record_bytes(record));
  const LogRecord found = decode_record(1234, bytes + "more").value();
  EXPECT_EQ(found.kind, record.kind);
  EXPECT_EQ(found.epoch, 7U);
  EXPECT_EQ(found.previous, 99U);
  EXPECT_EQ(found.key, "key");
  EXPECT_EQ(found.value, "some value");
  EXPECT_EQ(decode_record(1235, bytes).code(), Code::kCorrupt) << "of another place";
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ 1 << bit);
      EXPECT_EQ(decode_record(1234, flipped).code(), Code::kCorrupt) << at;
    }
    EXPECT_EQ(decode_record(1234, bytes.substr(0, at)).code(), Code::kCorrupt);
  }
}

}  // namespace
}  // namespace assay::online
