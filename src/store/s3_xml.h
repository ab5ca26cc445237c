#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "store/object_store.h"

namespace assay::store {

/// An element of an XML answer. Attributes, comments and namespaces are read over.
struct XmlNode {
  std::string name;  // without its prefix
  std::string text;  // of this element alone, references resolved
  std::vector<XmlNode> children;
  /// The first child of this name; nullptr when there is none.
  [[nodiscard]] const XmlNode* find(std::string_view child) const;
  /// Text of the first child of this name; "" when there is none.
  [[nodiscard]] std::string value(std::string_view child) const;
};

/// Parse a whole answer: one element with what is in it.
///
/// Errors  kCorrupt: not well-formed, nested deeper than 16, or with a document type (S3 sends
///         none; their entities are how a small text grows without bound).
Result<XmlNode> parse_xml(std::string_view text);

/// An answer to ListObjectsV2.
struct ListPage {
  std::vector<ObjectInfo> objects;    // keys as the bucket has them
  std::vector<std::string> prefixes;  // CommonPrefixes
  std::string next_token;             // "" at the end
};
Result<ListPage> parse_list_page(std::string_view text);

/// What S3 says when it refuses: <Error><Code>..</Code><Message>..</Message></Error>.
struct S3Error {
  std::string code;
  std::string message;
  std::string region;  // where the bucket is, when that is what is wrong
};
/// Nothing when the text is no such answer.
std::optional<S3Error> parse_s3_error(std::string_view text);

}  // namespace assay::store
