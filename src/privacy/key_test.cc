#include "privacy/key.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/temp_folder.h"

namespace assay::privacy {
namespace {

class Key : public ::testing::Test {
 protected:
  SystemWorld system_;
  TempFolder own_;
  const std::string& folder_ = own_.path();
};

TEST_F(Key, IsMadeOnceAndReadAgain) {
  EXPECT_EQ(load_key(system_.world(), folder_).code(), Code::kNotFound);
  const auto first = load_or_create_key(system_.world(), folder_);
  ASSERT_TRUE(first.ok()) << first.status().to_string();
  const auto second = load_or_create_key(system_.world(), folder_);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(first->bytes(), second->bytes());
  EXPECT_EQ(first->bytes().size(), 32U);
}

TEST_F(Key, CanBeReadByItsOwnerOnly) {
  ASSERT_TRUE(load_or_create_key(system_.world(), folder_).ok());
  struct stat status {};
  ASSERT_EQ(::stat((folder_ + "/" + kKeyFile).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(Key, ADamagedFileIsNeverReplaced) {
  const std::string path = folder_ + "/" + kKeyFile;
  std::filesystem::create_directories(folder_ + "/.assay");
  for (const std::string& text : {std::string(), std::string("abc"), std::string(64, 'g')}) {
    ASSERT_TRUE(system_.world().files.write(path, text).ok());
    EXPECT_EQ(load_or_create_key(system_.world(), folder_).code(), Code::kCorrupt);
    EXPECT_EQ(*system_.world().files.read(path), text);
  }
}

TEST_F(Key, HexGoesRoundAndIdTellsKeysApart) {
  const auto key = PrivacyKey::from_bytes(std::string(32, '\x7f'));
  const auto other = PrivacyKey::from_bytes(std::string(32, '\x7e'));
  ASSERT_TRUE(key.ok() && other.ok());
  EXPECT_EQ(PrivacyKey::from_hex(key->to_hex() + "\n")->bytes(), key->bytes());
  EXPECT_NE(key->id(), other->id());
  EXPECT_EQ(key->id().size(), 8U);
  EXPECT_EQ(PrivacyKey::from_bytes("short").code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::privacy
