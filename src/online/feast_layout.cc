#include "online/feast_layout.h"

#include "data/feast_value.h"
#include "data/protobuf.h"

namespace assay::online {

FeastLayout::FeastLayout(const gold::FeatureView& view, std::string project)
    : keys_(view.keys()),
      of_nobody_(view.keys().empty()),
      project_(std::move(project)),
      time_field_("_ts:" + view.name()) {
  if (of_nobody_) {  // Feast's stand-in
    keys_.push_back({"__dummy_id", data::Type::kString});
  }
  for (const data::Field& feature : view.features()) {
    fields_.push_back(data::feast_redis_field(view.name(), feature.name));
  }
}

Result<std::string> FeastLayout::hash_key(const data::EntityKey& key) const {
  std::vector<data::Scalar> values{data::Scalar::string("")};
  if (!of_nobody_) {
    ASSAY_ASSIGN_OR_RETURN(values, data::decode_key(key));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                         data::feast_entity_key(keys_, values));
  return bytes.value_or("") + project_;
}

std::vector<std::string> FeastLayout::put(const std::string& hash_key,
                                          const gold::FeatureValues& values) const {
  if (!values.event_time.has_value()) {
    return erase(hash_key);
  }
  std::vector<std::string> command{"HSET", hash_key};
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    command.push_back(fields_[i]);
    command.push_back(data::to_feast_value(values.values[i]));
  }
  command.push_back(time_field_);
  command.push_back(data::proto_seconds(values.event_time->micros));
  return command;
}

std::vector<std::string> FeastLayout::erase(const std::string& hash_key) const {
  std::vector<std::string> command{"HDEL", hash_key};
  command.insert(command.end(), fields_.begin(), fields_.end());
  command.push_back(time_field_);
  return command;
}

}  // namespace assay::online
