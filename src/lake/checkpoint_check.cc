#include "lake/checkpoint_check.h"

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "lake/checkpoint.h"

namespace assay::lake {
namespace {

using Severity = Finding::Severity;

std::string checkpoint_name(const std::string& key, Version version) {
  std::string name = log_prefix(key) + log_file_name(version);
  name.replace(name.size() - 5, 5, ".checkpoint.parquet");
  return name;
}

/// What is damaged, not what cannot be reached or is not supported.
bool is_damage(const Status& status) {
  return status.code() == Code::kCorrupt || status.code() == Code::kNotFound;
}

std::string difference_of(const TableState& logged, const TableState& told) {
  int64_t lacking = 0;
  for (const auto& [path, file] : logged.snapshot.files) {
    lacking += told.snapshot.files.count(path) == 0 ? 1 : 0;
  }
  const auto both = static_cast<int64_t>(logged.snapshot.files.size()) - lacking;
  const int64_t more = static_cast<int64_t>(told.snapshot.files.size()) - both;
  if (lacking != 0 || more != 0) {
    return "it lacks " + std::to_string(lacking) + " files that the log before it names, and has " +
           std::to_string(more) + " that it does not";
  }
  if (logged.snapshot.txns != told.snapshot.txns) {
    return "its positions are not those of the log before it";
  }
  return logged.metadata.schema_string == told.metadata.schema_string &&
                 logged.metadata.configuration == told.metadata.configuration
             ? ""
             : "its schema or properties are not those of the log before it";
}

/// The state of one version after the other by the log's entries alone, no checkpoint read.
class LogAlone {
 public:
  LogAlone(const LakeAccess& lake,
           const std::string& key,
           const std::map<Version, std::vector<std::string>>& checkpoints)
      : lake_(lake), key_(key) {
    for (const auto& [version, parts] : checkpoints) {
      all_.without.insert(version);
    }
  }

  /// Null from the first version on that the entries do not give. Versions ascend.
  Result<const TableState*> at(Version version) {
    const Status moved = broken_ ? Status() : move_to(version);
    broken_ = broken_ || !moved.ok();
    if (!moved.ok() && !is_damage(moved) && moved.code() != Code::kUnimplemented) {
      return moved;
    }
    return broken_ ? nullptr : state_.get();
  }

 private:
  Status move_to(Version version) {
    if (state_ == nullptr) {
      ASSAY_ASSIGN_OR_RETURN(state_, load_state(lake_.store, lake_.sql, key_, version, all_));
    }
    while (state_->snapshot.version < version) {
      const Version next = state_->snapshot.version + 1;
      ASSAY_ASSIGN_OR_RETURN(const LogEntry entry, read_entry(lake_.store, key_, next));
      ASSAY_RETURN_IF_ERROR(apply_entry(*state_, next, entry));
    }
    return {};
  }

  const LakeAccess& lake_;
  const std::string& key_;
  CheckpointUse all_;
  std::shared_ptr<TableState> state_;
  bool broken_ = false;
};

class Check {
 public:
  Check(const LakeAccess& lake, const std::string& key, bool mend)
      : lake_(lake), key_(key), mend_(mend) {}

  Result<CheckpointCheck> run() {
    const auto listed = list_checkpoints(lake_.store, key_);
    if (!listed.ok()) {
      check_.unreadable = listed.status();
      return std::move(check_);
    }
    checkpoints_ = *listed;
    ASSAY_RETURN_IF_ERROR(read_all());
    ASSAY_RETURN_IF_ERROR(judge_by_log());
    ASSAY_RETURN_IF_ERROR(compare_with_older());
    const std::map<Version, std::string> rest = damaged_;
    for (const auto& [version, text] : rest) {
      judge(version, text);
    }
    const auto state = load(std::nullopt, unusable());
    if (state.ok()) {
      check_.state = *state;
      examine_hint();
    }
    check_.unreadable = load_state(lake_.store, lake_.sql, key_, std::nullopt).status();
    check_.unreadable = check_.unreadable.ok() ? state.status() : check_.unreadable;
    return std::move(check_);
  }

 private:
  void add(Severity severity,
           std::string kind,
           std::string object,
           std::string text,
           bool mended = false) {
    check_.findings.push_back(
        {severity, std::move(kind), std::move(object), std::move(text), mended});
  }

  /// Whatever _last_checkpoint says.
  Result<std::shared_ptr<TableState>> load(std::optional<Version> version,
                                           std::set<Version> without = {}) {
    return load_state(
        lake_.store, lake_.sql, key_, version, {.without = std::move(without), .hinted = false});
  }

  /// Checkpoints that say nothing, or what is not so.
  [[nodiscard]] std::set<Version> unusable() const {
    std::set<Version> versions;
    for (const auto* some : {&damaged_, &wrong_}) {
      for (const auto& [version, text] : *some) {
        versions.insert(version);
      }
    }
    return versions;
  }

