#include "bronze/decode.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "bronze/cast_rows.h"
#include "bronze/wire_records.h"
#include "catalog/table_schema.h"
#include "data/csv.h"
#include "data/debezium.h"
#include "data/utf8.h"

namespace assay::bronze {
namespace {

constexpr std::size_t kSliceRecordsMin = 512;  // fewer are not worth a thread

/// Records that are whole, and the number each had among all.
struct WholeRecords {
  std::span<const std::string_view> records;  // the batch's own, or those kept
  std::vector<std::string_view> kept;
  std::vector<int64_t> numbers;
  data::Rejects too_large;
  int64_t skipped = 0;

  [[nodiscard]] bool are_all() const { return kept.empty() && skipped == 0 && too_large.empty(); }
};

/// A record with a key and no value says of a table of changes that the key is gone: all its values
/// are null. Of other tables it says nothing, and of Debezium's events the one before it did; what
/// is not read is a record like any other.
WholeRecords whole_records(const ingest::RecordBatch& batch, bool of_changes) {
  const bool keeps_nulls = (of_changes && batch.format != catalog::Format::kDebezium) ||
                           batch.format == catalog::Format::kRaw;
  WholeRecords whole;
  if (batch.oversized.empty() && batch.null_values.empty()) {
    whole.records = batch.records;
    whole.numbers.resize(batch.records.size());
    std::iota(whole.numbers.begin(), whole.numbers.end(), int64_t{0});
    return whole;
  }
  whole.kept.reserve(batch.records.size());
  whole.numbers.reserve(batch.records.size());
  for (std::size_t index = 0; index < batch.records.size(); ++index) {
    const auto number = static_cast<int64_t>(index);
    if (index < batch.oversized.size() && batch.oversized[index]) {
      whole.too_large.push_back({number, data::RejectReason::kTooLarge, ""});
    } else if (index < batch.null_values.size() && batch.null_values[index]) {
      if (!keeps_nulls) {
        ++whole.skipped;
        continue;
      }
      whole.kept.emplace_back("{}");
      whole.numbers.push_back(number);
    } else {
      whole.kept.push_back(batch.records[index]);
      whole.numbers.push_back(number);
    }
  }
  whole.records = whole.kept;
  return whole;
}

/// The values as they came, or null, as the column for them; any other column is null. Text must be
/// UTF-8.
data::Decoded raw_values(const data::DecodeOptions& columns,
                         const ingest::RecordBatch& records,
                         std::span<const std::string_view> texts,
                         std::span<const int64_t> numbers) {
  const std::optional<int> place = columns.schema->find(catalog::kValueColumn);
  const data::Field field =
      place ? columns.schema->field(*place) : data::Field{"", data::Type::kBytes, true};
  data::ColumnBuilder values(field.type);
  data::Decoded decoded;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto number = static_cast<std::size_t>(numbers[i]);
    const bool is_null = number < records.null_values.size() && records.null_values[number];
    const auto refuse = [&](data::RejectReason reason) {
      decoded.rejects.push_back({static_cast<int64_t>(i), reason, field.name});
    };
    if (is_null && !field.nullable) {
      refuse(data::RejectReason::kMissingRequired);
      continue;
    }
    if (field.type == data::Type::kString && !data::is_utf8(texts[i])) {
      refuse(data::RejectReason::kInvalidUtf8);
      continue;
    }
    decoded.record_of_row.push_back(static_cast<int64_t>(i));
    if (is_null) {
      values.append_null();
    } else {
      values.append_text(texts[i]);
    }
  }
  const auto rows = static_cast<int64_t>(decoded.record_of_row.size());
  const data::ColumnPtr kept = values.finish();
  std::vector<data::ColumnPtr> all;
  for (int index = 0; index < columns.schema->size(); ++index) {
    all.push_back(
        index == place
            ? kept
            : data::constant_column(data::Scalar::null(columns.schema->field(index).type), rows));
  }
  decoded.rows = data::Batch(columns.schema, std::move(all), rows);
  return decoded;
}

bool is_meta_column(const std::string& name) {
  return std::count(catalog::kKafkaColumns.begin(), catalog::kKafkaColumns.end(), name) != 0;
}

/// The keys of those records that stand beside their values; nothing where there are none.
std::vector<std::string_view> keys_of(const ingest::RecordBatch& records,
                                      std::span<const int64_t> numbers) {
  std::vector<std::string_view> keys;
  const data::Column* column = records.meta.column_count() == 0
                                   ? nullptr
                                   : records.meta.find(catalog::kKafkaColumns[catalog::kKey]);
  if (column == nullptr || column->size() == 0) {
    return keys;
  }
  for (const int64_t number : numbers) {
    keys.push_back(column->is_null(number) ? std::string_view() : column->text(number));
  }
  return keys;
}

/// Decode records whose texts are in the batch's format, or JSON that they stood for.
data::Decoded decode_plain(const data::DecodeOptions& columns,
                           const DecoderOptions& reading,
                           const ingest::RecordBatch& records,
                           std::span<const std::string_view> texts,
                           std::span<const int64_t> numbers) {
  if (records.format == catalog::Format::kCsv) {
    return data::CsvDecoder(columns, records.header, reading.delimiter).decode(texts);
  }
  if (records.format == catalog::Format::kDebezium) {
    data::DebeziumDecoder decoder(columns, {.decimals_are_text = reading.decimals_are_text});
    return decoder.decode(texts, keys_of(records, numbers));
  }
  if (records.format == catalog::Format::kRaw) {
    return raw_values(columns, records, texts, numbers);
  }
  return data::JsonLinesDecoder(columns).decode(texts);
}

/// Rows of the records that were JSON before, or of the others; by place.
data::Decoded decode_kind(const data::DecodeOptions& columns,
                          const DecoderOptions& reading,
                          const ingest::RecordBatch& records,
                          const UnwrappedRecords& unwrapped,
                          bool was_text,
                          std::span<const int64_t> numbers) {
  std::vector<std::string_view> texts;
  std::vector<int64_t> kept;
  std::vector<int64_t> places;
  for (std::size_t i = 0; i < unwrapped.texts.size(); ++i) {
    if (unwrapped.was_text[i] == was_text) {
      texts.push_back(unwrapped.texts[i]);
      kept.push_back(numbers[unwrapped.places[i]]);
      places.push_back(static_cast<int64_t>(unwrapped.places[i]));
    }
  }
  data::Decoded decoded = decode_plain(columns, reading, records, texts, kept);
  for (int64_t& row : decoded.record_of_row) {
    row = places[static_cast<std::size_t>(row)];
  }
  for (data::Reject& reject : decoded.rejects) {
    reject.row = places[static_cast<std::size_t>(reject.row)];
  }
  return decoded;
}

/// Two decodings of different records of one batch, in the order of the records.
data::Decoded interleave(const data::SchemaPtr& schema, data::Decoded one, data::Decoded other) {
  const data::Batch parts[] = {one.rows, other.rows};
  const data::Batch rows = data::concat(schema, parts).value();
  data::Decoded both;
  both.skipped = one.skipped + other.skipped;
  both.rejects = std::move(one.rejects);
  both.rejects.insert(both.rejects.end(), other.rejects.begin(), other.rejects.end());
  std::vector<int64_t> records = std::move(one.record_of_row);
  records.insert(records.end(), other.record_of_row.begin(), other.record_of_row.end());
  std::vector<int64_t> order(records.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return records[static_cast<std::size_t>(a)] < records[static_cast<std::size_t>(b)];
  });
  both.rows = rows.take(order);
  for (const int64_t row : order) {
    both.record_of_row.push_back(records[static_cast<std::size_t>(row)]);
  }
  return both;
}

