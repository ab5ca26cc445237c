#include "data/expression_types.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "base/suggest.h"
#include "base/time.h"
#include "data/expression_constants.h"
#include "data/expression_kernels.h"
#include "data/expression_lexer.h"
#include "data/expression_overloads.h"

namespace assay::data {
namespace {

/// A typed value: a literal that may still take another type, or the answer of a step.
struct Bound {
  ValueKind kind = ValueKind::kNull;
  int step = -1;
  std::optional<Literal> literal;
  std::size_t offset = 0;
};

bool fits_int32(const Literal& literal) {
  return literal.kind == ValueKind::kInt64 &&
         literal.integer >= std::numeric_limits<int32_t>::min() &&
         literal.integer <= std::numeric_limits<int32_t>::max();
}

class Binder {
 public:
  Binder(std::string_view text, const Schema& schema) : text_(text), schema_(schema) {}

  Result<std::shared_ptr<const Expression::Program>> run(const SyntaxNode& root) {
    ASSAY_ASSIGN_OR_RETURN(Bound answer, bind_any(root));
    if (answer.kind == ValueKind::kNull) {
      return fail(root.offset, "the type of null is not known here, say CAST(null AS type)");
    }
    if (answer.kind == ValueKind::kInterval) {
      return fail(root.offset,
                  "an interval is no value of a column, take epoch_us(...) or epoch(...) of it");
    }
    const int last = materialise(answer);
    ASSAY_CHECK(last + 1 == static_cast<int>(program_->steps.size()));
    // A column by itself is passed on as it is, whatever its type.
    const bool is_column = root.kind == SyntaxKind::kColumn;
    program_->type = is_column ? program_->column_types[0] : Type(*column_type(answer.kind));
    program_->text = std::string(text_);
    assign_slots(*program_);
    return std::shared_ptr<const Expression::Program>(program_);
  }

 private:
  [[nodiscard]] Status fail(std::size_t offset, std::string message) const {
    return expression_error(text_, offset, std::move(message));
  }

  // --- steps

  Bound emit(Kernel kernel,
             NullRule nulls,
             ValueKind kind,
             std::vector<int> inputs,
             StepStatePtr state,
             std::size_t offset) {
    Step step;
    step.kernel = kernel;
    step.nulls = nulls;
    step.kind = kind;
    step.inputs = std::move(inputs);
    step.state = std::move(state);
    program_->steps.push_back(std::move(step));
    return {kind, static_cast<int>(program_->steps.size()) - 1, std::nullopt, offset};
  }

  /// The step whose register holds the value; makes one for a literal.
  int materialise(Bound& bound) {
    if (bound.step < 0) {
      const bool is_null = bound.literal->kind == ValueKind::kNull;
      bound.step = emit(constant_kernel(bound.kind),
                        NullRule::kOwn,
                        bound.kind,
                        {},
                        constant_state(*bound.literal, is_null),
                        bound.offset)
                       .step;
    }
    return bound.step;
  }

  std::vector<int> materialise_all(std::vector<Bound>& bounds) {
    std::vector<int> steps;
    for (Bound& bound : bounds) {
      steps.push_back(materialise(bound));
    }
    return steps;
  }

  /// The same value as another kind; the cast must exist.
  Bound coerce(Bound bound, ValueKind kind) {
    if (bound.kind == kind) {
      return bound;
    }
    if (bound.kind == ValueKind::kNull) {
      return {kind, -1, Literal{}, bound.offset};
    }
    if (bound.literal.has_value() && bound.literal->kind == ValueKind::kInt64) {
      Literal& literal = *bound.literal;
      if (kind == ValueKind::kFloat64) {
        return {kind, -1, Literal{kind, 0, static_cast<double>(literal.integer), ""}, bound.offset};
      }
      if (kind == ValueKind::kInt32 && fits_int32(literal)) {
        literal.kind = kind;
        return {kind, -1, literal, bound.offset};
      }
    }
    const KernelChoice cast = cast_kernel(bound.kind, kind);
    ASSAY_CHECK(cast.kernel != nullptr);
    const int from = materialise(bound);
    return emit(cast.kernel, cast.nulls, kind, {from}, nullptr, bound.offset);
  }

  // --- nodes

  /// A value that is computed with.
  Result<Bound> bind(const SyntaxNode& node) {
    ASSAY_ASSIGN_OR_RETURN(Bound value, bind_any(node));
    if (value.kind == ValueKind::kNested) {
      return fail(node.offset,
                  "column `" + node.text.substr(0, 80) + "` is " +
                      type_name(schema_.field(*schema_.find(node.text)).type) +
                      ", with which expressions only ask IS NULL;");
    }
    return value;
  }

