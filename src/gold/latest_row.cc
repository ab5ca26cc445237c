// The online row of a view of latest values: the newest visible row, then the rows that were not
// visible yet when they were applied and may become the newest. Rows of which it is known when they
// will be replaced stand beside the newest of those that stay.

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>

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

/// Call `take` with each record of a row.
template <typename Take>
Status each_record(const ViewLayout& layout, std::string_view row, const Take& take) {
  if (row.empty()) {
    return {};
  }
  RowReader reader = open_online_row(row, OnlineRowKind::kLatest);
  for (uint64_t count = reader.varint(); count > 0 && !reader.failed(); --count) {
    take(read_record(layout, &reader));
  }
  return reader.failed() || !reader.at_end() ? corrupt_online_row(layout.name) : Status();
}

/// Whether a record may be the newest at an instant.
bool is_seen(const Record& record, int64_t now) {
  return record.visible_time() <= now && now < record.replaced_time;
}

/// Keeps the newest of the records that are visible at an instant.
class Newest {
 public:
  explicit Newest(int64_t now) : now_(now) {}
  void see(const Record& record) {
    if (is_seen(record, now_) && (!found_.has_value() || record > *found_)) {
      found_ = record;
    }
  }
  [[nodiscard]] const std::optional<Record>& found() const { return found_; }

 private:
  int64_t now_;
  std::optional<Record> found_;
};

/// A float64 that is there.
void append_double(double value, std::string* out) {
  std::array<char, 1 + sizeof(value)> bytes{1};
  std::memcpy(&bytes[1], &value, sizeof(value));
  out->append(bytes.data(), bytes.size());
}

/// Updates of rows from one batch, the columns of which are found once.
class LatestUpdates final : public RowUpdates {
 public:
  LatestUpdates(const ViewLayout& layout,
                RowColumns columns,
                std::vector<data::ColumnPtr> features,
                std::span<const int64_t> order,
                int64_t until)
      : layout_(layout),
        columns_(std::move(columns)),
        features_(std::move(features)),
        order_(order),
        until_(until) {
    for (const data::ColumnPtr& feature : features_) {
      const bool is_plain = feature->type() == data::TypeId::kFloat64 && feature->null_count() == 0;
      doubles_.push_back(is_plain ? feature->values<double>().data() : nullptr);
    }
  }

  Status update(std::size_t begin,
                std::size_t end,
                std::string_view row,
                RowPageWriter* /*pages*/,
                std::string* updated) override {
    records_.clear();
    ASSAY_RETURN_IF_ERROR(
        each_record(layout_, row, [&](const Record& record) { records_.push_back(record); }));
    add_rows(order_.subspan(begin, end - begin));
    if (end + kAhead < order_.size()) {
      fetch(order_[end + kAhead]);
    }
    // What is older than the newest visible record that stays can never be the answer again.
    std::erase_if(records_, [&](const Record& record) { return record.replaced_time <= until_; });
    Newest newest(until_);
    for (const Record& record : records_) {
      if (record.replaced_time == kNeverReplaced) {
        newest.see(record);
      }
    }
    const std::optional<Record>& bound = newest.found();
    std::erase_if(records_,
                  [&](const Record& record) { return bound.has_value() && record < *bound; });
    std::sort(records_.begin(), records_.end());
    records_.erase(std::unique(records_.begin(), records_.end()), records_.end());
    updated->clear();
    append_online_row_header(updated, OnlineRowKind::kLatest);
    append_varint(updated, records_.size());
    for (const Record& record : records_) {
      append_record(updated, layout_, record);
    }
    return {};
  }

 private:
  static constexpr std::size_t kAhead = 4;