/// Slices one after the other as if they had been one.
Result<data::Decoded> join(const data::SchemaPtr& schema,
                           std::vector<data::Decoded> slices,
                           const std::vector<std::size_t>& begins) {
  data::Decoded joined;
  std::vector<data::Batch> batches;
  for (std::size_t index = 0; index < slices.size(); ++index) {
    const auto begin = static_cast<int64_t>(begins[index]);
    batches.push_back(slices[index].rows);
    joined.skipped += slices[index].skipped;
    for (const int64_t record : slices[index].record_of_row) {
      joined.record_of_row.push_back(begin + record);
    }
    for (data::Reject& reject : slices[index].rejects) {
      reject.row += begin;
      joined.rejects.push_back(std::move(reject));
    }
  }
  ASSAY_ASSIGN_OR_RETURN(joined.rows, data::concat(schema, batches));
  return joined;
}

}  // namespace

data::DecodeOptions decode_options(const std::vector<catalog::ColumnDef>& columns) {
  data::DecodeOptions options;
  std::vector<data::Field> fields;
  for (const catalog::ColumnDef& column : columns) {
    fields.push_back({column.field(), column.type, !column.required});
    options.time_units.push_back(column.unit);
    options.column_null_texts.push_back(column.null_texts);
    options.defaults.push_back(column.default_value);
  }
  options.schema = data::make_schema(std::move(fields));
  return options;
}

