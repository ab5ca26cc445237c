#include "flow/served.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/hash.h"
#include "flow/gold_task.h"
#include "flow/online_pieces.h"
#include "flow/online_stage.h"
#include "flow/retention.h"
#include "flow/training.h"
#include "flow/verify_composed.h"
#include "flow/versions.h"
#include "gold/served_schema.h"
#include "gold/service_values.h"
#include "ingest/record.h"
#include "silver/contract.h"

namespace assay::flow {
namespace {

/// How many versions after the one that was seen may have been applied before the rows were read.
constexpr lake::Version kVersionsTried = 3;
/// How many states of a view that was ahead of the lake are tried.
constexpr std::size_t kChoicesMax = 1'000;

/// Logged answers of one view, as questions.
struct Logged {
  std::vector<Question> questions;
  std::vector<std::optional<int64_t>> applied;  // of each: the store's position
  std::vector<int> features;                    // of the view, that were served
};

/// Those at or after `from`: older steps are dropped.
Result<Logged> logged_answers(const gold::Service& service,
                              std::size_t view_index,
                              const data::Batch& rows,
                              EventTime from) {
  const gold::FeatureView& view = *service.views[view_index];
  std::vector<const data::Column*> keys;
  for (const data::Field& field : view.keys()) {
    keys.push_back(rows.find(field.name));
  }
  const data::Column& as_of = *rows.find(gold::kServedAsOf);
  const data::Column& applied = *rows.find(gold::served_applied_column(service, view_index));
  Logged logged;
  for (const gold::ServiceFeature& feature : service.features) {
    if (feature.view_index == static_cast<int>(view_index)) {
      logged.features.push_back(feature.feature_index);
    }
  }
  for (int64_t row = 0; row < rows.rows(); ++row) {
    std::optional<data::EntityKey> key = data::encode_key(keys, row);
    if (!key || as_of.values<int64_t>()[static_cast<std::size_t>(row)] < from.micros) {
      continue;
    }
    Question question;
    question.key = *std::move(key);
    question.at = {as_of.values<int64_t>()[static_cast<std::size_t>(row)]};
    question.online.values.resize(view.features().size());
    question.online.statuses.resize(view.features().size());
    for (const gold::ServiceFeature& feature : service.features) {
      if (feature.view_index != static_cast<int>(view_index)) {
        continue;
      }
      const auto index = static_cast<std::size_t>(feature.feature_index);
      const std::string_view name = rows.find(gold::served_status_column(feature))->text(row);
      const std::optional<data::FeatureStatus> status = status_from_name(name);
      if (!status) {
        return Status(Code::kCorrupt, "a logged answer has the status `" + std::string(name) + "`");
      }
      question.online.values[index] = rows.find(gold::served_value_column(feature))->scalar(row);
      question.online.statuses[index] = *status;
    }
    logged.questions.push_back(std::move(question));
    logged.applied.push_back(
        applied.is_null(row)
            ? std::nullopt
            : std::optional(applied.values<int64_t>()[static_cast<std::size_t>(row)]));
  }
  return logged;
}

/// Rows of the entity that was asked for that a store at this position had, without what it was
/// ahead by.
Result<data::Batch> rows_at(Workspace& workspace,
                            const gold::FeatureView& view,
                            const Question& question,
                            lake::DeltaTable& source,
                            const OnlinePosition& position) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, source.snapshot(position.version));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<data::Scalar> entity, data::decode_key(question.key));
  std::string filter = key_filter(view, entity);
  if (position.pieces_left > 0) {  // only the rows of the pieces before
    ASSAY_ASSIGN_OR_RETURN(const std::vector<OnlinePiece> pieces,
                           online_pieces(workspace, view, source, *snapshot, position.pieces_log2));
    const auto next = pieces.size() - static_cast<std::size_t>(position.pieces_left);
    filter += " AND " + in_pieces_before(pieces, next);
  }
  // Versions of a key are told from each other over the whole table.
  ASSAY_ASSIGN_OR_RETURN(const std::string relation,
                         source.relation(*snapshot, view.of_changes() ? "" : filter));
  return workspace.sql().query("SELECT " + column_list(view.source_columns()) + " FROM " +
                               visible_rows(relation, view.of_changes()) + " WHERE " + filter +
                               " ORDER BY sequence");
}

