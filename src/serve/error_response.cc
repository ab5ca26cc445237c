#include "serve/error_response.h"

#include "base/json_writer.h"

namespace assay::serve {

Response feast_error(int status, std::string_view class_name, std::string_view message) {
  std::string inner = R"({"module": "feast.errors", "class": )";  // spaced as Python's json.dumps
  append_json_string(inner, class_name);
  inner += R"(, "message": )";
  append_json_string(inner, message);
  inner += '}';
  Response response;
  response.status = status;
  append_json_string(response.body, inner);
  return response;
}

Response detail_error(int status, std::string_view message) {
  Response response;
  response.status = status;
  JsonWriter writer(response.body);
  writer.begin_object();
  writer.key("detail");
  writer.string(message);
  writer.end_object();
  return response;
}

Response validation_error(const std::vector<FieldError>& errors) {
  Response response;
  response.status = 422;
  JsonWriter writer(response.body);
  writer.begin_object();
  writer.key("detail");
  writer.begin_array();
  for (const FieldError& error : errors) {
    writer.begin_object();
    writer.key("type");
    writer.string(error.type);
    writer.key("loc");
    writer.begin_array();
    writer.string("body");
    for (const auto& part : error.location) {
      if (const auto* name = std::get_if<std::string>(&part)) {
        writer.string(*name);
      } else {
        writer.integer(std::get<int64_t>(part));
      }
    }
    writer.end_array();
    writer.key("msg");
    writer.string(error.message);
    writer.key("input");
    writer.raw(error.input);
    if (!error.reason.empty()) {
      writer.key("ctx");
      writer.begin_object();
      writer.key("error");
      writer.string(error.reason);
      writer.end_object();
    }
    writer.end_object();
  }
  writer.end_array();
  writer.end_object();
  return response;
}

Response not_permitted(const Caller& caller, std::string_view what, std::string_view name) {
  return feast_error(403,
                     "FeastPermissionError",
                     (caller.name.empty() ? "the caller" : caller.name) + " may not use " +
                         std::string(what) + (name.empty() ? "" : " ") + std::string(name));
}

Response failure_response(const Status& failure) {
  const int status = failure.code() == Code::kUnavailable ||
                             failure.code() == Code::kDeadlineExceeded ||
                             failure.code() == Code::kFailedPrecondition
                         ? 503
                     : failure.code() == Code::kResourceExhausted ? 507  // the disk is full
                                                                  : 500;
  return feast_error(status, "FeastError", failure.to_string());
}

}  // namespace assay::serve
