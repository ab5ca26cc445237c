#pragma once

#include <map>
#include <string>
#include <vector>

#include "gold/service.h"

namespace assay::gold {

/// A value by the name under which expressions see it.
struct ResolvedValue {
  data::Field field;
  ValueSource source;
};

/// Adds to a service what its entries stand for: lookups of feature views, and derived nodes with
/// all that they are made from. What is there already is not added twice.
///
/// Threads one thread at a time; all that it is given must outlive it.
class ServiceResolver {
 public:
  ServiceResolver(const std::map<std::string, FeatureViewPtr>& views,
                  const std::map<std::string, catalog::DerivedDef>& derived,
                  Service* service)
      : views_(views), derived_(derived), service_(service) {}

  [[nodiscard]] bool knows(const std::string& view) const {
    return views_.count(view) > 0 || derived_.count(view) > 0;
  }
  [[nodiscard]] std::vector<std::string> names() const;

  /// The features that an entry names, with its prefix. `visible`: what its `by` can read.
  ///
  /// Errors  kNotFound: no such view, feature or key; kInvalidArgument: an expression that does not
  ///         compile, a key of another type, two inputs of one name, a cycle.
  Result<std::vector<ResolvedValue>> resolve(const catalog::ServiceItem& item,
                                             const std::vector<ResolvedValue>& visible) {
    return resolve(item, visible, {});
  }

 private:
  using Keys = std::map<std::string, ResolvedValue>;  // computed keys by name

  Result<std::vector<ResolvedValue>> resolve(const catalog::ServiceItem& item,
                                             const std::vector<ResolvedValue>& visible,
                                             const Keys& outer);
  Result<Keys> computed_keys(const catalog::ServiceItem& item,
                             const std::vector<ResolvedValue>& visible);
  Result<std::vector<ResolvedValue>> look_up(const FeatureViewPtr& view, const Keys& keys);
  Result<std::vector<ResolvedValue>> derive(const catalog::DerivedDef& view, const Keys& keys);
  Result<std::vector<ResolvedValue>> compute(const catalog::OnDemandDef& definition,
                                             const std::vector<ResolvedValue>& visible);

  const std::map<std::string, FeatureViewPtr>& views_;
  const std::map<std::string, catalog::DerivedDef>& derived_;
  Service* service_;
  std::vector<std::string> open_;  // derived views on the way, outermost first
};

/// Merge fields into a list of fields; one name must mean one type.
Status merge_fields(const std::vector<data::Field>& fields, std::vector<data::Field>* into);

}  // namespace assay::gold
