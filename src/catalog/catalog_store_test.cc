#include "catalog/catalog_store.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "catalog/sqlite_database.h"

namespace assay::catalog {
namespace {

/// A folder of its own for each test, and a World with a clock that stands at 1000 us.
class CatalogStoreTest : public testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return folder_.file("catalog.db"); }
  std::unique_ptr<CatalogStore> open() {
    Result<std::unique_ptr<CatalogStore>> store = CatalogStore::open(world_, path());
    EXPECT_TRUE(store.ok()) << store.status().to_string();
    return std::move(store).value();
  }

  TempFolder folder_;
  FakeClock clock_{EventTime{1000}};
  std::unique_ptr<FileSystem> files_ = system_files();
  std::unique_ptr<Random> random_ = seeded_random(1);
  std::unique_ptr<Log> log_ = null_log();
  Metrics metrics_;
  World world_{clock_, *files_, *random_, *log_, metrics_};
};

Project shop() {
  Project project;
  project.name = "shop";
  EntityDef user;
  user.name = "user";
  user.keys = {{"user_id", data::Type::kString, true}};
  project.entities["user"] = user;
  ServiceDef service;
  service.name = "v1";
  service.items = {{"clicks", {"n_1h"}, {}}};
  project.services["v1"] = service;
  return project;
}

TEST_F(CatalogStoreTest, ApplyingTwiceMakesOneVersion) {
  auto store = open();
  const ApplyOutcome first = store->apply(shop()).value();
  EXPECT_EQ(first.added, 3);
  const ApplyOutcome second = store->apply(shop()).value();
  EXPECT_EQ(second.added + second.changed + second.removed, 0);
  EXPECT_EQ(second.unchanged, 3);
  EXPECT_EQ(store->history("entity", "user")->size(), 1U);
}

TEST_F(CatalogStoreTest, OnlyWhatChangedGetsANewVersion) {
  auto store = open();
  ASSERT_TRUE(store->apply(shop()).ok());
  Project project = shop();
  project.entities["user"].description = "who buys";
  clock_.advance({500});
  EXPECT_EQ(store->apply(project)->changed, 1);
  const std::vector<AppliedObject> applied = store->applied().value();
  ASSERT_EQ(applied.size(), 3U);
  EXPECT_EQ(applied[0].name, "user");
  EXPECT_EQ(applied[0].version, 2);
  EXPECT_EQ(applied[0].applied, EventTime{1500});
  EXPECT_EQ(applied[1].version, 1);
}

TEST_F(CatalogStoreTest, WhatIsGoneIsMarkedRemovedAndMayComeBack) {
  auto store = open();
  ASSERT_TRUE(store->apply(shop()).ok());
  Project project = shop();
  project.services.clear();
  EXPECT_EQ(store->apply(project)->removed, 1);
  EXPECT_EQ(store->apply(project)->removed, 0);
  EXPECT_EQ(store->applied()->size(), 2U);
  EXPECT_EQ(store->apply(shop())->added, 1);
  const std::vector<AppliedObject> history = store->history("service", "v1").value();
  ASSERT_EQ(history.size(), 3U);
  EXPECT_TRUE(history[1].removed);
  EXPECT_EQ(history[2].version, 3);
}

TEST_F(CatalogStoreTest, WhatIsWrittenIsThereAfterOpeningAgain) {
  ASSERT_TRUE(open()->apply(shop()).ok());
  EXPECT_EQ(open()->applied()->size(), 3U);
}

