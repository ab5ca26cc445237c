#include "gold/random_expression.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>

#include "base/time.h"
#include "data/expression.h"

namespace assay::gold {
namespace {

using data::Int128;
using data::Scalar;
using data::Type;
using data::TypeId;
using Expression = RandomExpression;
using Values = const ColumnValues&;

constexpr int kDepthMax = 2;

/// NaN is greater than every number and equal to itself; -0.0 equals 0.0; text goes by its bytes.
int order(const Scalar& a, const Scalar& b) {
  const auto three_way = [](const auto& x, const auto& y) { return x < y ? -1 : (y < x ? 1 : 0); };
  if (const auto* x = std::get_if<double>(&a.value)) {
    const double y = std::get<double>(b.value);
    if (std::isnan(*x) || std::isnan(y)) {
      return three_way(std::isnan(*x) ? 1 : 0, std::isnan(y) ? 1 : 0);
    }
    return three_way(*x, y);
  }
  if (const auto* x = std::get_if<int64_t>(&a.value)) {
    return three_way(*x, std::get<int64_t>(b.value));
  }
  if (const auto* x = std::get_if<bool>(&a.value)) {
    return three_way(*x, std::get<bool>(b.value));
  }
  return three_way(std::get<std::string>(a.value), std::get<std::string>(b.value));
}

Expression combine(Type type,
                   std::string text,
                   std::string sql,
                   const std::vector<Expression>& of,
                   std::function<Scalar(const std::vector<Scalar>&)> value) {
  Expression made{std::move(text), std::move(sql), type, {}, {}};
  for (const Expression& one : of) {
    made.columns.insert(made.columns.end(), one.columns.begin(), one.columns.end());
  }
  made.value = [of, value = std::move(value)](Values values) {
    std::vector<Scalar> inputs;
    for (const Expression& one : of) {
      inputs.push_back(one.value(values));
    }
    return value(inputs);
  };
  return made;
}

/// Both texts alike: `parts` put around the operands.
Expression combine_alike(Type type,
                         const std::vector<std::string>& parts,
                         const std::vector<Expression>& of,
                         std::function<Scalar(const std::vector<Scalar>&)> value) {
  std::string text = parts[0];
  std::string sql = parts[0];
  for (std::size_t i = 0; i < of.size(); ++i) {
    text += of[i].text + parts[i + 1];
    sql += of[i].sql + parts[i + 1];
  }
  return combine(std::move(type), std::move(text), std::move(sql), of, std::move(value));
}

Expression literal(const Scalar& value, const std::string& text, const std::string& sql) {
  return {text, sql, value.type, {}, [value](Values) { return value; }};
}

/// Makes expressions over columns.
class Maker {
 public:
  Maker(Random& random, const std::vector<data::Field>& columns, bool products)
      : random_(random), columns_(columns), products_(products) {}

  Expression of_type(TypeId type, int depth) {
    switch (type) {
      case Type::kBool:
        return condition(depth);
      case Type::kInt64:
        return whole(depth);
      case Type::kFloat64:
        return real(depth);
      default:
        return text(depth);
    }
  }

  Expression condition(int depth) {
    if (depth >= kDepthMax || random_.below(4) == 0) {
      return leaf(Type::kBool);
    }
    switch (random_.below(7)) {
      case 0:
        return combine_alike(
            Type::kBool, {"(NOT ", ")"}, {condition(depth + 1)}, [](const auto& x) {
              return x[0].is_null() ? x[0] : Scalar::boolean(!std::get<bool>(x[0].value));
            });
      case 1:
        return both(depth, true);
      case 2:
        return both(depth, false);
      case 3:
        return combine_alike(
            Type::kBool, {"(", " IS NULL)"}, {of_type(any_type(), depth + 1)}, [](const auto& x) {
              return Scalar::boolean(x[0].is_null());
            });
      case 4:
        return in_set(depth);
      default:
        return comparison(depth);
    }
  }

 private:
  TypeId any_type() {
    const TypeId types[] = {Type::kBool, Type::kInt64, Type::kFloat64, Type::kString};
    return types[random_.below(4)];
  }

