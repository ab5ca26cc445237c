// The rows behind a number are found a second time here, from the definition as it is written, not
// by the kernels: what they say and what these rows give must be equal.

#include "flow/explain.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "base/hash.h"
#include "base/suggest.h"
#include "catalog/feature_registry.h"
#include "catalog/feature_schema.h"
#include "data/expression.h"
#include "flow/direct_line.h"
#include "flow/gold_stage.h"
#include "flow/gold_task.h"
#include "flow/offline_answers.h"
#include "flow/retention.h"
#include "flow/versions.h"
#include "silver/contract.h"

namespace assay::flow {
namespace {

using catalog::FeatureDef;

/// A feature of a view: the definition it comes from, and its window.
struct Named {
  const FeatureDef* definition = nullptr;
  std::optional<Duration> window;
  std::string expression;  // of a computed feature
  int index = -1;          // into view.features()
};

Result<Named> find_feature(const catalog::FeatureViewDef& definition,
                           const gold::FeatureView& view,
                           const std::string& name) {
  Named found;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < view.features().size(); ++i) {
    names.push_back(view.features()[i].name);
    found.index = names.back() == name ? static_cast<int>(i) : found.index;
  }
  for (const FeatureDef& feature : definition.features) {
    const std::vector<std::string> outputs = catalog::output_names(feature);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i] == name) {
        found.definition = &feature;
        const bool of_session =
            feature.kind == FeatureDef::Kind::kSequence && catalog::is_of_session(feature.sequence);
        found.window = i < feature.over.size() ? std::optional(feature.over[i]) : std::nullopt;
        if (of_session && definition.session) {
          found.window = definition.session->over;
        }
        found.expression =
            feature.kind == FeatureDef::Kind::kExpr || feature.kind == FeatureDef::Kind::kRatio
                ? catalog::computed_expression(feature, i)
                : "";
      }
    }
  }
  if (found.index < 0 || found.definition == nullptr) {
    return Status(
        Code::kNotFound,
        "view " + view.name() + " has no feature `" + name + "`" + did_you_mean(name, names));
  }
  return found;
}

/// Evaluates the definition's own words over the entity's rows, and says what each row is.
class Roles {
 public:
  Roles(const Named& named, const gold::FeatureView& view, const data::Batch& rows, EventTime at)
      : named_(named), view_(view), rows_(rows), at_(at.micros) {}

  Result<std::vector<std::string>> find() {
    const FeatureDef& feature = *named_.definition;
    ASSAY_ASSIGN_OR_RETURN(const data::ColumnPtr where, evaluate(feature.where));
    ASSAY_ASSIGN_OR_RETURN(const data::ColumnPtr of, evaluate(feature.of));
    std::vector<std::string> roles;
    for (int64_t row = 0; row < rows_.rows(); ++row) {
      roles.push_back(role(row, where.get(), of.get()));
    }
    const bool of_one_row =
        feature.kind == FeatureDef::Kind::kSince && feature.column != catalog::kSessionStartTime;
    if (feature.kind == FeatureDef::Kind::kLatest || of_one_row) {
      keep_one(feature.column == catalog::kFirstEvent && of_one_row, &roles);
    }
    return roles;
  }

 private:
  Result<data::ColumnPtr> evaluate(const std::string& text) const {
    if (text.empty()) {
      return data::ColumnPtr();
    }
    ASSAY_ASSIGN_OR_RETURN(const data::Expression expression,
                           data::Expression::compile(text, rows_.schema()));
    return expression.evaluate(rows_);
  }

  [[nodiscard]] int64_t time(const char* column, int64_t row) const {
    return rows_.find(column)->values<int64_t>()[static_cast<std::size_t>(row)];
  }

