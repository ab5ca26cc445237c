#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/account.h"
#include "lake/delta_table.h"

namespace assay::flow {

/// What one stage did to its rows, in one run or over all of a table's history.
struct StageAccount {
  std::string stage;  // "bronze", "silver", "gold", "online"
  std::string name;   // table or view
  data::Account rows;
  int64_t steps = 0;  // gold: rows written to the steps table
  int64_t commits = 0;
  double seconds = 0;
};

/// Stop the program's work when an account does not balance: a row was lost or doubled by a bug of
/// ours.
///
/// Errors  kInternal: names stage and every number.
Status check_account(const StageAccount& account);

/// The account as commitInfo parameters, and back; absent parameters count as zero.
std::map<std::string, std::string> account_parameters(const data::Account& account);
data::Account account_from_parameters(const std::map<std::string, std::string>& parameters);

/// [{"stage":"bronze","name":"clicks","in":9,"out":8,...}], as the catalog keeps it with a run.
std::string accounts_json(const std::vector<StageAccount>& stages);

/// Sum of the accounts in a table's commits.
Result<data::Account> account_of_history(lake::DeltaTable& table);

}  // namespace assay::flow
