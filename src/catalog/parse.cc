#include "catalog/parse.h"

#include <algorithm>
#include <utility>

#include "base/suggest.h"
#include "catalog/debezium_tables.h"
#include "catalog/environment.h"
#include "catalog/parse_sections.h"
#include "catalog/share_definition.h"

namespace assay::catalog {
namespace {

constexpr char kMainFile[] = "assay.yaml";
constexpr char kFeastFile[] = "feature_store.yaml";  // of Feast's clients, beside our registry.db
constexpr int kFolderDepthMax = 8;

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// Reads the files of one project, one after the other.
class ProjectReader {
 public:
  ProjectReader(World& world, const std::string& folder, const ParseOptions& options)
      : world_(world), folder_(folder), options_(options) {}

  Result<ParsedProject> read();

 private:
  ParseContext context_of(const std::string& file) {
    return {world_, folder_, file, parsed_.diagnostics, failure_};
  }
  void read_settings(const YamlNode& root, bool is_yaml);
  void use_profile(const YamlNode& profiles, YamlNode* settings);
  void apply_settings(const YamlNode& settings, bool is_yaml);
  [[nodiscard]] LakeS3Settings read_s3(const SectionReader& reader) const;
  std::string online_place(const SectionReader& reader);
  std::string one_online_place(const SectionReader& reader, std::string place);
  std::string local_path(const SectionReader& reader, const char* key, std::string path);
  void find_files(const std::string& below, int depth, std::vector<std::string>* files);
  void read_file(const std::string& file);
  std::optional<YamlNode> load(const std::string& file, const std::string& text);
  void read_definitions(ParseContext& context, const YamlNode& root);
  void read_section(ParseContext& context, const YamlEntry& section);
  template <typename Definition>
  void read_each(ParseContext& context,
                 const YamlEntry& section,
                 std::map<std::string, Definition>* map,
                 Definition (*parse)(ParseContext&, const YamlEntry&));