/// What offline answers to one question from these rows.
Result<OfflineAnswers> answer_from_rows(const gold::FeatureView& view,
                                        const Question& question,
                                        const data::Batch& rows) {
  ASSAY_ASSIGN_OR_RETURN(
      data::Batch steps,
      view.steps(rows, data::Batch(), EventTime::min(), {question.at.micros + 1}, 1));
  return answer_from_steps(view, std::move(steps), {question}, 1);
}

/// The table that a view was made from when the store stood at a position; none when it is made
/// from another one now.
Result<lake::DeltaTable*> source_then(Workspace& workspace,
                                      const gold::FeatureView& view,
                                      const OnlinePosition& position) {
  const std::string& from = workspace.project().views.at(view.name()).from;
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.source_table_key(from));
  if (table_number(key) != position.table_number || position.version < 0) {
    return static_cast<lake::DeltaTable*>(nullptr);
  }
  return workspace.table(key);
}

/// Offline's answer to one question when the source table stood at a version; nothing when there is
/// no such version.
Result<std::optional<OfflineAnswers>> answer_at_version(Workspace& workspace,
                                                        const gold::FeatureView& view,
                                                        const Question& question,
                                                        const OnlinePosition& position) {
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * source, source_then(workspace, view, position));
  if (source == nullptr) {
    return std::optional<OfflineAnswers>();
  }
  ASSAY_ASSIGN_OR_RETURN(const auto newest, source->snapshot());
  if (position.version > newest->version) {
    return std::optional<OfflineAnswers>();
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                         rows_at(workspace, view, question, *source, position));
  ASSAY_ASSIGN_OR_RETURN(OfflineAnswers answers, answer_from_rows(view, question, rows));
  return std::optional(std::move(answers));
}

/// Answers of one question, and which of them are what was served.
class ServedThen {
 public:
  ServedThen(const gold::FeatureView& view,
             const Question& question,
             const std::vector<int>& features)
      : view_(view), question_(question), features_(features), right_(features.size()) {}

  /// Compare with what offline answers from these rows.
  Status compare(const data::Batch& rows) {
    ASSAY_ASSIGN_OR_RETURN(const OfflineAnswers answers, answer_from_rows(view_, question_, rows));
    for (std::size_t i = 0; i < features_.size(); ++i) {
      const OfflineValue offline = offline_value(view_, answers, 0, features_[i]);
      const auto index = static_cast<std::size_t>(features_[i]);
      right_[i] = right_[i] || (offline.status == question_.online.statuses[index] &&
                                same_bits(offline.value, question_.online.values[index]));
    }
    return {};
  }
  [[nodiscard]] const std::vector<bool>& right() const { return right_; }

 private:
  const gold::FeatureView& view_;
  const Question& question_;
  const std::vector<int>& features_;
  std::vector<bool> right_;
};

/// The rows that a view was ahead by, cut into those of each part of the source: a view has of each
/// the first ones.
std::vector<std::vector<int64_t>> rows_by_part(const data::Batch& held, const data::Batch& after) {
  const auto before = held.find(silver::kSequence)->values<int64_t>();
  const auto sequences = after.find(silver::kSequence)->values<int64_t>();
  std::map<int64_t, std::vector<int64_t>> parts;
  for (std::size_t row = 0; row < sequences.size(); ++row) {
    if (!std::binary_search(before.begin(), before.end(), sequences[row])) {
      parts[ingest::Position{sequences[row]}.file_ordinal()].push_back(static_cast<int64_t>(row));
    }
  }
  std::vector<std::vector<int64_t>> rows;
  for (auto& [part, of_part] : parts) {
    rows.push_back(std::move(of_part));
  }
  return rows;
}

