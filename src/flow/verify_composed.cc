#include "flow/verify_composed.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "flow/gold_stage.h"
#include "flow/replay.h"
#include "flow/training.h"
#include "gold/service_values.h"
#include "silver/contract.h"

namespace assay::flow {
namespace {

constexpr std::size_t kDifferencesShown = 100;
constexpr char kAt[] = "at instant";  // no YAML name has a blank

bool is_composed(const gold::Service& service) {
  bool computed = !service.derived.empty();
  for (int view = 0; view < static_cast<int>(service.views.size()); ++view) {
    computed = computed || service.has_computed_keys(view);
  }
  return computed;
}

/// The service without what is computed from requests.
gold::Service without_on_demand(const gold::Service& service) {
  gold::Service rest = service;
  rest.on_demand.clear();
  rest.request.clear();
  std::erase_if(rest.features,
                [](const gold::ServiceFeature& feature) { return feature.on_demand_index >= 0; });
  return rest;
}

/// Online and offline values of rows asked, side by side.
class Comparison {
 public:
  Comparison(const gold::Service& service, VerifyReport* report)
      : service_(service), report_(report), asked_(make_asked(service)) {}

  /// Ask one row of keys and note the answers.
  Status ask(online::OnlineStore& store, const std::vector<data::Scalar>& keys, EventTime at) {
    std::map<std::string, std::vector<data::Scalar>> given;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      given[service_.entity_keys[i].name] = {keys[i]};
      asked_.column(static_cast<int>(i)).append_scalar(keys[i]);
    }
    asked_.column(static_cast<int>(keys.size())).append(at.micros);
    ASSAY_ASSIGN_OR_RETURN(
        gold::ServiceReading reading,
        gold::read_service(
            service_,
            1,
            at,
            [&](const data::Field& key) {
              return Result<const std::vector<data::Scalar>*>(&given.at(key.name));
            },
            [&](const gold::FeatureView& view, std::span<const data::EntityKey> entities) {
              return store.read(view, entities, at);
            }));
    online_.push_back(std::move(reading));
    return {};
  }

  Status compare(Workspace& workspace, int64_t replayed, int threads) {
    gold::TrainingSetOptions options;
    options.time_column = kAt;
    options.with_statuses = true;
    options.threads = threads;
    const data::Batch asked = asked_.finish();
    ASSAY_ASSIGN_OR_RETURN(const data::Batch set,
                           build_training_set(workspace, service_, asked, options));
    for (int64_t row = 0; row < asked.rows(); ++row) {
      for (std::size_t f = 0; f < service_.features.size(); ++f) {
        const std::string name = service_.output_name(static_cast<int>(f), false);
        const bool same = compare_one(asked, row, f, *set.find(name), *set.find(name + "__status"));
        report_->values += 1;
        (row < replayed ? report_->replayed_values : report_->live_values) += 1;
        report_->differ += same ? 0 : 1;
      }
    }
    return {};
  }

 private:
  static data::BatchBuilder make_asked(const gold::Service& service) {
    std::vector<data::Field> fields = service.entity_keys;
    fields.push_back({kAt, data::Type::kTimestamp, false});
    return data::BatchBuilder(data::make_schema(std::move(fields)));
  }

  struct Value {
    data::Scalar value;
    data::FeatureStatus status;
  };

  [[nodiscard]] Value online_value(int64_t row, const gold::ServiceFeature& feature) const {
    const gold::ServiceReading& reading = online_[static_cast<std::size_t>(row)];
    const auto index = static_cast<std::size_t>(feature.feature_index);
    if (feature.derived_index >= 0) {
      data::Scalar value =
          reading.derived[static_cast<std::size_t>(feature.derived_index)][index]->scalar(0);
      const data::FeatureStatus status =
          value.is_null() ? data::FeatureStatus::kNullValue : data::FeatureStatus::kPresent;
      return {std::move(value), status};
    }
    const gold::ViewReading& view = reading.views[static_cast<std::size_t>(feature.view_index)];
    if (view.answer_of[0] < 0) {
      return {data::Scalar::null(feature.type), data::FeatureStatus::kNotFound};
    }
    return {view.answers[0].values[index], view.answers[0].statuses[index]};
  }

