//===- SmoothingSearchTest.cpp - The best migration strength --------------===//

#include "quantc/Numerics/SmoothingSearch.h"

#include "Calibrated.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace quantc::numerics;

namespace {

/// Two layers that read a tensor with two channels of outliers.
struct Case {
  Calibrated a{20, 24, 1, 60}, b{70, 24, 1, 60};
  std::vector<float> absMax;
  SmoothingOptions options;
  SmoothingInput input;
  std::vector<Consumer> consumers;

  Case() : absMax(24) {
    for (size_t t = 0; t < a.X.size(); t += 24) {
      a.X[t + 3] *= 30;
      a.X[t + 11] *= 50;
    }
    std::fill(a.H.begin(), a.H.end(), 0.0f);
    for (size_t t = 0; t < a.X.size(); t += 24)
      for (int64_t i = 0; i < 24; ++i) {
        absMax[i] = std::max(absMax[i], std::fabs(a.X[t + i]));
        for (int64_t j = 0; j < 24; ++j)
          a.H[i * 24 + j] += a.X[t + i] * a.X[t + j];
      }
    input.K = 24;
    input.absMax = absMax.data();
    input.rows = a.X.data();
    input.count = 60;
    consumers = {{a.N, a.W.data()}, {b.N, b.W.data()}};
  }

  /// What the paper's formula gives, with a channel's largest weight in any
  /// consumer.
  std::vector<float> scales(double alpha) const {
    std::vector<float> s(24);
    for (int64_t j = 0; j < 24; ++j) {
      float w = 0;
      for (const Calibrated *layer : {&a, &b})
        for (int64_t n = 0; n < layer->N; ++n)
          w = std::max(w, std::fabs(layer->W[n * 24 + j]));
      s[j] = static_cast<float>(std::pow(absMax[j], alpha) /
                                std::pow(w, 1 - alpha));
    }
    return normalized(s);
  }

  static std::vector<float> normalized(std::vector<float> s) {
    double product = 1;
    for (float v : s)
      product *= v;
    for (float &v : s)
      v /= static_cast<float>(std::pow(product, 1.0 / 24));
    return s;
  }

