// Any bytes as values of an LMDB store, under the right checksum or a wrong one: of a row, of a
// page of a long row, of where the view stands, of the number of its next page. Reading and
// applying say `corrupt` or go on, and never end the program; a wrong checksum is never an answer.
//
//   input: which value u8 (bit 7: with the right checksum), its bytes

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/temp_folder.h"
#include "online/crc32c.h"
#include "online/fake_view.h"
#include "online/lmdb_env.h"
#include "online/online_store.h"
#include "online/store_fixture.h"

namespace {

using assay::EventTime;
using assay::Status;
using assay::online::FakeView;
using assay::online::LmdbEnv;
using assay::online::LmdbTable;

const std::vector<std::string> kUsers = {"a", "b", std::string(600, 'c')};

const FakeView& view() {
  static const FakeView only("clicks", {{"user_id", assay::data::Type::kString}}, 2);
  return only;
}

/// A row of a user, all values the same; those with larger ones are newer.
assay::data::Batch row_of(const std::string& user, double value) {
  return assay::online::fake_batch(
      view(), {{user, 1, 1, {value, value}}}, static_cast<int64_t>(value));
}

assay::online::LmdbOptions options() {
  assay::online::LmdbOptions scratch;
  scratch.sync = false;
  return scratch;
}

struct Value {
  LmdbTable table;
  std::string key;
  std::string bytes;
};

/// A store of two users, and one with a key that is too long for LMDB's.
class Store {
 public:
  Store() {
    {
      const auto store = open();
      for (int64_t position = 0; position < std::ssize(kUsers); ++position) {
        const auto before = position == 0 ? std::nullopt : std::optional(position - 1);
        ASSAY_CHECK(store
                        ->apply(view(),
                                row_of(kUsers[static_cast<std::size_t>(position)], 7),
                                before,
                                position,
                                EventTime{1},
                                {})
                        .ok());
      }
    }
    const auto env = open_env();
    const auto snapshot = env->snapshot();
    for (const LmdbTable table : {LmdbTable::kRows, LmdbTable::kMeta}) {
      const auto take = [&](std::string_view key, std::string_view bytes) {
        values_.push_back({table, std::string(key), std::string(bytes)});
        return Status();
      };
      ASSAY_CHECK(snapshot.ok() && snapshot->scan(table, "", take).ok());
    }
    ASSAY_CHECK(values_.size() > kUsers.size());
  }
  [[nodiscard]] const Value& value(std::size_t number) const {
    return values_[number % values_.size()];
  }
  /// As it was, but for one value.
  void damage(const Value& which, std::string_view bytes) {
    const auto damaged = open_env()->update([&](LmdbEnv::Writer& writer) -> Status {
      for (const Value& value : values_) {
        ASSAY_RETURN_IF_ERROR(
            writer.put(value.table, value.key, &value == &which ? bytes : value.bytes));
      }
      return {};
    });
    ASSAY_CHECK(damaged.ok());
  }
  std::unique_ptr<assay::online::OnlineStore> open() {
    return assay::online::open_lmdb_store(world_.world, folder_.path(), options()).value();
  }

 private:
  std::unique_ptr<LmdbEnv> open_env() { return LmdbEnv::open(folder_.path(), options()).value(); }

  assay::TempFolder folder_;
  assay::online::TestWorld world_;
  std::vector<Value> values_;
};

bool is_refusal(assay::Code code) {
  return code == assay::Code::kCorrupt || code == assay::Code::kFailedPrecondition;
}

void check(assay::online::OnlineStore& store, bool is_forged) {
  for (const std::string& user : kUsers) {
    const assay::data::EntityKey key = assay::online::fake_key(user);
    const auto answers = store.read(view(), {&key, 1}, EventTime{1});
    ASSAY_CHECK(answers.ok() || is_refusal(answers.code()));
    ASSAY_CHECK(!answers.ok() || is_forged ||
                (*answers)[0].values[0] == assay::data::Scalar::float64(7));
  }
  const auto applied = store.applied_to(view());
  const std::optional<int64_t> at =
      applied.ok() && applied->has_value() ? std::optional((*applied)->position) : std::nullopt;
  for (const std::string& user : kUsers) {
    const Status more = store.apply(view(), row_of(user, 8), at, at.value_or(0), EventTime{1}, {});
    ASSAY_CHECK(more.ok() || is_refusal(more.code()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static Store store;
  if (size == 0) {
    return 0;
  }
  const Value& which = store.value(data[0] & 0x7F);
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool is_forged = (data[0] & 0x80) != 0 && bytes.size() >= 4;
  if (is_forged) {
    const uint32_t crc =
        assay::online::crc32c(std::string_view(bytes).substr(4), assay::online::crc32c(which.key));
    bytes.replace(0, 4, reinterpret_cast<const char*>(&crc), 4);
  }
  store.damage(which, bytes);
  check(*store.open(), is_forged);
  return 0;
}
