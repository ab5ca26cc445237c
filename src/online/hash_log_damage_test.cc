// Damage that cleaning comes upon: what cannot be read is named and found damaged for good, all
// else is moved on and the log stays short.

#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/arm_fail_point.h"
#include "base/temp_folder.h"
#include "online/fake_view.h"
#include "online/hash_index.h"
#include "online/log_files.h"
#include "online/online_store.h"
#include "online/paged_fake_view.h"
#include "online/set_aside.h"
#include "online/store_fixture.h"
#include "online/store_history.h"
#include "online/user_rows.h"

namespace assay::online {
namespace {

constexpr int kColdUsers = 200;

/// Events, with the values of their texts.
class EventLog final : public Log {
 public:
  void write(LogLevel level,
             std::string_view event,
             std::initializer_list<LogField> fields) override {
    std::string line(event);
    for (const LogField& field : fields) {
      const auto* text = std::get_if<std::string>(&field.value);
      const auto* number = std::get_if<int64_t>(&field.value);
      line += " " + (text != nullptr     ? *text
                     : number != nullptr ? std::to_string(*number)
                                         : std::string());
    }
    (level == LogLevel::kError ? errors : warnings).push_back(line);
  }
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

/// A store in small files: rows of `cold` that stay, in the first of them, and rows of `hot` that
/// change all the time.
class Cleaned {
 public:
  Cleaned() : Cleaned("") {}
  /// In a folder of the caller's.
  explicit Cleaned(const std::string& folder) : path_(folder.empty() ? folder_.path() : folder) {
    open();
  }
  void open() {
    store_.reset();
    HashLogOptions options;
    options.file_bits = kFileBits;
    options.index_bits = 4;
    options.checkpoint_bytes = 1 << 13;
    options.sync = false;
    Result<std::unique_ptr<OnlineStore>> store = open_hash_log_store(world_, path(), options);
    ASSERT_TRUE(store.ok()) << store.status().to_string();
    store_ = std::move(store).value();
  }
  /// The next one.
  Status try_to_apply(const FakeView& view,
                      const data::Batch& rows,
                      const std::vector<data::EntityKey>& anew = {}) {
    ASSAY_ASSIGN_OR_RETURN(const auto at, store_->applied_to(view));
    const std::optional<int64_t> position =
        at.has_value() ? std::optional<int64_t>(at->position) : std::nullopt;
    return store_->apply(view, rows, position, position.value_or(0) + 1, EventTime{1}, anew);
  }
  void apply(const FakeView& view,
             const data::Batch& rows,
             const std::vector<data::EntityKey>& anew = {}) {
    const Status done = try_to_apply(view, rows, anew);
    ASSERT_TRUE(done.ok()) << done.to_string();
  }
  void change_hot(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      apply(hot, users(hot, 0, 60, ++round_));
    }
  }
  [[nodiscard]] bool has_first_file() const {
    return std::filesystem::exists(join_path(path(), "log.1"));
  }
  /// Change hot rows until the first file was cleaned away.
  void clean_first_file() {
    for (int i = 0; i < 500 && has_first_file(); ++i) {
      change_hot(1);
    }
    EXPECT_FALSE(has_first_file());
  }
  /// Where the first file has the key of a cold user.
  [[nodiscard]] std::size_t offset_of(const std::string& user) {
    return world_.files.read(join_path(path(), "log.1"))->find(fake_key(user).bytes());
  }
  /// Where the newest record stands that `wanted` is true of.
  [[nodiscard]] std::optional<uint64_t> find_record(
      const std::function<bool(const LogRecord&)>& wanted) {
    LogFiles files(path(), kFileBits, log);
    std::optional<uint64_t> found;
    for (uint64_t file = 1; file < 1000; ++file) {
      uint64_t place = files.first_place(file);
      for (Result<LogRecord> record = files.record(place); record.ok();
           record = files.record(place)) {
        found = wanted(*record) ? place : found;
        place += record_bytes(*record) / kPlaceBytes;
      }
    }
    return found;
  }
  /// Change one bit of a record's value or, where it has none, of its end.
  void damage_record(uint64_t place) {
    const LogFiles files(path(), kFileBits, log);
    flip(files.path(files.file_of(place)), files.offset_of(place) + 24);
  }
  void flip(std::size_t at) { flip(join_path(path(), "log.1"), at); }
  void flip(const std::string& name, std::size_t at) {
    const char byte = static_cast<char>((*world_.files.read(name))[at] ^ 4);
    const int file = ::open(name.c_str(), O_WRONLY);
    ASSERT_EQ(::pwrite(file, &byte, 1, static_cast<off_t>(at)), 1);
    ::close(file);
  }
  Result<data::Scalar> read(const FakeView& view, int user) {
    const std::vector<data::EntityKey> keys = {fake_key("u" + std::to_string(user))};
    ASSAY_ASSIGN_OR_RETURN(const auto answers, store_->read(view, keys, EventTime{1}));
    return answers[0].values[0];
  }
  /// Cold users are as they were, but for those that are damaged. How many these are.
  int expect_damaged_or(double value) {
    int damaged = 0;
    for (int user = 0; user < kColdUsers; ++user) {
      const Result<data::Scalar> answer = read(cold, user);
      if (answer.ok()) {
        EXPECT_EQ(*answer, data::Scalar::float64(value)) << user;
      } else {
        EXPECT_EQ(answer.code(), Code::kCorrupt) << answer.status().to_string();
        EXPECT_NE(answer.status().message().find("log.1, offset "), std::string::npos);
        EXPECT_NE(answer.status().message().find("`assay materialize"), std::string::npos);
        ++damaged;
      }
    }
    return damaged;
  }
  /// The same after the process, and then the machine, was started again.
  void expect_one_damaged_for_good(int user, double value) {
    for (const int restarts : {0, 1, 2}) {
      if (restarts == 2) {
        forget_memory(path());
      }
      if (restarts > 0) {
        open();
      }
      EXPECT_EQ(expect_damaged_or(value), 1) << restarts;
      EXPECT_EQ(read(cold, user).code(), Code::kCorrupt) << restarts;
    }
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] OnlineStore& store() { return *store_; }
  double stuck() { return rest_.metrics.gauge("assay_online_log_stuck", "").value(); }
  int64_t counter(const std::string& name) { return rest_.metrics.counter(name, "").value(); }

