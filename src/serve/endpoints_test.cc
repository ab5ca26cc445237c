// The table of endpoints: what is routed is what is declared, and the other way round.

#include "serve/endpoints.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "serve/feature_server.h"
#include "serve/json_request.h"
#include "serve/openapi.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

TEST(Endpoints, EveryOperationIsRoutedAndTakesNoOtherVerb) {
  ServingFixture fixture;
  FeatureServer server(fixture.world, *fixture.store, fixture.state);
  std::set<int> seen;
  for (const Operation& operation : operations()) {
    const std::string path(operation.path);
    seen.insert(endpoint_of(path));
    EXPECT_EQ(endpoint_of(path), operation.endpoint) << path;
    EXPECT_EQ(verb_of(operation.endpoint, path), operation.verb) << path;
    const std::string verb(operation.verb);
    EXPECT_NE(server.handle({verb, path, {}, "{}"}).status, 405) << path;
    for (const char* const other : {"GET", "POST", "PUT", "DELETE", "PATCH"}) {
      if (verb != other) {
        const Response refused = server.handle({other, path, {}, "{}"});
        EXPECT_EQ(refused.status, 405) << other << path;
        EXPECT_EQ(refused.headers.at(0).second, verb) << path;
      }
    }
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kOther)) << "each endpoint has an operation";
}

TEST(Endpoints, StatusesAreThoseThatAreDeclared) {
  ServingFixture fixture;
  FeatureServer server(fixture.world, *fixture.store, fixture.state);
  for (const Operation& operation : operations()) {
    for (const char* const body : {"", "{}", "[]", R"({"entities":{}})", R"({"entities":1})"}) {
      const int status =
          server.handle({std::string(operation.verb), std::string(operation.path), {}, body})
              .status;
      const bool declared =
          status == 200 || std::count(operation.refusals.begin(), operation.refusals.end(), status);
      EXPECT_TRUE(declared) << operation.path << ' ' << body << ' ' << status;
    }
  }
}

TEST(Endpoints, PatternsStandForOnePartEach) {
  EXPECT_TRUE(matches_path("/a/{x}", "/a/b"));
  EXPECT_TRUE(matches_path("/a", "/a"));
  EXPECT_FALSE(matches_path("/a/{x}", "/a"));
  EXPECT_FALSE(matches_path("/a/{x}", "/a/b/c"));
  EXPECT_FALSE(matches_path("/a/{x}/c", "/a//c"));
  EXPECT_FALSE(matches_path("/a/b", "/a/c"));
  EXPECT_EQ(endpoint_of("/api/v1x"), kOther);
  EXPECT_EQ(endpoint_of("/predict/x"), kOther);
  EXPECT_EQ(endpoint_of(""), kOther);
}

TEST(Endpoints, TheDocumentIsJsonAndNamesEveryPathOnce) {
  const std::string document = openapi_document();
  EXPECT_EQ(parse_request_body(document).errors.at(0).type, "missing") << "it is JSON";
  std::set<std::string_view> paths;
  for (const Operation& operation : operations()) {
    EXPECT_TRUE(paths.insert(operation.path).second) << operation.path;
    EXPECT_NE(document.find("\"" + std::string(operation.path) + "\":{\""), std::string::npos);
  }
  EXPECT_EQ(document.find("\"description\":,"), std::string::npos);
  EXPECT_EQ(document.find("\"schema\":{}"), std::string::npos) << "each has a schema of its own";
}

}  // namespace
}  // namespace assay::serve
