//===- ReductionTree.h - Sums that do not know who made them ----*- C++ -*-===//
//
// Floating-point sums depend on the order of the additions. Here the order is
// that of a fixed binary tree over the sample indices: node (level, index) is
// the sum over the samples [index << level, (index + 1) << level), and is its
// left half plus its right half. Whoever has computed which samples, in
// whatever order parts are merged, a node has the same bits.
//
// Two neighbours that make up a node become that node at once, so n samples in
// a row are at most log2(n) + 1 nodes.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_REDUCTIONTREE_H
#define QUANTC_NUMERICS_REDUCTIONTREE_H

#include <cstdint>
#include <iterator>
#include <map>
#include <utility>

namespace quantc::numerics {

/// `Value` has `void add(const Value &right)`.
template <typename Value>
class ReductionTree {
public:
  static constexpr int kMaxLevel = 40;
  static constexpr int64_t kMaxSample = int64_t(1) << kMaxLevel;

  struct Node {
    int level;
    Value value;
  };

  /// Whether [index << level, (index + 1) << level) is a range of samples and
  /// none of them is in the tree.
  bool isFree(int level, int64_t index) const {
    if (level < 0 || level > kMaxLevel || index < 0 ||
        index >= kMaxSample >> level)
      return false;
    int64_t begin = index << level, end = (index + 1) << level;
    auto next = table.lower_bound(begin);
    if (next != table.end() && next->first < end)
      return false;
    if (next == table.begin())
      return true;
    const auto &[before, node] = *std::prev(next);
    return before + (int64_t(1) << node.level) <= begin;
  }

  /// Adds what `isFree`; anything else is refused with false.
  bool insert(int level, int64_t index, Value value) {
    if (!isFree(level, index))
      return false;
    while (level < kMaxLevel) {
      auto sibling = table.find((index ^ 1) << level);
      if (sibling == table.end() || sibling->second.level != level)
        break;
      if (index & 1) {
        sibling->second.value.add(value);
        value = std::move(sibling->second.value);
      } else {
        value.add(sibling->second.value);
      }
      table.erase(sibling);
      ++level;
      index >>= 1;
    }
    table.emplace(index << level, Node{level, std::move(value)});
    return true;
  }

  /// First sample -> node, by rising sample. Equal sets of samples have equal
  /// nodes.
  const std::map<int64_t, Node> &nodes() const { return table; }

  /// `change(value)` for every node.
  template <typename Change>
  void forEach(Change change) {
    for (auto &item : table)
      change(item.second.value);
  }

  /// What the sum of all nodes by rising sample would be after inserting
  /// (0, sample, leaf), which has to be free; of the nodes alone if `leaf` is
  /// null. `addNode(value)` is called for each.
  template <typename AddNode>
  void visit(int64_t sample, const Value *leaf, AddNode addNode) const {
    if (!leaf) {
      for (const auto &item : table)
        addNode(item.second.value);
      return;
    }
    // The leaf with the nodes that it would be combined with.
    Value grown = *leaf;
    int level = 0;
    for (int64_t index = sample; level < kMaxLevel; ++level, index >>= 1) {
      auto sibling = table.find((index ^ 1) << level);
      if (sibling == table.end() || sibling->second.level != level)
        break;
      if (index & 1) {
        Value left = sibling->second.value;
        left.add(grown);
        grown = std::move(left);
      } else {
        grown.add(sibling->second.value);
      }
    }
    int64_t begin = sample >> level << level;
    int64_t end = begin + (int64_t(1) << level);
    bool isAdded = false;
    for (const auto &[first, node] : table) {
      if (first >= begin && first < end)
        continue;
      if (first >= end && !isAdded) {
        addNode(grown);
        isAdded = true;
      }
      addNode(node.value);
    }
    if (!isAdded)
      addNode(grown);
  }

private:
  std::map<int64_t, Node> table;
};

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_REDUCTIONTREE_H