  const FakeView cold = text_view("cold");
  const FakeView hot = text_view("hot");
  EventLog log;

 private:
  static constexpr int kFileBits = 13;
  TempFolder folder_;
  std::string path_;
  TestWorld rest_;
  World world_{rest_.clock, *rest_.files, *rest_.random, log, rest_.metrics};
  std::unique_ptr<OnlineStore> store_;
  int round_ = 0;
};

/// Which bytes of a record of a row are flipped: header, key, value.
class HashLogDamagedRecord : public testing::TestWithParam<int> {};

TEST_P(HashLogDamagedRecord, IsFoundDamagedForGoodWhenCleaningHasComeUponIt) {
  Cleaned cleaned;
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 7));
  cleaned.change_hot(1);
  const std::size_t record = cleaned.offset_of("u5") - 24;
  cleaned.flip(record + static_cast<std::size_t>(GetParam()));
  cleaned.clean_first_file();
  ASSERT_EQ(cleaned.log.errors.size(), 1);
  EXPECT_NE(cleaned.log.errors[0].find("online_row_lost"), std::string::npos);
  EXPECT_NE(cleaned.log.errors[0].find("log.1, offset " + std::to_string(record)),
            std::string::npos)
      << cleaned.log.errors[0];
  EXPECT_EQ(cleaned.expect_damaged_or(7), 1);
  EXPECT_EQ(cleaned.read(cleaned.cold, 5).code(), Code::kCorrupt);
  EXPECT_EQ(cleaned.store().content_hash(cleaned.cold).code(), Code::kCorrupt);

  cleaned.change_hot(60);  // what says so is moved on as well
  cleaned.expect_one_damaged_for_good(5, 7);
  uint64_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(cleaned.path())) {
    bytes += file.file_size();
  }
  EXPECT_LT(bytes, 300'000) << "the log is cleaned on";

  ASSERT_TRUE(cleaned.store().drop("cold").ok());
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 8));
  EXPECT_EQ(cleaned.expect_damaged_or(8), 0);
  EXPECT_TRUE(cleaned.store().content_hash(cleaned.cold).ok());
}

// Checksum, size, previous, epoch, kind, size of the key, key, value, zeroes behind it.
INSTANTIATE_TEST_SUITE_P(Bytes,
                         HashLogDamagedRecord,
                         testing::Values(0, 4, 6, 8, 16, 20, 21, 24, 29, 32, 60));

