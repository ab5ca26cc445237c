#include "flow/up_lines.h"

#include <algorithm>
#include <utility>

#include "flow/fast_path.h"
#include "flow/lag_metrics.h"

namespace assay::flow {
namespace {

bool passes(const Status& status) {
  return retryable(status.code()) || status.code() == Code::kCommitUnknown;
}

}  // namespace

UpLines::UpLines(Workspace& workspace, const UpOptions& options, RunOptions run)
    : workspace_(workspace),
      options_(options),
      run_(std::move(run)),
      away_(workspace, options, run_.wakeup, options.look_every) {}

Status UpLines::open(RunReport* report) {
  close();
  std::vector<std::string> names;
  for (const auto& [name, bronze] : workspace_.project().bronze) {
    if (workspace_.reads_parts(name)) {
      names.push_back(name);
    }
  }
  ASSAY_RETURN_IF_ERROR(away_.watch(names));
  ASSAY_ASSIGN_OR_RETURN(const bool is_complete, workspace_.is_complete());
  may_leave_out_ = is_complete && workspace_.project().has_lake && names.size() > 1;
  std::map<std::string, Status> answers;
  if (may_leave_out_) {
    ASSAY_ASSIGN_OR_RETURN(answers, away_.ask(names));
  }
  Status first;
  for (const std::string& name : names) {
    Status status = answers[name];
    const std::shared_ptr<ClientBeside> registry = away_.registry(name);
    if (status.ok() && may_leave_out_ && registry != nullptr) {
      const catalog::Project& project = workspace_.project();
      status = ask_registry(project.sources.at(project.bronze.at(name).source), *registry);
    }
    status = status.ok() ? open_line(name, report) : status;
    if (status.ok()) {
      continue;
    }
    if (!passes(status) || !may_leave_out_) {
      return status;
    }
    first = first.ok() ? status : first;
    away_.leave_out(name, status);
  }
  return lines_.empty() ? first : Status();
}

void UpLines::close() {
  openings_.clear();
  back_.clear();
  lines_.clear();
  beside_.clear();
  away_.clear();
}

Status UpLines::open_line(const std::string& name, RunReport* report) {
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<KafkaLine> line,
                         KafkaLine::open(workspace_, name, run_, away_.registry(name)));
  StageAccount account;
  account.stage = "bronze";
  account.name = name;
  ASSAY_RETURN_IF_ERROR(line->recover(&account));
  add_account(workspace_.world().metrics, std::move(account), report);
  lines_.push_back(std::move(line));
  return {};
}

std::optional<std::size_t> UpLines::index_of(const std::string& table) const {
  const auto found = std::find_if(
      lines_.begin(), lines_.end(), [&](const auto& line) { return line->name() == table; });
  return found == lines_.end() ? std::nullopt
                               : std::optional(static_cast<std::size_t>(found - lines_.begin()));
}

bool UpLines::are_all_open() const {
  return away_.left_out().empty();
}

/// Those that may be ahead of the lake by rows of a bronze table that is left out.
std::set<std::string> UpLines::views_left_out() const {
  const catalog::Project& project = workspace_.project();
  std::set<std::string> views;
  for (const std::string& table : away_.left_out()) {
    for (const auto& [name, view] : project.views) {
      if (!back_.contains(table) && why_not_fast(project, name).empty() &&
          bronze_of_view(project, name).name == table) {
        views.insert(name);
      }
    }
  }
  return views;
}

Result<std::vector<SourcesAway::Answer>> UpLines::answers() {
  std::vector<SourcesAway::Answer> answers = away_.take();
  for (const SourcesAway::Answer& answer : answers) {
    const Status status = answer.said.look.status();
    if (!status.ok() && !retryable(status.code())) {
      return status;
    }
    away_.note(answer.table, status);
  }
  return answers;
}

bool UpLines::may_leave_out(const Status& why) const {
  return may_leave_out_ && lines_.size() > 1 && passes(why);
}

void UpLines::leave_out(std::size_t index, const Status& why) {
  const std::string name = lines_[index]->name();
  away_.close(lines_[index]->end());
  lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(index));
  beside_.erase(name);
  away_.leave_out(name, why);
}

Status UpLines::open_again(RunReport* report) {
  for (const std::string& name : away_.due()) {
    if (!openings_.contains(name) && !back_.contains(name)) {
      openings_[name] = std::make_unique<LineOpening>(workspace_, name, run_, away_.registry(name));
    }
  }
  for (auto at = openings_.begin(); at != openings_.end();) {
    if (!at->second->has_ended()) {
      ++at;
      continue;
    }
    const std::string name = at->first;
    Result<LineOpening::Opened> opened = at->second->take();
    at = openings_.erase(at);
    if (!opened.ok() && !passes(opened.status())) {
      return opened.status();
    }
    if (!opened.ok()) {
      away_.leave_out(name, opened.status());
      continue;
    }
    add_account(workspace_.world().metrics, std::move(opened->account), report);
    beside_[name] = {std::move(opened->workspace), std::move(opened->stop)};
    back_[name].line = std::move(opened->line);
  }
  return {};
}

void UpLines::note_stages_begun() {
  for (auto& [name, back] : back_) {
    back.has_stages = true;
  }
}

Status UpLines::join(bool is_fast) {
  for (auto at = back_.begin(); at != back_.end();) {
    if (is_fast && !at->second.has_stages) {
      ++at;
      continue;
    }
    if (is_fast) {
      ASSAY_RETURN_IF_ERROR(at->second.line->begin_epoch());
    }
    away_.take_back(at->first);
    lines_.push_back(std::move(at->second.line));
    at = back_.erase(at);
  }
  return {};
}

}  // namespace assay::flow
