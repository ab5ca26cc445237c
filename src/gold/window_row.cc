// The online row of a window view: tiles, one per slide that has events, each with the state of
// every primitive. A read merges tiles from the newest backwards; at each window's edge the running
// state is that window's. Every tile is merged once, whatever the number of windows.
//
//   now                        e = floor(now / s) * s
//    |<- open slide ->|<----------------- window W ----------------->|
//    [ tile (skipped) ][ tile ][ tile ]   ...                 [ tile ]   ... dropped
//
// Rows not yet known wait in the pending list, as inputs; a read takes those that are known at
// `now`. So do rows of which it is known when they will be replaced.

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "gold/online_row.h"
#include "gold/window_value.h"
#include "gold/window_view.h"

namespace assay::gold {
namespace {

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

/// A row that was not known yet when it was applied.
struct PendingRow {
  RowOrder order;
  std::string_view inputs;  // per argument: 1 and the value, or 0
  int64_t replaced_time = kNeverReplaced;
  auto operator<=>(const PendingRow&) const = default;
};

struct Tile {
  int64_t index = 0;         // start / slide
  std::string_view payload;  // newest event's distance from the start, then states
};

/// An online row in parts; the views point into its bytes.
struct WindowRow {
  std::optional<int64_t> dropped_newest;  // newest event time of dropped tiles
  std::vector<PendingRow> pending;
  std::vector<Tile> tiles;  // newest first
};

/// Step over the inputs of one pending row.
std::string_view read_inputs(const WindowPlan& plan, std::string_view rest, RowReader* reader) {
  const uint64_t before = reader->remaining();
  for (const Argument& argument : plan.arguments) {
    if (reader->byte() != 0 && argument.of >= 0) {
      (void)read_input(reader, argument.type);
    }
  }
  return rest.substr(0, static_cast<std::size_t>(before - reader->remaining()));
}

std::string_view rest_of(std::string_view row, const RowReader& reader) {
  return row.substr(row.size() - static_cast<std::size_t>(reader.remaining()));
}

void read_pending(const ViewLayout& layout,
                  const WindowPlan& plan,
                  std::string_view row,
                  RowReader* reader,
                  WindowRow* parts) {
  for (uint64_t count = reader->varint(); count > 0 && !reader->failed(); --count) {
    PendingRow pending;
    pending.order.event_time = reader->signed_varint();
    pending.order.known_time = reader->signed_varint();
    pending.order.sequence = reader->signed_varint();
    if (layout.of_changes) {
      pending.replaced_time = read_replaced_time(reader);
    }
    pending.inputs = read_inputs(plan, rest_of(row, *reader), reader);
    if (!is_instant(pending.order.event_time) || !is_instant(pending.order.known_time)) {
      reader->fail();
    }
    parts->pending.push_back(pending);
  }
}

/// Reads tiles one after the other, newest first.
class TileReader {
 public:
  TileReader(RowReader* reader, int64_t slide)
      : reader_(reader),
        left_(reader->varint()),
        index_min_(floor_to(kFirstInstant.micros, slide) / slide),
        index_max_(kEndInstant.micros / slide) {}
  std::optional<Tile> next() {
    if (left_ == 0 || reader_->failed()) {
      return std::nullopt;
    }
    --left_;
    // Indices descend; in unsigned arithmetic, so that damaged bytes cannot overflow.
    if (first_) {
      index_ = static_cast<uint64_t>(reader_->signed_varint());
      first_ = false;
    } else {
      index_ -= reader_->varint();
    }
    const auto index = static_cast<int64_t>(index_);
    if (index < index_min_ || index > index_max_) {
      reader_->fail();
      return std::nullopt;
    }
    const std::string_view payload = reader_->text();
    return Tile{index, payload};
  }

