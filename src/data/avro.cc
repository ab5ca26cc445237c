// The binary encoding has no tags: the writer's schema says what comes next.
//
//   int, long    zigzag, 7 bits a byte, low ones first      -1 -> 01, 64 -> 80 01
//   float        4 bytes, double 8, little endian
//   bytes        long length, then the bytes; string alike
//   record       its fields, one after the other
//   enum         int: the symbol's number
//   union        int: the branch's number, then its value
//   array        blocks: long count, then the items; count < 0: -count items, and their size in
//                bytes stands before them; a block of 0 items ends the array. map alike, of string
//                and value.
//   fixed        its bytes
//
// Source  https://avro.apache.org/docs/1.11.1/specification/#binary-encoding

#include "data/avro.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <simdjson.h>

#include "base/json_writer.h"
#include "base/time.h"
#include "data/decimal.h"
#include "data/json_text.h"
#include "data/wire_json.h"

namespace assay::data {
namespace {

namespace dom = simdjson::dom;

constexpr int kDepthMax = 64;
constexpr int64_t kValuesMax = 100'000;  // besides one for each byte

enum class Kind {
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,
  kRecord,
  kEnum,
  kArray,
  kMap,
  kUnion,
  kFixed
};

enum class Logical { kNone, kDate, kMillis, kMicros, kNanos, kDecimal };

struct Node {
  struct Member {
    std::string name;
    const Node* type = nullptr;
  };
  Kind kind = Kind::kNull;
  Logical logical = Logical::kNone;
  int scale = 0;                     // of a decimal
  int64_t size = 0;                  // fixed
  std::vector<std::string> symbols;  // enum
  std::vector<Member> members;       // record; items, values and branches without names
};

constexpr std::pair<std::string_view, Kind> kPrimitives[] = {{"null", Kind::kNull},
                                                             {"boolean", Kind::kBoolean},
                                                             {"int", Kind::kInt},
                                                             {"long", Kind::kLong},
                                                             {"float", Kind::kFloat},
                                                             {"double", Kind::kDouble},
                                                             {"bytes", Kind::kBytes},
                                                             {"string", Kind::kString}};

std::string_view text_of(const dom::object& object, std::string_view name) {
  std::string_view text;
  return object.at_key(name).get_string().get(text) == simdjson::SUCCESS ? text
                                                                         : std::string_view();
}

Logical logical_of(const dom::object& object) {
  constexpr std::pair<std::string_view, Logical> kNames[] = {
      {"date", Logical::kDate},
      {"timestamp-millis", Logical::kMillis},
      {"timestamp-micros", Logical::kMicros},
      {"timestamp-nanos", Logical::kNanos},
      {"local-timestamp-millis", Logical::kMillis},
      {"local-timestamp-micros", Logical::kMicros},
      {"local-timestamp-nanos", Logical::kNanos},
      {"decimal", Logical::kDecimal},
      {"io.debezium.time.Date", Logical::kDate},
      {"io.debezium.time.Timestamp", Logical::kMillis},
      {"io.debezium.time.MicroTimestamp", Logical::kMicros},
      {"io.debezium.time.NanoTimestamp", Logical::kNanos}};
  for (const char* key : {"logicalType", "connect.name"}) {
    const std::string_view said = text_of(object, key);
    for (const auto& [name, logical] : kNames) {
      if (said == name) {
        return logical;
      }
    }
  }
  return Logical::kNone;
}

/// Whether values of this kind can have the meaning; a meaning that does not fit is passed over, as
/// the specification says.
bool fits(Logical logical, Kind kind) {
  switch (logical) {
    case Logical::kNone:
      return true;
    case Logical::kDate:
      return kind == Kind::kInt;
    case Logical::kMillis:
    case Logical::kMicros:
    case Logical::kNanos:
      return kind == Kind::kLong;
    case Logical::kDecimal:
      return kind == Kind::kBytes || kind == Kind::kFixed;
  }
  return false;
}

/// Reads schemas; types that were named before are known to those that come later.
class SchemaReader {
 public:
  explicit SchemaReader(std::deque<Node>* nodes) : nodes_(nodes) {}

  Result<const Node*> read(std::string_view json) {
    dom::parser parser;
    dom::element root;
    const simdjson::padded_string padded(json.data(), json.size());
    if (parser.parse(padded).get(root) != simdjson::SUCCESS) {
      // A name alone may stand without quotes of JSON.
      return named(json, "");
    }
    return read_type(root, "", 0);
  }

