// A model's predictions as records: of each entity of which a feature has changed, scored with its
// features as the steps tables have them.
//
//   key    {"user_id":"u1"}
//   value  {"entity":{"user_id":"u1"},"prediction":0.25}

#include <algorithm>
#include <map>

#include "base/json_writer.h"
#include "flow/changed_steps.h"
#include "flow/gold_task.h"
#include "flow/offline_answers.h"
#include "flow/online_stage.h"
#include "flow/published_changes.h"
#include "flow/versions.h"
#include "gold/service_values.h"
#include "learn/model_card.h"
#include "learn/scorer.h"
#include "quality/quarantine.h"

namespace assay::flow {
namespace {

constexpr char kChanged[] = "assay_entities_changed";
constexpr char kToScore[] = "assay_entities_to_score";  // with n, their number in order of keys
constexpr char kScored[] = "assay_entities_scored";

using ServicePtr = std::shared_ptr<const gold::Service>;

struct LoadedModel {
  int64_t version = 0;
  std::shared_ptr<const learn::Scorer> scorer;
  std::vector<int> inputs;  // into the service's features
};

Result<LoadedModel> load_model(Workspace& workspace,
                               const std::string& name,
                               int64_t version,
                               const gold::Service& service) {
  Result<catalog::ModelRow> registered = workspace.catalog().model(name, version);
  if (registered.code() == Code::kNotFound) {
    return Status(Code::kOutOfRange, registered.status().message());
  }
  ASSAY_ASSIGN_OR_RETURN(const catalog::ModelRow row, std::move(registered));
  ASSAY_ASSIGN_OR_RETURN(const learn::ModelCard card, learn::parse_model_card(row.card_json));
  LoadedModel model;
  model.version = row.version;
  ASSAY_ASSIGN_OR_RETURN(model.scorer, learn::Scorer::load(row.bytes));
  for (const std::string& feature : card.features) {
    int found = -1;
    for (int i = 0; i < static_cast<int>(service.features.size()); ++i) {
      found = service.output_name(i, false) == feature ? i : found;
    }
    if (found < 0) {
      return Status(Code::kFailedPrecondition,
                    "model " + name + " reads feature " + feature + ", which service " +
                        service.name + " has no more; `assay train " + name +
                        "` makes one that fits");
    }
    model.inputs.push_back(found);
  }
  return model;
}

/// The views whose changes are changes of the entities that rows are asked with.
std::vector<int> views_of_entities(const gold::Service& service) {
  std::vector<int> views;
  for (int view = 0; view < static_cast<int>(service.views.size()); ++view) {
    const auto& keys = service.views[static_cast<std::size_t>(view)]->keys();
    if (!service.has_computed_keys(view) && keys.size() == service.entity_keys.size()) {
      views.push_back(view);
    }
  }
  return views;
}

/// Predictions for the entities of a table at a state, some at a time. Of many, the newest step of
/// each view's entities is found once and kept in a table, since steps are many more.
class Predictions : public ChangeReader {
 public:
  Predictions(Workspace& workspace,
              ServicePtr service,
              LoadedModel model,
              std::map<std::string, std::string> tables,
              PublishedState state)
      : workspace_(workspace),
        service_(std::move(service)),
        model_(std::move(model)),
        tables_(std::move(tables)),
        state_(std::move(state)) {}
  ~Predictions() override {
    (void)workspace_.sql().drop_table(kToScore);
    for (const auto& [view, table] : newest_) {
      (void)workspace_.sql().drop_table(table);
    }
  }
  Predictions(const Predictions&) = delete;
  Predictions& operator=(const Predictions&) = delete;

  Result<std::vector<PublishedRecord>> next(int64_t records_max) override {
    std::vector<std::string> keys;
    for (const data::Field& key : service_->entity_keys) {
      keys.push_back(key.name);
    }
    const std::string begin = std::to_string(begin_);
    ASSAY_ASSIGN_OR_RETURN(
        const data::Batch entities,
        workspace_.sql().query("SELECT " + column_list(keys) + " FROM " + std::string(kToScore) +
                               " WHERE n >= " + begin + " AND n < " + begin + " + " +
                               std::to_string(records_max) + " ORDER BY n"));
    begin_ += entities.rows();
    is_large_ = is_large_ || entities.rows() == records_max;
    if (entities.rows() == 0) {
      return std::vector<PublishedRecord>();
    }
    return predict(entities);
  }

