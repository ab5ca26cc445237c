#include "learn/scorer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "learn/json_view.h"
#include "learn/padded_trees.h"
#include "learn/tree_nodes.h"

// Trees that are nearly full, as those of a bound depth mostly are, are walked as PaddedTrees.
// Others are flattened into nodes of 16 bytes. A leaf points at itself, so all trees of a group
// take the same number of steps and need no branch that could be mispredicted; eight trees are
// walked side by side, because one step waits for the one before. Leaf values are added in tree
// order in float, as XGBoost does, so the sum has the same bits.
//
//   node   | condition or leaf value (float) | feature, top bit: missing goes left | left | right |
//   step   next = v < condition || (v is NaN && missing goes left) ? left : right
//
// Source: XGBoost 1.7, doc/model.schema and cpu_predictor.cc.

namespace assay::learn {
namespace {

constexpr std::size_t kLanes = 8;

enum class Objective { kLogistic, kIdentity };

/// XGBoost's own sigmoid.
float sigmoid(float x) {
  constexpr float kEpsilon = 1e-16F;
  const float bounded = std::min(-x, 88.7F);
  const float denominator = std::exp(bounded) + 1.0F + kEpsilon;
  return 1.0F / denominator;
}

class TreeScorer : public Scorer {
 public:
  [[nodiscard]] int feature_count() const override { return feature_count_; }

  [[nodiscard]] float score(std::span<const float> features) const override {
    ASSAY_CHECK(features.size() == static_cast<std::size_t>(feature_count_));
    const float sum = padded_.has_value() ? padded_->add_to(base_margin_, features)
                                          : add_flattened(base_margin_, features.data());
    return objective_ == Objective::kLogistic ? sigmoid(sum) : sum;
  }

  Status read(const JsonView& model);

 private:
  [[nodiscard]] float add_flattened(float sum, const float* features) const {
    for (std::size_t first = 0; first < trees_.size(); first += kLanes) {
      const std::size_t lanes = std::min(kLanes, trees_.size() - first);
      sum = lanes == kLanes ? add_group<kLanes>(first, features, sum)
                            : add_rest(first, features, sum);
    }
    return sum;
  }
  template <std::size_t kCount>
  float add_group(std::size_t first, const float* features, float sum) const {
    std::array<uint32_t, kCount> at{};
    uint32_t depth = 0;
    for (std::size_t lane = 0; lane < kCount; ++lane) {
      at[lane] = trees_[first + lane].root;
      depth = std::max(depth, trees_[first + lane].depth);
    }
    for (uint32_t step = 0; step < depth; ++step) {
      for (std::size_t lane = 0; lane < kCount; ++lane) {
        const TreeNode& node = nodes_[at[lane]];
        const float value = features[node.feature & ~kMissingGoesLeft];
        const bool missing_left = (node.feature & kMissingGoesLeft) != 0;
        const bool left = (value < node.condition) | (missing_left & (value != value));
        at[lane] = node.children[left ? 0 : 1];
      }
    }
    for (std::size_t lane = 0; lane < kCount; ++lane) {
      sum += nodes_[at[lane]].condition;
    }
    return sum;
  }
  float add_rest(std::size_t first, const float* features, float sum) const {
    for (; first < trees_.size(); ++first) {
      sum = add_group<1>(first, features, sum);
    }
    return sum;
  }

  Status read_base(const JsonView& learner);
  Status read_tree(const JsonView& tree);