 private:
  static Status wrong(const std::string& what) {
    return {Code::kInvalidArgument, "no Avro schema: " + what};
  }

  Result<const Node*> read_type(const dom::element& json, const std::string& space, int depth) {
    std::string_view name;
    dom::array branches;
    dom::object object;
    if (depth > kDepthMax) {
      return wrong("types are nested too deeply");
    }
    if (json.get_string().get(name) == simdjson::SUCCESS) {
      return named(name, space);
    }
    if (json.get_array().get(branches) == simdjson::SUCCESS) {
      Node& node = nodes_->emplace_back();
      node.kind = Kind::kUnion;
      for (const dom::element branch : branches) {
        ASSAY_ASSIGN_OR_RETURN(const Node* type, read_type(branch, space, depth + 1));
        node.members.push_back({"", type});
      }
      return &node;
    }
    if (json.get_object().get(object) != simdjson::SUCCESS) {
      return wrong("a type is neither a name, nor a list, nor an object");
    }
    return read_object(object, space, depth);
  }

  Result<const Node*> named(std::string_view name, const std::string& space) {
    for (const auto& [primitive, kind] : kPrimitives) {
      if (name == primitive) {
        Node& node = nodes_->emplace_back();
        node.kind = kind;
        return &node;
      }
    }
    const std::string local(name);
    const bool is_full = name.find('.') != std::string_view::npos || space.empty();
    auto found = named_.find(is_full ? local : space + "." + local);
    if (found == named_.end()) {
      found = named_.find(local);
    }
    return found == named_.end() ? Result<const Node*>(wrong("no type `" + local + "`"))
                                 : Result<const Node*>(found->second);
  }

  Result<const Node*> read_object(const dom::object& object, const std::string& space, int depth) {
    dom::element type;
    std::string_view name;
    if (object.at_key("type").get(type) != simdjson::SUCCESS) {
      return wrong("an object without `type`");
    }
    if (type.get_string().get(name) != simdjson::SUCCESS) {
      return read_type(type, space, depth + 1);  // {"type": {...}} or {"type": [...]}
    }
    if (name == "record" || name == "error" || name == "enum" || name == "fixed") {
      return read_named(object, name, space, depth);
    }
    if (name == "array" || name == "map") {
      dom::element item;
      if (object.at_key(name == "array" ? "items" : "values").get(item) != simdjson::SUCCESS) {
        return wrong("an array or a map of nothing");
      }
      ASSAY_ASSIGN_OR_RETURN(const Node* item_type, read_type(item, space, depth + 1));
      Node& node = nodes_->emplace_back();
      node.kind = name == "array" ? Kind::kArray : Kind::kMap;
      node.members = {{"", item_type}};
      return &node;
    }
    ASSAY_ASSIGN_OR_RETURN(const Node* plain, named(name, space));
    if (plain->kind == Kind::kRecord) {
      return plain;  // itself: within it, its fields are still being read
    }
    Node& node = nodes_->emplace_back(*plain);
    set_logical(object, &node);
    return &node;
  }

  Result<const Node*> read_named(const dom::object& object,
                                 std::string_view kind,
                                 const std::string& space,
                                 int depth) {
    Node& node = nodes_->emplace_back();
    std::string name(text_of(object, "name"));
    std::string own_space(text_of(object, "namespace"));
    if (const std::size_t dot = name.rfind('.'); dot != std::string::npos) {
      own_space = name.substr(0, dot);
      name.erase(0, dot + 1);
    } else if (own_space.empty()) {
      own_space = space;
    }
    if (name.empty()) {
      return wrong("a " + std::string(kind) + " without a name");
    }
    named_[own_space.empty() ? name : own_space + "." + name] = &node;
    node.kind = Kind::kRecord;
    if (kind == "enum") {
      return read_enum(object, &node);
    }
    if (kind == "fixed") {
      node.kind = Kind::kFixed;
      if (object.at_key("size").get_int64().get(node.size) != simdjson::SUCCESS || node.size < 0) {
        return wrong("`" + name + "` has no size");
      }
      set_logical(object, &node);
      return &node;
    }
    dom::array fields;
    if (object.at_key("fields").get_array().get(fields) != simdjson::SUCCESS) {
      return wrong("`" + name + "` has no fields");
    }
    for (const dom::element entry : fields) {
      dom::object field;
      dom::element type;
      if (entry.get_object().get(field) != simdjson::SUCCESS || text_of(field, "name").empty() ||
          field.at_key("type").get(type) != simdjson::SUCCESS) {
        return wrong("a field of `" + name + "` has no name or no type");
      }
      ASSAY_ASSIGN_OR_RETURN(const Node* member, read_type(type, own_space, depth + 1));
      node.members.push_back({std::string(text_of(field, "name")), member});
    }
    return &node;
  }