RecordDecoder::RecordDecoder(const catalog::BronzeDef& bronze, DecoderOptions options)
    : of_changes_(bronze.of_changes), reading_(options) {
  std::vector<catalog::ColumnDef> columns = bronze.columns;
  std::vector<catalog::ColumnDef> values;
  std::vector<catalog::ColumnDef> meta;
  std::vector<data::Field> fields;
  for (catalog::ColumnDef& column : columns) {
    column.required = catalog::is_always_there(bronze, column);
    renames_ = renames_ || !column.from.empty();
    fields.push_back({column.name, column.type, !column.required});
    (options.has_meta && is_meta_column(column.name) ? meta : values).push_back(column);
  }
  schema_ = data::make_schema(std::move(fields));
  options_ = decode_options(values);
  options_.reals_may_be_text = options.reals_may_be_text;
  meta_ = decode_options(meta);
}

Result<data::Decoded> RecordDecoder::decode(const ingest::RecordBatch& records) const {
  ASSAY_ASSIGN_OR_RETURN(data::Decoded decoded, decode_values(records));
  if (meta_.schema->size() != 0) {
    return add_meta(records, std::move(decoded));
  }
  if (renames_) {
    std::vector<data::ColumnPtr> columns;
    for (int index = 0; index < decoded.rows.column_count(); ++index) {
      columns.push_back(decoded.rows.column_ptr(index));
    }
    decoded.rows = data::Batch(schema_, std::move(columns), decoded.rows.rows());
  }
  return decoded;
}

/// The columns beside the values, for those rows whose values could be read. A row that lacks a
/// required one is rejected.
Result<data::Decoded> RecordDecoder::add_meta(const ingest::RecordBatch& records,
                                              data::Decoded values) const {
  data::Decoded meta = cast_rows(meta_, records.meta.take(values.record_of_row));
  data::Decoded joined;
  std::vector<int64_t> kept;
  for (const int64_t row : meta.record_of_row) {
    kept.push_back(row);
    joined.record_of_row.push_back(values.record_of_row[static_cast<std::size_t>(row)]);
  }
  joined.rejects = std::move(values.rejects);
  joined.skipped = values.skipped;
  for (data::Reject& reject : meta.rejects) {
    reject.row = values.record_of_row[static_cast<std::size_t>(reject.row)];
    joined.rejects.push_back(std::move(reject));
  }
  data::sort_by_row(&joined.rejects);
  const data::Batch rows = values.rows.take(kept);
  std::vector<data::ColumnPtr> columns;
  int next_value = 0;
  int next_meta = 0;
  for (int index = 0; index < schema_->size(); ++index) {
    const bool is_meta = is_meta_column(schema_->field(index).name);
    columns.push_back(is_meta ? meta.rows.column_ptr(next_meta++) : rows.column_ptr(next_value++));
  }
  joined.rows = data::Batch(schema_, std::move(columns), rows.rows());
  return joined;
}

