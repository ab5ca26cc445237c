#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/world.h"

namespace assay::online {

/// What a restart of the machine leaves of a hash log: a copied head is not believed.
inline void forget_memory(const std::string& folder) {
  const std::filesystem::path head = std::filesystem::path(folder) / "head";
  const std::filesystem::path copy = std::filesystem::path(folder) / "head.copy";
  std::filesystem::copy(head, copy);
  std::filesystem::rename(copy, head);
}

/// Real disk, all else fake.
struct TestWorld {
  FakeClock clock{EventTime{1'000'000'000}};
  std::unique_ptr<FileSystem> files = system_files();
  std::unique_ptr<Random> random = seeded_random(1);
  std::unique_ptr<Log> log = null_log();
  Metrics metrics;
  World world{clock, *files, *random, *log, metrics};
};

}  // namespace assay::online
