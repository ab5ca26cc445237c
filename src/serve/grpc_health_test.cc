// Who watches health is told what it is and what it becomes, one message at a time.

#include "serve/grpc_health.h"

#include <gtest/gtest.h>

#include "data/protobuf.h"

namespace assay::serve {
namespace {

/// Notes what it is told; what is written is done when the test says so.
class Watcher : public HealthWatch {
 public:
  explicit Watcher(HealthWatches& all) : all_(all) { all_.add(*this); }
  ~Watcher() override { all_.remove(*this); }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  void write(const std::string& answer) override { told += answer + " "; }
  void finish(const Status& why) override {
    told += "end " + std::to_string(grpc_status(why.code()));
  }

  std::string told;

 private:
  HealthWatches& all_;
};

std::string about(const std::string& service) {
  std::string request;
  data::ProtoWriter(request).bytes(1, service);
  return request;
}

class GrpcHealth : public testing::Test {
 protected:
  int asked_ = 0;
  std::string now_ = "up";
  Status failure_;
  HealthWatches watches_{[this](const std::string& request) {
    ++asked_;
    return failure_.ok() ? Result<std::string>((request.empty() ? "" : request.substr(2)) + now_)
                         : Result<std::string>(failure_);
  }};
};

TEST_F(GrpcHealth, EachIsToldOnceAndWhenItChanges) {
  Watcher one(watches_);
  Watcher other(watches_);
  EXPECT_EQ(watches_.count(), 2);
  watches_.begin(one, about("a:"));
  watches_.begin(other, about("b:"));
  watches_.written(one, true);
  watches_.written(other, true);
  watches_.tell_all();
  EXPECT_EQ(one.told, "a:up ");
  now_ = "down";
  watches_.tell_all();
  watches_.tell_all();
  EXPECT_EQ(one.told, "a:up a:down ");
  EXPECT_EQ(other.told, "b:up b:down ");
}

TEST_F(GrpcHealth, WhatManyWatchIsAskedOnce) {
  Watcher one(watches_);
  Watcher other(watches_);
  Watcher silent(watches_);
  watches_.begin(one, about("a:"));
  watches_.begin(other, about("a:"));
  asked_ = 0;
  watches_.tell_all();
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(silent.told, "") << "he has not said what he watches";
  std::string longer = about("a:");
  data::ProtoWriter(longer).bytes(9, "what this server does not know");
  Watcher another(watches_);
  watches_.begin(another, longer);
  asked_ = 0;
  watches_.tell_all();
  EXPECT_EQ(asked_, 1) << "the service is the same";
  EXPECT_EQ(another.told, "a:up ");
}

TEST_F(GrpcHealth, NothingIsWrittenWhileSomethingIs) {
  Watcher one(watches_);
  watches_.begin(one, "");
  now_ = "down";
  watches_.tell_all();
  EXPECT_EQ(one.told, "up ");
  watches_.written(one, true);
  watches_.tell_all();
  EXPECT_EQ(one.told, "up down ");
  watches_.end(one, Status(Code::kCancelled, "cancelled"));
  EXPECT_EQ(one.told, "up down ") << "the end waits, too";
  watches_.written(one, true);
  EXPECT_EQ(one.told, "up down end 1");
  watches_.tell_all();
  watches_.end(one, Status(Code::kCancelled, "again"));
  EXPECT_EQ(one.told, "up down end 1") << "once";
}

TEST_F(GrpcHealth, WhoIsGoneIsFinished) {
  Watcher one(watches_);
  watches_.begin(one, "");
  watches_.written(one, false);
  EXPECT_EQ(one.told, "up end 14");
}

TEST_F(GrpcHealth, WhatCannotBeAnsweredEndsOrStaysAsItWas) {
  Watcher one(watches_);
  watches_.begin(one, "");
  watches_.written(one, true);
  failure_ = Status(Code::kInvalidArgument, "no message");
  Watcher other(watches_);
  watches_.begin(other, "\x0a");
  EXPECT_EQ(other.told, "end 3");
  watches_.tell_all();
  EXPECT_EQ(one.told, "up ");
}

TEST_F(GrpcHealth, AtTheEndAllAreFinishedAndNobodyBegins) {
  Watcher one(watches_);
  Watcher writing(watches_);
  Watcher silent(watches_);
  watches_.begin(one, "");
  watches_.written(one, true);
  watches_.begin(writing, "");
  watches_.end_all();
  EXPECT_EQ(one.told, "up end 14");
  EXPECT_EQ(writing.told, "up ");
  watches_.written(writing, true);
  EXPECT_EQ(writing.told, "up end 14");
  EXPECT_EQ(silent.told, "end 14");
  Watcher late(watches_);
  watches_.begin(late, "");
  EXPECT_EQ(late.told, "end 14");
}

}  // namespace
}  // namespace assay::serve
