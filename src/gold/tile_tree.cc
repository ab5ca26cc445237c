#include "gold/tile_tree.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "gold/online_row.h"

namespace assay::gold {
namespace {

// Rows folded in one pass, so that what a pass holds in memory stays small.
constexpr std::size_t kRowsPerPass = 8192;

int64_t index_of(const RowInputs& row, int64_t slide) {
  return floor_to(row.order.event_time, slide) / slide;
}

Status damaged() {
  return {Code::kCorrupt, "no tree of tiles"};
}

/// An item, which lies behind index `before`.
void append_item(
    std::string* out, TileItemKind kind, int64_t before, int64_t slide, const TileItem& item) {
  append_varint(out, static_cast<uint64_t>(before - item.newest));
  if (kind != TileItemKind::kTile) {
    append_varint(out, static_cast<uint64_t>(item.newest - item.oldest));
  }
  if (kind == TileItemKind::kPage) {
    append_varint(out, item.page);
  }
  std::string distance;
  append_varint(&distance, static_cast<uint64_t>(item.event_time - item.newest * slide));
  append_varint(out, distance.size() + item.states.size());
  out->append(distance);
  out->append(item.states);
  if (kind == TileItemKind::kGroup) {
    append_text(out, item.body);
  }
}

TileItemKind item_kind(int level) {
  return level == 0 ? TileItemKind::kTile : TileItemKind::kPage;
}

}  // namespace

std::vector<AggregateState> fresh_states(const WindowPlan& plan) {
  std::vector<AggregateState> states;
  states.reserve(plan.primitives.size());
  for (const Primitive& primitive : plan.primitives) {
    states.emplace_back(primitive);
  }
  return states;
}

const TileItem* TileItems::next() {
  if (reader_.at_end() || reader_.failed()) {
    return nullptr;
  }
  // Indices descend; in unsigned arithmetic, so that damaged bytes cannot overflow.
  const uint64_t newest = next_ - reader_.varint();
  const uint64_t oldest = kind_ == TileItemKind::kTile ? newest : newest - reader_.varint();
  item_.page = kind_ == TileItemKind::kPage ? reader_.varint() : 0;
  const std::string_view payload = reader_.text();
  item_.body = kind_ == TileItemKind::kGroup ? reader_.text() : std::string_view();
  next_ = oldest;

  RowReader inner(payload);
  const uint64_t distance = inner.varint();
  item_.states = payload.substr(payload.size() - static_cast<std::size_t>(inner.remaining()));
  item_.newest = static_cast<int64_t>(newest);
  item_.oldest = static_cast<int64_t>(oldest);
  int64_t newest_start = 0;
  int64_t oldest_start = 0;
  if (reader_.failed() || inner.failed() || distance >= static_cast<uint64_t>(slide_) ||
      __builtin_mul_overflow(item_.newest, slide_, &newest_start) ||
      __builtin_mul_overflow(item_.oldest, slide_, &oldest_start) ||
      oldest_start <= kFirstInstant.micros - slide_ || newest_start > kEndInstant.micros ||
      item_.oldest > item_.newest || (item_.states.empty() && kind_ != TileItemKind::kGroup)) {
    reader_.fail();
    return nullptr;
  }
  item_.event_time = newest_start + static_cast<int64_t>(distance);
  return &item_;
}

std::optional<TileNode> open_tile_node(std::string_view bytes, int64_t slide) {
  RowReader reader(bytes);
  const int level = reader.byte();
  const int64_t newest = reader.signed_varint();
  if (reader.failed() || level > kTileLevelsMax) {
    return std::nullopt;
  }
  const std::string_view groups =
      bytes.substr(bytes.size() - static_cast<std::size_t>(reader.remaining()));
  return TileNode{level, TileItems(groups, TileItemKind::kGroup, newest, slide)};
}

/// A tile or a page with its states in bytes of its own.
struct TileTreeUpdate::Item {
  int64_t newest = 0;
  int64_t oldest = 0;
  int64_t event_time = 0;
  uint64_t page = 0;
  std::string states;
  [[nodiscard]] TileItem view() const { return {newest, oldest, event_time, page, states, {}}; }
};

/// A group as it is taken from a node or made anew.
struct TileTreeUpdate::Group {
  Item range;        // states: "" when they are not known
  std::string body;  // encoded items; "" while `items` are what holds
  std::vector<Item> items;
  bool is_open = false;  // `items` are read
  [[nodiscard]] TileItem view() const {
    TileItem item = range.view();
    item.body = body;
    return item;
  }
  /// Of its encoding, about.
  [[nodiscard]] std::size_t bytes() const { return range.states.size() + body.size() + 16; }
};

/// A node that is to be written.
struct TileTreeUpdate::Node {
  int level = 0;
  std::string bytes;
};

bool TileTreeUpdate::may_go(const Item& item) const {
  return item.newest < first_;
}

Result<std::string> TileTreeUpdate::fold(std::string root, Rows rows) {
  do {
    const Rows pass = rows.first(std::min(rows.size(), kRowsPerPass));
    rows = rows.subspan(pass.size());
    if (root.empty() && pass.empty()) {
      break;
    }
    if (root.empty()) {
      root.assign(2, '\0');  // level 0, no group
    }
    ASSAY_ASSIGN_OR_RETURN(std::optional<std::vector<Node>> nodes, update(root, pass, true));
    if (nodes) {
      ASSAY_ASSIGN_OR_RETURN(root, make_root(std::move(*nodes)));
    }
  } while (!rows.empty());
  return damaged_ ? Result<std::string>(damaged()) : Result<std::string>(std::move(root));
}

/// One node of whatever level from several; a root with a single page becomes that page.
Result<std::string> TileTreeUpdate::make_root(std::vector<Node> nodes) {
  while (nodes.size() > 1) {
    Group group;
    group.is_open = true;
    for (const Node& node : nodes) {
      ASSAY_ASSIGN_OR_RETURN(const uint64_t page, pages_->add(node.bytes));
      ASSAY_ASSIGN_OR_RETURN(Item item, describe(node, page));
      group.items.push_back(std::move(item));
    }
    std::vector<Group> groups;
    groups.push_back(std::move(group));
    nodes = build(nodes.front().level + 1, std::move(groups), true);
  }
  if (nodes.empty()) {
    return std::string();
  }
  std::string root = std::move(nodes.front().bytes);
  for (int level = nodes.front().level; level > 0; --level) {
    std::optional<TileNode> node = open_tile_node(root, slide_);
    const TileItem* group = node ? node->groups.next() : nullptr;
    if (group == nullptr) {
      break;
    }
    TileItems items(group->body, TileItemKind::kPage, group->newest, slide_);
    const TileItem* only = items.next();
    if (only == nullptr) {
      break;
    }
    const uint64_t page = only->page;
    if (node->groups.next() != nullptr || items.next() != nullptr) {
      break;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string_view bytes, pages_->get(page));
    root.assign(bytes);
    ASSAY_RETURN_IF_ERROR(pages_->erase(page));
  }
  return root;
}

/// The nodes that take the place of one; nothing when it stays as it is.
Result<std::optional<std::vector<TileTreeUpdate::Node>>> TileTreeUpdate::update(
    std::string_view bytes, Rows rows, bool is_newest) {
  std::optional<TileNode> node = open_tile_node(bytes, slide_);
  if (!node || (node->level > 0 && pages_ == nullptr)) {
    return damaged();
  }
  const int level = node->level;
  std::vector<Group> groups;
  while (const TileItem* const group = node->groups.next()) {
    groups.emplace_back();
    groups.back().range = {
        group->newest, group->oldest, group->event_time, 0, std::string(group->states)};
    groups.back().body.assign(group->body);
  }
  if (node->groups.failed()) {
    return damaged();
  }
  bool changed = !rows.empty();
  // Rows need a place to go to: the last group stays for them, and forgets its items itself.
  while (!groups.empty() && may_go(groups.back().range) && (groups.size() > 1 || rows.empty())) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<Item> items,
                           read_items(groups.back(), item_kind(level)));
    for (const Item& item : items) {
      ASSAY_RETURN_IF_ERROR(drop(item, level));
    }
    groups.pop_back();
    changed = true;
  }
  if (groups.empty()) {
    if (!changed) {
      return std::optional<std::vector<Node>>();
    }
    groups.emplace_back();
    groups.back().is_open = true;
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    Group& group = groups[i];
    const bool is_last = i + 1 == groups.size();
    const Rows mine = is_last ? std::exchange(rows, {}) : take_rows(&rows, group.range.oldest);
    if (!mine.empty() || (is_last && level > 0 && group.range.oldest < first_)) {
      ASSAY_RETURN_IF_ERROR(update_group(level, mine, is_newest && i == 0, &group));
      changed = changed || group.is_open;
    }
  }
  if (!changed) {
    return std::optional<std::vector<Node>>();
  }
  return std::optional(build(level, std::move(groups), is_newest));
}

