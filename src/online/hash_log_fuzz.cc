// Any bytes written anywhere into the files of a store, or any of them cut: opening and reading
// says `corrupt` or answers right, and never ends the program.
//
//   input: file u8 (bit 7: of a store as a running machine keeps it, else of a restarted machine),
//   then changes of offset u16, byte u8; the last single byte, if any: cut there

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/temp_folder.h"
#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/store_fixture.h"

namespace {

using assay::EventTime;
using assay::Result;
using assay::online::FakeView;

constexpr int kUsers = 20;
constexpr int kRounds = 40;

const FakeView& view() {
  static const FakeView only("clicks", {{"user_id", assay::data::Type::kString}}, 1);
  return only;
}

assay::online::HashLogOptions options() {
  assay::online::HashLogOptions small;
  small.file_bits = 12;
  small.index_bits = 4;
  small.checkpoint_bytes = 1 << 12;
  small.sync = false;
  return small;
}

/// Files of a store in which every feature is kRounds - 1, names in order.
const std::vector<std::pair<std::string, std::string>>& files() {
  static const std::vector<std::pair<std::string, std::string>> only = [] {
    const assay::TempFolder folder;
    assay::online::TestWorld world;
    {
      const auto store =
          assay::online::open_hash_log_store(world.world, folder.path(), options()).value();
      std::optional<int64_t> position;
      for (int64_t round = 0; round < kRounds; ++round) {
        std::vector<assay::online::FakeRow> rows;
        for (int user = 0; user < kUsers; ++user) {
          rows.push_back({"u" + std::to_string(user), 1, 1, {static_cast<double>(round)}});
        }
        ASSAY_CHECK(store
                        ->apply(view(),
                                assay::online::fake_batch(view(), rows, round * kUsers),
                                position,
                                round,
                                EventTime{1})
                        .ok());
        position = round;
      }
    }
    std::vector<std::pair<std::string, std::string>> found;
    const auto listed = world.files->list(folder.path());
    for (const assay::FileInfo& file : *listed) {
      found.emplace_back(assay::file_name(file.path), world.files->read(file.path).value());
    }
    return found;
  }();
  return only;
}

void check(const std::string& folder) {
  assay::online::TestWorld world;
  const auto store = assay::online::open_hash_log_store(world.world, folder, options());
  if (!store.ok()) {
    ASSAY_CHECK(store.code() == assay::Code::kCorrupt);
    return;
  }
  for (int user = 0; user < kUsers; ++user) {
    const auto key = assay::online::fake_key("u" + std::to_string(user));
    const auto answers = (*store)->read(view(), {&key, 1}, EventTime{1});
    ASSAY_CHECK(answers.ok() ? std::get<double>((*answers)[0].values[0].value) == kRounds - 1
                             : answers.code() == assay::Code::kCorrupt);
  }
}

/// Change a file in its place: a new one would be the head of a restarted machine.
void damage(const std::string& path, const uint8_t* data, std::size_t size) {
  assay::online::TestWorld world;
  std::string bytes = world.files->read(path).value();
  if (bytes.empty()) {
    return;
  }
  std::size_t at = 0;
  for (; at + 3 <= size; at += 3) {
    const std::size_t offset = (data[at] | std::size_t{data[at + 1]} << 8) % bytes.size();
    bytes[offset] = static_cast<char>(data[at + 2]);
  }
  if (at < size) {
    bytes.resize(bytes.size() * data[at] / 256);
  }
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSAY_CHECK(::pwrite(file, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  ASSAY_CHECK(::ftruncate(file, static_cast<off_t>(bytes.size())) == 0);
  ::close(file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const assay::TempFolder folder;
  assay::online::TestWorld world;
  for (const auto& [name, bytes] : files()) {
    ASSAY_CHECK(world.files->write(assay::join_path(folder.path(), name), bytes).ok());
  }
  if ((data[0] & 0x80) != 0) {
    const auto made = assay::online::open_hash_log_store(world.world, folder.path(), options());
    ASSAY_CHECK(made.ok());
  }
  const auto listed = world.files->list(folder.path());
  ASSAY_CHECK(listed.ok() && !listed->empty());
  damage((*listed)[(data[0] & 0x7F) % listed->size()].path, data + 1, size - 1);
  check(folder.path());
  return 0;
}