  /// int8 on both sides, element by element.
  double direct(const std::vector<float> &s, bool perToken,
                const std::vector<float> &weights = {}) const {
    auto step = [&](auto value, int64_t count) {
      double most = 0;
      for (int64_t i = 0; i < count; ++i)
        most = std::max(most, std::fabs(value(i)));
      return most / 127;
    };
    double all =
        step([&](int64_t i) { return double(a.X[i]) / s[i % 24]; }, 60 * 24);
    double total = 0;
    for (const Calibrated *layer : {&a, &b})
      for (int64_t n = 0; n < layer->N; ++n) {
        auto weight = [&](int64_t j) {
          return double(layer->W[n * 24 + j]) * s[j];
        };
        double stepW = step(weight, 24);
        for (int64_t t = 0; t < 60; ++t) {
          auto value = [&](int64_t j) {
            return double(a.X[t * 24 + j]) / s[j];
          };
          double stepX = perToken ? step(value, 24) : all, y = 0;
          for (int64_t j = 0; j < 24; ++j)
            y += value(j) * weight(j) -
                 std::nearbyint(value(j) / stepX) * stepX *
                     std::nearbyint(weight(j) / stepW) * stepW;
          total += y * y * (weights.empty() ? 1 : weights[t]);
        }
      }
    return total;
  }
};

TEST(SmoothingSearch, FindsTheBestAlphaOfTheGrid) {
  for (bool perToken : {true, false}) {
    Case c;
    c.options.perToken = perToken;
    c.options.steps = 10;
    SmoothingResult found = searchSmoothing(c.options, c.input, c.consumers);
    double best = INFINITY, bestAlpha = 0;
    for (int i = 0; i <= 10; ++i) {
      double error = c.direct(c.scales(0.1 * i), perToken);
      if (error < best)
        best = error, bestAlpha = 0.1 * i;
    }
    ASSERT_TRUE(found.alpha.has_value());
    EXPECT_NEAR(*found.alpha, bestAlpha, 1e-9);
    EXPECT_NEAR(found.error, best, 0.02 * best);
    EXPECT_NEAR(found.plainError,
                c.direct(std::vector<float>(24, 1.0f), perToken),
                0.02 * found.plainError);
    EXPECT_LT(found.error, 0.5 * found.plainError);
    std::vector<float> expected = c.scales(bestAlpha);
    for (int64_t j = 0; j < 24; ++j)
      EXPECT_NEAR(found.factor[j], expected[j], 1e-5 * expected[j]);
  }
}

TEST(SmoothingSearch, WithoutRowsTheModelOfTheErrorIsNearIt) {
  Case c;
  c.options.perToken = false;
  c.input.rows = nullptr;
  c.input.H = c.a.H.data();
  c.input.tokens = 60;
  for (double alpha : {0.3, 0.5, 0.7}) {
    double direct = c.direct(c.scales(alpha), false);
    EXPECT_NEAR(
        smoothingError(c.options, c.input, c.consumers, c.scales(alpha)),
        direct, 0.3 * direct);
  }
  SmoothingResult found = searchSmoothing(c.options, c.input, c.consumers);
  ASSERT_TRUE(found.alpha.has_value());
  EXPECT_LT(c.direct(found.factor, false),
            0.5 * c.direct(std::vector<float>(24, 1.0f), false));
}

TEST(SmoothingSearch, OtherFormulasAndWeightedRows) {
  Case c;
  std::vector<float> square(24), weights(60);
  for (size_t i = 0; i < c.a.X.size(); ++i)
    square[i % 24] += c.a.X[i] * c.a.X[i] / 60;
  for (int t = 0; t < 60; ++t)
    weights[t] = t % 3 == 0 ? 1.0f : 0.01f;
  c.input.meanSquare = square.data();
  c.input.weights = weights.data();
  c.options.steps = 5;
  c.options.formulas = {SmoothingFormula::Max, SmoothingFormula::RootMeanSquare,
                        SmoothingFormula::Mixed};
  double best = INFINITY;
  for (SmoothingFormula formula : c.options.formulas)
    for (int i = 0; i <= 5; ++i) {
      double alpha = 0.2 * i;
      std::vector<float> s = c.scales(alpha);
      if (formula != SmoothingFormula::Max)
        for (int64_t j = 0; j < 24; ++j) {
          double w = 0;
          for (const Calibrated *layer : {&c.a, &c.b})
            for (int64_t n = 0; n < layer->N; ++n)
              w += std::pow(layer->W[n * 24 + j], 2) / 90;
          s[j] = static_cast<float>(
              formula == SmoothingFormula::Mixed
                  ? std::pow(c.absMax[j] * std::sqrt(square[j]), alpha / 2)
                  : std::pow(square[j], alpha / 2) /
                        std::pow(w, (1 - alpha) / 2));
        }
      s = Case::normalized(s);
      std::vector<float> found =
          jointSmoothingScales(c.input, c.consumers, formula, alpha);
      for (int64_t j = 0; j < 24; ++j)
        EXPECT_NEAR(found[j], s[j], 1e-4 * s[j]) << int(formula) << alpha;
      best = std::min(best, c.direct(s, true, weights));
    }
  SmoothingResult found = searchSmoothing(c.options, c.input, c.consumers);
  EXPECT_NEAR(found.error, best, 0.02 * best);
  EXPECT_NEAR(c.direct(found.factor, true, weights), best, 0.02 * best);
}

TEST(SmoothingSearch, SharedFactorsAndZeros) {
  Case c;
  c.absMax[5] = 0;
  for (int32_t j = 0; j < 24; ++j)
    c.input.factorOf.push_back(j / 2);
  std::vector<float> s =
      jointSmoothingScales(c.input, c.consumers, SmoothingFormula::Max, 0.5);
  for (int64_t j = 0; j < 24; j += 2)
    EXPECT_EQ(s[j], s[j + 1]);
  c.input.factorOf.clear();
  EXPECT_EQ(
      jointSmoothingScales(c.input, c.consumers, SmoothingFormula::Max, 0.5)[5],
      1);
}

TEST(SmoothingSearch, TakesAnErrorOfTheCallers) {
  Case c;
  int calls = 0;
  SmoothingResult found =
      searchSmoothing(c.options, c.input, c.consumers, runInOrder,
                      [&](const std::vector<float> &tried) {
                        ++calls;
                        return std::fabs(tried[0] - c.scales(0.25)[0]);
                      });
  EXPECT_EQ(calls, c.options.steps + 2);
  EXPECT_NEAR(found.alpha.value_or(-1), 0.25, 1e-9);
  // Nothing helps: x is left alone.
  found = searchSmoothing(c.options, c.input, c.consumers, runInOrder,
                          [](const std::vector<float> &) { return 1.0; });
  EXPECT_FALSE(found.alpha.has_value());
  EXPECT_EQ(found.factor, std::vector<float>(24, 1.0f));
}

} // namespace
