#include "serve/grpc_health.h"

#include <vector>

#include "data/protobuf.h"
#include "serve/grpc_columns.h"

namespace assay::serve {
namespace {

Status stopping() {
  return {Code::kUnavailable, "Server is stopping"};
}

/// The service that a HealthCheckRequest is about.
Result<std::string> service_of(std::string_view request) {
  std::string service;
  ASSAY_RETURN_IF_ERROR(for_fields(request, [&](const data::ProtoField& field) -> Status {
    if (field.number == 1 && field.wire == data::ProtoField::Wire::kBytes) {
      service = field.bytes;
    }
    return {};
  }));
  return service;
}

/// The same question without what is not known of it; what is no message stays as it is.
std::string plain_request(std::string request) {
  const Result<std::string> service = service_of(request);
  if (!service.ok()) {
    return request;
  }
  std::string plain;
  if (!service->empty()) {
    data::ProtoWriter(plain).bytes(1, *service);
  }
  return plain;
}

}  // namespace

Result<std::string> answer_health(std::string_view method,
                                  std::string_view request,
                                  const HealthOf& health) {
  ASSAY_ASSIGN_OR_RETURN(const std::string service, service_of(request));
  constexpr int kServing = 1;
  constexpr int kNotServing = 2;
  constexpr int kServiceUnknown = 3;
  const std::optional<bool> serves = health(service);
  if (!serves.has_value() && method == kHealthCheck) {
    return Status(Code::kNotFound, "this server has no service " + service);
  }
  std::string message;
  data::ProtoWriter(message).integer(1,
                                     !serves.has_value() ? kServiceUnknown
                                     : *serves           ? kServing
                                                         : kNotServing);
  return message;
}

void HealthWatches::add(HealthWatch& watch) {
  const std::lock_guard lock(mutex_);
  states_.try_emplace(&watch);
}

void HealthWatches::remove(HealthWatch& watch) {
  const std::lock_guard lock(mutex_);
  states_.erase(&watch);
}

int HealthWatches::count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(states_.size());
}

/// Under the lock: whether the answer is to be written now. Until that is done he stays.
bool HealthWatches::take_up(const std::string& answer, State* state) {
  if (state->is_over || state->is_writing || answer == state->told) {
    return false;
  }
  state->told = answer;
  state->is_writing = true;
  return true;
}

/// Under the lock: whether he is to be finished now. Until that is done he stays.
bool HealthWatches::take_end(const Status& why, State* state) {
  if (state->is_writing) {
    state->end = why;
  }
  return !state->is_writing && !std::exchange(state->is_over, true);
}

void HealthWatches::begin(HealthWatch& watch, std::string request) {
  request = plain_request(std::move(request));
  const Result<std::string> answer = ask_(request);
  if (!answer.ok()) {
    end(watch, answer.status());
    return;
  }
  std::unique_lock lock(mutex_);
  State& state = states_.at(&watch);
  state.request = std::move(request);
  const bool is_over = is_over_;
  const bool writes = !is_over && take_up(*answer, &state);
  lock.unlock();
  if (is_over) {
    end(watch, stopping());
  } else if (writes) {
    watch.write(*answer);
  }
}

void HealthWatches::written(HealthWatch& watch, bool ok) {
  std::unique_lock lock(mutex_);
  State& state = states_.at(&watch);
  state.is_writing = false;
  const std::optional<Status> why =
      ok ? state.end : std::optional(Status(Code::kUnavailable, "the client is gone"));
  lock.unlock();
  if (why.has_value()) {
    end(watch, *why);
  }
}

void HealthWatches::end(HealthWatch& watch, const Status& why) {
  std::unique_lock lock(mutex_);
  const bool now = take_end(why, &states_.at(&watch));
  lock.unlock();
  if (now) {
    watch.finish(why);
  }
}

void HealthWatches::tell_all() {
  std::map<std::string, std::string> answers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [watch, state] : states_) {
      if (state.request.has_value()) {
        answers.emplace(*state.request, "");
      }
    }
  }
  for (auto& [request, answer] : answers) {
    Result<std::string> now = ask_(request);
    answer = now.ok() ? *std::move(now) : "";
  }
  std::vector<std::pair<HealthWatch*, std::string>> told;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [watch, state] : states_) {
      const auto answer = state.request.has_value() ? answers.find(*state.request) : answers.end();
      if (answer != answers.end() && !answer->second.empty() && take_up(answer->second, &state)) {
        told.emplace_back(watch, answer->second);
      }
    }
  }
  for (const auto& [watch, answer] : told) {
    watch->write(answer);
  }
}

void HealthWatches::end_all() {
  std::vector<HealthWatch*> ended;
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    for (auto& [watch, state] : states_) {
      if (take_end(stopping(), &state)) {
        ended.push_back(watch);
      }
    }
  }
  for (HealthWatch* const watch : ended) {
    watch->finish(stopping());
  }
}

}  // namespace assay::serve