TEST_F(CatalogStoreTest, FilesOfASourceKeepTheirNumbersAndBits) {
  auto store = open();
  const std::vector<SourceFileRow> files = {{0, "data/a.csv", 0, 10, 0xffff'ffff'ffff'fff0, {7}},
                                            {1, "data/b.csv", 5, 9, 3, {-8}}};
  ASSERT_TRUE(store->add_source_files("clicks", files).ok());
  EXPECT_EQ(store->source_files("clicks").value(), files);
  EXPECT_TRUE(store->source_files("others")->empty());
}

TEST_F(CatalogStoreTest, ATakenFileNumberAddsNothing) {
  auto store = open();
  ASSERT_TRUE(store->add_source_files("clicks", {{1, "b", 0, 0, 0, {}}}).ok());
  const Status status =
      store->add_source_files("clicks", {{0, "a", 0, 0, 0, {}}, {1, "c", 0, 0, 0, {}}});
  EXPECT_EQ(status.code(), Code::kAlreadyExists);
  EXPECT_EQ(store->source_files("clicks")->size(), 1U);
}

TEST_F(CatalogStoreTest, RunsAreListedNewestFirst) {
  auto store = open();
  const int64_t first = store->start_run("run").value();
  clock_.advance({5});
  ASSERT_TRUE(store->finish_run(first, "ok", R"({"in":1})").ok());
  const int64_t second = store->start_run("train").value();
  const std::vector<RunRow> runs = store->runs(10).value();
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].id, second);
  EXPECT_EQ(runs[0].status, "running");
  EXPECT_EQ(runs[0].finished, std::nullopt);
  EXPECT_EQ(runs[1].finished, EventTime{1005});
  EXPECT_EQ(runs[1].account_json, R"({"in":1})");
  EXPECT_EQ(store->runs(10, "run")->size(), 1U);
  EXPECT_EQ(store->runs(1)->size(), 1U);
  EXPECT_EQ(store->finish_run(99, "ok", "").code(), Code::kNotFound);
}

TEST_F(CatalogStoreTest, CompleteDefinitionsOfEveryProfileKeepTheirViews) {
  auto store = open();
  EXPECT_EQ(*store->complete_version("day"), std::nullopt);
  ASSERT_TRUE(store->complete_project("night", {{"a", "0"}}, {"n@0", "shared@0"}).ok());
  for (const char* version : {"1", "2", "3"}) {
    ASSERT_TRUE(
        store->complete_project("day", {{"a", version}}, {std::string("d@") + version}).ok());
  }
  EXPECT_EQ(*store->complete_version("day"), store->complete_projects("day", 1)->front().version);
  EXPECT_EQ(*store->complete_version("night"), 1);
  EXPECT_EQ(*store->complete_views(2), (std::set<std::string>{"n@0", "shared@0", "d@2", "d@3"}));
  EXPECT_EQ(*store->complete_views(1), (std::set<std::string>{"n@0", "shared@0", "d@3"}));
}

TEST_F(CatalogStoreTest, DefinitionsOfTheSameRowsCountAsOne) {
  auto store = open();
  const auto complete = [&](const char* text, const std::vector<std::string>& views) {
    return store->complete_project("", {{"a", text}}, views).ok();
  };
  const auto texts = [&](int64_t count) {
    std::vector<std::string> found;
    const Result<std::vector<CompleteProject>> projects = store->complete_projects("", count);
    for (const CompleteProject& project : *projects) {
      found.push_back(project.texts.at("a"));
    }
    return found;
  };
  EXPECT_TRUE(texts(2).empty()) << "nothing was ever complete";
  ASSERT_TRUE(complete("first", {"a@1", "b@1"}));
  ASSERT_TRUE(complete("first, with a comment", {"a@1", "b@1"}));
  EXPECT_EQ(texts(2), std::vector<std::string>{"first, with a comment"});
  ASSERT_TRUE(complete("second", {"a@1", "b@2"}));
  ASSERT_TRUE(complete("second, with a comment", {"a@1", "b@2"}));
  ASSERT_TRUE(complete("second, and a model", {"a@1", "b@2"}));
  EXPECT_EQ(texts(2), (std::vector<std::string>{"second, and a model", "first, with a comment"}));
  EXPECT_EQ(*store->complete_views(2), (std::set<std::string>{"a@1", "b@1", "b@2"}));
  ASSERT_TRUE(complete("without a", {"b@2"}));
  EXPECT_EQ(texts(2), (std::vector<std::string>{"without a", "second, and a model"}));
  EXPECT_EQ(*store->complete_views(2), (std::set<std::string>{"a@1", "b@2"}));
  EXPECT_EQ(*store->complete_views(1), std::set<std::string>{"b@2"});
  ASSERT_TRUE(complete("first again", {"a@1", "b@1"}));
  EXPECT_EQ(texts(3).front(), "first again");
  EXPECT_EQ(texts(3).at(1), "without a");
}

