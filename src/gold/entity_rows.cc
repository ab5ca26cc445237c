#include "gold/entity_rows.h"

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>

#include "data/entity_key.h"

namespace assay::gold {
namespace {

constexpr std::size_t kRowsPerThreadMin = 1024;

/// Key columns of the rows with those of the seed behind them.
Result<std::vector<data::ColumnPtr>> joined_keys(const ViewLayout& layout,
                                                 const RowColumns& columns,
                                                 int64_t rows,
                                                 const data::Batch& seed) {
  if (seed.rows() == 0) {
    return columns.keys;
  }
  ASSAY_ASSIGN_OR_RETURN(std::vector<data::ColumnPtr> seed_keys, columns_as(layout.keys, seed));
  const data::SchemaPtr schema = data::make_schema(layout.keys);
  const data::Batch parts[] = {data::Batch(schema, columns.keys, rows),
                               data::Batch(schema, std::move(seed_keys), seed.rows())};
  ASSAY_ASSIGN_OR_RETURN(const data::Batch joined, data::concat(schema, parts));
  std::vector<data::ColumnPtr> keys;
  for (int i = 0; i < joined.column_count(); ++i) {
    keys.push_back(joined.column_ptr(i));
  }
  return keys;
}

}  // namespace

Result<EntityRows> group_by_entity(const ViewLayout& layout,
                                   const data::Batch& rows,
                                   const RowColumns& columns,
                                   const data::Batch& seed) {
  EntityRows result;
  ASSAY_ASSIGN_OR_RETURN(result.keys, joined_keys(layout, columns, rows.rows(), seed));
  std::vector<const data::Column*> key_columns;
  for (const data::ColumnPtr& column : result.keys) {
    key_columns.push_back(column.get());
  }
  const data::EntityIndex index = data::index_entities(key_columns, rows.rows() + seed.rows());
  const std::size_t count = index.keys.size();
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return index.keys[a] < index.keys[b];
  });
  std::vector<std::size_t> place(count);
  for (std::size_t i = 0; i < count; ++i) {
    place[order[i]] = i;
  }

  // Count, then fill: rows of one entity stand together.
  result.entities.resize(count);
  const auto entity_of = [&](int64_t row) -> EntityRows::Entity* {
    const int32_t id = index.ids[static_cast<std::size_t>(row)];
    return id < 0 ? nullptr : &result.entities[place[static_cast<std::size_t>(id)]];
  };
  for (int64_t row = 0; row < rows.rows(); ++row) {
    EntityRows::Entity* entity = entity_of(row);
    if (entity != nullptr && columns.has_times(row)) {
      ++entity->end;
    }
  }
  std::size_t offset = 0;
  for (EntityRows::Entity& entity : result.entities) {
    entity.begin = offset;
    offset += entity.end;
    entity.end = entity.begin;
  }
  result.row_numbers.resize(offset);
  for (int64_t row = 0; row < rows.rows(); ++row) {
    EntityRows::Entity* entity = entity_of(row);
    if (entity != nullptr && columns.has_times(row)) {
      result.row_numbers[entity->end++] = row;
      entity->key = row;
    }
  }
  for (int64_t row = 0; row < seed.rows(); ++row) {
    EntityRows::Entity* entity = entity_of(rows.rows() + row);
    if (entity == nullptr) {
      continue;
    }
    if (entity->seed >= 0) {
      return Status(Code::kInvalidArgument,
                    "the seed of view `" + layout.name + "` has two rows of one entity");
    }
    entity->seed = row;
    entity->key = rows.rows() + row;
  }
  return result;
}

std::size_t chunk_count_max(int threads) {
  return static_cast<std::size_t>(std::max(threads, 1));
}

Result<StepInputs> step_inputs(const ViewLayout& layout,
                               const data::Batch& rows,
                               const data::Batch& seed) {
  StepInputs inputs;
  ASSAY_ASSIGN_OR_RETURN(inputs.columns, find_row_columns(layout, rows));
  ASSAY_ASSIGN_OR_RETURN(inputs.entities, group_by_entity(layout, rows, inputs.columns, seed));
  inputs.event_time = inputs.columns.event_time->values<int64_t>().data();
  inputs.known_time = inputs.columns.known_time->values<int64_t>().data();
  inputs.sequence = inputs.columns.sequence->values<int64_t>().data();
  if (seed.rows() != 0) {
    const data::Field time{kEventTime, data::Type::kTimestamp, false};
    ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> times, columns_as({time}, seed));
    inputs.seed_event_time = times.front();
    ASSAY_ASSIGN_OR_RETURN(inputs.seed_features, columns_as(layout.raw->fields(), seed));
  }
  return inputs;
}

std::size_t for_entity_ranges(
    const EntityRows& entities,
    int threads,
    const std::function<void(std::size_t first, std::size_t end, std::size_t chunk)>& work) {
  const std::size_t rows = entities.row_numbers.size() + entities.entities.size();
  const std::size_t chunks =
      std::clamp(rows / kRowsPerThreadMin, std::size_t{1}, chunk_count_max(threads));
  std::vector<std::size_t> ends;
  std::size_t first = 0;
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    const std::size_t rows_end = rows * (chunk + 1) / chunks;
    std::size_t end = first;
    while (end < entities.entities.size() && entities.entities[end].end + end < rows_end) {
      ++end;
    }
    if (chunk + 1 == chunks) {
      end = entities.entities.size();
    }
    ends.push_back(end);
    first = end;
  }
  if (chunks == 1) {
    work(0, ends[0], 0);
    return 1;
  }
  std::vector<std::jthread> workers;
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    const std::size_t begin = chunk == 0 ? 0 : ends[chunk - 1];
    const std::size_t end = ends[chunk];
    workers.emplace_back([&work, begin, end, chunk] { work(begin, end, chunk); });
  }
  return chunks;  // joined by the destructors of `workers`
}

}  // namespace assay::gold