TEST(HashLogDamage, OfARecordThatIsNotNeededAnyMoreTakesNothingWithIt) {
  Cleaned cleaned;
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 7));
  cleaned.apply(cleaned.cold, users(cleaned.cold, 5, 6, 8));
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, 5, 8));
  cleaned.change_hot(1);
  cleaned.flip(cleaned.offset_of("u5") + 12);
  cleaned.clean_first_file();
  EXPECT_TRUE(cleaned.log.errors.empty());
  ASSERT_EQ(cleaned.log.warnings.size(), 1);
  EXPECT_NE(cleaned.log.warnings[0].find("online_log_damaged"), std::string::npos);
  for (int user = 0; user < kColdUsers; ++user) {
    EXPECT_EQ(*cleaned.read(cleaned.cold, user), data::Scalar::float64(user < 6 ? 8 : 7));
  }
}

TEST(HashLogDamage, OfAFilesHeaderTakesNothingWithIt) {
  Cleaned cleaned;
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 7));
  cleaned.change_hot(1);
  cleaned.flip(20);
  cleaned.open();
  EXPECT_EQ(cleaned.expect_damaged_or(7), 0);
  ASSERT_EQ(cleaned.log.warnings.size(), 1);
  EXPECT_NE(cleaned.log.warnings[0].find("online_log_header_damaged"), std::string::npos);
  for (const bool cleaned_away : {false, true}) {
    if (cleaned_away) {
      cleaned.clean_first_file();
      EXPECT_EQ(cleaned.expect_damaged_or(7), 0);
    }
    forget_memory(cleaned.path());
    cleaned.open();
    EXPECT_EQ(cleaned.expect_damaged_or(7), 0);
  }
  EXPECT_TRUE(cleaned.log.errors.empty());
}

/// Whether cleaning has come upon a damaged record before new rows of it come.
class HashLogDamagedRow : public testing::TestWithParam<bool> {};

TEST_P(HashLogDamagedRow, IsPassedOverByNewRowsUntilItIsMadeAnew) {
  Cleaned cleaned;
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 7));
  cleaned.change_hot(1);
  cleaned.flip(cleaned.offset_of("u5") + 12);
  if (GetParam()) {
    cleaned.clean_first_file();
  }
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 8));
  cleaned.expect_one_damaged_for_good(5, 8);
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 9));
  EXPECT_EQ(cleaned.log.errors.size(), 1) << "it is said once";
  EXPECT_NE(cleaned.log.errors[0].find("online_row_lost"), std::string::npos);
  EXPECT_EQ(cleaned.counter("assay_online_passed_over_entities_total"), 2);
  cleaned.expect_one_damaged_for_good(5, 9);

  const std::vector<data::EntityKey> anew = {fake_key("u5")};
  cleaned.apply(cleaned.cold, users(cleaned.cold, 5, 6, 9), anew);
  for (const bool restarted : {false, true}) {
    if (restarted) {
      forget_memory(cleaned.path());
      cleaned.open();
    }
    EXPECT_EQ(cleaned.expect_damaged_or(9), 0);
    EXPECT_TRUE(cleaned.store().content_hash(cleaned.cold).ok());
  }
}

TEST_P(HashLogDamagedRow, IsErasedWhenItIsMadeAnewAndHasNoRows) {
  Cleaned cleaned;
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 7));
  cleaned.change_hot(1);
  cleaned.flip(cleaned.offset_of("u5") + 12);
  if (GetParam()) {
    cleaned.clean_first_file();
  }
  const std::vector<data::EntityKey> anew = {fake_key("u5")};
  cleaned.apply(cleaned.cold, users(cleaned.cold, 6, 7, 7), anew);
  for (const bool restarted : {false, true}) {
    if (restarted) {
      forget_memory(cleaned.path());
      cleaned.open();
    }
    EXPECT_TRUE(cleaned.read(cleaned.cold, 5)->is_null());
    EXPECT_EQ(*cleaned.read(cleaned.cold, 6), data::Scalar::float64(7));
    EXPECT_TRUE(cleaned.store().content_hash(cleaned.cold).ok());
  }
}

INSTANTIATE_TEST_SUITE_P(Cleaned, HashLogDamagedRow, testing::Bool());

