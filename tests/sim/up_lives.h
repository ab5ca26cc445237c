#pragma once

#include <memory>
#include <optional>

#include "folder.h"
#include "online/redis_under_test.h"
#include "process.h"
#include "scenario.h"
#include "topic_process.h"

namespace assay::sim {

/// What is around a project whose events come from a topic: brokers, and a Redis server if it has
/// one. It is the world that disturbs `assay up`.
class UpOutside {
 public:
  explicit UpOutside(const Scenario& scenario);

  /// The scenario with its addresses.
  [[nodiscard]] const Scenario& scenario() const { return scenario_; }
  /// The same with a lake and an embedded store, for a run that nothing befalls.
  [[nodiscard]] Scenario undisturbed() const;
  /// Start `assay up` in a folder, let come and befall what the life says, and, unless it dies, end
  /// it when its tables have everything that was sent.
  End live(Folder& folder, const Life& life);
  /// Send what no life took.
  void send_rest();

 private:
  void send(int64_t count);
  void befall(const Life& life, int step, std::optional<pid_t> process);

  Scenario scenario_;
  TopicProcess topic_;
  std::unique_ptr<online::RedisUnderTest> redis_;
  std::size_t sent_ = 0;
};

}  // namespace assay::sim
