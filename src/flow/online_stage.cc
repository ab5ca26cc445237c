#include "flow/online_stage.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/fail_point.h"
#include "flow/direct_line.h"
#include "flow/online_changes.h"
#include "flow/online_groups.h"
#include "flow/online_pieces.h"
#include "flow/part_position.h"
#include "flow/versions.h"
#include "gold/forwarding_view.h"
#include "online/row_codec.h"
#include "online/view_replacer.h"
#include "silver/contract.h"

namespace assay::flow {
Result<data::Batch> no_rows(Workspace& workspace, const gold::FeatureView& view) {
  const std::string& from = workspace.project().views.at(view.name()).from;
  ASSAY_ASSIGN_OR_RETURN(const data::SchemaPtr schema, workspace.source_schema(from));
  return data::Batch::empty(data::make_schema(visible_schema(*schema).fields()))
      .select(view.source_columns());
}

int64_t table_number(const std::string& table_key) {
  const std::size_t suffix = table_key.rfind("_v");
  int64_t number = 1;
  if (suffix != std::string::npos) {
    const char* end = table_key.data() + table_key.size();
    int64_t parsed = 0;
    const auto [rest, error] = std::from_chars(table_key.data() + suffix + 2, end, parsed);
    number = error == std::errc() && rest == end ? parsed : 1;
  }
  return number;
}

namespace {

int64_t rows_of(const lake::Snapshot& snapshot) {
  int64_t rows = 0;
  for (const auto& [path, file] : snapshot.files) {
    rows += std::max<int64_t>(file.rows, 0);
  }
  return rows;
}

/// One view's online rows on their way to the source's newest version.
class OnlineFill {
 public:
  OnlineFill(Workspace& workspace,
             const RunOptions& options,
             gold::FeatureViewPtr view,
             std::string source_key,
             StageAccount* account)
      : workspace_(workspace),
        options_(options),
        view_(std::move(view)),
        is_by_row_(takes_rows_one_by_one(workspace, *view_)),
        source_key_(std::move(source_key)),
        account_(*account),
        group_rows_max_(options.online_batch_rows) {
    if (is_by_row_) {
      options_.online_batch_rows =
          std::min(options_.online_batch_rows, options_.online_latest_rows);
    }
  }

  Status run() {
    ASSAY_ASSIGN_OR_RETURN(source_, workspace_.table(source_key_));
    ASSAY_ASSIGN_OR_RETURN(store_, workspace_.online(false));
    ASSAY_ASSIGN_OR_RETURN(const auto newest, source_->snapshot());
    ASSAY_RETURN_IF_ERROR(find_position(*newest));
    const Status filled = fill(newest);
    if (filled.ok() || filled.code() == Code::kCancelled || !position_) {
      return filled;
    }
    const Result<bool> can_go_on =
        can_be_followed(workspace_, *source_, position_->version, *newest);
    if (!can_go_on.ok() || *can_go_on) {
      return filled;
    }
    // Versions behind the position were compacted and vacuumed, or their log cleaned, before the
    // view took them, as another engine does that does not know of it.
    position_.reset();
    cut_off_.reset();
    ASSAY_RETURN_IF_ERROR(drop_made_anew());
    return fill(newest);
  }

 private:
  Status fill(const std::shared_ptr<const lake::Snapshot>& newest) {
    if (position_ && position_->reads > 0) {
      return {};  // ahead of the lake
    }
    std::vector<VersionGroup> groups;
    if (!position_) {
      const int log2 = online_pieces_log2(*newest, options_);
      if (!is_by_row_ || log2 == 0 || pieces_are_in_all_files(workspace_, *view_)) {
        ASSAY_ASSIGN_OR_RETURN(
            groups, versions_from_the_beginning(*source_, *newest, options_.online_batch_rows));
      }
      if (groups.empty() || (is_by_row_ && has_large_one(groups))) {
        groups.clear();
        ASSAY_RETURN_IF_ERROR(take_pieces(*newest, log2, int64_t{1} << log2));
      }
    } else if (position_->pieces_left > 0) {
      ASSAY_ASSIGN_OR_RETURN(const auto begun, source_->snapshot(position_->version));
      ASSAY_RETURN_IF_ERROR(take_pieces(*begun, position_->pieces_log2, position_->pieces_left));
    }
    ASSAY_RETURN_IF_ERROR(finish_cut_off());
    if (groups.empty() && position_->version < newest->version) {
      ASSAY_ASSIGN_OR_RETURN(
          groups,
          versions_after(
              *source_, position_->version, newest->version, options_.online_batch_rows));
    }
    return take_groups(groups);
  }

