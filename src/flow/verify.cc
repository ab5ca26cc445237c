#include "flow/verify.h"

#include <algorithm>
#include <set>
#include <utility>

#include "flow/direct_line.h"
#include "flow/offline_answers.h"
#include "flow/replay.h"
#include "flow/verify_composed.h"
#include "flow/verify_instants.h"
#include "gold/service_values.h"
#include "online/share_store.h"

namespace assay::flow {
namespace {

constexpr std::size_t kDifferencesShown = 100;

std::string describe_value(const OfflineValue& value) {
  return (value.value.is_null() ? "null" : data::format_scalar(value.value)) + " " +
         std::string(data::status_name(value.status));
}

/// Replay one view's history into a scratch store and ask at each instant.
Result<std::vector<Question>> ask_replayed(Workspace& workspace,
                                           const History& history,
                                           const std::vector<EventTime>& instants,
                                           int64_t entities_per_instant,
                                           Random& random) {
  const std::unique_ptr<online::OnlineStore> scratch =
      online::make_memory_store(workspace.world().metrics);
  std::vector<Question> questions;
  Replay replay(history, *scratch);
  std::size_t next_row = 0;
  // Where rows are dropped, what the rest says of an entity counts from its first row on.
  std::vector<bool> seen(history.entities.size(), history.whole_from == EventTime::min());
  for (const EventTime instant : instants) {
    ASSAY_RETURN_IF_ERROR(replay.to(instant));
    for (; next_row < history.visible.size() && history.visible[next_row] <= instant.micros;
         ++next_row) {
      if (const int32_t entity = history.entity_of_row[next_row]; entity >= 0) {
        seen[static_cast<std::size_t>(entity)] = true;
      }
    }
    std::vector<data::EntityKey> keys;
    for (int64_t i = 0; i < entities_per_instant && !history.entities.empty(); ++i) {
      const std::size_t entity = random.below(history.entities.size());
      if (seen[entity]) {
        keys.push_back(history.entities[entity]);
      }
    }
    ASSAY_ASSIGN_OR_RETURN(std::vector<gold::FeatureValues> values,
                           scratch->read(*history.view, keys, instant));
    for (std::size_t i = 0; i < keys.size(); ++i) {
      questions.push_back({keys[i], instant, false, std::move(values[i])});
    }
  }
  return questions;
}

/// Ask the project's own store for up to `entities_max` entities at its present instant.
Status ask_live(Workspace& workspace,
                const History& history,
                std::size_t entities_max,
                std::vector<Question>* questions) {
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace.online(true));
  ASSAY_ASSIGN_OR_RETURN(const EventTime now, workspace.serving_now());
  std::vector<data::EntityKey> keys;
  for (std::size_t i = 0; i < history.entities.size() && keys.size() < entities_max; ++i) {
    if (online::has_share_of(*store, *history.view, history.entities[i])) {
      keys.push_back(history.entities[i]);
    }
  }
  ASSAY_ASSIGN_OR_RETURN(std::vector<gold::FeatureValues> values,
                         store->read(*history.view, keys, now));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    questions->push_back({keys[i], now, true, std::move(values[i])});
  }
  return {};
}

void compare(const History& history,
             const std::vector<Question>& questions,
             const OfflineAnswers& offline,
             const std::set<int>& features,
             bool is_level,
             VerifyReport* report) {
  const gold::FeatureView& view = *history.view;
  const bool drops_steps = history.whole_from != EventTime::min();
  for (std::size_t q = 0; q < questions.size(); ++q) {
    if (questions[q].live && !is_level) {
      report->undecided_values += static_cast<int64_t>(features.size());
      continue;
    }
    for (const int feature : features) {
      (questions[q].live ? report->live_values : report->replayed_values) += 1;
      OfflineValue value = offline_value(view, offline, q, feature);
      if (drops_steps && value.status == data::FeatureStatus::kNotFound &&
          questions[q].online.statuses[static_cast<std::size_t>(feature)] ==
              data::FeatureStatus::kOutsideMaxAge) {
        value.status = data::FeatureStatus::kOutsideMaxAge;  // a step that is dropped had expired
      }
      compare_value(view, questions[q], feature, value, report);
    }
  }
}

}  // namespace

bool compare_values(const OfflineValue& online,
                    const OfflineValue& offline,
                    const std::function<Difference()>& where,
                    VerifyReport* report) {
  report->values += 1;
  report->present += offline.status == data::FeatureStatus::kPresent ? 1 : 0;
  if (offline.status == online.status && same_bits(offline.value, online.value)) {
    return true;
  }
  report->differ += 1;
  if (report->differences.size() < kDifferencesShown) {
    Difference found = where();
    found.online = describe_value(online);
    found.offline = describe_value(offline);
    // A sample asks the same more than once; to say it once is enough.
    if (std::find(report->differences.begin(), report->differences.end(), found) ==
        report->differences.end()) {
      report->differences.push_back(std::move(found));
    }
  }
  return false;
}

