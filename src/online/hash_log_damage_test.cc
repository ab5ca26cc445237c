// Damage that cleaning comes upon: what cannot be read is named and found damaged for good, all
// else is moved on and the log stays short.

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/store_fixture.h"
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
  Cleaned() { open(); }
  void open() {
    store_.reset();
    HashLogOptions options;
    options.file_bits = 13;
    options.index_bits = 4;
    options.checkpoint_bytes = 1 << 13;
    options.sync = false;
    Result<std::unique_ptr<OnlineStore>> store = open_hash_log_store(world_, path(), options);
    ASSERT_TRUE(store.ok()) << store.status().to_string();
    store_ = std::move(store).value();
  }
  void apply(const FakeView& view, const data::Batch& rows) {
    const auto at = store_->applied_to(view).value();
    const std::optional<int64_t> position =
        at.has_value() ? std::optional<int64_t>(at->position) : std::nullopt;
    const Status done = store_->apply(view, rows, position, position.value_or(0) + 1, EventTime{1});
    ASSERT_TRUE(done.ok()) << done.to_string();
  }
  void change_hot(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      apply(hot, users(hot, 0, 60, ++round_));
    }
  }
  /// Change hot rows until the first file was cleaned away.
  void clean_first_file() {
    for (int i = 0; i < 500 && std::filesystem::exists(join_path(path(), "log.1")); ++i) {
      change_hot(1);
    }
    EXPECT_FALSE(std::filesystem::exists(join_path(path(), "log.1")));
  }
  /// Where the first file has the key of a cold user.
  [[nodiscard]] std::size_t offset_of(const std::string& user) {
    return world_.files.read(join_path(path(), "log.1"))->find(fake_key(user).bytes());
  }
  void flip(std::size_t at) {
    const std::string name = join_path(path(), "log.1");
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
        EXPECT_NE(answer.status().message().find("`assay run`"), std::string::npos);
        ++damaged;
      }
    }
    return damaged;
  }
  [[nodiscard]] const std::string& path() const { return folder_.path(); }
  [[nodiscard]] OnlineStore& store() { return *store_; }

  const FakeView cold = text_view("cold");
  const FakeView hot = text_view("hot");
  EventLog log;

 private:
  TestFolder folder_;
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

  cleaned.change_hot(200);  // what says so is moved on as well
  for (const bool restarted : {false, true}) {
    if (restarted) {
      forget_memory(cleaned.path());
    }
    cleaned.open();
    EXPECT_EQ(cleaned.expect_damaged_or(7), 1);
    EXPECT_EQ(cleaned.read(cleaned.cold, 5).code(), Code::kCorrupt);
  }
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

TEST(HashLogDamage, OfAFilesHeaderLosesTheRowsOfThatFileAndNoOther) {
  Cleaned cleaned;
  cleaned.apply(cleaned.cold, users(cleaned.cold, 0, kColdUsers, 7));
  cleaned.change_hot(1);
  int in_first_file = 0;
  for (int user = 0; user < kColdUsers; ++user) {
    in_first_file += cleaned.offset_of("u" + std::to_string(user)) != std::string::npos ? 1 : 0;
  }
  ASSERT_GT(in_first_file, 10);
  ASSERT_LT(in_first_file, kColdUsers);
  cleaned.flip(20);
  cleaned.open();
  cleaned.clean_first_file();
  EXPECT_EQ(cleaned.expect_damaged_or(7), in_first_file);
  forget_memory(cleaned.path());
  cleaned.open();
  EXPECT_EQ(cleaned.expect_damaged_or(7), in_first_file);
}

}  // namespace
}  // namespace assay::online