Result<data::Decoded> RecordDecoder::decode_values(const ingest::RecordBatch& records) const {
  if (records.format == catalog::Format::kParquet) {
    return cast_rows(options_, records.rows);
  }
  WholeRecords whole = whole_records(records, of_changes_);
  const std::size_t count = whole.records.size();
  const std::size_t slices_max = std::max<std::size_t>(1, count / kSliceRecordsMin);
  const std::size_t slice_count =
      std::min(slices_max, static_cast<std::size_t>(std::max(1, reading_.threads)));
  std::vector<data::Decoded> slices(slice_count);
  std::vector<std::size_t> begins;
  {
    std::vector<std::jthread> threads;
    for (std::size_t index = 0; index < slice_count; ++index) {
      const std::size_t begin = count * index / slice_count;
      const std::size_t end = count * (index + 1) / slice_count;
      begins.push_back(begin);
      const auto decode_slice = [&, index, begin, end] {
        slices[index] = decode_texts(options_,
                                     reading_,
                                     records,
                                     whole.records.subspan(begin, end - begin),
                                     std::span(whole.numbers).subspan(begin, end - begin));
      };
      if (index + 1 == slice_count) {  // the last slice is this thread's own
        decode_slice();
      } else {
        threads.emplace_back(decode_slice);
      }
    }
  }
  if (slice_count == 1 && whole.are_all()) {
    data::sort_by_row(&slices.front().rejects);
    return std::move(slices.front());
  }
  ASSAY_ASSIGN_OR_RETURN(data::Decoded decoded, join(options_.schema, std::move(slices), begins));
  for (int64_t& record : decoded.record_of_row) {
    record = whole.numbers[static_cast<std::size_t>(record)];
  }
  for (data::Reject& reject : decoded.rejects) {
    reject.row = whole.numbers[static_cast<std::size_t>(reject.row)];
  }
  decoded.rejects.insert(decoded.rejects.end(), whole.too_large.begin(), whole.too_large.end());
  decoded.skipped += whole.skipped;
  data::sort_by_row(&decoded.rejects);
  return decoded;
}

data::Decoded decode_texts(const data::DecodeOptions& columns,
                           const DecoderOptions& reading,
                           const ingest::RecordBatch& records,
                           std::span<const std::string_view> texts,
                           std::span<const int64_t> numbers) {
  if (!names_schemas(records)) {
    return decode_plain(columns, reading, records, texts, numbers);
  }
  const UnwrappedRecords unwrapped = unwrap(records, texts);
  data::DecodeOptions options = columns;
  options.reals_may_be_text = true;
  DecoderOptions unwrapping = reading;
  unwrapping.decimals_are_text = true;  // of Avro and Protobuf they have been read by their schema
  data::Decoded decoded = decode_kind(options, unwrapping, records, unwrapped, false, numbers);
  data::Decoded of_text = decode_kind(options, reading, records, unwrapped, true, numbers);
  const auto is_nothing = [](const data::Decoded& some) {
    return some.record_of_row.empty() && some.rejects.empty() && some.skipped == 0;
  };
  if (is_nothing(decoded)) {
    decoded = std::move(of_text);
  } else if (!is_nothing(of_text)) {
    decoded = interleave(columns.schema, std::move(decoded), std::move(of_text));
  }
  decoded.rejects.insert(decoded.rejects.end(), unwrapped.rejects.begin(), unwrapped.rejects.end());
  data::sort_by_row(&decoded.rejects);
  return decoded;
}

}  // namespace assay::bronze
