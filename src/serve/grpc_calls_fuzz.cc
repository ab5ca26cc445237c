// Any bytes as a message of any method: answered or refused, and the same each time.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "serve/grpc_calls.h"
#include "serve/serving_fixture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static assay::serve::ServingFixture fixture;
  static assay::serve::FeatureServer server(fixture.world, *fixture.store, fixture.state);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const char* const method : {"/feast.serving.ServingService/GetOnlineFeatures",
                                   "/assay.serving.PredictionService/Predict",
                                   "/assay.serving.PushService/Push",
                                   "/feast.registry.RegistryServer/ListFeatureViews",
                                   "/feast.registry.RegistryServer/GetFeatureView",
                                   "/feast.registry.RegistryServer/GetAnyFeatureView",
                                   "/feast.registry.RegistryServer/ListFeatureServices",
                                   "/feast.registry.RegistryServer/GetFeatureService",
                                   "/feast.registry.RegistryServer/GetEntity",
                                   "/feast.registry.RegistryServer/GetDataSource",
                                   "/feast.registry.RegistryServer/GetPermission",
                                   "/feast.registry.RegistryServer/GetProject",
                                   "/feast.registry.RegistryServer/Proto",
                                   "/feast.registry.RegistryServer/ApplyEntity",
                                   "/grpc.health.v1.Health/Check",
                                   "/grpc.health.v1.Health/Watch",
                                   "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}) {
    const assay::Result<std::string> first = assay::serve::answer_grpc(server, method, bytes);
    const assay::Result<std::string> second = assay::serve::answer_grpc(server, method, bytes);
    ASSAY_CHECK(first.code() == second.code() && (!first.ok() || *first == *second));
  }
  return 0;
}
