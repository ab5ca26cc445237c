#include <atomic>
#include <csignal>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/temp_folder.h"
#include "online/fake_view.h"
#include "online/log_files.h"
#include "online/online_store.h"
#include "online/store_fixture.h"
#include "online/user_rows.h"

namespace assay::online {
namespace {

HashLogOptions small_files() {
  HashLogOptions options;
  options.file_bits = 13;
  options.index_bits = 4;
  options.checkpoint_bytes = 1 << 13;
  options.sync = false;
  return options;
}

std::unique_ptr<OnlineStore> open_store(TestWorld& world,
                                        const std::string& folder,
                                        const HashLogOptions& options = {}) {
  Result<std::unique_ptr<OnlineStore>> store = open_hash_log_store(world.world, folder, options);
  EXPECT_TRUE(store.ok()) << store.status().to_string();
  return store.ok() ? std::move(store).value() : nullptr;
}

std::vector<data::EntityKey> user_keys(int count) {
  std::vector<data::EntityKey> keys;
  for (int user = 0; user < count; ++user) {
    keys.push_back(fake_key("u" + std::to_string(user)));
  }
  return keys;
}

uint64_t folder_bytes(const std::string& folder) {
  uint64_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    bytes += file.file_size();
  }
  return bytes;
}

TEST(HashLogStore, RowsAndPositionOutliveTheProcessThatWroteThem) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  ASSERT_EQ(in_child([&] {
              TestWorld world;
              return open_store(world, folder.path())
                             ->apply(view, users(view, 0, 9, 2.5), {}, 7, EventTime{1})
                             .ok()
                         ? 0
                         : 1;
            }),
            0);
  TestWorld world;
  const auto store = open_store(world, folder.path());
  EXPECT_EQ((*store->applied_to(view))->position, 7);
  const std::vector<data::EntityKey> keys = {fake_key("u8")};
  EXPECT_EQ((*store->read(view, keys, EventTime{1}))[0].values[0], data::Scalar::float64(2.5));
}

/// What a store that was damaged may do: say so, with file and offset, or answer as if nothing was.
void expect_named_or_right(const std::string& folder, const std::string& damage) {
  TestWorld world;
  const FakeView view = text_view("clicks");
  const auto named = [&](const Status& status) {
    EXPECT_EQ(status.code(), Code::kCorrupt) << damage << ": " << status.to_string();
    EXPECT_NE(status.message().find(folder), std::string::npos) << damage << status.to_string();
  };
  HashLogOptions options = small_files();
  options.read_only = true;
  const Result<std::unique_ptr<OnlineStore>> store =
      open_hash_log_store(world.world, folder, options);
  if (!store.ok()) {
    named(store.status());
    return;
  }
  const Result<std::optional<AppliedTo>> applied = (*store)->applied_to(view);
  if (!applied.ok()) {
    named(applied.status());
    return;
  }
  ASSERT_TRUE(applied->has_value()) << damage;
  EXPECT_EQ((*applied)->position, 39) << damage;
  const std::vector<data::EntityKey> keys = user_keys(30);
  for (const data::EntityKey& key : keys) {
    const auto answer = (*store)->read(view, {&key, 1}, EventTime{1});
    if (!answer.ok()) {
      named(answer.status());
    } else {
      EXPECT_EQ((*answer)[0].values[0], data::Scalar::float64(39)) << damage;
    }
  }
}

/// Some files of a log that has been cleaned, with a checkpoint.
void make_store(const std::string& folder) {
  TestWorld world;
  const FakeView view = text_view("clicks");
  const auto store = open_store(world, folder, small_files());
  for (int round = 0; round < 40; ++round) {
    ASSERT_TRUE(store
                    ->apply(view,
                            users(view, 0, 30, round),
                            round == 0 ? std::nullopt : std::optional<int64_t>(round - 1),
                            round,
                            EventTime{1})
                    .ok());
  }
  ASSERT_TRUE(std::filesystem::exists(join_path(folder, "checkpoint")));
}

/// As `whole`, but what a running machine keeps (`live`: head and index count) or a restarted one.
void copy_store(const std::string& whole, const std::string& to, bool live) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(whole, to);  // which counts as a restart
  if (live) {
    TestWorld world;
    HashLogOptions options = small_files();
    options.read_only = true;
    ASSERT_NE(open_store(world, to, options), nullptr);
  }
}