/// The rows from index `oldest` on, which are the last of `rows`.
TileTreeUpdate::Rows TileTreeUpdate::take_rows(Rows* rows, int64_t oldest) const {
  const auto begin = std::partition_point(rows->begin(), rows->end(), [&](const RowInputs& row) {
    return index_of(row, slide_) < oldest;
  });
  const auto before = static_cast<std::size_t>(begin - rows->begin());
  const Rows taken = rows->subspan(before);
  *rows = rows->first(before);
  return taken;
}

Result<std::vector<TileTreeUpdate::Item>> TileTreeUpdate::read_items(const Group& group,
                                                                     TileItemKind kind) const {
  std::vector<Item> items;
  TileItems reader(group.body, kind, group.range.newest, slide_);
  while (const TileItem* const item = reader.next()) {
    items.push_back(
        {item->newest, item->oldest, item->event_time, item->page, std::string(item->states)});
  }
  if (reader.failed()) {
    return damaged();
  }
  return items;
}

/// Opens the group when something in it changes.
Status TileTreeUpdate::update_group(int level, Rows rows, bool is_newest, Group* group) {
  if (!group->is_open) {
    ASSAY_ASSIGN_OR_RETURN(group->items, read_items(*group, item_kind(level)));
  }
  if (level == 0) {
    group->is_open = true;
    return fold_tiles(rows, &group->items);
  }
  const std::size_t before = group->items.size();
  bool changed = !rows.empty();
  while (!group->items.empty() && may_go(group->items.back()) &&
         (group->items.size() > 1 || rows.empty())) {
    ASSAY_RETURN_IF_ERROR(drop(group->items.back(), level));
    group->items.pop_back();
  }
  changed = changed || group->items.size() != before;
  ASSAY_ASSIGN_OR_RETURN(const bool pages_changed,
                         update_pages(level, rows, is_newest, &group->items));
  group->is_open = changed || pages_changed;
  return {};
}

