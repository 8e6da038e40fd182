//===- Knapsack.cpp - One choice for each item, under a budget ------------===//

#include "quantc/Numerics/Knapsack.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace quantc::numerics {
namespace {

using Items = std::vector<std::vector<Choice>>;

/// The choices that are worth taking, by rising cost and falling loss.
std::vector<size_t> undominated(const std::vector<Choice> &choices) {
  std::vector<size_t> order(choices.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Choice &x = choices[a], &y = choices[b];
    if (x.cost != y.cost)
      return x.cost < y.cost;
    return x.loss != y.loss ? x.loss < y.loss : a < b;
  });
  std::vector<size_t> kept;
  for (size_t c : order)
    if (kept.empty() || choices[c].loss < choices[kept.back()].loss)
      kept.push_back(c);
  return kept;
}

/// Those on the lower convex hull.
std::vector<size_t> hull(const std::vector<Choice> &choices,
                         const std::vector<size_t> &kept) {
  std::vector<size_t> result;
  auto slope = [&](size_t a, size_t b) {
    return (choices[a].loss - choices[b].loss) /
           static_cast<double>(choices[b].cost - choices[a].cost);
  };
  for (size_t c : kept) {
    while (result.size() > 1 && slope(result[result.size() - 2],
                                      result.back()) <= slope(result.back(), c))
      result.pop_back();
    result.push_back(c);
  }
  return result;
}

class Solver {
public:
  Solver(const Items &items, int64_t budget) : items(items), budget(budget) {
    for (const std::vector<Choice> &choices : items)
      kept.push_back(undominated(choices));
  }

  Selection solve(int64_t maxTable) {
    Selection &result = selection;
    for (size_t i = 0; i < items.size(); ++i) {
      result.chosen.push_back(kept[i].front());
      result.leastCost += items[i][kept[i].front()].cost;
    }
    result.fits = result.leastCost <= budget;
    if (result.fits && !solveExactly(maxTable)) {
      solveRelaxed();
      while (improveOne() || improveTwo())
        ;
    }
    result.cost = 0;
    result.loss = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      result.cost += chosen(i).cost;
      result.loss += chosen(i).loss;
    }
    if (result.isExact || !result.fits)
      result.bound = result.loss;
    return result;
  }

private:
  const Choice &chosen(size_t i) const { return items[i][selection.chosen[i]]; }

  bool solveExactly(int64_t maxTable);
  void solveRelaxed();
  bool improveOne();
  bool improveTwo();

  const Items &items;
  int64_t budget;
  std::vector<std::vector<size_t>> kept;
  Selection selection;
  int64_t left = 0; // of the budget
};

/// Dynamic programming over what is spent beyond the cheapest choices, in units
/// of the greatest common divisor. False if the table would be too large.
bool Solver::solveExactly(int64_t maxTable) {
  int64_t unit = 0, most = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    int64_t least = items[i][kept[i].front()].cost;
    for (size_t c : kept[i])
      unit = std::gcd(unit, items[i][c].cost - least);
    most += items[i][kept[i].back()].cost - least;
  }
  unit = std::max<int64_t>(unit, 1);
  int64_t capacity = std::min(budget - selection.leastCost, most) / unit;
  auto count = static_cast<int64_t>(items.size());
  if (count > 0 && capacity >= maxTable / count)
    return false;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // The least loss of the items so far with exactly that much spent.
  std::vector<double> loss(capacity + 1, kInfinity), next(capacity + 1);
  loss[0] = 0;
  std::vector<std::vector<uint32_t>> taken(items.size(),
                                           std::vector<uint32_t>(capacity + 1));
  for (size_t i = 0; i < items.size(); ++i) {
    std::fill(next.begin(), next.end(), kInfinity);
    int64_t least = items[i][kept[i].front()].cost;
    for (size_t k = 0; k < kept[i].size(); ++k) {
      const Choice &choice = items[i][kept[i][k]];
      int64_t spent = (choice.cost - least) / unit;
      for (int64_t c = spent; c <= capacity; ++c)
        if (loss[c - spent] + choice.loss < next[c]) {
          next[c] = loss[c - spent] + choice.loss;
          taken[i][c] = static_cast<uint32_t>(k);
        }
    }
    loss.swap(next);
  }
  int64_t at = std::min_element(loss.begin(), loss.end()) - loss.begin();
  for (size_t i = items.size(); i-- > 0;) {
    size_t c = kept[i][taken[i][at]];
    selection.chosen[i] = c;
    at -= (items[i][c].cost - items[i][kept[i].front()].cost) / unit;
  }
  selection.isExact = true;
  return true;
}