 private:
  RowReader* reader_;
  uint64_t left_;
  const int64_t index_min_;
  const int64_t index_max_;
  uint64_t index_ = 0;
  bool first_ = true;
};

std::optional<int64_t> read_dropped_newest(RowReader* reader) {
  if (reader->byte() == 0) {
    return std::nullopt;
  }
  const int64_t time = reader->signed_varint();
  if (!is_instant(time)) {
    reader->fail();
  }
  return time;
}

Result<WindowRow> parse(const ViewLayout& layout, const WindowPlan& plan, std::string_view row) {
  WindowRow parts;
  if (row.empty()) {
    return parts;
  }
  RowReader reader = open_online_row(row, OnlineRowKind::kWindow);
  parts.dropped_newest = read_dropped_newest(&reader);
  read_pending(layout, plan, row, &reader, &parts);
  TileReader tiles(&reader, layout.slide.micros);
  while (const std::optional<Tile> tile = tiles.next()) {
    parts.tiles.push_back(*tile);
  }
  if (reader.failed() || !reader.at_end()) {
    return corrupt_online_row(layout.name);
  }
  return parts;
}

/// Newest event time inside a tile.
int64_t read_newest(const Tile& tile, int64_t slide, RowReader* payload) {
  const uint64_t distance = payload->varint();
  if (distance >= static_cast<uint64_t>(slide)) {
    payload->fail();
    return tile.index * slide;
  }
  return tile.index * slide + static_cast<int64_t>(distance);
}

/// Add the inputs of one row to states.
void add_inputs(const WindowPlan& plan,
                const PendingRow& row,
                std::vector<AggregateState>* states) {
  RowReader reader(row.inputs);
  for (std::size_t argument = 0; argument < plan.arguments.size(); ++argument) {
    if (reader.byte() == 0) {
      continue;
    }
    InputValue value;
    if (plan.arguments[argument].of >= 0) {
      value = read_input(&reader, plan.arguments[argument].type);
    }
    for (std::size_t i = 0; i < plan.primitives.size(); ++i) {
      if (at(plan.primitives[i].argument) == argument) {
        (*states)[i].add(value, row.order);
      }
    }
  }
}

std::vector<AggregateState> fresh_states(const WindowPlan& plan) {
  std::vector<AggregateState> states;
  states.reserve(plan.primitives.size());
  for (const Primitive& primitive : plan.primitives) {
    states.emplace_back(primitive);
  }
  return states;
}

/// The tiles that an update touches, with their states unpacked.
class TileUpdate {
 public:
  TileUpdate(const WindowPlan& plan, int64_t slide, const WindowRow& row)
      : plan_(plan), slide_(slide), row_(row) {}

  /// Fold one row's inputs into its tile.
  void fold(const PendingRow& row) {
    const int64_t event_time = row.order.event_time;
    const int64_t index = floor_to(event_time, slide_) / slide_;
    const auto [place, is_new] = touched_.try_emplace(index, Touched{event_time, {}});
    Touched& tile = place->second;
    if (is_new) {
      tile.states = fresh_states(plan_);
      load(index, &tile);
    }
    tile.newest = std::max(tile.newest, event_time);
    add_inputs(plan_, row, &tile.states);
  }

  [[nodiscard]] bool failed() const { return failed_; }

  /// All tiles from index `first` on, newest first, appended to `out`.
  void append_tiles(int64_t first, std::string* out) {
    std::map<int64_t, std::string> packed;
    std::vector<Tile> all;
    for (const auto& [index, tile] : touched_) {
      std::string& payload = packed[index];
      append_varint(&payload, static_cast<uint64_t>(tile.newest - index * slide_));
      for (const AggregateState& state : tile.states) {
        state.encode(&payload);
      }
      all.push_back({index, payload});
    }
    for (const Tile& tile : row_.tiles) {
      if (touched_.count(tile.index) == 0) {
        all.push_back(tile);
      }
    }
    all.erase(
        std::remove_if(all.begin(), all.end(), [&](const Tile& t) { return t.index < first; }),
        all.end());
    std::sort(
        all.begin(), all.end(), [](const Tile& a, const Tile& b) { return a.index > b.index; });
    append_varint(out, all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i == 0) {
        append_signed(out, all[i].index);
      } else {
        append_varint(out, static_cast<uint64_t>(all[i - 1].index - all[i].index));
      }
      append_text(out, all[i].payload);
    }
  }

 private:
  struct Touched {
    int64_t newest = 0;
    std::vector<AggregateState> states;
  };

  void load(int64_t index, Touched* tile) {
    const auto found =
        std::lower_bound(row_.tiles.begin(), row_.tiles.end(), index, [](const Tile& t, int64_t i) {
          return t.index > i;
        });
    if (found == row_.tiles.end() || found->index != index) {
      return;
    }
    RowReader payload(found->payload);
    tile->newest = std::max(tile->newest, read_newest(*found, slide_, &payload));
    for (AggregateState& state : tile->states) {
      state.merge_encoded(&payload);
    }
    failed_ = failed_ || payload.failed();
  }