TEST_F(CatalogStoreTest, ModelsAreNumberedAndOneIsInProduction) {
  auto store = open();
  const std::string bytes("\0tree\xff", 6);
  EXPECT_EQ(store->add_model("buy", "{}", bytes).value(), 1);
  EXPECT_EQ(store->add_model("buy", "{}", "second").value(), 2);
  EXPECT_EQ(store->add_model("other", "{}", "").value(), 1);
  EXPECT_EQ(store->model("buy")->version, 2);
  ASSERT_TRUE(store->promote_model("buy", 1).ok());
  const ModelRow model = store->model("buy").value();
  EXPECT_EQ(model.version, 1);
  EXPECT_EQ(model.bytes, bytes);
  ASSERT_TRUE(store->promote_model("buy", 2).ok());
  const std::vector<ModelRow> models = store->models("buy").value();
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[0].stage, "archived");
  EXPECT_EQ(models[1].stage, "production");
  EXPECT_EQ(store->models()->size(), 3U);
}

TEST_F(CatalogStoreTest, PromotingAnUnknownVersionChangesNothing) {
  auto store = open();
  ASSERT_TRUE(store->add_model("buy", "{}", "x").ok());
  ASSERT_TRUE(store->promote_model("buy", 1).ok());
  EXPECT_EQ(store->promote_model("buy", 7).code(), Code::kNotFound);
  EXPECT_EQ(store->model("buy")->stage, "production");
  EXPECT_EQ(store->model("bye").code(), Code::kNotFound);
}

TEST_F(CatalogStoreTest, WhichVersionIsServedAndSinceWhenIsKept) {
  auto store = open();
  EXPECT_TRUE(store->served_versions()->empty());
  EXPECT_TRUE(store->served_times("buy")->empty());
  ASSERT_TRUE(store->add_model("buy", "{}", "1", {}, EventTime{10}).ok());
  clock_.advance({1});
  ASSERT_TRUE(store->add_model("buy", "{}", "2", {}, EventTime{11}).ok());
  ASSERT_TRUE(store->add_model("other", "{}", "").ok());
  using Served = std::map<std::string, ServedVersion>;
  EXPECT_EQ(*store->served_versions(),
            (Served{{"buy", {2, "candidate"}}, {"other", {1, "candidate"}}}));
  clock_.advance({1});
  ASSERT_TRUE(store->promote_model("buy", 1, EventTime{12}).ok());
  clock_.advance({1});
  ASSERT_TRUE(store->add_model("buy", "{}", "3", {}, EventTime{13}).ok());
  ASSERT_TRUE(store->promote_model("buy", 1, EventTime{13}).ok());
  EXPECT_EQ(*store->served_versions(),
            (Served{{"buy", {1, "production"}}, {"other", {1, "candidate"}}}));
  clock_.advance({1});
  ASSERT_TRUE(store->promote_model("buy", 3).ok());
  EXPECT_EQ(store->promote_model("buy", 9).code(), Code::kNotFound);
  std::vector<ServedTime> times{{1, "candidate", {1000}, EventTime{1001}, EventTime{10}},
                                {2, "candidate", {1001}, EventTime{1002}, EventTime{11}},
                                {1, "production", {1002}, EventTime{1004}, EventTime{12}},
                                {3, "production", {1004}, std::nullopt, std::nullopt}};
  EXPECT_EQ(*store->served_times("buy"), times);
  EXPECT_EQ(store->served_times("other")->size(), 1U);
  ASSERT_TRUE(store->promote_model("buy", 3, EventTime{14}).ok()) << "by now it is known";
  times.back().until = EventTime{1004};
  times.push_back({3, "production", {1004}, std::nullopt, EventTime{14}});
  EXPECT_EQ(*store->served_times("buy"), times);
  ASSERT_TRUE(store->promote_model("buy", 3, EventTime{15}).ok());
  EXPECT_EQ(*store->served_times("buy"), times) << "it was before";
}

TEST_F(CatalogStoreTest, AModelKeepsTheDefinitionsItWasTrainedUnder) {
  auto store = open();
  const DefinitionTexts texts{{"assay.yaml", "project: a"}, {"sql/b.sql", "SELECT 1"}};
  ASSERT_TRUE(store->add_model("buy", "{}", "1", texts).ok());
  ASSERT_TRUE(store->add_model("buy", "{}", "2").ok());
  EXPECT_EQ(*store->model_definitions("buy", 1), texts);
  EXPECT_TRUE(store->model_definitions("buy", 2)->empty());
}

