// The whole line in a world of faults: a seed says the project, the files that come to it, and the
// processes that work on it: some die at a system call or a fail point, for some disks are full or
// do not answer, clocks jump by days, and compaction, checkpoints and vacuum work in between.
// What is in bronze, quarantine, silver, gold and the online store at the end must be what one
// process makes that nothing befalls, and the doctor must find nothing.
//
//   line_simulation FIRST_SEED [COUNT]      a seed that fails prints how to see it again, exit 1

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include "base/arm_fail_point.h"
#include "base/world.h"
#include "faulty_files.h"
#include "flow/run.h"
#include "flow/status.h"
#include "flow/workspace.h"
#include "lake/compaction.h"
#include "lake/doctor.h"
#include "lake/table_hash.h"
#include "lake/vacuum.h"
#include "scenario.h"

namespace assay::sim {
namespace {

/// The machine's clock, ahead or behind.
class WrongClock : public Clock {
 public:
  explicit WrongClock(Duration ahead) : ahead_(ahead) {}
  EventTime now() override { return {clock_->now().micros + ahead_.micros}; }
  Duration monotonic() override { return clock_->monotonic(); }

 private:
  std::unique_ptr<Clock> clock_ = system_clock();
  Duration ahead_;
};

/// What a process has of the machine.
class LifeWorld {
 public:
  explicit LifeWorld(const Life& life)
      : clock_(life.clock_ahead),
        files_(life.seed, life.fails_one_in),
        random_(seeded_random(life.seed)) {}
  World& world() { return world_; }

 private:
  WrongClock clock_;
  FaultyFiles files_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Log> log_ = null_log();
  Metrics metrics_;
  World world_{clock_, files_, *random_, *log_, metrics_};
};

Status upkeep(flow::Workspace& workspace) {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, workspace.lock_for_writing());
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> keys, workspace.current_tables());
  const lake::LakeAccess access{workspace.world(), workspace.store(), workspace.sql()};
  for (const std::string& key : keys) {
    const Result<lake::DeltaTable*> table = workspace.table(key);
    if (table.code() == Code::kNotFound) {
      continue;
    }
    ASSAY_RETURN_IF_ERROR(table.status());
    ASSAY_RETURN_IF_ERROR(lake::compact(access, **table).status());
    ASSAY_RETURN_IF_ERROR((*table)->checkpoint());
    ASSAY_ASSIGN_OR_RETURN(const std::optional<lake::Version> needed,
                           flow::oldest_position(workspace, key));
    const Duration none{0};
    ASSAY_RETURN_IF_ERROR(
        lake::clean_log(access, **table, {.keep = none, .needed = needed}).status());
    ASSAY_RETURN_IF_ERROR(lake::vacuum(access, **table, {.keep = none, .needed = needed}).status());
  }
  return {};
}

Status live(const Life& life, const std::string& folder) {
  LifeWorld world(life);
  if (!life.dies_at.empty()) {
    arm_fail_point(life.dies_at);
  }
  flow::WorkspaceOptions how;
  how.threads = life.threads;
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, flow::Workspace::open(world.world(), folder, how));
  ASSAY_RETURN_IF_ERROR(workspace->apply().status());
  if (life.work == Life::Work::kUpkeep) {
    return upkeep(*workspace);
  }
  flow::RunOptions options;
  options.threads = life.threads;
  options.epoch_rows = life.epoch_rows;
  options.batch_bytes = life.batch_bytes;
  options.gold_chunk_rows = life.gold_chunk_rows;
  options.online_batch_rows = life.online_batch_rows;
  return flow::run_all(*workspace, options).status();
}

/// What the project holds, and what the doctor says of it, in lines.
Result<std::string> contents(const std::string& folder) {
  LifeWorld world(Life{});
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, flow::Workspace::open(world.world(), folder, {}));
  ASSAY_ASSIGN_OR_RETURN(std::vector<std::string> keys, workspace->current_tables());
  std::string text;
  const lake::LakeAccess access{workspace->world(), workspace->store(), workspace->sql()};
  for (const std::string& key : keys) {
    ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable* const table, workspace->table(key));
    ASSAY_ASSIGN_OR_RETURN(const uint64_t hash, lake::table_content_hash(*table, workspace->sql()));
    ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                           workspace->read_table(key, "count(*) AS n", "", ""));
    text += key + ": " + std::to_string(rows.column(0).values<int64_t>()[0]) + " rows, hash " +
            std::to_string(hash) + "\n";
    ASSAY_ASSIGN_OR_RETURN(const std::vector<lake::Finding> findings,
                           lake::examine_table(access, key, {}));
    for (const lake::Finding& finding : findings) {
      if (finding.severity != lake::Finding::Severity::kNote) {
        text += key + ": " + finding.kind + " " + finding.object + ": " + finding.text + "\n";
      }
    }
  }
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore* const store, workspace->online(true));
  for (const auto& [name, view] : workspace->project().views) {
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr compiled, workspace->view(name));
    ASSAY_ASSIGN_OR_RETURN(const uint64_t hash, store->content_hash(*compiled));
    text += "online " + name + ": hash " + std::to_string(hash) + "\n";
  }
  return text;
}

enum class End { kCame, kDied, kFailed, kWrong };

