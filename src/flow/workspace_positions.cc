// Tables of a project with `lake: none`: positions without rows, under keys such as
// "silver/events_v1627". The number counts, from a random one on, how often they were begun anew,
// so that no position of before in an online store, or of another folder, is taken for one of now.

#include "base/fail_point.h"
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
  if (text.code() == Code::kNotFound) {
    generation = static_cast<int64_t>(world_.random.below(kNumbers));
  } else {
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

Result<bool> Workspace::has_positions(const std::string& bronze) {
  const Result<FileInfo> found = world_.files.stat(generation_path(project_, bronze));
  if (found.code() == Code::kNotFound) {
    return false;
  }
  ASSAY_RETURN_IF_ERROR(found.status());
  return true;
}

Status Workspace::begin_new_positions(const std::string& bronze) {
  ASSAY_ASSIGN_OR_RETURN(const int64_t count, generation(bronze));
  ASSAY_RETURN_IF_ERROR(world_.files.make_directories(project_.lake));
  ASSAY_RETURN_IF_ERROR(
      world_.files.write(generation_path(project_, bronze), std::to_string(count + 1)));
  fail_point("flow.direct.after_generation");
  generations_[bronze] = count + 1;
  // Nothing looks at those of before any more, those that a crash left behind among them.
  ASSAY_RETURN_IF_ERROR(remove_positions("bronze/" + bronze));
  for (const auto& [name, silver] : project_.silver) {
    if (silver.from == bronze) {
      ASSAY_RETURN_IF_ERROR(remove_positions("silver/" + name));
    }
  }
  return {};
}

/// Remove every table "base_v1234". What was refused is in tables beside them, and stays.
Status Workspace::remove_positions(const std::string& base) {
  const std::string prefix = base + "_v";
  std::vector<std::string> gone;
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::ObjectInfo> objects, store_->list(prefix));
  for (const store::ObjectInfo& object : objects) {
    const std::string key = object.key.substr(0, object.key.find('/', prefix.size()));
    const std::string number = key.substr(prefix.size());
    if (!number.empty() && number.find_first_not_of("0123456789") == std::string::npos) {
      tables_.erase(key);
      gone.push_back(object.key);
    }
  }
  return store_->remove_all(gone);
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
