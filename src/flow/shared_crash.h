#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "flow/up_crash.h"

// Several `assay up --share` in other processes of a test's program, which come, go and are killed.

namespace assay::flow {

/// What a project's topic needs so that a group forgets a killed member soon.
inline void forget_members_soon(TestProject& project) {
  project.change("options: {",
                 "options: {session.timeout.ms: \"3200\", heartbeat.interval.ms: \"100\", ");
}

class CrashedShares : public CrashedUp {
 public:
  CrashedShares() : CrashedUp(4) {
    forget_members_soon(project_);
    (void)project_.open();
  }
  ~CrashedShares() {
    while (!children_.empty()) {
      end_one(children_.size() - 1, SIGKILL);
    }
  }
  CrashedShares(const CrashedShares&) = delete;
  CrashedShares& operator=(const CrashedShares&) = delete;

  /// Start one; with a point it kills itself there.
  void start_one(const std::string& point = "") {
    children_.push_back({start(point, true), !point.empty(), true});
  }
  /// Start one that works alone.
  void start_alone() { children_.push_back({start(""), false, false}); }
  [[nodiscard]] std::size_t running() const { return children_.size(); }
  /// Whether one of them goes on until it is told to end.
  [[nodiscard]] bool has_lasting() const {
    return std::any_of(
        children_.begin(), children_.end(), [](const Child& child) { return !child.has_point; });
  }
  /// Those that run, but for those that were refused because another works on the project.
  struct Working {
    int alone = 0;
    int sharing = 0;
    bool operator==(const Working&) const = default;
  };
  Working working() {
    Working working;
    std::erase_if(children_, [&](const Child& child) {
      int status = 0;
      const bool has_ended = ::waitpid(child.process, &status, WNOHANG) == child.process;
      EXPECT_TRUE(!has_ended || (WIFEXITED(status) && WEXITSTATUS(status) == kRefused))
          << "status " << status;
      working.alone += has_ended || child.shares ? 0 : 1;
      working.sharing += has_ended || !child.shares ? 0 : 1;
      return has_ended;
    });
    return working;
  }
  /// Until no other than these run; some are refused first.
  void expect_working(const Working& expected) {
    wait_until(
        std::to_string(expected.alone) + " alone and " + std::to_string(expected.sharing) +
            " that share",
        [this] {
          const Working now = working();
          return std::pair(now.alone, now.sharing);
        },
        [&](const auto& now) { return now == std::pair(expected.alone, expected.sharing); });
  }
  /// Kill one, or let it leave: then it must end as one that was asked to.
  void end_one(std::size_t at, int signal) {
    const pid_t child = children_[at].process;
    children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(at));
    ::kill(child, signal);
    const int status = end_of(child, "a process that was told to end");
    const bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    const bool has_left = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    EXPECT_TRUE(is_killed || (signal == SIGTERM && has_left)) << "status " << status;
  }
  /// Send until bronze has more, so that whoever is there has begun to work; false when all is sent
  /// before.
  bool send_until_read() {
    const auto workspace = project_.open();
    const int64_t held = rows_of(*workspace, "bronze/events");
    for (int step = 1; has_events(); ++step) {
      send(1);
      pause_for({20'000});
      if (step % 10 == 0 && rows_of(*workspace, "bronze/events") > held) {
        return true;
      }
    }
    return false;
  }
  /// Send for so many microseconds.
  void send_for(uint64_t micros) {
    constexpr uint64_t kStep = 20'000;
    for (uint64_t at = 0; at < micros; at += kStep) {
      send(1);
      pause_for({kStep});
    }
  }
  /// Send the rest; when one process alone has brought all of it everywhere, compare with a run
  /// over files, and once more when another run has looked for what is to be done.
  void expect_as_undisturbed() {
    send_all();
    if (!has_lasting()) {
      start_one();
    }
    const auto lasting = std::find_if(
        children_.begin(), children_.end(), [](const Child& child) { return !child.has_point; });
    std::iter_swap(children_.begin(), lasting);
    while (running() > 1) {
      end_one(running() - 1, SIGTERM);
    }
    wait_for_rows(project_, "silver/clean", expected().rows);
    end_one(0, SIGTERM);
    compare();
    CrashedUp::expect_as_undisturbed();
  }

 private:
  struct Child {
    pid_t process = 0;
    bool has_point = false;
    bool shares = false;
  };
  std::vector<Child> children_;
};

}  // namespace assay::flow
