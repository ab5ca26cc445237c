// What becomes of logged answers when they cannot be written.

#include "cli/served_writer.h"

#include <map>

#include <gtest/gtest.h>

#include "serve/get.h"
#include "serve/serving_fixture.h"

namespace assay::cli {
namespace {

class ServedWriterTest : public testing::Test {
 protected:
  /// An answer of a service for a user, which is logged.
  void ask(const std::string& user) { ask(user, fixture_.state->services.at("shop")); }
  void ask(const std::string& user, const std::shared_ptr<const gold::Service>& service) {
    const serve::RequestRows rows{
        {{"user_id", {data::Scalar::string(user)}}, {"amount", {data::Scalar::float64(1)}}}, 1};
    const auto answer = serve::get_online_features(
        *service, *fixture_.store, rows, EventTime{serve::ServingFixture::kNow});
    ASSERT_TRUE(answer.ok()) << answer.status().to_string();
    log_.add(service, rows, *answer);
  }
  void minute() {
    fixture_.clock.advance(Duration{60 * kMicrosPerSecond});
    writer_.look();
  }
  int64_t lost() {
    return fixture_.world.metrics.counter("assay_serve_log_lost_rows_total", "").value();
  }

  serve::ServingFixture fixture_;
  serve::ServedLog log_{fixture_.world.metrics, {.share = 1}};
  Status failure_;
  int tries_ = 0;
  std::vector<std::string> written_;
  ServedWriter writer_{fixture_.world, log_, [this](const serve::ServedBatch& batch) {
                         ++tries_;
                         for (int64_t i = 0; failure_.ok() && i < batch.rows.rows(); ++i) {
                           written_.emplace_back(batch.rows.find("user_id")->text(i));
                         }
                         return failure_;
                       }};
};

TEST_F(ServedWriterTest, ACommitAMinuteAndOneAtTheEnd) {
  ask("u1");
  writer_.look();
  EXPECT_EQ(tries_, 0);
  ask("u2");
  minute();
  EXPECT_EQ(tries_, 1);
  ask("u1");
  writer_.finish();
  EXPECT_EQ(written_, (std::vector<std::string>{"u1", "u2", "u1"}));
}

TEST_F(ServedWriterTest, WideRowsAreWrittenBeforeTheirRoomIsFull) {
  constexpr int kRows = 100;
  serve::ServedLog log(fixture_.world.metrics, {.share = 1, .bytes_max = 10'000});
  int64_t written = 0;
  ServedWriter writer(fixture_.world, log, [&](const serve::ServedBatch& batch) {
    written += batch.rows.rows();
    return Status();
  });
  const auto service = fixture_.state->services.at("shop");
  const serve::RequestRows rows{
      {{"user_id", {data::Scalar::string("u1")}}, {"amount", {data::Scalar::float64(1)}}}, 1};
  const auto answer = serve::get_online_features(
      *service, *fixture_.store, rows, EventTime{serve::ServingFixture::kNow});
  ASSERT_TRUE(answer.ok());
  for (int row = 0; row < kRows; ++row) {
    log.add(service, rows, *answer);
    writer.look();
  }
  EXPECT_GT(written, kRows / 2) << "without waiting for a minute";
  writer.finish();
  EXPECT_EQ(written, kRows);
  EXPECT_EQ(fixture_.world.metrics.counter("assay_serve_log_dropped_rows_total", "").value(), 0);
}

TEST_F(ServedWriterTest, RowsOfAFullDiskAreWrittenOnceThereIsRoom) {
  for (const Code code : {Code::kResourceExhausted, Code::kUnavailable}) {
    written_.clear();
    failure_ = Status(code, "not now");
    ask("u1");
    minute();
    ask("u2");
    minute();
    writer_.look();
    EXPECT_EQ(written_, std::vector<std::string>());
    failure_ = {};
    writer_.look();
    EXPECT_EQ(written_, std::vector<std::string>()) << "it is tried each minute";
    minute();
    EXPECT_EQ(written_, (std::vector<std::string>{"u1", "u2"}));
  }
  EXPECT_EQ(lost(), 0);
}

TEST_F(ServedWriterTest, OneTableThatIsAwayHoldsUpNoOther) {
  auto other = std::make_shared<gold::Service>(*fixture_.state->services.at("shop"));
  other->name = "other";
  std::vector<std::string> written;
  std::string away = "shop";
  std::size_t room = std::size_t{1} << 20;
  const auto append = [&](const serve::ServedBatch& batch) -> Status {
    if (batch.service->name == away) {
      return {Code::kUnavailable, "not now"};
    }
    for (int64_t i = 0; i < batch.rows.rows(); ++i) {
      written.push_back(batch.service->name + ":" +
                        std::string(batch.rows.find("user_id")->text(i)));
    }
    return {};
  };
  for (int round = 0; round < 2; ++round) {  // with room for what is kept, and without
    ServedWriter writer(fixture_.world, log_, append, room);
    const auto minute = [&] {
      fixture_.clock.advance(Duration{60 * kMicrosPerSecond});
      writer.look();
    };
    written.clear();
    away = "shop";
    ask("u1");
    minute();
    ask("u2");
    ask("u2", other);
    minute();
    EXPECT_EQ(written, std::vector<std::string>{"other:u2"});
    away = "";
    minute();
    EXPECT_EQ(written.size(), round == 0 ? 3U : 1U);
    EXPECT_EQ(lost(), round == 0 ? 0 : 2);
    room = 1;
  }
}

TEST_F(ServedWriterTest, WhatMayHaveBeenWrittenIsNotWrittenAgain) {
  failure_ = Status(Code::kCommitUnknown, "it may have landed");
  ask("u1");
  minute();
  failure_ = {};
  ask("u2");
  minute();
  EXPECT_EQ(written_, std::vector<std::string>{"u2"});
  EXPECT_EQ(lost(), 1);
}

TEST_F(ServedWriterTest, WhatNoTryWouldWriteHoldsNothingUp) {
  failure_ = Status(Code::kFailedPrecondition, "the table has other columns");
  ask("u1");
  minute();
  failure_ = {};
  ask("u2");
  minute();
  EXPECT_EQ(written_, std::vector<std::string>{"u2"});
  EXPECT_EQ(lost(), 1);
}

TEST_F(ServedWriterTest, AtTheEndWhatCannotBeWrittenIsCounted) {
  failure_ = Status(Code::kResourceExhausted, "disk full");
  ask("u1");
  minute();
  ask("u2");
  writer_.finish();
  EXPECT_EQ(lost(), 2);
  EXPECT_EQ(log_.waiting(), 0);
}

}  // namespace
}  // namespace assay::cli