  [[nodiscard]] std::string role(int64_t row,
                                 const data::Column* where,
                                 const data::Column* of) const {
    if (time(silver::kKnownTime, row) > at_) {
      return "unknown";
    }
    const data::Column* replaced = rows_.find(gold::kReplacedTime);
    if (replaced != nullptr && replaced->is_valid(row) && time(gold::kReplacedTime, row) <= at_) {
      return "replaced";
    }
    if (named_.window.has_value()) {
      const int64_t end = floor_to(at_, view_.slide().micros);
      const int64_t event = time(silver::kEventTime, row);
      // A sequence reaches up to the instant itself, a window to the last closed slide.
      const bool open = named_.definition->kind != FeatureDef::Kind::kSequence && event >= end;
      if (open || event < end - named_.window->micros) {
        return "outside";
      }
    }
    if (where != nullptr &&
        (where->is_null(row) || where->values<uint8_t>()[static_cast<std::size_t>(row)] == 0)) {
      return "filtered";
    }
    const bool null_counts = named_.definition->kind == FeatureDef::Kind::kSequence;
    return of != nullptr && of->is_null(row) && !null_counts ? "null" : "counts";
  }

  /// A latest value is that of one row: the visible one with the largest times and sequence; the
  /// time of the first event that of the one with the smallest.
  void keep_one(bool first, std::vector<std::string>* roles) const {
    std::optional<int64_t> kept;
    const auto goes_before = [&](int64_t a, int64_t b) {
      const auto rank = [&](int64_t row) {
        return std::array{time(silver::kEventTime, row),
                          time(silver::kKnownTime, row),
                          time(silver::kSequence, row)};
      };
      return first ? rank(a) < rank(b) : rank(a) > rank(b);
    };
    for (int64_t row = 0; row < rows_.rows(); ++row) {
      if ((*roles)[static_cast<std::size_t>(row)] == "counts") {
        kept = kept.has_value() && !goes_before(row, *kept) ? kept : row;
        (*roles)[static_cast<std::size_t>(row)] = "outside";
      }
    }
    if (kept.has_value()) {
      (*roles)[static_cast<std::size_t>(*kept)] = "counts";
    }
  }

  const Named& named_;
  const gold::FeatureView& view_;
  const data::Batch& rows_;
  const int64_t at_;
};

/// Role, tile and the rows' own columns.
data::Batch explained_rows(const Named& named,
                           const gold::FeatureView& view,
                           const data::Batch& rows,
                           const std::vector<std::string>& roles) {
  data::ColumnBuilder role(data::Type::kString);
  data::ColumnBuilder tile(data::Type::kTimestamp);
  const std::span<const int64_t> event_time = rows.find(silver::kEventTime)->values<int64_t>();
  for (std::size_t row = 0; row < roles.size(); ++row) {
    role.append_text(roles[row]);
    if (named.window.has_value()) {
      tile.append(floor_to(event_time[row], view.slide().micros));
    } else {
      tile.append_null();
    }
  }
  std::vector<data::Field> fields{{"role", data::Type::kString, false},
                                  {"tile", data::Type::kTimestamp, true}};
  std::vector<data::ColumnPtr> columns{role.finish(), tile.finish()};
  for (int c = 0; c < rows.column_count(); ++c) {
    fields.push_back(rows.schema().field(c));
    columns.push_back(rows.column_ptr(c));
  }
  return {data::make_schema(std::move(fields)), std::move(columns), rows.rows()};
}

/// What one entity's steps answer at an instant.
struct Answer {
  int64_t row = -1;
  data::FeatureStatus status = data::FeatureStatus::kNotFound;
};

Answer answer_of(const gold::FeatureView& view, const data::Batch& steps, EventTime at) {
  const std::span<const int64_t> known = steps.find(gold::kKnownTime)->values<int64_t>();
  Answer answer;
  for (std::size_t row = 0; row < known.size(); ++row) {
    if (known[row] <= at.micros &&
        (answer.row < 0 || known[row] > known[static_cast<std::size_t>(answer.row)])) {
      answer.row = static_cast<int64_t>(row);
    }
  }
  if (answer.row >= 0 && steps.find(gold::kEventTime)->is_valid(answer.row)) {
    const int64_t event =
        steps.find(gold::kEventTime)->values<int64_t>()[static_cast<std::size_t>(answer.row)];
    const bool too_old = view.ttl().has_value() && at.micros - event > view.ttl()->micros;
    answer.status = too_old ? data::FeatureStatus::kOutsideMaxAge : data::FeatureStatus::kPresent;
  }
  return answer;
}