/// Write a byte, or cut, in the file itself: a new file in its place would be another head.
void damage_file(const std::string& path, std::size_t at, std::optional<char> byte) {
  if (!byte.has_value()) {
    std::filesystem::resize_file(path, at);
    return;
  }
  const int file = ::open(path.c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(file, &*byte, 1, static_cast<off_t>(at)), 1);
  ::close(file);
}

TEST(HashLogStore, AByteThatIsFlippedOrCutOffInAnyFileIsNamedAndNeverServed) {
  const TempFolder folder;
  const std::string whole = join_path(folder.path(), "whole");
  const std::string damaged = join_path(folder.path(), "damaged");
  make_store(whole);
  const uint64_t seed = 20261128;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  TestWorld world;
  for (const bool live : {true, false}) {
    copy_store(whole, damaged, live);
    std::vector<std::pair<std::string, std::string>> files;
    for (const auto& file : std::filesystem::directory_iterator(damaged)) {
      files.emplace_back(file.path().filename(), *world.files->read(file.path()));
    }
    for (const auto& [name, bytes] : files) {
      for (int round = 0; round < (bytes.empty() ? 0 : 8); ++round) {
        copy_store(whole, damaged, live);
        const bool flipped = round % 4 < 3;
        const std::size_t at = random() % bytes.size();
        const char byte = static_cast<char>(bytes[at] ^ 1 << random() % 8);
        damage_file(join_path(damaged, name), at, flipped ? std::optional(byte) : std::nullopt);
        expect_named_or_right(damaged,
                              name + " at " + std::to_string(at) + (flipped ? " flipped" : " cut") +
                                  (live ? " live" : ""));
      }
    }
  }
}

TEST(HashLogStore, AFlippedByteUnderARunningStoreIsNamedAndCounted) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  const auto store = open_store(world, folder.path());
  ASSERT_TRUE(store->apply(view, users(view, 0, 3, 1.0), {}, 0, EventTime{1}).ok());
  std::string log = *world.files->read(join_path(folder.path(), "log.1"));
  const std::size_t key = log.find(fake_key("u1").bytes());
  {
    const int file = ::open(join_path(folder.path(), "log.1").c_str(), O_WRONLY);
    ASSERT_EQ(::pwrite(file, "X", 1, static_cast<off_t>(key + 20)), 1);
    ::close(file);
  }
  const std::vector<data::EntityKey> broken = {fake_key("u1")};
  const Status status = store->read(view, broken, EventTime{1}).status();
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_NE(status.message().find("log.1, offset " + std::to_string(key - 24)), std::string::npos)
      << status.message();
  EXPECT_NE(status.message().find("view clicks, key hash "), std::string::npos) << status.message();
  EXPECT_EQ(world.metrics.counter("assay_online_corrupt_rows_total", "").value(), 1);
  const std::vector<data::EntityKey> whole = {fake_key("u0"), fake_key("u2")};
  EXPECT_TRUE(store->read(view, whole, EventTime{1}).ok());
  ASSERT_TRUE(store->apply(view, users(view, 1, 3, 5.0), 0, 1, EventTime{1}).ok());
  EXPECT_EQ(store->read(view, broken, EventTime{1}).code(), Code::kCorrupt)
      << "new rows must not be folded into a broken one";
  EXPECT_EQ((*store->read(view, whole, EventTime{1}))[1].values[0], data::Scalar::float64(5.0));
}

TEST(HashLogStore, ReadOnlyNeverMakesAStoreAndRefusesToWrite) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  HashLogOptions read_only;
  read_only.read_only = true;
  EXPECT_EQ(open_hash_log_store(world.world, folder.path(), read_only).code(), Code::kNotFound);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  ASSERT_TRUE(open_store(world, folder.path())
                  ->apply(view, users(view, 0, 3, 1.0), {}, 0, EventTime{1})
                  .ok());
  const auto store = open_store(world, folder.path(), read_only);
  const std::vector<data::EntityKey> keys = {fake_key("u1")};
  EXPECT_TRUE(store->read(view, keys, EventTime{1}).ok());
  EXPECT_EQ(store->apply(view, users(view, 0, 1, 1.0), 0, 1, EventTime{1}).code(),
            Code::kFailedPrecondition);
  EXPECT_EQ(store->drop("clicks").code(), Code::kFailedPrecondition);
}

