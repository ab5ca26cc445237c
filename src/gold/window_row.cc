// The online row of a window view: tiles, one per slide that has events, each with the state of
// every primitive, in a tree (tile_tree.h). A read merges them from the newest backwards, whole
// groups and pages where it can; at each window's edge the running state is that window's. So every
// tile is merged once, whatever the number of windows.
//
//   now                        e = floor(now / s) * s
//    |<- open slide ->|<----------------- window W ----------------->|
//    [ tile (skipped) ][ tile ][ tile ]   ...                 [ tile ]   ... dropped
//
// Rows not yet known wait in the pending list, as inputs; a read takes those that are known at
// `now`. So do rows of which it is known when they will be replaced.

#include "gold/window_row.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "gold/folded_state.h"
#include "gold/online_row.h"
#include "gold/window_value.h"
#include "gold/window_view.h"

namespace assay::gold {
namespace {

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

/// Step over the inputs of one pending row.
std::string_view read_inputs(const WindowPlan& plan, std::string_view rest, RowReader* reader) {
  const uint64_t before = reader->remaining();
  for (const Argument& argument : plan.arguments) {
    if (reader->byte() != 0 && argument.of >= 0) {
      const InputValue value = read_input(reader, argument.type);
      const data::Type type = plan.expressions[at(argument.of)].type();
      if (is_vector(type) && !is_vector_bytes(value.text, type)) {
        reader->fail();
      }
    }
  }
  return rest.substr(0, static_cast<std::size_t>(before - reader->remaining()));
}

std::string_view rest_of(std::string_view row, const RowReader& reader) {
  return row.substr(row.size() - static_cast<std::size_t>(reader.remaining()));
}

PendingRow read_pending_row(const ViewLayout& layout,
                            const WindowPlan& plan,
                            std::string_view row,
                            RowReader* reader) {
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
  return pending;
}

void read_pending(const ViewLayout& layout,
                  const WindowPlan& plan,
                  std::string_view row,
                  RowReader* reader,
                  WindowRow* parts) {
  for (uint64_t count = reader->varint(); count > 0 && !reader->failed(); --count) {
    parts->pending.push_back(read_pending_row(layout, plan, row, reader));
  }
}

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

/// Merges what a read needs and keeps the values of each window as its edge is passed.
class WindowRead {
 public:
  WindowRead(const ViewLayout& layout, const WindowPlan& plan, int64_t now, const RowPages* pages)
      : layout_(layout),
        plan_(plan),
        slide_(layout.slide.micros),
        now_(now),
        end_index_(floor_to(now, slide_) / slide_),
        pages_(pages),
        states_(plan),
        values_(plan.outputs.size()) {}

