// The adapter of yaml-cpp: its events, which carry marks of keys and values alike, become a tree.

#include "catalog/yaml_document.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "catalog/text_lines.h"

namespace assay::catalog {
namespace {

YamlMark to_mark(const YAML::Mark& mark) {
  return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
}

/// Builds the tree from the parser's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, const std::string& file, Diagnostics* diagnostics)
      : lines_(text), file_(file), diagnostics_(diagnostics) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 2) {
      report("E0101",
             to_mark(mark),
             3,
             "a second document in one file",
             "put it into a file of its own");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node;
    node.mark = to_mark(mark);
    complete(std::move(node), anchor, 1, 1);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      report("E0101",
             to_mark(mark),
             1,
             "an alias inside the value that it stands for",
             "write the value out");
      OnNull(mark, YAML::NullAnchor);
      return;
    }
    if (nodes_ + found->second.nodes > kYamlNodesMax) {
      report_size(to_mark(mark));
      OnNull(mark, YAML::NullAnchor);
      return;
    }
    complete(found->second.node, YAML::NullAnchor, found->second.nodes, found->second.nodes);
  }

  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node;
    node.kind = YamlNode::Kind::kScalar;
    node.text = value;
    node.quoted = tag == "!";
    node.mark = to_mark(mark);
    const std::string_view here = lines_.from(node.mark.line, node.mark.column);
    const std::size_t quote = !here.empty() && (here[0] == '"' || here[0] == '\'') ? 1 : 0;
    if (here.substr(std::min(quote, here.size())).substr(0, value.size()) == value &&
        !value.empty()) {
      node.text_column = node.mark.column + static_cast<int>(quote);
      node.length = static_cast<int>(value.size() + 2 * quote);
    }
    complete(std::move(node), anchor, 1, 1);
  }

  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string& /*tag*/,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(YamlNode::Kind::kList, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark,
                  const std::string& /*tag*/,
                  YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(YamlNode::Kind::kMap, mark, anchor);
  }
  void OnMapEnd() override { close(); }

  YamlNode take_root() { return std::move(root_); }
  [[nodiscard]] int documents() const { return documents_; }

 private:
  struct Frame {
    YamlNode node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    int nodes = 1;  // in this subtree
    std::set<std::string> keys;
    bool has_key = false;   // kMap: a key waits for its value
    bool repeated = false;  // that key was there before
    std::string key;
    YamlMark key_mark;
  };
  struct Anchor {
    YamlNode node;
    int nodes = 1;
  };

  void report(const char* code, YamlMark mark, int length, std::string message, std::string help) {
    diagnostics_->items.push_back({{file_, mark.line, mark.column},
                                   length,
                                   Severity::kError,
                                   code,
                                   std::move(message),
                                   std::move(help)});
  }

  void report_size(YamlMark mark) {
    if (!too_large_) {
      too_large_ = true;
      report("E0107",
             mark,
             1,
             "the file has more than " + std::to_string(kYamlNodesMax) +
                 " values, aliases counted out",
             "split it into several files");
    }
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (skipped_ > 0 || stack_.size() >= static_cast<std::size_t>(kYamlDepthMax)) {
      if (skipped_++ == 0) {
        report("E0101",
               to_mark(mark),
               1,
               "values nested deeper than " + std::to_string(kYamlDepthMax) + " levels",
               "");
      }
      return;
    }
    Frame frame;
    frame.node.kind = kind;
    frame.node.mark = to_mark(mark);
    frame.anchor = anchor;
    stack_.push_back(std::move(frame));
  }

  void close() {
    if (skipped_ > 0) {
      if (--skipped_ == 0) {
        complete(YamlNode{}, YAML::NullAnchor, 1, 1);
      }
      return;
    }
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    if (frame.node.kind == YamlNode::Kind::kMap) {
      merge_keys(&frame);
    }
    complete(std::move(frame.node), frame.anchor, frame.nodes, 1);
  }

  /// `<<: *defaults` brings the entries of another map that this one does not have.
  static void merge_keys(Frame* frame) {
    std::vector<YamlEntry>& entries = frame->node.entries;
    const auto found = std::find_if(entries.begin(), entries.end(), [](const YamlEntry& entry) {
      return entry.key == "<<" && entry.value.kind == YamlNode::Kind::kMap;
    });
    if (found == entries.end()) {
      return;
    }
    std::vector<YamlEntry> merged = std::move(found->value.entries);
    entries.erase(found);
    for (YamlEntry& entry : merged) {
      if (frame->keys.insert(entry.key).second) {
        entries.push_back(std::move(entry));
      }
    }
  }

  /// Put a whole value where it belongs. `nodes` are in it, `added` of them not counted before.
  void complete(YamlNode node, YAML::anchor_t anchor, int nodes, int added) {
    if (skipped_ > 0) {
      return;
    }
    nodes_ += added;
    if (nodes_ > kYamlNodesMax) {
      report_size(node.mark);
      node = YamlNode{};
    }
    if (anchor != YAML::NullAnchor) {
      anchors_[anchor] = {node, nodes};
    }
    if (stack_.empty()) {
      if (documents_ < 2) {
        root_ = std::move(node);
      }
      return;
    }
    Frame& parent = stack_.back();
    parent.nodes += nodes;
    if (parent.node.kind == YamlNode::Kind::kList) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.has_key) {
      add_entry(&parent, std::move(node));
    } else {
      take_key(&parent, node);
    }
  }

  void take_key(Frame* parent, const YamlNode& node) {
    parent->has_key = true;
    parent->key = node.text;
    parent->key_mark = node.mark;
    parent->repeated = true;
    if (node.kind != YamlNode::Kind::kScalar) {
      report("E0101", node.mark, 1, "a key that is not plain text", "write `name: value`");
    } else if (parent->keys.insert(node.text).second) {
      parent->repeated = false;
    } else {
      report("E0105",
             node.mark,
             static_cast<int>(node.text.size()),
             "key `" + node.text + "` is given twice",
             "keep one of them");
    }
  }

  void add_entry(Frame* parent, YamlNode node) {
    parent->has_key = false;
    if (!parent->repeated) {
      parent->node.entries.push_back({std::move(parent->key), parent->key_mark, std::move(node)});
    }
  }

  const TextLines lines_;
  const std::string& file_;
  Diagnostics* diagnostics_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, Anchor> anchors_;
  YamlNode root_;
  int documents_ = 0;
  int skipped_ = 0;  // open values below the depth limit
  int nodes_ = 0;
  bool too_large_ = false;
};