/// Update the pages that rows go to, and the oldest when something below it may be dropped.
Result<bool> TileTreeUpdate::update_pages(int level,
                                          Rows rows,
                                          bool is_newest,
                                          std::vector<Item>* items) {
  std::vector<Item> updated;
  bool changed = false;
  for (std::size_t i = 0; i < items->size(); ++i) {
    Item& item = (*items)[i];
    const bool is_last = i + 1 == items->size();
    const Rows mine = is_last ? std::exchange(rows, {}) : take_rows(&rows, item.oldest);
    std::optional<std::vector<Node>> nodes;
    if (!mine.empty() || (level > 1 && item.oldest < first_)) {
      ASSAY_ASSIGN_OR_RETURN(const std::string_view page, pages_->get(item.page));
      const std::string bytes(page);
      if (bytes.empty() || bytes.front() != static_cast<char>(level - 1)) {
        return damaged();
      }
      ASSAY_ASSIGN_OR_RETURN(nodes, update(bytes, mine, is_newest && i == 0));
    }
    if (!nodes) {
      updated.push_back(std::move(item));
      continue;
    }
    changed = true;
    for (std::size_t n = 0; n < nodes->size(); ++n) {
      const Node& node = (*nodes)[n];
      uint64_t page = item.page;
      if (n == 0) {
        ASSAY_RETURN_IF_ERROR(pages_->put(page, node.bytes));
      } else {
        ASSAY_ASSIGN_OR_RETURN(page, pages_->add(node.bytes));
      }
      ASSAY_ASSIGN_OR_RETURN(Item described, describe(node, page));
      updated.push_back(std::move(described));
    }
    if (nodes->empty()) {
      ASSAY_RETURN_IF_ERROR(pages_->erase(item.page));
    }
  }
  *items = std::move(updated);
  return changed;
}

