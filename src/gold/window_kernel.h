#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gold/entity_rows.h"
#include "gold/kernel_inputs.h"
#include "gold/ordered_values.h"
#include "gold/staircase.h"
#include "gold/standing_rows.h"
#include "gold/step_writer.h"
#include "gold/window_states.h"

namespace assay::gold {

/// Walks one entity after the other through time and writes their steps.
///
/// Threads one thread at a time.
class WindowKernel {
 public:
  WindowKernel(const WindowPlan& plan,
               const KernelInputs& inputs,
               int64_t slide,
               EventTime begin,
               EventTime end,
               StepWriter* out);
  /// What was answered before `begin`.
  struct Seed {
    std::optional<int64_t> event_time;  // nothing: there was no event any more
    std::vector<Cell> cells;
  };
  void run(const EntityRows& all,
           const EntityRows::Entity& entity,
           const std::optional<Seed>& seed);

 private:
  struct Event {
    int64_t tile;
    int64_t enter;
    int64_t row;
  };
  struct Window {
    Window(int64_t window_length, WindowStates fresh)
        : length(window_length), states(std::move(fresh)) {}
    int64_t length;
    std::size_t next_leaving = 0;  // into events_, by tile
    bool changed = true;
    WindowStates states;
    std::vector<std::size_t> outputs;  // of this window, into WindowPlan::outputs
  };

  void load(const EntityRows& all, const EntityRows::Entity& entity);
  void reset(const std::optional<Seed>& seed);
  [[nodiscard]] int64_t next_instant() const;
  void apply_until(int64_t instant);
  void arrive(const Event& event);
  [[nodiscard]] int64_t replaced_at(const Event& event) const {
    return inputs_.replaced_time == nullptr ? kNeverReplaced : inputs_.replaced_time[event.row];
  }
  void take_back(int64_t instant);
  bool depart(const Event& event);
  void enter_structures(const Event& event);
  void leave_structures(int64_t instant);
  void leave_stairs(std::size_t extreme, int64_t instant);
  void leave_ordered(std::size_t ordered, int64_t instant);
  void insert_stair(std::size_t extreme, const Event& event);
  void insert_ordered(std::size_t ordered, const Event& event);
  [[nodiscard]] std::optional<OrderedRow> ordered_row(std::size_t ordered,
                                                      const Event& event) const;
  /// True when the row counts at the instant: it has entered and nothing has replaced it.
  [[nodiscard]] bool stands(const Event& event, int64_t instant) const {
    return event.enter <= instant && replaced_at(event) > instant;
  }
  /// The first of the events from `tile` on that have not left the longest window.
  [[nodiscard]] std::size_t place_of_tile(int64_t tile) const;
  [[nodiscard]] int64_t leave_time(const Event& event, const Window& window) const {
    return event.tile + slide_ + window.length;
  }
  void write_step_if_changed(int64_t key, int64_t instant);
  [[nodiscard]] Cell value_of(const WindowOutput& output, const Window& window, int64_t slide_end);
  [[nodiscard]] Cell extreme_of(const WindowOutput& output, int64_t first_tile) const;
  [[nodiscard]] Cell first_of(const WindowOutput& output, int64_t first_tile);
  [[nodiscard]] Cell last_of(const WindowOutput& output, int64_t first_tile) const;
  [[nodiscard]] Cell last_n_of(const WindowOutput& output, int64_t first_tile);
  [[nodiscard]] Cell top_of(const WindowOutput& output, const Window& window);
  [[nodiscard]] Cell histogram_of(const WindowOutput& output, const Window& window);
  [[nodiscard]] InputValue element(const WindowOutput& output, int64_t value) const;
  [[nodiscard]] Cell array_of(const WindowOutput& output, const Window& window, int64_t first_tile);
  [[nodiscard]] Cell list_cell(const WindowOutput& output);

  const WindowPlan& plan_;
  const KernelInputs& inputs_;
  const int64_t slide_;
  const int64_t begin_;
  const int64_t end_;
  StepWriter* out_;

  std::vector<Event> events_;       // by tile
  std::vector<uint32_t> arrivals_;  // places in events_, by enter
  std::size_t next_arrival_ = 0;
  bool has_replaced_ = false;    // some rows are replaced within the range
  StandingRows standing_;        // used then; places in events_
  std::vector<Event> departed_;  // at one instant, from the longest window
  std::vector<Window> windows_;
  std::vector<Staircase> stairs_;  // per extreme
  std::vector<FirstRows> firsts_;  // per ordered input; each uses one of the two
  std::vector<LastRows> lasts_;
  std::optional<int64_t> newest_;
  std::optional<int64_t> written_newest_;
  std::vector<Cell> cells_;  // as last written
  std::vector<InputValue> list_;
  std::string bytes_;
};

}  // namespace assay::gold
