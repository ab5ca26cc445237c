#include "flow/up_lines.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "flow/fast_path.h"
#include "flow/source_ledger.h"

namespace assay::flow {
namespace {

/// How long a wait goes on before it looks whether it was asked to stop.
constexpr Duration kBlink{50'000};
/// At a start the lines of brokers that have answered wait so long for others.
constexpr Duration kOthersWait{500'000};
/// A question to a schema registry whether it is there.
constexpr Duration kRegistryMax{5 * kMicrosPerSecond};

bool may_pass(const Status& status) {
  return retryable(status.code()) || status.code() == Code::kCommitUnknown;
}

/// Views that may be ahead of the lake by rows of a bronze table.
std::set<std::string> fast_views_of(const catalog::Project& project, const std::string& bronze) {
  std::set<std::string> views;
  for (const auto& [name, view] : project.views) {
    if (why_not_fast(project, name).empty() && bronze_of_view(project, name).name == bronze) {
      views.insert(name);
    }
  }
  return views;
}

}  // namespace

UpLines::UpLines(Workspace& workspace, const UpOptions& options, RunOptions run)
    : workspace_(workspace),
      options_(options),
      run_(std::move(run)),
      clock_(workspace.world().clock),
      brokers_(workspace.world()) {}

Status UpLines::open(RunReport* report) {
  close();
  std::vector<std::string> names;
  for (const auto& [name, bronze] : workspace_.project().bronze) {
    if (workspace_.reads_parts(name)) {
      names.push_back(name);
    }
  }
  ASSAY_RETURN_IF_ERROR(prepare(names));
  if (workspace_.project().has_lake && names.size() > 1) {
    return open_those_that_answer(names, report);
  }
  for (const std::string& name : names) {
    ASSAY_RETURN_IF_ERROR(open_line(name, report));
  }
  return {};
}

void UpLines::close() {
  lines_.clear();
  left_out_.clear();
  seen_.clear();
}

const catalog::SourceDef& UpLines::source_of(const std::string& name) const {
  return workspace_.project().sources.at(workspace_.project().bronze.at(name).source);
}

/// Who asks in threads beside, for as long as this object lives.
Status UpLines::prepare(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (watches_.contains(name)) {
      continue;
    }
    const catalog::SourceDef& source = source_of(name);
    ASSAY_ASSIGN_OR_RETURN(
        watches_[name],
        TopicWatch::start(
            workspace_.world(), source, {run_.ask_timeout, options_.look_every, run_.wakeup}));
    if (source.registry.has_value()) {
      registries_[name] = std::make_shared<ClientBeside>(
          store::make_http_client({.ca_file = source.registry->ca_file}));
    }
  }
  return {};
}

/// Whether a line's schema registry, if it has one, answers anything at all: records that are read
/// again wait for it, and everybody else with them.
Status UpLines::ask_registry(const std::string& name) {
  const auto registry = registries_.find(name);
  if (registry == registries_.end()) {
    return {};
  }
  const catalog::RegistryDef& definition = *source_of(name).registry;
  store::HttpRequest request;
  request.url = definition.url + "/schemas/types";
  request.timeout = std::min(definition.timeout, kRegistryMax);
  const Status answered = registry->second->send(request).status();
  return answered.ok() ? Status()
                       : Status(Code::kUnavailable,
                                "schema registry " + definition.url + ": " + answered.message());
}

Status UpLines::open_line(const std::string& name, RunReport* report) {
  const auto registry = registries_.find(name);
  ASSAY_ASSIGN_OR_RETURN(
      std::unique_ptr<KafkaLine> line,
      KafkaLine::open(
          workspace_, name, run_, registry == registries_.end() ? nullptr : registry->second));
  StageAccount account;
  account.stage = "bronze";
  account.name = name;
  ASSAY_RETURN_IF_ERROR(line->recover(&account));
  add_account(workspace_.world().metrics, std::move(account), report);
  lines_.push_back(std::move(line));
  return {};
}

Status UpLines::open_those_that_answer(const std::vector<std::string>& names, RunReport* report) {
  ASSAY_ASSIGN_OR_RETURN(const auto answers, wait_for_answers(names));
  Status first;
  for (const std::string& name : names) {
    ASSAY_ASSIGN_OR_RETURN(const bool has_been_found, was_found(name));
    Status answer = answers.at(name);
    answer = answer.ok() && has_been_found ? ask_registry(name) : answer;
    const Status status = answer.ok() ? open_line(name, report) : answer;
    if (status.ok()) {
      continue;
    }
    if (!may_pass(status) || !has_been_found) {
      return status;
    }
    first = first.ok() ? status : first;
    note_left_out(name, status, options_.retry_first);
  }
  return lines_.empty() ? first : Status();
}

/// What the brokers of each table answer. Those of topics that were found before are waited for
/// half a second once others have answered.
Result<std::map<std::string, Status>> UpLines::wait_for_answers(
    const std::vector<std::string>& names) {
  std::map<std::string, Status> answers;
  std::set<std::string> new_ones;
  for (const std::string& name : names) {
    ASSAY_ASSIGN_OR_RETURN(const bool has_been_found, was_found(name));
    if (!has_been_found) {
      new_ones.insert(name);
    }
  }
  std::optional<Duration> first_at;
  while (answers.size() < names.size()) {
    if (run_.stopping()) {
      return Status(Code::kCancelled, "stopped while brokers were waited for");
    }
    for (const std::string& name : names) {
      if (const std::optional<TopicWatch::Answer> answer = watches_.at(name)->take()) {
        answers[name] = answer->status;
        brokers_.note(name, answer->status);
        new_ones.erase(name);
        first_at = answer->status.ok() && !first_at ? clock_.monotonic() : first_at;
      }
    }
    const bool is_long = first_at.has_value() && new_ones.empty() &&
                         clock_.monotonic().micros - first_at->micros >= kOthersWait.micros;
    if (is_long) {
      break;
    }
    if (answers.size() < names.size()) {
      run_.wakeup->wait(kBlink);
    }
  }
  for (const std::string& name : names) {
    answers.try_emplace(name, Code::kUnavailable, "no broker of bronze." + name + " has answered");
  }
  return answers;
}

Result<bool> UpLines::was_found(const std::string& name) {
  SourceLedger ledger(workspace_.catalog());
  const std::string& source = workspace_.project().bronze.at(name).source;
  ASSAY_ASSIGN_OR_RETURN(const auto parts, ledger.known(ingest::kafka_ledger_name(source)));
  return !parts.empty();
}

std::set<std::string> UpLines::views_left_out() const {
  std::set<std::string> views;
  for (const auto& [name, left_out] : left_out_) {
    views.insert(left_out.views.begin(), left_out.views.end());
  }
  return views;
}

bool UpLines::may_leave_out(const Status& why) const {
  return workspace_.project().has_lake && lines_.size() > 1 && may_pass(why);
}

void UpLines::leave_out(std::size_t index, const Status& why) {
  const std::string name = lines_[index]->name();
  lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(index));
  seen_.erase(name);
  note_left_out(name, why, options_.retry_first);
}

void UpLines::note_left_out(const std::string& name, const Status& why, Duration pause) {
  if (!left_out_.contains(name)) {
    workspace_.world().log.error("line_waits",
                                 {{"table", "bronze." + name},
                                  {"why", why.to_string()},
                                  {"next_try_seconds", static_cast<double>(pause.micros) / 1e6}});
  }
  count_failure(workspace_.world(), "line");
  left_out_[name] = {fast_views_of(workspace_.project(), name), false, clock_.monotonic(), pause};
}

Result<bool> UpLines::take_back(RunReport* report) {
  for (const auto& [name, left_out] : left_out_) {
    const bool is_time = clock_.monotonic().micros - left_out.since.micros >= left_out.pause.micros;
    if (!left_out.answers || !is_time) {
      continue;
    }
    const std::string table = name;
    const Duration pause{std::min(left_out.pause.micros * 2, options_.retry_max.micros)};
    Status status = ask_registry(table);
    status = status.ok() ? open_line(table, report) : status;
    if (!status.ok() && !may_pass(status)) {
      return status;
    }
    if (!status.ok()) {
      note_left_out(table, status, pause);
      return false;
    }
    left_out_.erase(table);
    workspace_.world().log.info("line_goes_on", {{"table", "bronze." + table}});
    return true;
  }
  return false;
}

Result<std::vector<KafkaLine*>> UpLines::changed() {
  std::vector<KafkaLine*> lines;
  for (const auto& [name, watch] : watches_) {
    const std::optional<TopicWatch::Answer> answer = watch->take();
    if (!answer.has_value()) {
      continue;
    }
    if (!answer->status.ok() && !retryable(answer->status.code())) {
      return answer->status;
    }
    brokers_.note(name, answer->status);
    const auto left_out = left_out_.find(name);
    if (left_out != left_out_.end()) {
      left_out->second.answers = answer->status.ok();
      continue;
    }
    KafkaLine* const line = line_of(name);
    if (!answer->status.ok() || line == nullptr) {
      continue;
    }
    Seen& seen = seen_[name];
    seen.last = answer->partitions;
    if (seen.last != seen.looked_at || line->must_seek()) {
      lines.push_back(line);
    }
  }
  return lines;
}

void UpLines::note_looked_at(const KafkaLine& line) {
  Seen& seen = seen_[line.name()];
  seen.looked_at = seen.last;
}

KafkaLine* UpLines::line_of(const std::string& name) const {
  const auto found = std::find_if(
      lines_.begin(), lines_.end(), [&](const auto& line) { return line->name() == name; });
  return found == lines_.end() ? nullptr : found->get();
}

}  // namespace assay::flow