void Solver::solveRelaxed() {
  struct Step {
    double gain; // per cost
    size_t item;
    size_t to;
    int64_t cost;
    double loss;
  };
  std::vector<Step> steps;
  for (size_t i = 0; i < items.size(); ++i) {
    std::vector<size_t> corners = hull(items[i], kept[i]);
    for (size_t k = 1; k < corners.size(); ++k) {
      const Choice &from = items[i][corners[k - 1]], &to = items[i][corners[k]];
      int64_t cost = to.cost - from.cost;
      double loss = from.loss - to.loss;
      steps.push_back(
          {loss / static_cast<double>(cost), i, corners[k], cost, loss});
    }
  }
  // An item's own steps have falling gains; where rounding makes them equal,
  // their order is that of the index.
  std::vector<size_t> order(steps.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return steps[a].gain != steps[b].gain ? steps[a].gain > steps[b].gain
                                          : a < b;
  });
  left = budget - selection.leastCost;
  double bound = 0;
  for (size_t i = 0; i < items.size(); ++i)
    bound += chosen(i).loss;
  bool isWhole = true;
  std::vector<bool> isStopped(items.size());
  for (size_t s : order) {
    const Step &step = steps[s];
    if (step.cost <= left && !isStopped[step.item]) {
      selection.chosen[step.item] = step.to;
      left -= step.cost;
      if (isWhole)
        bound -= step.loss;
      continue;
    }
    if (isWhole)
      bound -= step.gain * static_cast<double>(left);
    isWhole = false;
    isStopped[step.item] = true;
  }
  selection.bound = bound;
}

/// The best change of one item that fits.
bool Solver::improveOne() {
  double best = 0;
  size_t item = 0, to = 0;
  for (size_t i = 0; i < items.size(); ++i)
    for (size_t c : kept[i]) {
      double gain = chosen(i).loss - items[i][c].loss;
      if (items[i][c].cost - chosen(i).cost <= left && gain > best) {
        best = gain;
        item = i;
        to = c;
      }
    }
  if (best == 0)
    return false;
  left -= items[item][to].cost - chosen(item).cost;
  selection.chosen[item] = to;
  return true;
}

/// The best change of two items, one of which becomes cheaper.
bool Solver::improveTwo() {
  double best = 0;
  size_t down = 0, downTo = 0, up = 0, upTo = 0;
  for (size_t i = 0; i < items.size(); ++i)
    for (size_t c : kept[i]) {
      int64_t freed = chosen(i).cost - items[i][c].cost;
      double lost = items[i][c].loss - chosen(i).loss;
      if (freed <= 0)
        continue;
      for (size_t j = 0; j < items.size(); ++j) {
        if (j == i)
          continue;
        for (size_t d : kept[j]) {
          double gain = chosen(j).loss - items[j][d].loss - lost;
          if (items[j][d].cost - chosen(j).cost <= left + freed &&
              gain > best) {
            best = gain;
            down = i, downTo = c;
            up = j, upTo = d;
          }
        }
      }
    }
  // Rounding must not make it run for ever.
  if (!(best > 1e-12 * std::fabs(selection.bound)))
    return false;
  for (auto [i, c] : {std::pair(down, downTo), std::pair(up, upTo)}) {
    left -= items[i][c].cost - chosen(i).cost;
    selection.chosen[i] = c;
  }
  return true;
}

} // namespace

Selection selectChoices(const std::vector<std::vector<Choice>> &items,
                        int64_t budget, int64_t maxTable) {
  return Solver(items, budget).solve(maxTable);
}

} // namespace quantc::numerics
