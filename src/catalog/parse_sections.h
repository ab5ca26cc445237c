#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "catalog/definitions.h"
#include "catalog/section_reader.h"

// The readers of single definitions, each in the file of its kind; parse.cc calls them. What they
// cannot read is reported to the context, and what they can is returned all the same.

namespace assay::catalog {

// parse_tables.cc
SourceDef parse_source(ParseContext& context, const YamlEntry& entry);
BronzeDef parse_bronze(ParseContext& context, const YamlEntry& entry);
SilverDef parse_silver(ParseContext& context, const YamlEntry& entry);
/// The keys `keep` and `format`, which bronze and silver tables and feature views have.
StorageDef read_storage(const SectionReader& reader);

// parse_publish.cc
/// The key `publish` of a feature view or a model; `title` names it in messages.
std::optional<PublishDef> read_publish(ParseContext& context,
                                       const SectionReader& reader,
                                       const std::string& title);
/// Report the settings of the client library that Assay gives itself. `instead` says what to do.
void check_kafka_options(ParseContext& context,
                         const SectionReader& kafka,
                         const std::string& instead);

// parse_checks.cc
std::vector<CheckDef> parse_checks(ParseContext& context,
                                   const YamlNode& list,
                                   const std::string& title);
/// Give the checks' values the types of the columns they are compared with.
void type_checks(ParseContext& context,
                 const YamlNode& list,
                 const std::vector<ColumnDef>& columns,
                 std::vector<CheckDef>* checks);

// parse_features.cc
EntityDef parse_entity(ParseContext& context, const YamlEntry& entry);
FeatureViewDef parse_feature_view(ParseContext& context, const YamlEntry& entry);
OnDemandDef parse_on_demand(ParseContext& context, const YamlEntry& entry);

/// The two features of `ratio`, into `above` and `below`; what is wrong is reported.
void read_ratio_parts(ParseContext& context, const SectionReader& reader, FeatureDef* feature);

// parse_services.cc
ServiceDef parse_service(ParseContext& context, const YamlEntry& entry);
DerivedDef parse_derived(ParseContext& context, const YamlEntry& entry);

// parse_models.cc
ModelDef parse_model(ParseContext& context, const YamlEntry& entry);

}  // namespace assay::catalog
