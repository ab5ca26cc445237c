#include "gold/window_updates.h"

#include <algorithm>
#include <numeric>
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
  updates->take_rows(*read, columns.replaced_time, order);
  ASSAY_ASSIGN_OR_RETURN(updates->inputs_.arguments, evaluate_arguments(plan, updates->rows_));
  updates->inputs_.event_time = updates->rows_.find(kEventTime)->values<int64_t>();
  updates->inputs_.known_time = updates->rows_.find(kKnownTime)->values<int64_t>();
  updates->inputs_.sequence = updates->rows_.find("sequence")->values<int64_t>();
  updates->find_uses();
  updates->find_fetched_columns();
  return updates;
}

/// The rows as they are, or those of `order` alone when these are few of many.
void WindowUpdates::take_rows(data::Batch rows,
                              const std::vector<int64_t>& replaced_time,
                              std::span<const int64_t> order) {
  order_ = order;
  if (order.size() >= static_cast<std::size_t>(rows.rows()) / 2) {
    rows_ = std::move(rows);
    replaced_time_ = replaced_time;
    return;
  }
  std::vector<const data::Column*> columns;
  for (int i = 0; i < rows.column_count(); ++i) {
    columns.push_back(&rows.column(i));
  }
  rows_ = data::Batch(
      rows.schema_ptr(), data::take_columns(columns, order, 1), static_cast<int64_t>(order.size()));
  if (!replaced_time.empty()) {
    for (const int64_t row : order) {
      replaced_time_.push_back(replaced_time[static_cast<std::size_t>(row)]);
    }
  }
  own_order_.resize(order.size());
  std::iota(own_order_.begin(), own_order_.end(), 0);
  order_ = own_order_;
}

void WindowUpdates::find_uses() {
  RowColumns columns;
  columns.event_time = rows_.find(kEventTime);
  columns.known_time = rows_.find(kKnownTime);
  columns.replaced_time = std::move(replaced_time_);
  if (!all_count(columns)) {
    uses_.assign(static_cast<std::size_t>(rows_.rows()), Use::kCounts);
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (!columns.has_times(row)) {
        uses_[i] = Use::kNever;
      } else if (inputs_.known_time[i] > until_ || columns.replaced_at(row) != kNeverReplaced) {
        uses_[i] = Use::kWaits;
      }
    }
  }
  replaced_time_ = std::move(columns.replaced_time);
}

/// Whether all rows have times and are known, and none is ever replaced.
bool WindowUpdates::all_count(const RowColumns& columns) const {
  if (columns.event_time->null_count() != 0 || columns.known_time->null_count() != 0 ||
      !columns.replaced_time.empty()) {
    return false;
  }
  const int64_t first = kFirstInstant.micros;
  const int64_t last_event = kEndInstant.micros - 1;
  const int64_t last_known = std::min(until_, last_event);
  unsigned others = 0;
  for (std::size_t i = 0; i < inputs_.event_time.size(); ++i) {
    const int64_t event = inputs_.event_time[i];
    const int64_t known = inputs_.known_time[i];
    others |= static_cast<unsigned>(event < first) | static_cast<unsigned>(event > last_event) |
              static_cast<unsigned>(known < first) | static_cast<unsigned>(known > last_known);
  }
  return others == 0;
}

void WindowUpdates::find_fetched_columns() {
  const auto add = [&](const auto& values) {
    fetched_columns_.push_back({reinterpret_cast<const char*>(values.data()), sizeof(values[0])});
  };
  add(inputs_.event_time);
  if (!uses_.empty()) {
    add(uses_);
  }
  for (const ArgumentColumn& column : inputs_.arguments) {
    if (!column.all_count) {
      add(column.counted);
    }
    const int width = column.values == nullptr ? 0 : data::value_width(column.values->type());
    if (width > 0) {
      fetched_columns_.push_back(
          {reinterpret_cast<const char*>(column.values->value_buffer().data()),
           static_cast<std::size_t>(width)});
    }
  }
}

