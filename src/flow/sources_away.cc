#include "flow/sources_away.h"

#include <algorithm>
#include <utility>

#include "flow/lag_metrics.h"
#include "flow/source_ledger.h"

namespace assay::flow {
namespace {

/// Brokers that are well answer within this.
constexpr Duration kAnswerWait{3 * kMicrosPerSecond};
/// That they did not is true for so long.
constexpr Duration kSilentFor{5 * kMicrosPerSecond};
/// How long a wait goes on before it looks whether it was asked to stop.
constexpr Duration kBlink{50'000};
/// A table that was read for so long again begins with the shortest pause.
constexpr Duration kSteady{60 * kMicrosPerSecond};

double seconds(Duration length) {
  return static_cast<double>(length.micros) / 1e6;
}

}  // namespace

SourcesAway::~SourcesAway() {
  end();
}

void SourcesAway::end() {
  for (auto& [name, table] : tables_) {
    table.watch->end();
  }
}

Status SourcesAway::begin() {
  if (!tables_.empty()) {
    return {};
  }
  std::map<std::string, Table> tables;
  for (const auto& [name, bronze] : workspace_.project().bronze) {
    if (!workspace_.reads_parts(name)) {
      continue;
    }
    Table& table = tables[name];
    table.lags = std::make_unique<PartLags>(workspace_.world(), name);
    ASSAY_ASSIGN_OR_RETURN(
        table.watch,
        TopicWatch::start(workspace_.world(),
                          workspace_.project().sources.at(bronze.source),
                          {options_.run.ask_timeout, every_, wakeup_, table.lags.get()}));
  }
  tables_ = std::move(tables);
  return {};
}

void SourcesAway::look() {
  for (auto& [name, table] : tables_) {
    if (std::optional<TopicWatch::Answer> said = table.watch->take()) {
      const bool is_lost = table.is_new && (table.last->was_silent || !table.last->look.ok());
      said->was_silent = said->was_silent || is_lost;
      table.last = std::move(said);
      table.is_new = true;
    }
  }
}

/// Whether it was answered for to a question since `began`, or did not answer just before.
bool SourcesAway::is_known(const Table& table, Duration began) const {
  if (!table.last.has_value()) {
    return false;
  }
  const TopicWatch::Answer& last = *table.last;
  return last.status().ok()
             ? last.is_of_all && last.asked_at.micros >= began.micros
             : began.micros - last.came_at.micros < kSilentFor.micros;
}

/// Brokers that are slow are waited for as long as twice what they took the last time.
Duration SourcesAway::patience_with(const Table& table) const {
  const bool was_there = table.last.has_value() && table.last->status().ok();
  const int64_t took = was_there ? table.last->came_at.micros - table.last->asked_at.micros : 0;
  return {std::max(kAnswerWait.micros, std::min(2 * took, options_.run.ask_timeout.micros))};
}

Result<std::map<std::string, Status>> SourcesAway::ask() {
  look();
  const Duration began = now();
  for (auto& [name, table] : tables_) {
    table.watch->ask_all();
  }
  const auto is_waited_for = [&](const auto& table) {
    const bool is_away = table.second.left_out_at.has_value() && !is_due(table.first);
    return !is_away && !is_known(table.second, began) &&
           now().micros - began.micros < patience_with(table.second).micros;
  };
  while (std::any_of(tables_.begin(), tables_.end(), is_waited_for)) {
    if (options_.run.stopping()) {
      return Status(Code::kCancelled, "stopped while brokers were waited for");
    }
    wakeup_->wait(kBlink);
    look();
  }
  std::map<std::string, Status> answers;
  for (const auto& [name, table] : tables_) {
    answers[name] = is_known(table, began)
                        ? table.last->status()
                        : Status(Code::kUnavailable, "no broker of bronze." + name + " answers yet");
  }
  return answers;
}

std::vector<SourcesAway::Answer> SourcesAway::take() {
  look();
  std::vector<Answer> answers;
  for (auto& [name, table] : tables_) {
    if (std::exchange(table.is_new, false)) {
      answers.push_back({name, *table.last});
    }
  }
  return answers;
}

const TopicWatch::Answer* SourcesAway::last(const std::string& table) const {
  const std::optional<TopicWatch::Answer>& last = tables_.at(table).last;
  return last.has_value() ? &*last : nullptr;
}

void SourcesAway::note(const std::string& name, const Status& status) {
  Table& table = tables_.at(name);
  const bool is_away = !status.ok() || table.left_out_at.has_value();
  Metrics& metrics = workspace_.world().metrics;
  if (is_away && !table.away_since.has_value()) {
    table.away_since = now();
    workspace_.world().log.error("kafka_brokers_are_away",
                                 {{"table", "bronze." + name}, {"why", status.to_string()}});
  } else if (!is_away && table.away_since.has_value()) {
    const Duration away{now().micros - table.away_since->micros};
    table.away_since.reset();
    workspace_.world().log.warn(
        "kafka_brokers_are_back",
        {{"table", "bronze." + name}, {"after_seconds", seconds(away)}});
  }
  metrics
      .gauge("assay_flow_source_away",
             "1 while brokers of the source, the leader of one of its partitions or its schema "
             "registry do not answer, or its table is left out",
             {{"name", name}})
      .set(is_away ? 1 : 0);
}

void SourcesAway::leave_out(const std::string& name, const Status& why, Duration took) {
  Table& table = tables_.at(name);
  const bool was_steady =
      table.back_at.has_value() && now().micros - table.back_at->micros >= kSteady.micros;
  const bool is_first = table.pause.micros == 0 || was_steady;
  table.pause = is_first ? options_.retry_first
                         : Duration{std::min(table.pause.micros * 2, options_.retry_max.micros)};
  table.pause = std::max(table.pause, took);  // others have at least half of the time
  table.back_at.reset();
  table.left_out_at = now();
  table.watch->ask_all();
  count_failure(workspace_.world(), "line");
  note(name, why);
}

bool SourcesAway::is_left_out(const std::string& table) const {
  return tables_.at(table).left_out_at.has_value();
}

bool SourcesAway::has_left_out() const {
  return std::any_of(tables_.begin(), tables_.end(), [](const auto& table) {
    return table.second.left_out_at.has_value();
  });
}

bool SourcesAway::is_due(const std::string& name) const {
  const Table& table = tables_.at(name);
  return table.left_out_at.has_value() && table.last.has_value() && table.last->status().ok() &&
         table.last->asked_at.micros >= table.left_out_at->micros &&
         now().micros - table.left_out_at->micros >= table.pause.micros;
}

bool SourcesAway::is_any_due() const {
  return std::any_of(
      tables_.begin(), tables_.end(), [&](const auto& table) { return is_due(table.first); });
}

void SourcesAway::take_back(const std::string& name) {
  Table& table = tables_.at(name);
  table.watch->ask_brokers_alone();
  if (std::exchange(table.left_out_at, std::nullopt).has_value()) {
    table.back_at = now();
    note(name, {});
  }
}

Result<bool> SourcesAway::was_found(const std::string& table) {
  SourceLedger ledger(workspace_.catalog());
  const std::string& source = workspace_.project().bronze.at(table).source;
  ASSAY_ASSIGN_OR_RETURN(const auto parts, ledger.known(ingest::kafka_ledger_name(source)));
  return !parts.empty();
}

}  // namespace assay::flow
