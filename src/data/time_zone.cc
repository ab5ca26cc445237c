#include "data/time_zone.h"

#include <algorithm>
#include <cctype>

#include <absl/time/time.h>

#include "base/time.h"

// The only file that knows Abseil, whose time zones read the tz database's compiled files.

namespace assay::data {
namespace {

class AbseilZone : public TimeZone {
 public:
  explicit AbseilZone(absl::TimeZone zone) : zone_(zone) {}
  [[nodiscard]] int64_t offset_micros(int64_t micros) const override {
    return zone_.At(absl::FromUnixMicros(micros)).offset * kMicrosPerSecond;
  }

 private:
  absl::TimeZone zone_;
};

/// True for what names a zone of the database: no path, and not the machine's own zone.
bool is_zone_name(const std::string& name) {
  return !name.empty() && name.front() != '/' && name.find("..") == std::string::npos &&
         name != "localtime" && std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '/' || c == '_' || c == '-' || c == '+';
         });
}

}  // namespace

Result<std::shared_ptr<const TimeZone>> TimeZone::find(const std::string& name) {
  absl::TimeZone zone;
  if (!is_zone_name(name) || !absl::LoadTimeZone(name, &zone)) {
    return Status(Code::kInvalidArgument,
                  "unknown time zone '" + name.substr(0, 80) +
                      "': zones have names such as Europe/Berlin, America/New_York and UTC");
  }
  return std::shared_ptr<const TimeZone>(std::make_shared<AbseilZone>(zone));
}

}  // namespace assay::data