  static Result<const Node*> read_enum(const dom::object& object, Node* node) {
    node->kind = Kind::kEnum;
    dom::array symbols;
    if (object.at_key("symbols").get_array().get(symbols) != simdjson::SUCCESS) {
      return wrong("an enum without symbols");
    }
    for (const dom::element entry : symbols) {
      std::string_view symbol;
      if (entry.get_string().get(symbol) != simdjson::SUCCESS) {
        return wrong("a symbol that is no text");
      }
      node->symbols.emplace_back(symbol);
    }
    return node;
  }

  static void set_logical(const dom::object& object, Node* node) {
    const Logical logical = logical_of(object);
    int64_t scale = 0;
    if (object.at_key("scale").get_int64().get(scale) == simdjson::SUCCESS) {
      node->scale = static_cast<int>(scale);
    }
    const bool good_scale = scale >= 0 && scale <= kDecimalDigitsMax;
    if (fits(logical, node->kind) && (logical != Logical::kDecimal || good_scale)) {
      node->logical = logical;
    }
  }

  std::deque<Node>* nodes_;  // addresses stay good
  std::map<std::string, const Node*> named_;
};

/// One record on its way from bytes to JSON.
class RecordReader {
 public:
  RecordReader(std::string_view bytes, std::string* json)
      : rest_(bytes), json_(*json), values_left_(kValuesMax + static_cast<int64_t>(bytes.size())) {}

