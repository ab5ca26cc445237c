// Objects of feast.core that no definition stands for. An import says each of them.

#include "serve/feast_left_out.h"

#include "serve/grpc_columns.h"

namespace assay::serve {
namespace {

using data::ProtoField;

/// Fields of feast.core.Registry.
enum Object {
  kFeatureTable = 2,
  kSavedDataset = 11,
  kValidationReference = 13,
  kPermission = 16,
  kLabelView = 19,
};

/// The name of an object: field 1 of its `spec`, which is its field 1; or that itself, as text.
Result<std::string> name_of(const ProtoField& object) {
  std::string name;
  ASSAY_RETURN_IF_ERROR(for_fields(object.bytes, [&](const ProtoField& spec) -> Status {
    if (spec.number != 1) {
      return {};
    }
    if (object.number == kValidationReference) {
      name = spec.bytes;
      return {};
    }
    return for_fields(spec.bytes, [&](const ProtoField& field) -> Status {
      name = field.number == 1 ? std::string(field.bytes) : name;
      return {};
    });
  }));
  return name;
}

/// A kind's name, and what to say of its objects; nullptr for the kinds that are not said.
struct Kind {
  const char* word = nullptr;
  const char* note = "";
};

Kind kind_of(int number) {
  switch (number) {
    case kFeatureTable:
      return {"feature table ", "left out; write a feature view"};
    case kSavedDataset:
      return {"saved dataset ", "left out; `assay training-set` writes one from the lake"};
    case kValidationReference:
      return {"validation reference ", "left out; write what must hold as `checks` of the tables"};
    case kPermission:
      return {"permission ",
              "left out: EVERYBODY may ask the project's server for everything, until `assay serve "
              "--access FILE` says who may what"};
    case kLabelView:
      return {"label view ",
              "left out; read its rows by a source of their own, a view with `latest` serves them"};
    default:
      return {};
  }
}

/// Whether a field of the registry is read elsewhere, or is Feast's own bookkeeping.
bool is_known(int number) {
  return number >= 1 && number <= 18;
}

}  // namespace

Result<std::string> note_of_object(const ProtoField& object) {
  const Kind kind = kind_of(object.number);
  if (kind.word != nullptr) {
    ASSAY_ASSIGN_OR_RETURN(const std::string name, name_of(object));
    return kind.word + name + ": " + kind.note;
  }
  return is_known(object.number)
             ? std::string()
             : "an object of a kind that is not known (field " + std::to_string(object.number) +
                   " of the registry) is left out";
}

std::vector<std::string> notes_of_view(const FeastView& view) {
  std::vector<std::string> notes;
  const auto say_if = [&](bool is_so, const char* text) {
    if (is_so) {
      notes.emplace_back(text);
    }
  };
  say_if(!view.is_online, "Feast does not serve it (online=False); here it is served");
  say_if(view.is_disabled, "it is disabled there; here it is served");
  say_if(view.is_transformed,
         "its transformation is left out; its features are read from the files as they stand "
         "there");
  say_if(
      view.is_validated,
      "Feast checks its rows against the schema (enable_validation); here every row is, and what "
      "does not fit is in the table's quarantine");
  say_if(view.features_have_more,
         "tags and vector indexes of its features are left out; features have none");
  return notes;
}

}  // namespace assay::serve