TEST(HashLogDamage, OfAPageTakesItsRowAndNoOther) {
  Cleaned cleaned;
  const PagedFakeView paged("paged", {{"user_id", data::Type::kString}}, 1);
  cleaned.apply(paged, users(paged, 0, 20, 7));
  cleaned.change_hot(1);
  int pages = 0;
  const auto fifth = cleaned.find_record(
      [&](const LogRecord& record) { return record.kind == RecordKind::kPage && pages++ == 5; });
  cleaned.damage_record(fifth.value());
  cleaned.apply(paged, users(paged, 0, 20, 8));
  const auto damaged = [&](double value) {
    std::vector<int> found;
    for (int user = 0; user < 20; ++user) {
      const Result<data::Scalar> answer = cleaned.read(paged, user);
      if (answer.ok()) {
        EXPECT_EQ(*answer, data::Scalar::float64(value));
      } else {
        EXPECT_EQ(answer.code(), Code::kCorrupt);
        found.push_back(user);
      }
    }
    return found;
  };
  const std::vector<int> lost = damaged(8);
  ASSERT_EQ(lost.size(), 1);
  cleaned.apply(paged, users(paged, 0, 20, 9));
  EXPECT_EQ(damaged(9), lost);
  const std::string name = "u" + std::to_string(lost[0]);
  cleaned.apply(paged, users(paged, lost[0], lost[0] + 1, 9), {fake_key(name)});
  EXPECT_TRUE(damaged(9).empty());
}

TEST(HashLogDamage, OfWhatIsKnownOfAViewIsThatViewsAlone) {
  for (const bool cleaned_upon : {false, true}) {
    Cleaned cleaned;
    cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 7));
    cleaned.change_hot(1);
    const auto note = cleaned.find_record([](const LogRecord& record) {
      return record.kind == RecordKind::kMeta && record.epoch == 1;
    });
    cleaned.damage_record(note.value());
    if (cleaned_upon) {
      cleaned.clean_first_file();
    }
    for (const int restarts : {0, 1, 2}) {
      if (restarts == 2) {
        forget_memory(cleaned.path());
      }
      if (restarts > 0) {
        cleaned.open();
      }
      const Status unknown = cleaned.store().applied_to(cleaned.cold).status();
      EXPECT_EQ(unknown.code(), Code::kCorrupt);
      EXPECT_NE(unknown.message().find("--anew"), std::string::npos) << unknown.message();
      EXPECT_EQ(cleaned.try_to_apply(cleaned.cold, users(cleaned.cold, 0, 1, 8)).code(),
                Code::kCorrupt);
      EXPECT_EQ(cleaned.expect_damaged_or(7), 0) << "its rows are whole";
      cleaned.change_hot(1);
      EXPECT_TRUE(cleaned.store().data_now().ok());
      EXPECT_TRUE(cleaned.store().content_hash(cleaned.hot).ok());
    }
    ASSERT_TRUE(cleaned.store().drop("cold").ok());
    cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 8));
    EXPECT_EQ(cleaned.expect_damaged_or(8), 0);
    cleaned.change_hot(40);
    EXPECT_EQ(cleaned.expect_damaged_or(8), 0);
  }
}

TEST(HashLogDamage, OfTheListOfViewsIsMendedByWhoStillKnowsIt) {
  Cleaned cleaned;
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 7));
  cleaned.change_hot(1);
  const auto list = cleaned.find_record(
      [](const LogRecord& record) { return record.kind == RecordKind::kDirectory; });
  cleaned.damage_record(list.value());
  cleaned.clean_first_file();
  cleaned.change_hot(1);
  for (const bool restarted : {false, true}) {
    if (restarted) {
      forget_memory(cleaned.path());
    }
    cleaned.open();
    EXPECT_EQ(*cleaned.store().views(), (std::vector<std::string>{"cold", "hot"}));
    EXPECT_EQ(cleaned.expect_damaged_or(7), 0);
  }
}

TEST(HashLogDamage, OfARecordThatSaysThatOneWasDamagedLeavesTheKeyDamaged) {
  Cleaned cleaned;
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 7));
  cleaned.change_hot(1);
  cleaned.flip(cleaned.offset_of("u5") + 12);
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, 6, 7));
  const auto lost =
      cleaned.find_record([](const LogRecord& record) { return record.kind == RecordKind::kLost; });
  cleaned.damage_record(lost.value());
  EXPECT_EQ(cleaned.read(cleaned.cold, 5).code(), Code::kCorrupt);
  cleaned.change_hot(40);
  EXPECT_EQ(cleaned.read(cleaned.cold, 5).code(), Code::kCorrupt);
  EXPECT_EQ(*cleaned.read(cleaned.cold, 4), data::Scalar::float64(7));
  cleaned.apply(cleaned.cold, users(cleaned.cold, 5, 6, 8), {fake_key("u5")});
  EXPECT_EQ(*cleaned.read(cleaned.cold, 5), data::Scalar::float64(8));
}