/// Compare with what offline answers from the rows that were held and each choice of the first rows
/// of each part. False when there are too many choices.
Result<bool> compare_choices(const data::Batch& held, const data::Batch& after, ServedThen* then) {
  const std::vector<std::vector<int64_t>> parts = rows_by_part(held, after);
  std::size_t choices = 1;
  for (const std::vector<int64_t>& part : parts) {
    choices *= part.size() + 1;
    if (choices > kChoicesMax) {
      return false;
    }
  }
  const auto before = held.find(silver::kSequence)->values<int64_t>();
  const auto sequences = after.find(silver::kSequence)->values<int64_t>();
  for (std::size_t choice = 0; choice < choices; ++choice) {
    std::set<int64_t> taken;
    std::size_t rest = choice;
    for (const std::vector<int64_t>& part : parts) {
      taken.insert(part.begin(), part.begin() + static_cast<int64_t>(rest % (part.size() + 1)));
      rest /= part.size() + 1;
    }
    std::vector<int64_t> rows;
    for (std::size_t row = 0; row < sequences.size(); ++row) {
      const bool is_held = std::binary_search(before.begin(), before.end(), sequences[row]);
      if (is_held || taken.contains(static_cast<int64_t>(row))) {
        rows.push_back(static_cast<int64_t>(row));
      }
    }
    ASSAY_RETURN_IF_ERROR(then->compare(after.take(rows)));
  }
  return true;
}

/// A view that was ahead of the lake had all rows of some reads, which the versions of its table
/// that came then have. False when it cannot be told which: the lake does not have them yet, or
/// there are too many choices.
Result<bool> compare_ahead(Workspace& workspace,
                           const gold::FeatureView& view,
                           const Question& question,
                           lake::DeltaTable& source,
                           const OnlinePosition& position,
                           ServedThen* then) {
  OnlinePosition at = position;
  std::optional<lake::Version> version;
  while (!version) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<int64_t> begin,
                           reads_of(workspace, source, at.version));
    if (!begin) {
      return false;  // its log is cleaned away
    }
    ASSAY_ASSIGN_OR_RETURN(const std::optional<lake::Version> next,
                           version_with_reads(workspace, source, at.version, *begin));
    if (!next) {
      return false;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::optional<int64_t> end, reads_of(workspace, source, *next));
    const int64_t reads = end.value_or(*begin) - *begin;
    if (reads >= at.reads) {
      version = *next;
    } else {
      at = {at.table_number, *next, at.reads - reads};  // all of that epoch was there
    }
  }
  at.reads = 0;
  ASSAY_ASSIGN_OR_RETURN(const data::Batch held, rows_at(workspace, view, question, source, at));
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch after,
      rows_at(workspace, view, question, source, {position.table_number, *version}));
  return compare_choices(held, after, then);
}

/// Which of the features were right by what the store had then; nothing when that cannot be told.
Result<std::optional<std::vector<bool>>> were_right(Workspace& workspace,
                                                    const gold::FeatureView& view,
                                                    const Question& question,
                                                    int64_t applied,
                                                    const std::vector<int>& features) {
  ServedThen then(view, question, features);
  const OnlinePosition position = OnlinePosition::decode(applied);
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * source, source_then(workspace, view, position));
  if (source == nullptr) {
    return std::optional(then.right());
  }
  ASSAY_ASSIGN_OR_RETURN(const auto newest, source->snapshot());
  for (int64_t tried = 0; tried < kVersionsTried; ++tried) {
    const OnlinePosition later = position.after(tried);
    if (later.version > newest->version) {
      break;
    }
    ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                           rows_at(workspace, view, question, *source, later));
    ASSAY_RETURN_IF_ERROR(then.compare(rows));
  }
  const std::vector<bool>& right = then.right();
  if (position.reads > 0 && std::count(right.begin(), right.end(), false) > 0) {
    ASSAY_ASSIGN_OR_RETURN(const bool is_told,
                           compare_ahead(workspace, view, question, *source, position, &then));
    if (!is_told) {
      return std::optional<std::vector<bool>>();
    }
  }
  return std::optional(then.right());
}