  Result<Bound> bind_any(const SyntaxNode& node) {
    switch (node.kind) {
      case SyntaxKind::kLiteral:
        return Bound{node.literal.kind, -1, node.literal, node.offset};
      case SyntaxKind::kColumn:
        return bind_column(node);
      case SyntaxKind::kCall:
        return bind_call(node);
      case SyntaxKind::kCast:
        return bind_cast(node);
      case SyntaxKind::kCase:
      case SyntaxKind::kCaseOf:
        return bind_case(node);
      case SyntaxKind::kIn:
        return bind_in(node);
      case SyntaxKind::kBetween:
        return bind_between(node);
      case SyntaxKind::kIsNull: {
        ASSAY_ASSIGN_OR_RETURN(Bound value, bind_any(node.children[0]));
        const int input = materialise(value);
        return emit(
            is_null_kernel(), NullRule::kOwn, ValueKind::kBool, {input}, nullptr, node.offset);
      }
    }
    return fail(node.offset, "unknown construct");
  }

  Result<std::vector<Bound>> bind_all(const SyntaxNode& node) {
    std::vector<Bound> bounds;
    for (const SyntaxNode& child : node.children) {
      ASSAY_ASSIGN_OR_RETURN(Bound bound, bind(child));
      bounds.push_back(std::move(bound));
    }
    return bounds;
  }

  Result<Bound> bind_column(const SyntaxNode& node) {
    const std::optional<int> index = schema_.find(node.text);
    if (!index.has_value()) {
      return fail(node.offset,
                  "no column `" + node.text.substr(0, 80) + "`" + suggest_column(node.text));
    }
    const Field& field = schema_.field(*index);
    const auto known = column_steps_.find(node.text);
    if (known != column_steps_.end()) {
      return Bound{kind_of(field.type), known->second, std::nullopt, node.offset};
    }
    Bound bound = emit(nullptr, NullRule::kStrict, kind_of(field.type), {}, nullptr, node.offset);
    program_->steps.back().column = static_cast<int>(program_->columns.size());
    program_->columns.push_back(field.name);
    program_->column_types.push_back(field.type);
    column_steps_[node.text] = bound.step;
    return bound;
  }

  [[nodiscard]] std::string suggest_column(const std::string& name) const {
    for (const Field& field : schema_.fields()) {
      if (lower_ascii(field.name) == lower_ascii(name)) {
        return "; did you mean `" + field.name + "`?";
      }
    }
    return did_you_mean(name, schema_.names());
  }

  Result<Bound> bind_call(const SyntaxNode& node) {
    const std::string& name = node.text;
    if (name == "and" || name == "or") {
      return bind_logic(node);
    }
    if (name == "=" || name == "<>" || name == "<" || name == "<=" || name == ">" || name == ">=") {
      ASSAY_ASSIGN_OR_RETURN(std::vector<Bound> sides, bind_all(node));
      return compare(name, std::move(sides[0]), std::move(sides[1]), node.offset);
    }
    if (name == "not") {
      ASSAY_ASSIGN_OR_RETURN(Bound value, bind(node.children[0]));
      ASSAY_ASSIGN_OR_RETURN(value, as_bool(std::move(value), "NOT"));
      const int input = materialise(value);
      return emit(not_kernel(), NullRule::kStrict, ValueKind::kBool, {input}, nullptr, node.offset);
    }
    if (name == "||" || name == "concat") {
      return bind_concat(node);
    }
    if (name == "coalesce" || name == "greatest" || name == "least") {
      return bind_choice(node);
    }
    if (name == "now") {
      return bind_now(node);
    }
    if (name == "nullif") {
      return bind_nullif(node);
    }
    return bind_function(node);
  }

  /// The instant of the question, where there is one: a column of the schema.
  Result<Bound> bind_now(const SyntaxNode& node) {
    if (!node.children.empty()) {
      return fail(node.offset, "now() takes no arguments");
    }
    if (!schema_.find(kNowColumn).has_value()) {
      return fail(node.offset,
                  "now() has no meaning here: only features that are computed when they are read "
                  "know the instant of the question");
    }
    SyntaxNode column = node;
    column.text = kNowColumn;
    return bind_column(column);
  }

