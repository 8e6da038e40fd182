//===- KnapsackTest.cpp - One choice for each item, under a budget --------===//

#include "quantc/Numerics/Knapsack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

using namespace quantc::numerics;

namespace {

using Items = std::vector<std::vector<Choice>>;

/// Layers of several sizes, each with `count` choices of bits a weight, whose
/// losses fall about fourfold a bit.
Items layers(size_t items, size_t count, unsigned seed,
             unsigned largest = 50000) {
  std::mt19937 random(seed);
  std::lognormal_distribution<double> spread(0, 1);
  std::uniform_real_distribution<double> jitter(0.7, 1.4);
  Items result(items);
  for (std::vector<Choice> &choices : result) {
    int64_t size = 100 + static_cast<int64_t>(random() % largest);
    double loss = spread(random) * static_cast<double>(size);
    for (size_t c = 0; c < count; ++c) {
      double bits =
          2 + 6.0 * static_cast<double>(c) / static_cast<double>(count);
      choices.push_back({static_cast<int64_t>(static_cast<double>(size) * bits),
                         loss * std::pow(4, -bits) * jitter(random)});
    }
    std::shuffle(choices.begin(), choices.end(), random);
  }
  return result;
}

int64_t costOf(const Items &items, double fraction) {
  int64_t least = 0, most = 0;
  for (const std::vector<Choice> &choices : items) {
    auto [a, b] = std::minmax_element(
        choices.begin(), choices.end(),
        [](const Choice &x, const Choice &y) { return x.cost < y.cost; });
    least += a->cost;
    most += b->cost;
  }
  return least +
         static_cast<int64_t>(fraction * static_cast<double>(most - least));
}

void expectConsistent(const Items &items, int64_t budget,
                      const Selection &found) {
  ASSERT_EQ(found.chosen.size(), items.size());
  int64_t cost = 0;
  double loss = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    cost += items[i][found.chosen[i]].cost;
    loss += items[i][found.chosen[i]].loss;
  }
  EXPECT_EQ(found.cost, cost);
  EXPECT_DOUBLE_EQ(found.loss, loss);
  EXPECT_LE(cost, budget);
  EXPECT_TRUE(found.fits);
  EXPECT_LE(found.bound, found.loss * (1 + 1e-12));
}

double bruteForce(const Items &items, int64_t budget, size_t item = 0) {
  if (item == items.size())
    return budget >= 0 ? 0 : INFINITY;
  double best = INFINITY;
  for (const Choice &choice : items[item])
    if (choice.cost <= budget)
      best =
          std::min(best, choice.loss +
                             bruteForce(items, budget - choice.cost, item + 1));
  return best;
}

TEST(Knapsack, SmallCasesAreExact) {
  for (unsigned seed = 0; seed < 20; ++seed)
    for (double fraction : {0.0, 0.1, 0.33, 0.7, 1.0}) {
      Items items = layers(5, 6, seed, 2000);
      int64_t budget = costOf(items, fraction);
      double best = bruteForce(items, budget);
      Selection found = selectChoices(items, budget);
      expectConsistent(items, budget, found);
      EXPECT_TRUE(found.isExact);
      EXPECT_DOUBLE_EQ(found.loss, best);
      EXPECT_DOUBLE_EQ(found.bound, best);
      // What is done with large ones is never better, and its bound holds.
      Selection relaxed = selectChoices(items, budget, /*maxTable=*/0);
      expectConsistent(items, budget, relaxed);
      EXPECT_FALSE(relaxed.isExact);
      EXPECT_GE(relaxed.loss, best * (1 - 1e-12));
      EXPECT_LE(relaxed.bound, best * (1 + 1e-12));
    }
}

TEST(Knapsack, LargeCasesAreWithinAPercentOfTheBound) {
  for (unsigned seed = 0; seed < 5; ++seed)
    for (double fraction : {0.05, 0.25, 0.4, 0.6, 0.9}) {
      Items items = layers(210, 12, seed);
      int64_t budget = costOf(items, fraction);
      Selection found = selectChoices(items, budget);
      expectConsistent(items, budget, found);
      EXPECT_FALSE(found.isExact);
      EXPECT_LT(found.loss, 1.01 * found.bound) << seed << ' ' << fraction;
    }
}

TEST(Knapsack, AnExactTableAndTheRelaxationAgree) {
  // Costs in units of 1000: dynamic programming can do 60 items.
  Items items = layers(60, 8, 3);
  for (std::vector<Choice> &choices : items)
    for (Choice &choice : choices)
      choice.cost = (choice.cost + 999) / 1000 * 1000;
  int64_t budget = costOf(items, 0.3) + 7;
  Selection exact = selectChoices(items, budget);
  Selection relaxed = selectChoices(items, budget, 0);
  EXPECT_TRUE(exact.isExact);
  EXPECT_LE(exact.loss, relaxed.loss * (1 + 1e-12));
  EXPECT_LE(relaxed.bound, exact.loss * (1 + 1e-12));
  EXPECT_LT(relaxed.loss, 1.01 * exact.loss);
}

TEST(Knapsack, ExchangesImproveTheRelaxation) {
  // By gain per cost: the first item's step, after which the second's does not
  // fit; and at the end a choice that is on no hull.
  Items items = {{{0, 10}, {6, 3}}, {{0, 10}, {10, 0}, {3, 9}}};
  EXPECT_EQ(selectChoices(items, 10, 0).chosen, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(selectChoices(items, 9, 0).chosen, (std::vector<size_t>{1, 2}));
}

TEST(Knapsack, BudgetsThatCannotBeMet) {
  Items items = {{{10, 1.0}, {4, 5.0}}, {{7, 2.0}, {9, 0.5}}};
  Selection found = selectChoices(items, 10);
  EXPECT_FALSE(found.fits);
  EXPECT_EQ(found.leastCost, 11);
  EXPECT_EQ(found.chosen, (std::vector<size_t>{1, 0}));
  EXPECT_TRUE(selectChoices(items, 11).fits);
  Selection empty = selectChoices({}, 0);
  EXPECT_TRUE(empty.fits);
  EXPECT_EQ(empty.loss, 0);
}

TEST(Knapsack, MoreBudgetIsNeverWorseAndLossesMayBeNegative) {
  Items items = layers(8, 5, 9, 2000);
  for (std::vector<Choice> &choices : items)
    for (Choice &choice : choices)
      choice.loss -= 100;
  double last = INFINITY;
  for (int i = 0; i <= 20; ++i) {
    Selection found = selectChoices(items, costOf(items, 0.05 * i));
    EXPECT_LE(found.loss, last);
    last = found.loss;
  }
  // Everything fits: each item's least loss.
  double least = 0;
  for (const std::vector<Choice> &choices : items)
    least += std::min_element(choices.begin(), choices.end(),
                              [](const Choice &a, const Choice &b) {
                                return a.loss < b.loss;
                              })
                 ->loss;
  EXPECT_NEAR(last, least, 1e-9);
}

} // namespace