  /// Where the store stands, after what it is ahead by has come to the lake. Rows that belong to
  /// nothing in the lake, and those of a table that is gone, are dropped and made again.
  Status find_position(const lake::Snapshot& newest) {
    const Result<std::optional<online::AppliedTo>> applied = store_->applied_to(*view_);
    if (applied.ok()) {
      ASSAY_ASSIGN_OR_RETURN(const std::optional<int64_t> ahead, store_->ahead_of(*view_));
      cut_off_ = ahead ? std::optional(OnlinePosition::decode(*ahead)) : std::nullopt;
    }
    if (applied.ok() && !applied->has_value() && !cut_off_) {
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(const bool goes_on,
                           cut_off_ ? can_be_finished(*applied, newest) : Result<bool>(true));
    if (!goes_on) {
      cut_off_.reset();
    } else if (applied.ok()) {
      const OnlinePosition at = OnlinePosition::decode((*applied)->position);
      if (at.table_number == table_number(source_key_) && at.version <= newest.version) {
        ASSAY_RETURN_IF_ERROR(at.reads > 0 ? find_ahead(at) : find_whole(at, newest));
      }
      if (position_) {
        return {};
      }
      return drop_made_anew();
    } else if (applied.code() != Code::kFailedPrecondition) {
      return applied.status();
    }
    return store_->drop(view_->storage_name());
  }

  Status drop_made_anew() {
    workspace_.world().log.info("online_rows_made_anew", {{"view", view_->name()}});
    return store_->drop(view_->storage_name());
  }

  /// To the very version that parts of the store stand at: they pass it over.
  Status finish_cut_off() {
    if (!cut_off_ || !position_ || position_->version >= cut_off_->version) {
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(
        const std::vector<VersionGroup> all,
        versions_after(
            *source_, position_->version, cut_off_->version, std::numeric_limits<int64_t>::max()));
    ASSAY_CHECK(all.size() == 1);
    return take_groups(all);
  }

  /// Whether what an apply was cut off in can be applied again as it was, so that all parts of the
  /// store stand where some do.
  Result<bool> can_be_finished(const std::optional<online::AppliedTo>& applied,
                               const lake::Snapshot& newest) {
    if (!applied) {
      return false;
    }
    const OnlinePosition at = OnlinePosition::decode(applied->position);
    if (at.pieces_left > 0) {
      OnlinePosition next = at;
      --next.pieces_left;
      return next.encode() == cut_off_->encode();
    }
    if (at.reads > 0 || cut_off_->reads > 0 || cut_off_->pieces_left > 0 ||
        at.table_number != cut_off_->table_number || at.version >= cut_off_->version ||
        cut_off_->version > newest.version) {
      return false;
    }
    ASSAY_ASSIGN_OR_RETURN(const auto then, version_if_any(*source_, cut_off_->version));
    return then != nullptr;
  }

  /// Of a view that is ahead: it stands at the version that has its epochs, if that is what the
  /// view has, all of it and nothing else. Until the lake has them, only this process's own journal
  /// says that it will.
  Status find_ahead(const OnlinePosition& at) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<OnlinePosition> now,
                           caught_up(workspace_, *source_, at));
    if (now && now->reads == 0) {
      position_ = at;
      return move_to(now->version);
    }
    if (now && options_.is_live) {
      position_ = at;
    }
    return {};
  }

  /// Pieces go on where the version that they were cut from can still be read.
  Status find_whole(const OnlinePosition& at, const lake::Snapshot& newest) {
    if (at.pieces_left > 0) {
      ASSAY_ASSIGN_OR_RETURN(const auto begun, version_if_any(*source_, at.version));
      if (begun == nullptr) {
        return {};
      }
      ASSAY_ASSIGN_OR_RETURN(const bool is_whole,
                             has_all_files(workspace_, *source_, *begun, newest));
      if (!is_whole) {
        return {};
      }
    }
    position_ = at;
    return {};
  }

  /// The lake has what the view was ahead by: it stands at that version, with its watermark.
  Status move_to(lake::Version version) {
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, source_->snapshot(version));
    ASSAY_ASSIGN_OR_RETURN(const EventTime frontier, frontier_of(*snapshot));
    OnlineChanges nothing;
    ASSAY_ASSIGN_OR_RETURN(nothing.rows, no_rows(workspace_, *view_));
    return apply(nothing, {table_number(source_key_), version}, frontier);
  }

