#include "ingest/file_discovery.h"

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "base/world.h"
#include "ingest/file_listing.h"

namespace assay::ingest {
namespace {

using Texts = std::vector<std::string>;

Texts listed(const TempFolder& folder, const std::string& path) {
  const auto files = system_files();
  const Result<std::vector<FileInfo>> found = list_source_files(*files, folder.path(), path);
  EXPECT_TRUE(found.ok()) << found.status().to_string();
  Texts paths;
  for (const FileInfo& info : *found) {
    paths.push_back(info.path);
  }
  return paths;
}

TEST(FileListing, AFolderMeansTheFilesInItAndInItsFolders) {
  const TempFolder folder;
  for (const std::string name : {"d/b.csv",
                                 "d/a.csv",
                                 "d/sub/c.csv",
                                 "d/.hidden",
                                 "d/_log/x.csv",
                                 "d/_SUCCESS",
                                 "d/e.csv.tmp",
                                 "d/f.csv.part",
                                 "other.csv"}) {
    folder.write(name, "x");
  }
  const Texts expected{"d/a.csv", "d/b.csv", "d/sub/c.csv"};
  EXPECT_EQ(listed(folder, "d"), expected);
  EXPECT_EQ(listed(folder, "./d/"), expected) << "spelling must not make files new";
  EXPECT_EQ(listed(folder, "other.csv"), Texts{"other.csv"});
  EXPECT_EQ(listed(folder, folder.file("other.csv")), Texts{folder.file("other.csv")});
}

TEST(FileListing, AGlobHoldsWithinOnePartOfThePath) {
  const TempFolder folder;
  for (const std::string name : {"d/2001-01-01.csv.gz",
                                 "d/2001-01-02.csv.gz",
                                 "d/2001-02-01.csv.gz",
                                 "d/2001-01-03.csv.gz.tmp",
                                 "d/sub/2001-01-09.csv.gz",
                                 "e/2001-01-01.csv.gz",
                                 "top-1.csv",
                                 "d/a[1].csv"}) {
    folder.write(name, "x");
  }
  EXPECT_EQ(listed(folder, "d/2001-01-*.csv.gz"),
            (Texts{"d/2001-01-01.csv.gz", "d/2001-01-02.csv.gz"}));
  EXPECT_EQ(listed(folder, "[de]/2001-01-0?.csv.gz"),
            (Texts{"d/2001-01-01.csv.gz", "d/2001-01-02.csv.gz", "e/2001-01-01.csv.gz"}));
  EXPECT_EQ(listed(folder, "*.csv"), Texts{"top-1.csv"});
  EXPECT_EQ(listed(folder, folder.file("top-*")), Texts{folder.file("top-1.csv")});
  EXPECT_EQ(listed(folder, "d/a[1].csv"), Texts{"d/a[1].csv"})
      << "a file of just that name goes first";
  EXPECT_EQ(listed(folder, "d/*.parquet"), Texts{});
}

TEST(FileListing, AMissingFolderIsNamed) {
  const TempFolder folder;
  const auto files = system_files();
  for (const std::string path : {"gone", "gone/x.csv", "gone/*.csv"}) {
    const Result<std::vector<FileInfo>> found = list_source_files(*files, folder.path(), path);
    EXPECT_EQ(found.code(), Code::kNotFound);
    EXPECT_NE(found.status().message().find("gone"), std::string::npos);
  }
}

/// A discovery over one folder, with its ledger.
struct Discovered {
  explicit Discovered(const TempFolder& folder, catalog::Format format = catalog::Format::kCsv) {
    definition.name = "clicks";
    definition.path = "d";
    definition.format = format;
    discovery = std::make_unique<FileDiscovery>(*files, definition, folder.path());
  }
  /// Paths with byte ranges of what is new; "code" of a failure.
  Texts find() {
    const Result<std::vector<SourceFile>> found = discovery->find_new(known);
    if (!found.ok()) {
      return {std::string(code_name(found.code()))};
    }
    Texts texts;
    for (const SourceFile& file : *found) {
      EXPECT_EQ(file.ordinal, static_cast<int64_t>(known.size()));
      known.push_back(file);
      texts.push_back(file.path + " " + std::to_string(file.begin_bytes) + "-" +
                      std::to_string(file.end_bytes));
    }
    return texts;
  }