  bool read(const Node& node) { return value(node, 0) && rest_.empty(); }
  /// One value; what stands behind it is left in rest().
  bool read_first(const Node& node) { return value(node, 0); }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  bool take(std::size_t size, std::string_view* bytes) {
    if (size > rest_.size()) {
      return false;
    }
    *bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

  bool read_long(int64_t* value) { return take_zigzag(&rest_, value); }

  bool read_bytes(std::string_view* bytes) {
    int64_t size = 0;
    return read_long(&size) && size >= 0 && take(static_cast<std::size_t>(size), bytes);
  }

  // NOLINTNEXTLINE(readability-function-size): one case a type
  bool value(const Node& node, int depth) {
    if (depth > kDepthMax || values_left_-- <= 0) {
      return false;
    }
    int64_t number = 0;
    std::string_view bytes;
    switch (node.kind) {
      case Kind::kNull:
        json_.null();
        return true;
      case Kind::kBoolean:
        if (!take(1, &bytes) || static_cast<uint8_t>(bytes[0]) > 1) {
          return false;
        }
        json_.boolean(bytes[0] != 0);
        return true;
      case Kind::kInt:
        return read_long(&number) && number == static_cast<int32_t>(number) &&
               write_integer(node, number);
      case Kind::kLong:
        return read_long(&number) && write_integer(node, number);
      case Kind::kFloat:
        return real<float>();
      case Kind::kDouble:
        return real<double>();
      case Kind::kBytes:
        return read_bytes(&bytes) && write_bytes(node, bytes);
      case Kind::kFixed:
        return take(static_cast<std::size_t>(node.size), &bytes) && write_bytes(node, bytes);
      case Kind::kString:
        if (!read_bytes(&bytes)) {
          return false;
        }
        json_.string(bytes);
        return true;
      case Kind::kEnum:
        return enumerator(node);
      case Kind::kRecord:
        return record(node, depth);
      case Kind::kUnion:
        return read_long(&number) && number >= 0 &&
               number < static_cast<int64_t>(node.members.size()) &&
               value(*node.members[static_cast<std::size_t>(number)].type, depth + 1);
      case Kind::kArray:
      case Kind::kMap:
        return blocks(node, depth);
    }
    return false;
  }

  bool enumerator(const Node& node) {
    int64_t number = 0;
    if (!read_long(&number) || number < 0 || number >= static_cast<int64_t>(node.symbols.size())) {
      return false;
    }
    json_.string(node.symbols[static_cast<std::size_t>(number)]);
    return true;
  }

  bool record(const Node& node, int depth) {
    json_.begin_object();
    for (const Node::Member& member : node.members) {
      json_.key(member.name);
      if (!value(*member.type, depth + 1)) {
        return false;
      }
    }
    json_.end_object();
    return true;
  }

  bool blocks(const Node& node, int depth) {
    const bool is_map = node.kind == Kind::kMap;
    is_map ? json_.begin_object() : json_.begin_array();
    for (;;) {
      int64_t count = 0;
      int64_t size = 0;
      if (!read_long(&count) || count == INT64_MIN || (count < 0 && !read_long(&size))) {
        return false;
      }
      if (count == 0) {
        break;
      }
      for (int64_t left = count < 0 ? -count : count; left > 0; --left) {
        std::string_view name;
        if (is_map) {
          if (!read_bytes(&name)) {
            return false;
          }
          json_.key(name);
        }
        if (!value(*node.members[0].type, depth + 1)) {
          return false;
        }
      }
    }
    is_map ? json_.end_object() : json_.end_array();
    return true;
  }

  template <typename Real>
  bool real() {
    std::string_view bytes;
    Real number = 0;
    if (!take(sizeof(Real), &bytes)) {
      return false;
    }
    std::memcpy(&number, bytes.data(), sizeof(Real));
    write_real(number, &json_);
    return true;
  }

  bool write_integer(const Node& node, int64_t number) {
    switch (node.logical) {
      case Logical::kDate:
        write_days(number, &json_);
        return true;
      case Logical::kMillis:
        write_instant(number, 1'000, &json_);
        return true;
      case Logical::kMicros:
        write_instant(number, 1, &json_);
        return true;
      case Logical::kNanos:
        write_instant(floor_to(number, 1'000) / 1'000, 1, &json_);
        return true;
      case Logical::kNone:
      case Logical::kDecimal:
        break;
    }
    json_.integer(number);
    return true;
  }

  bool write_bytes(const Node& node, std::string_view bytes) {
    if (node.logical != Logical::kDecimal) {
      json_.string(to_base64(bytes));
      return true;
    }
    const std::optional<std::string> text = unscaled_decimal(bytes, node.scale);
    if (text) {
      json_.string(*text);
    }
    return text.has_value();
  }

  std::string_view rest_;
  JsonWriter json_;
  int64_t values_left_;
};

/// A schema and its types, whose addresses must stay.
struct Types {
  std::deque<Node> nodes;
  const Node* root = nullptr;
};

class AvroSchema : public WireSchema {
 public:
  Types types;
  bool append_json(std::string_view payload, std::string* json) const override {
    return RecordReader(payload, json).read(*types.root);
  }
};

class SequenceReader : public AvroSequence {
 public:
  Types types;
  bool take(std::string_view* bytes, std::string* json) const override {
    RecordReader reader(*bytes, json);
    if (!reader.read_first(*types.root)) {
      return false;
    }
    *bytes = reader.rest();
    return true;
  }
};

}  // namespace

Result<std::shared_ptr<const WireSchema>> parse_avro_schema(
    std::string_view json, const std::vector<NamedSchema>& references) {
  auto schema = std::make_shared<AvroSchema>();
  SchemaReader reader(&schema->types.nodes);
  for (const NamedSchema& reference : references) {
    ASSAY_RETURN_IF_ERROR(reader.read(reference.text).status());
  }
  ASSAY_ASSIGN_OR_RETURN(schema->types.root, reader.read(json));
  return std::shared_ptr<const WireSchema>(std::move(schema));
}

Result<std::unique_ptr<AvroSequence>> parse_avro_sequence(std::string_view json) {
  auto sequence = std::make_unique<SequenceReader>();
  ASSAY_ASSIGN_OR_RETURN(sequence->types.root, SchemaReader(&sequence->types.nodes).read(json));
  return std::unique_ptr<AvroSequence>(std::move(sequence));
}

bool take_avro_long(std::string_view* bytes, int64_t* value) {
  return take_zigzag(bytes, value);
}

}  // namespace assay::data
