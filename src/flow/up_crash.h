#pragma once

#include <climits>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data/entity_key.h"
#include "flow/crash_events.h"
#include "flow/running_up.h"
#include "flow/status.h"
#include "flow/up_child.h"

// `assay up` in another process of a test's program, to be killed.

namespace assay::flow {

/// Events of six days from a topic with duplicates in other partitions, sent bit by bit while the
/// line is killed again and again.
class CrashedUp {
 public:
  explicit CrashedUp(int32_t partitions = 2,
                     bool has_lake = true,
                     const std::string& online = kOneStore,
                     int allowed = kNoneLate)
      : topic_(partitions),
        project_(topic_),
        events_(partitions, allowed),
        has_lake_(has_lake),
        is_one_store_(online.find("sharded:") == std::string::npos) {
    std::string settings = has_lake ? kAssay : kWithoutLake;
    project_.write("assay.yaml",
                   settings.replace(settings.find(kOneStore), sizeof(kOneStore) - 1, online));
    project_.change("source: events\n", kWithKey);
    events_.allow_some_late(project_);
    if (events_.has_late()) {
      project_.change("topics: events}", "topics: events, idle_timeout: 1d}");
    }
    (void)project_.open();
    send(100);
  }

  /// Start the line, and send until it kills itself at the n-th pass of a point, "name:n", or until
  /// there is nothing left to send; true when it killed itself.
  bool kill_at(const std::string& point) {
    const pid_t child = start(point);
    bool is_asked = false;
    const int status = end_of(child, "a line that ends at " + point, {20'000}, [&] {
      if (is_ready()) {
        send(2);
      }
      if (!has_events() && !is_asked) {
        is_asked = true;
        ::kill(child, SIGKILL);
      }
    });
    expect_killed(status, point);
    return !is_asked;
  }

  /// The same, killed so many microseconds after it was ready.
  void kill_after(uint64_t micros) {
    const pid_t child = start("");
    bool has_ended = false;
    WaitOptions options;
    options.why_over = [&] {
      has_ended = has_ended || ::waitpid(child, nullptr, WNOHANG) == child;
      return std::string(has_ended ? "it ended by itself" : "");
    };
    wait_until(
        "a line that is ready", [&] { return is_ready(); }, std::identity(), options);
    ASSERT_FALSE(has_ended);
    constexpr uint64_t kStep = 10'000;
    for (uint64_t at = 0; at < micros; at += kStep) {
      send(2);
      pause_for({kStep});
    }
    ::kill(child, SIGKILL);
    expect_killed(end_of(child, "a line that was killed"), "at a random moment");
  }

  /// Send the rest, run to the end, and compare with a run over files.
  void expect_as_undisturbed() {
    send_all();
    const Result<RunReport> rest = project_.run();
    ASSERT_TRUE(rest.ok()) << rest.status().to_string();
    compare();
  }
  /// What `assay run` says now.
  Status run() { return project_.run().status(); }
  [[nodiscard]] const std::string& folder() const { return project_.folder(); }
  [[nodiscard]] bool has_events() const { return events_.has_more(); }

 protected:
  /// How a process ended; `meanwhile` is done at each look. One that does not end is killed.
  static int end_of(
      pid_t child,
      const std::string& what,
      Duration look_every = {1'000},
      const std::function<void()>& meanwhile = [] {}) {
    int status = 0;
    const auto has_ended = [&] {
      meanwhile();
      return ::waitpid(child, &status, WNOHANG) == child;
    };
    if (!wait_until(what,
                    has_ended,
                    std::identity(),
                    {.look_every = look_every, .even_after_failure = true})) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
    }
    return status;
  }
  static void expect_killed(int status, const std::string& when) {
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << when;
  }
  void send_all() { send(INT_MAX); }

  struct Expected {
    int64_t rows = 0;
    uint64_t bronze = 0;
    uint64_t silver = 0;
    std::pair<int64_t, uint64_t> late;
    uint64_t steps = 0;
    uint64_t online = 0;
    std::vector<std::string> answers;
  };
  /// What a run makes of the same events in one file.
  const Expected& expected() {
    static std::map<std::pair<int32_t, int>, Expected> known;
    const auto [at, is_new] = known.try_emplace(events_.settings());
    if (is_new) {
      TestProject files;
      files.change("source: events\n", kWithKey);
      files.change("{path: data, format: csv}", "{path: events, format: csv}");
      events_.allow_some_late(files);
      files.write("events/events.csv", events_.to_csv());
      EXPECT_TRUE(files.run().ok());
      at->second = {files.count("bronze/events"),
                    content_of(files, "bronze/events"),
                    content_of(files, "silver/clean"),
                    late_of(files),
                    files.steps_hash(),
                    files.online_hash(),
                    answers_of(files)};
    }
    return at->second;
  }
  /// How many rows are late, and their hash.
  std::pair<int64_t, uint64_t> late_of(TestProject& project) const {
    using Late = std::pair<int64_t, uint64_t>;  // none: there is no table of them
    return !events_.has_late()
               ? Late()
               : Late(project.count("silver/clean_late"), content_of(project, "silver/clean_late"));
  }