  /// What is wrong with each checkpoint, also by the log where that is there from its beginning on.
  Status read_all() {
    LogAlone log(lake_, key_, checkpoints_);
    for (const auto& [version, parts] : checkpoints_) {
      auto told = load_state(lake_.store, lake_.sql, key_, version);
      if (is_damage(told.status())) {
        auto unhinted = load(version);
        if (unhinted.ok()) {
          lie_ = {version, told.status().message()};
          told = std::move(unhinted);
        } else {
          damaged_[version] = unhinted.status().message();
        }
      }
      ASSAY_ASSIGN_OR_RETURN(const TableState* logged, log.at(version));
      if (logged != nullptr) {
        logged_to_ = version;
        const std::string difference = told.ok() ? difference_of(*logged, **told) : "";
        if (!difference.empty()) {
          wrong_[version] = difference + doctor_writes_anew(parts.front());
        }
      }
    }
    if (damaged_.empty()) {
      return {};
    }
    // The clean-up of the log may have come in between.
    ASSAY_ASSIGN_OR_RETURN(checkpoints_, list_checkpoints(lake_.store, key_));
    std::erase_if(damaged_, [&](const auto& one) { return checkpoints_.count(one.first) == 0; });
    std::erase_if(wrong_, [&](const auto& one) { return checkpoints_.count(one.first) == 0; });
    return {};
  }

  /// The log from its beginning on says more than any checkpoint.
  Status judge_by_log() {
    LogAlone log(lake_, key_, checkpoints_);
    for (const Version version : unusable()) {
      if (version > logged_to_) {
        break;
      }
      ASSAY_ASSIGN_OR_RETURN(const TableState* logged, log.at(version));
      if (logged == nullptr) {
        logged_to_ = version - 1;  // cleaned up since
        break;
      }
      const bool is_damaged = damaged_.count(version) != 0;
      mend_from(*logged,
                is_damaged ? "corrupt_checkpoint" : "contradicting_checkpoint",
                is_damaged ? damaged_[version] : wrong_[version]);
    }
    return {};
  }

  /// The newest usable checkpoint before a version.
  [[nodiscard]] std::optional<Version> usable_before(Version version) const {
    const std::set<Version> passed_over = unusable();
    for (auto next = checkpoints_.lower_bound(version); next != checkpoints_.begin();) {
      --next;
      if (passed_over.count(next->first) == 0) {
        return next->first;
      }
    }
    return std::nullopt;
  }

  /// Without the log's beginning, two checkpoints that contradict have no judge.
  Status compare_with_older() {
    for (const auto& [version, parts] : checkpoints_) {
      const std::optional<Version> older = usable_before(version);
      if (version <= logged_to_ || damaged_.count(version) != 0 || !older) {
        continue;
      }
      std::set<Version> without = unusable();
      without.insert(version);
      const auto logged = load(version, std::move(without));
      const auto told = load(version);
      const std::string difference =
          logged.ok() && told.ok() ? difference_of(**logged, **told) : "";
      if (!difference.empty()) {
        doubtful_.insert({version, *older});
        add(Severity::kError,
            "contradicting_checkpoint",
            parts.front(),
            difference + ", beginning with " + checkpoints_.at(*older).front() +
                "; the log's first versions, which would say which of the two is wrong, are not "
                "there: bring either back from a backup; nothing is mended");
      }
    }
    return {};
  }

  /// A whole checkpoint of a later version, or nothing.
  [[nodiscard]] std::optional<Version> whole_after(Version version) const {
    for (auto next = checkpoints_.upper_bound(version); next != checkpoints_.end(); ++next) {
      if (damaged_.count(next->first) == 0) {
        return next->first;
      }
    }
    return std::nullopt;
  }

  /// Write the checkpoint of the state's version anew, and say so.
  void mend_from(const TableState& state, std::string kind, const std::string& text) {
    const Version version = state.snapshot.version;
    const std::string object = checkpoints_.at(version).front();
    const Status writable = validate_writable(state);
    const Status mended = !writable.ok() ? writable
                          : mend_        ? write_anew(version, state)
                                         : Status(Code::kCancelled, "");
    add(Severity::kError, std::move(kind), object, text + why_not(mended), mended.ok());
    if (mended.ok()) {
      damaged_.erase(version);
      wrong_.erase(version);
    }
    if (lie_ && lie_->first == version) {
      lie_.reset();  // it was the checkpoint that was wrong
    }
  }

  /// Another engine may have left a second copy, in parts or with a UUID. Readers take one.
  Result<std::shared_ptr<TableState>> load_from_copy(Version version) {
    std::set<Version> without = unusable();
    without.erase(version);
    const std::vector<std::string>& parts = checkpoints_.at(version);
    return load_state(lake_.store,
                      lake_.sql,
                      key_,
                      version,
                      {.without = std::move(without),
                       .without_parts = {parts.begin(), parts.end()},
                       .hinted = false});
  }

