#include "flow/sources_away.h"

#include <algorithm>
#include <set>
#include <utility>

#include "flow/lag_metrics.h"
#include "flow/source_ledger.h"

namespace assay::flow {
namespace {

/// How long a wait goes on before it looks whether it was asked to stop.
constexpr Duration kBlink{50'000};
/// At a start those that have answered wait so long for others.
constexpr Duration kOthersWait{500'000};

double seconds(int64_t micros) {
  return static_cast<double>(micros) / 1e6;
}

}  // namespace

SourcesAway::SourcesAway(Workspace& workspace,
                         const UpOptions& options,
                         Wakeup* wakeup,
                         Duration every)
    : workspace_(workspace),
      options_(options),
      clock_(workspace.world().clock),
      wakeup_(wakeup),
      every_(every) {}

Status SourcesAway::watch(const std::vector<std::string>& tables) {
  for (const std::string& name : tables) {
    if (tables_.contains(name)) {
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(
        tables_[name].watch,
        TopicWatch::start(
            workspace_.world(),
            source_of(name),
            {options_.run.ask_timeout, every_, options_.retry_first, options_.retry_max, wakeup_}));
  }
  return {};
}

Result<std::map<std::string, Status>> SourcesAway::ask(const std::vector<std::string>& tables) {
  std::set<std::string> new_ones;
  for (const std::string& name : tables) {
    ASSAY_ASSIGN_OR_RETURN(const bool has_been_found, was_found(name));
    if (!has_been_found) {
      new_ones.insert(name);
    }
  }
  const Duration began = clock_.monotonic();
  for (const std::string& name : tables) {
    tables_.at(name).watch->ask_now();
  }
  std::map<std::string, Status> answers;
  std::optional<Duration> first_at;
  while (answers.size() < tables.size()) {
    if (options_.run.stopping()) {
      return Status(Code::kCancelled, "stopped while brokers were waited for");
    }
    for (const Answer& answer : take()) {
      const bool is_old = answer.said.asked_at < began && answer.said.look.ok();
      if (std::count(tables.begin(), tables.end(), answer.table) == 0 || is_old) {
        continue;  // it may have gone since
      }
      answers[answer.table] = answer.said.look.status();
      new_ones.erase(answer.table);
      first_at = answer.said.look.ok() && !first_at ? clock_.monotonic() : first_at;
    }
    if (first_at.has_value() && new_ones.empty() &&
        clock_.monotonic().micros - first_at->micros >= kOthersWait.micros) {
      break;
    }
    if (answers.size() < tables.size()) {
      wakeup_->wait(kBlink);
    }
  }
  for (const std::string& name : tables) {
    answers.try_emplace(name, Code::kUnavailable, "no broker of bronze." + name + " answers");
    note(name, answers.at(name));
  }
  return answers;
}

std::vector<SourcesAway::Answer> SourcesAway::take() {
  std::vector<Answer> answers;
  for (auto& [name, table] : tables_) {
    if (std::optional<TopicWatch::Answer> said = table.watch->take()) {
      table.last = said->look.status();
      answers.push_back({name, *std::move(said)});
    }
  }
  return answers;
}

Status SourcesAway::last_answer(const std::string& table) const {
  return tables_.at(table).last;
}

void SourcesAway::note(const std::string& name, const Status& answer) {
  Table& table = tables_.at(name);
  const Duration now = clock_.monotonic();
  if (answer.ok() && table.silent_since.has_value()) {
    workspace_.world().log.info(
        "kafka_brokers_are_back",
        {{"table", "bronze." + name},
         {"after_seconds", seconds(now.micros - table.silent_since->micros)}});
    table.silent_since.reset();
  } else if (!answer.ok() && !table.silent_since.has_value()) {
    workspace_.world().log.error("kafka_brokers_are_away",
                                 {{"table", "bronze." + name}, {"why", answer.to_string()}});
    table.silent_since = now;
  }
  tell(name, table);
}

void SourcesAway::tell(const std::string& name, const Table& table) {
  std::optional<Duration> since = table.silent_since;
  if (table.left_out.has_value()) {
    since = std::min(since.value_or(table.left_out->since), table.left_out->since);
  }
  Metrics& metrics = workspace_.world().metrics;
  metrics
      .gauge("assay_flow_source_away",
             "1 while no broker of the source answers, or its table is left out",
             {{"name", name}})
      .set(since.has_value() ? 1 : 0);
  const int64_t away = since.has_value() ? clock_.monotonic().micros - since->micros : 0;
  metrics
      .gauge("assay_flow_source_away_since_seconds",
             "Since when, as seconds of Unix time; 0 while it is not",
             {{"name", name}})
      .set(since.has_value() ? seconds(workspace_.world().clock.now().micros - away) : 0);
}

Result<bool> SourcesAway::was_found(const std::string& table) {
  SourceLedger ledger(workspace_.catalog());
  ASSAY_ASSIGN_OR_RETURN(const auto parts,
                         ledger.known(ingest::kafka_ledger_name(source_of(table).name)));
  return !parts.empty();
}

const catalog::SourceDef& SourcesAway::source_of(const std::string& table) const {
  const catalog::Project& project = workspace_.project();
  return project.sources.at(project.bronze.at(table).source);
}

std::shared_ptr<ClientBeside> SourcesAway::registry(const std::string& name) {
  const catalog::SourceDef& source = source_of(name);
  Table& table = tables_.at(name);
  if (source.registry.has_value() && table.registry == nullptr) {
    table.registry = std::make_shared<ClientBeside>(
        store::make_http_client({.ca_file = source.registry->ca_file}));
  }
  return table.registry;
}

void SourcesAway::leave_out(const std::string& name, const Status& why) {
  Table& table = tables_.at(name);
  const Duration now = clock_.monotonic();
  count_failure(workspace_.world(), "line");
  if (table.left_out.has_value()) {
    table.left_out->tried_at = now;
    table.left_out->pause = {std::min(table.left_out->pause.micros * 2, options_.retry_max.micros)};
  } else {
    table.left_out = LeftOut{now, now, options_.retry_first};
    workspace_.world().log.error("line_waits",
                                 {{"table", "bronze." + name},
                                  {"why", why.to_string()},
                                  {"next_try_seconds", seconds(options_.retry_first.micros)}});
  }
  table.last = Status(Code::kUnavailable, "it is asked again");
  table.watch->ask_now();
  tell(name, table);
}

void SourcesAway::close(std::unique_ptr<ingest::KafkaSource> source) {
  std::erase_if(closing_, [](const Closing& closing) { return closing.is_done->load(); });
  const auto is_done = std::make_shared<std::atomic<bool>>(false);
  closing_.push_back({is_done, std::jthread([held = std::move(source), is_done]() mutable {
                        held.reset();
                        *is_done = true;
                      })});
}

void SourcesAway::take_back(const std::string& name) {
  Table& table = tables_.at(name);
  if (!table.left_out.has_value()) {
    return;
  }
  const int64_t away = clock_.monotonic().micros - table.left_out->since.micros;
  table.left_out.reset();
  workspace_.world().log.info("line_goes_on",
                              {{"table", "bronze." + name}, {"after_seconds", seconds(away)}});
  tell(name, table);
}

std::vector<std::string> SourcesAway::left_out() const {
  std::vector<std::string> names;
  for (const auto& [name, table] : tables_) {
    if (table.left_out.has_value()) {
      names.push_back(name);
    }
  }
  return names;
}

std::vector<std::string> SourcesAway::due() const {
  const Duration now = clock_.monotonic();
  std::vector<std::string> names;
  for (const auto& [name, table] : tables_) {
    if (table.left_out.has_value() && table.last.ok() &&
        now.micros - table.left_out->tried_at.micros >= table.left_out->pause.micros) {
      names.push_back(name);
    }
  }
  return names;
}

void SourcesAway::clear() {
  for (auto& [name, table] : tables_) {
    table.left_out.reset();
    tell(name, table);
  }
}

}  // namespace assay::flow
