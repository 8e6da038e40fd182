//===- Knapsack.h - One choice for each item, under a budget ----*- C++ -*-===//
//
// The multiple-choice knapsack: of each item (a layer) one choice (format and
// granularity) is taken, so that the sum of the losses is least and the sum of
// the costs within the budget (H. Kellerer et al., "Knapsack Problems", 2004,
// chapter 11).
//
// Small cases are solved exactly by dynamic programming over the cost. Large
// ones: the linear relaxation, which takes steps along the lower convex hull of
// each item's choices by falling gain per cost, gives a lower bound and, with
// the one fractional step left out, a solution; exchanges of one and of two
// items improve it.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_KNAPSACK_H
#define QUANTC_NUMERICS_KNAPSACK_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace quantc::numerics {

struct Choice {
  int64_t cost; ///< at least 0; all together below 2^62
  double loss;  ///< finite
};

struct Selection {
  /// False if even the cheapest choices are over the budget; then those.
  bool fits = false;
  /// Index of each item's choice.
  std::vector<std::size_t> chosen;
  int64_t cost = 0;
  double loss = 0;
  /// No selection within the budget has a smaller loss than this. Equal to
  /// `loss` if `isExact`.
  double bound = 0;
  bool isExact = false;
  int64_t leastCost = 0; ///< of the cheapest choices
};

/// `items`: each has at least one choice. `maxTable`: entries of the table of
/// dynamic programming (costs x items) up to which the result is exact.
Selection selectChoices(const std::vector<std::vector<Choice>> &items,
                        int64_t budget, int64_t maxTable = int64_t(1) << 24);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_KNAPSACK_H
