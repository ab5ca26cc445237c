#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/object_store.h"

namespace assay::lake {

/// For tests: does what another store does, but for what a subclass does its own way.
class StoreUnderTest : public store::ObjectStore {
 public:
  explicit StoreUnderTest(store::ObjectStore& good) : good_(good) {}

  Result<std::string> get(const std::string& key) override { return good_.get(key); }
  Result<std::string> get_range(const std::string& key, int64_t offset, int64_t size) override {
    return good_.get_range(key, offset, size);
  }
  Status put(const std::string& key, std::string_view bytes) override {
    return good_.put(key, bytes);
  }
  Status put_if_absent(const std::string& key, std::string_view bytes) override {
    return good_.put_if_absent(key, bytes);
  }
  Result<std::vector<store::ObjectInfo>> list(const std::string& prefix,
                                              const std::string& start_after) override {
    return good_.list(prefix, start_after);
  }
  Result<std::vector<std::string>> list_folders(const std::string& key) override {
    return good_.list_folders(key);
  }
  Result<store::ObjectInfo> stat(const std::string& key) override { return good_.stat(key); }
  Status remove(const std::string& key) override { return good_.remove(key); }
  Status adopt(const std::string& key) override { return good_.adopt(key); }
  [[nodiscard]] std::string read_path(const std::string& key) const override {
    return good_.read_path(key);
  }
  [[nodiscard]] std::string write_path(const std::string& key) const override {
    return good_.write_path(key);
  }

 private:
  store::ObjectStore& good_;
};

}  // namespace assay::lake
