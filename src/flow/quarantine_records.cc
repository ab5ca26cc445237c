#include "flow/quarantine_records.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "data/json_lines.h"
#include "flow/source_ledger.h"
#include "ingest/kafka_meta.h"
#include "ingest/record_reader.h"
#include "ingest/schema_registry.h"

namespace assay::flow {
namespace {

using catalog::Format;
using data::Type;

/// The header of the CSV file that a part belongs to.
Result<std::vector<std::string>> csv_header(Workspace& workspace,
                                            const catalog::SourceDef& source,
                                            int64_t ordinal) {
  SourceLedger ledger(workspace.catalog());
  ASSAY_ASSIGN_OR_RETURN(const std::vector<ingest::SourceFile> known, ledger.known(source.name));
  if (ordinal < 0 || ordinal >= static_cast<int64_t>(known.size())) {
    return Status(Code::kFailedPrecondition, "the catalog does not know the file of a record");
  }
  const ingest::SourceFile& file = known[static_cast<std::size_t>(ordinal)];
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<ingest::RecordReader> reader,
                         ingest::open_text_records(
                             workspace.world().files, source, workspace.project().folder, file, 0));
  ingest::RecordBatch first;
  ASSAY_RETURN_IF_ERROR(reader->read(1, std::size_t{1} << 20, &first).status());
  return first.header;
}

/// What stood beside records of a topic, from the column `meta` and the place.
Status add_meta(const data::Batch& rows, ingest::RecordBatch* batch) {
  data::DecodeOptions options;
  options.schema = data::make_schema({{"key", Type::kString, true},
                                      {"timestamp", Type::kTimestamp, true},
                                      {"headers", Type::kString, true},
                                      {"key_base64", Type::kBytes, true},
                                      {ingest::kRawKey, Type::kBytes, true},
                                      {"null_value", Type::kBool, true}});
  options.time_units.assign(6, data::TimeUnit::kText);
  options.time_units[1] = data::TimeUnit::kMicros;
  const data::Column* meta = rows.find("meta");
  std::vector<std::string_view> texts;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    texts.push_back(meta == nullptr || meta->is_null(row) ? "{}" : meta->text(row));
  }
  const data::Decoded decoded = data::JsonLinesDecoder(options).decode(texts);
  if (!decoded.rejects.empty()) {
    return {Code::kCorrupt, "a quarantine table's column `meta` is no JSON object"};
  }
  data::BatchBuilder builder(ingest::kafka_meta_schema());
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const std::string file(rows.find("file")->text(row));
    const std::size_t slash = file.rfind('/');
    const data::Column& key = decoded.rows.column(decoded.rows.column(0).is_null(row) ? 3 : 0);
    if (key.is_null(row)) {
      builder.column(catalog::kKey).append_null();
    } else {
      builder.column(catalog::kKey).append_text(key.text(row));
    }
    builder.column(catalog::kTopic).append_text(file.substr(0, slash));
    builder.column(catalog::kPartition).append(int64_t{std::atoi(file.c_str() + slash + 1)});
    builder.column(catalog::kOffset).append_scalar(rows.find("line")->scalar(row));
    builder.column(catalog::kTimestamp).append_scalar(decoded.rows.column(1).scalar(row));
    builder.column(catalog::kHeaders).append_scalar(decoded.rows.column(2).scalar(row));
    builder.column(catalog::kHeaders + 1).append_scalar(decoded.rows.column(4).scalar(row));
    batch->null_values.push_back(decoded.rows.column(5).is_valid(row));
  }
  batch->meta = builder.finish();
  return {};
}

