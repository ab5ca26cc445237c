#include "store/fake_s3.h"
#include "store/object_store_conformance.h"
#include "store/s3_store.h"

namespace assay::store {
namespace {

/// The fake service, which tells of two objects at a time and takes parts of seven bytes.
class FakeBucket : public StoreUnderTest {
 public:
  explicit FakeBucket(const std::string& prefix) : prefix_(prefix) { fake_.set_page_size(2); }
  std::unique_ptr<ObjectStore> open() override {
    S3Options options = fake_.options(spool_.path());
    options.prefix = prefix_;
    options.check_conditional_put = true;
    options.multipart_from_bytes = 10;
    options.part_bytes = 7;
    return open_s3_store(world_.world(), options).value();
  }

 private:
  std::string prefix_;
  SystemWorld world_;
  LocalFolder spool_;
  FakeS3 fake_;
};

INSTANTIATE_TEST_SUITE_P(
    Stores,
    ObjectStoreConformance,
    testing::Values(StoreKind{"local", [] { return std::make_unique<LocalFolder>(); }},
                    StoreKind{"s3_bucket", [] { return std::make_unique<FakeBucket>(""); }},
                    StoreKind{"s3_prefix",
                              [] { return std::make_unique<FakeBucket>("team/lake"); }}),
    [](const testing::TestParamInfo<StoreKind>& kind) { return std::string(kind.param.name); });

TEST(LocalStore, HidesWhatAPowerCutLeftBehind) {
  LocalFolder folder;
  const std::unique_ptr<ObjectStore> store = folder.open();
  ASSERT_TRUE(store->put("log/1.json", "x").ok());
  std::filesystem::copy(store->read_path("log/1.json"), store->read_path("log") + "/.tmp.7.1.json");
  EXPECT_EQ(store->list("log/").value().size(), 1U);
}

TEST(LocalStore, ARootThatIsAFileIsRefused) {
  LocalFolder folder;
  const std::unique_ptr<ObjectStore> store = folder.open();
  ASSERT_TRUE(store->put("file", "x").ok());
  SystemWorld world;
  EXPECT_FALSE(open_local_store(world.world(), store->read_path("file")).ok());
  EXPECT_EQ(open_local_store(world.world(), "").code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::store