/// A slot of cold rows in the index that no hot row is looked for in, as an offset in its file.
std::size_t slot_apart(const HashIndex& index, const std::vector<uint64_t>& hot) {
  std::set<uint64_t> passed;
  for (const uint64_t hash : hot) {
    for (uint64_t number = hash >> (48 - index.bits());; number = (number + 1) % index.slots()) {
      passed.insert(number);
      if (index.entry(number)->hash == 0) {
        break;
      }
    }
  }
  for (uint64_t number = 0; number < index.slots(); ++number) {
    if (index.entry(number)->place != 0 && passed.count(number) == 0) {
      return kIndexHeaderBytes + number * kSlotBytes;
    }
  }
  ADD_FAILURE() << "no such slot";
  return kIndexHeaderBytes;
}

TEST(HashLogDamage, ThatCleaningCannotGetPastStopsCleaningAndNobodyElse) {
  Cleaned cleaned;
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 7));
  cleaned.change_hot(1);
  cleaned.flip(cleaned.offset_of("u5") + 12);
  std::string name;
  for (const auto& file : std::filesystem::directory_iterator(cleaned.path())) {
    name = file.path().filename().string().starts_with("index.") ? file.path().string() : name;
  }
  std::vector<uint64_t> hot = {record_hash(RecordKind::kMeta, 2, ""),
                               record_hash(RecordKind::kDirectory, 0, "")};
  for (int user = 0; user < 60; ++user) {
    hot.push_back(record_hash(RecordKind::kRow, 2, fake_key("u" + std::to_string(user)).bytes()));
  }
  cleaned.flip(name, slot_apart(**HashIndex::open(name, false), hot));
  cleaned.change_hot(40);
  EXPECT_TRUE(cleaned.has_first_file()) << "somebody may need it";
  EXPECT_EQ(cleaned.log.warnings.size(), 1) << "it is said once";
  EXPECT_NE(cleaned.log.warnings.at(0).find("online_log_not_cleaned"), std::string::npos);
  EXPECT_NE(cleaned.log.warnings.at(0).find("a slot of the index"), std::string::npos);
  EXPECT_EQ(cleaned.stuck(), 1);
}

TEST(HashLogDamage, OfACheckpointIsMadeGoodFromTheLog) {
  for (const std::size_t at : {std::size_t{3}, kIndexHeaderBytes + 5}) {
    Cleaned cleaned;
    cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 7));
    cleaned.change_hot(30);
    cleaned.flip(join_path(cleaned.path(), "checkpoint"), at);
    forget_memory(cleaned.path());
    cleaned.open();
    EXPECT_EQ(cleaned.expect_damaged_or(7), 0);
    ASSERT_FALSE(cleaned.log.warnings.empty());
    EXPECT_NE(cleaned.log.warnings.back().find("online_checkpoint_damaged"), std::string::npos);
  }
}

TEST(HashLogDamage, ThatKeepsTheStoreClosedIsSaidWithWhatOpensItAgain) {
  const TempFolder folder;
  {
    Cleaned cleaned(folder.path());
    cleaned.apply(cleaned.cold, users(cleaned.cold, 0, 3, 7));
    cleaned.flip(cleaned.offset_of("u1") + 12);
  }
  std::filesystem::remove(folder.file("checkpoint"));
  forget_memory(folder.path());
  TestWorld world;
  for (const bool read_only : {true, false}) {
    const auto opened = open_online_store(world.world, folder.path(), read_only);
    ASSERT_EQ(opened.code(), Code::kCorrupt);
    for (const char* const part : {"log.1, offset ", "`assay materialize --anew`", "`assay up`"}) {
      EXPECT_NE(opened.status().message().find(part), std::string::npos)
          << opened.status().message();
    }
    EXPECT_TRUE(std::filesystem::exists(folder.file("log.1"))) << "nothing is touched";
  }
}