Status compare_view(Workspace& workspace,
                    const gold::FeatureView& view,
                    const Logged& logged,
                    int threads,
                    VerifyReport* report) {
  ASSAY_ASSIGN_OR_RETURN(const OfflineAnswers offline,
                         answer_offline(workspace, view, logged.questions, threads));
  for (std::size_t q = 0; q < logged.questions.size(); ++q) {
    const Question& question = logged.questions[q];
    std::vector<int> differing;
    for (const int feature : logged.features) {
      const OfflineValue value = offline_value(view, offline, q, feature);
      const auto index = static_cast<std::size_t>(feature);
      if (value.status != question.online.statuses[index] ||
          !same_bits(value.value, question.online.values[index])) {
        differing.push_back(feature);
      }
    }
    std::optional<std::vector<bool>> behind(std::in_place, differing.size());
    if (!differing.empty() && logged.applied[q]) {
      ASSAY_ASSIGN_OR_RETURN(behind,
                             were_right(workspace, view, question, *logged.applied[q], differing));
    }
    for (const int feature : logged.features) {
      const auto found = std::find(differing.begin(), differing.end(), feature);
      if (found != differing.end() && !behind) {
        report->undecided_values += 1;
      } else if (found != differing.end() &&
                 (*behind)[static_cast<std::size_t>(found - differing.begin())]) {
        report->values += 1;
        report->behind_values += 1;
      } else {
        compare_value(view, question, feature, offline_value(view, offline, q, feature), report);
      }
    }
  }
  return {};
}

/// Whether the log has features of views that are looked up by a computed key.
bool looks_up(const gold::Service& service, const gold::ServiceFeature& feature) {
  return feature.view_index >= 0 && service.has_computed_keys(feature.view_index);
}

/// The offline answer of one view to entities that a logged answer looked up, when the views stood
/// `later` versions after what the log says was applied.
Result<std::vector<gold::FeatureValues>> answers_then(Workspace& workspace,
                                                      const gold::FeatureView& view,
                                                      std::span<const data::EntityKey> keys,
                                                      EventTime at,
                                                      OnlinePosition position) {
  std::vector<gold::FeatureValues> all;
  for (const data::EntityKey& key : keys) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<OfflineAnswers> answers,
                           answer_at_version(workspace, view, {key, at, false, {}}, position));
    if (!answers) {
      return Status(Code::kOutOfRange, "there is no such version");
    }
    gold::FeatureValues values;
    for (std::size_t feature = 0; feature < view.features().size(); ++feature) {
      OfflineValue value = offline_value(view, *answers, 0, static_cast<int>(feature));
      values.values.push_back(std::move(value.value));
      values.statuses.push_back(value.status);
    }
    all.push_back(std::move(values));
  }
  return all;
}

/// Logged answers of a service as a whole.
class ServedLookups {
 public:
  ServedLookups(Workspace& workspace, const gold::Service& service, data::Batch rows)
      : workspace_(workspace), service_(service), rows_(std::move(rows)) {}

  /// Compare what was looked up by computed keys with the training set of the same questions.
  Status compare(int threads, VerifyReport* report) {
    gold::TrainingSetOptions options;
    options.time_column = gold::kServedAsOf;
    options.with_statuses = true;
    options.threads = threads;
    std::vector<std::string> names = {gold::kServedAsOf};
    for (const data::Field& key : service_.entity_keys) {
      names.push_back(key.name);
    }
    ASSAY_ASSIGN_OR_RETURN(const data::Batch asked, rows_.select(names));
    ASSAY_ASSIGN_OR_RETURN(const data::Batch set,
                           build_training_set(workspace_, service_, asked, options));
    for (int64_t row = 0; row < rows_.rows(); ++row) {
      ASSAY_RETURN_IF_ERROR(compare_row(asked, set, row, report));
    }
    return {};
  }