  Result<Bound> as_bool(Bound value, std::string_view where) {
    if (value.kind != ValueKind::kBool && value.kind != ValueKind::kNull) {
      return fail(value.offset,
                  std::string(where) + " needs bool, not " + std::string(kind_name(value.kind)) +
                      ", compare it with something or CAST it;");
    }
    return coerce(std::move(value), ValueKind::kBool);
  }

  Result<Bound> bind_logic(const SyntaxNode& node) {
    const bool is_and = node.text == "and";
    std::vector<int> inputs;
    for (const SyntaxNode& child : node.children) {
      ASSAY_ASSIGN_OR_RETURN(Bound value, bind(child));
      ASSAY_ASSIGN_OR_RETURN(value, as_bool(std::move(value), is_and ? "AND" : "OR"));
      inputs.push_back(materialise(value));
    }
    return emit(is_and ? and_kernel() : or_kernel(),
                NullRule::kOwn,
                ValueKind::kBool,
                std::move(inputs),
                nullptr,
                node.offset);
  }

  /// Bring all values to one kind. Text literals become times beside times.
  Status unify(std::vector<Bound>& values, std::string_view where, std::size_t offset) {
    ValueKind kind = ValueKind::kNull;
    for (const Bound& value : values) {
      if (value.kind == ValueKind::kDate || value.kind == ValueKind::kTimestamp) {
        kind = ValueKind::kDate;
      }
    }
    if (kind == ValueKind::kDate) {
      ASSAY_RETURN_IF_ERROR(read_time_literals(values));
    }
    kind = ValueKind::kNull;
    const bool has_int32 = std::any_of(values.begin(), values.end(), [](const Bound& value) {
      return value.kind == ValueKind::kInt32;
    });
    for (const Bound& value : values) {
      const bool small = has_int32 && value.literal.has_value() && fits_int32(*value.literal);
      const ValueKind own = small ? ValueKind::kInt32 : value.kind;
      if (own == ValueKind::kVector) {
        return fail(value.offset, std::string(where) + " does not take vectors;");
      }
      const std::optional<ValueKind> both = common_kind(kind, own);
      if (!both.has_value()) {
        return fail(value.offset == 0 ? offset : value.offset,
                    std::string(where) + " needs values of one type, found " +
                        std::string(kind_name(kind)) + " and " + std::string(kind_name(own)) +
                        ", use CAST;");
      }
      kind = *both;
    }
    for (Bound& value : values) {
      value = coerce(std::move(value), kind);
    }
    return {};
  }

  Status read_time_literals(std::vector<Bound>& values) const {
    for (Bound& value : values) {
      if (!value.literal.has_value() || value.literal->kind != ValueKind::kString) {
        continue;
      }
      EventTime time;
      if (!try_parse_time(value.literal->text, &time)) {
        return fail(value.offset,
                    "expected a time such as '2024-01-31 10:00:00', found '" +
                        value.literal->text.substr(0, 40) + "'");
      }
      const bool midnight = floor_to(time.micros, kMicrosPerDay) == time.micros;
      value.kind = midnight ? ValueKind::kDate : ValueKind::kTimestamp;
      value.literal =
          Literal{value.kind, midnight ? time.micros / kMicrosPerDay : time.micros, 0, ""};
    }
    return {};
  }

  Result<Bound> compare(const std::string& name, Bound left, Bound right, std::size_t offset) {
    std::vector<Bound> sides;
    sides.push_back(std::move(left));
    sides.push_back(std::move(right));
    ASSAY_RETURN_IF_ERROR(unify(sides, "`" + name + "`", offset));
    if (sides[0].kind == ValueKind::kFloat32) {
      sides[0] = coerce(std::move(sides[0]), ValueKind::kFloat64);
      sides[1] = coerce(std::move(sides[1]), ValueKind::kFloat64);
    }
    const ValueKind kind = sides[0].kind;
    const bool swap = name == ">" || name == ">=";
    if (swap) {
      std::swap(sides[0], sides[1]);
    }
    const CompareOp op = name == "="                  ? CompareOp::kEqual
                         : name == "<>"               ? CompareOp::kNotEqual
                         : name == "<" || name == ">" ? CompareOp::kLess
                                                      : CompareOp::kLessEqual;
    return emit(compare_kernel(op, kind),
                NullRule::kStrict,
                ValueKind::kBool,
                materialise_all(sides),
                nullptr,
                offset);
  }

