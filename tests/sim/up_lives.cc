#include "up_lives.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include <sys/wait.h>

#include "base/clock.h"
#include "base/pause.h"
#include "base/random.h"

namespace assay::sim {
namespace {

constexpr int kSteps = 8;  // of a life, between which something happens
/// A life that brings in nothing for so long hangs, however much else the machine has to do.
constexpr Duration kHangs{600 * kMicrosPerSecond};
constexpr Duration kBlink{5'000};

void replace(std::string* text, const std::string& from, const std::string& to) {
  text->replace(text->find(from), from.size(), to);
}

int64_t progress_of(const Folder& folder) {
  const Result<std::string> text = system_files()->read(progress_path(folder.path()));
  return text.ok() ? std::atoll(text->c_str()) : -1;
}

/// The process that shares topics with the one of a life: it leaves or is killed before that ends.
class Beside {
 public:
  Beside(const Folder& folder, const Life& life, Random& random)
      : leaves_at_(static_cast<int>(random.below(kSteps))),
        signal_(random.below(2) == 0 ? SIGKILL : SIGTERM) {
    Life other = life;
    other.seed = random.next();
    process_ = begin_process([&] { return sim::live(other, folder.path()); });
  }
  void at(int step) const {
    if (step == leaves_at_) {
      ::kill(process_, signal_);
    }
  }
  /// Whether it ended as it was told to; one that does not end is killed.
  bool has_left(Clock& clock) const {
    int status = 0;
    const Duration asked = clock.monotonic();
    while (::waitpid(process_, &status, WNOHANG) != process_) {
      if (clock.monotonic().micros - asked.micros > kHangs.micros) {
        std::printf("process %d, which shares, does not end\n", process_);
        ::kill(process_, SIGKILL);
        ::waitpid(process_, &status, 0);
        return false;
      }
      pause_for(kBlink);
    }
    return end_of(status) == (signal_ == SIGKILL ? End::kDied : End::kCame);
  }

 private:
  int leaves_at_;
  int signal_;
  pid_t process_ = -1;
};

}  // namespace

UpOutside::UpOutside(const Scenario& scenario) : scenario_(scenario), topic_(scenario.partitions) {
  std::string online = scenario.online_kind + ":./online";
  if (scenario.online_kind == "redis") {
    redis_ = std::make_unique<online::RedisUnderTest>();
    online = redis_->fresh_url();
  }
  replace(&scenario_.settings, "ONLINE", online);
  replace(&scenario_.definitions, "BROKERS", topic_.brokers());
}

Scenario UpOutside::undisturbed() const {
  Scenario plain = scenario_;
  plain.settings =
      "project: sim\nlake: ./lake\ncatalog: ./catalog.db\nonline: lmdb:./online\n"
      "serving: {clock: data}\n";
  return plain;
}

void UpOutside::send(int64_t count) {
  for (; count > 0 && sent_ < scenario_.records.size(); --count, ++sent_) {
    topic_.send(scenario_.records[sent_]);
  }
  topic_.flush();
}

void UpOutside::send_rest() {
  send(static_cast<int64_t>(scenario_.records.size()));
}

/// What happens at a step; all of it is over at the last one.
void UpOutside::befall(const Life& life, int step, std::optional<pid_t> process) {
  if (life.brokers_go && (step == 2 || step == 5)) {
    topic_.set_away(step == 2);
  }
  if (life.disk_fills && process && (step == 1 || step == 6)) {
    ::kill(*process, step == 1 ? SIGUSR1 : SIGUSR2);
  }
  if (life.redis_goes && step == 3) {
    redis_->kill();
  }
  if (life.redis_goes && step == 6) {
    redis_->start();
  }
}

End UpOutside::live(Folder& folder, const Life& life) {
  const std::unique_ptr<Random> random = seeded_random(life.seed);
  const std::unique_ptr<Clock> clock = system_clock();
  (void)system_files()->remove(progress_path(folder.path()));
  hold_signals(true);  // until it listens to them
  const pid_t process = begin_process([&] { return sim::live(life, folder.path()); });
  std::optional<Beside> beside;
  if (life.shares) {
    beside.emplace(folder, life, *random);
  }
  hold_signals(false);
  const int killed_at = life.is_killed ? static_cast<int>(random->below(kSteps)) : kSteps;
  int status = 0;
  bool is_over = false;
  const auto look = [&] { is_over = is_over || ::waitpid(process, &status, WNOHANG) == process; };
  // Before it is at work, whatever is away is a failure.
  const bool is_to_recover = life.brokers_go || life.redis_goes || life.disk_fills;
  const Duration started = clock->monotonic();
  while (is_to_recover && !is_over && progress_of(folder) < 0 &&
         clock->monotonic().micros - started.micros < kHangs.micros) {
    pause_for(kBlink);
    look();
  }
  for (int step = 0; step < kSteps; ++step) {
    befall(life, step, is_over ? std::nullopt : std::optional(process));
    if (beside) {
      beside->at(step);
    }
    const bool is_away = life.brokers_go && step >= 2 && step < 5;
    if (!is_away) {
      send(life.new_records / (kSteps - 3) + 1);
    }
    for (auto blinks = random->below(life.is_killed ? 30 : 12); blinks > 0 && !is_over; --blinks) {
      pause_for(kBlink);
      look();
    }
    if (step == killed_at && !is_over) {
      ::kill(process, SIGKILL);
    }
  }
  const bool is_wrong = beside && !beside->has_left(*clock);
  Duration began = clock->monotonic();
  bool is_asked = false;
  int64_t progress = -1;
  for (look(); !is_over; look()) {
    if (const int64_t now = progress_of(folder); now != progress) {
      progress = now;
      began = clock->monotonic();
    }
    if (!is_asked && progress_of(folder) == static_cast<int64_t>(sent_)) {
      is_asked = true;
      ::kill(process, SIGTERM);
    }
    if (clock->monotonic().micros - began.micros > kHangs.micros) {
      std::printf("process %d hangs: it has %lld of %zu records\n",
                  process,
                  static_cast<long long>(progress_of(folder)),
                  sent_);
      ::kill(process, SIGKILL);
      ::waitpid(process, &status, 0);
      return End::kWrong;
    }
    pause_for(kBlink);
  }
  return is_wrong ? End::kWrong : end_of(status);
}

}  // namespace assay::sim
