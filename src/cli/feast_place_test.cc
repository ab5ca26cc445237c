#include "cli/feast_place.h"

#include <gtest/gtest.h>

#include "base/temp_folder.h"

namespace assay::cli {
namespace {

class FeastPlaceOf : public testing::Test {
 protected:
  std::string put(const std::string& name, const std::string& text) {
    const std::string path = join_path(folder_.path(), name);
    EXPECT_TRUE(files_->make_directories(parent_path(path)).ok());
    EXPECT_TRUE(files_->write(path, text).ok());
    return path;
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return name.empty() ? folder_.path() : join_path(folder_.path(), name);
  }
  /// "folder registry", below the test's folder; or the error.
  std::string found(const std::string& repository) {
    const Result<FeastPlace> place = find_feast_place(*files_, path(repository));
    if (!place.ok()) {
      return place.status().to_string();
    }
    std::string said = place->folder + " " + place->registry_file;
    for (std::size_t at = 0; (at = said.find(folder_.path(), at)) != std::string::npos;) {
      said.replace(at, folder_.path().size(), "~");
    }
    return said;
  }

  TempFolder folder_;
  std::unique_ptr<FileSystem> files_ = system_files();
};

TEST_F(FeastPlaceOf, AFileIsARegistryWhosePathsBeginAtItsFolder) {
  put("mod.db", "");
  EXPECT_EQ(found("mod.db"), "~ ~/mod.db");
}

TEST_F(FeastPlaceOf, AFileBelowARepositoryHasThePathsOfTheRepository) {
  put("repo/data/registry.db", "");
  EXPECT_EQ(found("repo/data/registry.db"), "~/repo/data ~/repo/data/registry.db");
  put("repo/feature_store.yaml", "project: p\n");
  EXPECT_EQ(found("repo/data/registry.db"), "~/repo ~/repo/data/registry.db");
}

TEST_F(FeastPlaceOf, AFolderHasItsRegistryWhereItsFileSays) {
  put("reg/x.db", "");
  for (const char* const text : {"registry: reg/x.db\n",
                                 "registry: {path: reg/x.db}\n",
                                 "registry:\n  registry_type: file\n  path: reg/x.db\n"}) {
    put("feature_store.yaml", text);
    EXPECT_EQ(found(""), "~ ~/reg/x.db") << text;
    EXPECT_EQ(found("feature_store.yaml"), "~ ~/reg/x.db") << text;
  }
  put("feature_store.yaml", "registry: " + path("reg/x.db") + "\n");
  EXPECT_EQ(found(""), "~ ~/reg/x.db");
  put("data/registry.db", "");
  put("feature_store.yaml", "project: p\n");
  EXPECT_EQ(found(""), "~ ~/data/registry.db") << "where Feast has it unless it is told";
}

TEST_F(FeastPlaceOf, TheFolderThatFeastInitMakesHasItOneBelow) {
  put("feature_repo/data/registry.db", "");
  put("feature_repo/feature_store.yaml", "registry: data/registry.db\n");
  EXPECT_EQ(found(""), "~/feature_repo ~/feature_repo/data/registry.db");
}

TEST_F(FeastPlaceOf, ARegistryThatIsNoFileIsNamedWithTheNextStep) {
  for (const auto& [text, kind] :
       {std::pair{"registry: s3://bucket/registry.db\n", "`s3`"},
        std::pair{"registry: {path: 'gs://bucket/registry.db'}\n", "`gs`"},
        std::pair{"registry: {registry_type: sql, path: 'postgresql://u:secret@h/d'}\n", "`sql`"},
        std::pair{"registry: {registry_type: snowflake.registry}\n", "`snowflake.registry`"},
        std::pair{"registry: {registry_type: remote, path: 'h:6570'}\n", "`remote`"}}) {
    put("feature_store.yaml", text);
    const std::string said = found("");
    EXPECT_NE(said.find(kind), std::string::npos) << said;
    EXPECT_NE(said.find("registry.proto().SerializeToString()"), std::string::npos) << said;
    EXPECT_EQ(said.find("feast apply"), std::string::npos) << said;
    EXPECT_EQ(said.find("secret"), std::string::npos) << said;
  }
}

TEST_F(FeastPlaceOf, WhatIsNotThereIsSaid) {
  EXPECT_EQ(find_feast_place(*files_, path("nowhere")).code(), Code::kNotFound);
  EXPECT_EQ(find_feast_place(*files_, path("")).code(), Code::kNotFound);
  put("feature_store.yaml", "registry: reg/x.db\n");
  const std::string said = found("");
  EXPECT_NE(said.find("reg/x.db"), std::string::npos) << said;
  EXPECT_NE(said.find("feast apply"), std::string::npos) << said;
  for (const char* const text :
       {"registry: [\n", "- 1\n", "registry: {path: ''}\n", "registry: $PLACE/x.db\n"}) {
    put("feature_store.yaml", text);
    EXPECT_EQ(find_feast_place(*files_, path("")).code(), Code::kInvalidArgument) << text;
  }
}

TEST_F(FeastPlaceOf, AuthThatIsLeftBehindIsNoted) {
  put("data/registry.db", "");
  put("feature_store.yaml", "auth: {type: oidc}\n");
  EXPECT_EQ(find_feast_place(*files_, path(""))->notes.size(), 1U);
  put("feature_store.yaml", "auth: {type: no_auth}\n");
  EXPECT_TRUE(find_feast_place(*files_, path(""))->notes.empty());
}

}  // namespace
}  // namespace assay::cli
