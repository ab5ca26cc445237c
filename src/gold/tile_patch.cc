// A level-0 node (docs/formats/online_row.md), and what of it is written anew:
//
//   level | newest | group: distance | span | event, states | [ tile | tile | tile ... ] | groups
//   ...
//   ^^^^^^^^^^^^^^           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^     ^^^^^^^^^^^ ^^^^^^^^^^ new new,
//   states merged                as far as rows go       copied
//
// When that makes more than 16 tiles of the newest group they are cut into groups, from the oldest
// on: as full as they may be, save the newest.

#include "gold/tile_patch.h"

#include <algorithm>

#include "gold/row_bytes.h"

namespace assay::gold {
namespace {

/// More tiles than a row holds that has no pages.
constexpr std::size_t kTilesMax = 1'024;

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

std::string_view rest_of(std::string_view bytes, const RowReader& reader) {
  return bytes.substr(bytes.size() - static_cast<std::size_t>(reader.remaining()));
}

/// Call `use(row, value)` for the rows that count, the type decided once.
template <typename Use>
void for_counted(const ArgumentColumn& column, std::span<const TilePatch::Place> rows, Use use) {
  const auto each = [&](auto value_of) {
    for (const TilePatch::Place& place : rows) {
      if (column.counted[place.row] != 0) {
        use(place.row, value_of(place.row));
      }
    }
  };
  if (column.values == nullptr) {
    each([](std::size_t) { return InputValue(); });
  } else if (column.values->type() == data::Type::kFloat64) {
    const std::span<const double> values = column.values->values<double>();
    each([&](std::size_t row) {
      return InputValue{.integer = order_of(values[row]), .real = values[row]};
    });
  } else if (column.values->type() == data::Type::kInt64) {
    const std::span<const int64_t> values = column.values->values<int64_t>();
    each([&](std::size_t row) { return InputValue{.integer = values[row]}; });
  } else {
    each([&](std::size_t row) { return input_value(*column.values, static_cast<int64_t>(row)); });
  }
}

/// Steps over the tiles of a group's body without looking into them. All have indices of the range
/// that the group says: bytes that say otherwise make it fail.
class BodyReader {
 public:
  BodyReader(std::string_view body, int64_t newest, int64_t oldest)
      : body_(body), reader_(body), next_(newest), oldest_(oldest) {}

  /// Go to the next tile; false at the end.
  bool next() {
    if (reader_.at_end() || reader_.failed()) {
      return false;
    }
    const uint64_t distance = reader_.varint();
    if (distance > static_cast<uint64_t>(next_) - static_cast<uint64_t>(oldest_)) {
      reader_.fail();
      return false;
    }
    next_ -= static_cast<int64_t>(distance);
    text_begin_ = body_.size() - remaining();
    payload_ = reader_.text();
    return !reader_.failed();
  }
  [[nodiscard]] int64_t index() const { return next_; }
  [[nodiscard]] std::string_view payload() const { return payload_; }
  /// The payload with its length before it.
  [[nodiscard]] std::string_view text() const {
    return body_.substr(text_begin_, body_.size() - text_begin_ - remaining());
  }
  /// What stands behind the tile.
  [[nodiscard]] std::string_view behind() const { return body_.substr(body_.size() - remaining()); }
  [[nodiscard]] bool failed() const { return reader_.failed(); }

 private:
  [[nodiscard]] std::size_t remaining() const {
    return static_cast<std::size_t>(reader_.remaining());
  }

  std::string_view body_;
  RowReader reader_;
  int64_t next_;
  int64_t oldest_;
  std::size_t text_begin_ = 0;
  std::string_view payload_;
};

void append_tile(std::string* out, int64_t before, int64_t tile, std::string_view payload) {
  append_varint(out, static_cast<uint64_t>(before - tile));
  append_text(out, payload);
}

}  // namespace

class TilePatch::Merging {
 public:
  Merging(const std::optional<Newest>& before, Rows rows)
      : tiles_(before ? BodyReader(before->body, before->newest, before->oldest)
                      : BodyReader({}, 0, 0)),
        has_tile_(tiles_.next()),
        damaged_(before && (!has_tile_ || tiles_.index() != before->newest)),
        left_(rows) {
    find();
  }
  [[nodiscard]] bool has_next() const { return has_next_; }
  /// Index of the next tile.
  [[nodiscard]] int64_t tile() const { return tile_; }
  [[nodiscard]] bool is_there() const { return is_there_; }
  /// What it is so far; "" when it is not there yet.
  [[nodiscard]] std::string_view payload() const {
    return is_there_ ? tiles_.payload() : std::string_view();
  }
  /// Rows that go into it.
  [[nodiscard]] Rows rows() const { return rows_; }
  void go_on() {
    last_ = tile_;
    has_tile_ = is_there_ ? tiles_.next() : has_tile_;
    find();
  }
  /// The one before the next.
  [[nodiscard]] int64_t last_tile() const { return last_; }
  [[nodiscard]] bool failed() const { return damaged_ || tiles_.failed(); }

