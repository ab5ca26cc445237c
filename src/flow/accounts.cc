#include "flow/accounts.h"

#include <array>
#include <charconv>
#include <string_view>

#include "base/json_writer.h"

namespace assay::flow {
namespace {

struct AccountPart {
  const char* parameter;
  int64_t data::Account::*member;
};
constexpr std::array kParts{AccountPart{"account.in", &data::Account::in},
                            AccountPart{"account.out", &data::Account::out},
                            AccountPart{"account.filtered", &data::Account::filtered},
                            AccountPart{"account.duplicates", &data::Account::duplicates},
                            AccountPart{"account.late", &data::Account::late},
                            AccountPart{"account.quarantined", &data::Account::quarantined}};

}  // namespace

Status check_account(const StageAccount& account) {
  if (account.rows.balances()) {
    return {};
  }
  std::string message = "row account of " + account.stage + " " + account.name +
                        " does not balance (this is a bug, nothing was committed):";
  for (const AccountPart& part : kParts) {
    message += std::string(" ") + part.parameter + "=" + std::to_string(account.rows.*part.member);
  }
  return {Code::kInternal, message};
}

std::map<std::string, std::string> account_parameters(const data::Account& account) {
  std::map<std::string, std::string> parameters;
  for (const AccountPart& part : kParts) {
    parameters[part.parameter] = std::to_string(account.*part.member);
  }
  return parameters;
}

data::Account account_from_parameters(const std::map<std::string, std::string>& parameters) {
  data::Account account;
  for (const AccountPart& part : kParts) {
    const auto found = parameters.find(part.parameter);
    if (found != parameters.end()) {
      const std::string& text = found->second;
      std::from_chars(text.data(), text.data() + text.size(), account.*part.member);
    }
  }
  return account;
}

std::string accounts_json(const std::vector<StageAccount>& stages) {
  std::string text;
  JsonWriter json(text);
  json.begin_array();
  for (const StageAccount& stage : stages) {
    json.begin_object();
    json.key("stage");
    json.string(stage.stage);
    json.key("name");
    json.string(stage.name);
    for (const AccountPart& part : kParts) {
      json.key(std::string_view(part.parameter).substr(std::string_view("account.").size()));
      json.integer(stage.rows.*part.member);
    }
    json.end_object();
  }
  json.end_array();
  return text;
}

Result<data::Account> account_of_history(lake::DeltaTable& table) {
  data::Account total;
  ASSAY_ASSIGN_OR_RETURN(const std::vector<lake::HistoryEntry> history, table.history());
  for (const lake::HistoryEntry& entry : history) {
    total += account_from_parameters(entry.parameters);
  }
  return total;
}

}  // namespace assay::flow
