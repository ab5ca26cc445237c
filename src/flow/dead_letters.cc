#include "flow/dead_letters.h"

#include <string_view>
#include <utility>
#include <vector>

#include "data/json_lines.h"
#include "ingest/record.h"

namespace assay::flow {
namespace {

/// For so long a topic may be made that is not there when it is first written to.
constexpr Duration kMadeWithin{3 * kMicrosPerSecond};
/// So many letters are made, and waited for, at once.
constexpr std::size_t kAtOnce = 1'000;

using Headers = std::vector<std::pair<std::string, std::string>>;

/// The keys of refused records, from what quarantine keeps of what stood beside them.
data::Batch keys_of(const data::Batch& refused) {
  data::DecodeOptions options;
  options.schema = data::make_schema({{ingest::kRawKey, data::Type::kBytes, true},
                                      {"key", data::Type::kString, true},
                                      {"key_base64", data::Type::kBytes, true}});
  std::vector<std::string_view> texts;
  const data::Column& meta = *refused.find("meta");
  for (int64_t row = 0; row < refused.rows(); ++row) {
    texts.push_back(meta.is_null(row) ? "{}" : meta.text(row));
  }
  return data::JsonLinesDecoder(options).decode(texts).rows;
}

/// The headers of one row.
Headers headers_of(const data::Batch& refused,
                   int64_t row,
                   const std::string& source,
                   const std::string& table) {
  const auto text = [&](const char* column) {
    return std::string(refused.find(column)->text(row));
  };
  const std::string file = text("file");
  const std::size_t slash = file.rfind('/');
  const std::string reason = text("reason");
  const std::string column = text("column");
  const bool is_read = reason != "malformed" && reason != "invalid_utf8" && reason != "too_large" &&
                       reason != "unknown_schema";
  const data::Column& line = *refused.find("line");
  const int64_t offset =
      line.is_null(row) ? -1 : line.values<int64_t>()[static_cast<std::size_t>(row)];
  return {{"__connect.errors.topic", file.substr(0, slash)},
          {"__connect.errors.partition", slash == std::string::npos ? "" : file.substr(slash + 1)},
          {"__connect.errors.offset", std::to_string(offset)},
          {"__connect.errors.connector.name", "assay." + source},
          {"__connect.errors.task.id", "0"},
          {"__connect.errors.stage", is_read ? "TRANSFORMATION" : "VALUE_CONVERTER"},
          {"__connect.errors.class.name", "assay.bronze." + table},
          {"__connect.errors.exception.class.name", "assay." + reason},
          {"__connect.errors.exception.message", reason + (column.empty() ? "" : " at " + column)}};
}

bool is_for_good(Code code) {
  return !retryable(code) && code != Code::kOk;
}

}  // namespace

Result<std::unique_ptr<DeadLetters>> DeadLetters::open(World& world,
                                                       const catalog::SourceDef& source,
                                                       const std::string& table,
                                                       Duration timeout) {
  std::unique_ptr<DeadLetters> letters(
      new DeadLetters(world, source.kafka->dead_letter, source.name, table));
  letters->options_.brokers = source.kafka->brokers;
  letters->options_.settings = source.kafka->options;
  letters->options_.timeout = timeout;
  ASSAY_RETURN_IF_ERROR(letters->open_producer());
  return letters;
}

Status DeadLetters::open_producer() {
  if (producer_ == nullptr) {
    ASSAY_ASSIGN_OR_RETURN(producer_, ingest::KafkaProducer::open(world_.log, options_));
  }
  return {};
}

Status DeadLetters::look_for_topic() {
  const Status found = producer_->partitions(topic_, kMadeWithin).status();
  if (!is_for_good(found.code())) {
    return found.with_context("dead letters of source `" + source_ + "`");
  }
  return {found.code(),
          "source `" + source_ + "`: its `dead_letter: " + topic_ +
              "` cannot be written: " + found.message() +
              ". Make the topic or allow writing to it, or take `dead_letter` away"};
}

Status DeadLetters::send(const data::Batch& refused) {
  if (refused.rows() == 0) {
    return {};
  }
  ASSAY_RETURN_IF_ERROR(open_producer());
  done_ = 0;
  left_ = 0;
  why_left_ = {};
  Status status = producer_->partitions(topic_, kMadeWithin).status();
  status = status.ok() ? send_rows(refused) : status;
  if (!status.ok()) {
    producer_.reset();  // what it still holds is sent again
  }
  if (is_for_good(status.code())) {
    leave(refused.rows() - done_, status);
  }
  if (left_ > 0) {
    world_.metrics
        .counter("assay_flow_dead_letters_refused_total",
                 "Refused records that the dead-letter topic did not take; quarantine has them",
                 {{"name", table_}})
        .add(left_);
    world_.log.error(
        "dead_letters_are_refused",
        {{"source", source_}, {"topic", topic_}, {"count", left_}, {"why", why_left_.to_string()}});
  }
  return is_for_good(status.code())
             ? Status()
             : status.with_context("dead letters of source `" + source_ + "` to " + topic_);
}

Status DeadLetters::send_rows(const data::Batch& refused) {
  const data::Batch keys = keys_of(refused);
  std::vector<ingest::KafkaRecord> letters;
  for (int64_t row = 0; row < refused.rows(); ++row) {
    int said = 0;
    while (said + 1 < keys.column_count() && keys.column(said).is_null(row)) {
      ++said;
    }
    const data::Column& key = keys.column(said);
    letters.push_back({key.is_null(row) ? std::string_view() : key.text(row),
                       refused.find("payload")->text(row),
                       headers_of(refused, row, source_, table_)});
    if (letters.size() == kAtOnce || row + 1 == refused.rows()) {
      ASSAY_RETURN_IF_ERROR(deliver(letters));
      done_ += std::ssize(letters);
      letters.clear();
    }
  }
  return {};
}

/// Brokers refuse a request whose records are too large together: those are sent again, half of
/// them at a time.
Status DeadLetters::deliver(std::span<ingest::KafkaRecord> letters) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<ingest::KafkaProducer::Refused> refused,
                         producer_->deliver(topic_, letters));
  std::vector<ingest::KafkaRecord> too_large;
  Status why;
  for (const ingest::KafkaProducer::Refused& one : refused) {
    if (one.why.code() == Code::kInvalidArgument) {
      too_large.push_back(std::move(letters[one.index]));
      why = one.why;
    } else if (is_for_good(one.why.code())) {
      leave(1, one.why);
    } else {
      return one.why;
    }
  }
  if (too_large.empty()) {
    return {};
  }
  if (letters.size() == 1) {
    return deliver_smaller(std::move(too_large.front()), why);
  }
  const std::span<ingest::KafkaRecord> again(too_large);
  const std::size_t half = again.size() / 2;
  if (half > 0) {
    ASSAY_RETURN_IF_ERROR(deliver(again.first(half)));
  }
  return deliver(again.subspan(half));
}

/// One record whose size is refused, also alone: without its value, then without its key.
Status DeadLetters::deliver_smaller(ingest::KafkaRecord letter, const Status& why) {
  Status refused_for = why;
  for (std::string_view ingest::KafkaRecord::*part :
       {&ingest::KafkaRecord::value, &ingest::KafkaRecord::key}) {
    if ((letter.*part).empty()) {
      continue;
    }
    const bool is_value = part == &ingest::KafkaRecord::value;
    letter.headers.emplace_back(is_value ? "assay.value.bytes" : "assay.key.bytes",
                                std::to_string((letter.*part).size()));
    letter.*part = {};
    ASSAY_ASSIGN_OR_RETURN(const auto refused, producer_->deliver(topic_, {&letter, 1}));
    if (refused.empty()) {
      return {};
    }
    refused_for = refused.front().why;
    if (refused_for.code() != Code::kInvalidArgument) {
      break;
    }
  }
  if (!is_for_good(refused_for.code())) {
    return refused_for;
  }
  leave(1, refused_for);
  return {};
}

void DeadLetters::leave(int64_t count, const Status& why) {
  left_ += count;
  why_left_ = why_left_.ok() ? why : why_left_;
}

}  // namespace assay::flow