  const WindowPlan& plan_;
  const int64_t slide_;
  const WindowRow& row_;
  std::map<int64_t, Touched> touched_;
  bool failed_ = false;
};

/// Inputs of every selected row as a pending row holds them.
Result<std::vector<std::string>> pack_inputs(const WindowPlan& plan, const data::Batch& rows) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<ArgumentColumn> columns, evaluate_arguments(plan, rows));
  std::vector<std::string> packed(static_cast<std::size_t>(rows.rows()));
  for (std::size_t row = 0; row < packed.size(); ++row) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      packed[row].push_back(static_cast<char>(columns[i].counted[row]));
      if (columns[i].counted[row] != 0 && columns[i].values != nullptr) {
        append_input(&packed[row],
                     plan.arguments[i].type,
                     input_value(*columns[i].values, static_cast<int64_t>(row)));
      }
    }
  }
  return packed;
}

/// Merges what a read needs and keeps the values of each window as its edge is passed.
class WindowRead {
 public:
  WindowRead(const ViewLayout& layout, const WindowPlan& plan, int64_t now)
      : layout_(layout),
        plan_(plan),
        slide_(layout.slide.micros),
        now_(now),
        end_index_(floor_to(now, slide_) / slide_),
        states_(fresh_states(plan)),
        values_(plan.outputs.size()) {}

  /// False when the bytes are no online row.
  bool run(std::string_view row) {
    RowReader reader = open_online_row(row, OnlineRowKind::kWindow);
    newest_ = read_dropped_newest(&reader);
    WindowRow parts;
    read_pending(layout_, plan_, row, &reader, &parts);
    if (reader.failed()) {
      return false;
    }
    take_pending(parts.pending);
    TileReader tiles(&reader, slide_);
    while (const std::optional<Tile> tile = tiles.next()) {
      if (tile->index >= end_index_) {
        continue;
      }
      RowReader payload(tile->payload);
      newest_ =
          std::max(newest_.value_or(kFirstInstant.micros), read_newest(*tile, slide_, &payload));
      close_windows_after(tile->index);
      if (next_window_ == plan_.windows.size()) {
        return !payload.failed();
      }
      for (AggregateState& state : states_) {
        state.merge_encoded(&payload);
      }
      if (payload.failed()) {
        return false;
      }
    }
    while (next_window_ < plan_.windows.size()) {
      close_window();
    }
    return !reader.failed();
  }

  [[nodiscard]] std::optional<EventTime> newest() const {
    return newest_ ? std::optional(EventTime{*newest_}) : std::nullopt;
  }
  [[nodiscard]] std::vector<data::Scalar> take_values() { return std::move(values_); }
  /// Names of the features whose value does not fit.
  [[nodiscard]] std::vector<std::string> overflowed(const data::Schema& raw) const {
    std::vector<std::string> names;
    for (const std::size_t output : overflowed_) {
      names.push_back(raw.field(static_cast<int>(output)).name);
    }
    return names;
  }

 private:
  /// Keep the rows that count at `now`, oldest first.
  void take_pending(const std::vector<PendingRow>& pending) {
    for (const PendingRow& row : pending) {
      if (row.order.known_time <= now_ && now_ < row.replaced_time &&
          floor_to(row.order.event_time, slide_) / slide_ < end_index_) {
        newest_ = std::max(newest_.value_or(kFirstInstant.micros), row.order.event_time);
        visible_.push_back(row);
      }
    }
    std::sort(visible_.begin(), visible_.end());
  }

  [[nodiscard]] int64_t first_index(std::size_t window) const {
    return end_index_ - plan_.windows[window] / slide_;
  }

  /// Close every window that begins after the tile.
  void close_windows_after(int64_t index) {
    while (next_window_ < plan_.windows.size() && index < first_index(next_window_)) {
      close_window();
    }
  }

