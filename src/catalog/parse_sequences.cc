// Features of events in their order.

#include "catalog/parse_sequences.h"

#include "catalog/definition_names.h"

namespace assay::catalog {
namespace {

constexpr SequenceValue kOfSessions[] = {SequenceValue::kSessionCount,
                                         SequenceValue::kSessionEvents,
                                         SequenceValue::kSessionDuration,
                                         SequenceValue::kSessionMeanEvents,
                                         SequenceValue::kSessionOpen,
                                         SequenceValue::kSessionStart,
                                         SequenceValue::kSessionFirst,
                                         SequenceValue::kSessionLast};
constexpr SequenceValue kOfChanges[] = {SequenceValue::kChanges,
                                        SequenceValue::kPrevious,
                                        SequenceValue::kChangedAt,
                                        SequenceValue::kLag};

void read_of_session(ParseContext& context, const SectionReader& reader, FeatureDef* feature) {
  const std::string word = reader.text("session");
  for (const SequenceValue value : kOfSessions) {
    if (session_word(value) == word) {
      feature->sequence = value;
    }
  }
  feature->of = reader.text("of");
  const bool wants_of = feature->sequence >= SequenceValue::kSessionFirst;
  if (reader.has("session") && wants_of && reader.node().find("of") == nullptr) {
    context.error("E0103",
                  reader.node(),
                  reader.title() + " needs `of`: whose " + word + " value",
                  "add a column or expression, such as `of: page`");
  }
  if (reader.has("of") && !wants_of) {
    context.error("E0203", *reader.find("of"), "`session: " + word + "` takes no `of`");
  }
}

void refuse(ParseContext& context,
            const SectionReader& reader,
            std::string_view key,
            std::string_view kind) {
  if (reader.has(key)) {
    context.error("E0203",
                  *reader.find(key),
                  "`" + std::string(key) + "` beside `" + std::string(kind) + "`",
                  "remove one of them");
  }
}

}  // namespace

bool read_sequence(ParseContext& context,
                   const SectionReader& reader,
                   std::string_view kind,
                   FeatureDef* feature) {
  if (kind == "session") {
    feature->kind = FeatureDef::Kind::kSequence;
    read_of_session(context, reader, feature);
    for (const char* key : {"where", "over", "k"}) {
      refuse(context, reader, key, kind);
    }
    return true;
  }
  for (const SequenceValue value : kOfChanges) {
    if (sequence_key(value) != kind) {
      continue;
    }
    feature->kind = FeatureDef::Kind::kSequence;
    feature->sequence = value;
    feature->of = reader.text(kind);
    feature->over = reader.durations("over");
    feature->k = reader.integer("k");
    if (reader.node().find("over") == nullptr) {
      context.error("E0103",
                    reader.node(),
                    reader.title() + " needs `over`: how far back it looks",
                    "add windows, such as `over: 7d`");
    }
    refuse(context, reader, "of", kind);
    refuse(context, reader, "where", kind);
    if (value != SequenceValue::kLag) {
      refuse(context, reader, "k", kind);
    }
    return true;
  }
  return false;
}

SessionDef read_session(ParseContext& context, const YamlNode& node, const std::string& view) {
  const SectionReader reader(
      context, node, {"session", "session of feature view `" + view + "`", false});
  SessionDef session;
  session.gap = reader.duration("gap").value_or(Duration{0});
  session.max = reader.duration("max");
  session.over = reader.duration("over").value_or(session.over);
  for (const char* key : {"gap", "max"}) {
    if (reader.has(key) && reader.duration(key)->micros <= 0) {
      context.error(
          "E0201", *reader.find(key), "`" + std::string(key) + "` must be longer than nothing");
    }
  }
  return session;
}

}  // namespace assay::catalog
