// What fills an online view anew, and what its rows leave behind in the store.

#include "flow/online_pieces.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "flow/bronze_stage.h"
#include "flow/kafka_project.h"
#include "flow/online_stage.h"
#include "flow/orders_project.h"
#include "flow/silver_stage.h"
#include "flow/status.h"
#include "flow/test_project.h"
#include "lake/compaction.h"
#include "lake/rewrite.h"
#include "lake/vacuum.h"
#include "online/lmdb_env.h"

namespace assay::flow {
namespace {

TEST(OnlinePosition, NamesTheTableItsVersionAndWhatIsLeft) {
  EXPECT_EQ(table_number("silver/clean"), 1);
  EXPECT_EQ(table_number("silver/clean_v12"), 12);
  EXPECT_EQ(table_number("silver/a_vx"), 1);
  EXPECT_EQ((OnlinePosition{1, 5}).encode(), 5 << 24);
  for (const OnlinePosition& position : {OnlinePosition{3, 77},
                                         OnlinePosition{1, 0, 0, 10, 1023},
                                         OnlinePosition{60'000, 1LL << 31, 0, 3, 1}}) {
    const OnlinePosition again = OnlinePosition::decode(position.encode());
    EXPECT_EQ(again.table_number, position.table_number);
    EXPECT_EQ(again.version, position.version);
    EXPECT_EQ(again.pieces_left, position.pieces_left);
    EXPECT_EQ(again.pieces_log2, position.pieces_left > 0 ? position.pieces_log2 : 0);
  }
  EXPECT_EQ((OnlinePosition{2, 9, 0, 2, 3}).after(2).pieces_left, 1);
  EXPECT_EQ((OnlinePosition{2, 9, 0, 2, 3}).after(4).version, 10);
  EXPECT_EQ((OnlinePosition{2, 9}).after(1).version, 10);
  // It grows piece by piece: a store's position never goes back.
  EXPECT_LT((OnlinePosition{2, 9, 0, 2, 3}).encode(), (OnlinePosition{2, 9, 0, 2, 2}).encode());
  EXPECT_LT((OnlinePosition{2, 9, 0, 2, 1}).encode(), (OnlinePosition{2, 9}).encode());
}

/// Rewrite the silver table in large files: its versions are no longer what came with each.
void compact_silver(TestProject& project) {
  const auto workspace = project.open();
  lake::DeltaTable* table = *workspace->table(*workspace->silver_table_key("clean"));
  const auto done =
      lake::compact({workspace->world(), workspace->store(), workspace->sql()}, *table, {});
  ASSERT_TRUE(done.ok()) << done.status().to_string();
  ASSERT_GT(done->files_removed, 0);
}

/// Run the online stage over a store that has nothing, stopped after every commit; how often.
int fill_with_stops(TestProject& project, int64_t piece_bytes) {
  const std::atomic<bool> stop{true};
  RunOptions options;
  options.online_piece_bytes = piece_bytes;
  options.stop = &stop;
  int stops = 0;
  Status status(Code::kCancelled, "");
  while (status.code() == Code::kCancelled && stops < 200) {
    const auto workspace = project.open();
    status = run_online_stage(*workspace, "spend", options).status();
    stops += status.ok() ? 0 : 1;
  }
  EXPECT_TRUE(status.ok()) << status.to_string();
  return stops;
}

Status drop_online_rows(Workspace& workspace, const std::string& view) {
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace.online(false));
  return store->drop(workspace.view(view).value()->storage_name());
}

void drop_online(TestProject& project) {
  const auto workspace = project.open();
  ASSERT_TRUE(drop_online_rows(*workspace, "spend").ok());
}

TEST(OnlinePieces, ACompactedTableFillsAViewPieceByPieceAndEachStopGoesOn) {
  TestProject plain;
  OrdersProject changes;
  changes.write_files(0, 6);
  RunOptions small;
  small.epoch_rows = 100;
  for (TestProject* project : {&plain, static_cast<TestProject*>(&changes)}) {
    ASSERT_TRUE(project->run(small).ok());
    const uint64_t hash = project->online_hash();
    ASSERT_NO_FATAL_FAILURE(compact_silver(*project));
    ASSERT_NO_FATAL_FAILURE(drop_online(*project));
    EXPECT_GT(fill_with_stops(*project, 2'000), 8);
    EXPECT_EQ(project->online_hash(), hash);
    expect_verified(*project);
    // In one piece the same.
    ASSERT_NO_FATAL_FAILURE(drop_online(*project));
    EXPECT_EQ(fill_with_stops(*project, 1 << 30), 1);
    EXPECT_EQ(project->online_hash(), hash);
  }
}

TEST(OnlinePieces, RowsThatComeHalfWayAreTakenAfterThePieces) {
  OrdersProject straight;
  straight.write_files(0, 6);
  ASSERT_TRUE(straight.run().ok());

  OrdersProject project;
  project.write_files(0, 3);
  RunOptions small;
  small.epoch_rows = 50;
  ASSERT_TRUE(project.run(small).ok());
  ASSERT_NO_FATAL_FAILURE(compact_silver(project));
  ASSERT_NO_FATAL_FAILURE(drop_online(project));
  const std::atomic<bool> stop{true};
  RunOptions options;
  options.online_piece_bytes = 2'000;
  options.stop = &stop;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(run_online_stage(*project.open(), "spend", options).code(), Code::kCancelled);
  }
  project.write_files(3, 6);
  ASSERT_TRUE(project.run(small).ok());
  EXPECT_EQ(project.online_hash(), straight.online_hash());
  expect_verified(project);
}

/// Run, compact, and fill the view anew, up to its first piece.
void fill_one_piece(TestProject& project) {
  RunOptions small;
  small.epoch_rows = 700;
  ASSERT_TRUE(project.run(small).ok());
  ASSERT_NO_FATAL_FAILURE(compact_silver(project));
  ASSERT_NO_FATAL_FAILURE(drop_online(project));
  const std::atomic<bool> stop{true};
  RunOptions options;
  options.online_piece_bytes = 2'000;
  options.stop = &stop;
  EXPECT_EQ(run_online_stage(*project.open(), "spend", options).code(), Code::kCancelled);
}

TEST(OnlinePieces, AHalfFilledViewIsBehindAndStatusSaysWhatIsLeft) {
  TestProject project;
  ASSERT_NO_FATAL_FAILURE(fill_one_piece(project));
  const auto workspace = project.open();
  const auto stages = *project_status(*workspace);
  EXPECT_EQ(stages.back().account.stage, "online");
  EXPECT_NE(stages.back().position.find("pieces left"), std::string::npos)
      << stages.back().position;
  EXPECT_EQ(stages.back().lag, 1);
  EXPECT_EQ(*online_lag(*workspace, "spend", **workspace->online(true)), 1);
}

TEST(OnlinePieces, PiecesOfAVersionWhoseFilesWereVacuumedBeginAnew) {
  TestProject project;
  ASSERT_NO_FATAL_FAILURE(fill_one_piece(project));
  {
    const auto workspace = project.open();
    lake::DeltaTable& table = **workspace->table(*workspace->silver_table_key("clean"));
    const lake::LakeAccess access{workspace->world(), workspace->store(), workspace->sql()};
    ASSERT_TRUE(lake::delete_where(access, table, "user_id = 'u1'").ok());
    const auto gone = lake::vacuum(access, table, {.keep = Duration{0}});
    ASSERT_TRUE(gone.ok()) << gone.status().to_string();
    ASSERT_GT(gone->files.size(), 0);
  }
  const Result<StageAccount> filled = run_online_stage(*project.open(), "spend", {});
  ASSERT_TRUE(filled.ok()) << filled.status().to_string();
  const uint64_t hash = project.online_hash();
  ASSERT_NO_FATAL_FAILURE(drop_online(project));
  ASSERT_TRUE(run_online_stage(*project.open(), "spend", {}).ok());
  EXPECT_EQ(project.online_hash(), hash);
}

/// Spark's VACUUM and log cleanup do not know what a view has still to take.
TEST(OnlinePieces, VersionsThatWereCleanedBeforeAViewTookThemBeginAnew) {
  for (const bool cleans_log : {false, true}) {
    OrdersProject project;
    project.write_files(0, 3);
    RunOptions small;
    small.epoch_rows = 50;
    ASSERT_TRUE(project.run(small).ok());
    ASSERT_NO_FATAL_FAILURE(drop_online(project));
    const std::atomic<bool> stop{true};
    RunOptions options;
    options.online_batch_rows = 60;
    options.stop = &stop;
    EXPECT_EQ(run_online_stage(*project.open(), "spend", options).code(), Code::kCancelled);
    ASSERT_NO_FATAL_FAILURE(compact_silver(project));
    {
      const auto workspace = project.open();
      lake::DeltaTable& table = **workspace->table(*workspace->silver_table_key("clean"));
      const lake::LakeAccess access{workspace->world(), workspace->store(), workspace->sql()};
      if (cleans_log) {
        ASSERT_TRUE(table.checkpoint().ok());
        const auto log = lake::clean_log(access, table, {.keep = Duration{0}});
        ASSERT_TRUE(log.ok() && !log->files.empty()) << log.status().to_string();
      }
      const auto gone = lake::vacuum(access, table, {.keep = Duration{0}});
      ASSERT_TRUE(gone.ok() && !gone->files.empty()) << gone.status().to_string();
    }
    const Result<StageAccount> filled = run_online_stage(*project.open(), "spend", {});
    ASSERT_TRUE(filled.ok()) << filled.status().to_string();
    const uint64_t hash = project.online_hash();
    ASSERT_NO_FATAL_FAILURE(drop_online(project));
    ASSERT_TRUE(run_online_stage(*project.open(), "spend", {}).ok());
    EXPECT_EQ(project.online_hash(), hash);
    expect_verified(project);
  }
}

constexpr char kEveryone[] = R"(feature_views:
  everyone:
    entity: none
    from: clean
    slide: SLIDE
    features:
      all_n: {agg: count, over: [6h, 48h]}
      all_total: {agg: sum, of: amount, over: [48h]}
      all_largest: {agg: max, of: amount, over: [6h]}
      all_first: {agg: first, of: kind, over: [48h]}
      all_amounts: {agg: histogram, of: amount, over: [48h]}
      all_newest: {latest: amount}
)";

void add_everyone(TestProject& project, const std::string& slide) {
  std::string view = kEveryone;
  view.replace(view.find("SLIDE"), 5, slide);
  project.change("feature_views:\n", view);
  project.change("v1: [spend]", "v1: [spend, everyone]");
}

uint64_t steps_hash_of(TestProject& project, const std::string& view) {
  const auto workspace = project.open();
  lake::DeltaTable* table = *workspace->table(*workspace->steps_table_key(**workspace->view(view)));
  return *lake::table_content_hash(*table, workspace->sql());
}

uint64_t online_hash_of(TestProject& project, const std::string& view) {
  const auto workspace = project.open();
  return *(*workspace->online(true))->content_hash(**workspace->view(view));
}

TEST(Changes, ThePopulationIsOfTheVersionsOfItsTime) {
  for (const std::string slide : {"10m", "continuous"}) {
    OrdersProject straight;
    add_everyone(straight, slide);
    straight.write_files(0, 6);
    ASSERT_TRUE(straight.run().ok());
    expect_verified(straight);
    OrdersProject pieces;
    add_everyone(pieces, slide);
    RunOptions options;
    options.epoch_rows = 37;
    options.gold_chunk_rows = 100;
    options.online_batch_rows = 60;
    for (std::size_t file = 0; file < 6; ++file) {
      pieces.write_files(file, file + 1);
      ASSERT_TRUE(pieces.run(options).ok());
    }
    expect_verified(pieces);
    EXPECT_EQ(steps_hash_of(pieces, "everyone"), steps_hash_of(straight, "everyone"));
    EXPECT_EQ(online_hash_of(pieces, "everyone"), online_hash_of(straight, "everyone"));
  }
}

/// Keys of a store of LMDB's that belong to a view: rows, pages, the pages' counter.
int64_t stored_keys(TestProject& project, const std::string& view) {
  const std::string prefix = (*project.open()->view(view))->storage_name();
  online::LmdbOptions options;
  options.read_only = true;
  const auto env = *online::LmdbEnv::open(join_path(project.folder(), "online"), options);
  const auto snapshot = *env->snapshot();
  int64_t keys = 0;
  EXPECT_TRUE(snapshot
                  .scan(online::LmdbTable::kRows,
                        prefix + std::string(1, char{0}),
                        [&](std::string_view, std::string_view) -> Status {
                          ++keys;
                          return {};
                        })
                  .ok());
  return keys;
}

TEST(Changes, RowsThatAreMadeAnewLeaveNoPagesBehind) {
  OrdersProject project;
  std::string settings = kAssay;
  settings.replace(settings.find("embedded:"), std::strlen("embedded:"), "lmdb:");
  project.write("assay.yaml", settings);
  add_everyone(project, "continuous");
  project.write_files(0, 6);
  ASSERT_TRUE(project.run().ok());
  const int64_t keys = stored_keys(project, "everyone");
  EXPECT_GE(keys, 4);  // the population's row has pages
  for (int i = 0; i < 8; ++i) {
    project.write("orders/again-" + std::to_string(i) + ".csv",
                  "order_id,op,user_id,kind,amount,ts,seen\no1,u,u1,k1," + std::to_string(i) +
                      ".5,2026-01-01T10:00:00Z,2026-01-05T0" + std::to_string(i) + ":00:00Z\n");
    ASSERT_TRUE(project.run().ok());
    EXPECT_LE(stored_keys(project, "everyone"), keys + 1);
  }
  expect_verified(project);
}

/// Everything that two views of one table hold online, one filled by `options`, one at once.
void expect_filled_alike(TestProject& project, const RunOptions& options) {
  const auto latest_hash = [&] { return online_hash_of(project, "newest"); };
  const uint64_t hash = latest_hash();
  {
    const auto workspace = project.open();
    ASSERT_TRUE(drop_online_rows(*workspace, "newest").ok());
    const Result<StageAccount> filled = run_online_stage(*workspace, "newest", options);
    ASSERT_TRUE(filled.ok()) << filled.status().to_string();
    EXPECT_GT(filled->commits, 2);
    EXPECT_EQ(filled->rows.in, filled->rows.out + filled->rows.filtered);
  }
  EXPECT_EQ(latest_hash(), hash);
  expect_verified(project);
}

TEST(OnlinePieces, AViewOfLatestFeaturesReadsAheadAndHoldsWhatItHeldAtOnce) {
  TestProject project;
  project.write("newest.yaml",
                "feature_views:\n  newest:\n    entity: user\n    from: clean\n    features: "
                "{amount: latest}\nservices:\n  newest_v1: [newest]\n");
  RunOptions run;
  run.epoch_rows = 100;
  ASSERT_TRUE(project.run(run).ok());
  expect_verified(project);
  RunOptions ahead;
  ahead.online_latest_rows = 60;
  ahead.online_ahead_rows = 1;
  RunOptions in_turn = ahead;
  in_turn.online_ahead_rows = 1'000'000;
  for (const RunOptions& options : {ahead, in_turn}) {  // pieces of all versions
    ASSERT_NO_FATAL_FAILURE(expect_filled_alike(project, options));
  }
  // Groups of versions, behind a piece that was the first one.
  const std::atomic<bool> stop{true};
  RunOptions stopping = ahead;
  stopping.stop = &stop;
  const uint64_t hash = online_hash_of(project, "newest");
  ASSERT_TRUE(drop_online_rows(*project.open(), "newest").ok());
  EXPECT_EQ(run_online_stage(*project.open(), "newest", stopping).code(), Code::kCancelled);
  EXPECT_TRUE(run_online_stage(*project.open(), "newest", ahead).ok());
  EXPECT_EQ(online_hash_of(project, "newest"), hash);
  for (int day = 7; day <= 9; ++day) {
    project.write("data/day-" + std::to_string(day) + ".csv", TestProject::events_of_day(day));
  }
  {
    const auto workspace = project.open();
    ASSERT_TRUE(run_bronze_stage(*workspace, "events", run).ok());
    ASSERT_TRUE(run_silver_stage(*workspace, "clean", run).ok());
    const Result<StageAccount> followed = run_online_stage(*workspace, "newest", ahead);
    ASSERT_TRUE(followed.ok()) << followed.status().to_string();
    EXPECT_GT(followed->commits, 1);
  }
  ASSERT_TRUE(project.run(run).ok());
  expect_verified(project);
}

TEST(OnlinePieces, RowsMadeAnewAreThoseThatWereThere) {
  TestProject project;
  RunOptions run;
  run.epoch_rows = 100;
  ASSERT_TRUE(project.run(run).ok());
  const uint64_t hash = project.online_hash();
  ASSERT_NO_FATAL_FAILURE(compact_silver(project));
  const auto make = [&](const RunOptions& options) {
    return make_online_rows_anew(*project.open(), "spend", options);
  };
  const auto views = [&] {
    const auto workspace = project.open();
    return workspace->online(false).value()->views().value();
  };
  const std::vector<std::string> before = views();
  RunOptions pieces;
  pieces.online_piece_bytes = 2'000;
  // One that stops leaves nothing beside; the next one begins again.
  const std::atomic<bool> stop{true};
  RunOptions stopping = pieces;
  stopping.stop = &stop;
  const Status stopped = make(stopping).status();
  EXPECT_EQ(stopped.code(), Code::kCancelled);
  EXPECT_EQ(stopped.message().find("assay run"), std::string::npos) << stopped.message();
  EXPECT_EQ(views(), before);
  EXPECT_EQ(project.online_hash(), hash);
  const Result<StageAccount> made = make(pieces);
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  EXPECT_GT(made->commits, 8);
  EXPECT_EQ(views(), before);
  EXPECT_EQ(project.online_hash(), hash);
  ASSERT_TRUE(project.run(run).ok());
  EXPECT_EQ(views(), before);
  expect_verified(project);
}

/// What a fill of the view that was forgotten says when it stops after its first commit; it then
/// goes on to its end.
std::string first_stop(TestProject& project, RunOptions options) {
  const std::atomic<bool> stop{true};
  options.stop = &stop;
  EXPECT_TRUE(drop_online_rows(*project.open(), "newest").ok());
  const Status stopped = run_online_stage(*project.open(), "newest", options).status();
  EXPECT_EQ(stopped.code(), Code::kCancelled);
  options.stop = nullptr;
  EXPECT_TRUE(run_online_stage(*project.open(), "newest", options).ok());
  return stopped.message();
}

TEST(OnlinePieces, AViewOfLatestFeaturesOverPartitionsReadsEachVersionOnce) {
  TestTopic topic(3);
  KafkaProject project(topic);
  project.write("newest.yaml",
                "feature_views:\n  newest:\n    entity: user\n    from: clean\n    features: "
                "{amount: latest}\nservices:\n  newest_v1: [newest]\n");
  for (int day = 1; day < 5; ++day) {
    topic.send_csv(TestProject::events_of_day(day));
  }
  RunOptions run;
  run.epoch_rows = 100;
  ASSERT_TRUE(project.run(run).ok());
  RunOptions fill;
  fill.online_latest_rows = 60;
  // A piece has rows in every file, a version has files of its own.
  EXPECT_EQ(first_stop(project, fill).find("pieces"), std::string::npos);
  for (const int64_t ahead_rows : {1, 1'000'000}) {
    fill.online_ahead_rows = ahead_rows;
    ASSERT_NO_FATAL_FAILURE(expect_filled_alike(project, fill));
  }
  fill.online_batch_rows = 60;  // less than a version has
  EXPECT_NE(first_stop(project, fill).find("pieces"), std::string::npos);
  ASSERT_NO_FATAL_FAILURE(expect_filled_alike(project, fill));
}

TEST(OnlinePieces, OfPartitionsAreCutSideBySide) {
  TestTopic topic(3);
  KafkaProject project(topic);
  for (int day = 1; day < 5; ++day) {
    topic.send_csv(TestProject::events_of_day(day));
  }
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  lake::DeltaTable& table = **workspace->table(*workspace->silver_table_key("clean"));
  const auto snapshot = *table.snapshot();
  const std::vector<OnlinePiece> pieces =
      *online_pieces(*workspace, **workspace->view("spend"), table, *snapshot, 2);
  ASSERT_EQ(pieces.size(), 4U);
  int64_t before = 0;
  for (std::size_t index = 1; index <= pieces.size(); ++index) {
    const data::Batch rows =
        *workspace->read_table(table.key(), "count(*) AS n", in_pieces_before(pieces, index), "");
    const int64_t until = rows.column(0).values<int64_t>()[0];
    EXPECT_GT(until - before, topic.sent() / 5) << index;
    before = until;
  }
  EXPECT_EQ(before, topic.sent());
}

}  // namespace
}  // namespace assay::flow
