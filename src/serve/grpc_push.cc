// assay.serving.PushService. PushRequest: source 1, rows 2 (map<string, RepeatedValue>), verdicts
// 3, idempotency_key 4. PushResponse: accepted 1, quarantined 2, dropped 3, rows 4 (RowVerdict:
// verdict 1, table 2, reason 3, column 4).

#include "serve/grpc_push.h"

#include <array>
#include <cstddef>
#include <utility>

#include "data/protobuf.h"
#include "serve/grpc_columns.h"

namespace assay::serve {
namespace {

using data::ProtoField;
using data::ProtoWriter;
using Wire = ProtoField::Wire;

struct PushRequest {
  WriteBody body;
  std::string key;
};

Result<PushRequest> read_push_request(std::string_view message) {
  PushRequest request;
  ColumnsReader rows;
  ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
    constexpr std::array kWires = {Wire::kBytes, Wire::kBytes, Wire::kVarint, Wire::kBytes};
    const auto known = static_cast<std::size_t>(field.number) - 1;
    if (known >= kWires.size()) {
      return {};
    }
    if (field.wire != kWires[known]) {
      return {Code::kInvalidArgument, "not the message that this method takes"};
    }
    switch (field.number) {
      case 1:
        request.body.target = field.bytes;
        return {};
      case 2:
        return rows.add(field.bytes);
      case 3:
        request.body.verdicts = field.bits != 0;
        return {};
      default:
        request.key = field.bytes;
        return {};
    }
  }));
  request.body.df = std::move(rows).columns();
  return request;
}

std::string push_response(const std::vector<RowVerdict>& verdicts) {
  // As RowFate numbers them.
  constexpr std::array<std::string_view, 3> kFates = {"accepted", "quarantined", "dropped"};
  std::array<int64_t, kFates.size()> counts{};
  std::string rows;
  for (const RowVerdict& row : verdicts) {
    std::string one;
    ProtoWriter writer(one);
    for (std::size_t fate = 0; fate < kFates.size(); ++fate) {
      if (row.verdict == kFates[fate]) {
        writer.integer(1, static_cast<int64_t>(fate) + 1);
        ++counts[fate];
      }
    }
    int field = 2;
    for (const std::string* text : {&row.table, &row.reason, &row.column}) {
      if (!text->empty()) {
        writer.bytes(field, *text);
      }
      ++field;
    }
    ProtoWriter(rows).bytes(4, one);
  }
  std::string message;
  ProtoWriter writer(message);
  for (std::size_t fate = 0; fate < kFates.size(); ++fate) {
    if (counts[fate] != 0) {
      writer.integer(static_cast<int>(fate) + 1, counts[fate]);
    }
  }
  return message.append(rows);
}

}  // namespace

Result<GrpcPushed> answer_push(FeatureServer& server,
                               std::string_view request,
                               const Caller& caller) {
  ASSAY_ASSIGN_OR_RETURN(const PushRequest asked, read_push_request(request));
  Pushed pushed = server.push(asked.body, asked.key, caller);
  return GrpcPushed{std::move(pushed.refusal),
                    pushed.verdicts.has_value() ? push_response(*pushed.verdicts) : ""};
}

}  // namespace assay::serve
