#include "lake/checkpoint_check.h"

#include <map>
#include <set>

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
    ASSAY_RETURN_IF_ERROR(find_damaged());
    const std::map<Version, std::string> found = damaged_;
    for (const auto& [version, text] : found) {
      judge(version, text);
    }
    const auto state = load_state(lake_.store, lake_.sql, key_, std::nullopt, damaged_versions());
    check_.unreadable = load_state(lake_.store, lake_.sql, key_, std::nullopt).status();
    if (!state.ok()) {
      check_.unreadable = check_.unreadable.ok() ? state.status() : check_.unreadable;
      return std::move(check_);
    }
    check_.state = *state;
    examine_hint();
    ASSAY_RETURN_IF_ERROR(compare_newest_with_log());
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

  [[nodiscard]] std::set<Version> damaged_versions() const {
    std::set<Version> versions;
    for (const auto& [version, text] : damaged_) {
      versions.insert(version);
    }
    return versions;
  }

  Status find_damaged() {
    for (const auto& [version, parts] : checkpoints_) {
      const Status read = load_state(lake_.store, lake_.sql, key_, version).status();
      if (is_damage(read)) {
        damaged_[version] = read.message();
      }
    }
    if (damaged_.empty()) {
      return {};
    }
    // The clean-up of the log may have come in between.
    ASSAY_ASSIGN_OR_RETURN(checkpoints_, list_checkpoints(lake_.store, key_));
    for (const Version version : damaged_versions()) {
      if (checkpoints_.count(version) == 0) {
        damaged_.erase(version);
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

  /// Say of a damaged checkpoint what became of it, or what to do.
  void judge(Version version, const std::string& text) {
    const std::string object = checkpoints_.at(version).front();
    const auto logged = load_state(lake_.store, lake_.sql, key_, version, damaged_versions());
    if (logged.ok()) {
      const Status writable = validate_writable(**logged);
      const Status mended = !mend_          ? Status(Code::kCancelled, "")
                            : writable.ok() ? write_anew(version, **logged)
                                            : writable;
      if (mended.ok()) {
        damaged_.erase(version);
      }
      add(Severity::kError,
          "corrupt_checkpoint",
          object,
          text + why_not(writable.ok() ? mended : writable),
          mended.ok());
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
    return write_checkpoint(lake_.world, lake_.store, lake_.sql, key_, state);
  }

  Status remove(Version version) {
    ASSAY_ASSIGN_OR_RETURN(
        const auto state,
        load_state(lake_.store, lake_.sql, key_, std::nullopt, damaged_versions()));
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

  /// _last_checkpoint names a checkpoint that is there. None at all is no damage: readers list.
  void examine_hint() {
    const Version version = last_checkpoint_version(lake_.store, key_);
    const bool names_none = version < 0 && lake_.store.get(hint_name()).ok();
    if (!names_none && (version < 0 || checkpoints_.count(version) != 0)) {
      return;
    }
    const Status writable = validate_writable(*check_.state);
    Status mended = writable.ok() ? Status(Code::kCancelled, "") : writable;
    if (mend_ && writable.ok() && check_.unreadable.ok()) {
      mended = lake_.store.remove(hint_name());
      if (mended.ok()) {
        mended = write_checkpoint(lake_.world, lake_.store, lake_.sql, key_, *check_.state);
      }
    }
    add(Severity::kWarning,
        "last_checkpoint",
        hint_name(),
        (names_none ? "it names no version"
                    : "it names version " + std::to_string(version) + ", which has no checkpoint") +
            why_not(mended),
        mended.ok());
  }

  /// The newest checkpoint and the log that it stands for say the same, where the log is there.
  Status compare_newest_with_log() {
    if (checkpoints_.empty() || damaged_.count(checkpoints_.rbegin()->first) != 0) {
      return {};
    }
    const Version version = checkpoints_.rbegin()->first;
    std::set<Version> without = damaged_versions();
    without.insert(version);
    const auto logged = load_state(lake_.store, lake_.sql, key_, version, without);
    if (!logged.ok()) {
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(const auto told, load_state(lake_.store, lake_.sql, key_, version));
    const std::string difference = difference_of(**logged, *told);
    if (difference.empty()) {
      return {};
    }
    const Status writable = validate_writable(**logged);
    Status mended = writable.ok() ? Status(Code::kCancelled, "") : writable;
    if (mend_ && writable.ok()) {
      mended = write_anew(version, **logged);
      ASSAY_ASSIGN_OR_RETURN(check_.state, load_state(lake_.store, lake_.sql, key_, std::nullopt));
    }
    add(Severity::kError,
        "contradicting_checkpoint",
        checkpoints_.at(version).front(),
        difference + doctor_writes_anew(checkpoints_.at(version).front()) + why_not(mended),
        mended.ok());
    return {};
  }

  const LakeAccess& lake_;
  const std::string& key_;
  bool mend_;
  std::map<Version, std::vector<std::string>> checkpoints_;
  std::map<Version, std::string> damaged_;  // and what their readers are told
  CheckpointCheck check_;
};

}  // namespace

Result<CheckpointCheck> check_checkpoints(const LakeAccess& lake,
                                          const std::string& key,
                                          bool mend) {
  return Check(lake, key, mend).run();
}

}  // namespace assay::lake