/// Value and status of one feature in an answer.
std::pair<data::Scalar, data::FeatureStatus> value_of(const gold::FeatureView& view,
                                                      const data::Batch& steps,
                                                      const Answer& answer,
                                                      int feature,
                                                      EventTime at) {
  const data::Field& field = view.features()[static_cast<std::size_t>(feature)];
  if (answer.status != data::FeatureStatus::kPresent) {
    return {data::Scalar::null(field.type), answer.status};
  }
  data::ColumnBuilder now(data::Type::kTimestamp);
  now.append(at.micros);
  const Result<std::vector<data::ColumnPtr>> found =
      view.answers(steps, {&answer.row, 1}, now.finish(), {&feature, 1}, 1);
  data::Scalar value = found.ok() ? found->front()->scalar(0) : data::Scalar::null(field.type);
  const data::FeatureStatus status = value.is_null()
                                         ? gold::null_status(steps, field.name, answer.row)
                                         : data::FeatureStatus::kPresent;
  return {std::move(value), status};
}

void fill_answer(const gold::FeatureView& view,
                 const data::Batch& steps,
                 const Named& named,
                 Explanation* explanation) {
  const EventTime at = explanation->at;
  const Answer answer = answer_of(view, steps, at);
  std::tie(explanation->value, explanation->status) =
      value_of(view, steps, answer, named.index, at);
  const std::span<const int64_t> known = steps.find(gold::kKnownTime)->values<int64_t>();
  if (answer.row >= 0) {
    const auto row = static_cast<std::size_t>(answer.row);
    if (steps.find(gold::kEventTime)->is_valid(answer.row)) {
      explanation->event_time = EventTime{steps.find(gold::kEventTime)->values<int64_t>()[row]};
    }
    explanation->since = EventTime{known[row]};
  }
  for (const int64_t time : known) {
    if (time > at.micros) {
      explanation->until =
          EventTime{std::min(time, explanation->until.value_or(EventTime::max()).micros)};
    }
  }
  const std::string& expression = named.expression;
  for (std::size_t i = 0; !expression.empty() && i < view.features().size(); ++i) {
    const std::string& name = view.features()[i].name;
    std::vector<data::Field> visible = view.features();
    visible.push_back({data::kNowColumn, data::Type::kTimestamp, true});
    const Result<data::Expression> compiled =
        data::Expression::compile(expression, data::Schema(std::move(visible)));
    if (compiled.ok() && std::count(compiled->columns().begin(), compiled->columns().end(), name)) {
      explanation->inputs.emplace_back(
          name, value_of(view, steps, answer, static_cast<int>(i), at).first);
    }
  }
}

Status too_many_rows() {
  return {Code::kResourceExhausted, "the entity has more rows than one answer holds"};
}

/// All rows of a query within the bound; of a larger one no more than that is held.
Result<data::Batch> bounded_rows(data::SqlEngine& sql,
                                 const std::string& query,
                                 const ExplainBound& bound) {
  constexpr int64_t kBatchRows = 10'000;
  ASSAY_ASSIGN_OR_RETURN(const auto reader, sql.stream(query, kBatchRows));
  std::vector<data::Batch> batches;
  std::size_t bytes = 0;
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(std::optional<data::Batch> next, reader->next());
    if (!next.has_value()) {
      return data::concat(reader->schema(), batches);
    }
    bytes += next->bytes();
    if (bytes > bound.bytes_max) {
      return too_many_rows();
    }
    batches.push_back(*std::move(next));
  }
}