TEST(HashLogStore, TheLogStaysInBoundsHoweverOftenRowsChange) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  const FakeView cold = text_view("cold");
  TestWorld world;
  const auto store = open_store(world, folder.path(), small_files());
  ASSERT_TRUE(store->apply(cold, users(cold, 0, 200, 7.0), {}, 0, EventTime{1}).ok());
  std::optional<int64_t> position;
  for (int round = 0; round < 200; ++round) {
    ASSERT_TRUE(store->apply(view, users(view, 0, 50, round), position, round, EventTime{1}).ok());
    position = round;
  }
  // 250 rows of some 100 bytes; twice that and four files of 8 KB, and an index.
  EXPECT_LT(folder_bytes(folder.path()), 150'000U);
  for (const data::EntityKey& key : user_keys(50)) {
    EXPECT_EQ((*store->read(view, {&key, 1}, EventTime{1}))[0].values[0],
              data::Scalar::float64(199));
  }
  for (const data::EntityKey& key : user_keys(200)) {
    EXPECT_EQ((*store->read(cold, {&key, 1}, EventTime{1}))[0].values[0],
              data::Scalar::float64(7.0));
  }
  ASSERT_TRUE(store->drop("cold").ok());
  for (int round = 200; round < 300; ++round) {
    ASSERT_TRUE(store->apply(view, users(view, 0, 50, round), position, round, EventTime{1}).ok());
    position = round;
  }
  EXPECT_LT(folder_bytes(folder.path()), 90'000U);
  forget_memory(folder.path());
  const auto again = open_store(world, folder.path(), small_files());
  EXPECT_EQ(*again->views(), std::vector<std::string>{"clicks"});
  EXPECT_EQ((*again->applied_to(view))->position, 299);
}

TEST(HashLogStore, ARowThatIsTooLongIsResourceExhaustedAndTheStoreStaysAsItWas) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  const auto store = open_store(world, folder.path(), small_files());
  ASSERT_TRUE(store->apply(view, users(view, 0, 3, 1.0), {}, 0, EventTime{1}).ok());
  const data::Batch rows =
      fake_batch(view, {{"a", 1, 1, {1.0}}, {std::string(9000, 'x'), 1, 1, {1.0}}});
  EXPECT_EQ(store->apply(view, rows, 0, 1, EventTime{1}).code(), Code::kResourceExhausted);
  EXPECT_EQ((*store->applied_to(view))->position, 0);
  EXPECT_TRUE(store->apply(view, users(view, 0, 3, 2.0), 0, 1, EventTime{1}).ok());
}

TEST(HashLogStore, ATransactionThatFailsWhenPartsOfItWereWrittenLeavesNothing) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  const auto store = open_store(world, folder.path(), small_files());
  ASSERT_TRUE(store->apply(view, users(view, 0, 3, 1.0), {}, 0, EventTime{1}).ok());
  HashLogOptions reading = small_files();
  reading.read_only = true;
  const auto reader = open_store(world, folder.path(), reading);
  const uint64_t hash = *store->content_hash(view);
  std::vector<FakeRow> many;
  for (int user = 0; user < 400; ++user) {
    many.push_back({"a" + std::to_string(user), 1, 1, {1.0}});
  }
  many.push_back({"b" + std::string(9000, 'x'), 1, 1, {1.0}});  // the last key, and too long
  const data::Batch rows = fake_batch(view, many);
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_EQ(store->apply(view, rows, 0, 1, EventTime{1}).code(), Code::kResourceExhausted);
    EXPECT_FALSE(std::filesystem::exists(join_path(folder.path(), "log.2")));
    EXPECT_EQ(*store->content_hash(view), hash);
    EXPECT_EQ(*reader->content_hash(view), hash);
  }
  EXPECT_TRUE(store->apply(view, users(view, 0, 400, 2.0), 0, 1, EventTime{1}).ok());
  EXPECT_TRUE(std::filesystem::exists(join_path(folder.path(), "log.3")));
  EXPECT_EQ(*reader->content_hash(view), *store->content_hash(view));
}