/// Have the rows that come after place `at` of the order on their way into the cache: an entity's
/// rows lie anywhere.
void WindowUpdates::fetch_behind(std::size_t at) {
  constexpr std::size_t kRowsAhead = 64;
  const std::size_t until = std::min(order_.size(), at + kRowsAhead);
  for (fetched_ = std::max(fetched_, at); fetched_ < until; ++fetched_) {
    const auto row = static_cast<std::size_t>(order_[fetched_]);
    for (const FetchedColumn& column : fetched_columns_) {
      __builtin_prefetch(column.values + row * column.width);
    }
  }
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
  if (ways_ == Ways::kBoth && wait(begin, end, row, updated)) {
    ++waited_;
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
    fetch_behind(i);
    const auto number = static_cast<std::size_t>(order_[i]);
    if (!uses_.empty() && uses_[number] != Use::kCounts) {
      return false;
    }
    const int64_t tile = tile_of(inputs_.event_time[number]);
    is_sorted = is_sorted && (places_.empty() || places_.back().tile <= tile);
    places_.push_back({tile, number});
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

/// Behind a stream, where what comes is newer than what is settled: no row counts yet, none that
/// waits is known by now, and all stand in order. False when it is another case.
bool WindowUpdates::wait(std::size_t begin,
                         std::size_t end,
                         std::string_view row,
                         std::string* updated) {
  if (layout_.of_changes || uses_.empty()) {
    return false;
  }
  waiting_.clear();
  for (std::size_t i = begin; i < end; ++i) {
    fetch_behind(i);
    const auto number = static_cast<std::size_t>(order_[i]);
    if (uses_[number] == Use::kCounts) {
      return false;
    }
    if (uses_[number] == Use::kWaits) {
      waiting_.emplace_back(inputs_.order_of_row(number), number);
    }
  }
  std::sort(waiting_.begin(), waiting_.end());
  const auto are_alike = [](const auto& a, const auto& b) { return a.first == b.first; };
  if (waiting_.empty() ||
      std::adjacent_find(waiting_.begin(), waiting_.end(), are_alike) != waiting_.end()) {
    return false;
  }
  updated->clear();
  WaitingRow before;
  if (row.empty()) {
    append_online_row_header(updated, OnlineRowKind::kWindow);
    updated->push_back(0);  // nothing dropped
  } else {
    const std::optional<WaitingRow> found = open_waiting_row(layout_, plan_, row, until_);
    if (!found || (found->count > 0 && found->last >= waiting_.front().first) ||
        may_drop_tiles(found->tiles)) {
      return false;
    }
    before = *found;
    updated->append(before.head);
  }
  append_varint(updated, before.count + waiting_.size());
  updated->append(before.pending);
  for (const auto& [order, number] : waiting_) {
    append_signed(updated, order.event_time);
    append_signed(updated, order.known_time);
    append_signed(updated, order.sequence);
    append_inputs(number, updated);
  }
  updated->append(before.tiles);
  return true;
}

/// Whether there are tiles that no window reaches any more, or bytes that are no tree.
bool WindowUpdates::may_drop_tiles(std::string_view root) const {
  if (root.empty()) {
    return false;
  }
  std::optional<TileNode> node = open_tile_node(root, slide_);
  bool may_drop = !node.has_value();
  while (const TileItem* const group = may_drop ? nullptr : node->groups.next()) {
    may_drop = group->oldest < first_index_;
  }
  return may_drop || node->groups.failed();
}

/// Inputs of a row as a pending row holds them.
void WindowUpdates::append_inputs(std::size_t row, std::string* out) const {
  for (std::size_t i = 0; i < inputs_.arguments.size(); ++i) {
    const ArgumentColumn& column = inputs_.arguments[i];
    out->push_back(static_cast<char>(column.counted[row]));
    if (column.counted[row] != 0 && column.values != nullptr) {
      append_input(
          out, plan_.arguments[i].type, input_value(*column.values, static_cast<int64_t>(row)));
    }
  }
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
    const auto number = static_cast<std::size_t>(order_[i]);
    if (uses_.empty() || uses_[number] != Use::kNever) {
      append_inputs(number, &inputs[i - begin]);
      parts->pending.push_back({{inputs_.order_of_row(number), inputs[i - begin]},
                                replaced_time_.empty() ? kNeverReplaced : replaced_time_[number]});
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
