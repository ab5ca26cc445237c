#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "data/entity_key.h"
#include "data/flat_values.h"
#include "gold/contract.h"

// Ways to read entities of fifty numbers, each answer of which is checked.

namespace assay::bench {

inline constexpr int kFeatures = 50;
inline double expected(int64_t user, int feature) {
  return static_cast<double>(user) + feature * 0.001;
}

/// One way to read.
class Contender {
 public:
  explicit Contender(std::string name) : name_(std::move(name)) {}
  virtual ~Contender() = default;
  [[nodiscard]] const std::string& name() const { return name_; }
  virtual void read(std::span<const data::EntityKey> keys) = 0;
  /// Of what was read last, one answer for each user.
  virtual void check(std::span<const int64_t> users) = 0;

 private:
  std::string name_;
};

/// Reads without Scalars. `fill`: appends an answer for each key.
class FlatContender final : public Contender {
 public:
  using Fill = std::function<void(std::span<const data::EntityKey>, data::FlatValues*)>;
  FlatContender(std::string name, Fill fill) : Contender(std::move(name)), fill_(std::move(fill)) {}
  void read(std::span<const data::EntityKey> keys) override {
    flat_.clear();
    fill_(keys, &flat_);
  }
  void check(std::span<const int64_t> users) override {
    ASSAY_CHECK(flat_.size().words == users.size() * kFeatures);
    std::size_t at = 0;
    for (const int64_t user : users) {
      for (int f = 0; f < kFeatures; ++f, ++at) {
        ASSAY_CHECK(flat_.status(at) == data::FeatureStatus::kPresent &&
                    flat_.real(at) == expected(user, f));
      }
    }
  }

 private:
  Fill fill_;
  data::FlatValues flat_;
};

class ScalarContender final : public Contender {
 public:
  using Read = std::function<std::vector<gold::FeatureValues>(std::span<const data::EntityKey>)>;
  ScalarContender(std::string name, Read read)
      : Contender(std::move(name)), read_(std::move(read)) {}
  void read(std::span<const data::EntityKey> keys) override { answers_ = read_(keys); }
  void check(std::span<const int64_t> users) override {
    ASSAY_CHECK(answers_.size() == users.size());
    for (std::size_t k = 0; k < users.size(); ++k) {
      ASSAY_CHECK(answers_[k].values.size() == kFeatures);
      for (int f = 0; f < kFeatures; ++f) {
        const auto& value = answers_[k].values[static_cast<std::size_t>(f)].value;
        ASSAY_CHECK(std::get<double>(value) == expected(users[k], f));
      }
    }
    answers_.clear();  // outside of what is timed
  }

 private:
  Read read_;
  std::vector<gold::FeatureValues> answers_;
};

}  // namespace assay::bench
