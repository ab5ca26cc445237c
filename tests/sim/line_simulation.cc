// The whole line in a world of faults: a seed says the project, the files that come to it, and the
// processes that work on it: some die at a system call or a fail point, for some disks are full or
// do not answer, clocks jump by days, and compaction, checkpoints and vacuum work in between.
// What is in bronze, quarantine, silver, gold and the online store at the end must be what one
// process makes that nothing befalls, and the doctor must find nothing.
//
// With `up` the events come from a topic, while `assay up` is at work; there are also brokers and a
// Redis server that go and come, disks that are full for a while, and clocks that jump under way.
// It must recover by itself. Where threads meet is not the seed's to say: a seed that failed may
// succeed.
//
//   line_simulation [up] FIRST_SEED [COUNT]   a seed that fails prints how to see it again, exit 1

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include <unistd.h>

#include "folder.h"
#include "process.h"
#include "scenario.h"
#include "up_lives.h"

namespace assay::sim {
namespace {

std::string name_of(End end) {
  static const std::map<End, std::string> kNames{{End::kCame, "came to its end"},
                                                 {End::kDied, "died"},
                                                 {End::kFailed, "failed"},
                                                 {End::kWrong, "ENDED WRONGLY"}};
  return kNames.at(end);
}

/// Where no call fails, none may say so: what is away for a while is waited for.
bool may_end_so(const Life& life, End end) {
  return end != End::kWrong && (life.fails_one_in != 0 || end != End::kFailed);
}

bool tell(const Scenario& scenario,
          const std::string& story,
          const std::string& found,
          const std::string& expected,
          const char* mode) {
  std::printf("seed %llu\n%s%sits lives:\n%sholds\n%sexpected\n%s\nagain: line_simulation %s%llu\n",
              static_cast<unsigned long long>(scenario.seed),
              scenario.settings.c_str(),
              scenario.definitions.c_str(),
              story.c_str(),
              found.c_str(),
              expected.c_str(),
              mode,
              static_cast<unsigned long long>(scenario.seed));
  return false;
}

/// Whether the scenario of a seed ends as if nothing had happened; counts how its lives ended.
bool simulate(uint64_t seed, std::map<End, int64_t>* ends) {
  const Scenario scenario = Scenario::make(seed);
  Folder disturbed(scenario);
  std::string story;
  bool is_right = true;
  for (const Life& life : scenario.lives) {
    const End end = disturbed.live(life);
    ++(*ends)[end];
    story += "  " + life.to_string() + ": " + name_of(end) + "\n";
    is_right = is_right && may_end_so(life, end);  // and the last one comes to its end
  }
  const std::string found = disturbed.contents({});
  Folder undisturbed(scenario);
  const End twin = undisturbed.live(scenario.undisturbed());
  const std::string expected = undisturbed.contents({.is_examined = false});
  is_right = is_right && twin == End::kCame && found == expected &&
             found.find("hash") != std::string::npos;
  return is_right || tell(scenario, story, found, expected, "");
}

/// The same of one whose events come from a topic while `assay up` is at work.
bool simulate_up(uint64_t seed, std::map<End, int64_t>* ends) {
  UpOutside outside(Scenario::make_up(seed));
  const Scenario& scenario = outside.scenario();
  Folder disturbed(scenario);
  std::string story;
  bool is_right = true;
  for (const Life& life : scenario.lives) {
    const bool is_last = life.work == Life::Work::kRun;
    if (is_last) {
      outside.send_rest();
    }
    const End end = is_last ? disturbed.live(life) : outside.live(disturbed, life);
    ++(*ends)[end];
    story += "  " + life.to_string() + ": " + name_of(end) + "\n";
    is_right = is_right && may_end_so(life, end);
  }
  const std::string found = disturbed.contents({.has_lake = scenario.has_lake});
  const Scenario plain = outside.undisturbed();
  Folder undisturbed(plain);
  const End twin = undisturbed.live(plain.undisturbed());
  const std::string expected =
      undisturbed.contents({.has_lake = scenario.has_lake, .is_examined = false});
  is_right = is_right && twin == End::kCame && found == expected &&
             found.find("hash") != std::string::npos;
  return is_right || tell(scenario, story, found, expected, "up ");
}

int run(bool is_up, uint64_t first, uint64_t count) {
  std::map<End, int64_t> ends;
  uint64_t wrong = 0;
  for (uint64_t seed = first; seed < first + count && wrong < 5; ++seed) {
    wrong += (is_up ? simulate_up : simulate)(seed, &ends) ? 0 : 1;
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
  // Else each process would look for the engine's functions anew when it first calls them.
  if (std::getenv("LD_BIND_NOW") == nullptr) {
    ::setenv("LD_BIND_NOW", "1", 1);
    ::execv("/proc/self/exe", argv);
  }
  const bool is_up = argc > 1 && std::string(argv[1]) == "up";
  const int first = is_up ? 2 : 1;
  if (argc <= first) {
    std::fprintf(stderr, "line_simulation [up] FIRST_SEED [COUNT]\n");
    return 2;
  }
  return assay::sim::run(is_up,
                         std::strtoull(argv[first], nullptr, 10),
                         argc > first + 1 ? std::strtoull(argv[first + 1], nullptr, 10) : 1);
}
