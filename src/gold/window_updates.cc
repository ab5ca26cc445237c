#include "gold/window_updates.h"

#include <algorithm>
#include <set>
#include <utility>

#include "data/gather.h"
#include "gold/online_row.h"
#include "gold/window_row.h"
#include "gold/window_view.h"

namespace assay::gold {

WindowUpdates::WindowUpdates(const ViewLayout& layout, const WindowPlan& plan, int64_t until)
    : layout_(layout),
      plan_(plan),
      slide_(layout.slide.micros),
      until_(until),
      first_index_(floor_to(until, slide_) / slide_ - plan.windows.back() / slide_),
      tiles_(plan, inputs_, slide_, first_index_) {}

Result<std::unique_ptr<WindowUpdates>> WindowUpdates::begin(const ViewLayout& layout,
                                                            const WindowPlan& plan,
                                                            const data::Batch& rows,
                                                            std::span<const int64_t> order,
                                                            EventTime applied_until,
                                                            Ways ways) {
  ASSAY_ASSIGN_OR_RETURN(const RowColumns columns, find_row_columns(layout, rows));
  std::set<std::string> names{kEventTime, kKnownTime, "sequence"};
  for (const data::Expression& expression : plan.expressions) {
    names.insert(expression.columns().begin(), expression.columns().end());
  }
  const Result<data::Batch> read = rows.select({names.begin(), names.end()});
  if (!read.ok()) {
    return Status(Code::kInvalidArgument, read.status().message());
  }
  std::unique_ptr<WindowUpdates> updates(
      new WindowUpdates(layout, plan, clamp_instant(applied_until)));
  updates->ways_ = ways;
  std::vector<const data::Column*> read_columns;
  for (int i = 0; i < read->column_count(); ++i) {
    read_columns.push_back(&read->column(i));
  }
  updates->rows_ = data::Batch(read->schema_ptr(),
                               data::take_columns(read_columns, order, 1),
                               static_cast<int64_t>(order.size()));
  ASSAY_ASSIGN_OR_RETURN(updates->inputs_.arguments, evaluate_arguments(plan, updates->rows_));
  updates->inputs_.event_time = updates->rows_.find(kEventTime)->values<int64_t>();
  updates->inputs_.known_time = updates->rows_.find(kKnownTime)->values<int64_t>();
  updates->inputs_.sequence = updates->rows_.find("sequence")->values<int64_t>();
  updates->find_uses(columns, order);
  return updates;
}

void WindowUpdates::find_uses(const RowColumns& columns, std::span<const int64_t> order) {
  RowColumns taken;
  taken.event_time = rows_.find(kEventTime);
  taken.known_time = rows_.find(kKnownTime);
  if (!columns.replaced_time.empty()) {
    for (const int64_t row : order) {
      taken.replaced_time.push_back(columns.replaced_at(row));
    }
  }
  uses_.assign(order.size(), Use::kCounts);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    if (!taken.has_times(row)) {
      uses_[i] = Use::kNever;
    } else if (inputs_.known_time[i] > until_ || taken.replaced_at(row) != kNeverReplaced) {
      uses_[i] = Use::kWaits;
    }
  }
  replaced_time_ = std::move(taken.replaced_time);
}

Status WindowUpdates::update(std::size_t begin,
                             std::size_t end,
                             std::string_view row,
                             RowPageWriter* pages,
                             std::string* updated) {
  if (ways_ == Ways::kBoth && patch(begin, end, row, pages, updated)) {
    ++patched_;
    return {};
  }
  return fold(begin, end, row, pages, updated);
}

/// The tile of an event time; rows that follow each other often share theirs.
int64_t WindowUpdates::tile_of(int64_t event_time) {
  const int64_t into = event_time - last_tile_ * slide_;
  if (into < 0 || into >= slide_) {
    last_tile_ = floor_to(event_time, slide_) / slide_;
  }
  return last_tile_;
}