  Status take_pieces(const lake::Snapshot& snapshot, int log2, int64_t left) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<OnlinePiece> pieces,
                           online_pieces(workspace_, *view_, *source_, snapshot, log2));
    ASSAY_ASSIGN_OR_RETURN(const EventTime frontier, frontier_of(snapshot));
    const auto piece_at = [&](int64_t behind) -> const OnlinePiece& {
      return pieces[pieces.size() - static_cast<std::size_t>(behind)];
    };
    const auto read = [&](int64_t behind) {
      return read_online_piece(workspace_, *view_, *source_, snapshot, piece_at(behind));
    };
    const bool reads_ahead = may_read_ahead(rows_of(snapshot) >> log2);
    std::optional<ReadAhead> ahead;
    for (; left > 0; --left) {
      ASSAY_ASSIGN_OR_RETURN(const OnlineChanges changes, ahead ? ahead->take() : read(left));
      ahead.reset();
      if (reads_ahead && left > 1) {
        ahead.emplace([&read, next = left - 1] { return read(next); });
      }
      ASSAY_RETURN_IF_ERROR(apply(changes,
                                  {table_number(source_key_), snapshot.version, 0, log2, left - 1},
                                  std::min(frontier, piece_at(left).later_from)));
    }
    return {};
  }

  /// The source as it stood after a group, and the watermark then: rows of later groups become
  /// visible from it on.
  struct GroupBounds {
    std::shared_ptr<const lake::Snapshot> snapshot;
    EventTime frontier;
  };

  Result<GroupBounds> bounds_of(const VersionGroup& group) {
    GroupBounds bounds;
    ASSAY_ASSIGN_OR_RETURN(bounds.snapshot, source_->snapshot(group.last));
    ASSAY_ASSIGN_OR_RETURN(bounds.frontier, frontier_of(*bounds.snapshot));
    return bounds;
  }

  Status take_groups(const std::vector<VersionGroup>& groups) {
    std::optional<ReadAhead> ahead;
    std::optional<GroupBounds> next;  // of the group that is read ahead
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const VersionGroup& group = groups[i];
      ASSAY_ASSIGN_OR_RETURN(const GroupBounds bounds,
                             ahead ? Result(*std::move(next)) : bounds_of(group));
      ASSAY_ASSIGN_OR_RETURN(
          const OnlineChanges changes,
          ahead ? ahead->take()
                : read_group(workspace_, *source_, *bounds.snapshot, group, *view_));
      ahead.reset();
      if (i + 1 < groups.size() && may_read_ahead(rows_of(groups[i + 1]))) {
        ASSAY_ASSIGN_OR_RETURN(next, bounds_of(groups[i + 1]));
        ahead.emplace([this, then = next->snapshot, &group = groups[i + 1]] {
          return read_group(workspace_, *source_, *then, group, *view_);
        });
      }
      ASSAY_RETURN_IF_ERROR(
          apply(changes, {table_number(source_key_), group.last}, bounds.frontier));
    }
    return {};
  }

  /// Whether a version is too large to be held at once.
  [[nodiscard]] bool has_large_one(const std::vector<VersionGroup>& groups) const {
    return std::any_of(groups.begin(), groups.end(), [this](const VersionGroup& group) {
      return rows_of(group) > group_rows_max_;
    });
  }

  /// Two groups of rows are held then: only where they are small, and worth a thread.
  [[nodiscard]] bool may_read_ahead(int64_t rows) const {
    return is_by_row_ && rows >= options_.online_ahead_rows;
  }

  Result<EventTime> frontier_of(const lake::Snapshot& snapshot) {
    return workspace_.frontier(workspace_.project().views.at(view_->name()).from, snapshot);
  }

  /// Rows and position in one transaction.
  Status apply(const OnlineChanges& changes, OnlinePosition next, EventTime applied_until) {
    fail_point("flow.online.before_apply");
    ASSAY_RETURN_IF_ERROR(
        store_->apply(*view_,
                      changes.rows,
                      position_ ? std::optional(position_->encode()) : std::nullopt,
                      next.encode(),
                      applied_until,
                      changes.anew));
    position_ = next;
    if (options_.is_live || options_.tells_freshness) {
      note_freshness(workspace_.world(), view_->name(), changes.rows);
    }
    account_.rows += changes.account;
    account_.commits += 1;
    ASSAY_RETURN_IF_ERROR(check_account(account_));
    if (options_.stopping()) {
      return {
          Code::kCancelled,
          "stopped at version " + std::to_string(next.version) + " of " + source_key_ +
              (next.pieces_left > 0 ? ", " + std::to_string(next.pieces_left) + " pieces of it left"
                                    : "") +
              (view_->storage_name().front() == online::kBeside
                   ? ""
                   : "; `assay run` goes on from there")};
    }
    return {};
  }

  Workspace& workspace_;
  RunOptions options_;
  const gold::FeatureViewPtr view_;
  const bool is_by_row_;
  const std::string source_key_;
  StageAccount& account_;
  const int64_t group_rows_max_;
  lake::DeltaTable* source_ = nullptr;
  online::OnlineStore* store_ = nullptr;
  std::optional<OnlinePosition> position_;
  std::optional<OnlinePosition> cut_off_;  // where parts of the store stand already
};

}  // namespace

