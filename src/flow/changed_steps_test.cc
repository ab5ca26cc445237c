// Entities whose answers changed are found from the files that differ; the twin looks at both whole
// tables.

#include "flow/changed_steps.h"

#include <map>

#include <gtest/gtest.h>

#include "flow/gold_task.h"
#include "flow/orders_project.h"
#include "flow/published_changes.h"
#include "lake/compaction.h"
#include "quality/quarantine.h"

namespace assay::flow {
namespace {

/// Each entity's row as text; "" where it is gone.
using Answers = std::map<std::string, std::string>;

Answers answers_of(Workspace& workspace, const gold::FeatureView& view, const std::string& sql) {
  const Result<data::Batch> rows = workspace.sql().query(sql);
  EXPECT_TRUE(rows.ok()) << rows.status().to_string();
  std::string last;
  Answers answers;
  for (int64_t row = 0; row < rows->rows(); ++row) {
    const std::string key = key_json(*rows, view.keys(), row);
    EXPECT_LT(last, key) << "in the order of keys, each once";
    last = key.empty() ? last : key;
    const bool is_gone = rows->find(kIsGone)->scalar(row) == data::Scalar::boolean(true);
    answers[key] = is_gone ? "" : quality::row_json(*rows, row);
  }
  return answers;
}

/// All answers at a state, from the whole table.
Answers naive_answers(Workspace& workspace,
                      const gold::FeatureView& view,
                      lake::DeltaTable& table,
                      const StepsAt& at) {
  const std::string relation = *table.relation(**table.snapshot(at.version));
  return answers_of(workspace,
                    view,
                    "SELECT " + column_list(step_names(view)) +
                        ", event_time IS NULL AS is_gone FROM " + relation +
                        " WHERE known_time <= " + timestamp_literal(at.as_of) +
                        last_of_each_entity(view) +
                        (view.keys().empty() ? "" : " ORDER BY " + view.keys()[0].name));
}

/// What the twin says differs: all that has other bytes; those that are gone or never were are "".
Answers naive_changes(const Answers& before, const Answers& now) {
  Answers changes;
  for (const auto& [key, answer] : now) {
    const auto old = before.find(key);
    if ((old == before.end() ? "" : old->second) != answer) {
      changes[key] = answer;
    }
  }
  for (const auto& [key, answer] : before) {
    if (!answer.empty() && !now.contains(key)) {
      changes[key] = "";
    }
  }
  return changes;
}

/// Compare with the twin between any two of these states.
void expect_like_the_twin(TestProject& project, const std::vector<StepsAt>& states) {
  const auto workspace = project.open();
  const gold::FeatureViewPtr view = *workspace->view("spend");
  const std::string key = *workspace->steps_table_key(*view);
  lake::DeltaTable& table = **workspace->table(key);
  int64_t found = 0;
  int64_t gone = 0;
  for (std::size_t i = 0; i < states.size(); ++i) {
    const Answers before = naive_answers(*workspace, *view, table, states[i]);
    for (std::size_t j = i; j < states.size(); ++j) {
      const Answers now = naive_answers(*workspace, *view, table, states[j]);
      const Result<std::string> sql = changed_steps(*workspace, *view, key, states[i], states[j]);
      ASSERT_TRUE(sql.ok()) << sql.status().to_string();
      Answers changes = answers_of(*workspace, *view, *sql);
      // An entity that came and went between the two may be called gone.
      std::erase_if(changes, [&](const auto& change) {
        return change.second.empty() && !naive_changes(before, now).contains(change.first);
      });
      EXPECT_EQ(changes, naive_changes(before, now)) << i << " to " << j;
      found += static_cast<int64_t>(changes.size());
      for (const auto& [entity, answer] : changes) {
        gone += answer.empty() ? 1 : 0;
      }
    }
    Answers all = answers_of(
        *workspace, *view, *changed_steps(*workspace, *view, key, std::nullopt, states[i]));
    EXPECT_EQ(all, naive_changes({}, before));
  }
  EXPECT_GT(found, static_cast<int64_t>(states.size()));
}

/// The state that there is after a run, at some instants up to its own.
void add_states(TestProject& project, std::vector<StepsAt>* states) {
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  lake::DeltaTable& table =
      **workspace->table(*workspace->steps_table_key(**workspace->view("spend")));
  const lake::Version version = (*table.snapshot())->version;
  const EventTime last = *workspace->serving_now();
  for (const int64_t hours : {20, 0}) {
    const EventTime at{last.micros - hours * 3600 * kMicrosPerSecond};
    states->push_back({version, states->empty() ? at : std::max(at, states->back().as_of)});
  }
}

TEST(ChangedSteps, OfWindowsWithLateRowsAsTheTwinSays) {
  TestProject project;
  project.change("{path: data, format: csv}", "{path: more, format: csv}");
  std::vector<StepsAt> states;
  for (int day = 1; day <= 3; ++day) {
    project.write("more/" + std::to_string(day) + ".csv", TestProject::events_of_day(day));
    add_states(project, &states);
  }
  expect_like_the_twin(project, states);
}

TEST(ChangedSteps, OfCorrectedAndDeletedRowsAsTheTwinSays) {
  OrdersProject project;
  std::vector<StepsAt> states;
  for (std::size_t file = 0; file < 3; ++file) {
    project.write_files(file, file + 1);
    add_states(project, &states);
  }
  expect_like_the_twin(project, states);
}

TEST(ChangedSteps, OfTheWholePopulationAsTheTwinSays) {
  TestProject project;
  project.change("{path: data, format: csv}", "{path: more, format: csv}");
  project.change("entity: user\n    from: clean", "entity: none\n    from: clean");
  std::vector<StepsAt> states;
  for (int day = 1; day <= 2; ++day) {
    project.write("more/" + std::to_string(day) + ".csv", TestProject::events_of_day(day));
    add_states(project, &states);
  }
  expect_like_the_twin(project, states);
}

TEST(ChangedSteps, AStateThatIsGoneIsToldSo) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const gold::FeatureViewPtr view = *workspace->view("spend");
  const std::string key = *workspace->steps_table_key(*view);
  const lake::Version newest = (*(*workspace->table(key))->snapshot())->version;
  const EventTime at = *workspace->serving_now();
  EXPECT_EQ(changed_steps(*workspace, *view, key, StepsAt{newest + 1, at}, {newest, at}).code(),
            Code::kOutOfRange);
}

}  // namespace
}  // namespace assay::flow