  Expression leaf(TypeId type) {
    std::vector<const data::Field*> fitting;
    for (const data::Field& column : columns_) {
      if (column.type == type) {
        fitting.push_back(&column);
      }
    }
    if (!fitting.empty() && random_.below(6) != 0) {
      const data::Field& column = *fitting[random_.below(fitting.size())];
      return column_expression(column.name, column.type);
    }
    switch (type) {
      case Type::kBool:
        return random_.below(2) == 0 ? literal(Scalar::boolean(true), "true", "true")
                                     : literal(Scalar::boolean(false), "false", "false");
      case Type::kInt64: {
        const auto value = static_cast<int64_t>(random_.below(7));
        const std::string text = std::to_string(value);
        return literal(Scalar::int64(value), text, "CAST(" + text + " AS BIGINT)");
      }
      case Type::kFloat64: {
        const uint64_t halves = random_.below(8);
        const double value = static_cast<double>(halves) / 2;
        const std::string text = std::to_string(halves / 2) + (halves % 2 == 0 ? ".0" : ".5");
        return literal(Scalar::float64(value), text, "CAST(" + text + " AS DOUBLE)");
      }
      default: {
        const std::string value(1, static_cast<char>('a' + random_.below(3)));
        return literal(Scalar::string(value), "'" + value + "'", "'" + value + "'");
      }
    }
  }

  Expression both(int depth, bool conjunction) {
    return combine_alike(Type::kBool,
                         {"(", conjunction ? " AND " : " OR ", ")"},
                         {condition(depth + 1), condition(depth + 1)},
                         [conjunction](const auto& x) {
                           // The value that decides alone: false of AND, true of OR.
                           for (const Scalar& one : x) {
                             if (!one.is_null() && std::get<bool>(one.value) != conjunction) {
                               return one;
                             }
                           }
                           return x[0].is_null() ? x[0] : x[1];
                         });
  }

  Expression in_set(int depth) {
    return combine_alike(
        Type::kBool, {"(", " IN ('a', 'c!', ''))"}, {text(depth + 1)}, [](const auto& x) {
          if (x[0].is_null()) {
            return Scalar::null(Type::kBool);
          }
          const auto& found = std::get<std::string>(x[0].value);
          return Scalar::boolean(found == "a" || found == "c!" || found.empty());
        });
  }

  Expression comparison(int depth) {
    const TypeId type = any_type();
    const char* signs[] = {" = ", " <> ", " < ", " <= ", " > ", " >= "};
    const uint64_t sign = random_.below(6);
    return combine_alike(
        Type::kBool,
        {"(", signs[sign], ")"},
        {of_type(type, depth + 1), of_type(type, depth + 1)},
        [sign](const auto& x) {
          if (x[0].is_null() || x[1].is_null()) {
            return Scalar::null(Type::kBool);
          }
          const int way = order(x[0], x[1]);
          const bool answers[] = {way == 0, way != 0, way<0, way <= 0, way> 0, way >= 0};
          return Scalar::boolean(answers[sign]);
        });
  }

  /// What every type has: coalesce, nullif, CASE.
  Expression choice(TypeId type, int depth) {
    switch (random_.below(3)) {
      case 0:
        return combine_alike(type,
                             {"coalesce(", ", ", ")"},
                             {of_type(type, depth + 1), of_type(type, depth + 1)},
                             [](const auto& x) { return x[0].is_null() ? x[1] : x[0]; });
      case 1:
        return combine_alike(type,
                             {"nullif(", ", ", ")"},
                             {of_type(type, depth + 1), of_type(type, depth + 1)},
                             [](const auto& x) {
                               const bool equal =
                                   !x[0].is_null() && !x[1].is_null() && order(x[0], x[1]) == 0;
                               return equal ? Scalar::null(x[0].type) : x[0];
                             });
      default:
        return combine_alike(
            type,
            {"CASE WHEN ", " THEN ", " ELSE ", " END"},
            {condition(depth + 1), of_type(type, depth + 1), of_type(type, depth + 1)},
            [](const auto& x) { return x[0].value == Scalar::boolean(true).value ? x[1] : x[2]; });
    }
  }

