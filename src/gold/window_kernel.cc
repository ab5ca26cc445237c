// Steps of hopping windows, entity by entity, in one pass over time.
//
// An event in slide [tile, tile + s) starts to count at enter = max(known_time, tile + s) and
// leaves a window W at tile + s + W. So an entity's events are two sorted streams: by `enter`, and
// by `tile` for each window. The kernel merges them; at every instant where something entered or
// left it computes the windows that changed and writes a step when a value did.
//
//   sums, counts  states per window, added to and subtracted from (window_states.h): exact, so the
//                 bits are those of a fresh computation.
//   min, max      one staircase for all windows: (tile, value) with values falling as tiles grow. A
//                 later slide with a larger value hides every earlier smaller one, in each window
//                 alike. The maximum of a window is the first stair inside it.
//   first         the first row of every tile; that of a window is the first at or behind its edge.
//   last          the last rows of all: windows end together, so they are the last of each.
//
// A row that is replaced leaves every window at that instant: it is subtracted from the states; of
// what cannot be subtracted from, the structures are filled anew from the rows of the longest
// window. The newest event is then the top of a heap from which replaced rows are popped.

#include "gold/window_kernel.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "gold/row_value.h"

namespace assay::gold {
namespace {

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

}  // namespace

WindowKernel::WindowKernel(const WindowPlan& plan,
                           const KernelInputs& inputs,
                           int64_t slide,
                           EventTime begin,
                           EventTime end,
                           StepWriter* out)
    : plan_(plan),
      inputs_(inputs),
      slide_(slide),
      begin_(std::max(begin, kFirstInstant).micros),
      end_(end.micros),
      out_(out) {
  for (const int64_t length : plan.windows) {
    windows_.emplace_back(length, WindowStates(plan, inputs));
  }
  for (std::size_t i = 0; i < plan.outputs.size(); ++i) {
    windows_[at(plan.outputs[i].window)].outputs.push_back(i);
  }
  stairs_.resize(inputs.extremes.size());
  firsts_.resize(inputs.ordered.size());
  for (const OrderedInput& input : inputs.ordered) {
    lasts_.emplace_back(input.limit);
  }
}

void WindowKernel::load(const EntityRows& all, const EntityRows::Entity& entity) {
  events_.clear();
  has_replaced_ = false;
  for (std::size_t i = entity.begin; i < entity.end; ++i) {
    const int64_t row = all.row_numbers[i];
    const int64_t tile = floor_to(inputs_.event_time[row], slide_);
    const Event event{tile, std::max(inputs_.known_time[row], tile + slide_), row};
    const int64_t replaced = replaced_at(event);
    // Also of a row that no window saw: the seed may have it as the newest event.
    has_replaced_ = has_replaced_ || (replaced >= begin_ && replaced < end_);
    if (replaced > event.enter && replaced >= begin_) {
      events_.push_back(event);
    }
  }
  const auto by_tile = [](const Event& a, const Event& b) { return a.tile < b.tile; };
  if (!std::is_sorted(events_.begin(), events_.end(), by_tile)) {
    std::sort(events_.begin(), events_.end(), by_tile);
  }
  arrivals_.resize(events_.size());
  std::iota(arrivals_.begin(), arrivals_.end(), 0U);
  const auto by_enter = [&](uint32_t a, uint32_t b) { return events_[a].enter < events_[b].enter; };
  if (!std::is_sorted(arrivals_.begin(), arrivals_.end(), by_enter)) {
    std::sort(arrivals_.begin(), arrivals_.end(), by_enter);
  }
}

void WindowKernel::reset(const std::optional<Seed>& seed) {
  next_arrival_ = 0;
  for (Window& window : windows_) {
    window.next_leaving = 0;
    window.changed = true;
    window.states.clear();
  }
  for (Staircase& stairs : stairs_) {
    stairs.clear();
  }
  for (std::size_t i = 0; i < firsts_.size(); ++i) {
    firsts_[i].clear();
    lasts_[i].clear();
  }
  newest_.reset();
  standing_.clear();
  cells_.assign(plan_.outputs.size(), {});
  if (seed) {
    newest_ = seed->event_time;
    cells_ = seed->cells;
  }
  written_newest_ = newest_;
}

void WindowKernel::run(const EntityRows& all,
                       const EntityRows::Entity& entity,
                       const std::optional<Seed>& seed) {
  load(all, entity);
  reset(seed);
  // Whatever happened up to `begin` shows at `begin`: there the seed's answer ends.
  apply_until(begin_);
  if (begin_ < end_) {
    write_step_if_changed(entity.key, begin_);
  }
  for (int64_t instant = next_instant(); instant < end_; instant = next_instant()) {
    apply_until(instant);
    write_step_if_changed(entity.key, instant);
  }
}

int64_t WindowKernel::next_instant() const {
  int64_t instant = std::numeric_limits<int64_t>::max();
  if (next_arrival_ < arrivals_.size()) {
    instant = events_[arrivals_[next_arrival_]].enter;
  }
  for (const Window& window : windows_) {
    if (window.next_leaving < events_.size()) {
      instant = std::min(instant, leave_time(events_[window.next_leaving], window));
    }
  }
  return std::min(instant, standing_.next_replaced());
}

void WindowKernel::apply_until(int64_t instant) {
  while (next_arrival_ < arrivals_.size() && events_[arrivals_[next_arrival_]].enter <= instant) {
    const Event& event = events_[arrivals_[next_arrival_]];
    arrive(event);
    if (has_replaced_) {
      standing_.add(inputs_.event_time[event.row], replaced_at(event), arrivals_[next_arrival_]);
    }
    ++next_arrival_;
  }
  for (Window& window : windows_) {
    while (window.next_leaving < events_.size()) {
      const Event& event = events_[window.next_leaving];
      const int64_t leave = leave_time(event, window);
      if (leave > instant) {
        break;
      }
      if (event.enter < leave && replaced_at(event) >= leave) {
        window.states.subtract(event.row);
        window.changed = true;
      }
      ++window.next_leaving;
    }
  }
  if (has_replaced_) {
    take_back(instant);
  }
}

/// Take out the rows that are replaced by now; an older event may be the newest then.
void WindowKernel::take_back(int64_t instant) {
  departed_.clear();
  while (const std::optional<uint32_t> place = standing_.pop_replaced(instant)) {
    if (depart(events_[*place])) {
      departed_.push_back(events_[*place]);
    }
  }
  newest_ = standing_.newest(instant);
  if (!departed_.empty()) {
    leave_structures(instant);
  }
}

/// A row that is replaced leaves the windows that it has not left yet. False when it had left all.
bool WindowKernel::depart(const Event& event) {
  const int64_t replaced = replaced_at(event);
  bool was_inside = false;
  for (Window& window : windows_) {
    const int64_t leave = leave_time(event, window);
    if (event.enter < leave && replaced < leave) {
      window.states.subtract(event.row);
      window.changed = true;
      was_inside = true;
    }
  }
  return was_inside;
}

/// Stairs, firsts and lasts know no minus: where a row that departed stands in one of them, the
/// rows that it hid there are looked up among the events. Most rows hide none.
void WindowKernel::leave_structures(int64_t instant) {
  for (std::size_t i = 0; i < stairs_.size(); ++i) {
    leave_stairs(i, instant);
  }
  for (std::size_t i = 0; i < firsts_.size(); ++i) {
    leave_ordered(i, instant);
  }
}

std::size_t WindowKernel::place_of_tile(int64_t tile) const {
  const auto begin = events_.begin() + static_cast<std::ptrdiff_t>(windows_.back().next_leaving);
  return static_cast<std::size_t>(
      std::partition_point(
          begin, events_.end(), [&](const Event& event) { return event.tile < tile; }) -
      events_.begin());
}

void WindowKernel::leave_stairs(std::size_t extreme, int64_t instant) {
  const ExtremeInput& input = inputs_.extremes[extreme];
  const ValueInput& values = inputs_.values[input.values];
  std::vector<int64_t> tiles;  // of stairs that are gone
  for (const Event& event : departed_) {
    const int64_t order = values.order[static_cast<std::size_t>(event.row)];
    if (values.counted[event.row] != 0 &&
        stairs_[extreme].erase(event.tile, input.is_min ? ~order : order)) {
      tiles.push_back(event.tile);
    }
  }
  std::sort(tiles.begin(), tiles.end());
  int64_t first = std::numeric_limits<int64_t>::min();  // tiles before it are looked through
  for (const int64_t tile : tiles) {
    if (const std::optional<int64_t> before = stairs_[extreme].tile_before(tile)) {
      first = std::max(first, *before + 1);
    }
    for (std::size_t place = place_of_tile(first);
         place < events_.size() && events_[place].tile <= tile;
         ++place) {
      if (stands(events_[place], instant)) {
        insert_stair(extreme, events_[place]);
      }
    }
    first = tile + 1;
  }
}

void WindowKernel::leave_ordered(std::size_t ordered, int64_t instant) {
  for (const Event& event : departed_) {
    const std::optional<OrderedRow> row = ordered_row(ordered, event);
    if (!row) {
      continue;
    }
    if (inputs_.ordered[ordered].is_first) {
      if (firsts_[ordered].erase(*row)) {
        for (std::size_t place = place_of_tile(event.tile);
             place < events_.size() && events_[place].tile == event.tile;
             ++place) {
          if (stands(events_[place], instant)) {
            insert_ordered(ordered, events_[place]);
          }
        }
      }
    } else if (lasts_[ordered].contains(*row)) {
      lasts_[ordered].clear();
      const std::size_t oldest = windows_.back().next_leaving;
      for (std::size_t place = place_of_tile(instant - slide_ + 1);
           place > oldest && !lasts_[ordered].is_complete_at(events_[place - 1].tile);
           --place) {
        if (stands(events_[place - 1], instant)) {
          insert_ordered(ordered, events_[place - 1]);
        }
      }
    }
  }
}

void WindowKernel::arrive(const Event& event) {
  newest_ = std::max(newest_.value_or(std::numeric_limits<int64_t>::min()),
                     inputs_.event_time[event.row]);
  for (Window& window : windows_) {
    if (event.enter < leave_time(event, window)) {
      window.states.add(event.row);
      window.changed = true;
    }
  }
  if (event.enter < leave_time(event, windows_.back())) {
    enter_structures(event);
  }
}

void WindowKernel::enter_structures(const Event& event) {
  for (std::size_t i = 0; i < stairs_.size(); ++i) {
    insert_stair(i, event);
  }
  for (std::size_t i = 0; i < firsts_.size(); ++i) {
    insert_ordered(i, event);
  }
}

void WindowKernel::insert_stair(std::size_t extreme, const Event& event) {
  const ExtremeInput& input = inputs_.extremes[extreme];
  const ValueInput& values = inputs_.values[input.values];
  if (values.counted[event.row] != 0) {
    const int64_t order = values.order[static_cast<std::size_t>(event.row)];
    stairs_[extreme].insert(event.tile, input.is_min ? ~order : order);
  }
}

/// The row as an input orders it; nothing when it does not count.
std::optional<OrderedRow> WindowKernel::ordered_row(std::size_t ordered, const Event& event) const {
  const ValueInput& values = inputs_.values[inputs_.ordered[ordered].values];
  if (values.counted[event.row] == 0) {
    return std::nullopt;
  }
  return OrderedRow{
      {inputs_.event_time[event.row], inputs_.known_time[event.row], inputs_.sequence[event.row]},
      values.order[static_cast<std::size_t>(event.row)],
      event.tile};
}

void WindowKernel::insert_ordered(std::size_t ordered, const Event& event) {
  const std::optional<OrderedRow> row = ordered_row(ordered, event);
  if (!row) {
    return;
  }
  if (inputs_.ordered[ordered].is_first) {
    firsts_[ordered].insert(*row);
  } else {
    lasts_[ordered].insert(*row);
  }
}

void WindowKernel::write_step_if_changed(int64_t key, int64_t instant) {
  bool changed = newest_ != written_newest_;
  if (!newest_) {
    if (changed) {  // every row was replaced: there is no answer any more
      written_newest_.reset();
      cells_.assign(plan_.outputs.size(), {});
      for (Window& window : windows_) {
        window.changed = true;
      }
      out_->write(key, std::nullopt, instant, cells_);
    }
    return;
  }
  const int64_t slide_end = floor_to(instant, slide_);
  for (Staircase& stairs : stairs_) {
    stairs.drop_before(slide_end - windows_.back().length);
  }
  for (FirstRows& rows : firsts_) {
    rows.drop_before(slide_end - windows_.back().length);
  }
  for (Window& window : windows_) {
    if (!window.changed) {
      continue;
    }
    window.changed = false;
    for (const std::size_t output : window.outputs) {
      const Cell cell = value_of(plan_.outputs[output], window, slide_end);
      changed = changed || !(cell == cells_[output]);
      cells_[output] = cell;
    }
  }
  if (!changed) {
    return;
  }
  written_newest_ = newest_;
  out_->write(key, newest_, instant, cells_);
}

Cell WindowKernel::value_of(const WindowOutput& output, const Window& window, int64_t slide_end) {
  const int64_t first_tile = slide_end - window.length;
  if (output.type == data::TypeId::kArray) {
    return array_of(output, window, first_tile);
  }
  switch (output.aggregate) {
    case catalog::Aggregate::kMin:
    case catalog::Aggregate::kMax:
      return extreme_of(output, first_tile);
    case catalog::Aggregate::kFirst:
      return first_of(output, first_tile);
    case catalog::Aggregate::kLast:
      return last_of(output, first_tile);
    case catalog::Aggregate::kLastN:
      return last_n_of(output, first_tile);
    case catalog::Aggregate::kTopK:
    case catalog::Aggregate::kTopKCounts:
      return top_of(output, window);
    case catalog::Aggregate::kHistogram:
      return histogram_of(output, window);
    default:
      return window.states.value_of(output);
  }
}

Cell WindowKernel::extreme_of(const WindowOutput& output, int64_t first_tile) const {
  const std::size_t slot = inputs_.slot[at(output.value)];
  const std::optional<int64_t> largest = stairs_[slot].largest_from(first_tile);
  if (!largest) {
    return {};
  }
  return cell_of_order(output.type, inputs_.extremes[slot].is_min ? ~*largest : *largest);
}

Cell WindowKernel::first_of(const WindowOutput& output, int64_t first_tile) {
  const std::optional<int64_t> first =
      firsts_[inputs_.slot[at(output.value)]].first_from(first_tile);
  return first ? cell_of_order(output.type, *first) : Cell{};
}

Cell WindowKernel::last_of(const WindowOutput& output, int64_t first_tile) const {
  const std::vector<OrderedRow>& rows = lasts_[inputs_.slot[at(output.value)]].rows();
  return rows.empty() || rows.front().tile < first_tile
             ? Cell{}
             : cell_of_order(output.type, rows.front().value);
}

Cell WindowKernel::last_n_of(const WindowOutput& output, int64_t first_tile) {
  list_.clear();
  for (const OrderedRow& row : lasts_[inputs_.slot[at(output.value)]].rows()) {
    if (row.tile < first_tile) {
      break;
    }
    list_.push_back(element(output, row.value));
  }
  return list_cell(output);
}

Cell WindowKernel::top_of(const WindowOutput& output, const Window& window) {
  list_.clear();
  for (const auto& [count, value] : window.states.top(output)) {
    list_.push_back(output.aggregate == catalog::Aggregate::kTopKCounts
                        ? InputValue{.integer = -count}
                        : element(output, value));
  }
  return list_cell(output);
}

Cell WindowKernel::histogram_of(const WindowOutput& output, const Window& window) {
  list_.clear();
  for (const double number : window.states.histogram(output)) {
    list_.push_back({.real = number});
  }
  return list_cell(output);
}

InputValue WindowKernel::element(const WindowOutput& output, int64_t value) const {
  const data::Type& type = output.type.element();
  return data::is_text(type)
             ? InputValue{.text =
                              texts_of(plan_, inputs_, output).text(static_cast<uint64_t>(value))}
             : input_of_order(type, value, {});
}

Cell WindowKernel::array_of(const WindowOutput& output, const Window& window, int64_t first_tile) {
  const bool first = output.aggregate == catalog::Aggregate::kFirst;
  if (first || output.aggregate == catalog::Aggregate::kLast) {
    const Cell rank = first ? first_of(output, first_tile) : last_of(output, first_tile);
    return rank.is_null ? rank
                        : out_->nested().cell_of(texts_of(plan_, inputs_, output).text(rank.bits));
  }
  bytes_.clear();
  return window.states.append_vector(output, &bytes_) ? out_->nested().cell_of(bytes_) : Cell{};
}

Cell WindowKernel::list_cell(const WindowOutput& output) {
  bytes_.clear();
  append_list_value(&bytes_, output.type.element(), list_);
  return out_->nested().cell_of(bytes_);
}

}  // namespace assay::gold