  bool compare_one(const data::Batch& asked,
                   int64_t row,
                   std::size_t f,
                   const data::Column& offline,
                   const data::Column& offline_status) {
    const gold::ServiceFeature& feature = service_.features[f];
    const Value online = online_value(row, feature);
    const data::Scalar value = offline.scalar(row);
    const std::string_view status = offline_status.text(row);
    report_->present += status == data::status_name(data::FeatureStatus::kPresent) ? 1 : 0;
    if (status == data::status_name(online.status) && same_bits(value, online.value)) {
      return true;
    }
    if (report_->differences.size() < kDifferencesShown) {
      Difference difference;
      difference.view = feature.view;
      difference.feature = feature.name;
      for (std::size_t i = 0; i < service_.entity_keys.size(); ++i) {
        difference.entity += (i == 0 ? "" : ", ") + service_.entity_keys[i].name + "=" +
                             data::format_scalar(asked.column(static_cast<int>(i)).scalar(row));
      }
      difference.at = EventTime{asked.find(kAt)->values<int64_t>()[static_cast<std::size_t>(row)]};
      difference.online = (online.value.is_null() ? "null" : data::format_scalar(online.value)) +
                          " " + std::string(data::status_name(online.status));
      difference.offline =
          (value.is_null() ? "null" : data::format_scalar(value)) + " " + std::string(status);
      report_->differences.push_back(std::move(difference));
    }
    return false;
  }

  const gold::Service& service_;
  VerifyReport* report_;
  data::BatchBuilder asked_;
  std::vector<gold::ServiceReading> online_;
};

/// Keys to ask with: of each view that is asked with keys, entities that its rows have.
class AskedKeys {
 public:
  explicit AskedKeys(const gold::Service& service) : service_(service) {}

  void add(const History& history) {
    if (!history.view->keys().empty()) {
      entities_.emplace_back(history.view, history.entities);
    }
  }

  /// A row in the order of the service's keys; null where no view has an entity.
  Result<std::vector<data::Scalar>> sample(Random& random) const {
    std::map<std::string, data::Scalar> row;
    for (const auto& [view, keys] : entities_) {
      if (keys.empty()) {
        continue;
      }
      ASSAY_ASSIGN_OR_RETURN(const std::vector<data::Scalar> key,
                             data::decode_key(keys[random.below(keys.size())]));
      for (std::size_t i = 0; i < key.size(); ++i) {
        row.try_emplace(view->keys()[i].name, data::Scalar{view->keys()[i].type, key[i].value});
      }
    }
    std::vector<data::Scalar> values;
    for (const data::Field& field : service_.entity_keys) {
      const auto found = row.find(field.name);
      values.push_back(found == row.end() ? data::Scalar::null(field.type) : found->second);
    }
    return values;
  }

 private:
  const gold::Service& service_;
  std::vector<std::pair<gold::FeatureViewPtr, std::vector<data::EntityKey>>> entities_;
};

}  // namespace

Status verify_composed(Workspace& workspace,
                       const gold::Service& service,
                       const std::vector<EventTime>& instants,
                       const VerifyOptions& options,
                       VerifyReport* report) {
  const gold::Service rest = without_on_demand(service);
  if (!is_composed(rest) || rest.features.empty() || instants.empty()) {
    return {};
  }
  std::map<std::string, History> histories;  // each view once, however often it is looked up
  AskedKeys keys(rest);
  for (std::size_t view = 0; view < rest.views.size(); ++view) {
    const gold::FeatureViewPtr& one = rest.views[view];
    if (histories.count(one->name()) == 0) {
      ASSAY_ASSIGN_OR_RETURN(histories[one->name()], read_history(workspace, one));
    }
    if (!rest.has_computed_keys(static_cast<int>(view))) {
      keys.add(histories.at(one->name()));
    }
  }
  const std::unique_ptr<online::OnlineStore> scratch =
      online::make_memory_store(workspace.world().metrics);
  std::vector<Replay> replays;
  for (const auto& [name, history] : histories) {
    replays.emplace_back(history, *scratch);
  }
  const std::unique_ptr<Random> random = seeded_random(options.seed);
  const auto per_instant =
      static_cast<int64_t>(instants.size()) * static_cast<int64_t>(rest.features.size());
  const int64_t asks = (options.values_min + per_instant - 1) / per_instant;
  Comparison comparison(rest, report);
  int64_t replayed = 0;
  for (const EventTime instant : instants) {
    for (Replay& replay : replays) {
      ASSAY_RETURN_IF_ERROR(replay.to(instant));
    }
    for (int64_t i = 0; i < asks; ++i, ++replayed) {
      ASSAY_ASSIGN_OR_RETURN(const std::vector<data::Scalar> row, keys.sample(*random));
      ASSAY_RETURN_IF_ERROR(comparison.ask(*scratch, row, instant));
    }
  }
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace.online(true));
  ASSAY_ASSIGN_OR_RETURN(const EventTime now, workspace.serving_now());
  for (int64_t i = 0; i < asks; ++i) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<data::Scalar> row, keys.sample(*random));
    ASSAY_RETURN_IF_ERROR(comparison.ask(*store, row, now));
  }
  return comparison.compare(workspace, replayed, options.threads);
}

}  // namespace assay::flow