/// A store of three users, left by a transaction of many files of which the fifth could not be
/// synced: writes to that device are taken, but it has no disk.
void fail_to_sync_the_fifth_file(const std::string& folder, const FakeView& view) {
  TestWorld world;
  const auto store = open_store(world, folder, small_files());
  ASSERT_TRUE(store->apply(view, users(view, 0, 3, 1.0), {}, 0, EventTime{1}).ok());
  const uint64_t hash = *store->content_hash(view);
  std::filesystem::create_symlink("/dev/null", join_path(folder, "log.5"));
  const data::Batch rows = users(view, 0, 4'000, 2.0);
  EXPECT_EQ(store->apply(view, rows, 0, 1, EventTime{1}).code(), Code::kCommitUnknown);
  // Eight full files wait; the one behind them is the first that was not begun.
  EXPECT_TRUE(std::filesystem::exists(join_path(folder, "log.13")));
  EXPECT_FALSE(std::filesystem::exists(join_path(folder, "log.14")));
  EXPECT_EQ(*store->content_hash(view), hash);
  EXPECT_EQ(store->apply(view, rows, 0, 1, EventTime{1}).code(), Code::kFailedPrecondition)
      << "nobody knows what the disk has";
}

TEST(HashLogStore, AFullFileThatCannotBeSyncedEndsItsTransactionAndARestartUndoesIt) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  ASSERT_NO_FATAL_FAILURE(fail_to_sync_the_fifth_file(folder.path(), view));
  TestWorld world;
  const auto store = open_store(world, folder.path(), small_files());
  EXPECT_EQ((*store->applied_to(view))->position, 0);
  EXPECT_TRUE(store->apply(view, users(view, 0, 3, 3.0), 0, 1, EventTime{1}).ok());
  EXPECT_FALSE(std::filesystem::exists(join_path(folder.path(), "log.2")));
  EXPECT_FALSE(std::filesystem::is_symlink(join_path(folder.path(), "log.5")));
  EXPECT_FALSE(std::filesystem::exists(join_path(folder.path(), "log.13")));
  EXPECT_TRUE(store->apply(view, users(view, 0, 4'000, 2.0), 1, 2, EventTime{1}).ok());
}

/// After a power cut a file may be missing of those that nobody waited for.
TEST(HashLogStore, FilesBehindOneThatIsMissingAreRemovedWhenTheHeadIsMadeAnew) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  ASSERT_NO_FATAL_FAILURE(fail_to_sync_the_fifth_file(folder.path(), view));
  const auto remove_all_but_log = [&] {
    for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
      if (!file.path().filename().string().starts_with("log.")) {
        std::filesystem::remove(file.path());
      }
    }
  };
  for (const char* const lost : {"log.2", "log.5", "log.9"}) {
    std::filesystem::remove(join_path(folder.path(), lost));
  }
  remove_all_but_log();
  uint64_t hash = 0;
  {
    TestWorld world;
    const auto store = open_store(world, folder.path(), small_files());
    ASSERT_NE(store, nullptr);
    for (int file = 2; file < 15; ++file) {
      EXPECT_FALSE(
          std::filesystem::exists(join_path(folder.path(), "log." + std::to_string(file))));
    }
    EXPECT_EQ((*store->applied_to(view))->position, 0);
    EXPECT_TRUE(store->apply(view, users(view, 0, 900, 4.0), 0, 1, EventTime{1}).ok());
    hash = *store->content_hash(view);
  }
  remove_all_but_log();
  TestWorld world;
  const auto again = open_store(world, folder.path(), small_files());
  EXPECT_EQ((*again->applied_to(view))->position, 1);
  EXPECT_EQ(*again->content_hash(view), hash);
}

TEST(HashLogStore, AFullDiskIsResourceExhaustedAndTheStoreStaysAsItWas) {
  const TempFolder folder;
  const FakeView view = text_view("clicks", 8);
  TestWorld world;
  ASSERT_TRUE(open_store(world, folder.path())
                  ->apply(view, users(view, 0, 10, 1.0), {}, 0, EventTime{1})
                  .ok());
  EXPECT_EQ(
      in_child([&] {
        TestWorld child_world;
        const auto store = open_store(child_world, folder.path());
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{256 << 10, 256 << 10};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const Status full = store->apply(view, users(view, 0, 20'000, 2.0), 0, 1, EventTime{1});
        const Status half = store->apply(view, users(view, 0, 2'500, 2.0), 0, 1, EventTime{1});
        const bool as_before = (*store->applied_to(view))->position == 0;
        const bool goes_on = store->apply(view, users(view, 0, 5, 4.0), 0, 1, EventTime{1}).ok();
        return full.code() == Code::kResourceExhausted && half.code() == Code::kResourceExhausted &&
                       as_before && goes_on
                   ? 0
                   : 1;
      }),
      0);
  EXPECT_EQ((*open_store(world, folder.path())->applied_to(view))->position, 1);
}

/// Put the first 100 users of `view` again and again until `done`.
void write_until(OnlineStore& store,
                 const FakeView& view,
                 int64_t* position,
                 const std::function<bool()>& done) {
  for (int rounds = 0; !done(); ++rounds) {
    ASSERT_LT(rounds, 400);
    const int64_t next = *position + 1;
    ASSERT_TRUE(
        store
            .apply(
                view, users(view, 0, 100, static_cast<double>(next)), *position, next, EventTime{1})
            .ok());
    *position = next;
  }
}

/// Files that are looked through in several turns.
HashLogOptions middle_files() {
  HashLogOptions options = small_files();
  options.file_bits = 18;
  options.checkpoint_bytes = 1 << 30;
  return options;
}

TEST(HashLogStore, ADiskThatIsFullWhileTheLogIsCleanedLosesNoRows) {
  const TempFolder folder;
  const auto there = [&](const std::string& name) {
    return std::filesystem::exists(join_path(folder.path(), name));
  };
  EXPECT_EQ(
      in_child([&] {
        const FakeView view = text_view("clicks");
        const FakeView cold = text_view("cold");
        TestWorld world;
        const auto store = open_store(world, folder.path(), middle_files());
        bool good = store->apply(cold, users(cold, 0, 2000, 7.0), {}, 0, EventTime{1}).ok() &&
                    store->apply(view, users(view, 0, 100, 0), {}, 0, EventTime{1}).ok();
        int64_t position = 0;
        write_until(*store, view, &position, [&] { return there("log.5"); });
        ::signal(SIGXFSZ, SIG_IGN);
        rlimit limit{};
        ::getrlimit(RLIMIT_FSIZE, &limit);
        rlimit full = limit;
        full.rlim_cur = std::filesystem::file_size(join_path(folder.path(), "log.5"));
        ::setrlimit(RLIMIT_FSIZE, &full);
        for (int i = 0; i < 2; ++i) {
          good = good &&
                 store->apply(view, users(view, 0, 100, 1e6), position, position + 1, EventTime{1})
                         .code() == Code::kResourceExhausted;
        }
        ::setrlimit(RLIMIT_FSIZE, &limit);
        write_until(*store, view, &position, [&] { return !there("log.1"); });
        for (const data::EntityKey& key : user_keys(2000)) {
          const auto answer = store->read(cold, {&key, 1}, EventTime{1});
          good = good && answer.ok() && (*answer)[0].values[0] == data::Scalar::float64(7.0);
        }
        return good ? 0 : 1;
      }),
      0);
}

TEST(HashLogStore, AKeyThatWasErasedAndCameBackIsThereAfterARestart) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  {
    const auto store = open_store(world, folder.path(), middle_files());
    const std::vector<data::EntityKey> erased = {fake_key("u500")};
    ASSERT_TRUE(store->apply(view, users(view, 500, 501, 1), {}, 0, EventTime{1}).ok());
    ASSERT_TRUE(store->apply(view, users(view, 0, 1, 1), 0, 1, EventTime{1}, erased).ok());
    int64_t position = 1;
    write_until(*store, view, &position, [&] {
      return std::filesystem::exists(join_path(folder.path(), "log.5"));
    });
    const int64_t vacated = position + 2;  // the first turn of cleaning is over
    write_until(*store, view, &position, [&] { return position == vacated; });
    ASSERT_TRUE(
        store->apply(view, users(view, 500, 501, 9), position, position + 1, EventTime{1}).ok());
    ASSERT_TRUE(std::filesystem::exists(join_path(folder.path(), "log.1")));
  }
  forget_memory(folder.path());
  const auto store = open_store(world, folder.path(), middle_files());
  const std::vector<data::EntityKey> keys = {fake_key("u500")};
  EXPECT_EQ((*store->read(view, keys, EventTime{1}))[0].values[0], data::Scalar::float64(9));
}

TEST(HashLogStore, ATransactionOfManyMegabytesIsWrittenInPartsAndFoundAfterARestart) {
  constexpr int kUsers = 300'000;
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  HashLogOptions options;
  options.file_bits = 24;
  options.sync = false;
  uint64_t hash = 0;
  {
    TestWorld world;
    const auto store = open_store(world, folder.path(), options);
    ASSERT_TRUE(store->apply(view, users(view, 0, kUsers, 1), {}, 0, EventTime{1}).ok());
    ASSERT_TRUE(store->apply(view, users(view, 0, kUsers, 2), 0, 1, EventTime{1}).ok());
    hash = store->content_hash(view).value();
  }
  EXPECT_GT(folder_bytes(folder.path()), uint64_t{1} << 24);
  forget_memory(folder.path());
  TestWorld world;
  const auto store = open_store(world, folder.path(), options);
  EXPECT_EQ(store->content_hash(view).value(), hash);
  for (const int user : {0, 1, 77'777, 150'000, kUsers - 1}) {
    const data::EntityKey key = fake_key("u" + std::to_string(user));
    EXPECT_EQ((*store->read(view, {&key, 1}, EventTime{1}))[0].values[0], data::Scalar::float64(2));
  }
}

TEST(HashLogStore, ALogWhoseBeginningIsGoneIsEnoughToMakeHeadAndIndexAnew) {
  const TempFolder folder;
  const std::string whole = join_path(folder.path(), "whole");
  const std::string restarted = join_path(folder.path(), "restarted");
  const FakeView view = text_view("clicks");
  TestWorld world;
  const auto store = open_store(world, whole, small_files());
  std::optional<int64_t> position;
  for (int round = 0; round < 40; ++round) {
    ASSERT_TRUE(store->apply(view, users(view, 0, 30, round), position, round, EventTime{1}).ok());
    position = round;
    if (round < 30) {
      continue;
    }
    ASSERT_FALSE(std::filesystem::exists(join_path(whole, "log.1")));
    copy_store(whole, restarted, false);
    for (const auto& file : std::filesystem::directory_iterator(restarted)) {
      if (!file.path().filename().string().starts_with("log.")) {
        std::filesystem::remove(file.path());
      }
    }
    const auto again = open_store(world, restarted, small_files());
    ASSERT_NE(again, nullptr) << round;
    EXPECT_EQ((*again->applied_to(view))->position, round);
    for (const data::EntityKey& key : user_keys(30)) {
      EXPECT_EQ((*again->read(view, {&key, 1}, EventTime{1}))[0].values[0],
                data::Scalar::float64(round));
    }
  }
}

TEST(HashLogStore, TheIndexGrowsWithTheKeysThereAreNotWithThoseThatEverWere) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  const auto store = open_store(world, folder.path(), small_files());
  std::optional<int64_t> position;
  std::vector<data::EntityKey> before;
  for (int round = 0; round < 200; ++round) {
    const data::Batch rows = users(view, 30 * round, 30 * round + 30, round);
    ASSERT_TRUE(store->apply(view, rows, position, round, EventTime{1}, before).ok());
    position = round;
    before.clear();
    for (int user = 30 * round; user < 30 * round + 30; ++user) {
      before.push_back(fake_key("u" + std::to_string(user)));
    }
  }
  for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
    if (file.path().filename().string().starts_with("index.")) {
      EXPECT_LT(file.file_size(), 70'000U);  // 6,000 keys would take 262,208 bytes
    }
  }
  EXPECT_EQ((*store->read(view, before, EventTime{1}))[29].values[0], data::Scalar::float64(199));
}

TEST(HashLogStore, ALogWithoutPlacesLeftIsResourceExhaustedAndTheStoreStaysAsItWas) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  const uint64_t first = (uint64_t{1} << 38) - 4;  // 2^38 files of 2^13 bytes have 2^48 places
  ASSERT_TRUE(world.files
                  ->write(join_path(folder.path(), "log." + std::to_string(first)),
                          encode_log_header(first, small_files().file_bits))
                  .ok());
  const auto store = open_store(world, folder.path(), small_files());
  ASSERT_NE(store, nullptr);
  std::optional<int64_t> position;
  Status done;
  for (int round = 0; round < 20 && done.ok(); ++round) {
    done = store->apply(view, users(view, 0, 30, round), position, round, EventTime{1});
    position = done.ok() ? round : position;
  }
  EXPECT_EQ(done.code(), Code::kResourceExhausted);
  ASSERT_TRUE(position.has_value());
  forget_memory(folder.path());
  const auto again = open_store(world, folder.path(), small_files());
  ASSERT_NE(again, nullptr);
  EXPECT_EQ((*again->applied_to(view))->position, *position);
}

TEST(HashLogStore, AFileOfTheLogThatIsLongerThanAnyMayBeIsNotReadBehindItsEnd) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  ASSERT_TRUE(open_store(world, folder.path(), small_files())
                  ->apply(view, users(view, 0, 3, 1.0), {}, 0, EventTime{1})
                  .ok());
  std::filesystem::resize_file(join_path(folder.path(), "log.1"), 100'000);
  forget_memory(folder.path());
  const auto store = open_store(world, folder.path(), small_files());
  ASSERT_NE(store, nullptr);
  EXPECT_EQ((*store->applied_to(view))->position, 0);
  EXPECT_TRUE(store->apply(view, users(view, 0, 3, 2.0), 0, 1, EventTime{1}).ok());
}

TEST(HashLogStore, AReaderFollowsAStoreThatAnotherProcessWritesAndGrows) {
  const TempFolder folder;
  const FakeView view = text_view("clicks", 8);
  TestWorld world;
  const auto store = open_store(world, folder.path(), small_files());
  ASSERT_TRUE(store->apply(view, users(view, 0, 1, 1.0), {}, 0, EventTime{1}).ok());
  const std::vector<data::EntityKey> keys = {fake_key("u0"), fake_key("u4999")};
  ASSERT_TRUE(store->read(view, keys, EventTime{1}).ok());
  ASSERT_EQ(in_child([&] {
              TestWorld child_world;
              return open_store(child_world, folder.path(), small_files())
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

constexpr int kRounds = 100;

/// A history in which the first 20 users change in every round, and one more is added: the index
/// grows, and files are thrown away.
bool write_rounds(OnlineStore& store, const FakeView& view) {
  bool good = true;
  for (int round = 1; round <= kRounds; ++round) {
    good =
        good &&
        store.apply(view, users(view, 0, 20 + round, round), round - 1, round, EventTime{1}).ok();
  }
  return good;
}

/// Read in two threads until `wait_for_writer` returns: all users of one read are of one round, no
/// round comes before an earlier one, and the last is seen.
void expect_whole_rounds(OnlineStore& store,
                         const FakeView& view,
                         const std::function<void()>& wait_for_writer) {
  std::atomic<bool> done{false};
  std::atomic<int> torn{0};
  std::atomic<int> went_back{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      const std::vector<data::EntityKey> keys = user_keys(20);
      double last = 0;
      bool last_turn = false;
      while (!last_turn) {
        last_turn = done;
        const auto answers = store.read(view, keys, EventTime{1000});
        torn += answers.ok() ? 0 : 1;
        for (std::size_t k = 1; answers.ok() && k < keys.size(); ++k) {
          torn += (*answers)[k].values[0] == (*answers)[0].values[0] ? 0 : 1;
        }
        const double seen = answers.ok() ? std::get<double>((*answers)[0].values[0].value) : last;
        went_back += seen < last ? 1 : 0;
        last = seen;
      }
      torn += last == kRounds ? 0 : 1;
    });
  }
  wait_for_writer();
  done = true;
  readers.clear();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(went_back, 0);
}

TEST(HashLogStore, ViewsReadAtOnceAreOfOneStateWhileTheyAreWritten) {
  const TempFolder folder;
  const FakeView first = text_view("clicks");
  const FakeView second = text_view("spend", 2);
  TestWorld world;
  const auto store = open_store(world, folder.path(), small_files());
  for (const FakeView* const view : {&first, &second}) {
    ASSERT_TRUE(store->apply(*view, users(*view, 0, 20, 0), {}, 0, EventTime{1}).ok());
  }
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::atomic<int> reads{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      const std::vector<data::EntityKey> keys = user_keys(20);
      const std::vector<ViewKeys> asked = {{&first, keys}, {&second, keys}, {&first, keys}};
      while (!done) {
        data::FlatValues values;
        std::vector<std::optional<AppliedTo>> applied;
        const Status read = store->read_flat_views(asked, EventTime{1000}, &values, &applied);
        ++reads;
        if (!read.ok()) {
          ++wrong;
          continue;
        }
        const auto at = static_cast<double>(applied[0]->position);
        const auto behind = static_cast<double>(applied[1]->position);
        wrong += (at == behind || at == behind + 1) &&
                         applied[2]->position == applied[0]->position
                     ? 0
                     : 1;
        for (std::size_t word = 0; word < values.size().words; ++word) {
          wrong += values.real(word) == (word / 20 == 1 || word / 20 == 2 ? behind : at) ? 0 : 1;
        }
      }
    });
  }
  for (int round = 1; round <= kRounds; ++round) {  // the first view is never behind
    for (const FakeView* const view : {&first, &second}) {
      ASSERT_TRUE(
          store->apply(*view, users(*view, 0, 20 + round, round), round - 1, round, EventTime{1})
              .ok());
    }
  }
  done = true;
  readers.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(reads, 10);
}

TEST(HashLogStore, ReadersOfAnotherProcessSeeWholeBatchesWhileItWrites) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  ASSERT_TRUE(open_store(world, folder.path(), small_files())
                  ->apply(view, users(view, 0, 20, 0), {}, 0, EventTime{1})
                  .ok());
  const pid_t writer = ::fork();
  if (writer == 0) {
    TestWorld child_world;
    ::_exit(write_rounds(*open_store(child_world, folder.path(), small_files()), view) ? 0 : 1);
  }
  HashLogOptions read_only = small_files();
  read_only.read_only = true;
  const auto store = open_store(world, folder.path(), read_only);
  expect_whole_rounds(*store, view, [&] {
    int status = 0;
    ::waitpid(writer, &status, 0);
    EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
  });
}

TEST(HashLogStore, ReadersOfTheWritersProcessSeeWholeBatchesToo) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  const auto store = open_store(world, folder.path(), small_files());
  ASSERT_TRUE(store->apply(view, users(view, 0, 20, 0), {}, 0, EventTime{1}).ok());
  expect_whole_rounds(*store, view, [&] { EXPECT_TRUE(write_rounds(*store, view)); });
}

