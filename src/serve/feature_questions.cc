// What a FeatureServer does with a question once it is read, however it came.

#include <algorithm>

#include "base/suggest.h"
#include "serve/error_response.h"
#include "serve/feature_server.h"
#include "serve/json_value.h"
#include "serve/permitted.h"
#include "serve/predict.h"
#include "serve/request_rows.h"

namespace assay::serve {
namespace {

/// The model asked for, or the only one.
const ServingModel* find_model(const ServingState& state, const std::optional<std::string>& name) {
  if (!name.has_value()) {
    const bool is_only = state.models.size() == 1 && state.models_not_served.empty();
    return is_only ? &state.models.begin()->second : nullptr;
  }
  const auto found = state.models.find(*name);
  return found == state.models.end() ? nullptr : &found->second;
}

/// The same of those that are trained and cannot be served: its name, and why.
const std::pair<const std::string, std::string>* find_not_served(
    const ServingState& state, const std::optional<std::string>& name) {
  const std::map<std::string, std::string>& models = state.models_not_served;
  if (!name.has_value()) {
    return models.size() == 1 && state.models.empty() ? &*models.begin() : nullptr;
  }
  const auto found = models.find(*name);
  return found == models.end() ? nullptr : &*found;
}

/// `suggests`: with the name that resembles it.
Response no_model(const ServingState& state,
                  const std::optional<std::string>& name,
                  bool suggests) {
  std::vector<std::string> names;
  for (const auto& entry : state.models) {
    names.push_back(entry.first);
  }
  for (const auto& entry : state.models_not_served) {
    names.push_back(entry.first);
  }
  if (name.has_value()) {
    return detail_error(
        404, "Model " + *name + " does not exist" + (suggests ? did_you_mean(*name, names) : ""));
  }
  return names.empty() ? detail_error(404, "there is no model; train and promote one first")
                       : detail_error(422, "there are several models; say which in `model`");
}

int64_t rows_asked(const RequestBody& body) {
  std::size_t rows = 1;
  for (const JsonColumn& column : body.entities) {
    rows = std::max(rows, column.values.size());
  }
  return static_cast<int64_t>(rows);
}

int64_t cells_asked(const RequestBody& body, const gold::Service& service) {
  return rows_asked(body) * static_cast<int64_t>(service.features.size());
}

}  // namespace

FeaturesAsked FeatureServer::ask_features(RequestBody body,
                                          const Caller& caller,
                                          const Pace& pace) {
  FeaturesAsked asked = features_asked(std::move(body), caller, pace);
  feature_requests_.add(asked.is_large ? 0 : 1);
  return asked;
}

FeaturesAsked FeatureServer::features_asked(RequestBody body,
                                            const Caller& caller,
                                            const Pace& pace) {
  const Duration begin = world_.clock.monotonic();
  FeaturesAsked asked;
  const std::shared_ptr<Selections> selections = this->selections();
  const bool tells_names = sees_names(caller);
  if (std::optional<Response> refusal =
          tells_names ? std::nullopt : check_names(caller, body, selections->state())) {
    asked.refusal = *std::move(refusal);
    return asked;
  }
  Selected selected = selections->select(body, tells_names);
  if (selected.selection == nullptr) {
    asked.refusal = std::move(selected.refusal);
    return asked;
  }
  asked.selection = std::move(selected.selection);
  const Selection& selection = *asked.selection;
  if (std::optional<Response> refusal =
          check_selection(caller, body.feature_service, *selection.service)) {
    asked.refusal = *std::move(refusal);
    return asked;
  }
  asked.is_large = pace.is_hurried && cells_asked(body, *selection.service) > kLargeCells;
  if (asked.is_large) {
    return asked;
  }
  selections->name_keys(*selection.service, &body.entities);
  asked.typed = type_rows(*selection.service, body.entities);
  if (asked.typed.refusal.has_value()) {
    asked.refusal = *asked.typed.refusal;
    return asked;
  }
  if (const Status wanted = pace.check(); !wanted.ok()) {
    asked.refusal = failure_response(wanted);
    return asked;
  }
  const Asking asking = reads_for(selections->state(), body.at, pace);
  if (asking.refusal.has_value()) {
    asked.refusal = *asking.refusal;
    return asked;
  }
  Result<std::optional<FlatAnswer>> flat =
      flat_answer(*selection.service, asked.typed.rows, asking);
  if (!flat.ok()) {
    asked.refusal = failed("online_read_failed", flat.status());
    return asked;
  }
  asked.flat = *std::move(flat);
  if (asked.flat.has_value()) {
    if (log_ != nullptr) {
      log_->add(selection.service, asked.typed.rows, *asked.flat);
    }
  } else {
    Result<FeatureAnswer> answer =
        get_features(*selection.service, asking.reads, asked.typed.rows, asking.at);
    if (!answer.ok()) {
      asked.refusal = failed("online_read_failed", answer.status());
      return asked;
    }
    if (log_ != nullptr && !asking.of_the_past) {
      log_->add(selection.service, asked.typed.rows, *answer);
    }
    asked.answer = *std::move(answer);
  }
  count(asked);
  selection.latency->observe(static_cast<double>(world_.clock.monotonic().micros - begin.micros) *
                             1e-6);
  return asked;
}

namespace {

/// Whether a view had rows behind an instant when it was read.
bool has_come_beyond(const FlatAnswer& answer, EventTime instant) {
  return std::ranges::any_of(answer.applied,
                             [instant](const std::optional<online::AppliedTo>& applied) {
                               return applied.has_value() && applied->known_until > instant;
                             });
}

}  // namespace

Result<std::optional<FlatAnswer>> FeatureServer::flat_answer(const gold::Service& service,
                                                             const RequestRows& rows,
                                                             const Asking& asking) {
  if (!is_quick_ || asking.of_the_past || !is_flat(service)) {
    return std::optional<FlatAnswer>();
  }
  // Rows that took the place of others between the question for the instant and theirs may not be
  // those of that instant any more: then it is asked once more, for where the data stands now.
  EventTime now = asking.at;
  for (bool is_again = false;; is_again = true) {
    ASSAY_ASSIGN_OR_RETURN(std::optional<FlatAnswer> answer,
                           get_flat_features(service, store_, rows, now, asking.reads.goes_on));
    if (!asking.of_the_data || is_again || !answer.has_value() || !has_come_beyond(*answer, now)) {
      return answer;
    }
    ASSAY_ASSIGN_OR_RETURN(const EventTime later, store_.known_data_now());
    if (later <= now) {
      return answer;
    }
    now = later;
  }
}

/// Entities and statuses of an answer.
void FeatureServer::count(const FeaturesAsked& asked) {
  const Selection& selection = *asked.selection;
  const int64_t rows = asked.flat.has_value() ? asked.flat->rows : asked.answer->rows();
  std::size_t feature = 0;
  for (const Selection::StatusTotals& view : selection.status_totals) {
    std::array<int64_t, data::kFeatureStatuses> totals{};
    const auto add = [&totals](data::FeatureStatus status) {
      ++totals[static_cast<std::size_t>(status)];
    };
    for (; feature < view.end; ++feature) {
      if (asked.flat.has_value()) {
        const gold::ServiceFeature& of = selection.service->features[feature];
        if (asked.flat->views[static_cast<std::size_t>(of.view_index)].is_present) {
          totals[static_cast<std::size_t>(data::FeatureStatus::kPresent)] += rows;
        } else {
          asked.flat->each_status(of, add);
        }
      } else {
        const auto statuses = asked.answer->statuses(static_cast<int>(feature));
        std::for_each(statuses.begin(), statuses.end(), add);
      }
    }
    for (std::size_t status = 0; status < totals.size(); ++status) {
      if (totals[status] != 0) {
        view.counters[status]->add(totals[status]);
      }
    }
  }
  entities_.add(rows);
}

PredictionsAsked FeatureServer::ask_predictions(const RequestBody& body,
                                                const Caller& caller,
                                                const Pace& pace) {
  PredictionsAsked asked;
  asked.state = this->selections();
  const ServingState& state = asked.state->state();
  asked.model = find_model(state, body.model);
  const auto* const not_served = find_not_served(state, body.model);
  const std::string* const known = asked.model != nullptr  ? &asked.model->name
                                   : not_served != nullptr ? &not_served->first
                                                           : nullptr;
  if (std::optional<Response> refusal = check_model(caller, body.model, known)) {
    asked.refusal = *std::move(refusal);
    return asked;
  }
  if (known == nullptr) {
    asked.refusal = no_model(state, body.model, sees_names(caller));
    return asked;
  }
  if (!body.at.has_value() && not_served != nullptr) {
    asked.refusal = failure_response(Status(Code::kFailedPrecondition, not_served->second));
    return asked;
  }
  if (body.at.has_value()) {
    const Asking then = reads_for(state, body.at, pace);
    if (then.refusal.has_value()) {
      asked.refusal = *then.refusal;
      return asked;
    }
    Result<std::shared_ptr<const ServingModel>> model = line_->model_at(*known, then.at);
    if (!model.ok()) {
      asked.refusal = failed("prediction_failed", model.status());
      return asked;
    }
    asked.of_then = *std::move(model);
    asked.model = asked.of_then.get();
  }
  score(body, caller, pace, &asked);
  return asked;
}

/// The rows of a question to a model that may be asked.
void FeatureServer::score(const RequestBody& body,
                          const Caller& caller,
                          const Pace& pace,
                          PredictionsAsked* asked) {
  const gold::Service& service = *asked->model->service;
  std::optional<Response> refusal =
      body.with_features ? check_model_features(caller, *asked->model) : std::nullopt;
  if (refusal.has_value()) {  // a score tells less than what it is made of
    asked->refusal = *std::move(refusal);
    return;
  }
  asked->is_large = pace.is_hurried && (rows_asked(body) > kLargeScoredRows ||
                                        cells_asked(body, service) > kLargeCells);
  if (asked->is_large) {
    return;
  }
  const TypedRows typed = type_rows(service, body.entities);
  if (typed.refusal.has_value()) {
    asked->refusal = *typed.refusal;
    return;
  }
  const Asking asking = reads_for(asked->state->state(), body.at, pace);
  if (asking.refusal.has_value()) {
    asked->refusal = *asking.refusal;
    return;
  }
  Result<Predictions> predictions = predict_rows(*asked->model, body, typed.rows, asking);
  if (!predictions.ok()) {
    asked->refusal = failed("prediction_failed", predictions.status());
    return;
  }
  predictions_.add(predictions->features.rows());
  asked->predictions = *std::move(predictions);
}

Result<Predictions> FeatureServer::predict_rows(const ServingModel& model,
                                                const RequestBody& body,
                                                const RequestRows& rows,
                                                const Asking& asking) {
  if (model.challengers.empty() && !body.with_features) {
    ASSAY_ASSIGN_OR_RETURN(std::optional<FlatAnswer> flat,
                           flat_answer(*model.service, rows, asking));
    if (flat.has_value()) {
      ASSAY_ASSIGN_OR_RETURN(Predictions predictions,
                             serve::predict(model, *flat, asking.reads.goes_on));
      if (log_ != nullptr) {
        log_->add(model, rows, predictions, *flat);
      }
      keep_memory_of(*std::move(flat));
      return predictions;
    }
  }
  const bool is_logged = log_ != nullptr && !asking.of_the_past;
  ASSAY_ASSIGN_OR_RETURN(Predictions predictions,
                         serve::predict(model, asking.reads, rows, asking.at, is_logged));
  if (is_logged) {
    log_->add(model, rows, predictions);
  }
  return predictions;
}

/// Where the question is answered from, and for which instant.
FeatureServer::Asking FeatureServer::reads_for(const ServingState& state,
                                               const std::optional<JsonValue>& at,
                                               const Pace& pace) {
  Asking asking;
  const Result<EventTime> newest = now(state);
  if (!newest.ok()) {
    asking.refusal = failure_response(newest.status());
    return asking;
  }
  asking.at = *newest;
  asking.of_the_data = state.clock != catalog::ServingClock::kWall && !at.has_value();
  if (!at.has_value()) {
    asking.reads = ViewReads::of(store_, asking.at, pace.goes_on);
    return asking;
  }
  const Result<data::Scalar> instant = to_scalar(*at, data::Type::kTimestamp);
  if (!instant.ok()) {
    asking.refusal = feast_error(422, "FeastError", "at: " + instant.status().message());
    return asking;
  }
  asking.at = EventTime{std::get<int64_t>(instant->value)};
  asking.of_the_past = true;
  if (asking.at > *newest) {
    asking.refusal = feast_error(
        422, "FeastError", "at lies in the future; it is " + format_time(*newest) + " by now");
  } else if (line_ == nullptr) {
    asking.refusal =
        feast_error(501, "FeastError", "this server has no tables to answer for the past from");
  }
  asking.reads.read = [this, at_time = asking.at](const gold::FeatureView& view,
                                                  std::span<const data::EntityKey> keys) {
    return line_->past(view, keys, at_time);
  };
  return asking;
}

/// The instant of the question: now, or where the data's own clock stands.
Result<EventTime> FeatureServer::now(const ServingState& state) {
  if (state.clock == catalog::ServingClock::kWall) {
    return world_.clock.now();
  }
  ASSAY_ASSIGN_OR_RETURN(const EventTime data_now, store_.known_data_now());
  return data_now == EventTime::min() ? world_.clock.now() : data_now;
}

}  // namespace assay::serve