TEST_F(CatalogStoreTest, TheNewestDefinitionsWithTheseRowsAreFound) {
  auto store = open();
  ASSERT_TRUE(store->complete_project("", {{"a", "1"}}, {"a@1"}).ok());
  ASSERT_TRUE(store->complete_project("", {{"a", "2"}}, {"a@1", "b@1"}).ok());
  ASSERT_TRUE(store->complete_project("", {{"a", "3"}}, {"a@3", "b@1"}).ok());
  ASSERT_TRUE(store->complete_project("night", {{"a", "4"}}, {"a@1"}).ok());
  const auto found = store->complete_project_of("", "a@1");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->texts.at("a"), "2");
  EXPECT_EQ((*found)->online_views, (std::vector<std::string>{"a@1", "b@1"}));
  EXPECT_FALSE(store->complete_project_of("", "a@2")->has_value());
  EXPECT_FALSE(store->complete_project_of("day", "a@1")->has_value());
}

/// A catalog as it was before it kept what is served, with the statements of then.
void make_second_version(const std::string& path) {
  auto database = SqliteDatabase::open(path).value();
  const Status made = database->execute(
      "CREATE TABLE migrations(version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL);"
      "CREATE TABLE objects(kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,"
      " json TEXT NOT NULL, outputs TEXT NOT NULL, removed INTEGER NOT NULL, applied_at INTEGER "
      "NOT NULL, PRIMARY KEY(kind, name, version)) WITHOUT ROWID;"
      "CREATE TABLE source_files(source TEXT NOT NULL, ordinal INTEGER NOT NULL, path TEXT NOT "
      "NULL, begin_bytes INTEGER NOT NULL, end_bytes INTEGER NOT NULL, fingerprint INTEGER NOT "
      "NULL, modified INTEGER NOT NULL, PRIMARY KEY(source, ordinal)) WITHOUT ROWID;"
      "CREATE TABLE runs(id INTEGER PRIMARY KEY AUTOINCREMENT, command TEXT NOT NULL, started "
      "INTEGER NOT NULL, finished INTEGER, status TEXT NOT NULL, account TEXT NOT NULL);"
      "CREATE TABLE models(name TEXT NOT NULL, version INTEGER NOT NULL, stage TEXT NOT NULL,"
      " created INTEGER NOT NULL, card TEXT NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(name, "
      "version));"
      "CREATE TABLE projects(version INTEGER PRIMARY KEY, profile TEXT NOT NULL, completed INTEGER "
      "NOT NULL);"
      "CREATE TABLE project_files(version INTEGER NOT NULL, path TEXT NOT NULL, text TEXT NOT NULL,"
      " PRIMARY KEY(version, path)) WITHOUT ROWID;"
      "CREATE TABLE project_views(version INTEGER NOT NULL, view TEXT NOT NULL,"
      " PRIMARY KEY(version, view)) WITHOUT ROWID;"
      "INSERT INTO migrations VALUES(1, 5), (2, 6);"
      "INSERT INTO models VALUES('buy', 1, 'archived', 7, '{}', 'a'), ('buy', 2, 'production', 8,"
      " '{}', 'b'), ('buy', 3, 'candidate', 9, '{}', 'c'), ('rent', 1, 'candidate', 9, '{}', 'd'),"
      " ('rent', 2, 'candidate', 9, '{}', 'e');"
      "PRAGMA application_id=1634956129; PRAGMA user_version=2");
  ASSERT_TRUE(made.ok()) << made.to_string();
}

TEST_F(CatalogStoreTest, AnOlderCatalogKeepsItsModelsAndFromThenOnWhatIsServed) {
  make_second_version(path());
  auto store = open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->models()->size(), 5U);
  EXPECT_EQ(store->model("buy")->bytes, "b");
  EXPECT_EQ(*store->served_times("buy"),
            (std::vector<ServedTime>{{2, "production", {1000}, std::nullopt, std::nullopt}}));
  EXPECT_EQ(*store->served_times("rent"),
            (std::vector<ServedTime>{{2, "candidate", {1000}, std::nullopt, std::nullopt}}));
  EXPECT_TRUE(store->model_definitions("buy", 2)->empty());
  ASSERT_TRUE(store->promote_model("buy", 3, EventTime{7}).ok());
  EXPECT_EQ(open()->served_times("buy")->size(), 2U) << "it is brought up to date once";
}