 private:
  Result<std::vector<PublishedRecord>> predict(const data::Batch& entities) {
    std::map<std::string, std::vector<data::Scalar>> asked;
    for (int64_t row = 0; row < entities.rows(); ++row) {
      for (const data::Field& key : service_->entity_keys) {
        asked[key.name].push_back(entities.find(key.name)->scalar(row));
      }
    }
    ASSAY_ASSIGN_OR_RETURN(
        const gold::ServiceReading reading,
        gold::read_service(
            *service_,
            entities.rows(),
            state_.as_of,
            [&](const data::Field& key) {
              return Result<const std::vector<data::Scalar>*>(&asked.at(key.name));
            },
            [&](const gold::FeatureView& view, std::span<const data::EntityKey> keys) {
              return read_view(view, keys);
            }));
    std::vector<PublishedRecord> records;
    for (int64_t row = 0; row < entities.rows(); ++row) {
      records.push_back(record(entities, reading, row));
    }
    return records;
  }

  /// A view's steps at the state: those of any time, or of each entity the last one.
  Result<std::string> steps_of(const gold::FeatureView& view) {
    if (const auto known = newest_.find(view.name()); known != newest_.end()) {
      return known->second;
    }
    const std::string& key = tables_.at(view.name());
    ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace_.table(key));
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot(state_.tables.at(key)));
    ASSAY_ASSIGN_OR_RETURN(
        std::string relation,
        table->relation(*snapshot, "known_time <= " + timestamp_literal(state_.as_of)));
    if (!is_large_) {
      return relation;
    }
    const std::string name = "assay_newest_steps_" + std::to_string(newest_.size());
    ASSAY_RETURN_IF_ERROR(
        workspace_.sql().execute("CREATE OR REPLACE TEMP TABLE " + name + " AS SELECT " +
                                 column_list(view.steps_schema()->names()) + " FROM " + relation +
                                 last_of_each_entity(view)));
    newest_[view.name()] = name;
    return name;
  }

