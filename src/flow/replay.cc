#include "flow/replay.h"

#include <algorithm>
#include <set>

#include "flow/gold_task.h"
#include "flow/retention.h"
#include "flow/versions.h"
#include "silver/contract.h"

namespace assay::flow {
namespace {

void find_replaced(History* history) {
  const data::Column& replaced = *history->rows.find(gold::kReplacedTime);
  history->rows_of_entity.resize(history->entities.size());
  for (int64_t row = 0; row < replaced.size(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    if (history->entity_of_row[at] < 0) {
      continue;
    }
    history->rows_of_entity[static_cast<std::size_t>(history->entity_of_row[at])].push_back(row);
    if (replaced.is_valid(row)) {
      history->replaced.emplace_back(replaced.values<int64_t>()[at], row);
    }
  }
  std::sort(history->replaced.begin(), history->replaced.end());
}

/// The rows as they were known: what replaced them later had not come yet.
data::Batch known_at(const data::Batch& rows, EventTime instant) {
  const int index = *rows.schema().find(gold::kReplacedTime);
  const data::Column& replaced = rows.column(index);
  data::ColumnBuilder known(data::Type::kTimestamp);
  for (int64_t row = 0; row < replaced.size(); ++row) {
    const int64_t time = replaced.values<int64_t>()[static_cast<std::size_t>(row)];
    if (replaced.is_valid(row) && time <= instant.micros) {
      known.append(time);
    } else {
      known.append_null();
    }
  }
  std::vector<data::ColumnPtr> columns;
  for (int i = 0; i < rows.column_count(); ++i) {
    columns.push_back(i == index ? known.finish() : rows.column_ptr(i));
  }
  return data::Batch(rows.schema_ptr(), std::move(columns), rows.rows());
}

}  // namespace

Result<History> read_history(Workspace& workspace, const gold::FeatureViewPtr& view) {
  History history;
  history.view = view;
  ASSAY_ASSIGN_OR_RETURN(history.rows,
                         read_visible(workspace,
                                      workspace.project().views.at(view->name()).from,
                                      view->source_columns(),
                                      "",
                                      "greatest(event_time, known_time), sequence"));
  for (const catalog::FeatureDef& feature : workspace.project().views.at(view->name()).features) {
    for (const Duration window : feature.over) {
      history.windows.push_back(window.micros);
    }
  }
  const std::span<const int64_t> event_time =
      history.rows.find(silver::kEventTime)->values<int64_t>();
  const std::span<const int64_t> known_time =
      history.rows.find(silver::kKnownTime)->values<int64_t>();
  for (std::size_t row = 0; row < event_time.size(); ++row) {
    history.visible.push_back(std::max(event_time[row], known_time[row]));
  }
  std::vector<const data::Column*> keys;
  for (const data::Field& field : view->keys()) {
    keys.push_back(history.rows.find(field.name));
  }
  data::EntityIndex index = data::index_entities(keys, history.rows.rows());
  history.entities = std::move(index.keys);
  history.entity_of_row = std::move(index.ids);
  ASSAY_ASSIGN_OR_RETURN(const GoldTask task, make_gold_task(workspace, view->name()));
  ASSAY_ASSIGN_OR_RETURN(const auto steps, task.steps->snapshot());
  ASSAY_ASSIGN_OR_RETURN(history.whole_from, computable_from(workspace, task));
  history.whole_from = std::max(history.whole_from, answers_from(task, *steps));
  if (view->of_changes()) {
    find_replaced(&history);
  }
  return history;
}

Status Replay::to(EventTime instant) {
  const int64_t first = next_row_;
  while (next_row_ < history_.rows.rows() &&
         history_.visible[static_cast<std::size_t>(next_row_)] <= instant.micros) {
    ++next_row_;
  }
  std::vector<data::EntityKey> anew;
  data::Batch rows = history_.rows.slice(first, next_row_);
  if (history_.view->of_changes()) {
    rows = rows_with_replaced(first, instant, &anew);
  }
  const int64_t position = position_.value_or(0) + 1;
  ASSAY_RETURN_IF_ERROR(store_.apply(*history_.view, rows, position_, position, instant, anew));
  position_ = position;
  return {};
}

/// New rows of entities that only gain; all rows of those with one that was replaced meanwhile.
data::Batch Replay::rows_with_replaced(int64_t first,
                                       EventTime instant,
                                       std::vector<data::EntityKey>* anew) {
  std::set<int32_t> touched;
  for (; next_replaced_ < history_.replaced.size() &&
         history_.replaced[next_replaced_].first <= instant.micros;
       ++next_replaced_) {
    touched.insert(entity_of(history_.replaced[next_replaced_].second));
  }
  std::vector<int64_t> taken;
  for (int64_t row = first; row < next_row_; ++row) {
    if (touched.count(entity_of(row)) == 0) {
      taken.push_back(row);
    }
  }
  for (const int32_t entity : touched) {
    anew->push_back(history_.entities[static_cast<std::size_t>(entity)]);
    for (const int64_t row : history_.rows_of_entity[static_cast<std::size_t>(entity)]) {
      if (row < next_row_) {
        taken.push_back(row);
      }
    }
  }
  std::sort(anew->begin(), anew->end());
  return known_at(history_.rows.take(taken), instant);
}

}  // namespace assay::flow
