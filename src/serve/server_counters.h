#pragma once

#include "base/metrics.h"

namespace assay::serve {

/// What an HTTP server counts of connections and requests that it does not take.
struct ServerCounters {
  explicit ServerCounters(Metrics& metrics)
      : handshake_failures(metrics.counter("assay_serve_tls_handshake_failures_total",
                                           "Connections that came to no TLS, or to none we take.")),
        shed_handshakes(metrics.counter("assay_serve_tls_handshakes_shed_total",
                                        "Connections closed before TLS under load.")),
        shed(metrics.counter("assay_serve_shed_total",
                             "Requests answered 503, because all waited too long for their turn.")),
        no_room(metrics.counter("assay_serve_no_room_total",
                                "Requests and answers for which connections held too much.")),
        floods(metrics.counter("assay_serve_http2_floods_total",
                               "Connections ended because too much came that asks nothing.")),
        late_streams(metrics.counter("assay_serve_http2_late_total",
                                     "Requests over HTTP/2 reset because they took too long.")) {}

  Counter& handshake_failures;
  Counter& shed_handshakes;
  Counter& shed;
  Counter& no_room;
  Counter& floods;
  Counter& late_streams;
};

}  // namespace assay::serve
