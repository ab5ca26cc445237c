// The online row of a view of latest values: the newest visible row, then the rows that were not
// visible yet when they were applied and may become the newest. Rows of which it is known when they
// will be replaced stand beside the newest of those that stay.

#include <algorithm>
#include <iterator>
#include <tuple>

#include "gold/latest_view.h"
#include "gold/online_row.h"
#include "gold/row_value.h"

namespace assay::gold {
namespace {

/// One source row. The order is that of DESIGN section 5; values decide only between rows of equal
/// times and sequence.
struct Record {
  int64_t event_time = 0;
  int64_t known_time = 0;
  int64_t sequence = 0;
  std::string_view values;
  int64_t replaced_time = kNeverReplaced;
  auto operator<=>(const Record&) const = default;
  [[nodiscard]] int64_t visible_time() const { return std::max(event_time, known_time); }
};

void append_record(std::string* out, const ViewLayout& layout, const Record& record) {
  append_signed(out, record.event_time);
  append_signed(out, record.known_time);
  append_signed(out, record.sequence);
  if (layout.of_changes) {
    append_replaced_time(out, record.replaced_time);
  }
  append_text(out, record.values);
}

Record read_record(const ViewLayout& layout, RowReader* reader) {
  Record record;
  record.event_time = reader->signed_varint();
  record.known_time = reader->signed_varint();
  record.sequence = reader->signed_varint();
  if (layout.of_changes) {
    record.replaced_time = read_replaced_time(reader);
  }
  record.values = reader->text();
  if (!is_instant(record.event_time) || !is_instant(record.known_time)) {
    reader->fail();
  }
  return record;
}

/// All records of a row, the newest first if there is one.
Result<std::vector<Record>> parse(const ViewLayout& layout, std::string_view row) {
  std::vector<Record> records;
  if (row.empty()) {
    return records;
  }
  RowReader reader = open_online_row(row, OnlineRowKind::kLatest);
  for (uint64_t count = reader.varint(); count > 0 && !reader.failed(); --count) {
    records.push_back(read_record(layout, &reader));
  }
  if (reader.failed() || !reader.at_end()) {
    return corrupt_online_row(layout.name);
  }
  return records;
}

/// The newest record visible at `now`, or nullptr.
const Record* newest_visible(const std::vector<Record>& records, int64_t now) {
  const Record* newest = nullptr;
  for (const Record& record : records) {
    if (record.visible_time() <= now && now < record.replaced_time &&
        (newest == nullptr || record > *newest)) {
      newest = &record;
    }
  }
  return newest;
}

}  // namespace

void append_row_values(const std::vector<data::ColumnPtr>& columns, int64_t row, std::string* out) {
  for (const data::ColumnPtr& column : columns) {
    out->push_back(column->is_null(row) ? 0 : 1);
    if (column->is_valid(row)) {
      append_row_value(out, *column, row);
    }
  }
}

Result<std::vector<data::Scalar>> read_row_values(const ViewLayout& layout,
                                                  std::string_view bytes) {
  std::vector<data::Scalar> values;
  RowReader reader(bytes);
  for (const data::Field& field : layout.raw->fields()) {
    if (reader.byte() == 0) {
      values.push_back(data::Scalar::null(field.type));
    } else {
      values.push_back(read_row_value(&reader, field.type));
    }
  }
  if (reader.failed() || !reader.at_end()) {
    return corrupt_online_row(layout.name);
  }
  return values;
}

Status LatestView::update_online_row(const data::Batch& rows,
                                     std::span<const int64_t> selected,
                                     EventTime applied_until,
                                     std::string* row) const {
  ASSAY_ASSIGN_OR_RETURN(const RowColumns columns, find_row_columns(layout(), rows));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> features, find_columns(rows));
  ASSAY_ASSIGN_OR_RETURN(std::vector<Record> records, parse(layout(), *row));
  std::vector<std::string> values(selected.size());
  for (std::size_t i = 0; i < selected.size(); ++i) {
    if (!columns.has_times(selected[i])) {
      continue;
    }
    append_row_values(features, selected[i], &values[i]);
    const auto place = static_cast<std::size_t>(selected[i]);
    records.push_back(
        {columns.event_time->values<int64_t>()[place],
         columns.known_time->values<int64_t>()[place],
         columns.sequence->is_valid(selected[i]) ? columns.sequence->values<int64_t>()[place] : 0,
         values[i],
         columns.replaced_at(selected[i])});
  }

  // What is older than the newest visible record that stays can never be the answer again.
  const int64_t until = clamp_instant(applied_until);
  std::erase_if(records, [&](const Record& record) { return record.replaced_time <= until; });
  std::vector<Record> staying;
  std::copy_if(
      records.begin(), records.end(), std::back_inserter(staying), [](const Record& record) {
        return record.replaced_time == kNeverReplaced;
      });
  const Record* newest = newest_visible(staying, until);
  const Record bound = newest != nullptr ? *newest : Record{};
  const bool has_bound = newest != nullptr;
  std::vector<Record> kept;
  for (const Record& record : records) {
    if (!has_bound || record >= bound) {
      kept.push_back(record);
    }
  }
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  std::string out;
  append_online_row_header(&out, OnlineRowKind::kLatest);
  append_varint(&out, kept.size());
  for (const Record& record : kept) {
    append_record(&out, layout(), record);
  }
  *row = std::move(out);
  return {};
}

Result<FeatureValues> LatestView::read_online_row(std::string_view row, EventTime now) const {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<Record> records, parse(layout(), row));
  const Record* newest = newest_visible(records, clamp_instant(now));
  if (newest == nullptr) {
    return make_answer(layout(), std::nullopt, {}, {}, now);
  }
  ASSAY_ASSIGN_OR_RETURN(std::vector<data::Scalar> values,
                         read_row_values(layout(), newest->values));
  return make_answer(layout(), EventTime{newest->event_time}, std::move(values), {}, now);
}

}  // namespace assay::gold