OnlinePosition OnlinePosition::decode(int64_t position) {
  if (position >= 0) {
    return {(position >> 52) + 1, (position >> 24) & 0xfff'ffff, position & kReadsMax};
  }
  const int64_t parts = -position;
  return {(parts >> 47) + 1,
          (parts >> 15) & 0xffff'ffff,
          0,
          static_cast<int>((parts >> 11) & 0xf),
          parts & 0x7ff};
}

int64_t OnlinePosition::encode() const {
  ASSAY_CHECK(reads == 0 || pieces_left == 0);
  if (pieces_left == 0) {
    return ((table_number - 1) << 52) | (version << 24) | reads;
  }
  return -(((table_number - 1) << 47) | (version << 15) | (int64_t{pieces_log2} << 11) |
           pieces_left);
}

OnlinePosition OnlinePosition::after(int64_t transactions) const {
  OnlinePosition later = *this;
  later.pieces_left = std::max<int64_t>(pieces_left - transactions, 0);
  later.version += std::max<int64_t>(transactions - pieces_left, 0);
  return later;
}

Result<std::optional<int64_t>> reads_of(Workspace& workspace,
                                        lake::DeltaTable& source,
                                        lake::Version version) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, version_if_any(source, version));
  if (snapshot == nullptr) {
    return std::optional<int64_t>();
  }
  const std::string id = reads_app_id(workspace.app_id(source.key()));
  return std::optional(snapshot->txn(id).value_or(0));
}

Result<bool> has_reads_of(Workspace& workspace, lake::DeltaTable& source, int64_t position) {
  const OnlinePosition at = OnlinePosition::decode(position);
  ASSAY_ASSIGN_OR_RETURN(const auto newest, source.snapshot());
  if (at.table_number != table_number(source.key()) || at.pieces_left != 0 ||
      at.version > newest->version) {
    return false;
  }
  ASSAY_ASSIGN_OR_RETURN(const auto then, reads_of(workspace, source, at.version));
  ASSAY_ASSIGN_OR_RETURN(const auto now, reads_of(workspace, source, newest->version));
  return then.has_value() && *then + at.reads >= now.value_or(0);
}

Result<std::optional<lake::Version>> version_with_reads(Workspace& workspace,
                                                        lake::DeltaTable& source,
                                                        lake::Version after,
                                                        int64_t reads) {
  ASSAY_ASSIGN_OR_RETURN(const auto newest, source.snapshot());
  const std::string id = reads_app_id(workspace.app_id(source.key()));
  if (newest->txn(id).value_or(0) <= reads) {
    return std::optional<lake::Version>();
  }
  for (lake::Version version = after + 1; version <= newest->version; ++version) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<int64_t> held, reads_of(workspace, source, version));
    if (held.value_or(0) > reads) {
      return std::optional(version);
    }
  }
  return std::optional(newest->version);
}

namespace {

/// Whether rows of a table changed in the versions (after, last], but those that `last` itself
/// added when `is_epoch`. Nothing is known where the log is cleaned away: then they may have.
Result<bool> has_other_rows(lake::DeltaTable& source,
                            lake::Version after,
                            lake::Version last,
                            bool is_epoch) {
  GoldTask task;
  task.source = &source;
  task.source_version = last;
  const Result<SourceChanges> changes = source_changes(task, after);
  if (changes.code() == Code::kOutOfRange) {
    return true;
  }
  ASSAY_RETURN_IF_ERROR(changes.status());
  return std::any_of(
      changes->files.begin(), changes->files.end(), [&](const lake::FileChange& one) {
        return !is_epoch || !one.is_added || one.version != last;
      });
}

}  // namespace