/// The usual case: all rows count and go into the newest tiles. False when it is another.
bool WindowUpdates::patch(std::size_t begin,
                          std::size_t end,
                          std::string_view row,
                          const RowPageWriter* pages,
                          std::string* updated) {
  places_.clear();
  bool is_sorted = true;
  for (std::size_t i = begin; i < end; ++i) {
    if (uses_[i] != Use::kCounts) {
      return false;
    }
    const int64_t tile = tile_of(inputs_.event_time[i]);
    is_sorted = is_sorted && (places_.empty() || places_.back().tile <= tile);
    places_.push_back({tile, i});
  }
  if (places_.empty()) {
    return false;
  }
  if (!is_sorted) {
    std::sort(places_.begin(), places_.end());
  }
  if (places_.front().tile < first_index_) {
    return false;
  }
  updated->clear();
  std::string_view tiles;
  if (row.empty()) {
    append_online_row_header(updated, OnlineRowKind::kWindow);
    updated->append(2, '\0');  // nothing dropped, nothing pending
  } else {
    const std::optional<SettledRow> settled = open_settled_row(row);
    if (!settled) {
      return false;
    }
    updated->append(settled->head);
    tiles = settled->tiles;
  }
  return tiles_.append_folded(tiles, places_, updated) &&
         (pages == nullptr || updated->size() <= pages->bytes_max());
}

/// Inputs of a row as a pending row holds them.
std::string WindowUpdates::packed_inputs(std::size_t row) const {
  std::string packed;
  for (std::size_t i = 0; i < inputs_.arguments.size(); ++i) {
    const ArgumentColumn& column = inputs_.arguments[i];
    packed.push_back(static_cast<char>(column.counted[row]));
    if (column.counted[row] != 0 && column.values != nullptr) {
      append_input(
          &packed, plan_.arguments[i].type, input_value(*column.values, static_cast<int64_t>(row)));
    }
  }
  return packed;
}

/// Any case.
Status WindowUpdates::fold(std::size_t begin,
                           std::size_t end,
                           std::string_view row,
                           RowPageWriter* pages,
                           std::string* updated) {
  const std::string before(row);  // what it is given may go with the first page that is changed
  std::optional<WindowRow> parts = parse_window_row(layout_, plan_, before);
  if (!parts) {
    return corrupt_online_row(layout_.name);
  }
  std::vector<std::string> inputs(end - begin);
  for (std::size_t i = begin; i < end; ++i) {
    if (uses_[i] != Use::kNever) {
      inputs[i - begin] = packed_inputs(i);
      parts->pending.push_back(
          {{{inputs_.event_time[i], inputs_.known_time[i], inputs_.sequence[i]}, inputs[i - begin]},
           replaced_time_.empty() ? kNeverReplaced : replaced_time_[i]});
    }
  }
  std::sort(parts->pending.begin(), parts->pending.end());

  std::vector<PendingRow> waiting;
  std::vector<RowInputs> counted;
  for (const PendingRow& pending : parts->pending) {
    if (pending.replaced_time <= until_) {
      continue;
    }
    if (pending.order.known_time > until_ || pending.replaced_time != kNeverReplaced) {
      waiting.push_back(pending);
    } else if (floor_to(pending.order.event_time, slide_) / slide_ >= first_index_) {
      counted.push_back(pending);
    } else {
      parts->dropped_newest =
          std::max(parts->dropped_newest, std::optional(pending.order.event_time));
    }
  }
  TileTreeUpdate update(plan_, slide_, first_index_, pages);
  Result<std::string> tiles = update.fold(std::string(parts->tiles), counted);
  if (!tiles.ok()) {
    return tiles.code() == Code::kCorrupt ? corrupt_online_row(layout_.name)
                                          : std::move(tiles).status();
  }
  parts->dropped_newest = std::max(parts->dropped_newest, update.dropped_newest());
  parts->pending = std::move(waiting);
  parts->tiles = *tiles;
  *updated = encode_window_row(layout_, *parts);
  return {};
}

Status WindowView::update_row(const data::Batch& rows,
                              std::span<const int64_t> selected,
                              EventTime applied_until,
                              RowPageWriter* pages,
                              std::string* row) const {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<WindowUpdates> updates,
                         WindowUpdates::begin(layout(), plan_, rows, selected, applied_until));
  std::string updated;
  ASSAY_RETURN_IF_ERROR(updates->update(0, selected.size(), *row, pages, &updated));
  *row = std::move(updated);
  return {};
}

Result<std::unique_ptr<RowUpdates>> WindowView::begin_updates(const data::Batch& rows,
                                                              std::span<const int64_t> order,
                                                              EventTime applied_until) const {
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<WindowUpdates> updates,
                         WindowUpdates::begin(layout(), plan_, rows, order, applied_until));
  return std::unique_ptr<RowUpdates>(std::move(updates));
}

}  // namespace assay::gold