  std::unique_ptr<FileSystem> files = system_files();
  catalog::SourceDef definition;
  std::unique_ptr<FileDiscovery> discovery;
  std::vector<SourceFile> known;
};

TEST(FileDiscovery, NewFilesAreNumberedByPathBehindTheKnownOnes) {
  const TempFolder folder;
  Discovered source(folder);
  folder.write("d/b", "1\n");
  EXPECT_EQ(source.find(), Texts{"d/b 0-2"});
  folder.write("d/c", "1\n");
  folder.write("d/a", "");
  EXPECT_EQ(source.find(), (Texts{"d/a 0-0", "d/c 0-2"}));
  EXPECT_EQ(source.find(), Texts{});
}

TEST(FileDiscovery, TextAppendedAtALineEndIsANewPart) {
  const TempFolder folder;
  Discovered source(folder);
  folder.write("d/a", "h\n1\n");
  folder.write("d/b", "h\n1");
  folder.write("d/c", "");
  EXPECT_EQ(source.find(), (Texts{"d/a 0-4", "d/b 0-3", "d/c 0-0"}));
  folder.append("d/a", "2\n");
  folder.append("d/b", "\r\n2\n");
  folder.append("d/c", "h\n");
  EXPECT_EQ(source.find(), (Texts{"d/a 4-6", "d/b 3-7", "d/c 0-2"}));
  folder.append("d/a", "3\n");
  EXPECT_EQ(source.find(), Texts{"d/a 6-8"});
}

TEST(FileDiscovery, AChangedFileIsRefused) {
  const std::string big(100'000, 'x');
  struct Case {
    const char* path;
    std::string before;
    std::string after;
  };
  for (const Case& c : {Case{"d/a", "h\n1\n", "h\n2\n"},     // same size, other bytes
                        Case{"d/a", "h\n1\n", "h\n1"},       // shorter
                        Case{"d/a", "h\n1\n", "g\n1\n2\n"},  // longer, other beginning
                        Case{"d/a", "h\n1", "h\n12\n"},      // in the middle of a line
                        Case{"d/a", "h\n1\n" + big, "h\n1\n" + big + "1\n"}}) {
    const TempFolder folder;
    Discovered source(folder);
    folder.write(c.path, c.before);
    ASSERT_EQ(source.find().size(), 1U);
    source.known[0].modified = {1};  // the test may be quicker than the disk's clock
    folder.write(c.path, c.after);
    EXPECT_EQ(source.find(), Texts{"failed_precondition"}) << c.after.substr(0, 10);
  }
}

TEST(FileDiscovery, CompressedAndParquetFilesDoNotGrowButMayBeCompletedOrReplaced) {
  const TempFolder folder;
  Discovered source(folder);
  folder.write("d/a.gz", "12345");
  ASSERT_EQ(source.find().size(), 1U);
  folder.write("d/a.gz", "1234567");
  EXPECT_EQ(source.find(), Texts{}) << "no part of its own";
  EXPECT_EQ(source.discovery->unsettled(), Texts{"d/a.gz"});
  EXPECT_EQ(*source.discovery->compare(source.known[0]), FileChange::kCompleted);
  folder.write("d/a.gz", "1x34567");
  EXPECT_EQ(*source.discovery->compare(source.known[0]), FileChange::kReplaced);
  folder.write("d/a.gz", "123");
  EXPECT_EQ(*source.discovery->compare(source.known[0]), FileChange::kReplaced);
  source.known.push_back(*source.discovery->restate(source.known[0], 1));
  EXPECT_EQ(source.find(), Texts{});
  EXPECT_EQ(source.discovery->unsettled(), Texts{});
}

TEST(FileDiscovery, ACopyWithAnotherTimeIsTheSameFile) {
  const TempFolder folder;
  Discovered source(folder);
  folder.write("d/a", "h\n1\n");
  ASSERT_EQ(source.find().size(), 1U);
  source.known[0].modified = {1};
  EXPECT_EQ(source.find(), Texts{});
  EXPECT_EQ(source.find(), Texts{});
  EXPECT_EQ(*source.discovery->compare(source.known[0]), FileChange::kNone);
}

}  // namespace
}  // namespace assay::ingest