  int feature_count_ = 0;
  Objective objective_ = Objective::kLogistic;
  float base_margin_ = 0;
  std::vector<Tree> trees_;
  std::vector<TreeNode> nodes_;
  std::optional<PaddedTrees> padded_;  // then the two before are empty
};

Status corrupt(const std::string& what) {
  return {Code::kCorrupt, "not an XGBoost model: " + what};
}

Result<JsonView> member(const JsonView& value, std::string_view name) {
  std::optional<JsonView> found = value.find(name);
  if (!found) {
    return corrupt("no member " + std::string(name));
  }
  return *found;
}

/// XGBoost writes parameters as text.
template <typename Number>
Result<Number> parameter(const JsonView& value, std::string_view name) {
  ASSAY_ASSIGN_OR_RETURN(const JsonView found, member(value, name));
  const std::string text = found.text().value_or(std::string(found.raw()));
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return corrupt(std::string(name) + " is not a number");
  }
  return number;
}

Result<std::vector<JsonView>> array(const JsonView& tree, std::string_view name) {
  ASSAY_ASSIGN_OR_RETURN(const JsonView found, member(tree, name));
  std::optional<std::vector<JsonView>> items = found.items();
  if (!items) {
    return corrupt(std::string(name) + " is not an array");
  }
  return *std::move(items);
}

/// A tree as XGBoost writes it: one entry a node in each array.
struct RawTree {
  std::vector<int64_t> left;
  std::vector<int64_t> right;
  std::vector<int64_t> feature;
  std::vector<int64_t> missing_left;
  std::vector<float> condition;
};

Result<std::vector<int64_t>> integers(const JsonView& tree, std::string_view name) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<JsonView> items, array(tree, name));
  std::vector<int64_t> values;
  values.reserve(items.size());
  for (const JsonView& item : items) {
    std::optional<int64_t> value = item.integer();
    if (!value && item.boolean()) {
      value = *item.boolean() ? 1 : 0;
    }
    if (!value) {
      return corrupt(std::string(name) + " holds what is no integer");
    }
    values.push_back(*value);
  }
  return values;
}

Result<RawTree> read_raw_tree(const JsonView& tree) {
  RawTree raw;
  ASSAY_ASSIGN_OR_RETURN(raw.left, integers(tree, "left_children"));
  ASSAY_ASSIGN_OR_RETURN(raw.right, integers(tree, "right_children"));
  ASSAY_ASSIGN_OR_RETURN(raw.feature, integers(tree, "split_indices"));
  ASSAY_ASSIGN_OR_RETURN(raw.missing_left, integers(tree, "default_left"));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<JsonView> conditions, array(tree, "split_conditions"));
  for (const JsonView& item : conditions) {
    const std::optional<float> value = item.number32();
    if (!value) {
      return corrupt("split_conditions holds what is no number");
    }
    raw.condition.push_back(*value);
  }
  const std::size_t nodes = raw.left.size();
  if (nodes == 0 || raw.right.size() != nodes || raw.feature.size() != nodes ||
      raw.missing_left.size() != nodes || raw.condition.size() != nodes) {
    return corrupt("the arrays of a tree differ in length");
  }
  const std::optional<JsonView> categories = tree.find("categories_nodes");
  if (categories && categories->items() && !categories->items()->empty()) {
    return Status(Code::kUnimplemented,
                  "models that split by categories cannot be scored; train on numbers");
  }
  return raw;
}

/// Nodes are laid out breadth first; each may be reached once, so a tree ends.
Status TreeScorer::read_tree(const JsonView& tree) {
  ASSAY_ASSIGN_OR_RETURN(const RawTree raw, read_raw_tree(tree));
  const auto count = static_cast<int64_t>(raw.left.size());
  const std::size_t root = nodes_.size();
  if (root + raw.left.size() > std::numeric_limits<uint32_t>::max() / 2) {
    return corrupt("too many nodes");
  }
  struct Waiting {
    int64_t raw_node;
    uint32_t depth;
  };
  std::vector<Waiting> order = {{0, 0}};
  std::vector<bool> reached(raw.left.size());
  nodes_.emplace_back();
  Tree out{.root = static_cast<uint32_t>(root), .depth = 0};
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto at = static_cast<std::size_t>(order[i].raw_node);
    const auto index = static_cast<uint32_t>(root + i);
    out.depth = std::max(out.depth, order[i].depth);
    if (raw.left[at] == -1) {
      nodes_[index] = {.condition = raw.condition[at], .feature = 0, .children = {index, index}};
      continue;
    }
    if (raw.feature[at] < 0 || raw.feature[at] >= feature_count_) {
      return corrupt("a split on a feature that the model does not have");
    }
    const auto left = static_cast<uint32_t>(nodes_.size());
    nodes_[index] = {.condition = raw.condition[at],
                     .feature = static_cast<uint32_t>(raw.feature[at]) |
                                (raw.missing_left[at] != 0 ? kMissingGoesLeft : 0),
                     .children = {left, left + 1}};
    for (const int64_t child : {raw.left[at], raw.right[at]}) {
      if (child <= 0 || child >= count) {
        return corrupt("a child outside its tree");
      }
      if (reached[static_cast<std::size_t>(child)]) {
        return corrupt("a node is the child of two");
      }
      reached[static_cast<std::size_t>(child)] = true;
      order.push_back({child, order[i].depth + 1});
      nodes_.emplace_back();
    }
  }
  trees_.push_back(out);
  return {};
}

