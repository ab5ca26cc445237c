#pragma once

#include "base/status.h"
#include "catalog/definitions.h"
#include "data/json_lines.h"
#include "ingest/record.h"

namespace assay::bronze {

/// How the records of a bronze table are read.
struct DecoderOptions {
  char delimiter = ',';  // CSV
  int threads = 1;
  bool has_meta = false;           // columns of catalog::kKafkaColumns come from beside the values
  bool decimals_are_text = false;  // Debezium without a schema
  bool reals_may_be_text = false;  // "NaN": of Avro files
};

/// Reads records of any format as a bronze table's declared columns.
///
/// Threads immutable; decode may run on many threads at once, and starts options.threads of its
/// own. The
///         result does not depend on their number.
class RecordDecoder {
 public:
  RecordDecoder(const catalog::BronzeDef& bronze, DecoderOptions options);

  /// The declared columns, in order; those with ! are not nullable, of a table with tombstones only
  /// the key's.
  [[nodiscard]] const data::SchemaPtr& schema() const { return schema_; }

  /// Good rows in record order; rejects in record order, Reject::row is the record number. Records
  /// that were cut at the size limit are rejected with kTooLarge.
  ///
  /// Errors  kInternal: a concatenation of slices failed, a bug of ours.
  [[nodiscard]] Result<data::Decoded> decode(const ingest::RecordBatch& records) const;

 private:
  [[nodiscard]] Result<data::Decoded> decode_values(const ingest::RecordBatch& records) const;
  [[nodiscard]] Result<data::Decoded> add_meta(const ingest::RecordBatch& records,
                                               data::Decoded values) const;

  data::SchemaPtr schema_;  // all declared columns
  bool renames_ = false;    // of some the field has another name
  bool of_changes_ = false;
  data::DecodeOptions options_;  // of those in the values
  data::DecodeOptions meta_;     // of those beside them
  DecoderOptions reading_;
};

/// Decode some records of a text format: `texts`, whose numbers in `records` are `numbers`. Gives
/// rows and rejects by their place in `texts`.
data::Decoded decode_texts(const data::DecodeOptions& columns,
                           const DecoderOptions& reading,
                           const ingest::RecordBatch& records,
                           std::span<const std::string_view> texts,
                           std::span<const int64_t> numbers);

/// Options that read the declared columns of a bronze table: the schema's names are those of the
/// records' fields.
data::DecodeOptions decode_options(const std::vector<catalog::ColumnDef>& columns);

}  // namespace assay::bronze
