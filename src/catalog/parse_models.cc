// Models.

#include <map>
#include <string>
#include <utility>

#include "catalog/parse_sections.h"

namespace assay::catalog {
namespace {

const char* const kWholeParameters[] = {"trees", "depth", "bins", "seed"};
const char* const kRealParameters[] = {
    "learning_rate", "min_child_weight", "subsample", "column_sample", "l2"};

/// The parameters of training; all of them, so that a registered model says what it was trained
/// with.
void read_train(ParseContext& context, const YamlNode& node, ModelDef* model) {
  const std::string title = "`train` of model `" + model->name + "`";
  const SectionReader reader(context, node, {"train", title, false});
  model->algorithm = reader.text("algorithm");
  for (const char* key : kWholeParameters) {
    model->parameters[key] = static_cast<double>(reader.integer(key));
  }
  for (const char* key : kRealParameters) {
    model->parameters[key] = reader.number(key);
  }
  for (const char* key : {"subsample", "column_sample", "learning_rate"}) {
    if (reader.has(key) && reader.number(key) <= 0) {
      context.error("E0201", *reader.find(key), "`" + std::string(key) + "` must be larger than 0");
    }
  }
  if (const YamlNode* split = reader.find("split")) {
    const SectionReader split_reader(
        context, *split, {"split", "`split` of model `" + model->name + "`", false});
    model->split_by_time = split_reader.number("by_time");
    if (model->split_by_time <= 0 || model->split_by_time >= 1) {
      context.error("E0201",
                    *split,
                    "`by_time` leaves no rows to train or none to test",
                    "take a share between 0 and 1, such as 0.8");
    }
  }
}

std::map<std::string, ChallengerDef> read_challengers(ParseContext& context,
                                                      const YamlNode& node,
                                                      const std::string& model) {
  std::map<std::string, ChallengerDef> challengers;
  for (const YamlEntry& entry : node.entries) {
    const SectionReader reader(
        context,
        entry.value,
        {"challenger", "challenger `" + entry.key + "` of model `" + model + "`", false});
    challengers[entry.key] = {reader.number("share"), reader.boolean("shadow")};
  }
  return challengers;
}

}  // namespace

ModelDef parse_model(ParseContext& context, const YamlEntry& entry) {
  ModelDef model;
  model.name = entry.key;
  model.span = context.span(entry.key_mark);
  const SectionReader reader(context, entry.value, {"model", "model `" + entry.key + "`", false});
  model.service = reader.text("service");
  model.publish = read_publish(context, reader, "model `" + entry.key + "`");
  if (const YamlNode* challengers = reader.find("challengers")) {
    model.challengers = read_challengers(context, *challengers, model.name);
  }
  if (const YamlNode* labels = reader.find("labels")) {
    const SectionReader labels_reader(
        context, *labels, {"labels", "`labels` of model `" + entry.key + "`", false});
    model.labels_from = labels_reader.text("from");
    model.label = labels_reader.text("column");
    model.label_event_time = labels_reader.text("event_time");
    model.where = labels_reader.text("where");
  }
  YamlNode defaults;
  defaults.kind = YamlNode::Kind::kMap;
  defaults.mark = entry.value.mark;
  const YamlNode* train = reader.find("train");
  read_train(context, train != nullptr ? *train : defaults, &model);
  return model;
}

}  // namespace assay::catalog