  /// Errors  kCorrupt: the bytes are no online row.
  Status run(std::string_view row) {
    const std::optional<WindowRow> parts = parse_window_row(layout_, plan_, row);
    if (!parts) {
      return not_a_row();
    }
    newest_ = parts->dropped_newest;
    take_pending(parts->pending);
    if (!parts->tiles.empty()) {
      ASSAY_RETURN_IF_ERROR(read_node(parts->tiles, std::nullopt));
    }
    while (!is_done()) {
      close_window();
    }
    return failed_ ? not_a_row() : Status();
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
  static Status not_a_row() { return {Code::kCorrupt, "not an online row"}; }
  [[nodiscard]] bool is_done() const { return next_window_ == plan_.windows.size(); }

  Status read_node(std::string_view bytes, std::optional<int> level) {
    std::optional<TileNode> node = open_tile_node(bytes, slide_);
    if (!node || (level && node->level != *level)) {
      return not_a_row();
    }
    const TileItemKind kind = node->level == 0 ? TileItemKind::kTile : TileItemKind::kPage;
    while (const TileItem* const group = node->groups.next()) {
      if (!take(*group)) {
        ASSAY_RETURN_IF_ERROR(read_items(*group, kind, node->level));
      }
      if (is_done()) {
        return {};
      }
    }
    return node->groups.failed() ? not_a_row() : Status();
  }

  Status read_items(const TileItem& group, TileItemKind kind, int level) {
    TileItems items(group.body, kind, group.newest, slide_);
    while (const TileItem* const item = items.next()) {
      if (!take(*item)) {
        if (kind == TileItemKind::kTile || pages_ == nullptr) {
          return not_a_row();
        }
        ASSAY_ASSIGN_OR_RETURN(const std::string_view page, pages_->get(item->page));
        ASSAY_RETURN_IF_ERROR(read_node(page, level - 1));
      }
      if (is_done()) {
        return {};
      }
    }
    return items.failed() ? not_a_row() : Status();
  }

  /// Merge the item when it counts as a whole. False when its parts must be looked at.
  bool take(const TileItem& item) {
    if (item.oldest >= end_index_) {
      return true;
    }
    if (item.newest >= end_index_) {
      return false;
    }
    newest_ = std::max(newest_.value_or(kFirstInstant.micros), item.event_time);
    close_windows_after(item.newest);
    if (is_done()) {
      return true;
    }
    if (item.oldest < first_index(next_window_) || item.states.empty()) {
      return false;
    }
    failed_ = !states_.merge(item.states) || failed_;
    return true;
  }

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
      const RowInputs& row = visible_.back();
      for_inputs(plan_, row, [&](std::size_t primitive, const InputValue& value) {
        states_[static_cast<int>(primitive)].add(value, row.order);
      });
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
  const RowPages* const pages_;
  bool failed_ = false;
  std::vector<RowInputs> visible_;
  std::optional<int64_t> newest_;
  FoldedStates states_;
  std::vector<data::Scalar> values_;
  std::vector<std::size_t> overflowed_;  // outputs
  std::size_t next_window_ = 0;
};

}  // namespace

std::optional<WindowRow> parse_window_row(const ViewLayout& layout,
                                          const WindowPlan& plan,
                                          std::string_view row) {
  WindowRow parts;
  if (row.empty()) {
    return parts;
  }
  RowReader reader = open_online_row(row, OnlineRowKind::kWindow);
  parts.dropped_newest = read_dropped_newest(&reader);
  read_pending(layout, plan, row, &reader, &parts);
  parts.tiles = rest_of(row, reader);
  return reader.failed() ? std::nullopt : std::optional(std::move(parts));
}

std::string encode_window_row(const ViewLayout& layout, const WindowRow& parts) {
  std::string out;
  append_online_row_header(&out, OnlineRowKind::kWindow);
  out.push_back(parts.dropped_newest ? 1 : 0);
  if (parts.dropped_newest) {
    append_signed(&out, *parts.dropped_newest);
  }
  append_varint(&out, parts.pending.size());
  for (const PendingRow& pending : parts.pending) {
    append_signed(&out, pending.order.event_time);
    append_signed(&out, pending.order.known_time);
    append_signed(&out, pending.order.sequence);
    if (layout.of_changes) {
      append_replaced_time(&out, pending.replaced_time);
    }
    out.append(pending.inputs);
  }
  out.append(parts.tiles);
  return out;
}

std::optional<SettledRow> open_settled_row(std::string_view row) {
  RowReader reader = open_online_row(row, OnlineRowKind::kWindow);
  (void)read_dropped_newest(&reader);
  if (reader.varint() != 0 || reader.failed()) {
    return std::nullopt;
  }
  const std::string_view tiles = rest_of(row, reader);
  return SettledRow{row.substr(0, row.size() - tiles.size()), tiles};
}

std::optional<WaitingRow> open_waiting_row(const ViewLayout& layout,
                                           const WindowPlan& plan,
                                           std::string_view row,
                                           int64_t until) {
  WaitingRow waiting;
  RowReader reader = open_online_row(row, OnlineRowKind::kWindow);
  (void)read_dropped_newest(&reader);
  waiting.head = row.substr(0, row.size() - rest_of(row, reader).size());
  waiting.count = reader.varint();
  const std::string_view behind = rest_of(row, reader);
  bool is_any_known = false;
  for (uint64_t left = waiting.count; left > 0 && !reader.failed() && !is_any_known; --left) {
    waiting.last = read_pending_row(layout, plan, row, &reader).order;
    is_any_known = waiting.last.known_time <= until;
  }
  if (reader.failed() || is_any_known) {
    return std::nullopt;
  }
  waiting.tiles = rest_of(row, reader);
  waiting.pending = behind.substr(0, behind.size() - waiting.tiles.size());
  return waiting;
}

Result<FeatureValues> WindowView::read_row(std::string_view row,
                                           EventTime now,
                                           const RowPages* pages) const {
  if (row.empty()) {
    return make_answer(layout(), std::nullopt, {}, {}, now);
  }
  WindowRead read(layout(), plan_, clamp_instant(now), pages);
  const Status done = read.run(row);
  if (!done.ok()) {
    return done.code() == Code::kCorrupt ? corrupt_online_row(layout().name) : done;
  }
  return make_answer(
      layout(), read.newest(), read.take_values(), read.overflowed(*layout().raw), now);
}

}  // namespace assay::gold
