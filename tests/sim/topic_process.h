#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>

#include "scenario.h"

namespace assay::sim {

/// A broker with the topic `events`, in a process of its own: who starts it stays without threads,
/// and may fork. It ends with it.
class TopicProcess {
 public:
  explicit TopicProcess(int32_t partitions);
  ~TopicProcess();
  TopicProcess(const TopicProcess&) = delete;
  TopicProcess& operator=(const TopicProcess&) = delete;

  [[nodiscard]] const std::string& brokers() const { return brokers_; }
  void send(const TopicRecord& record);
  /// The broker has what was sent.
  void flush() { (void)ask("flush"); }
  /// Take the broker away, and bring it back.
  void set_away(bool is_away) { (void)ask(is_away ? "away" : "back"); }

 private:
  std::string ask(const std::string& line);

  pid_t process_ = -1;
  int words_ = -1;
  int answers_ = -1;
  std::string brokers_;
};

}  // namespace assay::sim
