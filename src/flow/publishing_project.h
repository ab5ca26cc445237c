#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "flow/kafka_project.h"
#include "flow/publish.h"

// Projects that publish, and topics that they publish to.

namespace assay::flow {

/// A project whose events come from files that are written day by day.
class ProjectByDay : public TestProject {
 public:
  ProjectByDay() { change("{path: data, format: csv}", "{path: more, format: csv}"); }
  void write_day(int day) { write("more/" + std::to_string(day) + ".csv", events_of_day(day)); }
};

/// `publish: ...` of a definition, as one line of YAML.
inline std::string publish_line(const std::string& brokers, const std::string& topic) {
  return "    publish: {kafka: {brokers: \"" + brokers + "\", topic: " + topic + "}}\n";
}

/// Records that a run sent to topics; -1 where it published nothing.
inline int64_t published(const RunReport& report) {
  for (const StageAccount& stage : report.stages) {
    if (stage.stage == "publish") {
      return stage.rows.out;
    }
  }
  return -1;
}

/// A topic that keeps positions, fences, and shows only what is committed, as brokers do; each call
/// may fail.
class FakeTopic {
 public:
  struct Record {
    std::string key;
    std::optional<std::string> value;  // none: a tombstone
    bool operator==(const Record&) const = default;
  };
  enum class Call { kOpen, kPosition, kBegin, kSend, kCommit };
  enum class Fault {
    kNone,
    kFails,
    kIsUnknown,  // of a commit: it is done, and the answer is lost
  };
  /// What becomes of the next call; asked at each one.
  std::function<Fault(Call)> fault = [](Call) { return Fault::kNone; };

  std::vector<Record> records;
  std::optional<ingest::CommittedPosition> position;
  int64_t commits = 0;

  [[nodiscard]] OpenTransactions opener() {
    return [this](Log&,
                  const ingest::KafkaClientOptions&,
                  const std::string&,
                  const std::string&) -> Result<std::unique_ptr<ingest::KafkaTransactions>> {
      if (fault(Call::kOpen) != Fault::kNone) {
        return Status(Code::kUnavailable, "no broker (simulated)");
      }
      ++epoch_;
      return std::unique_ptr<ingest::KafkaTransactions>(std::make_unique<Transactions>(*this));
    };
  }

  /// The last value of each key that has one.
  [[nodiscard]] std::map<std::string, std::string> last() const {
    std::map<std::string, std::string> last;
    for (const Record& record : records) {
      last.erase(record.key);
      if (record.value) {
        last[record.key] = *record.value;
      }
    }
    return last;
  }

 private:
  class Transactions : public ingest::KafkaTransactions {
   public:
    explicit Transactions(FakeTopic& topic) : topic_(topic), epoch_(topic.epoch_) {}
    Result<std::optional<ingest::CommittedPosition>> position() override {
      ASSAY_RETURN_IF_ERROR(meet(Call::kPosition));
      return topic_.position;
    }
    Result<bool> has_had_records() override { return !topic_.records.empty(); }
    Status begin() override {
      ASSAY_RETURN_IF_ERROR(meet(Call::kBegin));
      sent_.clear();
      return {};
    }
    Status send(const ingest::KafkaRecord& record) override {
      ASSAY_RETURN_IF_ERROR(meet(Call::kSend));
      Record& sent = sent_.emplace_back();
      sent.key = record.key;
      if (record.value.data() != nullptr) {
        sent.value = record.value;
      }
      return {};
    }
    Status commit(const ingest::CommittedPosition& position) override {
      if (epoch_ != topic_.epoch_) {
        return {Code::kFailedPrecondition, "fenced (simulated)"};
      }
      const Fault fault = topic_.fault(Call::kCommit);
      if (fault == Fault::kFails) {
        return {Code::kCommitUnknown, "no answer, and nothing done (simulated)"};
      }
      topic_.records.insert(topic_.records.end(), sent_.begin(), sent_.end());
      topic_.position = position;
      ++topic_.commits;
      return fault == Fault::kNone ? Status()
                                   : Status(Code::kCommitUnknown, "no answer (simulated)");
    }

   private:
    Status meet(Call call) {
      if (epoch_ != topic_.epoch_ && call != Call::kPosition) {
        return {Code::kFailedPrecondition, "fenced (simulated)"};
      }
      return topic_.fault(call) == Fault::kNone
                 ? Status()
                 : Status(Code::kUnavailable, "no broker (simulated)");
    }
    FakeTopic& topic_;
    int64_t epoch_;
    std::vector<Record> sent_;
  };

  int64_t epoch_ = 0;
};

/// Key and value of every entity as a view's steps table has them.
inline std::map<std::string, std::string> values_of(TestProject& project) {
  const auto workspace = project.open();
  const auto values = *published_view(*workspace, "spend");
  const auto reader = *values->all({}, **values->present());
  std::map<std::string, std::string> found;
  const std::vector<PublishedRecord> records = *reader->next(1'000'000);
  for (const PublishedRecord& record : records) {
    found[record.key] = record.value.value_or("");
  }
  return found;
}

}  // namespace assay::flow
