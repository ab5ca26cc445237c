#include "store/s3_xml.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

// Just enough XML for what S3 services answer. Everything that it does not know ends in kCorrupt.

namespace assay::store {
namespace {

constexpr int kDepthMax = 16;

Status corrupt(std::string_view why) {
  return {Code::kCorrupt, "not an answer of S3: " + std::string(why)};
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool append_utf8(uint32_t point, std::string& out) {
  if (point == 0 || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
    return false;
  }
  const auto push = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    push(point);
  } else if (point < 0x800) {
    push(0xC0 | (point >> 6));
    push(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    push(0xE0 | (point >> 12));
    push(0x80 | ((point >> 6) & 0x3F));
    push(0x80 | (point & 0x3F));
  } else {
    push(0xF0 | (point >> 18));
    push(0x80 | ((point >> 12) & 0x3F));
    push(0x80 | ((point >> 6) & 0x3F));
    push(0x80 | (point & 0x3F));
  }
  return true;
}

/// What stands between '&' and ';'.
bool append_reference(std::string_view name, std::string& out) {
  constexpr std::pair<std::string_view, char> kNamed[] = {
      {"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
  for (const auto& [known, character] : kNamed) {
    if (name == known) {
      out.push_back(character);
      return true;
    }
  }
  if (name.size() < 2 || name[0] != '#') {
    return false;
  }
  const bool hexadecimal = name[1] == 'x';
  name.remove_prefix(hexadecimal ? 2 : 1);
  uint32_t point = 0;
  const auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), point, hexadecimal ? 16 : 10);
  return error == std::errc() && end == name.data() + name.size() && append_utf8(point, out);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Result<XmlNode> document() {
    ASSAY_RETURN_IF_ERROR(skip_between());
    XmlNode root;
    ASSAY_RETURN_IF_ERROR(element(root, 0));
    ASSAY_RETURN_IF_ERROR(skip_between());
    if (!rest_.empty()) {
      return corrupt("something after its end");
    }
    return root;
  }

 private:
  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) {
      return false;
    }
    rest_.remove_prefix(word.size());
    return true;
  }

  /// The text before `end`, which is taken too.
  Result<std::string_view> until(std::string_view end) {
    const std::size_t at = rest_.find(end);
    if (at == std::string_view::npos) {
      return corrupt("it ends too early");
    }
    const std::string_view text = rest_.substr(0, at);
    rest_.remove_prefix(at + end.size());
    return text;
  }

  /// Declarations, comments and space around the root.
  Status skip_between() {
    while (!rest_.empty()) {
      if (is_space(rest_.front())) {
        rest_.remove_prefix(1);
      } else if (take("\xEF\xBB\xBF")) {
        continue;
      } else if (take("<?")) {
        ASSAY_RETURN_IF_ERROR(until("?>").status());
      } else if (take("<!--")) {
        ASSAY_RETURN_IF_ERROR(until("-->").status());
      } else {
        break;
      }
    }
    return {};
  }

  Status element(XmlNode& node, int depth) {
    if (depth >= kDepthMax) {
      return corrupt("it is nested too deep");
    }
    if (!take("<")) {
      return corrupt("no element");
    }
    bool empty = false;
    ASSAY_RETURN_IF_ERROR(start_tag(node, &empty));
    if (empty) {
      return {};
    }
    while (!rest_.empty()) {
      if (take("</")) {
        return end_tag(node);
      }
      if (take("<!--")) {
        ASSAY_RETURN_IF_ERROR(until("-->").status());
      } else if (take("<![CDATA[")) {
        ASSAY_ASSIGN_OR_RETURN(const std::string_view text, until("]]>"));
        node.text += text;
      } else if (rest_.front() == '<') {
        node.children.emplace_back();
        ASSAY_RETURN_IF_ERROR(element(node.children.back(), depth + 1));
      } else {
        ASSAY_RETURN_IF_ERROR(text_of(node));
      }
    }
    return corrupt("it ends too early");
  }

