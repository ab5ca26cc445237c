// JSON events (about 200 bytes, 10 fields, 6 of them asked for) into columns, one thread, against
// what the JSON library alone takes to find the six fields and add their values up; and against our
// own way by trees, which reads what is not plain. Repeats alternate, answers are compared.
//
//   json_decode_bench [EVENTS]

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "base/check.h"
#include "data/json_lines.h"
#include "ingest/generate.h"

namespace {

using assay::data::Decoded;
using assay::data::DecodeOptions;
using assay::data::JsonLinesDecoder;
using assay::data::Type;

constexpr int kRepeats = 5;
constexpr std::size_t kAtOnce = 20'000;

double computed() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

struct Events {
  std::string text;
  std::vector<std::string_view> lines;
};

Events make_events(int64_t count) {
  assay::ingest::EventsOptions options;
  options.count = count;
  options.users = 10'000;
  options.start = {1'767'225'600'000'000};
  options.duplicate_share = options.late_share = options.malformed_share = 0;
  Events events;
  std::vector<std::pair<std::size_t, std::size_t>> places;
  const auto made =
      assay::ingest::generate_events(options, [&](const assay::ingest::GeneratedEvent& event) {
        places.emplace_back(events.text.size(), event.line.size() - 1);
        events.text.append(event.line);
        return assay::Status();
      });
  ASSAY_CHECK(made.ok());
  events.text.append(simdjson::SIMDJSON_PADDING, ' ');
  for (const auto& [begin, size] : places) {
    events.lines.push_back(std::string_view(events.text).substr(begin, size));
  }
  return events;
}

/// What all must agree on.
struct Sums {
  int64_t items = 0;
  int64_t millis = 0;
  int64_t priced = 0;
  double prices = 0;
  std::size_t text = 0;
  bool operator==(const Sums&) const = default;
};

DecodeOptions options_of(bool only_by_tree) {
  DecodeOptions options{assay::data::make_schema({{"event_id", Type::kString, false},
                                                  {"user_id", Type::kString, false},
                                                  {"item_id", Type::kInt64, false},
                                                  {"event_type", Type::kString, true},
                                                  {"price", Type::kFloat64, true},
                                                  {"ts", Type::kTimestamp, false}}),
                        {},
                        {},
                        {}};
  options.time_units.assign(6, assay::data::TimeUnit::kMillis);
  options.only_by_tree = only_by_tree;
  return options;
}

double decode(const Events& events, bool only_by_tree, Sums* sums) {
  JsonLinesDecoder decoder(options_of(only_by_tree));
  double seconds = 0;
  *sums = {};
  for (std::size_t first = 0; first < events.lines.size(); first += kAtOnce) {
    const std::size_t size = std::min(kAtOnce, events.lines.size() - first);
    const double began = computed();
    const Decoded decoded = decoder.decode({events.lines.data() + first, size});
    seconds += computed() - began;
    ASSAY_CHECK(decoded.rejects.empty());
    const auto& rows = decoded.rows;
    for (int64_t row = 0; row < rows.rows(); ++row) {
      sums->items += rows.column(2).integer(row);
      sums->millis += rows.column(5).integer(row) / 1'000;
      if (rows.column(4).is_valid(row)) {
        ++sums->priced;
        sums->prices += rows.column(4).values<double>()[static_cast<std::size_t>(row)];
      }
      sums->text += rows.column(0).text(row).size() + rows.column(1).text(row).size() +
                    rows.column(3).text(row).size();
    }
  }
  return seconds;
}

/// The library's own loop over the members of each record, in place.
double library(const Events& events, Sums* sums) {
  namespace ondemand = simdjson::ondemand;
  ondemand::parser parser;
  *sums = {};
  const double began = computed();
  for (const std::string_view line : events.lines) {
    ondemand::document document;
    ondemand::object object;
    ASSAY_CHECK(parser.iterate(line.data(), line.size(), line.size() + simdjson::SIMDJSON_PADDING)
                    .get(document) == simdjson::SUCCESS);
    ASSAY_CHECK(document.get_object().get(object) == simdjson::SUCCESS);
    for (auto found : object) {
      ondemand::field member;
      ASSAY_CHECK(std::move(found).get(member) == simdjson::SUCCESS);
      const ondemand::raw_json_string key = member.key();
      std::string_view text;
      int64_t whole = 0;
      double real = 0;
      if (key == "event_id" || key == "user_id" || key == "event_type") {
        ASSAY_CHECK(member.value().get_string().get(text) == simdjson::SUCCESS);
        sums->text += text.size();
      } else if (key == "item_id") {
        ASSAY_CHECK(member.value().get_int64().get(whole) == simdjson::SUCCESS);
        sums->items += whole;
      } else if (key == "ts") {
        ASSAY_CHECK(member.value().get_int64().get(whole) == simdjson::SUCCESS);
        sums->millis += whole;
      } else if (key == "price" && member.value().get_double().get(real) == simdjson::SUCCESS) {
        ++sums->priced;
        sums->prices += real;
      }
    }
  }
  return computed() - began;
}

/// The library's parser alone: each record a tree, of which nothing is read.
double parse_alone(const Events& events) {
  simdjson::dom::parser parser;
  std::size_t objects = 0;
  const double began = computed();
  for (const std::string_view line : events.lines) {
    simdjson::dom::element element;
    ASSAY_CHECK(parser.parse(line.data(), line.size(), false).get(element) == simdjson::SUCCESS);
    objects += element.is_object() ? 1 : 0;
  }
  ASSAY_CHECK(objects == events.lines.size());
  return computed() - began;
}

double middle(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const Events events = make_events(argc > 1 ? std::atoll(argv[1]) : 1'000'000);
  const auto count = static_cast<double>(events.lines.size());
  std::vector<double> ours;
  std::vector<double> trees;
  std::vector<double> alone;
  std::vector<double> parsed;
  std::vector<double> ratios;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    Sums of_ours;
    Sums of_trees;
    Sums of_library;
    ours.push_back(decode(events, false, &of_ours));
    alone.push_back(library(events, &of_library));
    parsed.push_back(parse_alone(events));
    trees.push_back(decode(events, true, &of_trees));
    ASSAY_CHECK(of_ours == of_library && of_ours == of_trees);
    ratios.push_back(parsed.back() / ours.back());
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("JSON decode: %.0f events, %.0f bytes each, 6 of 10 fields, answers equal\n",
              count,
              static_cast<double>(events.text.size()) / count);
  std::printf("  assay    %.2f M events/s/core\n", count / middle(ours) / 1e6);
  std::printf("  by trees %.2f M events/s/core\n", count / middle(trees) / 1e6);
  std::printf(
      "  simdjson %.2f M events/s/core to trees and no further, %.2f M by its loop over members\n",
      count / middle(parsed) / 1e6,
      count / middle(alone) / 1e6);
  std::printf("  ratio    %.2f (%.2f to %.2f) of simdjson's parser alone, %.2f of its loop\n",
              ratios[ratios.size() / 2],
              ratios.front(),
              ratios.back(),
              middle(alone) / middle(ours));
  return 0;
}