/// Position of the first byte that is not UTF-8 text (or is NUL), or npos.
std::size_t find_bad_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t more = lead < 0x80   ? 0
                             : lead < 0xc2 ? 9
                             : lead < 0xe0 ? 1
                             : lead < 0xf0 ? 2
                             : lead < 0xf5 ? 3
                                           : 9;
    if (lead == 0 || more == 9 || i + more >= text.size()) {
      return i;
    }
    for (std::size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0U) != 0x80U) {
        return i;
      }
    }
    i += more + 1;
  }
  return std::string_view::npos;
}

YamlMark mark_of_offset(std::string_view text, std::size_t offset) {
  YamlMark mark{1, 1};
  for (std::size_t i = 0; i < offset; ++i) {
    mark = text[i] == '\n' ? YamlMark{mark.line + 1, 1} : YamlMark{mark.line, mark.column + 1};
  }
  return mark;
}

void run_parser(std::string_view text,
                TreeBuilder* builder,
                YamlDocument* document,
                const std::string& file) {
  const auto fail = [&](YamlMark mark, std::string message) {
    document->diagnostics.items.push_back(
        {{file, mark.line, mark.column},
         1,
         Severity::kError,
         "E0101",
         std::move(message),
         "check indentation, quotes and brackets on this line and the one before"});
  };
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (builder->documents() < 2 && parser.HandleNextDocument(*builder)) {
    }
  } catch (const YAML::Exception& error) {
    fail(to_mark(error.mark), "not YAML: " + error.msg);
  } catch (const std::exception& error) {
    fail({1, 1}, std::string("not YAML: ") + error.what());
  }
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const YamlEntry& entry : entries) {
    if (entry.key == key) {
      return &entry.value;
    }
  }
  return nullptr;
}

YamlDocument parse_yaml(std::string_view text, const std::string& file) {
  YamlDocument document;
  const auto refuse = [&](const char* code, YamlMark mark, std::string message, std::string help) {
    document.diagnostics.items.push_back({{file, mark.line, mark.column},
                                          1,
                                          Severity::kError,
                                          code,
                                          std::move(message),
                                          std::move(help)});
  };
  if (text.size() > kYamlBytesMax) {
    refuse("E0107",
           {0, 0},
           "the file is larger than " + std::to_string(kYamlBytesMax) + " bytes",
           "split it into several files");
    return document;
  }
  if (text.substr(0, 3) == "\xef\xbb\xbf") {
    text.remove_prefix(3);
  }
  const std::size_t bad = find_bad_utf8(text);
  if (bad != std::string_view::npos) {
    refuse("E0101", mark_of_offset(text, bad), "not UTF-8 text", "save the file as UTF-8");
    return document;
  }
  TreeBuilder builder(text, file, &document.diagnostics);
  run_parser(text, &builder, &document, file);
  document.root = builder.take_root();
  return document;
}

}  // namespace assay::catalog
