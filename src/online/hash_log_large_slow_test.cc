// A hash log that is larger than the memory its process may take: that holds batches, never rows.

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/temp_folder.h"
#include "online/online_store.h"
#include "online/store_fixture.h"
#include "online/user_rows.h"

namespace assay::online {
namespace {

constexpr int kFeatures = 60;
constexpr int kUsers = 500'000;
constexpr int kBatch = 5'000;
constexpr int64_t kMemory = 64 << 20;  // beyond what the process has to begin with

/// Of its own: the heap, stacks and what else no file is behind.
int64_t private_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word == "VmData:") {
      int64_t kilobytes = 0;
      status >> kilobytes;
      return kilobytes << 10;
    }
  }
  return 0;
}

void limit_memory() {
  const int64_t begun = private_bytes();
  ASSAY_CHECK(begun > 0);
  const rlimit limit{static_cast<rlim_t>(begun + kMemory), static_cast<rlim_t>(begun + kMemory)};
  ASSAY_CHECK(::setrlimit(RLIMIT_DATA, &limit) == 0);
}

/// Take the files of a store out of the system's memory. How many bytes they have.
int64_t forget_files(TestWorld& world, const std::string& folder) {
  int64_t bytes = 0;
  const auto files = world.files->list(folder);
  ASSAY_CHECK(files.ok());
  for (const FileInfo& file : *files) {
    const int opened = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
    ASSAY_CHECK(opened >= 0 && ::fdatasync(opened) == 0);
    ASSAY_CHECK(::posix_fadvise(opened, 0, 0, POSIX_FADV_DONTNEED) == 0);
    ::close(opened);
    bytes += file.size_bytes;
  }
  return bytes;
}

/// What the rows of users say; of those in `changed` what they say anew.
bool reads_right(OnlineStore& store,
                 const FakeView& view,
                 int first,
                 const std::vector<bool>& changed) {
  std::vector<data::EntityKey> keys;
  for (int user = first; user < first + 100; ++user) {
    keys.push_back(fake_key("u" + std::to_string(user)));
  }
  const auto answers = store.read(view, keys, EventTime{1});
  bool good = answers.ok() && answers->size() == keys.size();
  for (std::size_t i = 0; good && i < keys.size(); ++i) {
    const auto user = static_cast<std::size_t>(first) + i;
    const double value = changed[user] ? 1e6 : static_cast<double>(user / kBatch);
    good = (*answers)[i].values.front() == data::Scalar::float64(value) &&
           (*answers)[i].values.back() == data::Scalar::float64(value);
  }
  return good;
}

int fill_and_read(const std::string& folder) {
  limit_memory();
  TestWorld world;
  const FakeView view = text_view("clicks", kFeatures);
  HashLogOptions options;
  options.sync = false;
  std::optional<int64_t> position;
  {
    const auto store = open_hash_log_store(world.world, folder, options).value();
    for (int first = 0; first < kUsers; first += kBatch) {
      const int batch = first / kBatch;
      const data::Batch rows = users(view, first, first + kBatch, batch);
      if (!store->apply(view, rows, position, batch, EventTime{1}).ok()) {
        return 1;
      }
      position = batch;
    }
  }
  if (forget_files(world, folder) < 3 * kMemory) {
    return 2;
  }
  const auto store = open_hash_log_store(world.world, folder, options).value();
  std::vector<bool> changed(kUsers);
  for (int first = 0; first < kUsers; first += 100) {
    if (!reads_right(*store, view, first, changed)) {
      return 3;
    }
  }
  std::mt19937_64 random(20261129);
  for (int round = 0; round < 100; ++round) {
    const int first = static_cast<int>(random() % (kUsers / 100)) * 100;
    const data::Batch rows = users(view, first, first + 100, 1e6);
    if (!store->apply(view, rows, position, *position + 1, EventTime{1}).ok()) {
      return 4;
    }
    ++*position;
    std::fill_n(changed.begin() + first, 100, true);
    const int other = static_cast<int>(random() % (kUsers / 100)) * 100;
    if (!reads_right(*store, view, first, changed) || !reads_right(*store, view, other, changed)) {
      return 5;
    }
  }
  return 0;
}

TEST(HashLogLargerThanMemory, IsFilledReadAndUpdatedByAProcessThatMayHoldAFractionOfIt) {
  const TempFolder folder;
  EXPECT_EQ(in_child([&] { return fill_and_read(folder.path()); }), 0);
}

}  // namespace
}  // namespace assay::online