Result<std::optional<OnlinePosition>> caught_up(Workspace& workspace,
                                                lake::DeltaTable& source,
                                                const OnlinePosition& position) {
  const std::optional<OnlinePosition> lost;
  ASSAY_ASSIGN_OR_RETURN(const auto newest, source.snapshot());
  if (position.version > newest->version) {
    return lost;
  }
  OnlinePosition at = position;
  while (at.reads > 0) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<int64_t> begin,
                           reads_of(workspace, source, at.version));
    if (!begin) {
      return lost;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::optional<lake::Version> next,
                           version_with_reads(workspace, source, at.version, *begin));
    const lake::Version last = next.value_or(newest->version);
    ASSAY_ASSIGN_OR_RETURN(const bool has_others,
                           has_other_rows(source, at.version, last, next.has_value()));
    if (has_others) {
      return lost;
    }
    if (!next) {
      return std::optional(at);
    }
    ASSAY_ASSIGN_OR_RETURN(const std::optional<int64_t> end, reads_of(workspace, source, *next));
    if (!end || *end - *begin > at.reads) {
      return lost;
    }
    at = {at.table_number, *next, at.reads - (*end - *begin)};
  }
  if (at.version < newest->version) {
    ASSAY_ASSIGN_OR_RETURN(const bool has_others,
                           has_other_rows(source, at.version, newest->version, false));
    at.version = has_others ? at.version : newest->version;
  }
  return std::optional(at);
}

void note_freshness(World& world, const std::string& view, const data::Batch& rows) {
  Histogram& histogram = world.metrics.histogram("assay_flow_event_readable_after_seconds",
                                                 "Time from an event until it was readable online",
                                                 {{"view", view}});
  const int64_t now = world.clock.now().micros;
  for (const int64_t time : rows.find(silver::kEventTime)->values<int64_t>()) {
    histogram.observe(static_cast<double>(std::max<int64_t>(0, now - time)) / 1e6);
  }
}

namespace {

/// A view whose rows are filled beside those that are served.
class ViewBeside final : public gold::ForwardingView {
 public:
  explicit ViewBeside(gold::FeatureViewPtr view)
      : ForwardingView(*view),
        view_(std::move(view)),
        storage_name_(online::kBeside + view_->storage_name()) {}
  [[nodiscard]] const std::string& storage_name() const override { return storage_name_; }

 private:
  const gold::FeatureViewPtr view_;
  const std::string storage_name_;
};

/// Fill what the store has under a view's storage name.
Result<StageAccount> fill_view(Workspace& workspace,
                               const gold::FeatureViewPtr& view,
                               const RunOptions& options) {
  const Duration started = workspace.world().clock.monotonic();
  StageAccount account;
  account.stage = "online";
  account.name = view->name();
  ASSAY_ASSIGN_OR_RETURN(
      std::string source_key,
      workspace.source_table_key(workspace.project().views.at(view->name()).from));
  ASSAY_RETURN_IF_ERROR(
      OnlineFill(workspace, options, view, std::move(source_key), &account).run());
  account.seconds =
      static_cast<double>(workspace.world().clock.monotonic().micros - started.micros) / 1e6;
  return account;
}

Result<StageAccount> fill_and_replace(Workspace& workspace,
                                      const gold::FeatureViewPtr& view,
                                      const gold::FeatureViewPtr& beside,
                                      const RunOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace.online(false));
  ASSAY_ASSIGN_OR_RETURN(StageAccount account, fill_view(workspace, beside, options));
  fail_point("flow.online.before_replace");
  ASSAY_RETURN_IF_ERROR(online::replace_view(*store, *view, beside->storage_name()));
  fail_point("flow.online.after_replace");
  return account;
}

std::string advice(Code code) {
  return code == Code::kCancelled ? "; the rows that are served stay, and `--anew` begins again"
         : code == Code::kResourceExhausted ? "; it needs room for the view a second time (LMDB a "
                                              "third) meanwhile: give the store "
                                              "that, or stop the servers, remove it and `assay run`"
                                            : "";
}

}  // namespace

Result<StageAccount> make_online_rows_anew(Workspace& workspace,
                                           const std::string& view_name,
                                           const RunOptions& options) {
  ASSAY_RETURN_IF_ERROR(
      require_lake(workspace, "making online rows anew")
          .with_context("remove the online store, and `assay run` reads the topics again"));
  ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(view_name));
  const auto beside = std::make_shared<ViewBeside>(view);
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace.online(false));
  ASSAY_RETURN_IF_ERROR(store->drop(beside->storage_name()));
  Result<StageAccount> made = fill_and_replace(workspace, view, beside, options);
  if (made.ok()) {
    return made;
  }
  const Status left = store->drop(beside->storage_name())
                          .with_context("; what was filled takes room until `--anew` or a run");
  return Status(made.code(), made.status().message() + advice(made.code()) + left.message());
}

Result<StageAccount> run_online_stage(Workspace& workspace,
                                      const std::string& view_name,
                                      const RunOptions& options) {
  if (options.ahead.contains(view_name)) {
    StageAccount account;
    account.stage = "online";
    account.name = view_name;
    return account;
  }
  ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(view_name));
  return fill_view(workspace, view, options);
}

}  // namespace assay::flow
