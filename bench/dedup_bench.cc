// Duplicates by keys, one thread: all keys of `dedup_for` in memory against 256 MB of memory and
// the others in files. Keys come once, and again now and then, from any time before. Batches
// alternate between the two, verdicts are compared; told is what the last tenth of them took.
//
//   dedup_bench [MILLIONS_OF_KEYS]

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "base/time.h"
#include "bronze/dedup.h"

namespace {

using assay::Duration;
using assay::EventTime;
using assay::kMicrosPerDay;
using assay::bronze::DedupIndex;
using assay::bronze::TimeRange;

constexpr int64_t kBatch = 10'000;
constexpr uint64_t kOneInRepeats = 20;

double computed() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

struct Record {
  std::string key;
  EventTime event_time;
};

struct Judged {
  double seconds = 0;
  int64_t accepted = 0;
};

/// What bronze does with a batch, but for reading the table.
Judged judge(DedupIndex& index, const std::vector<Record>& records, int64_t sequence) {
  const double began = computed();
  const TimeRange all[] = {{EventTime::min(), EventTime::max()}};
  if (index.is_full()) {
    ASSAY_CHECK(index.make_room(all).ok());
  }
  if (!index.files().empty()) {
    std::vector<DedupIndex::AskedKey> asked;
    for (const Record& record : records) {
      asked.push_back({record.key, record.event_time});
    }
    ASSAY_CHECK(index.recall(asked).ok());
  }
  Judged judged;
  for (const Record& record : records) {
    judged.accepted += index.accept(record.key, record.event_time, sequence++) ? 1 : 0;
  }
  judged.seconds = computed() - began;
  return judged;
}

void tell(const char* what, const DedupIndex& index, int64_t records, const Judged& judged) {
  std::printf("%-22s %6.2f M records/s, %5.0f MB of memory, %6.0f MB in %zu files\n",
              what,
              static_cast<double>(records) / judged.seconds / 1e6,
              static_cast<double>(index.bytes()) / (1 << 20),
              static_cast<double>(index.files().file_bytes()) / (1 << 20),
              index.files().count());
}

void run(int64_t keys) {
  constexpr std::size_t kMemory = std::size_t{256} << 20;
  const std::string folder = std::filesystem::temp_directory_path();
  DedupIndex held(Duration{kMicrosPerDay});
  DedupIndex bounded(Duration{kMicrosPerDay}, true, {folder, kMemory});
  const TimeRange all{EventTime::min(), EventTime::max()};
  held.note_loaded(all);
  bounded.note_loaded(all);
  const auto random = assay::seeded_random(1);
  Judged of_held;
  Judged of_bounded;
  int64_t records_told = 0;
  int64_t next_key = 0;
  for (int64_t sequence = 0; next_key < keys; sequence += kBatch) {
    std::vector<Record> records;
    for (int64_t i = 0; i < kBatch; ++i) {
      const bool repeats = next_key > 0 && random->below(kOneInRepeats) == 0;
      const int64_t key = repeats
                              ? static_cast<int64_t>(random->below(static_cast<uint64_t>(next_key)))
                              : next_key++;
      records.push_back(
          {"event-" + std::to_string(1'000'000'000 + key), {next_key * (kMicrosPerDay / keys)}});
    }
    const Judged a = judge(held, records, sequence);
    const Judged b = judge(bounded, records, sequence);
    ASSAY_CHECK(a.accepted == b.accepted);
    if (next_key > keys / 10 * 9) {
      of_held.seconds += a.seconds;
      of_bounded.seconds += b.seconds;
      records_told += kBatch;
    }
  }
  std::printf("%lld million keys of a day, one record in %llu repeats one\n",
              static_cast<long long>(keys / 1'000'000),
              static_cast<unsigned long long>(kOneInRepeats));
  tell("all in memory", held, records_told, of_held);
  tell("256 MB of memory", bounded, records_told, of_bounded);
  std::printf("ratio %.2f\n", of_held.seconds / of_bounded.seconds);
}

}  // namespace

int main(int argc, char** argv) {
  run((argc > 1 ? std::atoll(argv[1]) : 20) * 1'000'000);
  return 0;
}