  World& world_;
  const std::string& folder_;
  const ParseOptions& options_;
  ParsedProject parsed_;
  Status failure_;  // of a file or folder that could not be read now
};

Result<ParsedProject> ProjectReader::read() {
  Result<std::string> text = world_.files.read(join_path(folder_, kMainFile));
  if (text.code() == Code::kNotFound) {
    return Status(Code::kNotFound,
                  "no assay.yaml in this folder; make a project with `assay init`, or name "
                  "its folder: " +
                      folder_);
  }
  if (!text.ok()) {
    return std::move(text).status().with_context("read the project");
  }
  parsed_.project.folder = folder_;
  const std::optional<YamlNode> root = load(kMainFile, text.value());
  const bool is_yaml = root.has_value() && parsed_.diagnostics.errors() == 0;
  read_settings(root.has_value() ? *root : YamlNode{}, is_yaml);
  if (root.has_value()) {
    ParseContext context = context_of(kMainFile);
    read_definitions(context, *root);
  }
  std::vector<std::string> files;
  find_files("", 0, &files);
  for (const std::string& file : files) {
    read_file(file);
  }
  if (!failure_.ok()) {
    return failure_.with_context("read the project");
  }
  complete_debezium_tables(&parsed_.project);
  parsed_.diagnostics.sort();
  return std::move(parsed_);
}

std::optional<YamlNode> ProjectReader::load(const std::string& file, const std::string& text) {
  YamlDocument document = parse_yaml(text, file);
  parsed_.diagnostics.append(std::move(document.diagnostics));
  parsed_.diagnostics.sources[file] = text.size() <= kYamlBytesMax ? text : "";
  ParseContext context = context_of(file);
  substitute_environment(context, options_.environment, &document.root);
  if (document.root.kind == YamlNode::Kind::kScalar ||
      document.root.kind == YamlNode::Kind::kList) {
    context.error("E0104",
                  document.root,
                  "the file is not a map of sections",
                  "begin it with a section such as `sources:`");
    return std::nullopt;
  }
  parsed_.places.add(document.root, file);
  return std::move(document.root);
}

/// Keys that are missing from a file that is not YAML may be in the part that was not read.
void ProjectReader::read_settings(const YamlNode& root, bool is_yaml) {
  ParseContext context = context_of(kMainFile);
  YamlNode settings;
  settings.kind = YamlNode::Kind::kMap;
  for (const YamlEntry& entry : root.entries) {
    if (find_key("project", entry.key) != nullptr) {
      settings.entries.push_back(entry);
    }
  }
  const YamlNode* profiles = settings.find("profiles");
  if (profiles != nullptr && profiles->kind == YamlNode::Kind::kMap) {
    for (const YamlEntry& profile : profiles->entries) {
      parsed_.profiles.push_back(profile.key);
      SectionReader(context, profile.value, {"project", "profile `" + profile.key + "`", true});
    }
  }
  if (!options_.profile.empty()) {
    const YamlNode known = profiles != nullptr ? *profiles : YamlNode{};
    use_profile(known, &settings);
  }
  apply_settings(settings, is_yaml);
}

void ProjectReader::use_profile(const YamlNode& profiles, YamlNode* settings) {
  const YamlNode* profile = profiles.find(options_.profile);
  if (profile == nullptr) {
    ParseContext context = context_of(kMainFile);
    YamlNode where = profiles;
    const std::optional<std::string> near = suggest(options_.profile, parsed_.profiles);
    context.error(
        "E0109",
        where,
        "no profile `" + options_.profile + "`",
        near.has_value() ? "did you mean `" + *near + "`?" : "declare it under `profiles:`");
    return;
  }
  for (const YamlEntry& entry : profile->entries) {
    const auto same = std::find_if(settings->entries.begin(),
                                   settings->entries.end(),
                                   [&](const YamlEntry& other) { return other.key == entry.key; });
    if (same != settings->entries.end()) {
      *same = entry;
    } else {
      settings->entries.push_back(entry);
    }
  }
}

void ProjectReader::apply_settings(const YamlNode& settings, bool is_yaml) {
  ParseContext context = context_of(kMainFile);
  const SectionReader reader(context, settings, {"project", "the project", !is_yaml});
  Project& project = parsed_.project;
  project.name = reader.text("project");
  project.lake = reader.text("lake");
  project.has_lake = project.lake != "none";
  if (!project.has_lake) {
    project.lake = join_path(folder_, ".assay/line");
  } else if (project.lake.compare(0, 5, "s3://") != 0) {
    project.lake = local_path(reader, "lake", project.lake);
  }
  if (const YamlNode* s3 = reader.find("s3")) {
    parsed_.s3 = read_s3(SectionReader(context, *s3, {"s3", "`s3`", false}));
  }
  project.catalog = local_path(reader, "catalog", reader.text("catalog"));
  project.online = online_place(reader);
  if (reader.has("share")) {
    const std::string share = reader.text("share");
    if (!parse_share(share).has_value()) {
      context.error("E0201",
                    *reader.find("share"),
                    "`" + share + "` is no share of the entities",
                    "write it like `one of one, two, three by user_id`");
    }
    project.online = place_of_share(share, project.online);
  }
  if (const YamlNode* serving = reader.find("serving")) {
    const SectionReader serving_reader(context, *serving, {"serving", "`serving`", false});
    project.serving_clock =
        serving_reader.text("clock") == "data" ? ServingClock::kData : ServingClock::kWall;
  }
}

LakeS3Settings ProjectReader::read_s3(const SectionReader& reader) const {
  LakeS3Settings s3;
  s3.endpoint = reader.text("endpoint");
  s3.region = reader.text("region");
  if (reader.has("path_style")) {
    s3.path_style = reader.boolean("path_style");
  }
  const std::string ca_file = reader.text("ca_file");
  s3.ca_file = ca_file.empty() ? "" : join_path(folder_, ca_file);
  s3.profile = reader.text("profile");
  return s3;
}

std::string ProjectReader::online_place(const SectionReader& reader) {
  constexpr std::string_view kSharded = "sharded:";
  const std::string text = reader.text("online");
  if (text.compare(0, kSharded.size(), kSharded) != 0) {
    return one_online_place(reader, text);
  }
  std::string places(kSharded);
  for (std::size_t begin = kSharded.size(); begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::size_t first = std::min(text.find_first_not_of(' ', begin), end);
    places += (begin == kSharded.size() ? "" : ",") +
              one_online_place(reader, text.substr(first, end - first));
    begin = end + 1;
  }
  return places;
}

std::string ProjectReader::one_online_place(const SectionReader& reader, std::string place) {
  const bool is_server = place.compare(0, 5, "redis") == 0 || place.compare(0, 8, "postgres") == 0;
  if (is_server && place.find("://") != std::string::npos) {
    return place;
  }
  std::string kind;
  for (const std::string_view store : {"embedded:", "lmdb:", "hashlog:"}) {
    if (place.compare(0, store.size(), store) == 0) {
      kind = store == "embedded:" ? "" : store;
      place.erase(0, store.size());
      break;
    }
  }
  return kind + local_path(reader, "online", std::move(place));
}

std::string ProjectReader::local_path(const SectionReader& reader,
                                      const char* key,
                                      std::string path) {
  if (path.find("://") != std::string::npos) {
    ParseContext context = context_of(kMainFile);
    context.error("E0108",
                  *reader.find(key),
                  "`" + path + "` is not in this version of assay",
                  "write a path on this machine, such as `" +
                      std::string(find_key("project", key)->default_text) + "`");
  }
  if (path.compare(0, 2, "./") == 0) {
    path.erase(0, 2);
  }
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  return join_path(folder_, path);
}

void ProjectReader::find_files(const std::string& below,
                               int depth,
                               std::vector<std::string>* files) {
  const std::string folder = below.empty() ? folder_ : join_path(folder_, below);
  ParseContext context = context_of(below);
  const Result<std::vector<FileInfo>> entries = world_.files.list(folder);
  if (context.is_away(entries.status())) {
    return;
  }
  if (!entries.ok()) {
    context.error(
        "E0107", YamlNode{}, "the folder cannot be listed: " + entries.status().message());
    return;
  }
  for (const FileInfo& entry : entries.value()) {
    const std::string name = file_name(entry.path);
    const std::string path = below.empty() ? name : join_path(below, name);
    const std::string full = join_path(folder_, path);
    if (name.empty() || name[0] == '.' || name == kFeastFile) {
      continue;
    }
    if (entry.is_directory) {
      const std::string& online = parsed_.project.online;
      const std::string online_folder = online.substr(std::min(online.find('/'), online.size()));
      if (name == "data" || name == "sql" || full == parsed_.project.lake ||
          full == online_folder || depth >= kFolderDepthMax) {
        continue;
      }
      const Result<FileInfo> project = world_.files.stat(join_path(full, kMainFile));
      if (!project.ok() && !context.is_away(project.status())) {
        find_files(path, depth + 1, files);
      }
    } else if (path != kMainFile && (ends_with(name, ".yaml") || ends_with(name, ".yml"))) {
      if (files->size() == static_cast<std::size_t>(kProjectFilesMax)) {
        context.error(
            "E0107",
            YamlNode{},
            "the project has more than " + std::to_string(kProjectFilesMax) + " YAML files");
      }
      if (files->size() <= static_cast<std::size_t>(kProjectFilesMax)) {
        files->push_back(path);
      }
    }
  }
}

void ProjectReader::read_file(const std::string& file) {
  ParseContext context = context_of(file);
  const Result<std::string> text = world_.files.read(join_path(folder_, file));
  if (context.is_away(text.status())) {
    return;
  }
  if (!text.ok()) {
    YamlNode whole;
    context.error("E0107", whole, "the file cannot be read: " + text.status().message());
    return;
  }
  const std::optional<YamlNode> root = load(file, text.value());
  if (root.has_value()) {
    read_definitions(context, *root);
  }
}

void ProjectReader::read_definitions(ParseContext& context, const YamlNode& root) {
  const bool is_main = context.file == kMainFile;
  for (const YamlEntry& entry : root.entries) {
    if (find_key("definitions", entry.key) != nullptr) {
      read_section(context, entry);
    } else if (find_key("project", entry.key) == nullptr) {
      std::vector<std::string> known;
      for (const KeyDef& key : all_keys()) {
        if (key.section == "definitions" || (is_main && key.section == "project")) {
          known.emplace_back(key.key);
        }
      }
      const std::optional<std::string> near = suggest(entry.key, known);
      context.error_at_key("E0102",
                           entry,
                           "unknown section `" + entry.key + "`",
                           near.has_value() ? "did you mean `" + *near + "`?" : "");
    } else if (!is_main) {
      context.error_at_key(
          "E0102", entry, "`" + entry.key + "` outside assay.yaml", "move it to assay.yaml");
    }
  }
}

void ProjectReader::read_section(ParseContext& context, const YamlEntry& section) {
  YamlNode only;
  only.kind = YamlNode::Kind::kMap;
  only.mark = section.key_mark;
  only.entries = {section};
  const SectionReader reader(context, only, {"definitions", "the file", true});
  if (!reader.has(section.key)) {
    return;
  }
  Project& project = parsed_.project;
  if (section.key == "sources") {
    read_each(context, section, &project.sources, parse_source);
  } else if (section.key == "bronze") {
    read_each(context, section, &project.bronze, parse_bronze);
  } else if (section.key == "silver") {
    read_each(context, section, &project.silver, parse_silver);
  } else if (section.key == "entities") {
    read_each(context, section, &project.entities, parse_entity);
  } else if (section.key == "feature_views") {
    read_each(context, section, &project.views, parse_feature_view);
  } else if (section.key == "on_demand") {
    read_each(context, section, &project.on_demand, parse_on_demand);
  } else if (section.key == "derived") {
    read_each(context, section, &project.derived, parse_derived);
  } else if (section.key == "services") {
    read_each(context, section, &project.services, parse_service);
  } else if (section.key == "models") {
    read_each(context, section, &project.models, parse_model);
  }
}

template <typename Definition>
void ProjectReader::read_each(ParseContext& context,
                              const YamlEntry& section,
                              std::map<std::string, Definition>* map,
                              Definition (*parse)(ParseContext&, const YamlEntry&)) {
  for (const YamlEntry& entry : section.value.entries) {
    const std::size_t before = parsed_.diagnostics.items.size();
    Definition definition = parse(context, entry);
    const auto [at, is_new] = map->emplace(entry.key, std::move(definition));
    if (!is_new) {
      const Span& first = at->second.span;
      context.error_at_key("E0105",
                           entry,
                           "`" + entry.key + "` is declared twice under `" + section.key + "`",
                           "the first is at " + first.file + ":" + std::to_string(first.line) +
                               "; rename one of them");
    }
    if (parsed_.diagnostics.items.size() > before) {  // the parser has no warnings
      parsed_.broken.insert(section.key + "/" + entry.key);
    }
  }
}

}  // namespace

Result<ParsedProject> parse_project(World& world,
                                    const std::string& folder,
                                    const ParseOptions& options) {
  return ProjectReader(world, folder, options).read();
}

}  // namespace assay::catalog
