#pragma once

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

/// Call `work(first, end, chunk)` for ranges of entities with about equal numbers of rows, each on
/// a thread of its own. Gives the number of chunks; chunks are in entity order.
std::size_t for_entity_ranges(
    const EntityRows& entities,
    int threads,
    const std::function<void(std::size_t first, std::size_t end, std::size_t chunk)>& work);

/// Most chunks that for_entity_ranges makes.
std::size_t chunk_count_max(int threads);

}  // namespace assay::gold