std::string why_not_level(const ViewPlace& before, const ViewPlace& after) {
  const int64_t reads = std::max(before.reads_ahead, after.reads_ahead);
  if (reads > 0) {
    return std::to_string(reads) + (reads == 1 ? " read" : " reads") + " ahead of the lake";
  }
  if (!before.is_level || !after.is_level) {
    return "its steps table is of other rows; the line is at work, or `assay run` makes them level";
  }
  return before == after ? "" : "the line moved it meanwhile";
}

bool compare_value(const gold::FeatureView& view,
                   const Question& question,
                   int feature,
                   const OfflineValue& offline,
                   VerifyReport* report) {
  const auto index = static_cast<std::size_t>(feature);
  const auto where = [&] {
    Difference difference;
    difference.view = view.name();
    difference.feature = view.features()[index].name;
    difference.at = question.at;
    const Result<std::vector<data::Scalar>> key = data::decode_key(question.key);
    for (std::size_t i = 0; key.ok() && i < key->size(); ++i) {
      const data::Field& field = view.keys()[i];
      difference.key.push_back({field.type, (*key)[i].value});
      difference.entity +=
          (i == 0 ? "" : ", ") + field.name + "=" + data::format_scalar(difference.key.back());
    }
    return difference;
  };
  return compare_values(
      {question.online.values[index], question.online.statuses[index]}, offline, where, report);
}

Result<VerifyReport> verify_service(Workspace& workspace,
                                    const std::string& service_name,
                                    const VerifyOptions& options) {
  ASSAY_RETURN_IF_ERROR(require_lake(workspace, "verify"));
  ASSAY_ASSIGN_OR_RETURN(const auto service, workspace.service(service_name));
  VerifyReport report;
  report.service = service_name;
  report.seed = options.seed;
  // Features of the service, by view, and those that derived features and computed keys read;
  // on-demand features are functions of these and of the request alone.
  std::vector<std::set<int>> features;
  int64_t feature_count = 0;
  for (const std::vector<int>& read : gold::features_read(*service)) {
    features.emplace_back(read.begin(), read.end());
    feature_count += static_cast<int64_t>(read.size());
  }
  std::vector<History> histories;
  for (const gold::FeatureViewPtr& view : service->views) {
    ASSAY_ASSIGN_OR_RETURN(History history, read_history(workspace, view));
    histories.push_back(std::move(history));
  }
  const std::unique_ptr<Random> random = seeded_random(options.seed);
  const std::vector<EventTime> instants = sample_instants(histories, options.instants, *random);
  if (instants.empty() || feature_count == 0) {
    return Status(Code::kNotFound,
                  "service " + service_name + " has no rows to compare yet; run `assay run` first");
  }
  report.instants = static_cast<int64_t>(instants.size());
  report.first = instants.front();
  report.last = instants.back();
  const int64_t asks = (options.values_min + feature_count * report.instants - 1) /
                       (feature_count * report.instants);
  for (std::size_t v = 0; v < histories.size(); ++v) {
    const History& history = histories[v];
    ASSAY_ASSIGN_OR_RETURN(std::vector<Question> questions,
                           ask_replayed(workspace, history, instants, asks, *random));
    ASSAY_ASSIGN_OR_RETURN(const ViewPlace before, view_place(workspace, history.view->name()));
    ASSAY_RETURN_IF_ERROR(ask_live(workspace, history, 10'000, &questions));
    ASSAY_ASSIGN_OR_RETURN(const OfflineAnswers offline,
                           answer_offline(workspace, *history.view, questions, options.threads));
    ASSAY_ASSIGN_OR_RETURN(const ViewPlace after, view_place(workspace, history.view->name()));
    const std::string why_not = why_not_level(before, after);
    compare(history, questions, offline, features[v], why_not.empty(), &report);
    if (!why_not.empty()) {
      report.not_level.push_back(history.view->name() + " (" + why_not + ")");
    }
    report.entities += static_cast<int64_t>(history.entities.size());
  }
  ASSAY_RETURN_IF_ERROR(verify_composed(workspace, *service, instants, options, &report));
  if (report.values == 0) {
    return Status(
        Code::kNotFound,
        "service " + service_name +
            " has no entity with a key to compare; look at its tables with `assay status`");
  }
  return report;
}

}  // namespace assay::flow