Status TreeScorer::read_base(const JsonView& learner) {
  ASSAY_ASSIGN_OR_RETURN(const JsonView objective, member(learner, "objective"));
  ASSAY_ASSIGN_OR_RETURN(const JsonView objective_name, member(objective, "name"));
  const std::string name = objective_name.text().value_or("");
  if (name != "binary:logistic" && name != "reg:squarederror") {
    return {Code::kUnimplemented,
            "models with another objective than binary:logistic or reg:squarederror cannot be "
            "scored: " +
                name};
  }
  objective_ = name == "binary:logistic" ? Objective::kLogistic : Objective::kIdentity;

  ASSAY_ASSIGN_OR_RETURN(const JsonView parameters, member(learner, "learner_model_param"));
  ASSAY_ASSIGN_OR_RETURN(const float base_score, parameter<float>(parameters, "base_score"));
  ASSAY_ASSIGN_OR_RETURN(const int64_t classes, parameter<int64_t>(parameters, "num_class"));
  ASSAY_ASSIGN_OR_RETURN(const int64_t features, parameter<int64_t>(parameters, "num_feature"));
  if (classes > 1) {
    return {Code::kUnimplemented, "models of several classes cannot be scored"};
  }
  if (features < 0 || features > 1'000'000) {
    return corrupt("num_feature out of range");
  }
  if (objective_ == Objective::kLogistic && !(base_score > 0 && base_score < 1)) {
    return corrupt("base_score is no probability");
  }
  feature_count_ = static_cast<int>(features);
  base_margin_ =
      objective_ == Objective::kLogistic ? -std::log(1.0F / base_score - 1.0F) : base_score;
  return {};
}

Status TreeScorer::read(const JsonView& model) {
  ASSAY_ASSIGN_OR_RETURN(const JsonView learner, member(model, "learner"));
  ASSAY_RETURN_IF_ERROR(read_base(learner));
  ASSAY_ASSIGN_OR_RETURN(const JsonView booster, member(learner, "gradient_booster"));
  ASSAY_ASSIGN_OR_RETURN(const JsonView booster_name, member(booster, "name"));
  if (booster_name.text() != "gbtree") {
    return {Code::kUnimplemented,
            "models of another booster than gbtree cannot be scored: " +
                booster_name.text().value_or("?")};
  }
  ASSAY_ASSIGN_OR_RETURN(const JsonView booster_model, member(booster, "model"));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<JsonView> trees, array(booster_model, "trees"));
  for (const JsonView& tree : trees) {
    ASSAY_RETURN_IF_ERROR(read_tree(tree));
  }
  padded_ = PaddedTrees::of(trees_, nodes_, static_cast<std::size_t>(feature_count_));
  if (padded_.has_value()) {
    trees_ = {};
    nodes_ = {};
  }
  return {};
}

}  // namespace

float model_input(const data::Scalar& value) {
  if (const auto* integer = std::get_if<int64_t>(&value.value)) {
    return is_model_input(value.type) ? static_cast<float>(*integer)
                                      : std::numeric_limits<float>::quiet_NaN();
  }
  if (const auto* truth = std::get_if<bool>(&value.value)) {
    return *truth ? 1.0F : 0.0F;
  }
  if (const auto* number = std::get_if<double>(&value.value)) {
    return model_input(*number);
  }
  return std::numeric_limits<float>::quiet_NaN();
}

float model_input(double value) {
  constexpr auto kMax = static_cast<double>(std::numeric_limits<float>::max());
  return std::isnan(value) ? std::numeric_limits<float>::quiet_NaN()
                           : static_cast<float>(std::clamp(value, -kMax, kMax));
}

bool is_model_input(data::Type type) {
  return data::is_numeric(type) || type == data::Type::kBool;
}

Result<std::shared_ptr<const Scorer>> Scorer::load(std::string_view xgboost_json) {
  Result<JsonView> model = JsonView::parse(xgboost_json);
  if (!model.ok()) {
    return model.status().with_context("read XGBoost model");
  }
  auto scorer = std::make_shared<TreeScorer>();
  ASSAY_RETURN_IF_ERROR(scorer->read(*model));
  return std::shared_ptr<const Scorer>(std::move(scorer));
}

}  // namespace assay::learn
