// The conformance suite on a real S3 service, which tools/servers/s3.sh starts and stops around it.

#include "base/process.h"
#include "store/object_store_conformance.h"
#include "store/s3_store.h"

namespace assay::store {
namespace {

/// A real service: ASSAY_TEST_S3 is its endpoint, the bucket "assay" is there, credentials are in
/// the environment.
class RealBucket : public StoreUnderTest {
 public:
  std::unique_ptr<ObjectStore> open() override {
    S3Options options;
    options.bucket = "assay";
    options.prefix = "conformance/" + id_;
    options.endpoint = environment_variable("ASSAY_TEST_S3").value_or("");
    options.multipart_from_bytes = int64_t{6} << 20;
    options.part_bytes = int64_t{5} << 20;
    options.spool_folder = spool_.path();
    options.environment = environment_variable;
    return open_s3_store(world_.world(), options).value();
  }

 private:
  SystemWorld world_;
  LocalFolder spool_;
  std::string id_ = world_.world().random.uuid();
};

INSTANTIATE_TEST_SUITE_P(
    Stores,
    ObjectStoreConformance,
    testing::Values(StoreKind{"s3", [] { return std::make_unique<RealBucket>(); }}),
    [](const testing::TestParamInfo<StoreKind>& kind) { return std::string(kind.param.name); });

TEST(RealS3, LargeObjectsGoUpInPartsAndComeBack) {
  RealBucket bucket;
  const std::unique_ptr<ObjectStore> store = bucket.open();
  std::string bytes;
  for (int i = 0; bytes.size() < (std::size_t{13} << 20); ++i) {
    bytes += std::to_string(i) + ",";
  }
  ASSERT_TRUE(store->put("big", bytes).ok());
  EXPECT_EQ(store->get("big").value(), bytes);
  EXPECT_EQ(store->get_range("big", (5 << 20) - 3, 6).value(), bytes.substr((5 << 20) - 3, 6));
}

TEST(RealS3, WrongCredentialsAndMissingBucketsAreToldApart) {
  SystemWorld world;
  const LocalFolder spool;
  S3Options options;
  options.bucket = "assay";
  options.endpoint = environment_variable("ASSAY_TEST_S3").value_or("");
  options.spool_folder = spool.path();
  options.environment = [](const std::string& name) -> std::optional<std::string> {
    return name == "AWS_SECRET_ACCESS_KEY" ? "wrong" : environment_variable(name);
  };
  EXPECT_EQ(open_s3_store(world.world(), options).value()->get("x").code(), Code::kUnauthenticated);
  options.environment = environment_variable;
  options.bucket = "no-such-bucket";
  EXPECT_EQ(open_s3_store(world.world(), options).value()->get("x").code(),
            Code::kFailedPrecondition);
}

}  // namespace
}  // namespace assay::store