  /// Say of a damaged checkpoint that the log alone does not give what became of it, or what to do.
  void judge(Version version, const std::string& text) {
    if (version <= logged_to_) {
      return;
    }
    const std::string object = checkpoints_.at(version).front();
    const auto logged = load(version, unusable());
    if (logged.ok()) {
      const std::optional<Version> older = usable_before(version);
      if (older && doubtful_.count(*older) != 0) {
        const std::string doubtful = checkpoints_.at(*older).front();
        add(Severity::kError,
            "corrupt_checkpoint",
            object,
            text + "; not mended: " + doubtful + ", which it would be written from, is in doubt");
        return;
      }
      mend_from(**logged, "corrupt_checkpoint", text);
      return;
    }
    const auto copied = load_from_copy(version);
    if (copied.ok()) {
      mend_from(**copied, "corrupt_checkpoint", text);
      return;
    }
    const std::string lost = text + ", which has not all of it (" + logged.status().message() + ")";
    const std::optional<Version> next = whole_after(version);
    if (!next) {
      add(Severity::kError,
          "corrupt_checkpoint",
          object,
          lost + ": versions from " + std::to_string(version) +
              " on are lost without it, bring it back from a backup");
      return;
    }
    const Status removed = mend_ ? remove(version) : Status(Code::kCancelled, "");
    add(Severity::kError,
        "corrupt_checkpoint",
        object,
        lost + ": versions " + std::to_string(version) + " to " + std::to_string(*next - 1) +
            " are lost without it, bring it back from a backup, or `--mend` removes it" +
            why_not(removed),
        removed.ok());
  }

  static std::string why_not(const Status& mended) {
    return mended.ok() || mended.code() == Code::kCancelled ? ""
                                                            : "; not mended: " + mended.message();
  }

  /// A hint may name what is written anew, with another size: it goes first, and comes back last.
  Status write_anew(Version version, const TableState& state) {
    ASSAY_RETURN_IF_ERROR(remove_hint_of(version));
    for (const std::string& part : checkpoints_.at(version)) {
      if (part != checkpoint_name(key_, version)) {
        ASSAY_RETURN_IF_ERROR(lake_.store.remove(part));
      }
    }
    ASSAY_ASSIGN_OR_RETURN(const auto now, list_checkpoints(lake_.store, key_));
    const bool newest = now.empty() || now.rbegin()->first <= version;
    return write_checkpoint(lake_.world,
                            lake_.store,
                            lake_.sql,
                            key_,
                            state,
                            newest ? Hinting::kHint : Hinting::kNoHint);
  }

  Status remove(Version version) {
    ASSAY_ASSIGN_OR_RETURN(const auto state, load(std::nullopt, unusable()));
    ASSAY_RETURN_IF_ERROR(validate_writable(*state));
    ASSAY_RETURN_IF_ERROR(remove_hint_of(version));
    for (const std::string& part : checkpoints_.at(version)) {
      ASSAY_RETURN_IF_ERROR(lake_.store.remove(part));
    }
    checkpoints_.erase(version);
    damaged_.erase(version);
    return {};
  }

  Status remove_hint_of(Version version) {
    return last_checkpoint_version(lake_.store, key_) == version ? lake_.store.remove(hint_name())
                                                                 : Status();
  }

  [[nodiscard]] std::string hint_name() const { return log_prefix(key_) + "_last_checkpoint"; }

  /// What is wrong with _last_checkpoint; none at all is no damage: readers list.
  std::string fault_of_hint() {
    if (lie_) {
      return lie_->second;
    }
    const Version version = last_checkpoint_version(lake_.store, key_);
    if (version < 0) {
      return lake_.store.get(hint_name()).ok() ? "it names no version" : "";
    }
    return checkpoints_.count(version) != 0
               ? ""
               : "it names version " + std::to_string(version) + ", which has no checkpoint";
  }

  /// _last_checkpoint names a checkpoint that is there, and says of it what is so.
  void examine_hint() {
    const std::string fault = fault_of_hint();
    if (fault.empty()) {
      return;
    }
    const Status writable = validate_writable(*check_.state);
    Status mended = writable.ok() ? Status(Code::kCancelled, "") : writable;
    if (mend_ && writable.ok() && doubtful_.empty() && load(std::nullopt).ok()) {
      mended = lake_.store.remove(hint_name());
      if (mended.ok()) {
        mended = write_checkpoint(lake_.world, lake_.store, lake_.sql, key_, *check_.state);
      }
    }
    add(lie_ ? Severity::kError : Severity::kWarning,
        "last_checkpoint",
        hint_name(),
        fault + why_not(mended),
        mended.ok());
  }

  const LakeAccess& lake_;
  const std::string& key_;
  bool mend_;
  std::map<Version, std::vector<std::string>> checkpoints_;
  Version logged_to_ = -1;                  // the newest checkpoint that the log alone gives
  std::map<Version, std::string> damaged_;  // and what their readers are told
  std::map<Version, std::string> wrong_;    // by the log alone, and why
  std::set<Version> doubtful_;              // contradict each other
  std::optional<std::pair<Version, std::string>> lie_;  // what _last_checkpoint says of a whole one
  CheckpointCheck check_;
};

}  // namespace

Result<CheckpointCheck> check_checkpoints(const LakeAccess& lake,
                                          const std::string& key,
                                          bool mend) {
  return Check(lake, key, mend).run();
}

}  // namespace assay::lake