  void close_window() {
    const int64_t begin = first_index(next_window_) * slide_;
    while (!visible_.empty() && visible_.back().order.event_time >= begin) {
      add_inputs(plan_, visible_.back(), &states_);
      visible_.pop_back();
    }
    for (std::size_t i = 0; i < plan_.outputs.size(); ++i) {
      if (at(plan_.outputs[i].window) == next_window_) {
        values_[i] = value_of(plan_.outputs[i], states_);
        if (overflows(plan_.outputs[i], states_)) {
          overflowed_.push_back(i);
        }
      }
    }
    ++next_window_;
  }

  const ViewLayout& layout_;
  const WindowPlan& plan_;
  const int64_t slide_;
  const int64_t now_;
  const int64_t end_index_;  // tiles before it have ended
  std::vector<PendingRow> visible_;
  std::optional<int64_t> newest_;
  std::vector<AggregateState> states_;
  std::vector<data::Scalar> values_;
  std::vector<std::size_t> overflowed_;  // outputs
  std::size_t next_window_ = 0;
};

}  // namespace

Status WindowView::update_online_row(const data::Batch& rows,
                                     std::span<const int64_t> selected,
                                     EventTime applied_until,
                                     std::string* row) const {
  const data::Batch mine = rows.take(selected);
  ASSAY_ASSIGN_OR_RETURN(const RowColumns columns, find_row_columns(layout(), mine));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> inputs, pack_inputs(plan_, mine));
  ASSAY_ASSIGN_OR_RETURN(WindowRow parts, parse(layout(), plan_, *row));
  for (int64_t i = 0; i < mine.rows(); ++i) {
    if (columns.has_times(i)) {
      const auto place = static_cast<std::size_t>(i);
      parts.pending.push_back({{columns.event_time->values<int64_t>()[place],
                                columns.known_time->values<int64_t>()[place],
                                columns.sequence->values<int64_t>()[place]},
                               inputs[place],
                               columns.replaced_at(i)});
    }
  }

  const int64_t until = clamp_instant(applied_until);
  const int64_t slide = layout().slide.micros;
  const int64_t first_index = floor_to(until, slide) / slide - plan_.windows.back() / slide;
  const auto drop = [&](int64_t event_time) {
    parts.dropped_newest = std::max(parts.dropped_newest.value_or(event_time), event_time);
  };
  for (const Tile& tile : parts.tiles) {
    if (tile.index < first_index) {
      RowReader payload(tile.payload);
      drop(read_newest(tile, slide, &payload));
      if (payload.failed()) {
        return corrupt_online_row(layout().name);
      }
    }
  }
  TileUpdate update(plan_, slide, parts);
  std::vector<PendingRow> waiting;
  for (const PendingRow& pending : parts.pending) {
    const bool in_reach = floor_to(pending.order.event_time, slide) / slide >= first_index;
    if (pending.replaced_time <= until) {
      continue;
    }
    if (pending.order.known_time > until || pending.replaced_time != kNeverReplaced) {
      waiting.push_back(pending);
    } else if (in_reach) {
      update.fold(pending);
    } else {
      drop(pending.order.event_time);
    }
  }
  if (update.failed()) {
    return corrupt_online_row(layout().name);
  }

  std::sort(waiting.begin(), waiting.end());
  std::string out;
  append_online_row_header(&out, OnlineRowKind::kWindow);
  out.push_back(parts.dropped_newest ? 1 : 0);
  if (parts.dropped_newest) {
    append_signed(&out, *parts.dropped_newest);
  }
  append_varint(&out, waiting.size());
  for (const PendingRow& pending : waiting) {
    append_signed(&out, pending.order.event_time);
    append_signed(&out, pending.order.known_time);
    append_signed(&out, pending.order.sequence);
    if (layout().of_changes) {
      append_replaced_time(&out, pending.replaced_time);
    }
    out.append(pending.inputs);
  }
  update.append_tiles(first_index, &out);
  *row = std::move(out);
  return {};
}

Result<FeatureValues> WindowView::read_online_row(std::string_view row, EventTime now) const {
  if (row.empty()) {
    return make_answer(layout(), std::nullopt, {}, {}, now);
  }
  WindowRead read(layout(), plan_, clamp_instant(now));
  if (!read.run(row)) {
    return corrupt_online_row(layout().name);
  }
  return make_answer(
      layout(), read.newest(), read.take_values(), read.overflowed(*layout().raw), now);
}

}  // namespace assay::gold