 private:
  Status compare_row(const data::Batch& asked,
                     const data::Batch& set,
                     int64_t row,
                     VerifyReport* report) {
    std::optional<std::vector<gold::ServiceReading>> then;  // read when something differs
    for (std::size_t f = 0; f < service_.features.size(); ++f) {
      if (!looks_up(service_, service_.features[f])) {
        continue;
      }
      ASSAY_ASSIGN_OR_RETURN(const OfflineValue online, logged(f, row));
      const OfflineValue offline = set_value(service_, set, row, f);
      const bool differs =
          online.status != offline.status || !same_bits(online.value, offline.value);
      if (differs && !then) {
        ASSAY_ASSIGN_OR_RETURN(then, readings_then(row));
      }
      if (differs && was_right(online, *then, f)) {
        report->values += 1;
        report->behind_values += 1;
        continue;
      }
      if (differs && was_ahead(row)) {  // by rows of entities that the log does not name
        report->undecided_values += 1;
        continue;
      }
      compare_values(
          online,
          offline,
          [&] { return where_asked(service_, f, asked, row, gold::kServedAsOf); },
          report);
    }
    return {};
  }

  [[nodiscard]] Result<OfflineValue> logged(std::size_t f, int64_t row) const {
    const gold::ServiceFeature& feature = service_.features[f];
    const std::string_view name = rows_.find(gold::served_status_column(feature))->text(row);
    const std::optional<data::FeatureStatus> status = status_from_name(name);
    if (!status) {
      return Status(Code::kCorrupt, "a logged answer has the status `" + std::string(name) + "`");
    }
    return OfflineValue{rows_.find(gold::served_value_column(feature))->scalar(row), *status};
  }

  /// What the service would have answered by the versions that the store may have had.
  Result<std::vector<gold::ServiceReading>> readings_then(int64_t row) {
    std::map<std::string, OnlinePosition> positions;
    for (std::size_t view = 0; view < service_.views.size(); ++view) {
      const data::Scalar applied =
          rows_.find(gold::served_applied_column(service_, view))->scalar(row);
      if (applied.is_null()) {
        return std::vector<gold::ServiceReading>();
      }
      positions[service_.views[view]->name()] =
          OnlinePosition::decode(std::get<int64_t>(applied.value));
    }
    const EventTime at{
        rows_.find(gold::kServedAsOf)->values<int64_t>()[static_cast<std::size_t>(row)]};
    std::map<std::string, std::vector<data::Scalar>> keys;
    for (const data::Field& key : service_.entity_keys) {
      keys[key.name] = {rows_.find(key.name)->scalar(row)};
    }
    std::vector<gold::ServiceReading> readings;
    for (lake::Version later = 0; later < kVersionsTried; ++later) {
      Result<gold::ServiceReading> reading = gold::read_service(
          service_,
          1,
          at,
          [&](const data::Field& key) {
            return Result<const std::vector<data::Scalar>*>(&keys.at(key.name));
          },
          [&](const gold::FeatureView& view, std::span<const data::EntityKey> entities) {
            return answers_then(
                workspace_, view, entities, at, positions.at(view.name()).after(later));
          });
      if (reading.ok()) {
        readings.push_back(*std::move(reading));
      } else if (reading.code() != Code::kOutOfRange) {
        return std::move(reading).status();
      }
    }
    return readings;
  }

  /// Whether a view was ahead of the lake.
  [[nodiscard]] bool was_ahead(int64_t row) const {
    for (std::size_t view = 0; view < service_.views.size(); ++view) {
      const data::Scalar applied =
          rows_.find(gold::served_applied_column(service_, view))->scalar(row);
      if (!applied.is_null() &&
          OnlinePosition::decode(std::get<int64_t>(applied.value)).reads > 0) {
        return true;
      }
    }
    return false;
  }

  [[nodiscard]] bool was_right(const OfflineValue& online,
                               const std::vector<gold::ServiceReading>& readings,
                               std::size_t f) const {
    return std::any_of(readings.begin(), readings.end(), [&](const gold::ServiceReading& reading) {
      const OfflineValue value = read_value(service_, reading, 0, f);
      return value.status == online.status && same_bits(value.value, online.value);
    });
  }

  Workspace& workspace_;
  const gold::Service& service_;
  const data::Batch rows_;
};

/// Of a row that was answered. The features beside a challenger's score stand in the answer's own
/// row, too.
std::string answered_only() {
  const std::string model = gold::kServedModel;
  return "(" + model + " IS NULL OR NOT starts_with(" + model + ", '" + gold::kServedShadow + "'))";
}

}  // namespace