TEST_F(CatalogStoreTest, WhatIsAskedEachSecondReadsNoCardsAndBytes) {
  open();
  auto database = SqliteDatabase::open(path()).value();
  const auto plan = database->query(
      "EXPLAIN QUERY PLAN SELECT name, version, stage FROM models ORDER BY name, stage = "
      "'production', version");
  ASSERT_TRUE(plan.ok());
  const auto* first = std::get_if<std::string>(&plan->at(0).at(3));
  ASSERT_NE(first, nullptr);
  EXPECT_NE(first->find("COVERING INDEX models_served"), std::string::npos) << *first;
}

TEST_F(CatalogStoreTest, AFileThatIsNoDatabaseIsCorruptAndSaysWhatToDo) {
  std::ofstream(path()) << std::string(5000, 'x');
  const Status status = CatalogStore::open(world_, path()).status();
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_NE(status.message().find(path()), std::string::npos);
  EXPECT_NE(status.message().find("backup"), std::string::npos);
}

TEST_F(CatalogStoreTest, DamagedPagesAreCorruptAndNotACrash) {
  ASSERT_TRUE(open()->apply(shop()).ok());
  const auto size = std::filesystem::file_size(path());
  {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(static_cast<std::size_t>(size) - 4096, '\x5a');
  }
  const Result<std::unique_ptr<CatalogStore>> store = CatalogStore::open(world_, path());
  const Status status = store.ok() ? store.value()->applied().status() : store.status();
  EXPECT_EQ(status.code(), Code::kCorrupt) << status.to_string();
}

TEST_F(CatalogStoreTest, AnotherProgramsDatabaseIsLeftAlone) {
  ASSERT_TRUE(SqliteDatabase::open(path()).value()->execute("CREATE TABLE theirs(x)").ok());
  EXPECT_EQ(CatalogStore::open(world_, path()).code(), Code::kCorrupt);
}

TEST_F(CatalogStoreTest, ANewerCatalogIsRefused) {
  open();
  ASSERT_TRUE(SqliteDatabase::open(path()).value()->execute("PRAGMA user_version=99").ok());
  EXPECT_EQ(CatalogStore::open(world_, path()).code(), Code::kFailedPrecondition);
}

TEST_F(CatalogStoreTest, AMissingFolderIsAnErrorThatNamesThePath) {
  const Status status = CatalogStore::open(world_, folder_.file("no/catalog.db")).status();
  EXPECT_EQ(status.code(), Code::kPermissionDenied);
  EXPECT_NE(status.message().find("/no/catalog.db"), std::string::npos);
}

TEST_F(CatalogStoreTest, SeveralOpenersAtOnceAgree) {
  constexpr int kOpeners = 4;
  constexpr int kRounds = 10;  // new files: who opens one may see it half made
  for (int round = 0; round < kRounds; ++round) {
    const std::string file = folder_.file("catalog" + std::to_string(round) + ".db");
    std::vector<Status> statuses(kOpeners);
    {
      std::vector<std::jthread> openers;
      for (int i = 0; i < kOpeners; ++i) {
        openers.emplace_back([&, i] {
          Result<std::unique_ptr<CatalogStore>> store = CatalogStore::open(world_, file);
          statuses[static_cast<std::size_t>(i)] =
              store.ok() ? store.value()->add_model("m", "{}", "x").status() : store.status();
        });
      }
    }
    for (const Status& status : statuses) {
      EXPECT_TRUE(status.ok()) << status.to_string();
    }
    EXPECT_EQ(CatalogStore::open(world_, file).value()->models("m")->back().version, kOpeners);
  }
}

TEST_F(CatalogStoreTest, AFailedTransactionLeavesNothingBehind) {
  auto database = SqliteDatabase::open(path()).value();
  ASSERT_TRUE(database->execute("CREATE TABLE t(x)").ok());
  const Status status = database->transaction([&]() -> Status {
    EXPECT_TRUE(database->execute("INSERT INTO t VALUES(1)").ok());
    return {Code::kAborted, "no"};
  });
  EXPECT_EQ(status.code(), Code::kAborted);
  EXPECT_TRUE(database->query("SELECT * FROM t")->empty());
}

}  // namespace
}  // namespace assay::catalog