 private:
  void find() {
    has_next_ = (has_tile_ || !left_.empty()) && !failed();
    is_there_ = has_tile_ && (left_.empty() || left_.back().tile <= tiles_.index());
    rows_ = {};
    if (!has_next_) {
      return;
    }
    tile_ = is_there_ ? tiles_.index() : left_.back().tile;
    std::size_t begin = left_.size();
    while (begin > 0 && left_[begin - 1].tile == tile_) {
      --begin;
    }
    rows_ = left_.subspan(begin);
    left_ = left_.first(begin);
  }

  BodyReader tiles_;
  bool has_tile_;
  bool damaged_;
  Rows left_;
  bool has_next_ = false;
  bool is_there_ = false;
  int64_t tile_ = 0;
  Rows rows_;
  int64_t last_ = 0;
};

TilePatch::TilePatch(const WindowPlan& plan,
                     const BatchInputs& inputs,
                     int64_t slide,
                     int64_t first)
    : plan_(plan),
      inputs_(inputs),
      slide_(slide),
      first_(first),
      fresh_(fresh_states(plan)),
      states_(fresh_),
      group_states_(fresh_) {}

bool TilePatch::append_folded(std::string_view root, Rows rows, std::string* out) {
  std::optional<Newest> before;
  if (!root.empty()) {
    before = open(root);
    if (!before || (!before->rest.empty() && rows.front().tile < before->oldest)) {
      return false;
    }
  }
  if (before && rows.front().tile == before->newest && rows.back().tile == before->newest) {
    return append_group(before, rows, out);
  }
  std::size_t count = 0;
  std::size_t tiles_before = 0;
  Merging merging(before, rows);
  for (; merging.has_next() && count <= kTilesMax; ++count) {
    tiles_before += merging.is_there() ? 1 : 0;
    merging.go_on();
  }
  if (merging.failed() || count > kTilesMax ||
      (before && count != tiles_before && may_drop(*before))) {
    return false;
  }
  return count <= kGroupItemsMax ? append_group(before, rows, out)
                                 : append_groups(before, rows, count, out);
}

/// The newest group anew, and what stood behind it.
bool TilePatch::append_group(const std::optional<Newest>& before, Rows rows, std::string* out) {
  body_.clear();
  if (!fold_body(before, rows)) {
    return false;
  }
  int64_t newest = rows.back().tile;
  int64_t oldest = rows.front().tile;
  if (before) {
    newest = std::max(newest, before->newest);
    oldest = std::min(oldest, before->oldest);
  }
  tile_.clear();
  append_varint(&tile_, static_cast<uint64_t>(front_event_time_ - newest * slide_));
  if (before && !before->rest.empty()) {  // of the only group no states are kept
    states_ = fresh_;
    if (!merge_states(before->states, states_)) {
      return false;
    }
    add_rows(rows);
    for (const AggregateState& state : states_) {
      state.encode(&tile_);
    }
  }
  out->push_back('\0');  // level
  append_signed(out, newest);
  append_varint(out, 0);
  append_varint(out, static_cast<uint64_t>(newest - oldest));
  append_text(out, tile_);
  append_text(out, body_);
  if (before) {
    out->append(before->rest);
  }
  return true;
}

/// Nothing for a tree with pages, or when the bytes look damaged.
std::optional<TilePatch::Newest> TilePatch::open(std::string_view root) const {
  std::optional<TileNode> node = open_tile_node(root, slide_);
  if (!node || node->level != 0) {
    return std::nullopt;
  }
  const TileItem* const group = node->groups.next();
  if (group == nullptr) {
    return std::nullopt;
  }
  const auto body_end =
      static_cast<std::size_t>(group->body.data() + group->body.size() - root.data());
  Newest newest{group->newest, group->oldest, group->states, group->body, root.substr(body_end)};
  if (newest.rest.empty() != newest.states.empty()) {
    return std::nullopt;
  }
  return newest;
}

/// The newest group cut into several, and what stood behind it.
bool TilePatch::append_groups(const std::optional<Newest>& before,
                              Rows rows,
                              std::size_t count,
                              std::string* out) {
  Merging from(before, rows);
  int64_t behind = from.tile();
  out->push_back('\0');  // level
  append_signed(out, behind);
  for (std::size_t left = count; left > 0;) {
    const std::size_t size = (left - 1) % kGroupItemsMax + 1;
    if (!write_group(from, size, behind, out)) {
      return false;
    }
    behind = from.last_tile();
    left -= size;
  }
  if (before && !before->rest.empty()) {
    if (behind != before->oldest) {
      return false;  // damaged
    }
    out->append(before->rest);
  }
  return !from.failed();
}

/// Append a group of the next `size` tiles, which lies behind index `before`.
bool TilePatch::write_group(Merging& from, std::size_t size, int64_t before, std::string* out) {
  const int64_t newest = from.tile();
  int64_t last = newest;
  body_.clear();
  group_states_ = fresh_;
  for (std::size_t i = 0; i < size; ++i) {
    const int64_t tile = from.tile();
    std::string_view payload = from.payload();
    if (!from.rows().empty()) {
      if (!fold_tile(payload, tile, from.rows())) {
        return false;
      }
      payload = tile_;
    } else if (body_.empty() && !note_front(tile, payload)) {
      return false;
    }
    append_tile(&body_, last, tile, payload);
    RowReader reader(payload);
    (void)reader.varint();
    if (!merge_states(rest_of(payload, reader), group_states_)) {
      return false;
    }
    last = tile;
    from.go_on();
  }
  append_varint(out, static_cast<uint64_t>(before - newest));
  append_varint(out, static_cast<uint64_t>(newest - last));
  tile_.clear();
  append_varint(&tile_, static_cast<uint64_t>(front_event_time_ - newest * slide_));
  for (const AggregateState& state : group_states_) {
    state.encode(&tile_);
  }
  append_text(out, tile_);
  append_text(out, body_);
  return true;
}

/// Write the group's tiles, newest first, with the rows in them.
bool TilePatch::fold_body(const std::optional<Newest>& before, Rows rows) {
  const Newest group = before.value_or(Newest());
  BodyReader tiles(group.body, group.newest, group.oldest);
  bool has_tile = tiles.next();
  if (before && (!has_tile || tiles.index() != group.newest)) {
    return false;  // damaged
  }
  int64_t last = std::max(rows.back().tile, before ? before->newest : rows.back().tile);
  while (!rows.empty()) {
    const int64_t tile = rows.back().tile;
    for (; has_tile && tiles.index() > tile; has_tile = tiles.next()) {
      if (body_.empty() && !note_front(tiles.index(), tiles.payload())) {
        return false;
      }
      append_varint(&body_, static_cast<uint64_t>(last - tiles.index()));
      body_.append(tiles.text());
      last = tiles.index();
    }
    std::size_t begin = rows.size() - 1;
    while (begin > 0 && rows[begin - 1].tile == tile) {
      --begin;
    }
    const bool is_there = has_tile && tiles.index() == tile;
    if (!fold_tile(is_there ? tiles.payload() : std::string_view(), tile, rows.subspan(begin))) {
      return false;
    }
    append_tile(&body_, last, tile, tile_);
    last = tile;
    has_tile = is_there ? tiles.next() : has_tile;
    rows = rows.first(begin);
  }
  if (has_tile) {
    append_varint(&body_, static_cast<uint64_t>(last - tiles.index()));
    body_.append(tiles.text());
    body_.append(tiles.behind());
  }
  return !tiles.failed();
}

/// Note the event time of the newest tile; false when its bytes are damaged.
bool TilePatch::note_front(int64_t tile, std::string_view payload) {
  RowReader reader(payload);
  const uint64_t distance = reader.varint();
  if (reader.failed() || distance >= static_cast<uint64_t>(slide_)) {
    return false;
  }
  front_event_time_ = tile * slide_ + static_cast<int64_t>(distance);
  return true;
}

/// Make `tile_` the payload of a tile: what it was ("" for a new one) with rows.
bool TilePatch::fold_tile(std::string_view payload, int64_t tile, Rows rows) {
  int64_t event_time = newest_event(rows);
  states_ = fresh_;
  if (!payload.empty()) {
    RowReader reader(payload);
    const uint64_t distance = reader.varint();
    if (reader.failed() || distance >= static_cast<uint64_t>(slide_) ||
        !merge_states(rest_of(payload, reader), states_)) {
      return false;
    }
    event_time = std::max(event_time, tile * slide_ + static_cast<int64_t>(distance));
  }
  add_rows(rows);
  if (body_.empty()) {
    front_event_time_ = event_time;
  }
  tile_.clear();
  append_varint(&tile_, static_cast<uint64_t>(event_time - tile * slide_));
  for (const AggregateState& state : states_) {
    state.encode(&tile_);
  }
  return true;
}

/// Whether there are tiles to forget now that others come. They are not this one's to forget.
bool TilePatch::may_drop(const Newest& before) const {
  TileItems groups(before.rest, TileItemKind::kGroup, before.oldest, slide_);
  int64_t newest_of_last = before.newest;
  while (const TileItem* const group = groups.next()) {
    newest_of_last = group->newest;
  }
  return groups.failed() || newest_of_last < first_;
}

bool TilePatch::merge_states(std::string_view bytes, std::vector<AggregateState>& states) {
  RowReader reader(bytes);
  for (AggregateState& state : states) {
    state.merge_encoded(&reader);
  }
  return !reader.failed();
}

void TilePatch::add_rows(Rows rows) {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const ArgumentColumn& column = inputs_.arguments[at(plan_.primitives[i].argument)];
    states_[i].visit([&](auto& state) {
      for_counted(column, rows, [&](std::size_t row, const InputValue& value) {
        state.add(
            value,
            RowOrder{inputs_.event_time[row], inputs_.known_time[row], inputs_.sequence[row]});
      });
    });
  }
}

int64_t TilePatch::newest_event(Rows rows) const {
  int64_t newest = inputs_.event_time[rows.front().row];
  for (const Place& place : rows) {
    newest = std::max(newest, inputs_.event_time[place.row]);
  }
  return newest;
}

}  // namespace assay::gold
