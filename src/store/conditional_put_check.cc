#include "store/conditional_put_check.h"

#include <thread>
#include <vector>

namespace assay::store {
namespace {

constexpr char kPassed[] = ".assay/conditional_put";
constexpr int kRacers = 4;
constexpr int kRounds = 3;

Status refuse(const std::string& why) {
  return {Code::kFailedPrecondition,
          "this service does not keep the promise that commits rest on (PUT with If-None-Match: "
          "*): " +
              why + "; nothing was committed. Use a service or version that does, or a folder"};
}

Status check_second_put(const ConditionalPutProbe& probe, const std::string& key) {
  ASSAY_RETURN_IF_ERROR(probe.put_if_absent(key, "first"));
  const Status second = probe.put_if_absent(key, "second");
  if (second.ok()) {
    return refuse("it replaced an object");
  }
  if (second.code() != Code::kAlreadyExists) {
    return second;
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string bytes, probe.store.get(key));
  return bytes == "first" ? Status() : refuse("it refused a put, and yet changed the object");
}

Status check_race(const ConditionalPutProbe& probe, const std::string& key) {
  std::vector<Status> results(kRacers);
  {
    std::vector<std::jthread> racers;
    racers.reserve(kRacers);
    for (int i = 0; i < kRacers; ++i) {
      racers.emplace_back([&, i] {
        results[static_cast<std::size_t>(i)] = probe.put_if_absent(key, std::to_string(i));
      });
    }
  }
  std::string winners;
  for (int i = 0; i < kRacers; ++i) {
    const Status& result = results[static_cast<std::size_t>(i)];
    if (result.ok()) {
      winners += std::to_string(i);
    } else if (result.code() == Code::kCommitUnknown) {
      return {};  // an answer was lost: this round says nothing
    } else if (result.code() != Code::kAlreadyExists) {
      return result;
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string bytes, probe.store.get(key));
  return winners == bytes ? Status()
                          : refuse("of " + std::to_string(kRacers) + " at once, " +
                                   std::to_string(winners.size()) + " were told that they won");
}

}  // namespace

Status ensure_conditional_put(const ConditionalPutProbe& probe) {
  const Result<std::string> passed = probe.store.get(kPassed);
  if (passed.ok() && *passed == probe.service) {
    return {};
  }
  if (!passed.ok() && passed.code() != Code::kNotFound) {
    return passed.status();
  }
  const std::string base = ".assay/probe-" + probe.world.random.uuid();
  std::vector<std::string> keys = {base + "-second"};
  Status status = check_second_put(probe, keys.back());
  for (int round = 0; status.ok() && round < kRounds; ++round) {
    keys.push_back(base + "-race-" + std::to_string(round));
    status = check_race(probe, keys.back());
  }
  static_cast<void>(probe.store.remove_all(keys));
  ASSAY_RETURN_IF_ERROR(status);
  return probe.store.put(kPassed, probe.service);
}

}  // namespace assay::store
