#include <csignal>
#include <functional>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/temp_folder.h"
#include "online/fake_view.h"
#include "online/lmdb_env.h"
#include "online/online_store.h"
#include "online/row_codec.h"
#include "online/store_fixture.h"
#include "online/user_rows.h"

namespace assay::online {
namespace {

std::unique_ptr<OnlineStore> open_store(TestWorld& world,
                                        const TempFolder& folder,
                                        const LmdbOptions& options = {}) {
  Result<std::unique_ptr<OnlineStore>> store = open_lmdb_store(world.world, folder.path(), options);
  EXPECT_TRUE(store.ok()) << store.status().to_string();
  return store.ok() ? std::move(store).value() : nullptr;
}

/// Change the raw value of one user's row.
void edit_row(const TempFolder& folder,
              const std::string& view,
              const std::string& user,
              const std::function<void(std::string&)>& edit) {
  const auto env = LmdbEnv::open(folder.path(), LmdbOptions());
  ASSERT_TRUE(env.ok());
  std::string key = row_key_prefix(view);
  append_row_key(&key, fake_key(user).bytes(), 0);
  ASSERT_TRUE((*env)
                  ->update([&](LmdbEnv::Writer& writer) -> Status {
                    std::string value(**writer.get(LmdbTable::kRows, key));
                    edit(value);
                    return writer.put(LmdbTable::kRows, key, value);
                  })
                  .ok());
}

TEST(LmdbStore, RowsAndPositionOutliveTheProcessThatWroteThem) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  ASSERT_EQ(in_child([&] {
              TestWorld world;
              return open_store(world, folder)
                             ->apply(view, users(view, 0, 9, 2.5), {}, 7, EventTime{1})
                             .ok()
                         ? 0
                         : 1;
            }),
            0);
  TestWorld world;
  const auto store = open_store(world, folder);
  EXPECT_EQ((*store->applied_to(view))->position, 7);
  const std::vector<data::EntityKey> keys = {fake_key("u8")};
  EXPECT_EQ((*store->read(view, keys, EventTime{1}))[0].values[0], data::Scalar::float64(2.5));
}

TEST(LmdbStore, AFlippedByteIsCorruptNamesViewAndKeyHashAndIsNeverServed) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  ASSERT_TRUE(
      open_store(world, folder)->apply(view, users(view, 0, 3, 1.0), {}, 0, EventTime{1}).ok());
  edit_row(folder, "clicks", "u1", [](std::string& value) { value.back() ^= 1; });
  const auto store = open_store(world, folder);
  const std::vector<data::EntityKey> broken = {fake_key("u1")};
  const Status status = store->read(view, broken, EventTime{1}).status();
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_NE(status.message().find("view clicks, key hash "), std::string::npos) << status.message();
  EXPECT_EQ(world.metrics.counter("assay_online_corrupt_rows_total", "").value(), 1);
  const std::vector<data::EntityKey> whole = {fake_key("u0"), fake_key("u2")};
  EXPECT_TRUE(store->read(view, whole, EventTime{1}).ok());
  EXPECT_EQ(store->content_hash(view).code(), Code::kCorrupt);
  EXPECT_EQ(store->apply(view, users(view, 1, 2, 5.0), 0, 1, EventTime{1}).code(), Code::kCorrupt)
      << "new rows must not be folded into a broken one";
  EXPECT_EQ((*store->applied_to(view))->position, 0);
}

TEST(LmdbStore, ARowThatTheViewCannotReadIsCorruptWithTheSameWords) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  ASSERT_TRUE(
      open_store(world, folder)->apply(view, users(view, 0, 1, 1.0), {}, 0, EventTime{1}).ok());
  edit_row(folder, "clicks", "u0", [](std::string& value) {
    std::string key = row_key_prefix("clicks");
    append_row_key(&key, fake_key("u0").bytes(), 0);
    value = encode_row(key, "", "no entry");
  });
  const auto store = open_store(world, folder);
  const std::vector<data::EntityKey> keys = {fake_key("u0")};
  const Status status = store->read(view, keys, EventTime{1}).status();
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_NE(status.message().find("view clicks, key hash "), std::string::npos);
}