/// Tiles with the rows in them; those that no read needs are left out.
Status TileTreeUpdate::fold_tiles(Rows rows, std::vector<Item>* items) {
  const std::vector<AggregateState> fresh = fresh_states(plan_);
  std::vector<AggregateState> states = fresh;
  std::vector<Item> folded;
  folded.reserve(items->size() + rows.size());
  std::size_t next = 0;
  const auto keep_until = [&](int64_t index) {  // tiles that are newer
    for (; next < items->size() && (*items)[next].newest > index; ++next) {
      folded.push_back(std::move((*items)[next]));
    }
  };
  while (!rows.empty()) {
    const int64_t index = index_of(rows.back(), slide_);
    keep_until(index);
    Item tile{index, index, rows.back().order.event_time, 0, {}};
    states = fresh;
    if (next < items->size() && (*items)[next].newest == index) {
      RowReader reader((*items)[next].states);
      for (AggregateState& state : states) {
        state.merge_encoded(&reader);
      }
      damaged_ = damaged_ || reader.failed();
      tile.event_time = std::max(tile.event_time, (*items)[next].event_time);
      ++next;
    }
    for (const RowInputs& row : take_rows(&rows, index)) {
      for_inputs(plan_, row, [&](std::size_t primitive, const InputValue& value) {
        states[primitive].add(value, row.order);
      });
    }
    for (const AggregateState& state : states) {
      state.encode(&tile.states);
    }
    folded.push_back(std::move(tile));
  }
  keep_until(std::numeric_limits<int64_t>::min());
  while (!folded.empty() && may_go(folded.back())) {
    ASSAY_RETURN_IF_ERROR(drop(folded.back(), 0));
    folded.pop_back();
  }
  *items = std::move(folded);
  return {};
}

/// Forget an item of a node of `level`, and the pages below it.
Status TileTreeUpdate::drop(const Item& item, int level) {
  dropped_newest_ = std::max(dropped_newest_.value_or(item.event_time), item.event_time);
  if (level == 0) {
    return {};
  }
  if (level > 1) {
    ASSAY_ASSIGN_OR_RETURN(const std::string_view page, pages_->get(item.page));
    const std::string bytes(page);
    std::optional<TileNode> node = open_tile_node(bytes, slide_);
    if (!node || node->level != level - 1) {
      return damaged();
    }
    while (const TileItem* const group = node->groups.next()) {
      TileItems items(group->body, TileItemKind::kPage, group->newest, slide_);
      while (const TileItem* const below = items.next()) {
        ASSAY_RETURN_IF_ERROR(
            drop({below->newest, below->oldest, below->event_time, below->page, {}}, level - 1));
      }
    }
  }
  return pages_->erase(item.page);
}

/// States of the parts, merged.
std::string TileTreeUpdate::merged(std::span<const std::string_view> parts) {
  std::vector<AggregateState> states = fresh_states(plan_);
  for (const std::string_view part : parts) {
    RowReader reader(part);
    for (AggregateState& state : states) {
      state.merge_encoded(&reader);
    }
    damaged_ = damaged_ || reader.failed() || !reader.at_end();
  }
  std::string bytes;
  for (const AggregateState& state : states) {
    state.encode(&bytes);
  }
  return bytes;
}

/// States of the items of a group's body, to be merged.
void TileTreeUpdate::add_parts(int level,
                               const TileItem& group,
                               std::vector<std::string_view>* parts) {
  TileItems items(group.body, item_kind(level), group.newest, slide_);
  while (const TileItem* const item = items.next()) {
    parts->push_back(item->states);
  }
  damaged_ = damaged_ || items.failed();
}