  /// A function of numbers that is null where one of them is.
  template <typename T, typename F>
  Expression strict(const std::vector<std::string>& parts, std::vector<Expression> of, F function) {
    const Type type = of[0].type;
    return combine_alike(type, parts, of, [type, function](const auto& x) {
      for (const Scalar& one : x) {
        if (one.is_null()) {
          return Scalar::null(type);
        }
      }
      const std::optional<T> made =
          function(std::get<T>(x.front().value), std::get<T>(x.back().value));
      return made ? Scalar{type, *made} : Scalar::null(type);
    });
  }

  Expression real(int depth) {
    if (depth >= kDepthMax || random_.below(3) == 0) {
      return leaf(Type::kFloat64);
    }
    const auto some = [&] { return real(depth + 1); };
    using Real = std::optional<double>;
    switch (random_.below(products_ ? 8 : 6)) {
      case 0:
        return strict<double>({"(- ", ")"}, {some()}, [](double x, double) -> Real { return -x; });
      case 1:
        return strict<double>(
            {"abs(", ")"}, {some()}, [](double x, double) -> Real { return std::fabs(x); });
      case 2:
        return strict<double>(
            {"(", " + ", ")"}, {some(), some()}, [](double x, double y) -> Real { return x + y; });
      case 3:
        return strict<double>(
            {"(", " - ", ")"}, {some(), some()}, [](double x, double y) -> Real { return x - y; });
      case 6:
        return strict<double>(
            {"(", " * ", ")"}, {some(), some()}, [](double x, double y) -> Real { return x * y; });
      case 7: {
        const Expression above = some();
        const Expression below = some();
        Expression made =
            strict<double>({"(", " / ", ")"}, {above, below}, [](double x, double y) -> Real {
              return y == 0 ? std::nullopt : Real(x / y);
            });
        made.sql = "(" + above.sql + " / nullif(" + below.sql + ", 0))";
        return made;
      }
      default:
        return choice(Type::kFloat64, depth);
    }
  }

  Expression whole(int depth) {
    if (depth >= kDepthMax || random_.below(3) == 0) {
      return leaf(Type::kInt64);
    }
    using Whole = std::optional<int64_t>;
    const auto fitting = [](Int128 value) {
      const bool fits = value >= std::numeric_limits<int64_t>::min() &&
                        value <= std::numeric_limits<int64_t>::max();
      return fits ? Whole(static_cast<int64_t>(value)) : std::nullopt;
    };
    // In SQL the same in 128 bits, and null where it does not fit.
    const auto wide = [](const Expression& one) { return "CAST(" + one.sql + " AS HUGEINT)"; };
    // (A bare TRY_CAST is lost where its result is compared with a constant: docs/bugs.md.)
    const auto narrow = [](const std::string& sql) {
      return "CASE WHEN " + sql + " BETWEEN -9223372036854775808 AND 9223372036854775807 THEN " +
             "TRY_CAST(" + sql + " AS BIGINT) END";
    };
    const Expression x = whole(depth + 1);
    switch (random_.below(6)) {
      case 0:
      case 1: {
        const Expression y = whole(depth + 1);
        const bool plus = random_.below(2) == 0;
        const std::string sign = plus ? " + " : " - ";
        Expression made =
            strict<int64_t>({"(", sign, ")"}, {x, y}, [fitting, plus](int64_t a, int64_t b) {
              return fitting(plus ? Int128{a} + b : Int128{a} - b);
            });
        made.sql = narrow(wide(x) + sign + wide(y));
        return made;
      }
      case 2: {
        Expression made = strict<int64_t>({"abs(", ")"}, {x}, [fitting](int64_t a, int64_t) {
          return fitting(a < 0 ? -Int128{a} : Int128{a});
        });
        made.sql = narrow("abs(" + wide(x) + ")");
        return made;
      }
      case 3:
        return combine_alike(Type::kInt64, {"length(", ")"}, {text(depth + 1)}, [](const auto& of) {
          return of[0].is_null() ? Scalar::null(Type::kInt64)
                                 : Scalar::int64(static_cast<int64_t>(
                                       std::get<std::string>(of[0].value).size()));
        });
      default:
        return choice(Type::kInt64, depth);
    }
  }

