// feast.registry.RegistryServer, the methods that read. Objects are the messages of FeastRegistry;
// a request's fields that matter are `name` and `project`.

#include "serve/grpc_registry.h"

#include <algorithm>
#include <array>

#include "base/json_writer.h"
#include "data/protobuf.h"

namespace assay::serve {
namespace {

using data::ProtoField;
using data::ProtoReader;
using data::ProtoWriter;

/// A kind of object: its methods and what Feast calls it in errors.
struct Kind {
  std::string_view list;
  std::string_view get;
  std::string_view error;
  std::string_view what;
  const std::vector<FeastObject> FeastRegistry::*objects;  // nullptr: there are none here
  bool of_any_kind = false;  // wrapped as AnyFeatureView, whose first field is a plain one
};

constexpr std::array kKinds = {
    Kind{
        "ListEntities", "GetEntity", "EntityNotFoundException", "Entity", &FeastRegistry::entities},
    Kind{"ListDataSources",
         "GetDataSource",
         "DataSourceObjectNotFoundException",
         "Data source",
         &FeastRegistry::data_sources},
    Kind{"ListFeatureViews",
         "GetFeatureView",
         "FeatureViewNotFoundException",
         "Feature view",
         &FeastRegistry::feature_views},
    Kind{"ListAllFeatureViews",
         "GetAnyFeatureView",
         "FeatureViewNotFoundException",
         "Feature view",
         &FeastRegistry::feature_views,
         true},
    Kind{"ListFeatureServices",
         "GetFeatureService",
         "FeatureServiceNotFoundException",
         "Feature service",
         &FeastRegistry::feature_services},
    Kind{"ListStreamFeatureViews",
         "GetStreamFeatureView",
         "FeatureViewNotFoundException",
         "Feature view",
         nullptr},
    Kind{"ListOnDemandFeatureViews",
         "GetOnDemandFeatureView",
         "FeatureViewNotFoundException",
         "Feature view",
         nullptr},
    Kind{"ListLabelViews", "GetLabelView", "FeatureViewNotFoundException", "Feature view", nullptr},
    Kind{"ListSavedDatasets", "GetSavedDataset", "SavedDatasetNotFound", "Saved dataset", nullptr},
    Kind{"ListValidationReferences",
         "GetValidationReference",
         "ValidationReferenceNotFound",
         "Validation reference",
         nullptr},
    Kind{"ListPermissions", "GetPermission", "PermissionNotFoundException", "Permission", nullptr},
};

/// A text field of a message; "" when it is not there.
Result<std::string> text_field(std::string_view message, int number) {
  ProtoReader reader(message);
  std::string text;
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<ProtoField> field, reader.next());
    if (!field.has_value()) {
      return text;
    }
    if (field->number == number && field->wire == ProtoField::Wire::kBytes) {
      text = field->bytes;
    }
  }
}

Status not_found(std::string_view error, std::string_view what, const std::string& name) {
  std::string text = R"({"module": "feast.errors", "class": )";
  append_json_string(text, error);
  text += R"(, "message": )";
  append_json_string(text, std::string(what) + " " + name + " does not exist");
  return {Code::kNotFound, text + "}"};
}

std::string bytes_of(const Kind& kind, const FeastObject& object) {
  if (!kind.of_any_kind) {
    return object.message.proto();
  }
  std::string any;
  ProtoWriter(any).bytes(1, object.message.proto());
  return any;
}

Result<std::string> list_of(const FeastRegistry& registry,
                            const Kind& kind,
                            std::string_view request) {
  ASSAY_ASSIGN_OR_RETURN(const std::string project, text_field(request, 1));
  std::string answer;
  ProtoWriter writer(answer);
  if (kind.objects != nullptr && project == registry.project) {
    for (const FeastObject& object : registry.*kind.objects) {
      writer.bytes(1, bytes_of(kind, object));
    }
  }
  return answer;
}

Result<std::string> one_of(const FeastRegistry& registry,
                           const Kind& kind,
                           std::string_view request) {
  ASSAY_ASSIGN_OR_RETURN(const std::string name, text_field(request, 1));
  ASSAY_ASSIGN_OR_RETURN(const std::string project, text_field(request, 2));
  if (kind.objects != nullptr && project == registry.project) {
    for (const FeastObject& object : registry.*kind.objects) {
      if (object.name == name) {
        // The answer of GetAnyFeatureView has the wrapped one as its field 1.
        std::string answer = bytes_of(kind, object);
        if (kind.of_any_kind) {
          std::string outer;
          ProtoWriter(outer).bytes(1, answer);
          answer = std::move(outer);
        }
        return answer;
      }
    }
  }
  return not_found(kind.error, kind.what, name);
}

}  // namespace

Result<std::string> answer_registry(const FeastRegistry& registry,
                                    std::string_view method,
                                    std::string_view request) {
  const std::string_view name = method.substr(std::min(method.size(), kRegistryService.size()));
  for (const Kind& kind : kKinds) {
    if (name == kind.list) {
      return list_of(registry, kind, request);
    }
    if (name == kind.get) {
      return one_of(registry, kind, request);
    }
  }
  std::string answer;
  if (name == "ListProjects") {
    ProtoWriter(answer).bytes(1, registry.project_message.proto());
    return answer;
  }
  if (name == "GetProject") {
    ASSAY_ASSIGN_OR_RETURN(const std::string project, text_field(request, 1));
    return project == registry.project ? Result<std::string>(registry.project_message.proto())
                                       : Result<std::string>(not_found(
                                             "ProjectObjectNotFoundException", "Project", project));
  }
  if (name == "Proto") {
    return registry.file();
  }
  if (name == "Refresh" || name == "GetInfra" || name == "ListProjectMetadata") {
    return answer;  // nothing is cached, and there is none
  }
  return Status(Code::kUnimplemented,
                "this registry only reads, it is what `assay apply` made it: " + std::string(name));
}

}  // namespace assay::serve
