#include "gold/view_agreement.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "gold/naive_view.h"
#include "gold/test_pages.h"
#include "gold/training_set.h"

namespace assay::gold {
namespace {

data::Batch steps_of(const AskedView& asked,
                     const std::vector<TestRow>& rows,
                     EventTime begin,
                     EventTime end,
                     const data::Batch& seed,
                     int threads) {
  return asked.view->steps(batch_of(rows), seed, begin, end, threads).value();
}

data::Batch all_steps(const AskedView& asked) {
  return steps_of(asked, asked.rows, EventTime::min(), EventTime::max(), data::Batch(), 1);
}

bool is_fresh(const AskedView& asked, std::size_t i) {
  const Answer& expected = asked.expected[i];
  return expected.event_time &&
         (!asked.definition.ttl ||
          asked.instants[i] - *expected.event_time <= asked.definition.ttl->micros);
}

/// What is served at instant i: values and statuses with their age.
FeatureValues served(const AskedView& asked, std::size_t i) {
  using data::FeatureStatus;
  const bool fresh = is_fresh(asked, i);
  FeatureValues values;
  for (std::size_t f = 0; f < asked.view->features().size(); ++f) {
    values.values.push_back(fresh ? asked.expected[i].values[f]
                                  : data::Scalar::null(asked.view->features()[f].type));
    if (!asked.statuses.empty()) {
      values.statuses.push_back(fresh                          ? asked.statuses[i][f]
                                : asked.expected[i].event_time ? FeatureStatus::kOutsideMaxAge
                                                               : FeatureStatus::kNotFound);
    }
  }
  return values;
}

void expect_read(const AskedView& asked,
                 std::size_t i,
                 const std::string& row,
                 const std::string& how) {
  const FeatureValues read = asked.view->read_online_row(row, EventTime{asked.instants[i]}).value();
  const FeatureValues expected = served(asked, i);
  const TestPages none(0);
  ASSERT_EQ(flat_text_of(*asked.view, row, EventTime{asked.instants[i]}, none), text_of(read))
      << how << " at " << asked.instants[i];
  for (std::size_t f = 0; f < read.values.size(); ++f) {
    const std::string& name = asked.view->features()[f].name;
    ASSERT_EQ(exact_text(read.values[f]), exact_text(expected.values[f]))
        << how << " at " << asked.instants[i] << ", " << name;
    if (!expected.statuses.empty()) {
      ASSERT_EQ(data::status_name(read.statuses[f]), data::status_name(expected.statuses[f]))
          << how << ", status at " << asked.instants[i] << ", " << name;
    }
  }
}

/// Indexes of the entity's rows, in this order of rows.
std::vector<int64_t> rows_of_entity(const AskedView& asked, const std::vector<TestRow>& rows) {
  std::vector<int64_t> found;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (is_of_entity(asked.entity, rows[i], asked.key)) {
      found.push_back(static_cast<int64_t>(i));
    }
  }
  return found;
}

/// The last row of each entity, in order.
data::Batch last_rows(const FeatureView& view, const data::Batch& steps) {
  std::vector<int64_t> last;
  for (int64_t row = 0; row < steps.rows(); ++row) {
    bool same = row + 1 < steps.rows();
    for (const data::Field& key : view.keys()) {
      const data::Column& column = *steps.find(key.name);
      same = same && column.scalar(row) == column.scalar(row + 1);
    }
    if (!same) {
      last.push_back(row);
    }
  }
  return last.empty() ? data::Batch() : steps.take(last);
}

std::string text_of_entity(const AskedView& asked, const data::Batch& steps) {
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < steps.rows(); ++row) {
    if (is_step_of(*asked.view, steps, row, asked.key)) {
      rows.push_back(row);
    }
  }
  return exact_text(steps.take(rows));
}

/// Steps say something new: but for known_time, a row differs from the one before it.
void expect_no_equal_neighbours(const AskedView& asked, const data::Batch& steps) {
  std::string before;
  for (int64_t row = 0; row < steps.rows(); ++row) {
    std::string text;
    for (int column = 0; column < steps.column_count(); ++column) {
      const std::string& name = steps.schema().field(column).name;
      if (name != kKnownTime && name != kFeatureDate) {
        text += exact_text(steps.column(column).scalar(row)) + " ";
      }
    }
    ASSERT_NE(text, before) << "equal steps of " << asked.definition.name;
    before = text;
  }
}

}  // namespace

void expect_steps_agree(Random& random, const AskedView& asked) {
  const data::Batch steps = all_steps(asked);
  for (std::size_t i = 0; i < asked.instants.size(); ++i) {
    ASSERT_EQ(exact_text(answer_of_steps(*asked.view, steps, asked.key, asked.instants[i])),
              exact_text(asked.expected[i]))
        << "steps at " << asked.instants[i];
  }
  ASSERT_NO_FATAL_FAILURE(expect_no_equal_neighbours(asked, steps));
  const data::Batch again = steps_of(
      asked, shuffled(random, asked.rows), EventTime::min(), EventTime::max(), data::Batch(), 2);
  ASSERT_EQ(exact_text(again), exact_text(steps)) << "rows in another order";
}

