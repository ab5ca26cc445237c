#pragma once

#include <memory>
#include <string>
#include <vector>

#include "online/online_store.h"

namespace assay::online {

/// One of the stores that entities are shared out to.
struct StoreShard {
  std::string name;  // decides, with an entity's key, whose the entity is
  std::unique_ptr<OnlineStore> store;
};

/// A store whose entities are shared out to others: each belongs to the one for which the hash of
/// its key and the shard's name is largest, whatever else there is. So the order of shards does not
/// matter, and with one more of them only what is its own moves.
///
/// A batch is applied shard by shard, each in a transaction of its own with the same position. A
/// process that ends in between leaves some of them ahead: ahead_of() says where, and the same
/// apply again passes those over. An apply to any other position is refused until then.
/// A read takes one state of each shard, not one of all.
std::unique_ptr<OnlineStore> make_sharded_store(Clock& clock, std::vector<StoreShard> shards);

/// Names in one order: what is kept of them where they are filled is of no use to any other list.
std::string shard_list_id(std::vector<std::string> names);

}  // namespace assay::online