TEST(LmdbStore, ARowOfAnotherEntityUnderAHashedKeyIsNotServedAndTheNextSlotIsTaken) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  const std::string wanted(900, 'a');
  TestWorld world;
  ASSERT_TRUE(open_store(world, folder)
                  ->apply(view, fake_batch(view, {{wanted, 1, 1, {1.0}}}), {}, 0, EventTime{1})
                  .ok());
  edit_row(folder, "clicks", wanted, [&](std::string& value) {  // as if another entity hashed alike
    std::string key = row_key_prefix("clicks");
    append_row_key(&key, fake_key(wanted).bytes(), 0);
    const Result<StoredRow> stored = decode_row(key, value);
    value = encode_row(key, fake_key(std::string(900, 'b')).bytes(), std::string(stored->row));
  });
  const auto store = open_store(world, folder);
  const std::vector<data::EntityKey> keys = {fake_key(wanted)};
  EXPECT_EQ((*store->read(view, keys, EventTime{1}))[0].statuses[0],
            data::FeatureStatus::kNotFound);
  ASSERT_TRUE(
      store->apply(view, fake_batch(view, {{wanted, 1, 1, {4.0}}}), 0, 1, EventTime{1}).ok());
  EXPECT_EQ((*store->read(view, keys, EventTime{1}))[0].values[0], data::Scalar::float64(4.0));
}

TEST(LmdbStore, ReadOnlyNeverMakesAStoreAndRefusesToWrite) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  EXPECT_EQ(open_lmdb_store(world.world, folder.path(), true).code(), Code::kNotFound);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  ASSERT_TRUE(
      open_store(world, folder)->apply(view, users(view, 0, 3, 1.0), {}, 0, EventTime{1}).ok());
  LmdbOptions read_only;
  read_only.read_only = true;
  const auto store = open_store(world, folder, read_only);
  const std::vector<data::EntityKey> keys = {fake_key("u1")};
  EXPECT_TRUE(store->read(view, keys, EventTime{1}).ok());
  EXPECT_EQ(store->apply(view, users(view, 0, 1, 1.0), 0, 1, EventTime{1}).code(),
            Code::kFailedPrecondition);
  EXPECT_EQ(store->drop("clicks").code(), Code::kFailedPrecondition);
}

TEST(LmdbStore, AFolderThatHoldsSomethingElseIsCorrupt) {
  const TempFolder folder;
  TestWorld world;
  ASSERT_TRUE(
      world.files->write(join_path(folder.path(), "data.mdb"), std::string(8192, 'x')).ok());
  EXPECT_EQ(open_lmdb_store(world.world, folder.path(), false).code(), Code::kCorrupt);
}

