#pragma once

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include "base/arm_fail_point.h"
#include "lake/compaction.h"
#include "lake/doctor.h"
#include "lake/lake_under_test.h"
#include "lake/rewrite.h"
#include "lake/vacuum.h"
#include "store/s3_store.h"

namespace assay::lake {

/// For tests: work on one table in processes that end at any system call.
///
/// The table holds what a map says after `position` steps of a fixed story of appends, merges and
/// deletes; between them it is compacted, checkpointed, cleaned and vacuumed. A process that dies
/// leaves the table between two steps, never within one. Processes are forks, so this process must
/// not have opened an SQL engine.
class CrashUnderTest {
 public:
  static constexpr const char* kSource = "story";

  /// What the table must hold after `position` steps.
  static std::map<int64_t, std::string> naive_rows(int64_t position) {
    std::map<int64_t, std::string> rows;
    for (int64_t p = 1; p <= position; ++p) {
      switch (p % 4) {
        case 2:
          rows[10 * (p - 1)] = "merged";
          rows[10 * p] = "new";
          rows.erase(10 * (p - 1) + 1);
          break;
        case 3:
          rows.erase(10 * (p - 1));
          break;
        default:
          rows[10 * p] = "first";
          rows[10 * p + 1] = "second";
      }
    }
    return rows;
  }

  /// One step of the story.
  static Status step(LakeUnderTest& lake, DeltaTable& table) { return step_in(lake, table); }

  template <typename Lake>
  static Status step_in(Lake& lake, DeltaTable& table) {
    const LakeAccess access{lake.world(), lake.store(), lake.sql()};
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
    const std::optional<int64_t> held = snapshot->txn(kSource);
    const int64_t p = held.value_or(0) + 1;
    const std::vector<TxnUpdate> txns = {{kSource, p, held}};
    const auto row = [](int64_t id, const char* name) {
      return "(" + std::to_string(id) + ", '" + name + "', " + std::to_string(id / 10 % 2) + ")";
    };
    if (p % 4 == 2) {
      MergeRequest merge;
      merge.keys = {"id"};
      merge.txns = txns;
      merge.upserts =
          lake.rows_for(table, "VALUES " + row(10 * (p - 1), "merged") + ", " + row(10 * p, "new"));
      merge.deletes = lake.rows("SELECT " + std::to_string(10 * (p - 1) + 1) + "::BIGINT AS id");
      return merge_by_key(access, table, merge).status();
    }
    if (p % 4 == 3) {
      return delete_where(access, table, "id = " + std::to_string(10 * (p - 1)), txns).status();
    }
    CommitRequest request;
    request.txns = txns;
    ASSAY_ASSIGN_OR_RETURN(
        request.adds,
        table.write_files(lake.rows_for(
            table, "VALUES " + row(10 * p, "first") + ", " + row(10 * p + 1, "second"))));
    return table.commit(request).status();
  }

  /// Everything that upkeep does, with nothing retained.
  static Status upkeep(LakeUnderTest& lake, DeltaTable& table) { return upkeep_in(lake, table); }

  template <typename Lake>
  static Status upkeep_in(Lake& lake, DeltaTable& table) {
    const LakeAccess access{lake.world(), lake.store(), lake.sql()};
    ASSAY_RETURN_IF_ERROR(compact(access, table).status());
    ASSAY_RETURN_IF_ERROR(table.checkpoint());
    ASSAY_RETURN_IF_ERROR(clean_log(access, table, {.keep = Duration{0}}).status());
    return vacuum(access, table, {.keep = Duration{0}}).status();
  }

  CrashUnderTest() : folder_(LakeUnderTest::make_folder()) {}
  /// On the S3 service of these options instead; processes die before and after any of its
  /// requests.
  explicit CrashUnderTest(store::S3Options s3) : CrashUnderTest() {
    s3_ = std::move(s3);
    s3_->spool_folder = folder_;
  }
  ~CrashUnderTest() { std::filesystem::remove_all(folder_); }
  CrashUnderTest(const CrashUnderTest&) = delete;
  CrashUnderTest& operator=(const CrashUnderTest&) = delete;

  [[nodiscard]] const std::string& folder() const { return folder_; }

  /// Work in a process of its own, which dies at the given pass of any system call on files, or
  /// of S3's requests (0: never). Work that fails ends its process with 1.
  enum class End { kCame, kKilled, kFailed };
  End in_process(int64_t dies_at, const std::function<Status(LakeUnderTest&)>& work) const {
    return in_process_that_dies(s3_ ? "store.request" : "files.step", dies_at, [&] {
      LakeUnderTest lake(folder_);
      if (s3_) {
        lake.use_store(store::open_s3_store(lake.world(), *s3_).value());
      }
      lake.clock().advance({1'000 * kMicrosPerDay});  // the files of a moment ago are old
      return work(lake);
    });
  }
  static End in_process_that_dies(const std::string& fail_point,
                                  int64_t pass,
                                  const std::function<Status()>& work) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      if (pass > 0) {
        arm_fail_point(fail_point + ":" + std::to_string(pass));
      }
      const Status done = work();
      if (!done.ok()) {
        std::fprintf(stderr, "%s\n", done.to_string().c_str());
      }
      std::fflush(nullptr);
      ::_exit(done.ok() ? 0 : 1);
    }
    int status = 0;
    if (::waitpid(child, &status, 0) != child) {
      return End::kFailed;
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
      return End::kKilled;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? End::kCame : End::kFailed;
  }

  static Result<std::unique_ptr<DeltaTable>> open(LakeUnderTest& lake) { return open_in(lake); }

  template <typename Lake>
  static Result<std::unique_ptr<DeltaTable>> open_in(Lake& lake) {
    return DeltaTable::open_or_create(lake.world(),
                                      lake.store(),
                                      lake.sql(),
                                      "t",
                                      {"t",
                                       data::make_schema({{"id", data::Type::kInt64},
                                                          {"name", data::Type::kString},
                                                          {"p", data::Type::kInt32}}),
                                       {"p"}});
  }

  /// The table holds exactly what its position says, and is in good health.
  static Status verify(LakeUnderTest& lake) { return verify_in(lake); }

  template <typename Lake>
  static Status verify_in(Lake& lake) {
    ASSAY_ASSIGN_OR_RETURN(const auto table, open_in(lake));
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
    const std::map<int64_t, std::string> expected = naive_rows(snapshot->txn(kSource).value_or(0));
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, table->relation(*snapshot));
    const data::Batch batch = lake.rows("SELECT id, name FROM " + relation);
    std::map<int64_t, std::string> rows;
    for (int64_t row = 0; row < batch.rows(); ++row) {
      rows[batch.column(0).values<int64_t>()[static_cast<std::size_t>(row)]] =
          std::string(batch.column(1).text(row));
    }
    if (rows != expected || static_cast<int64_t>(rows.size()) != batch.rows()) {
      return {Code::kCorrupt,
              "after " + std::to_string(snapshot->txn(kSource).value_or(0)) + " steps " +
                  std::to_string(batch.rows()) + " rows, not the expected " +
                  std::to_string(expected.size())};
    }
    ASSAY_ASSIGN_OR_RETURN(const std::vector<Finding> findings,
                           examine_table({lake.world(), lake.store(), lake.sql()}, "t", {}));
    for (const Finding& finding : findings) {
      if (finding.severity != Finding::Severity::kNote) {
        return {Code::kCorrupt, finding.kind + " " + finding.object + ": " + finding.text};
      }
    }
    return {};
  }

 private:
  std::string folder_;
  std::optional<store::S3Options> s3_;
};

}  // namespace assay::lake