  Result<Bound> bind_between(const SyntaxNode& node) {
    ASSAY_ASSIGN_OR_RETURN(std::vector<Bound> parts, bind_all(node));
    ASSAY_ASSIGN_OR_RETURN(Bound low, compare(">=", parts[0], std::move(parts[1]), node.offset));
    ASSAY_ASSIGN_OR_RETURN(Bound high, compare("<=", parts[0], std::move(parts[2]), node.offset));
    return emit(and_kernel(),
                NullRule::kOwn,
                ValueKind::kBool,
                {low.step, high.step},
                nullptr,
                node.offset);
  }

  Result<Bound> bind_in(const SyntaxNode& node) {
    ASSAY_ASSIGN_OR_RETURN(std::vector<Bound> values, bind_all(node));
    ASSAY_RETURN_IF_ERROR(unify(values, "IN", node.offset));
    if (values[0].kind == ValueKind::kFloat32) {
      for (Bound& value : values) {
        value = coerce(std::move(value), ValueKind::kFloat64);
      }
    }
    const ValueKind kind = values[0].kind;
    std::vector<Literal> constants;
    std::vector<int> computed;
    bool has_null = false;
    for (std::size_t i = 1; i < values.size(); ++i) {
      if (!values[i].literal.has_value()) {
        computed.push_back(values[i].step);
      } else if (values[i].literal->kind == ValueKind::kNull) {
        has_null = true;
      } else {
        constants.push_back(*values[i].literal);
      }
    }
    const int tested = materialise(values[0]);
    Bound found = emit(in_set_kernel(kind),
                       NullRule::kOwn,
                       ValueKind::kBool,
                       {tested},
                       in_set_state(kind, constants, has_null),
                       node.offset);
    for (const int other : computed) {
      const Bound equal = emit(compare_kernel(CompareOp::kEqual, kind),
                               NullRule::kStrict,
                               ValueKind::kBool,
                               {tested, other},
                               nullptr,
                               node.offset);
      found = emit(or_kernel(),
                   NullRule::kOwn,
                   ValueKind::kBool,
                   {found.step, equal.step},
                   nullptr,
                   node.offset);
    }
    return found;
  }

  Result<Bound> bind_case(const SyntaxNode& node) {
    std::size_t at = 0;
    std::optional<Bound> compared;
    if (node.kind == SyntaxKind::kCaseOf) {
      ASSAY_ASSIGN_OR_RETURN(compared, bind(node.children[at++]));
    }
    std::vector<int> conditions;
    std::vector<Bound> values;
    for (; at + 1 < node.children.size(); at += 2) {
      ASSAY_ASSIGN_OR_RETURN(Bound condition, bind(node.children[at]));
      if (compared.has_value()) {
        ASSAY_ASSIGN_OR_RETURN(condition,
                               compare("=", *compared, std::move(condition), node.offset));
      }
      ASSAY_ASSIGN_OR_RETURN(condition, as_bool(std::move(condition), "WHEN"));
      conditions.push_back(materialise(condition));
      ASSAY_ASSIGN_OR_RETURN(Bound value, bind(node.children[at + 1]));
      values.push_back(std::move(value));
    }
    ASSAY_ASSIGN_OR_RETURN(Bound otherwise, bind(node.children[at]));
    values.push_back(std::move(otherwise));
    ASSAY_RETURN_IF_ERROR(unify(values, "CASE", node.offset));
    const ValueKind kind = values[0].kind;
    int chosen = materialise(values.back());
    for (std::size_t i = conditions.size(); i-- > 0;) {
      const int value = materialise(values[i]);
      chosen = emit(choose_kernel(kind),
                    NullRule::kOwn,
                    kind,
                    {conditions[i], value, chosen},
                    nullptr,
                    node.offset)
                   .step;
    }
    return Bound{kind, chosen, std::nullopt, node.offset};
  }

  Result<Bound> bind_cast(const SyntaxNode& node) {
    ASSAY_ASSIGN_OR_RETURN(Bound value, bind(node.children[0]));
    const std::optional<ValueKind> kind = kind_from_sql_name(node.text);
    if (!kind.has_value()) {
      std::vector<std::string> names;
      for (const SqlTypeName& known : sql_type_names()) {
        names.emplace_back(known.name);
      }
      return fail(
          node.offset,
          "unknown type `" + node.text.substr(0, 80) + "`" + did_you_mean(node.text, names));
    }
    if (value.kind != *kind && value.kind != ValueKind::kNull &&
        cast_kernel(value.kind, *kind).kernel == nullptr) {
      return fail(node.offset,
                  "there is no cast from " + std::string(kind_name(value.kind)) + " to " +
                      std::string(kind_name(*kind)));
    }
    return coerce(std::move(value), *kind);
  }