/// The schemas that the records name; waits for the registry as a source does.
Status find_schemas(Workspace& workspace,
                    const catalog::SourceDef& source,
                    const std::atomic<bool>* stop,
                    ingest::RecordBatch* batch) {
  if (!source.registry.has_value()) {
    return {};
  }
  ingest::SchemaResolver resolver(workspace.world(), *source.registry, nullptr);
  constexpr Duration kWait{200'000};
  for (bool found = false; !found;) {
    if (stop != nullptr && *stop) {
      return {Code::kCancelled, "stopped while the schema registry was waited for"};
    }
    ASSAY_ASSIGN_OR_RETURN(found, resolver.find(batch->records, kWait));
  }
  batch->schemas = resolver.schemas();
  return {};
}

/// One batch of rows that have one header.
Result<ingest::RecordBatch> batch_of(Workspace& workspace,
                                     const catalog::SourceDef& source,
                                     const std::atomic<bool>* stop,
                                     const data::Batch& rows) {
  ingest::RecordBatch batch;
  batch.source = source.name;
  // What a file's rows were put into quarantine as.
  const bool is_json = source.format == Format::kParquet ||
                       (source.format == Format::kAvro && !source.kafka.has_value());
  batch.format = is_json ? Format::kJsonLines : source.format;
  batch.received = workspace.world().clock.now();
  auto bytes = std::make_shared<std::string>();
  const data::Column& payload = *rows.find("payload");
  const auto positions = rows.find("position")->values<int64_t>();
  std::vector<std::size_t> begins;
  std::map<std::string, uint32_t, std::less<>> parts;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    begins.push_back(bytes->size());
    bytes->append(payload.text(row));
    const auto [part, is_new] = parts.try_emplace(std::string(rows.find("file")->text(row)),
                                                  static_cast<uint32_t>(parts.size()));
    if (is_new) {
      batch.parts.push_back(part->first);
    }
    batch.part_of.push_back(part->second);
    batch.positions.push_back(positions[static_cast<std::size_t>(row)]);
    const data::Column& line = *rows.find("line");
    batch.lines.push_back(
        line.is_null(row) ? 0 : line.values<int64_t>()[static_cast<std::size_t>(row)]);
  }
  for (int64_t row = 0; row < rows.rows(); ++row) {
    batch.records.push_back(std::string_view(*bytes).substr(begins[static_cast<std::size_t>(row)],
                                                            payload.text(row).size()));
  }
  batch.memory = std::move(bytes);
  batch.file = batch.parts.front();
  batch.first = {batch.positions.front()};
  batch.end = {batch.positions.back() + 1};
  if (source.kafka.has_value()) {
    ASSAY_RETURN_IF_ERROR(add_meta(rows, &batch));
  }
  if (source.format == Format::kCsv) {
    ASSAY_ASSIGN_OR_RETURN(batch.header, csv_header(workspace, source, batch.first.file_ordinal()));
  }
  ASSAY_RETURN_IF_ERROR(find_schemas(workspace, source, stop, &batch));
  return batch;
}

}  // namespace

std::string quarantine_columns(bool has_meta) {
  return std::string("file, line, position, payload") + (has_meta ? ", meta" : "");
}

Result<std::vector<ingest::RecordBatch>> quarantined_records(Workspace& workspace,
                                                             const catalog::SourceDef& source,
                                                             const std::atomic<bool>* stop,
                                                             const data::Batch& rows) {
  std::vector<ingest::RecordBatch> batches;
  const auto positions = rows.find("position")->values<int64_t>();
  for (int64_t begin = 0; begin < rows.rows();) {
    const auto ordinal_of = [&](int64_t row) {
      return ingest::Position{positions[static_cast<std::size_t>(row)]}.file_ordinal();
    };
    int64_t end = begin + 1;
    while (end < rows.rows() &&
           (source.format != Format::kCsv || ordinal_of(end) == ordinal_of(begin))) {
      ++end;
    }
    Result<ingest::RecordBatch> batch = batch_of(workspace, source, stop, rows.slice(begin, end));
    begin = end;
    if (batch.code() == Code::kNotFound) {
      continue;  // the file is gone, and with it what its columns are called
    }
    ASSAY_RETURN_IF_ERROR(batch.status());
    batches.push_back(*std::move(batch));
  }
  return batches;
}

}  // namespace assay::flow