  /// Bring the values of a row near: of many features each is elsewhere.
  void fetch(int64_t row) const {
    for (const double* const values : doubles_) {
      if (values != nullptr) {
        __builtin_prefetch(values + row);
      }
    }
  }
  /// What append_row_values appends.
  void append_values(int64_t row) {
    for (std::size_t i = 0; i < features_.size(); ++i) {
      if (doubles_[i] != nullptr) {
        append_double(doubles_[i][row], &values_);
      } else {
        append_row_values({&features_[i], 1}, row, &values_);
      }
    }
  }
  void add_rows(std::span<const int64_t> rows) {
    values_.clear();
    ends_.clear();
    for (const int64_t row : rows) {
      if (columns_.has_times(row)) {
        append_values(row);
      }
      ends_.push_back(values_.size());
    }
    std::size_t begin = 0;
    for (std::size_t i = 0; i < rows.size(); begin = ends_[i++]) {
      if (!columns_.has_times(rows[i])) {
        continue;
      }
      const auto place = static_cast<std::size_t>(rows[i]);
      records_.push_back(
          {columns_.event_time->values<int64_t>()[place],
           columns_.known_time->values<int64_t>()[place],
           columns_.sequence->is_valid(rows[i]) ? columns_.sequence->values<int64_t>()[place] : 0,
           std::string_view(values_).substr(begin, ends_[i] - begin),
           columns_.replaced_at(rows[i])});
    }
  }

  const ViewLayout& layout_;
  const RowColumns columns_;
  const std::vector<data::ColumnPtr> features_;
  std::vector<const double*> doubles_;  // of a feature that is plain numbers; else nullptr
  const std::span<const int64_t> order_;
  const int64_t until_;
  std::vector<Record> records_;
  std::string values_;
  std::vector<std::size_t> ends_;
};

}  // namespace

void append_row_values(std::span<const data::ColumnPtr> columns, int64_t row, std::string* out) {
  for (const data::ColumnPtr& column : columns) {
    if (column->is_null(row)) {
      out->push_back(0);
    } else {
      out->push_back(1);
      append_row_value(out, *column, row);
    }
  }
}

Result<std::vector<data::Scalar>> read_row_values(const ViewLayout& layout,
                                                  std::string_view bytes) {
  std::vector<data::Scalar> values;
  values.reserve(layout.raw->fields().size());
  RowReader reader(bytes);
  for (const data::Field& field : layout.raw->fields()) {
    const bool is_null = reader.byte() == 0;
    if (!is_null && field.type == data::TypeId::kFloat64) {  // the most frequent one, in its place
      data::Scalar& value = values.emplace_back();
      value.type = field.type;
      value.value.emplace<double>(std::bit_cast<double>(reader.fixed64()));
    } else {
      values.push_back(is_null ? data::Scalar::null(field.type)
                               : read_row_value(&reader, field.type));
    }
  }
  if (reader.failed() || !reader.at_end()) {
    return corrupt_online_row(layout.name);
  }
  return values;
}

std::vector<LatestView::FlatField> LatestView::flat_fields() const {
  using Kind = FlatField::Kind;
  const std::vector<data::Field>& fields = layout().raw->fields();
  std::vector<FlatField> flat(fields.size());
  for (std::size_t i = flat.size(); i-- > 0;) {
    const data::Type& type = fields[i].type;
    flat[i].kind = data::is_text(type)                                       ? Kind::kText
                   : data::is_real(type)                                     ? Kind::kReal
                   : data::is_nested(type) || type == data::TypeId::kDecimal ? Kind::kOther
                   : type == data::TypeId::kBool                             ? Kind::kBool
                                                                             : Kind::kInteger;
    const bool as_next = i + 1 < flat.size() && flat[i + 1].kind == flat[i].kind;
    flat[i].alike = as_next ? flat[i + 1].alike + 1 : 1;
  }
  return flat;
}