Result<data::Batch> entity_rows(Workspace& workspace,
                                const GoldTask& task,
                                const std::vector<data::Scalar>& key,
                                EventTime at,
                                const ExplainBound& bound) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.source->snapshot(task.source_version));
  const std::string where =
      key_filter(*task.view, key) + " AND event_time <= " + timestamp_literal(at);
  const bool of_changes = task.view->of_changes();
  ASSAY_ASSIGN_OR_RETURN(const std::string relation,
                         task.source->relation(*snapshot, of_changes ? "" : where));
  const std::string from =
      " FROM " + visible_rows(relation, of_changes) + (of_changes ? " WHERE " + where : "");
  if (bound.rows_max < std::numeric_limits<int64_t>::max()) {  // before any is sorted
    ASSAY_ASSIGN_OR_RETURN(
        const data::Batch counted,
        workspace.sql().query("SELECT count(*) AS n FROM (SELECT 1 AS one" + from + " LIMIT " +
                              std::to_string(bound.rows_max + 1) + ")"));
    if (counted.column(0).values<int64_t>()[0] > bound.rows_max) {
      return too_many_rows();
    }
  }
  return bounded_rows(workspace.sql(),
                      "SELECT " + column_list(task.view->source_columns()) + from +
                          " ORDER BY event_time, known_time, sequence",
                      bound);
}

/// Of an entity's steps the one that is the answer at an instant, and the one that comes next.
Result<data::Batch> two_steps(Workspace& workspace,
                              const gold::FeatureView& view,
                              const std::string& relation,
                              EventTime at) {
  const std::string select =
      "SELECT " + column_list(view.steps_schema()->names()) + " FROM " + relation;
  return workspace.sql().query("SELECT * FROM (" + select + " WHERE known_time <= " +
                               timestamp_literal(at) +
                               " ORDER BY known_time DESC LIMIT 1) UNION ALL SELECT * FROM (" +
                               select + " WHERE known_time > " + timestamp_literal(at) +
                               " ORDER BY known_time LIMIT 1)");
}

}  // namespace

Result<Explanation> explain_feature(Workspace& workspace,
                                    const gold::FeatureView& view,
                                    const std::string& feature,
                                    const std::vector<data::Scalar>& key,
                                    EventTime at,
                                    const ExplainBound& bound) {
  ASSAY_RETURN_IF_ERROR(require_lake(workspace, "explain"));
  ASSAY_ASSIGN_OR_RETURN(const Named named,
                         find_feature(workspace.project().views.at(view.name()), view, feature));
  ASSAY_ASSIGN_OR_RETURN(const GoldTask task, make_gold_task(workspace, view.name()));
  ASSAY_RETURN_IF_ERROR(steps_relation(workspace, view, at).status());  // it knows the answer
  ASSAY_RETURN_IF_ERROR(require_answers_from(workspace, view, at));
  ASSAY_ASSIGN_OR_RETURN(const EventTime whole, computable_from(workspace, task));
  if (at < whole) {
    return Status(Code::kOutOfRange,
                  "rows behind the answer at " + format_time(at) + " are dropped (`keep` of " +
                      task.source_key + "); instants from " + format_time(whole) +
                      " on can be explained");
  }
  ASSAY_ASSIGN_OR_RETURN(const auto steps_snapshot, task.steps->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const std::string relation,
                         task.steps->relation(*steps_snapshot, key_filter(view, key)));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch steps, two_steps(workspace, view, relation, at));

  Explanation explanation;
  explanation.view = view.name();
  explanation.feature = feature;
  explanation.definition = catalog::feature_in_words(*named.definition, named.window);
  explanation.at = at;
  explanation.source_table = task.source_key + "@" + std::to_string(task.source_version);
  explanation.steps_table = task.steps->key() + "@" + std::to_string(steps_snapshot->version);
  explanation.fingerprint = hash_text(workspace.view_fingerprint(view));
  fill_answer(view, steps, named, &explanation);

  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, entity_rows(workspace, task, key, at, bound));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> roles, Roles(named, view, rows, at).find());
  explanation.rows = explained_rows(named, view, rows, roles);
  explanation.counted = std::count(roles.begin(), roles.end(), "counts");
  ASSAY_ASSIGN_OR_RETURN(const data::Batch again,
                         view.steps(rows,
                                    data::Batch::empty(view.steps_schema()),
                                    EventTime::min(),
                                    EventTime{at.micros + 1},
                                    1));
  data::FeatureStatus status = data::FeatureStatus::kNotFound;
  std::tie(explanation.recomputed, status) =
      value_of(view, again, answer_of(view, again, at), named.index, at);
  explanation.agrees =
      status == explanation.status && same_bits(explanation.recomputed, explanation.value);
  return explanation;
}

}  // namespace assay::flow