  /// What a view's steps answered at the state, as past_answers() but of the state's version.
  Result<std::vector<gold::FeatureValues>> read_view(const gold::FeatureView& view,
                                                     std::span<const data::EntityKey> keys) {
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, steps_of(view));
    data::BatchBuilder asked(data::make_schema(view.keys()));
    std::vector<Question> questions;
    for (const data::EntityKey& entity : keys) {
      ASSAY_ASSIGN_OR_RETURN(const std::vector<data::Scalar> values, data::decode_key(entity));
      for (std::size_t i = 0; i < values.size(); ++i) {
        asked.column(static_cast<int>(i)).append_scalar({view.keys()[i].type, values[i].value});
      }
      questions.push_back({entity, state_.as_of, false, {}});
    }
    const std::string select =
        "SELECT " + column_list(view.steps_schema()->names()) + " FROM " + relation;
    std::string semi_join;
    if (!view.keys().empty()) {
      ASSAY_RETURN_IF_ERROR(workspace_.sql().create_table(kScored, asked.finish()));
      semi_join = std::string(" SEMI JOIN ") + kScored + join_by_keys(view);
    }
    ASSAY_ASSIGN_OR_RETURN(data::Batch steps,
                           workspace_.sql().query(select + semi_join + last_of_each_entity(view)));
    return answer_all(view, std::move(steps), questions);
  }

  static Result<std::vector<gold::FeatureValues>> answer_all(
      const gold::FeatureView& view, data::Batch steps, const std::vector<Question>& questions) {
    ASSAY_ASSIGN_OR_RETURN(const OfflineAnswers answers,
                           answer_from_steps(view, std::move(steps), questions, 1));
    return feature_values(view, answers, questions.size());
  }

  [[nodiscard]] data::Scalar value(const gold::ServiceReading& reading,
                                   int feature,
                                   int64_t row) const {
    const gold::ServiceFeature& output = service_->features[static_cast<std::size_t>(feature)];
    const auto index = static_cast<std::size_t>(output.feature_index);
    if (output.derived_index >= 0) {
      return reading.derived[static_cast<std::size_t>(output.derived_index)][index]->scalar(row);
    }
    const gold::ViewReading& view = reading.views[static_cast<std::size_t>(output.view_index)];
    const int64_t answer = view.answer_of[static_cast<std::size_t>(row)];
    return answer < 0 ? data::Scalar::null(output.type)
                      : view.answers[static_cast<std::size_t>(answer)].values[index];
  }

  /// Whether some view of the entity itself has an answer for it.
  [[nodiscard]] bool is_known(const gold::ServiceReading& reading, int64_t row) const {
    const std::vector<int> views = views_of_entities(*service_);
    return std::any_of(views.begin(), views.end(), [&](int one) {
      const gold::ViewReading& view = reading.views[static_cast<std::size_t>(one)];
      const int64_t answer = view.answer_of[static_cast<std::size_t>(row)];
      return answer >= 0 && view.answers[static_cast<std::size_t>(answer)].event_time.has_value();
    });
  }

  PublishedRecord record(const data::Batch& entities,
                         const gold::ServiceReading& reading,
                         int64_t row) const {
    PublishedRecord record;
    record.key = key_json(entities, service_->entity_keys, row);
    if (!is_known(reading, row)) {
      return record;
    }
    std::vector<float> inputs;
    for (const int feature : model_.inputs) {
      inputs.push_back(learn::model_input(value(reading, feature, row)));
    }
    JsonWriter json(record.value.emplace());
    json.begin_object();
    json.key("entity");
    json.raw(record.key);
    json.key("prediction");
    json.number32(model_.scorer->score(inputs));
    json.end_object();
    return record;
  }

  Workspace& workspace_;
  ServicePtr service_;
  LoadedModel model_;
  std::map<std::string, std::string> tables_;  // by view
  PublishedState state_;
  int64_t begin_ = 0;
  bool is_large_ = false;
  std::map<std::string, std::string> newest_;  // table of a view's newest steps, by view
};

/// Whether a table holds steps of a view, of whatever definition: "gold/clicks", "gold/clicks_v2".
bool is_of_view(const std::string& table_key, const std::string& view) {
  const std::string base = "gold/" + view;
  return table_key == base || table_key == base + "_v" + std::to_string(table_number(table_key));
}

class PublishedModel : public PublishedValues {
 public:
  PublishedModel(Workspace& workspace, std::string name, ServicePtr service)
      : workspace_(workspace), name_(std::move(name)), service_(std::move(service)) {}

  [[nodiscard]] const std::string& name() const override { return name_; }

  Result<std::optional<PublishedState>> present() override {
    PublishedState state;
    const Result<catalog::ModelRow> model = workspace_.catalog().model(name_);
    if (model.code() == Code::kNotFound) {
      return std::optional<PublishedState>();  // not trained yet
    }
    ASSAY_RETURN_IF_ERROR(model.status());
    state.model_version = model->version;
    for (const gold::FeatureViewPtr& view : service_->views) {
      ASSAY_ASSIGN_OR_RETURN(const auto table, whole_steps_table(workspace_, *view));
      if (!table) {
        return std::optional<PublishedState>();
      }
      state.tables[table->first] = table->second;
    }
    ASSAY_ASSIGN_OR_RETURN(state.files, published_files(workspace_, state.tables));
    ASSAY_ASSIGN_OR_RETURN(state.as_of, workspace_.serving_now());
    return std::optional(std::move(state));
  }

