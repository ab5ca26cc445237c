#include "online/feast_layout.h"

#include <algorithm>

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

std::vector<std::string> FeastLayout::get(const std::string& hash_key) const {
  std::vector<std::string> command{"HMGET", hash_key};
  command.insert(command.end(), fields_.begin(), fields_.end());
  command.push_back(time_field_);
  return command;
}

std::vector<std::string> FeastLayout::erase(const std::string& hash_key) const {
  std::vector<std::string> command{"HDEL", hash_key};
  command.insert(command.end(), fields_.begin(), fields_.end());
  if (!time_field_.empty()) {
    command.push_back(time_field_);
  }
  return command;
}

void FeastLayout::leave_to(const FeastLayout& other) {
  if (other.project_ != project_) {
    return;
  }
  std::erase_if(fields_, [&](const std::string& field) {
    return std::find(other.fields_.begin(), other.fields_.end(), field) != other.fields_.end();
  });
  if (other.time_field_ == time_field_) {
    time_field_.clear();
  }
}

// project 1, time field 2, fields 3, keys 4 {name 1, type 2}, of nobody 5

std::string FeastLayout::text() const {
  std::string text;
  data::ProtoWriter writer(text);
  writer.bytes(1, project_);
  writer.bytes(2, time_field_);
  for (const std::string& field : fields_) {
    writer.bytes(3, field);
  }
  for (const data::Field& key : keys_) {
    std::string one;
    data::ProtoWriter fields(one);
    fields.bytes(1, key.name);
    fields.bytes(2, data::type_name(key.type));
    writer.bytes(4, one);
  }
  writer.integer(5, of_nobody_ ? 1 : 0);
  return text;
}

std::optional<FeastLayout> FeastLayout::of_text(std::string_view text) {
  FeastLayout layout;
  data::ProtoReader reader(text);
  while (true) {
    const Result<std::optional<data::ProtoField>> field = reader.next();
    if (!field.ok()) {
      return std::nullopt;
    }
    if (!field->has_value()) {
      return layout;
    }
    const std::string bytes((*field)->bytes);
    switch ((*field)->number) {
      case 1:
        layout.project_ = bytes;
        break;
      case 2:
        layout.time_field_ = bytes;
        break;
      case 3:
        layout.fields_.push_back(bytes);
        break;
      case 4: {
        data::ProtoReader key(bytes);
        const Result<std::optional<data::ProtoField>> name = key.next();
        const Result<std::optional<data::ProtoField>> type = key.next();
        const bool whole = name.ok() && name->has_value() && type.ok() && type->has_value();
        const std::optional<data::Type> known =
            whole ? data::type_from_name((*type)->bytes) : std::nullopt;
        if (!known.has_value()) {
          return std::nullopt;
        }
        layout.keys_.push_back({std::string((*name)->bytes), *known});
        break;
      }
      default:
        layout.of_nobody_ = (*field)->bits != 0;
    }
  }
}

}  // namespace assay::online