bool LatestView::read_flat_values(std::string_view bytes,
                                  std::size_t at,
                                  data::FlatValues* values) const {
  using Kind = FlatField::Kind;
  uint64_t* const words = values->words(at);
  RowReader reader(bytes);
  for (std::size_t i = 0; i < flat_.size();) {
    if (flat_[i].kind == Kind::kReal) {
      const std::size_t reals = reader.present_words(words + i, flat_[i].alike);
      if (reals != 0) {
        i += reals;
        continue;
      }
    }
    if (reader.byte() == 0) {
      *values->statuses(at + i++) = data::FeatureStatus::kNullValue;
      continue;
    }
    switch (flat_[i].kind) {
      case Kind::kInteger:
        words[i] = static_cast<uint64_t>(reader.signed_varint());
        break;
      case Kind::kReal:
        words[i] = reader.fixed64();
        break;
      case Kind::kBool:
        words[i] = reader.signed_varint() != 0 ? 1 : 0;
        break;
      case Kind::kText:
        values->set_text(at + i, reader.text());
        break;
      case Kind::kOther:
        if (const data::Scalar value = read_row_value(&reader, layout().raw->fields()[i].type);
            !reader.failed()) {
          values->set(at + i, value);
        }
        break;
    }
    ++i;
  }
  return !reader.failed() && reader.at_end();
}

Status LatestView::read_flat_row(std::string_view row,
                                 EventTime now,
                                 const RowPages& pages,
                                 data::FlatValues* values) const {
  if (!layout().computed.empty()) {
    return FeatureView::read_flat_row(row, now, pages, values);
  }
  const std::size_t count = layout().features.size();
  const int64_t instant = clamp_instant(now);
  std::optional<Record> several;  // the newest of them
  Record only;
  const Record* found = nullptr;
  RowReader reader = open_online_row(row, OnlineRowKind::kLatest);
  if (!row.empty() && reader.varint() == 1) {  // nearly always; it is not copied then
    only = read_record(layout(), &reader);
    if (reader.failed() || !reader.at_end()) {
      return corrupt_online_row(layout().name);
    }
    found = is_seen(only, instant) ? &only : nullptr;
  } else {
    Newest newest(instant);
    ASSAY_RETURN_IF_ERROR(
        each_record(layout(), row, [&](const Record& record) { newest.see(record); }));
    several = newest.found();
    found = several.has_value() ? &*several : nullptr;
  }
  if (found == nullptr) {
    values->add_row(count, data::FeatureStatus::kNotFound, {});
    return {};
  }
  const EventTime time{found->event_time};
  const data::FlatValues::Size before = values->size();
  const std::size_t at = values->add_row(count, data::FeatureStatus::kPresent, time);
  if (!read_flat_values(found->values, at, values)) {
    values->shrink(before);
    return corrupt_online_row(layout().name);
  }
  if (is_too_old(layout(), time, now)) {
    std::fill_n(values->statuses(at), count, data::FeatureStatus::kOutsideMaxAge);
  }
  return {};
}

Status LatestView::update_online_row(const data::Batch& rows,
                                     std::span<const int64_t> selected,
                                     EventTime applied_until,
                                     std::string* row) const {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<RowUpdates> updates,
                         begin_updates(rows, selected, applied_until));
  std::string updated;
  ASSAY_RETURN_IF_ERROR(updates->update(0, selected.size(), *row, nullptr, &updated));
  *row = std::move(updated);
  return {};
}

Result<std::unique_ptr<RowUpdates>> LatestView::begin_updates(const data::Batch& rows,
                                                              std::span<const int64_t> order,
                                                              EventTime applied_until) const {
  ASSAY_ASSIGN_OR_RETURN(RowColumns columns, find_row_columns(layout(), rows));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> features, find_columns(rows));
  return std::unique_ptr<RowUpdates>(std::make_unique<LatestUpdates>(
      layout(), std::move(columns), features, order, clamp_instant(applied_until)));
}

Result<FeatureValues> LatestView::read_online_row(std::string_view row, EventTime now) const {
  Newest newest(clamp_instant(now));
  ASSAY_RETURN_IF_ERROR(
      each_record(layout(), row, [&](const Record& record) { newest.see(record); }));
  if (!newest.found().has_value()) {
    return make_answer(layout(), std::nullopt, {}, {}, now);
  }
  ASSAY_ASSIGN_OR_RETURN(std::vector<data::Scalar> values,
                         read_row_values(layout(), newest.found()->values));
  return make_answer(layout(), EventTime{newest.found()->event_time}, std::move(values), {}, now);
}

}  // namespace assay::gold