void expect_cut_steps_agree(Random& random, const AskedView& asked) {
  if (asked.instants.empty()) {
    return;
  }
  const EventTime cut{asked.instants[random.below(asked.instants.size())]};
  const data::Batch first = steps_of(asked, asked.rows, EventTime::min(), cut, data::Batch(), 1);
  const data::Batch second =
      steps_of(asked, asked.rows, cut, EventTime::max(), last_rows(*asked.view, first), 1);
  ASSERT_EQ(text_of_entity(asked, first) + text_of_entity(asked, second),
            text_of_entity(asked, all_steps(asked)))
      << "cut at " << cut.micros;
}

void expect_online_rows_agree(Random& random, const AskedView& asked) {
  const std::vector<TestRow> mixed = shuffled(random, asked.rows);
  const data::Batch batch = batch_of(mixed);
  const std::vector<int64_t> all = rows_of_entity(asked, mixed);
  for (std::size_t i = 0; i < asked.instants.size(); ++i) {
    std::string row;
    for (std::size_t begin = 0; begin < all.size();) {
      std::vector<int64_t> selected;
      for (uint64_t count = 1 + random.below(9); count > 0 && begin < all.size(); --count) {
        selected.push_back(all[begin++]);
      }
      const EventTime until{asked.instants[i] -
                            static_cast<int64_t>(random.below(3)) * 90 * kMinute};
      ASSERT_TRUE(asked.view->update_online_row(batch, selected, until, &row).ok());
    }
    ASSERT_NO_FATAL_FAILURE(expect_read(asked, i, row, "online"));
  }
}

void expect_replay_agrees(Random& random, const AskedView& asked) {
  const data::Batch batch = batch_of(asked.rows);
  std::vector<int64_t> waiting = rows_of_entity(asked, asked.rows);
  std::string row;
  for (std::size_t i = 0; i < asked.instants.size(); ++i) {
    std::vector<int64_t> arrived;
    std::vector<int64_t> later;
    for (const int64_t index : waiting) {
      const TestRow& one = asked.rows[static_cast<std::size_t>(index)];
      const bool visible = std::max(one.event_time, one.known_time) <= asked.instants[i];
      (visible || random.below(8) == 0 ? arrived : later).push_back(index);
    }
    waiting = std::move(later);
    ASSERT_TRUE(
        asked.view->update_online_row(batch, arrived, EventTime{asked.instants[i]}, &row).ok());
    ASSERT_NO_FATAL_FAILURE(expect_read(asked, i, row, "replayed"));
  }
}

void expect_training_set_agrees(const AskedView& asked) {
  catalog::ServiceDef definition;
  definition.name = "service";
  definition.items = {{asked.definition.name, {}, {}}};
  const auto service =
      compile_service(definition, {{asked.definition.name, asked.view}}, {}).value();
  std::vector<data::Field> fields = asked.view->keys();
  fields.push_back({"at", data::Type::kTimestamp, false});
  data::BatchBuilder labels(data::make_schema(fields));
  for (const int64_t instant : asked.instants) {
    for (std::size_t k = 0; k < asked.view->keys().size(); ++k) {
      labels.column(static_cast<int>(k))
          .append_scalar(asked.view->keys()[k].name == "user"
                             ? data::Scalar::string(asked.key.user)
                             : data::Scalar::int64(asked.key.item));
    }
    labels.column(static_cast<int>(asked.view->keys().size())).append(instant);
  }
  const StepsSource source = [&](const FeatureView&, EventTime, EventTime) {
    return Result<data::Batch>(all_steps(asked));
  };
  TrainingSetOptions options;
  options.time_column = "at";
  options.with_statuses = true;
  const data::Batch set = training_set(*service, labels.finish(), source, options).value();
  const data::Batch batch = batch_of(asked.rows);
  const std::vector<int64_t> all = rows_of_entity(asked, asked.rows);
  for (int64_t row = 0; row < set.rows(); ++row) {
    const auto i = static_cast<std::size_t>(row);
    const EventTime now{asked.instants[i]};
    const FeatureValues expected = served(asked, i);
    std::string online;
    ASSERT_TRUE(asked.view->update_online_row(batch, all, now, &online).ok());
    const FeatureValues read = asked.view->read_online_row(online, now).value();
    for (std::size_t f = 0; f < asked.view->features().size(); ++f) {
      const std::string& name = asked.view->features()[f].name;
      ASSERT_EQ(set.find(name + "__status")->text(row), data::status_name(read.statuses[f]))
          << "status at " << now.micros << ", " << name;
      ASSERT_EQ(exact_text(set.find(name)->scalar(row)), exact_text(expected.values[f]))
          << "training set at " << now.micros << ", " << name;
    }
  }
}

void expect_all_agree(Random& random, const AskedView& asked) {
  ASSERT_NO_FATAL_FAILURE(expect_steps_agree(random, asked));
  ASSERT_NO_FATAL_FAILURE(expect_cut_steps_agree(random, asked));
  ASSERT_NO_FATAL_FAILURE(expect_online_rows_agree(random, asked));
  ASSERT_NO_FATAL_FAILURE(expect_replay_agrees(random, asked));
  ASSERT_NO_FATAL_FAILURE(expect_training_set_agrees(asked));
}

}  // namespace assay::gold
