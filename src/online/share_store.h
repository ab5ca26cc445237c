#pragma once

#include <memory>
#include <string>

#include "catalog/share_definition.h"
#include "online/online_store.h"

namespace assay::online {

/// A store that has its share of the entities: of views whose keys have the share's column the rows
/// of those that are its own (Rendezvous, over the names of all shares, by the value in that
/// column), of all other views every row. Where views stand is as in a store that has all: what is
/// others' is passed over.
///
/// Errors  of reads: kFailedPrecondition when an entity is another share's: nothing is known of it
/// here.
std::unique_ptr<OnlineStore> make_share_store(catalog::ShareDef share,
                                              std::unique_ptr<OnlineStore> store);

/// Which of the entities a store has when it was made so; nullptr: all.
const catalog::ShareDef* share_of(const OnlineStore& store);
/// Whether an entity of a view is one of those: reads of others fail.
bool has_share_of(const OnlineStore& store,
                  const gold::FeatureView& view,
                  const data::EntityKey& key);

/// Shares of other names, or by another key, have other rows in one place: what each keeps its own
/// under.
std::string share_id(const catalog::ShareDef& share);

}  // namespace assay::online
