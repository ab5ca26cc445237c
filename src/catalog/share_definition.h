#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::catalog {

/// `share: one of one, two, three by user_id`: of all entities with that key the online store has
/// those that are its own; of entities without it, all.
struct ShareDef {
  std::string name;                // of this one
  std::vector<std::string> names;  // of all of them, in the order of the alphabet
  std::string key;                 // the column that decides whose an entity is
  bool operator==(const ShareDef&) const = default;
};

/// Nothing: it is not written like that, or a name stands twice or is none of them.
std::optional<ShareDef> parse_share(std::string_view text);

/// The online store of a share, as Project::online names it: "share:TEXT:" before the place.
std::string place_of_share(std::string_view text, std::string_view place);
/// The share, and the place without it; nothing when the store is of all entities.
struct SharePlace {
  ShareDef share;
  std::string place;
};
std::optional<SharePlace> share_in_place(std::string_view place);

}  // namespace assay::catalog
