#include "flow/dead_letters.h"

#include <string_view>
#include <utility>
#include <vector>

#include "data/json_lines.h"
#include "ingest/record.h"

namespace assay::flow {
namespace {

/// Brokers take records of a megabyte when they are not told otherwise.
constexpr std::size_t kLetterBytesMax = 900'000;

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

}  // namespace

Result<std::unique_ptr<DeadLetters>> DeadLetters::open(Log& log,
                                                       const catalog::SourceDef& source,
                                                       const std::string& table) {
  std::unique_ptr<DeadLetters> letters(
      new DeadLetters(source.kafka->dead_letter, source.name, table));
  ingest::KafkaClientOptions options;
  options.brokers = source.kafka->brokers;
  options.settings = source.kafka->options;
  ASSAY_ASSIGN_OR_RETURN(letters->producer_, ingest::KafkaProducer::open(log, options));
  return letters;
}

Status DeadLetters::send(const data::Batch& refused) {
  if (refused.rows() == 0) {
    return {};
  }
  const data::Batch keys = keys_of(refused);
  for (int64_t row = 0; row < refused.rows(); ++row) {
    const auto text = [&](const char* column) {
      return std::string(refused.find(column)->text(row));
    };
    const std::string file = text("file");
    const std::size_t slash = file.rfind('/');
    const std::string reason = text("reason");
    const std::string column = text("column");
    const bool is_read = reason != "malformed" && reason != "invalid_utf8" &&
                         reason != "too_large" && reason != "unknown_schema";
    const data::Column& line = *refused.find("line");
    const int64_t offset =
        line.is_null(row) ? -1 : line.values<int64_t>()[static_cast<std::size_t>(row)];
    Headers headers{
        {"__connect.errors.topic", file.substr(0, slash)},
        {"__connect.errors.partition", slash == std::string::npos ? "" : file.substr(slash + 1)},
        {"__connect.errors.offset", std::to_string(offset)},
        {"__connect.errors.connector.name", "assay." + source_},
        {"__connect.errors.task.id", "0"},
        {"__connect.errors.stage", is_read ? "TRANSFORMATION" : "VALUE_CONVERTER"},
        {"__connect.errors.class.name", "assay.bronze." + table_},
        {"__connect.errors.exception.class.name", "assay." + reason},
        {"__connect.errors.exception.message", reason + (column.empty() ? "" : " at " + column)}};
    int said = 0;
    while (said + 1 < keys.column_count() && keys.column(said).is_null(row)) {
      ++said;
    }
    const data::Column& key = keys.column(said);
    const std::string_view key_bytes = key.is_null(row) ? std::string_view() : key.text(row);
    std::string_view value = refused.find("payload")->text(row);
    if (value.size() > kLetterBytesMax) {  // it is in the quarantine table
      headers.emplace_back("assay.value.bytes", std::to_string(value.size()));
      value = {};
    }
    ASSAY_RETURN_IF_ERROR(producer_->send(topic_, {key_bytes, value, std::move(headers)}));
  }
  return producer_->flush().with_context("dead letters of source `" + source_ + "` to " + topic_);
}

}  // namespace assay::flow
