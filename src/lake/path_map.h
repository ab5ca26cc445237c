#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace assay::lake {

/// Items by their `path`, in order of path: a large immutable base that copies share, and what
/// changed since. A copy costs O(changes); a change O(log n), and now and then a new base.
///
/// Threads as std::map.
template <typename T>
class PathMap {
 public:
  using ItemPtr = std::shared_ptr<const T>;
  using Entry = std::pair<const std::string&, const T&>;

  /// In order of path; invalid after any change.
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = Entry;

    struct Arrow {
      Entry entry;
      const Entry* operator->() const { return &entry; }
    };
    Entry operator*() const { return {(*item()).path, *item()}; }
    Arrow operator->() const { return {**this}; }
    Iterator& operator++() {
      if (at_change()) {
        base_ += base_ != base_end_ && (*base_)->path == change_->first ? 1 : 0;
        ++change_;
      } else {
        ++base_;
      }
      skip_removed();
      return *this;
    }
    bool operator==(const Iterator& other) const {
      return base_ == other.base_ && change_ == other.change_;
    }

   private:
    friend class PathMap;
    using Base = typename std::vector<ItemPtr>::const_iterator;
    using Change = typename std::map<std::string, ItemPtr>::const_iterator;
    Iterator(Base base, Base base_end, Change change, Change change_end)
        : base_(base), base_end_(base_end), change_(change), change_end_(change_end) {
      skip_removed();
    }
    /// A change to an item of the base stands for it.
    [[nodiscard]] bool at_change() const {
      return change_ != change_end_ && (base_ == base_end_ || change_->first <= (*base_)->path);
    }
    [[nodiscard]] const T* item() const {
      return at_change() ? change_->second.get() : base_->get();
    }
    void skip_removed() {
      while (at_change() && change_->second == nullptr) {
        base_ += base_ != base_end_ && (*base_)->path == change_->first ? 1 : 0;
        ++change_;
      }
    }

    Base base_;
    Base base_end_;
    Change change_;
    Change change_end_;
  };
  using const_iterator = Iterator;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] Iterator begin() const {
    return {base_->begin(), base_->end(), changes_.begin(), changes_.end()};
  }
  [[nodiscard]] Iterator end() const {
    return {base_->end(), base_->end(), changes_.end(), changes_.end()};
  }
  [[nodiscard]] Iterator find(const std::string& path) const {
    const auto base = lower_bound(path);
    const auto change = changes_.lower_bound(path);
    const bool changed = change != changes_.end() && change->first == path;
    const bool there =
        changed ? change->second != nullptr : base != base_->end() && (*base)->path == path;
    return there ? Iterator{base, base_->end(), change, changes_.end()} : end();
  }
  /// The item, or nullptr.
  [[nodiscard]] ItemPtr get(const std::string& path) const {
    const auto change = changes_.find(path);
    if (change != changes_.end()) {
      return change->second;
    }
    const auto base = lower_bound(path);
    return base != base_->end() && (*base)->path == path ? *base : nullptr;
  }
  [[nodiscard]] bool contains(const std::string& path) const { return get(path) != nullptr; }
  [[nodiscard]] std::size_t count(const std::string& path) const { return contains(path) ? 1 : 0; }
  /// The item of this path, which must be there.
  [[nodiscard]] const T& at(const std::string& path) const { return (*find(path)).second; }

  /// Add the item, or replace the one of its path.
  void put(T item) {
    size_ += contains(item.path) ? 0 : 1;
    std::string path = item.path;
    changes_[std::move(path)] = std::make_shared<const T>(std::move(item));
    rebase_if_due();
  }
  /// Fine when there is no such item.
  void erase(const std::string& path) {
    if (!contains(path)) {
      return;
    }
    --size_;
    const auto base = lower_bound(path);
    if (base != base_->end() && (*base)->path == path) {
      changes_[path] = nullptr;
    } else {
      changes_.erase(path);
    }
    rebase_if_due();
  }
  /// These items instead of all that was there; of two with one path the later stays.
  void assign(std::vector<ItemPtr> items) {
    sort_by_path(items);
    changes_.clear();
    size_ = items.size();
    base_ = std::make_shared<const std::vector<ItemPtr>>(std::move(items));
  }

 private:
  static constexpr std::size_t kChangesMin = 64;
  static constexpr std::size_t kBasePerChange = 8;

  [[nodiscard]] typename std::vector<ItemPtr>::const_iterator lower_bound(
      const std::string& path) const {
    return std::lower_bound(
        base_->begin(), base_->end(), path, [](const ItemPtr& item, const std::string& key) {
          return item->path < key;
        });
  }

  void rebase_if_due() {
    if (changes_.size() <= kChangesMin + base_->size() / kBasePerChange) {
      return;
    }
    std::vector<ItemPtr> items;
    items.reserve(size_);
    const Iterator last = end();
    for (Iterator each = begin(); !(each == last); ++each) {
      items.push_back(each.at_change() ? each.change_->second : *each.base_);
    }
    base_ = std::make_shared<const std::vector<ItemPtr>>(std::move(items));
    changes_.clear();
  }

  /// Paths of one table begin alike, and each compare would miss the cache twice: so the bytes
  /// behind what all share are compared first, as numbers.
  static void sort_by_path(std::vector<ItemPtr>& items) {
    const auto by_path = [](const ItemPtr& a, const ItemPtr& b) { return a->path < b->path; };
    const auto same_path = [](const ItemPtr& a, const ItemPtr& b) { return a->path == b->path; };
    if (!std::is_sorted(items.begin(), items.end(), by_path)) {
      std::size_t shared = items.front()->path.size();
      for (const ItemPtr& item : items) {
        const auto differ =
            std::mismatch(items.front()->path.begin(),
                          items.front()->path.begin() + static_cast<std::ptrdiff_t>(shared),
                          item->path.begin(),
                          item->path.end());
        shared = static_cast<std::size_t>(differ.first - items.front()->path.begin());
      }
      struct Keyed {
        std::pair<uint64_t, uint64_t> key;
        ItemPtr item;
      };
      std::vector<Keyed> keyed;
      keyed.reserve(items.size());
      for (ItemPtr& item : items) {
        keyed.push_back({{number_at(item->path, shared), number_at(item->path, shared + 8)}, item});
      }
      std::stable_sort(keyed.begin(), keyed.end(), [&](const Keyed& a, const Keyed& b) {
        return a.key != b.key ? a.key < b.key : by_path(a.item, b.item);
      });
      for (std::size_t i = 0; i < items.size(); ++i) {
        items[i] = std::move(keyed[i].item);
      }
    }
    // Of equals, which kept their order, the last one stays.
    const auto kept = std::unique(items.rbegin(), items.rend(), same_path);
    items.erase(items.begin(), kept.base());
  }

  /// Eight bytes from `begin`, zeros past the end: smaller numbers for smaller texts.
  static uint64_t number_at(const std::string& text, std::size_t begin) {
    uint64_t number = 0;
    for (std::size_t i = begin; i < begin + 8; ++i) {
      number = number << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0U);
    }
    return number;
  }

  std::shared_ptr<const std::vector<ItemPtr>> base_ =
      std::make_shared<const std::vector<ItemPtr>>();
  std::map<std::string, ItemPtr> changes_;  // nullptr: removed from the base
  std::size_t size_ = 0;
};

}  // namespace assay::lake