  Result<std::unique_ptr<ChangeReader>> changes(const PublishedState& before,
                                                const PublishedState& now) override {
    ASSAY_RETURN_IF_ERROR(workspace_.sql().drop_table(kChanged));
    for (const int index : views_of_entities(*service_)) {
      const gold::FeatureView& view = *service_->views[static_cast<std::size_t>(index)];
      ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace_.steps_table_key(view));
      ASSAY_ASSIGN_OR_RETURN(const std::string sql,
                             changed_steps(workspace_,
                                           view,
                                           key,
                                           StepsAt{before.tables.at(key), before.as_of},
                                           {now.tables.at(key), now.as_of}));
      ASSAY_RETURN_IF_ERROR(add_entities(sql));
    }
    return predictions(now);
  }

  Result<std::unique_ptr<ChangeReader>> all(const std::vector<PublishedState>& had,
                                            const PublishedState& now) override {
    ASSAY_RETURN_IF_ERROR(workspace_.sql().drop_table(kChanged));
    std::vector<PublishedState> states = had;
    states.push_back(now);
    for (const int index : views_of_entities(*service_)) {
      const gold::FeatureView& view = *service_->views[static_cast<std::size_t>(index)];
      for (const PublishedState& state : states) {
        for (const auto& [key, version] : state.tables) {
          if (is_of_view(key, view.name())) {
            ASSAY_ASSIGN_OR_RETURN(
                const std::optional<std::string> sql,
                entities_with_steps(workspace_, view, key, {version, state.as_of}));
            ASSAY_RETURN_IF_ERROR(sql ? add_entities(*sql) : Status());
          }
        }
      }
    }
    return predictions(now);
  }

  Result<std::vector<std::pair<std::string, std::string>>> headers(
      const PublishedState& state) override {
    return std::vector<std::pair<std::string, std::string>>{
        {"assay.model", name_},
        {"assay.model_version", std::to_string(state.model_version)},
        {"assay.as_of", format_time(state.as_of)}};
  }

 private:
  /// Entities of rows that have all keys, some of them there already.
  Status add_entities(const std::string& rows) {
    const std::string keys = "SELECT " + column_list(key_columns()) + " FROM (" + rows + ")";
    const std::string table = kChanged;
    ASSAY_RETURN_IF_ERROR(workspace_.sql().execute("CREATE TEMP TABLE IF NOT EXISTS " + table +
                                                   " AS " + keys + " LIMIT 0"));
    return workspace_.sql().execute("INSERT INTO " + table + " " + keys);
  }

  Result<std::unique_ptr<ChangeReader>> predictions(const PublishedState& now) {
    std::map<std::string, std::string> tables;
    for (const gold::FeatureViewPtr& view : service_->views) {
      ASSAY_ASSIGN_OR_RETURN(tables[view->name()], workspace_.steps_table_key(*view));
    }
    ASSAY_ASSIGN_OR_RETURN(LoadedModel model,
                           load_model(workspace_, name_, now.model_version, *service_));
    const std::string keys = column_list(key_columns());
    ASSAY_RETURN_IF_ERROR(workspace_.sql().execute(
        "CREATE OR REPLACE TEMP TABLE " + std::string(kToScore) +
        " AS SELECT row_number() OVER (ORDER BY " + keys + ") - 1 AS n, " + keys +
        " FROM (SELECT DISTINCT " + keys + " FROM " + kChanged + ") ORDER BY n"));
    ASSAY_RETURN_IF_ERROR(workspace_.sql().drop_table(kChanged));
    return std::unique_ptr<ChangeReader>(std::make_unique<Predictions>(
        workspace_, service_, std::move(model), std::move(tables), now));
  }

  [[nodiscard]] std::vector<std::string> key_columns() const {
    std::vector<std::string> names;
    for (const data::Field& key : service_->entity_keys) {
      names.push_back(key.name);
    }
    return names;
  }

  Workspace& workspace_;
  std::string name_;
  ServicePtr service_;
};

}  // namespace

Result<std::unique_ptr<PublishedValues>> published_model(Workspace& workspace,
                                                         const std::string& model) {
  ASSAY_ASSIGN_OR_RETURN(ServicePtr service,
                         workspace.service(workspace.project().models.at(model).service));
  if (service->entity_keys.empty() || views_of_entities(*service).empty()) {
    return Status(Code::kInvalidArgument,
                  "model " + model + " cannot be published: no view of service " + service->name +
                      " has all keys that it is asked with, so nothing tells when to score");
  }
  return std::unique_ptr<PublishedValues>(
      std::make_unique<PublishedModel>(workspace, model, std::move(service)));
}

}  // namespace assay::flow