TEST(HashLogStore, IsOpenedByItsKindOrByWhatAFolderHolds) {
  const TempFolder folder;
  const FakeView view = text_view("clicks");
  TestWorld world;
  const auto held = [&](const std::string& name) {
    return std::filesystem::exists(join_path(folder.path(), name + "/log.1"))      ? "hash log"
           : std::filesystem::exists(join_path(folder.path(), name + "/data.mdb")) ? "lmdb"
                                                                                   : "nothing";
  };
  const auto open = [&](const std::string& kind, const std::string& name) {
    return open_online_store(world.world, kind + join_path(folder.path(), name), false).ok();
  };
  EXPECT_TRUE(open("hashlog:", "a"));
  EXPECT_TRUE(open("lmdb:", "b"));
  EXPECT_STREQ(held("a"), "hash log");
  EXPECT_STREQ(held("b"), "lmdb");
  EXPECT_TRUE(open("", "a"));
  EXPECT_TRUE(open("", "b"));
  EXPECT_FALSE(std::filesystem::exists(join_path(folder.path(), "a/data.mdb")));
  EXPECT_FALSE(std::filesystem::exists(join_path(folder.path(), "b/head")));
  for (const char* const place : {"lmdb:a", "hashlog:b"}) {
    const std::string_view kind(place, std::string_view(place).size() - 1);
    const auto other = open_online_store(
        world.world,
        std::string(kind) + join_path(folder.path(), std::string(place).substr(kind.size())),
        false);
    EXPECT_EQ(other.code(), Code::kFailedPrecondition) << place;
  }
  ASSERT_TRUE(world.files->write(join_path(folder.path(), "b/log.txt"), "notes").ok());
  EXPECT_TRUE(open("", "b")) << "no file of a log";
  ASSERT_TRUE(world.files->write(join_path(folder.path(), "a/data.mdb"), "x").ok());
  EXPECT_EQ(open_online_store(world.world, join_path(folder.path(), "a"), false).code(),
            Code::kFailedPrecondition)
      << "two stores in one folder";
  EXPECT_TRUE(open("", "c"));
  EXPECT_STREQ(held("c"), "hash log") << "what an empty folder becomes";
  const auto nothing = open_online_store(world.world, join_path(folder.path(), "d"), true);
  EXPECT_EQ(nothing.code(), Code::kNotFound);
}

}  // namespace
}  // namespace assay::online
