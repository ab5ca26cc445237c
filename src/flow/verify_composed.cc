#include "flow/verify_composed.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "flow/gold_stage.h"
#include "flow/replay.h"
#include "flow/training.h"
#include "gold/service_values.h"
#include "online/share_store.h"
#include "silver/contract.h"

namespace assay::flow {
namespace {

constexpr char kAt[] = "at instant";  // no YAML name has a blank

bool is_composed(const gold::Service& service) {
  bool computed = !service.derived.empty();
  for (int view = 0; view < static_cast<int>(service.views.size()); ++view) {
    computed = computed || service.has_computed_keys(view);
  }
  return computed;
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

  /// Rows from `replayed` on asked the project's own store; `are_level` says afterwards whether the
  /// tables are made of the same rows.
  Status compare(Workspace& workspace,
                 int64_t replayed,
                 int threads,
                 const std::function<Result<bool>()>& are_level) {
    gold::TrainingSetOptions options;
    options.time_column = kAt;
    options.with_statuses = true;
    options.threads = threads;
    const data::Batch asked = asked_.finish();
    ASSAY_ASSIGN_OR_RETURN(const data::Batch set,
                           build_training_set(workspace, service_, asked, options));
    ASSAY_ASSIGN_OR_RETURN(const bool is_level, are_level());
    for (int64_t row = 0; row < asked.rows(); ++row) {
      if (row >= replayed && !is_level) {
        report_->undecided_values += std::ssize(service_.features);
        continue;
      }
      for (std::size_t f = 0; f < service_.features.size(); ++f) {
        const OfflineValue offline = set_value(service_, set, row, f);
        (row < replayed ? report_->replayed_values : report_->live_values) += 1;
        compare_values(
            read_value(service_, online_[static_cast<std::size_t>(row)], 0, f),
            offline,
            [&] { return where_asked(service_, f, asked, row, kAt); },
            report_);
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

gold::Service without_on_demand(const gold::Service& service) {
  gold::Service rest = service;
  rest.on_demand.clear();
  rest.request.clear();
  std::erase_if(rest.features,
                [](const gold::ServiceFeature& feature) { return feature.on_demand_index >= 0; });
  return rest;
}

OfflineValue read_value(const gold::Service& service,
                        const gold::ServiceReading& reading,
                        int64_t row,
                        std::size_t f) {
  const gold::ServiceFeature& feature = service.features[f];
  const auto index = static_cast<std::size_t>(feature.feature_index);
  if (feature.derived_index >= 0) {
    data::Scalar value =
        reading.derived[static_cast<std::size_t>(feature.derived_index)][index]->scalar(row);
    const data::FeatureStatus status =
        value.is_null() ? data::FeatureStatus::kNullValue : data::FeatureStatus::kPresent;
    return {std::move(value), status};
  }
  const gold::ViewReading& view = reading.views[static_cast<std::size_t>(feature.view_index)];
  const int64_t answer = view.answer_of[static_cast<std::size_t>(row)];
  if (answer < 0) {
    return {data::Scalar::null(feature.type), data::FeatureStatus::kNotFound};
  }
  const gold::FeatureValues& values = view.answers[static_cast<std::size_t>(answer)];
  return {values.values[index], values.statuses[index]};
}

OfflineValue set_value(const gold::Service& service,
                       const data::Batch& set,
                       int64_t row,
                       std::size_t feature) {
  const std::string name = service.output_name(static_cast<int>(feature), false);
  return {set.find(name)->scalar(row),
          status_from_name(set.find(name + "__status")->text(row))
              .value_or(data::FeatureStatus::kNotFound)};
}

Difference where_asked(const gold::Service& service,
                       std::size_t feature,
                       const data::Batch& asked,
                       int64_t row,
                       const std::string& time_column) {
  Difference difference;
  difference.view = service.features[feature].view;
  difference.feature = service.features[feature].name;
  for (const data::Field& key : service.entity_keys) {
    difference.entity += (difference.entity.empty() ? "" : ", ") + key.name + "=" +
                         data::format_scalar(asked.find(key.name)->scalar(row));
  }
  difference.at =
      EventTime{asked.find(time_column)->values<int64_t>()[static_cast<std::size_t>(row)]};
  return difference;
}

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
  const auto places = [&]() -> Result<std::vector<ViewPlace>> {
    std::vector<ViewPlace> found;
    for (const auto& [name, history] : histories) {
      ASSAY_ASSIGN_OR_RETURN(found.emplace_back(), view_place(workspace, name));
    }
    return found;
  };
  ASSAY_ASSIGN_OR_RETURN(const std::vector<ViewPlace> before, places());
  const auto are_level = [&]() -> Result<bool> {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<ViewPlace> after, places());
    return std::equal(
        before.begin(), before.end(), after.begin(), [](const ViewPlace& a, const ViewPlace& b) {
          return why_not_level(a, b).empty();
        });
  };
  // A row may need entities of several shares: the store of one share cannot be asked for it.
  const int64_t live_asks = online::share_of(*store) == nullptr ? asks : 0;
  for (int64_t i = 0; i < live_asks; ++i) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<data::Scalar> row, keys.sample(*random));
    ASSAY_RETURN_IF_ERROR(comparison.ask(*store, row, now));
  }
  return comparison.compare(workspace, replayed, options.threads, are_level);
}

}  // namespace assay::flow
