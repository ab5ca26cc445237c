#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/batch.h"
#include "gold/view_layout.h"

namespace assay::gold {

/// Source rows and seed rows of a batch by entity, entities in order of their key bytes.
struct EntityRows {
  struct Entity {
    std::size_t begin = 0;  // its rows are row_numbers[begin, end), in no order
    std::size_t end = 0;
    int64_t seed = -1;  // its row of the seed batch
    int64_t key = 0;    // a row of `keys` that holds its key
  };
  std::vector<int64_t> row_numbers;
  std::vector<Entity> entities;
  std::vector<data::ColumnPtr> keys;  // of the rows, then of the seed
};

/// Group them. Rows with a null key or without times are left out.
///
/// Errors  kInvalidArgument: the seed lacks key columns, or an entity has two seed rows.
Result<EntityRows> group_by_entity(const ViewLayout& layout,
                                   const data::Batch& rows,
                                   const RowColumns& columns,
                                   const data::Batch& seed);

/// What steps that follow rows one by one begin with: the rows by entity, their times, and what the
/// seed said. The batches must outlive it.
struct StepInputs {
  RowColumns columns;
  EntityRows entities;
  const int64_t* event_time = nullptr;
  const int64_t* known_time = nullptr;
  const int64_t* sequence = nullptr;
  data::ColumnPtr seed_event_time;  // nullptr without a seed
  std::vector<data::ColumnPtr> seed_features;

  [[nodiscard]] int64_t visible_time(int64_t row) const {
    return std::max(event_time[row], known_time[row]);
  }
};

/// Errors  those of find_row_columns and group_by_entity; kInvalidArgument: a seed of another view.
Result<StepInputs> step_inputs(const ViewLayout& layout,
                               const data::Batch& rows,
                               const data::Batch& seed);

/// Call `work(first, end, chunk)` for ranges of entities with about equal numbers of rows, each on
/// a thread of its own. Gives the number of chunks; chunks are in entity order.
std::size_t for_entity_ranges(
    const EntityRows& entities,
    int threads,
    const std::function<void(std::size_t first, std::size_t end, std::size_t chunk)>& work);

/// Most chunks that for_entity_ranges makes.
std::size_t chunk_count_max(int threads);

}  // namespace assay::gold