  /// Hash of the rows of a table, but for where in their source they stood.
  static uint64_t content_of(TestProject& project, const std::string& table) {
    const auto workspace = project.open();
    return data::content_hash(*workspace->read_table(table, "* EXCLUDE (sequence)", "", ""));
  }

  /// What the online store answers of every user, soon behind the days and later.
  static std::vector<std::string> answers_of(TestProject& project) {
    const auto workspace = project.open();
    online::OnlineStore* const store = *workspace->online(true);
    const gold::FeatureViewPtr view = *workspace->view("spend");
    std::vector<std::string> answers;
    for (int user = 0; user < 10; ++user) {
      const data::Scalar name[] = {data::Scalar::string("u" + std::to_string(user))};
      const data::EntityKey key = *data::encode_key(name);
      for (const char* now : {"2026-01-07 00:30:00", "2026-01-07 06:00:00"}) {
        const gold::FeatureValues found = (*store->read(*view, {&key, 1}, *parse_time(now)))[0];
        std::string& answer = answers.emplace_back(now);
        for (const data::Scalar& value : found.values) {
          answer += " " + data::format_scalar(value);
        }
      }
    }
    return answers;
  }

  /// In every stage's account over all of its history, what came in went out or was left out.
  void expect_balance() {
    const auto workspace = project_.open();
    const std::vector<StageStatus> stages = *project_status(*workspace);
    for (const StageStatus& stage : stages) {
      const data::Account& rows = stage.account.rows;
      EXPECT_TRUE(rows.balances()) << accounts_json({stage.account});
      if (stage.account.stage == "bronze" && stage.account.name == "events") {
        EXPECT_EQ(rows.in, topic_.sent());
        EXPECT_EQ(rows.out, expected().rows);
        EXPECT_EQ(rows.quarantined, sent_bad_);
      }
    }
  }

  /// Everything is there as a run over files gives it, and each bad record was refused once.
  void compare() {
    expect_balance();
    EXPECT_EQ(answers_of(project_), expected().answers);
    if (is_one_store_) {  // else each part says what it holds as of its own newest row
      EXPECT_EQ(project_.online_hash(), expected().online);
    }
    if (has_lake_) {
      EXPECT_EQ(project_.count("bronze/events"), expected().rows);
      EXPECT_EQ(content_of(project_, "bronze/events"), expected().bronze);
      EXPECT_EQ(content_of(project_, "silver/clean"), expected().silver);
      EXPECT_EQ(late_of(project_), expected().late);
      EXPECT_EQ(expected().late.first > 0, events_.has_late());
      EXPECT_EQ(project_.count("bronze/events_quarantine"), sent_bad_);
      EXPECT_EQ(project_.steps_hash(), expected().steps);
    }
  }

  void send(int count) {
    const CrashEvents::Some some = events_.take(count);
    for (int i = 0; i < some.bad; ++i) {
      topic_.send(0, "no event");
    }
    sent_bad_ += some.bad;
    topic_.send_csv(some.csv);
    if (!some.again.empty()) {
      topic_.send_elsewhere(some.again);
    }
  }

  pid_t start(const std::string& point, bool shares = false) {
    const std::string folder = project_.folder();
    ::unlink((folder + "/ready").c_str());
    const std::string folder_word = std::string(kUpFolder) + "=" + folder;
    const std::string point_word = "ASSAY_FAIL_POINT=" + point;
    std::vector<const char*> environment;
    for (char** word = ::environ; *word != nullptr; ++word) {
      environment.push_back(*word);
    }
    environment.push_back(folder_word.c_str());
    if (!point.empty()) {
      environment.push_back(point_word.c_str());
    }
    const std::string shares_word = std::string(kUpShares) + "=1";
    if (shares) {
      environment.push_back(shares_word.c_str());
    }
    environment.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {  // nothing but system calls: the parent has threads
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const char* const words[] = {"flow_test", "--gtest_filter=UpCrash.Child", nullptr};
      ::execve("/proc/self/exe",
               const_cast<char* const*>(words),
               const_cast<char* const*>(environment.data()));
      ::_exit(127);
    }
    return child;
  }

  [[nodiscard]] bool is_ready() const {
    return ::access((project_.folder() + "/ready").c_str(), F_OK) == 0;
  }

  TestTopic topic_;
  KafkaProject project_;
  CrashEvents events_;
  int64_t sent_bad_ = 0;
  bool has_lake_;
  bool is_one_store_;
};

/// Lines one after the other, whose processes end `ends` times in all, `of_a_line` times each;
/// `end_one` lets it happen. Each line must give in the end what an undisturbed one gives.
template <typename Line, typename EndOne>
void end_many_times(int ends, int of_a_line, uint64_t seed, EndOne end_one) {
  for (int done = 0; done < ends;) {
    Line line;
    for (int i = 0; i < of_a_line && done < ends; ++i, ++done) {
      end_one(line);
    }
    line.expect_as_undisturbed();
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << ", before end " << done;
  }
}

/// How many the environment wants.
inline int wanted_ends(const char* variable, int otherwise) {
  const char* wanted = std::getenv(variable);
  return wanted == nullptr ? otherwise : std::atoi(wanted);
}

}  // namespace assay::flow