TEST(LmdbStore, TheMapGrowsUnderAWriterAndItsReaders) {
  const TempFolder folder;
  const FakeView view = text_view("clicks", 8);
  TestWorld world;
  LmdbOptions options;
  options.map_bytes = 1 << 16;
  const auto store = open_store(world, folder, options);
  ASSERT_TRUE(store->apply(view, users(view, 0, 1, 1.0), {}, 0, EventTime{1}).ok());
  const std::vector<data::EntityKey> keys = {fake_key("u0")};
  ASSERT_TRUE(store->read(view, keys, EventTime{1}).ok());  // leaves a reader in the pool
  ASSERT_TRUE(store->apply(view, users(view, 0, 20'000, 2.0), 0, 1, EventTime{1}).ok());
  EXPECT_EQ((*store->read(view, keys, EventTime{1}))[0].values[7], data::Scalar::float64(2.0));
}

TEST(LmdbStore, AMapAtItsBoundIsResourceExhaustedAndTheStoreStaysAsItWas) {
  const TempFolder folder;
  const FakeView view = text_view("clicks", 8);
  TestWorld world;
  LmdbOptions options;
  options.map_bytes = options.map_bytes_max = 1 << 19;
  const auto store = open_store(world, folder, options);
  ASSERT_TRUE(store->apply(view, users(view, 0, 10, 1.0), {}, 0, EventTime{1}).ok());
  const uint64_t before = *store->content_hash(view);
  EXPECT_EQ(store->apply(view, users(view, 0, 20'000, 2.0), 0, 1, EventTime{1}).code(),
            Code::kResourceExhausted);
  EXPECT_EQ(*store->content_hash(view), before);
  EXPECT_EQ((*store->applied_to(view))->position, 0);
  EXPECT_TRUE(store->apply(view, users(view, 0, 10, 3.0), 0, 1, EventTime{1}).ok());
}

TEST(LmdbStore, AFullDiskIsResourceExhaustedAndTheStoreStaysAsItWas) {
  const TempFolder folder;
  const FakeView view = text_view("clicks", 8);
  TestWorld world;
  ASSERT_TRUE(
      open_store(world, folder)->apply(view, users(view, 0, 10, 1.0), {}, 0, EventTime{1}).ok());
  EXPECT_EQ(
      in_child([&] {
        TestWorld child_world;
        const auto store = open_store(child_world, folder);
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{256 << 10, 256 << 10};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const Status full = store->apply(view, users(view, 0, 20'000, 2.0), 0, 1, EventTime{1});
        const bool as_before = (*store->applied_to(view))->position == 0;
        const bool goes_on = store->apply(view, users(view, 0, 5, 4.0), 0, 1, EventTime{1}).ok();
        return full.code() == Code::kResourceExhausted && as_before && goes_on ? 0 : 1;
      }),
      0);
  EXPECT_EQ((*open_store(world, folder)->applied_to(view))->position, 1);
}

TEST(LmdbStore, AReaderFollowsAStoreThatAnotherProcessWritesAndGrows) {
  const TempFolder folder;
  const FakeView view = text_view("clicks", 8);
  TestWorld world;
  LmdbOptions tiny;
  tiny.map_bytes = 1 << 16;
  const auto store = open_store(world, folder, tiny);
  ASSERT_TRUE(store->apply(view, users(view, 0, 1, 1.0), {}, 0, EventTime{1}).ok());
  const std::vector<data::EntityKey> keys = {fake_key("u0"), fake_key("u4999")};
  ASSERT_TRUE(store->read(view, keys, EventTime{1}).ok());
  ASSERT_EQ(in_child([&] {
              TestWorld child_world;
              return open_store(child_world, folder, tiny)
                             ->apply(view, users(view, 0, 5'000, 2.0), 0, 1, EventTime{1})
                             .ok()
                         ? 0
                         : 1;
            }),
            0);
  const auto answers = store->read(view, keys, EventTime{1});
  ASSERT_TRUE(answers.ok()) << answers.status().to_string();
  EXPECT_EQ((*answers)[1].values[0], data::Scalar::float64(2.0));
  EXPECT_EQ(store->apply(view, users(view, 0, 1, 3.0), 0, 1, EventTime{1}).code(),
            Code::kFailedPrecondition)
      << "the other process has moved the position";
  EXPECT_TRUE(store->apply(view, users(view, 0, 1, 3.0), 1, 2, EventTime{1}).ok());
}

TEST(LmdbStore, WithoutPermissionItSaysSo) {
  const TempFolder folder;
  TestWorld world;
  ASSERT_TRUE(world.files->write(join_path(folder.path(), "file"), "").ok());
  EXPECT_FALSE(open_lmdb_store(world.world, join_path(folder.path(), "file/store"), false).ok());
}

}  // namespace
}  // namespace assay::online
