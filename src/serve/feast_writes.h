#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/access.h"
#include "serve/http_server.h"
#include "serve/json_request.h"
#include "serve/line_control.h"
#include "serve/serving_state.h"

namespace assay::serve {

// The endpoints of Feast's server that change something there. Here the line is the only writer, so
// they say what the line does; `line` may be nullptr: then there is none to ask.

/// What became of rows that were pushed.
struct Pushed {
  std::optional<Response> refusal;                  // nothing was taken
  std::optional<std::vector<RowVerdict>> verdicts;  // when they were asked for
};

/// Rows go into a source, and through the whole line; once under `key`, "" for none.
Pushed push_rows(const ServingState& state,
                 LineControl* line,
                 const WriteBody& body,
                 std::string_view key,
                 const Caller& caller);
/// POST /push: rows go into the source of that name, and through the whole line.
Response push(const ServingState& state,
              LineControl* line,
              const Request& request,
              const Caller& caller);
/// POST /write-to-online-store: rows of a view whose rows are those of a source (written_rows.h) go
/// into that, as a push. Others are refused: their values are computed.
Response write_to_online_store(const ServingState& state,
                               LineControl* line,
                               const Request& request,
                               const Caller& caller);
/// POST /materialize and /materialize-incremental: 200 when everything that the tables hold is
/// online, as `assay run` and `assay up` leave it.
Response materialize(const ServingState& state,
                     LineControl* line,
                     const Request& request,
                     bool incremental,
                     const Caller& caller);
/// POST /search, its older name, and everything below /v1/vector_stores.
Response vector_search(const Request& request);

/// Columns of one length as JSON objects, one a line.
std::string to_json_lines(const std::vector<JsonColumn>& columns);

}  // namespace assay::serve