/// A group of these items, newest first; its states are not known yet.
TileTreeUpdate::Group TileTreeUpdate::close(int level, std::span<const Item> items) const {
  Group group;
  group.range = {items.front().newest, items.back().oldest, items.front().event_time, 0, {}};
  int64_t before = group.range.newest;
  for (const Item& item : items) {
    append_item(&group.body, item_kind(level), before, slide_, item.view());
    before = item.oldest;
  }
  return group;
}

/// Closed groups of at most 16 items. The newest end of a tree is filled up, anything else cut
/// even.
std::vector<TileTreeUpdate::Group> TileTreeUpdate::cut_groups(int level,
                                                              std::vector<Group> groups,
                                                              bool is_newest) const {
  std::vector<Group> closed;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (!groups[i].is_open) {
      closed.push_back(std::move(groups[i]));
      continue;
    }
    std::span<const Item> items(groups[i].items);
    std::size_t pieces = (items.size() + kGroupItemsMax - 1) / kGroupItemsMax;
    for (; pieces > 0; --pieces) {
      const std::size_t size = is_newest && i == 0 ? items.size() - (pieces - 1) * kGroupItemsMax
                                                   : (items.size() + pieces - 1) / pieces;
      closed.push_back(close(level, items.first(size)));
      items = items.subspan(size);
    }
  }
  return closed;
}

/// Nodes of these groups, none of them too long unless it is of one group.
std::vector<TileTreeUpdate::Node> TileTreeUpdate::build(int level,
                                                        std::vector<Group> groups,
                                                        bool is_newest) {
  groups = cut_groups(level, std::move(groups), is_newest);
  std::size_t bytes = 0;
  for (Group& group : groups) {
    if (groups.size() > 1 && group.range.states.empty()) {
      std::vector<std::string_view> parts;
      add_parts(level, group.view(), &parts);
      group.range.states = merged(parts);
    }
    bytes += group.bytes();
  }
  std::size_t bytes_max = bytes;
  if (pages_ != nullptr && bytes > pages_->bytes_max()) {
    const std::size_t wanted = (bytes + pages_->bytes_max() - 1) / pages_->bytes_max();
    bytes_max = is_newest ? pages_->bytes_max() : (bytes + wanted - 1) / wanted;
  }
  std::vector<Node> nodes;  // oldest first
  std::size_t end = groups.size();
  while (end > 0) {
    std::size_t begin = end - 1;
    std::size_t size = groups[begin].bytes();
    while (begin > 0 && size + groups[begin - 1].bytes() <= bytes_max) {
      size += groups[--begin].bytes();
    }
    nodes.push_back(encode(level, std::span(groups).subspan(begin, end - begin)));
    end = begin;
  }
  std::reverse(nodes.begin(), nodes.end());
  return nodes;
}

TileTreeUpdate::Node TileTreeUpdate::encode(int level, std::span<const Group> groups) const {
  Node node;
  node.level = level;
  node.bytes.push_back(static_cast<char>(level));
  int64_t before = groups.front().range.newest;
  append_signed(&node.bytes, before);
  for (const Group& group : groups) {
    TileItem item = group.view();
    if (groups.size() == 1) {
      item.states = {};  // whoever refers to the node has them
    }
    append_item(&node.bytes, TileItemKind::kGroup, before, slide_, item);
    before = item.oldest;
  }
  return node;
}

/// What a page's parent keeps of it.
Result<TileTreeUpdate::Item> TileTreeUpdate::describe(const Node& node, uint64_t page) {
  std::optional<TileNode> open = open_tile_node(node.bytes, slide_);
  ASSAY_CHECK(open.has_value());
  std::optional<Item> range;
  std::vector<std::string_view> parts;
  while (const TileItem* const group = open->groups.next()) {
    if (!range) {
      range = Item{group->newest, group->oldest, group->event_time, page, {}};
    }
    range->oldest = group->oldest;
    if (group->states.empty()) {
      add_parts(node.level, *group, &parts);
    } else {
      parts.push_back(group->states);
    }
  }
  if (!range) {
    return damaged();
  }
  range->states = merged(parts);
  return *range;
}

}  // namespace assay::gold
