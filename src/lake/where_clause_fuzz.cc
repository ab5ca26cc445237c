// Any text as a WHERE clause and as a file's statistics: pruning neither crashes nor hangs, and a
// clause that ends in OR TRUE prunes nothing.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "lake/pruning.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using assay::data::Type;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = bytes.find('|');
  const std::string where(bytes.substr(0, cut));
  assay::lake::Snapshot snapshot;
  snapshot.schema = assay::data::make_schema({{"l", Type::kInt64},
                                              {"d", Type::kFloat64},
                                              {"s", Type::kString},
                                              {"ts", Type::kTimestamp},
                                              {"b", Type::kBool},
                                              {"dt", Type::kDate},
                                              {"p", Type::kString}});
  snapshot.partition_columns = {"p"};
  assay::lake::DataFile file;
  file.path = "f";
  file.partition_values["p"] = "x";
  file.stats_json = cut == std::string_view::npos ? "" : std::string(bytes.substr(cut + 1));
  snapshot.files.put(file);
  static_cast<void>(assay::lake::prune_files(snapshot, where));
  const bool plain = where.find_first_of("'\"()[]{}$-/;") == std::string::npos;
  if (plain) {
    ASSAY_CHECK(assay::lake::prune_files(snapshot, where + " OR TRUE").size() == 1);
  }
  return 0;
}