  Result<Bound> bind_concat(const SyntaxNode& node) {
    ASSAY_ASSIGN_OR_RETURN(std::vector<Bound> parts, bind_all(node));
    if (parts.empty()) {
      return fail(node.offset, "concat needs at least one value");
    }
    for (Bound& part : parts) {
      const bool castable = part.kind == ValueKind::kNull || part.kind == ValueKind::kString ||
                            cast_kernel(part.kind, ValueKind::kString).kernel != nullptr;
      if (!castable) {
        return fail(part.offset, "there is no text of " + std::string(kind_name(part.kind)));
      }
      part = coerce(std::move(part), ValueKind::kString);
    }
    const bool skip_nulls = node.text == "concat";
    return emit(concat_kernel(skip_nulls),
                skip_nulls ? NullRule::kOwn : NullRule::kPartial,
                ValueKind::kString,
                materialise_all(parts),
                nullptr,
                node.offset);
  }

  Result<Bound> bind_choice(const SyntaxNode& node) {
    ASSAY_ASSIGN_OR_RETURN(std::vector<Bound> values, bind_all(node));
    if (values.empty()) {
      return fail(node.offset, node.text + " needs at least one value");
    }
    ASSAY_RETURN_IF_ERROR(unify(values, node.text, node.offset));
    const ValueKind kind = values[0].kind;
    const Kernel kernel = node.text == "coalesce" ? coalesce_kernel(kind)
                                                  : extreme_kernel(kind, node.text == "greatest");
    return emit(kernel, NullRule::kOwn, kind, materialise_all(values), nullptr, node.offset);
  }

  Result<Bound> bind_nullif(const SyntaxNode& node) {
    ASSAY_ASSIGN_OR_RETURN(std::vector<Bound> sides, bind_all(node));
    if (sides.size() != 2) {
      return fail(node.offset, "nullif takes 2 values, not " + std::to_string(sides.size()));
    }
    ASSAY_ASSIGN_OR_RETURN(const Bound equal,
                           compare("=", sides[0], std::move(sides[1]), node.offset));
    const int value = materialise(sides[0]);
    const ValueKind kind = sides[0].kind;
    return emit(
        null_when_kernel(kind), NullRule::kOwn, kind, {equal.step, value}, nullptr, node.offset);
  }

  // --- functions of the table

  Result<Bound> bind_function(const SyntaxNode& node) {
    ASSAY_ASSIGN_OR_RETURN(std::vector<Bound> arguments, bind_all(node));
    std::vector<ValueKind> kinds;
    for (const Bound& argument : arguments) {
      kinds.push_back(argument.kind);
    }
    const Result<const FunctionEntry*> found = find_overload(node.text, kinds);
    if (!found.ok()) {
      return fail(node.offset, found.status().message());
    }
    const FunctionEntry& entry = **found;
    StepStatePtr state;
    std::vector<int> inputs;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      if (static_cast<int>(i) == entry.literal_argument) {
        ASSAY_ASSIGN_OR_RETURN(state, prepare(entry, node.text, arguments[i]));
        continue;
      }
      arguments[i] = coerce(std::move(arguments[i]), entry.arguments[i]);
      inputs.push_back(materialise(arguments[i]));
    }
    return emit(
        entry.kernel, entry.nulls, entry.result, std::move(inputs), std::move(state), node.offset);
  }

  /// What a function makes of its literal argument.
  Result<StepStatePtr> prepare(const FunctionEntry& entry,
                               const std::string& name,
                               const Bound& argument) const {
    if (!argument.literal.has_value() || argument.literal->kind != ValueKind::kString) {
      return fail(argument.offset,
                  "argument " + std::to_string(entry.literal_argument + 1) + " of " + name +
                      " must be a text literal");
    }
    Result<StepStatePtr> prepared = entry.prepare(argument.literal->text);
    if (!prepared.ok()) {
      return fail(argument.offset, prepared.status().message());
    }
    return prepared;
  }

  std::string_view text_;
  const Schema& schema_;
  std::shared_ptr<Expression::Program> program_ = std::make_shared<Expression::Program>();
  std::map<std::string, int> column_steps_;
};

}  // namespace

Result<std::shared_ptr<const Expression::Program>> bind_expression(const SyntaxNode& root,
                                                                   std::string_view text,
                                                                   const Schema& schema) {
  return Binder(text, schema).run(root);
}

}  // namespace assay::data
