#include "quality/checks.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/json_writer.h"
#include "catalog/definition_names.h"
#include "data/entity_key.h"
#include "quality/row_checks.h"

namespace assay::quality {

using catalog::CheckDef;
using catalog::CheckKind;
using catalog::OnFail;

/// One compiled check. Checks of rows have `judge`; `unique` has a slot in the state instead;
/// freshness and row_count have neither.
struct CheckSet::Check {
  CheckDef def;
  std::string name;
  RowCheck judge;
  std::string subject;          // what rejects name: the column, or the expression
  std::size_t unique_slot = 0;  // index in CheckState::seen
};

namespace {

constexpr char kEventTime[] = "event_time";
constexpr char kKnownTime[] = "known_time";
constexpr char kSequence[] = "sequence";

bool is_of_rows(CheckKind kind) {
  return kind != CheckKind::kFreshness && kind != CheckKind::kRowCount;
}

CheckCount count_of(const CheckSet::Check& check) {
  return {check.name, check.def.kind, check.def.on_fail, 0, 0};
}

void note_newest(const data::Batch& batch, const char* name, std::optional<EventTime>* newest) {
  const data::Column* column = batch.find(name);
  if (column == nullptr || column->type() != data::Type::kTimestamp) {
    return;
  }
  const auto values = column->values<int64_t>();
  if (column->null_count() == 0 && !values.empty()) {
    *newest = std::max(*newest, std::optional(EventTime{*std::ranges::max_element(values)}));
    return;
  }
  for (int64_t row = 0; row < column->size(); ++row) {
    const EventTime time{values[static_cast<std::size_t>(row)]};
    if (column->is_valid(row) && (!*newest || time > **newest)) {
      *newest = time;
    }
  }
}

/// First of equal values passes; values seen are added to `seen`.
std::vector<uint8_t> judge_unique(const data::Column& column,
                                  std::unordered_set<std::string>* seen) {
  std::vector<uint8_t> verdicts(static_cast<std::size_t>(column.size()), 1);
  const data::Column* const columns[] = {&column};
  for (int64_t row = 0; row < column.size(); ++row) {
    const auto key = data::encode_key(columns, row);
    if (key && !seen->insert(key->bytes()).second) {
      verdicts[static_cast<std::size_t>(row)] = 0;
    }
  }
  return verdicts;
}

Result<std::vector<uint8_t>> judge_rows(const CheckSet::Check& check,
                                        const data::Batch& batch,
                                        CheckState* state) {
  if (check.def.kind != CheckKind::kUnique) {
    return check.judge(batch);
  }
  const data::Column* column = batch.find(check.def.column);
  if (column == nullptr) {
    return Status(Code::kInvalidArgument, "a check needs column `" + check.def.column + "`");
  }
  return judge_unique(*column, &state->seen[check.unique_slot]);
}

/// Names the check, how many rows failed and where the first stands; never a value.
Status stop_at(const CheckSet::Check& check,
               const std::vector<uint8_t>& verdicts,
               int64_t failed,
               const data::Batch& batch) {
  const auto first = std::find(verdicts.begin(), verdicts.end(), uint8_t{0}) - verdicts.begin();
  const data::Column* sequence = batch.find(kSequence);
  std::string where = "row " + std::to_string(first);
  if (sequence != nullptr && sequence->type() == data::Type::kInt64) {
    where =
        "sequence " + std::to_string(sequence->values<int64_t>()[static_cast<std::size_t>(first)]);
  }
  return {Code::kFailedPrecondition,
          "check " + check.name + " with on_fail: fail failed for " + std::to_string(failed) +
              " of " + std::to_string(verdicts.size()) + " rows, first at " + where +
              "; correct the source, or set on_fail to quarantine and run again"};
}

Status check_batch_columns(const CheckDef& check, const data::Schema& schema) {
  if (check.kind != CheckKind::kFreshness) {
    return {};
  }
  for (const char* name : {kEventTime, kKnownTime}) {
    if (!schema.find(name)) {
      return {Code::kInvalidArgument,
              "check freshness: the rows have no column `" + std::string(name) + "`"};
    }
  }
  return {};
}

/// What is to happen to each row: the action and the check that decided it.
struct Verdict {
  enum class Action : uint8_t { kKeep, kDrop, kQuarantine } action = Action::kKeep;
  const CheckSet::Check* check = nullptr;
};

void apply_failures(const CheckSet::Check& check,
                    const std::vector<uint8_t>& passed,
                    std::vector<Verdict>* verdicts) {
  if (check.def.on_fail != OnFail::kQuarantine && check.def.on_fail != OnFail::kDrop) {
    return;
  }
  const auto action = check.def.on_fail == OnFail::kQuarantine ? Verdict::Action::kQuarantine
                                                               : Verdict::Action::kDrop;
  for (std::size_t row = 0; row < passed.size(); ++row) {
    if (passed[row] == 0 && action > (*verdicts)[row].action) {
      (*verdicts)[row] = {action, &check};
    }
  }
}

}  // namespace

CheckResults& CheckResults::operator+=(const CheckResults& other) {
  if (checks.empty()) {
    checks = other.checks;
    return *this;
  }
  if (other.checks.empty()) {
    return *this;
  }
  ASSAY_CHECK(checks.size() == other.checks.size());
  for (std::size_t index = 0; index < checks.size(); ++index) {
    ASSAY_CHECK(checks[index].name == other.checks[index].name);
    checks[index].passed += other.checks[index].passed;
    checks[index].failed += other.checks[index].failed;
  }
  return *this;
}

std::string CheckResults::to_json() const {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.key("checks");
  json.begin_array();
  for (const CheckCount& check : checks) {
    json.begin_object();
    json.key("check");
    json.string(check.name);
    json.key("on_fail");
    json.string(catalog::on_fail_name(check.on_fail));
    json.key("passed");
    json.integer(check.passed);
    json.key("failed");
    json.integer(check.failed);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return text;
}

void log_warnings(const CheckResults& results, std::string_view table, Log& log) {
  for (const CheckCount& check : results.checks) {
    const bool counts_as_warning = check.on_fail == OnFail::kWarn || !is_of_rows(check.kind);
    if (counts_as_warning && check.failed > 0) {
      log.warn("check_failed",
               {{"table", std::string(table)},
                {"check", check.name},
                {"failed", check.failed},
                {"passed", check.passed}});
    }
  }
}

Result<CheckSet> CheckSet::compile(const std::vector<CheckDef>& checks,
                                   const data::Schema& schema) {
  CheckSet set;
  std::size_t unique_count = 0;
  for (const CheckDef& def : checks) {
    Check check;
    check.def = def;
    check.name = check_name(def);
    check.subject = def.kind == CheckKind::kExpr ? def.expression : def.column;
    if (def.kind == CheckKind::kUnique) {
      ASSAY_ASSIGN_OR_RETURN(const data::Field field, find_check_column(def, schema));
      check.subject = field.name;
      check.unique_slot = unique_count++;
    } else if (is_of_rows(def.kind)) {
      ASSAY_ASSIGN_OR_RETURN(check.judge, compile_row_check(def, schema));
    } else {
      ASSAY_RETURN_IF_ERROR(check_batch_columns(def, schema));
    }
    set.checks_.push_back(std::make_shared<const Check>(std::move(check)));
  }
  return set;
}

Result<CheckOutcome> CheckSet::evaluate(const data::Batch& batch, CheckState state) const {
  CheckOutcome outcome;
  outcome.state = std::move(state);
  outcome.state.seen.resize(std::max(outcome.state.seen.size(), checks_.size()));
  outcome.state.rows += batch.rows();
  note_newest(batch, kEventTime, &outcome.state.newest_event);
  note_newest(batch, kKnownTime, &outcome.state.newest_known);

  std::vector<Verdict> verdicts;  // once a row has failed
  for (const auto& check : checks_) {
    CheckCount count = count_of(*check);
    if (is_of_rows(check->def.kind)) {
      ASSAY_ASSIGN_OR_RETURN(const std::vector<uint8_t> passed,
                             judge_rows(*check, batch, &outcome.state));
      count.failed = std::count(passed.begin(), passed.end(), uint8_t{0});
      count.passed = batch.rows() - count.failed;
      if (count.failed > 0 && check->def.on_fail == OnFail::kFail) {
        return stop_at(*check, passed, count.failed, batch);
      }
      if (count.failed > 0) {
        verdicts.resize(passed.size());
        apply_failures(*check, passed, &verdicts);
      }
    }
    outcome.results.checks.push_back(std::move(count));
  }
  if (verdicts.empty()) {
    outcome.kept.resize(static_cast<std::size_t>(batch.rows()));
    std::iota(outcome.kept.begin(), outcome.kept.end(), int64_t{0});
  }
  for (std::size_t row = 0; row < verdicts.size(); ++row) {
    const auto at = static_cast<int64_t>(row);
    if (verdicts[row].action == Verdict::Action::kKeep) {
      outcome.kept.push_back(at);
    } else if (verdicts[row].action == Verdict::Action::kDrop) {
      ++outcome.filtered;
    } else {
      outcome.rejects.push_back(
          {at, data::RejectReason::kCheckFailed, verdicts[row].check->subject});
    }
  }
  return outcome;
}

Result<CheckResults> CheckSet::finish(const CheckState& state) const {
  CheckResults results;
  for (const auto& check : checks_) {
    CheckCount count = count_of(*check);
    bool passed = true;
    std::string found;
    if (check->def.kind == CheckKind::kFreshness) {
      const int64_t age = state.newest_event && state.newest_known
                              ? state.newest_known->micros - state.newest_event->micros
                              : 0;
      passed = age <= check->def.age_max.micros;
      found = "the newest row is " + format_duration({std::max<int64_t>(age, 0)}) +
              " old, at most " + format_duration(check->def.age_max) + " is allowed";
    } else if (check->def.kind == CheckKind::kRowCount) {
      const auto bound = [](const std::optional<data::Scalar>& scalar, int64_t otherwise) {
        return scalar && std::holds_alternative<int64_t>(scalar->value)
                   ? std::get<int64_t>(scalar->value)
                   : otherwise;
      };
      passed =
          state.rows >= bound(check->def.min, 0) && state.rows <= bound(check->def.max, state.rows);
      found = std::to_string(state.rows) + " rows";
    }
    if (!is_of_rows(check->def.kind)) {
      (passed ? count.passed : count.failed) = 1;
      if (!passed && check->def.on_fail == OnFail::kFail) {
        return Status(Code::kFailedPrecondition,
                      "check " + check->name + " with on_fail: fail failed: " + found);
      }
    }
    results.checks.push_back(std::move(count));
  }
  return results;
}

}  // namespace assay::quality
