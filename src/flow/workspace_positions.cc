// Tables of a project with `lake: none`: positions without rows, under keys such as
// "silver/events_v1027". The number counts how often they were begun anew, so that no position of
// before, in an online store, is taken for one of now.

#include "data/scalar.h"
#include "flow/workspace.h"

namespace assay::flow {
namespace {

/// Beyond the numbers of tables with rows; online positions have 11 bits.
constexpr int64_t kFirstNumber = 1025;
constexpr int64_t kNumbers = 1000;

std::string generation_path(const catalog::Project& project, const std::string& bronze) {
  return join_path(project.lake, bronze + ".generation");
}

}  // namespace

Result<int64_t> Workspace::generation(const std::string& bronze) {
  const auto known = generations_.find(bronze);
  if (known != generations_.end()) {
    return known->second;
  }
  const Result<std::string> text = world_.files.read(generation_path(project_, bronze));
  int64_t generation = 0;
  if (text.code() != Code::kNotFound) {
    ASSAY_RETURN_IF_ERROR(text.status());
    ASSAY_ASSIGN_OR_RETURN(const data::Scalar number,
                           data::parse_scalar(*text, data::Type::kInt64));
    generation = std::get<int64_t>(number.value);
  }
  generations_[bronze] = generation;
  return generation;
}

Result<std::string> Workspace::positions_key(const std::string& base,
                                             const std::string& bronze,
                                             uint64_t fingerprint) {
  ASSAY_ASSIGN_OR_RETURN(const int64_t count, generation(bronze));
  std::string key = base + "_v" + std::to_string(kFirstNumber + count % kNumbers);
  fingerprints_[key] = fingerprint;
  return key;
}

Status Workspace::begin_new_positions(const std::string& bronze) {
  std::vector<std::string> old;
  ASSAY_ASSIGN_OR_RETURN(old.emplace_back(), bronze_table_key(bronze));
  for (const auto& [name, silver] : project_.silver) {
    if (silver.from == bronze) {
      ASSAY_ASSIGN_OR_RETURN(old.emplace_back(), silver_table_key(name));
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const int64_t count, generation(bronze));
  ASSAY_RETURN_IF_ERROR(world_.files.make_directories(project_.lake));
  ASSAY_RETURN_IF_ERROR(
      world_.files.write(generation_path(project_, bronze), std::to_string(count + 1)));
  generations_[bronze] = count + 1;
  for (const std::string& key : old) {  // nothing looks at them any more
    tables_.erase(key);
    ASSAY_ASSIGN_OR_RETURN(const std::vector<store::ObjectInfo> objects, store_->list(key + "/"));
    std::vector<std::string> keys;
    for (const store::ObjectInfo& object : objects) {
      keys.push_back(object.key);
    }
    ASSAY_RETURN_IF_ERROR(store_->remove_all(keys));
  }
  return {};
}

Result<bool> Workspace::is_of_definition(const std::string& key) {
  const Result<lake::DeltaTable*> found = table(key);
  if (found.code() == Code::kNotFound) {
    return true;
  }
  ASSAY_RETURN_IF_ERROR(found.status());
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, (*found)->snapshot());
  const std::optional<int64_t> fingerprint = snapshot->txn(app_id(key) + "/fingerprint");
  return !fingerprint || *fingerprint == static_cast<int64_t>(fingerprints_.at(key) >> 1);
}

}  // namespace assay::flow