Result<std::string> served_table_key(Workspace& workspace, const gold::Service& service) {
  ASSAY_ASSIGN_OR_RETURN(const data::SchemaPtr schema, gold::served_schema(service));
  uint64_t fingerprint = hash_bytes("assay.served");
  for (const data::Field& field : schema->fields()) {
    fingerprint =
        hash_bytes(field.name + " " + std::string(data::type_name(field.type)), fingerprint);
  }
  for (const gold::FeatureViewPtr& view : service.views) {
    fingerprint = hash_bytes(view->storage_name(), fingerprint);
  }
  if (service.lookups != 0) {  // it decides which entity's features were looked up
    fingerprint = hash_mix(fingerprint, service.lookups);
  }
  return workspace.versioned_key("served/" + service.name, fingerprint);
}

Status append_served(Workspace& workspace, const gold::Service& service, const data::Batch& rows) {
  ASSAY_ASSIGN_OR_RETURN(const std::string key, served_table_key(workspace, service));
  ASSAY_ASSIGN_OR_RETURN(const data::SchemaPtr schema, gold::served_schema(service));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table,
                         workspace.open_or_create_table(key, {key, schema, {gold::kServedDate}}));
  lake::CommitRequest request;
  request.operation = "WRITE";
  ASSAY_ASSIGN_OR_RETURN(request.adds, table->write_files(rows));
  ASSAY_ASSIGN_OR_RETURN(lake::TxnUpdate fingerprint, workspace.fingerprint_update(*table));
  request.txns.push_back(std::move(fingerprint));
  return table->commit(request).status();
}

Result<VerifyReport> verify_served(Workspace& workspace,
                                   const std::string& service_name,
                                   const ServedOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(const auto service, workspace.service(service_name));
  VerifyReport report;
  report.service = service_name;
  ASSAY_ASSIGN_OR_RETURN(const std::string key, served_table_key(workspace, *service));
  const Result<data::Batch> rows = workspace.read_table(
      key,
      "*",
      answered_only(),
      std::string(gold::kServedAsOf) + " DESC LIMIT " + std::to_string(options.answers_max));
  if (rows.code() == Code::kNotFound || (rows.ok() && rows->rows() == 0)) {
    return Status(Code::kNotFound,
                  "no answers of service " + service_name +
                      " were logged; `assay serve --log-share 0.01` logs those of one entity in a "
                      "hundred");
  }
  ASSAY_RETURN_IF_ERROR(rows.status());
  report.served_answers = rows->rows();
  const auto as_of = rows->find(gold::kServedAsOf)->values<int64_t>();
  report.last = {as_of.front()};
  report.first = {as_of.back()};
  EventTime whole_from = EventTime::min();  // of all views
  for (std::size_t v = 0; v < service->views.size(); ++v) {
    ASSAY_ASSIGN_OR_RETURN(const GoldTask task,
                           make_gold_task(workspace, service->views[v]->name()));
    ASSAY_ASSIGN_OR_RETURN(const auto steps, task.steps->snapshot());
    const EventTime from = answers_from(task, *steps);
    whole_from = std::max(whole_from, from);
    if (service->has_computed_keys(static_cast<int>(v))) {
      continue;  // the log does not say which entity was looked up: see below
    }
    ASSAY_ASSIGN_OR_RETURN(const Logged logged, logged_answers(*service, v, *rows, from));
    if (!logged.features.empty()) {
      ASSAY_RETURN_IF_ERROR(
          compare_view(workspace, *service->views[v], logged, options.threads, &report));
    }
  }
  if (std::any_of(service->features.begin(), service->features.end(), [&](const auto& feature) {
        return looks_up(*service, feature);
      })) {
    // The newest come first.
    const auto whole = std::partition_point(
        as_of.begin(), as_of.end(), [&](int64_t time) { return time >= whole_from.micros; });
    const gold::Service rest = without_on_demand(*service);
    ASSAY_RETURN_IF_ERROR(ServedLookups(workspace, rest, rows->slice(0, whole - as_of.begin()))
                              .compare(options.threads, &report));
  }
  return report;
}

}  // namespace assay::flow
