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

std::string_view rest_of(std::string_view bytes, const RowReader& reader) {
  return bytes.substr(bytes.size() - static_cast<std::size_t>(reader.remaining()));
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

void append_tile(ByteBuffer* out, int64_t before, int64_t tile, std::string_view payload) {
  out->append_varint(static_cast<uint64_t>(before - tile));
  out->append_varint(payload.size());
  out->append(payload);
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
    : inputs_(inputs), slide_(slide), first_(first), states_(plan), group_states_(plan) {}

/// What an update does is one run of code, without calls within this file.
[[gnu::flatten]] bool TilePatch::append_folded(std::string_view root, Rows rows, std::string* out) {
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
  if (is_short(before, rows)) {
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

/// Whether the only group stays one and keeps its tiles, as few bytes tell: a tile has one at least
/// for its distance, its length, its event and each state.
bool TilePatch::is_short(const std::optional<Newest>& before, Rows rows) const {
  if (!before) {
    return rows.size() <= kGroupItemsMax;
  }
  return before->rest.empty() && before->newest >= first_ && rows.size() < kGroupItemsMax &&
         before->body.size() / (3 + states_.size()) <= kGroupItemsMax - rows.size();
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
  groups_.clear();
  append_group_head(newest);
  groups_.append_varint(0);
  groups_.append_varint(static_cast<uint64_t>(newest - oldest));
  const std::size_t payload = groups_.begin_text();
  groups_.append_varint(static_cast<uint64_t>(front_event_time_ - newest * slide_));
  if (before && !before->rest.empty()) {  // of the only group no states are kept
    states_.clear();
    if (!states_.merge(before->states)) {
      return false;
    }
    states_.add(inputs_, rows);
    states_.encode(&groups_);
  }
  groups_.end_text(payload);
  groups_.append_varint(body_.size());
  out->append(groups_.view());
  out->append(body_.view());
  if (before) {
    out->append(before->rest);
  }
  return true;
}

/// What a node begins with: its level, and the index of its newest tile.
void TilePatch::append_group_head(int64_t newest) {
  char* to = groups_.room(1 + kVarintBytesMax);
  *to = 0;
  groups_.end_at(put_varint(to + 1, zigzag_of(newest)));
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
  groups_.clear();
  append_group_head(behind);
  for (std::size_t left = count; left > 0;) {
    const std::size_t size = (left - 1) % kGroupItemsMax + 1;
    if (!write_group(from, size, behind)) {
      return false;
    }
    behind = from.last_tile();
    left -= size;
  }
  out->append(groups_.view());
  if (before && !before->rest.empty()) {
    if (behind != before->oldest) {
      return false;  // damaged
    }
    out->append(before->rest);
  }
  return !from.failed();
}

/// Append a group of the next `size` tiles, which lies behind index `before`.
bool TilePatch::write_group(Merging& from, std::size_t size, int64_t before) {
  const int64_t newest = from.tile();
  int64_t last = newest;
  body_.clear();
  group_states_.clear();
  for (std::size_t i = 0; i < size; ++i) {
    const int64_t tile = from.tile();
    const std::string_view payload = from.payload();
    if (!from.rows().empty()) {
      if (!append_folded_tile(payload, last, tile, from.rows())) {
        return false;
      }
      group_states_.merge(states_);
    } else {
      if (body_.empty() && !note_front(tile, payload)) {
        return false;
      }
      append_tile(&body_, last, tile, payload);
      RowReader reader(payload);
      (void)reader.varint();
      if (!group_states_.merge(rest_of(payload, reader))) {
        return false;
      }
    }
    last = tile;
    from.go_on();
  }
  groups_.append_varint(static_cast<uint64_t>(before - newest));
  groups_.append_varint(static_cast<uint64_t>(newest - last));
  const std::size_t text = groups_.begin_text();
  groups_.append_varint(static_cast<uint64_t>(front_event_time_ - newest * slide_));
  group_states_.encode(&groups_);
  groups_.end_text(text);
  groups_.append_varint(body_.size());
  groups_.append(body_.view());
  return true;
}

/// Write the group's tiles, newest first, with the rows in them.
bool TilePatch::fold_body(const std::optional<Newest>& before, Rows rows) {
  const Newest none;
  const Newest& group = before ? *before : none;
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
      body_.append_varint(static_cast<uint64_t>(last - tiles.index()));
      body_.append(tiles.text());
      last = tiles.index();
    }
    std::size_t begin = rows.size() - 1;
    while (begin > 0 && rows[begin - 1].tile == tile) {
      --begin;
    }
    const bool is_there = has_tile && tiles.index() == tile;
    const std::string_view payload = is_there ? tiles.payload() : std::string_view();
    if (!append_folded_tile(payload, last, tile, rows.subspan(begin))) {
      return false;
    }
    last = tile;
    has_tile = is_there ? tiles.next() : has_tile;
    rows = rows.first(begin);
  }
  if (has_tile) {
    body_.append_varint(static_cast<uint64_t>(last - tiles.index()));
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

/// Append a tile behind the one of index `before`: its payload ("" for a new one) with rows.
bool TilePatch::append_folded_tile(std::string_view payload,
                                   int64_t before,
                                   int64_t tile,
                                   Rows rows) {
  const bool is_front = body_.empty();
  int64_t event_time = newest_event(rows);
  states_.clear();
  if (!payload.empty()) {
    RowReader reader(payload);
    const uint64_t distance = reader.varint();
    if (reader.failed() || distance >= static_cast<uint64_t>(slide_) ||
        !states_.merge(rest_of(payload, reader))) {
      return false;
    }
    event_time = std::max(event_time, tile * slide_ + static_cast<int64_t>(distance));
  }
  states_.add(inputs_, rows);
  if (is_front) {
    front_event_time_ = event_time;
  }
  body_.append_varint(static_cast<uint64_t>(before - tile));
  const std::size_t text = body_.begin_text();
  body_.append_varint(static_cast<uint64_t>(event_time - tile * slide_));
  states_.encode(&body_);
  body_.end_text(text);
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

int64_t TilePatch::newest_event(Rows rows) const {
  int64_t newest = inputs_.event_time[rows.front().row];
  for (const RowPlace& place : rows) {
    newest = std::max(newest, inputs_.event_time[place.row]);
  }
  return newest;
}

}  // namespace assay::gold
