// Rows of a table in the lake to the online store, what `assay materialize VIEW` does: ROWS
// entities of ten `latest` features, a row each, in Parquet files, into an empty store. Each run is
// a process of its own, so that its peak of memory is told; rows/s by the clock and by processor
// time of our process, every thousandth answer compared.
//
//   materialize_bench ROWS ONLINE...      ONLINE: embedded (durable, as it always is), or a URL
//
// bench/materialize.sh starts a Redis beside, says what its own client reaches with pipelines, and
// has Feast materialize rows of the same shape when it is asked to.

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/temp_folder.h"
#include "base/world.h"
#include "data/sql_engine.h"
#include "flow/bronze_stage.h"
#include "flow/online_stage.h"
#include "flow/silver_stage.h"
#include "flow/workspace.h"
#include "peer_run.h"

namespace {

using assay::bench::must;
using assay::bench::processor_seconds;
namespace data = assay::data;
namespace flow = assay::flow;

constexpr int kFeatures = 10;
constexpr int kRepeats = 3;

/// `before` + number + `after` for each feature, with commas between.
std::string features(std::string_view before, std::string_view after) {
  std::string text;
  for (int f = 0; f < kFeatures; ++f) {
    text += f == 0 ? "" : ", ";
    text.append(before).append(std::to_string(f)).append(after);
  }
  return text;
}
double feature_value(int64_t user, int feature) {
  return static_cast<double>(user) * 0.5 + feature;
}
std::string feature_sql() {
  std::string text;
  for (int f = 0; f < kFeatures; ++f) {
    const std::string number = std::to_string(f);
    text += ", user_id * 0.5::DOUBLE + " + number + " AS f" + number;
  }
  return text;
}

/// A project with a file of these rows, brought up to its silver table.
class Table {
 public:
  explicit Table(int64_t rows) : rows_(rows) {
    const auto sql = must(data::SqlEngine::open({}));
    must(sql->execute(
        "COPY (SELECT range AS user_id" + feature_sql() +
        ", TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL 1 MILLISECOND * range AS ts "
        "FROM range(" +
        std::to_string(rows) + ")) TO '" + folder_.file("rows.parquet") + "' (FORMAT parquet)"));
    folder_.write("project.yaml",
                  "sources:\n  rows: {files: {path: rows.parquet, format: parquet}}\n"
                  "bronze:\n  rows:\n    source: rows\n    event_time: {column: ts}\n"
                  "    columns: {user_id: int64!, ts: timestamp!, " +
                      features("f", ": float64") +
                      "}\n"
                      "silver:\n  events:\n    from: rows\n    allowed_lateness: 365d\n"
                      "    sql: SELECT user_id, ts AS event_time, " +
                      features("f", "") +
                      " FROM rows\n"
                      "entities:\n  user: {key: user_id, type: int64}\n"
                      "feature_views:\n  stats:\n    entity: user\n    from: events\n"
                      "    features: {" +
                      features("f", ": latest") + "}\n");
    set_online("embedded:./online");
    assay::SystemWorld world;
    const auto workspace = open(world);
    must(workspace->apply());
    must(flow::run_bronze_stage(*workspace, "rows", {}).status());
    must(flow::run_silver_stage(*workspace, "events", {}).status());
  }
  void set_online(const std::string& place) {
    folder_.write("assay.yaml",
                  "project: bench\nlake: ./lake\ncatalog: ./catalog.db\nonline: " + place + "\n");
  }
  /// Fill the store, and compare. Prints a line.
  void materialize(const std::string& name) {
    assay::SystemWorld world;
    const auto workspace = open(world);
    const auto before = must(assay::peak_memory_bytes());
    const assay::Duration began = world.world().clock.monotonic();
    const double processor = processor_seconds();
    const flow::StageAccount account = must(flow::run_online_stage(*workspace, "stats", {}));
    const double processed = processor_seconds() - processor;
    const double seconds =
        static_cast<double>(world.world().clock.monotonic().micros - began.micros) / 1e6;
    ASSAY_CHECK(account.rows.out == rows_);
    check(*workspace);
    const auto rows = static_cast<double>(rows_);
    std::printf(
        "%s: %.0f rows/s of %d features, %.2f us of processor time a row, %.0f MiB more "
        "than at the beginning\n",
        name.c_str(),
        rows / seconds,
        kFeatures,
        processed / rows * 1e6,
        static_cast<double>(must(assay::peak_memory_bytes()) - before) / (1 << 20));
    std::fflush(stdout);
  }

 private:
  [[nodiscard]] std::unique_ptr<flow::Workspace> open(assay::SystemWorld& world) const {
    return must(flow::Workspace::open(world.world(), folder_.path(), {}));
  }
  void check(flow::Workspace& workspace) const {
    assay::online::OnlineStore& store = *must(workspace.online(true));
    const assay::gold::FeatureViewPtr view = must(workspace.view("stats"));
    for (int64_t user = 0; user < rows_; user += 1000) {
      const std::array<data::Scalar, 1> values = {data::Scalar::int64(user)};
      const data::EntityKey key = *data::encode_key(values);
      const auto answers = must(store.read(*view, {&key, 1}, must(workspace.serving_now())));
      for (int f = 0; f < kFeatures; ++f) {
        ASSAY_CHECK(answers.front().values[static_cast<std::size_t>(f)] ==
                    data::Scalar::float64(feature_value(user, f)));
      }
    }
  }

  const int64_t rows_;
  assay::TempFolder folder_;
};

}  // namespace

int main(int argc, char** argv) {
  const int64_t rows = argc > 1 ? std::atoll(argv[1]) : 1'000'000;
  std::vector<std::string> places(argv + std::min(argc, 2), argv + argc);
  if (places.empty()) {
    places = {"embedded"};
  }
  ASSAY_CHECK(rows > 0);
  Table table(rows);
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    for (const std::string& place : places) {
      const pid_t child = ::fork();
      ASSAY_CHECK(child >= 0);
      if (child == 0) {
        const std::string number = std::to_string(repeat);
        table.set_online(place == "embedded" ? "embedded:./online" + number
                                             : place + "?prefix=materialize" + number);
        table.materialize(place == "embedded" ? place : place.substr(0, place.find(':')));
        ::_exit(0);
      }
      int status = 0;
      ASSAY_CHECK(::waitpid(child, &status, 0) == child && status == 0);
    }
  }
  return 0;
}
