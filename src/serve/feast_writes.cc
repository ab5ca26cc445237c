#include "serve/feast_writes.h"

#include <algorithm>
#include <array>

#include "base/json_writer.h"
#include "base/suggest.h"
#include "base/time.h"
#include "serve/error_response.h"
#include "serve/permitted.h"
#include "serve/signature.h"
#include "serve/written_rows.h"

namespace assay::serve {
namespace {

constexpr std::size_t kRowsMax = 1'000'000;
constexpr std::size_t kLinesBytesMax = std::size_t{64} << 20;
constexpr std::string_view kIdempotencyKey = "idempotency-key";
constexpr std::size_t kKeyBytesMax = 255;
constexpr int kTooLarge = 413;
constexpr int kUnprocessable = 422;
constexpr int kUnimplemented = 501;
constexpr int kUnavailable = 503;
constexpr int kNoSpace = 507;

Response refuse(int status, const std::string& message) {
  return feast_error(status, "FeastError", message);
}

Response no_line() {
  return refuse(kUnimplemented, "this server only reads; there is no line beside it to ask");
}

std::vector<std::string> view_names(const ServingState& state) {
  std::vector<std::string> names;
  for (const auto& [name, view] : state.views) {
    names.push_back(name);
  }
  return names;
}

void write_json(JsonWriter& writer, const JsonValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    writer.boolean(*flag);
  } else if (const auto* whole = std::get_if<int64_t>(&value)) {
    writer.integer(*whole);
  } else if (const auto* large = std::get_if<uint64_t>(&value)) {
    writer.raw(std::to_string(*large));
  } else if (const auto* real = std::get_if<double>(&value)) {
    writer.number(*real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    writer.string(*text);
  } else if (const auto* nested = std::get_if<JsonText>(&value)) {
    writer.raw(nested->json);
  } else {
    writer.null();
  }
}

/// As Python prints a time with its zone.
std::string python_time(EventTime time) {
  std::string text = format_time(time);
  std::replace(text.begin(), text.end(), 'T', ' ');
  text.pop_back();  // the Z
  return text + "+00:00";
}

/// What is wrong with the instants of a request, as Feast says it.
std::optional<std::string> check_times(const MaterializeBody& body, bool incremental) {
  if (!incremental && body.disable_event_timestamp) {
    return std::nullopt;
  }
  if (!incremental && (!body.start_ts.has_value() || !body.end_ts.has_value())) {
    return "start_ts and end_ts are required when disable_event_timestamp is False";
  }
  const Result<EventTime> end = parse_time(*body.end_ts);
  if (!end.ok()) {
    return "end_ts: " + end.status().message();
  }
  if (incremental) {
    return std::nullopt;
  }
  const Result<EventTime> start = parse_time(*body.start_ts);
  if (!start.ok()) {
    return "start_ts: " + start.status().message();
  }
  if (*start >= *end) {
    return "start_ts (" + python_time(*start) + ") must be before end_ts (" + python_time(*end) +
           ")";
  }
  return std::nullopt;
}

/// Why columns of one length are too much as lines, each of which names every column.
std::optional<std::string> check_size(const std::vector<JsonColumn>& columns) {
  const std::size_t rows = columns.empty() ? 0 : columns.front().values.size();
  std::string names;
  for (const JsonColumn& column : columns) {
    append_json_string(names, column.name);
    names += ":,";
  }
  if (rows > kRowsMax) {
    return "at most " + std::to_string(kRowsMax) + " rows are pushed at once";
  }
  if (rows != 0 && names.size() > kLinesBytesMax / rows) {
    return "the rows as JSON lines, each with the names of all columns, are more than " +
           std::to_string(kLinesBytesMax >> 20) + " MiB; push fewer at once";
  }
  return std::nullopt;
}

/// The name under which a push is taken once: of one caller, since keys of two may be alike. "" for
/// a push without a key.
std::string push_name(std::string_view key, const Caller& caller) {
  return key.empty() ? "" : sha256_hex(caller.name + "\n" + std::string(key));
}

/// What becomes of each row of a push that was taken.
Response verdicts_response(const std::vector<RowVerdict>& verdicts) {
  Response response;
  JsonWriter writer(response.body);
  writer.begin_object();
  for (const char* const verdict : {"accepted", "quarantined", "dropped"}) {
    writer.key(verdict);
    writer.integer(std::count_if(verdicts.begin(), verdicts.end(), [&](const RowVerdict& row) {
      return row.verdict == verdict;
    }));
  }
  writer.key("rows");
  writer.begin_array();
  for (const RowVerdict& row : verdicts) {
    writer.begin_object();
    writer.key("verdict");
    writer.string(row.verdict);
    for (const auto& [name, value] : {std::pair{"table", &row.table},
                                      std::pair{"reason", &row.reason},
                                      std::pair{"column", &row.column}}) {
      if (!value->empty()) {
        writer.key(name);
        writer.string(*value);
      }
    }
    writer.end_object();
  }
  writer.end_array();
  writer.end_object();
  return response;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

std::optional<Response> check_lengths(const WriteBody& body) {
  for (const JsonColumn& column : body.df) {
    if (column.values.size() != body.df.front().values.size()) {
      return refuse(kUnprocessable, "All arrays must be of the same length");
    }
  }
  return std::nullopt;
}

/// `done`: the body when nobody asked what becomes of the rows.
Response pushed_response(const Pushed& pushed, const char* done) {
  return pushed.refusal.has_value()    ? *pushed.refusal
         : pushed.verdicts.has_value() ? verdicts_response(*pushed.verdicts)
         : *done == '\0'               ? Response{200, "", "", {}}
                                       : Response{200, "application/json", done, {}};
}

/// Why a push is refused before anybody is asked for it.
std::optional<Response> check_push(LineControl* line,
                                   const WriteBody& body,
                                   std::string_view key,
                                   const Caller& caller) {
  constexpr std::array<std::string_view, 3> kTargets = {"online", "offline", "online_and_offline"};
  if (std::find(kTargets.begin(), kTargets.end(), body.to) == kTargets.end()) {
    return refuse(kUnprocessable,
                  body.to +
                      " is not a supported push format. Please specify one of these "
                      "['online', 'offline', 'online_and_offline'].");
  }
  if (const std::optional<Response> wrong = check_lengths(body)) {
    return wrong;
  }
  if (!caller.may("source", body.target)) {
    return not_permitted(caller, "source", body.target);
  }
  if (line == nullptr) {
    return no_line();
  }
  if (key.size() > kKeyBytesMax) {
    return refuse(kUnprocessable, "the idempotency key has more than 255 bytes");
  }
  if (const std::optional<std::string> why = check_size(body.df)) {
    return refuse(kTooLarge, *why);
  }
  return std::nullopt;
}

/// Whether rows name a field of a table that reads the source; none could be taken otherwise. Of
/// a source that no table reads nothing is known.
bool names_a_column(const ServingState& state, const WriteBody& body) {
  bool has_tables = false;
  for (const auto& [name, table] : state.definitions == nullptr
                                       ? std::map<std::string, catalog::BronzeDef>()
                                       : state.definitions->bronze) {
    if (table.source != body.target) {
      continue;
    }
    has_tables = true;
    for (const catalog::ColumnDef& column : table.columns) {
      if (std::any_of(body.df.begin(), body.df.end(), [&](const JsonColumn& sent) {
            return sent.name == column.field();
          })) {
        return true;
      }
    }
  }
  return !has_tables || body.df.empty();
}

/// What a push that the line did not take is answered.
Response failed_push(const ServingState& state,
                     const Caller& caller,
                     const std::string& source,
                     const Status& failure) {
  if (failure.code() == Code::kNotFound) {
    std::vector<std::string> sources;
    if (state.definitions != nullptr) {
      for (const auto& [name, known] : state.definitions->sources) {
        sources.push_back(name);
      }
    }
    return feast_error(kUnprocessable,
                       "PushSourceNotFoundException",
                       "Unable to find push source '" + source + "'." +
                           (sees_names(caller) ? did_you_mean(source, sources) : ""));
  }
  if (failure.code() == Code::kResourceExhausted) {
    return refuse(kNoSpace, failure.message());
  }
  if (failure.code() == Code::kAlreadyExists) {
    return refuse(kUnprocessable, failure.message());
  }
  return failure.code() == Code::kUnimplemented ? refuse(kUnimplemented, failure.message())
                                                : failure_response(failure);
}

}  // namespace

std::string to_json_lines(const std::vector<JsonColumn>& columns) {
  std::string lines;
  const std::size_t rows = columns.empty() ? 0 : columns.front().values.size();
  for (std::size_t row = 0; row < rows; ++row) {
    JsonWriter writer(lines);
    writer.begin_object();
    for (const JsonColumn& column : columns) {
      writer.key(column.name);
      write_json(writer, column.values[row]);
    }
    writer.end_object();
    lines += '\n';
  }
  return lines;
}

Pushed push_rows(const ServingState& state,
                 LineControl* line,
                 const WriteBody& body,
                 std::string_view key,
                 const Caller& caller) {
  Pushed pushed{check_push(line, body, key, caller), {}};
  if (pushed.refusal.has_value()) {
    return pushed;
  }
  if (!names_a_column(state, body)) {
    pushed.refusal = refuse(kUnprocessable,
                            "no column of these rows is one of a table that reads source " +
                                body.target + ", from `" + body.df.front().name + "` on");
    return pushed;
  }
  const std::string lines = to_json_lines(body.df);
  if (body.verdicts) {
    Result<std::vector<RowVerdict>> verdicts = line->judge(body.target, lines);
    if (!verdicts.ok()) {  // kFailedPrecondition: the same rows would fail again
      pushed.refusal = verdicts.code() == Code::kFailedPrecondition
                           ? refuse(kUnprocessable, verdicts.status().message())
                           : failed_push(state, caller, body.target, verdicts.status());
      return pushed;
    }
    pushed.verdicts = *std::move(verdicts);
  }
  const Status taken = line->push(body.target, lines, push_name(key, caller));
  if (!taken.ok()) {
    pushed.refusal = failed_push(state, caller, body.target, taken);
  }
  return pushed;
}

Response push(const ServingState& state,
              LineControl* line,
              const Request& request,
              const Caller& caller) {
  const Parsed<WriteBody> parsed = parse_write_body(request.body, "push_source_name");
  if (!parsed.errors.empty()) {
    return validation_error(parsed.errors);
  }
  return pushed_response(
      push_rows(state, line, parsed.body, request.header(kIdempotencyKey), caller), "");
}

Response write_to_online_store(const ServingState& state,
                               LineControl* line,
                               const Request& request,
                               const Caller& caller) {
  const Parsed<WriteBody> parsed = parse_write_body(request.body, "feature_view_name");
  if (!parsed.errors.empty()) {
    return validation_error(parsed.errors);
  }
  const std::string& name = parsed.body.target;
  const bool is_there = state.views.count(name) > 0;
  if (!caller.may("view", name) && (!sees_names(caller) || is_there)) {
    return not_permitted(caller, "view", name);
  }
  if (!is_there) {
    return feast_error(404,
                       "FeastObjectNotFoundException",
                       "Can't recognize feast object with a name " + name +
                           (sees_names(caller) ? did_you_mean(name, view_names(state)) : ""));
  }
  static const catalog::Project kNone;
  const catalog::Project& project = state.definitions == nullptr ? kNone : *state.definitions;
  const Result<WrittenView> view = find_written_view(project, name);
  if (!view.ok()) {
    return refuse(kUnimplemented,
                  sees_names(caller) ? view.status().message()
                                     : "values of feature view " + name +
                                           " are computed, and are not written from outside");
  }
  if (!caller.may("source", view->source)) {
    return sees_names(caller) ? not_permitted(caller, "source", view->source)
                              : not_permitted(caller, "the source of view", name);
  }
  if (const std::optional<Response> wrong = check_lengths(parsed.body)) {
    return *wrong;
  }
  const Result<WriteBody> rows = rows_of_source(*view, parsed.body);
  if (!rows.ok()) {
    return refuse(kUnprocessable, rows.status().message());
  }
  return pushed_response(push_rows(state, line, *rows, request.header(kIdempotencyKey), caller),
                         "null");
}

Response materialize(const ServingState& state,
                     LineControl* line,
                     const Request& request,
                     bool incremental,
                     const Caller& caller) {
  const Parsed<MaterializeBody> parsed = parse_materialize_body(request.body, incremental);
  if (!parsed.errors.empty()) {
    return validation_error(parsed.errors);
  }
  const std::vector<std::string> known = view_names(state);
  const std::vector<std::string> views = parsed.body.feature_views.value_or(known);
  const bool tells_names = sees_names(caller);
  for (const std::string& name : views) {
    if (!caller.may("view", name) && (!tells_names || state.views.count(name) > 0)) {
      const bool is_named = tells_names || parsed.body.feature_views.has_value();
      return not_permitted(caller, is_named ? "view" : "all views", is_named ? name : "");
    }
    if (state.views.count(name) == 0) {
      return feast_error(404,
                         "FeatureViewNotFoundException",
                         "Feature view " + name + " does not exist in project " + state.project +
                             (tells_names ? did_you_mean(name, known) : ""));
    }
  }
  if (const std::optional<std::string> wrong = check_times(parsed.body, incremental)) {
    return refuse(kUnprocessable, *wrong);
  }
  if (line == nullptr) {
    return no_line();
  }
  const Result<std::vector<std::string>> behind = line->behind(views);
  if (!behind.ok()) {
    return failure_response(behind.status());
  }
  if (!behind->empty()) {
    return refuse(kUnavailable,
                  "rows of the tables are not all online yet, of feature views " + joined(*behind) +
                      "; `assay run` or `assay up` brings them there");
  }
  Response done;
  done.body = "null";
  if (request.target.find("async=true") != std::string::npos) {
    done.status = 202;
    done.body.clear();
    JsonWriter writer(done.body);
    writer.begin_object();
    writer.key("status");
    writer.string("accepted");
    writer.key("feature_views");
    writer.begin_array();
    for (const std::string& name : views) {
      writer.string(name);
    }
    writer.end_array();
    writer.end_object();
  }
  return done;
}

Response vector_search(const Request& request) {
  constexpr std::string_view kStores = "/v1/vector_stores";
  const std::string_view path =
      std::string_view(request.target).substr(0, request.target.find('?'));
  if (!path.starts_with(kStores)) {
    return refuse(kUnimplemented, "Online store assay does not support online retrieval");
  }
  Response response;
  if (path == kStores) {
    response.body = R"({"object":"list","data":[]})";
    return response;
  }
  const std::string_view rest = path.substr(kStores.size() + 1);
  response.status = 404;
  JsonWriter writer(response.body);
  writer.begin_object();
  writer.key("error");
  writer.begin_object();
  writer.key("message");
  writer.string("No vector store found with id '" + std::string(rest.substr(0, rest.find('/'))) +
                "'");
  writer.key("type");
  writer.string("not_found_error");
  writer.end_object();
  writer.end_object();
  return response;
}

}  // namespace assay::serve