  Expression text(int depth) {
    if (depth >= kDepthMax || random_.below(3) == 0) {
      return leaf(Type::kString);
    }
    const auto mapped = [](auto function) {
      return [function](const std::vector<Scalar>& x) {
        return x[0].is_null() ? x[0] : Scalar::string(function(std::get<std::string>(x[0].value)));
      };
    };
    switch (random_.below(4)) {
      case 0:
        return combine_alike(Type::kString,
                             {"(", " || '!')"},
                             {text(depth + 1)},
                             mapped([](std::string x) { return x + "!"; }));
      case 1:
        return combine_alike(
            Type::kString, {"upper(", ")"}, {text(depth + 1)}, mapped([](std::string x) {
              for (char& letter : x) {
                letter = letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 32) : letter;
              }
              return x;
            }));
      default:
        return choice(Type::kString, depth);
    }
  }

  Random& random_;
  const std::vector<data::Field>& columns_;
  const bool products_;
};

}  // namespace

RandomExpression column_expression(const std::string& name, const data::Type& type) {
  return {name, "\"" + name + "\"", type, {name}, [name](Values values) { return values(name); }};
}

RandomExpression random_expression(Random& random,
                                   const std::vector<data::Field>& columns,
                                   bool products) {
  if (random.below(2) == 0) {
    const data::Field& column = columns[random.below(columns.size())];
    return column_expression(column.name, column.type);
  }
  const TypeId types[] = {Type::kBool, Type::kInt64, Type::kFloat64, Type::kString};
  return Maker(random, columns, products).of_type(types[random.below(4)], 0);
}

RandomExpression random_condition(Random& random, const std::vector<data::Field>& columns) {
  return Maker(random, columns, false).condition(0);
}

RandomExpression random_clock(Random& random) {
  struct Zone {
    const char* name;
    int64_t minutes;
  };
  constexpr Zone kZones[] = {
      {"UTC", 0}, {"Europe/Berlin", 60}, {"America/New_York", -300}, {"Asia/Kolkata", 330}};
  const Zone& zone = kZones[random.below(4)];
  const std::string wall = "timezone('" + std::string(zone.name) + "', now())";
  constexpr int64_t kMinuteMicros = 60 * kMicrosPerSecond;
  // Minutes of the wall clock since a Monday before all instants.
  constexpr int64_t kMonday = (978'307'200 - 70 * 86'400) * kMicrosPerSecond;
  const std::string minutes = "((now - " + std::to_string(kMonday) + ") // " +
                              std::to_string(kMinuteMicros) + " + " + std::to_string(zone.minutes) +
                              ")";
  struct Face {
    const char* function;
    int64_t unit;
    int64_t count;
    int64_t first;
  };
  constexpr Face kFaces[] = {{"minute", 1, 60, 0}, {"hour", 60, 24, 0}, {"isodow", 1440, 7, 1}};
  const Face face = kFaces[random.below(3)];
  const auto digits = [](int64_t number) { return std::to_string(number); };
  RandomExpression made{std::string(face.function) + "(" + wall + ")", "", Type::kInt64, {}, {}};
  made.sql = "CAST(" + minutes + " // " + digits(face.unit) + " % " + digits(face.count) + " + " +
             digits(face.first) + " AS BIGINT)";
  made.value = [face, zone](Values values) {
    const int64_t now = std::get<int64_t>(values(data::kNowColumn).value);
    const int64_t minute = (now - kMonday) / kMinuteMicros + zone.minutes;
    return Scalar::int64(minute / face.unit % face.count + face.first);
  };
  return made;
}

}  // namespace assay::gold