  Status start_tag(XmlNode& node, bool* empty) {
    std::size_t size = 0;
    while (size < rest_.size() && !is_space(rest_[size]) && rest_[size] != '>' &&
           rest_[size] != '/') {
      if (rest_[size] == '<' || rest_[size] == '!' || rest_[size] == '&') {
        return corrupt("an element without a name");
      }
      ++size;
    }
    const std::string_view full = rest_.substr(0, size);
    node.name = full.substr(full.find(':') + 1);
    if (node.name.empty()) {
      return corrupt("an element without a name");
    }
    rest_.remove_prefix(size);
    return attributes(empty);
  }

  /// Attributes are read over, '>' inside their quotes too.
  Status attributes(bool* empty) {
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '>') {
        return {};
      }
      if (c == '"' || c == '\'') {
        ASSAY_RETURN_IF_ERROR(until(std::string_view(&c, 1)).status());
      } else if (c == '<') {
        return corrupt("a tag inside a tag");
      } else if (c == '/') {
        if (!take(">")) {
          return corrupt("a tag with / inside");
        }
        *empty = true;
        return {};
      }
    }
    return corrupt("it ends too early");
  }

  Status end_tag(const XmlNode& node) {
    ASSAY_ASSIGN_OR_RETURN(std::string_view name, until(">"));
    while (!name.empty() && is_space(name.back())) {
      name.remove_suffix(1);
    }
    if (name.substr(name.find(':') + 1) != node.name) {
      return corrupt("an end tag of another element");
    }
    return {};
  }

  Status text_of(XmlNode& node) {
    while (!rest_.empty() && rest_.front() != '<') {
      if (take("&")) {
        ASSAY_ASSIGN_OR_RETURN(const std::string_view name, until(";"));
        if (!append_reference(name, node.text)) {
          return corrupt("an unknown reference");
        }
      } else {
        const std::size_t end = std::min(rest_.find_first_of("<&"), rest_.size());
        node.text += rest_.substr(0, end);
        rest_.remove_prefix(end);
      }
    }
    return {};
  }

  std::string_view rest_;
};

}  // namespace

const XmlNode* XmlNode::find(std::string_view child) const {
  for (const XmlNode& node : children) {
    if (node.name == child) {
      return &node;
    }
  }
  return nullptr;
}

std::string XmlNode::value(std::string_view child) const {
  const XmlNode* node = find(child);
  return node == nullptr ? "" : node->text;
}

Result<XmlNode> parse_xml(std::string_view text) {
  return Parser(text).document();
}

Result<ListPage> parse_list_page(std::string_view text) {
  ASSAY_ASSIGN_OR_RETURN(const XmlNode root, parse_xml(text));
  if (root.name != "ListBucketResult") {
    return corrupt("<" + root.name + "> instead of <ListBucketResult>");
  }
  ListPage page;
  for (const XmlNode& child : root.children) {
    if (child.name == "CommonPrefixes") {
      page.prefixes.push_back(child.value("Prefix"));
    } else if (child.name == "Contents") {
      ObjectInfo object;
      object.key = child.value("Key");
      const std::string size = child.value("Size");
      const auto [end, error] =
          std::from_chars(size.data(), size.data() + size.size(), object.size_bytes);
      if (object.key.empty() || size.empty() || error != std::errc() ||
          end != size.data() + size.size() || object.size_bytes < 0 ||
          !try_parse_time(child.value("LastModified"), &object.modified)) {
        return corrupt("an object without key, size or time");
      }
      page.objects.push_back(std::move(object));
    }
  }
  if (root.value("IsTruncated") == "true") {
    page.next_token = root.value("NextContinuationToken");
    if (page.next_token.empty()) {
      return corrupt("a list that goes on without saying where");
    }
  }
  return page;
}

std::optional<S3Error> parse_s3_error(std::string_view text) {
  const Result<XmlNode> root = parse_xml(text);
  if (!root.ok() || root->name != "Error") {
    return std::nullopt;
  }
  return S3Error{root->value("Code"), root->value("Message"), root->value("Region")};
}

}  // namespace assay::store