/// A process of its own, since nothing here may have opened an engine when it is made.
End in_process(const std::function<Status()>& work) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const Status done = work();
    // What the disk does is told by these codes; everything else is a fault of ours.
    const bool is_told =
        done.code() == Code::kUnavailable || done.code() == Code::kResourceExhausted;
    if (!done.ok() && !is_told) {
      std::fprintf(stderr, "%s\n", done.to_string().c_str());
    }
    std::fflush(nullptr);
    ::_exit(done.ok() ? 0 : is_told ? 3 : 1);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child) {
    return End::kWrong;
  }
  if (WIFSIGNALED(status)) {
    return WTERMSIG(status) == SIGKILL ? End::kDied : End::kWrong;
  }
  return WEXITSTATUS(status) == 0   ? End::kCame
         : WEXITSTATUS(status) == 3 ? End::kFailed
                                    : End::kWrong;
}

/// A project in a folder of its own.
class Folder {
 public:
  explicit Folder(const Scenario& scenario) : scenario_(scenario) {
    std::string pattern = (std::filesystem::temp_directory_path() / "assay_sim_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    write("assay.yaml", scenario.settings);
    write("project.yaml", scenario.definitions);
    std::filesystem::create_directories(join_path(path_, "data"));
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  End live(const Life& life) {
    for (int i = 0; i < life.new_files; ++i, ++files_) {
      write("data/part-" + std::to_string(100 + files_) + ".csv", scenario_.files[files_]);
    }
    return in_process([&] { return sim::live(life, path_); });
  }
  /// What it holds; why it cannot be told, when it cannot.
  [[nodiscard]] std::string contents() const {
    const std::string answer = path_ + ".contents";
    const End end = in_process([&]() -> Status {
      ASSAY_ASSIGN_OR_RETURN(const std::string text, sim::contents(path_));
      return system_files()->write(answer, text);
    });
    std::string text = end == End::kCame ? *system_files()->read(answer) : "it cannot be read";
    std::filesystem::remove(answer);
    return text;
  }

 private:
  void write(const std::string& name, const std::string& text) const {
    const Status done = [&] {
      const std::string path = join_path(path_, name);
      ASSAY_RETURN_IF_ERROR(system_files()->make_directories(parent_path(path)));
      return system_files()->write(path, text);
    }();
    if (!done.ok()) {
      std::fprintf(stderr, "%s\n", done.to_string().c_str());
      std::abort();
    }
  }

  const Scenario& scenario_;
  std::string path_;
  std::size_t files_ = 0;
};

/// Whether the scenario of a seed ends as if nothing had happened; counts how its lives ended.
bool simulate(uint64_t seed, std::map<End, int64_t>* ends) {
  const Scenario scenario = Scenario::make(seed);
  Folder disturbed(scenario);
  std::string story;
  bool is_right = true;
  for (const Life& life : scenario.lives) {
    const End end = disturbed.live(life);
    ++(*ends)[end];
    static const std::map<End, std::string> kNames{{End::kCame, "came to its end"},
                                                   {End::kDied, "died"},
                                                   {End::kFailed, "failed"},
                                                   {End::kWrong, "ENDED WRONGLY"}};
    story += "  " + life.to_string() + ": " + kNames.at(end) + "\n";
    // Where no call fails, none may say so; and the last one comes to its end.
    is_right = is_right && end != End::kWrong && (life.fails_one_in != 0 || end != End::kFailed);
  }
  const std::string found = disturbed.contents();
  Folder undisturbed(scenario);
  is_right = is_right && undisturbed.live(scenario.undisturbed()) == End::kCame;
  const std::string expected = undisturbed.contents();
  is_right = is_right && found == expected && found.find("hash") != std::string::npos;
  if (!is_right) {
    std::printf("seed %llu\n%s%sits lives:\n%sholds\n%sexpected\n%s\nagain: line_simulation %llu\n",
                static_cast<unsigned long long>(seed),
                scenario.settings.c_str(),
                scenario.definitions.c_str(),
                story.c_str(),
                found.c_str(),
                expected.c_str(),
                static_cast<unsigned long long>(seed));
  }
  return is_right;
}

int run(uint64_t first, uint64_t count) {
  std::map<End, int64_t> ends;
  uint64_t wrong = 0;
  for (uint64_t seed = first; seed < first + count && wrong < 5; ++seed) {
    wrong += simulate(seed, &ends) ? 0 : 1;
    if ((seed - first) % 500 == 499) {
      std::printf("%llu seeds\n", static_cast<unsigned long long>(seed - first + 1));
      std::fflush(stdout);
    }
  }
  std::printf(
      "seeds %llu to %llu: %lld processes came to their end, %lld died, %lld failed; %llu seeds "
      "wrong\n",
      static_cast<unsigned long long>(first),
      static_cast<unsigned long long>(first + count - 1),
      static_cast<long long>(ends[End::kCame]),
      static_cast<long long>(ends[End::kDied]),
      static_cast<long long>(ends[End::kFailed]),
      static_cast<unsigned long long>(wrong));
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace assay::sim

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "line_simulation FIRST_SEED [COUNT]\n");
    return 2;
  }
  return assay::sim::run(std::strtoull(argv[1], nullptr, 10),
                         argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
}
