#include "ingest/record.h"

namespace assay::ingest {

RecordBatch select_records(const RecordBatch& batch, const std::vector<int64_t>& records) {
  RecordBatch some;
  some.source = batch.source;
  some.file = batch.file;
  some.format = batch.format;
  some.received = batch.received;
  some.memory = batch.memory;
  some.parts = batch.parts;
  some.schemas = batch.schemas;
  for (const int64_t record : records) {
    const auto i = static_cast<std::size_t>(record);
    some.records.push_back(batch.records[i]);
    some.lines.push_back(batch.lines[i]);
    some.positions.push_back(batch.positions[i]);
    some.part_of.push_back(batch.part_of[i]);
    if (!batch.oversized.empty()) {
      some.oversized.push_back(batch.oversized[i]);
    }
    if (!batch.null_values.empty()) {
      some.null_values.push_back(batch.null_values[i]);
    }
  }
  if (!records.empty()) {
    some.first = {some.positions.front()};
    some.end = {some.positions.back() + 1};
  }
  some.meta = batch.meta.rows() > 0 ? batch.meta.take(records) : batch.meta;
  return some;
}

}  // namespace assay::ingest
