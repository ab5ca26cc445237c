#include "catalog/environment.h"

namespace assay::catalog {
namespace {

std::string substitute(ParseContext& context,
                       const Environment& environment,
                       const YamlNode& node) {
  const std::string& text = node.text;
  std::string out;
  std::size_t done = 0;
  while (true) {
    const std::size_t begin = text.find("${", done);
    if (begin == std::string::npos) {
      return out + text.substr(done);
    }
    if (begin > done && text[begin - 1] == '$') {
      out += text.substr(done, begin - done) + "{";
      done = begin + 2;
      continue;
    }
    out += text.substr(done, begin - done);
    const std::size_t end = text.find('}', begin);
    if (end == std::string::npos) {
      context.error("E0106", node, "`${` without `}`", "write `$${` for a plain `${`");
      return out + text.substr(begin);
    }
    std::string name = text.substr(begin + 2, end - begin - 2);
    const std::size_t dash = name.find(":-");
    const std::string fallback = dash == std::string::npos ? "" : name.substr(dash + 2);
    name.resize(std::min(dash, name.size()));
    const std::optional<std::string> value = environment ? environment(name) : std::nullopt;
    if (!value.has_value() && dash == std::string::npos) {
      context.error("E0106",
                    node,
                    "environment variable `" + name + "` is not set",
                    "set it, or write `${" + name + ":-default}`");
    }
    out += value.value_or(fallback);
    done = end + 1;
  }
}

}  // namespace

void substitute_environment(ParseContext& context, const Environment& environment, YamlNode* node) {
  if (node->kind == YamlNode::Kind::kScalar && node->text.find("${") != std::string::npos) {
    node->text = substitute(context, environment, *node);
    node->text_column = 0;
  }
  for (YamlNode& item : node->items) {
    substitute_environment(context, environment, &item);
  }
  for (YamlEntry& entry : node->entries) {
    substitute_environment(context, environment, &entry.value);
  }
}

}  // namespace assay::catalog