TEST(HashLogDamage, AStoreThatItKeepsClosedIsSetAside) {
  const TempFolder folder;
  TestWorld world;
  const auto damage = [&](const std::string& path) {
    {
      Cleaned cleaned(path);
      cleaned.apply(cleaned.cold, users(cleaned.cold, 0, 3, 7));
      cleaned.flip(cleaned.offset_of("u1") + 12);
    }
    std::filesystem::remove(join_path(path, "checkpoint"));
    forget_memory(path);
  };
  const std::string one = folder.file("one");
  for (const std::string place : {"", "hashlog:"}) {
    damage(one);
    const auto moved = set_aside_damaged(world.world, place + one + "/", "");
    ASSERT_TRUE(moved.ok()) << moved.status().to_string();
    const std::string name = one + (place.empty() ? ".damaged-1" : ".damaged-2");
    EXPECT_EQ(*moved, std::vector<std::string>{name});
    EXPECT_TRUE(std::filesystem::exists(join_path(name, "log.1"))) << "nothing is lost";
    const auto opened = open_online_store(world.world, place + one, false);
    ASSERT_TRUE(opened.ok()) << opened.status().to_string();
    EXPECT_TRUE((*opened)->views()->empty());
    EXPECT_TRUE(set_aside_damaged(world.world, place + one, "")->empty()) << "it opens";
    std::filesystem::remove_all(one);
  }
  EXPECT_TRUE(set_aside_damaged(world.world, folder.file("nowhere"), "")->empty());
  EXPECT_FALSE(std::filesystem::exists(folder.file("nowhere")));
}

TEST(HashLogDamage, OfSomeShardsTheseAreSetAside) {
  const TempFolder folder;
  TestWorld world;
  const std::string places = "sharded:" + folder.file("a") + "," + folder.file("b");
  ASSERT_TRUE(open_online_store(world.world, places, false).ok());
  std::string shard;
  for (const auto& entry : std::filesystem::directory_iterator(folder.file("b"))) {
    shard = entry.path().string();
  }
  std::filesystem::remove_all(shard);
  {
    Cleaned cleaned(shard);
    cleaned.apply(cleaned.cold, users(cleaned.cold, 0, 3, 7));
    cleaned.flip(cleaned.offset_of("u1") + 12);
  }
  std::filesystem::remove(join_path(shard, "checkpoint"));
  forget_memory(shard);
  ASSERT_EQ(open_online_store(world.world, places, true).code(), Code::kCorrupt);
  EXPECT_EQ(*set_aside_damaged(world.world, places, ""),
            std::vector<std::string>{shard + ".damaged-1"});
  EXPECT_TRUE(open_online_store(world.world, places, false).ok());
}

/// A writer that is killed in the turn in which cleaning gives a damaged row up.
class HashLogKilledOverDamage : public testing::TestWithParam<const char*> {};

TEST_P(HashLogKilledOverDamage, TheKeyStaysDamagedAndAllElseWhole) {
  const FailPointFolder folder;
  const std::string store = FailPointFolder::path("store");
  const auto begin = [](Cleaned& cleaned) {
    cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 7));
    cleaned.change_hot(1);
    cleaned.flip(cleaned.offset_of("u5") + 12);
  };
  int turns = 0;  // until it is given up
  {
    Cleaned straight;
    begin(straight);
    for (; straight.log.errors.empty(); ++turns) {
      ASSERT_LT(turns, 500);
      straight.change_hot(1);
    }
  }
  EXPECT_EXIT(
      {
        Cleaned cleaned(store);
        begin(cleaned);
        cleaned.change_hot(turns - 1);
        arm_fail_point(std::string(GetParam()) + ":1");
        cleaned.change_hot(40);
        ::_exit(1);
      },
      testing::KilledBySignal(SIGKILL),
      "");
  std::filesystem::copy(store, store + ".restarted");
  for (const std::string& path : {store, store + ".restarted"}) {
    Cleaned found(path);
    EXPECT_EQ(found.expect_damaged_or(7), 1);
    found.clean_first_file();
    found.expect_one_damaged_for_good(5, 7);
  }
}

INSTANTIATE_TEST_SUITE_P(Places,
                         HashLogKilledOverDamage,
                         testing::Values("online.log.before_sync",
                                         "online.log.publishing",
                                         "online.log.shown",
                                         "online.log.before_remove"));

}  // namespace
}  // namespace assay::online
