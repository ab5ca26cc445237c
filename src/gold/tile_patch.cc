// A level-0 node (docs/formats/online_row.md), and what of it is written anew:
//
//   level | newest | group: distance | span | event, states | [ tile | tile | tile ... ] | groups
//   ...
//   ^^^^^^^^^^^^^^           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^     ^^^^^^^^^^^ ^^^^^^^^^^ new new,
//   states merged                as far as rows go       copied

#include "gold/tile_patch.h"

#include <algorithm>

#include "gold/row_bytes.h"

namespace assay::gold {
namespace {

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

TilePatch::TilePatch(const WindowPlan& plan,
                     const BatchInputs& inputs,
                     int64_t slide,
                     int64_t first)
    : plan_(plan),
      inputs_(inputs),
      slide_(slide),
      first_(first),
      fresh_(fresh_states(plan)),
      states_(fresh_) {}

bool TilePatch::append_folded(std::string_view root, Rows rows, std::string* out) {
  std::optional<Newest> before;
  if (!root.empty()) {
    before = open(root);
    if (!before || (!before->rest.empty() && rows.front().tile < before->oldest)) {
      return false;
    }
  }
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
    if (!merge_states(before->states)) {
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

/// Write the group's tiles, newest first, with the rows in them.
bool TilePatch::fold_body(const std::optional<Newest>& before, Rows rows) {
  const Newest group = before.value_or(Newest());
  BodyReader tiles(group.body, group.newest, group.oldest);
  bool has_tile = tiles.next();
  if (before && (!has_tile || tiles.index() != group.newest)) {
    return false;  // damaged
  }
  int64_t last = std::max(rows.back().tile, before ? before->newest : rows.back().tile);
  std::size_t created = 0;
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
    created += is_there ? 0 : 1;
    has_tile = is_there ? tiles.next() : has_tile;
    rows = rows.first(begin);
  }
  if (has_tile) {
    append_varint(&body_, static_cast<uint64_t>(last - tiles.index()));
    body_.append(tiles.text());
    body_.append(tiles.behind());
  }
  return !tiles.failed() && (created == 0 || has_room(group, created));
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
        !merge_states(rest_of(payload, reader))) {
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

/// Whether tiles may be created in the group: it must stay one group, and nothing is to be dropped.
bool TilePatch::has_room(const Newest& before, std::size_t created) const {
  BodyReader tiles(before.body, before.newest, before.oldest);
  std::size_t count = created;
  while (tiles.next()) {
    ++count;
  }
  if (tiles.failed() || count > kGroupItemsMax) {
    return false;
  }
  TileItems groups(before.rest, TileItemKind::kGroup, before.oldest, slide_);
  int64_t newest_of_last = first_;
  while (const TileItem* const group = groups.next()) {
    newest_of_last = group->newest;
  }
  return !groups.failed() && newest_of_last >= first_;
}

bool TilePatch::merge_states(std::string_view bytes) {
  RowReader reader(bytes);
  for (AggregateState& state : states_) {
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
