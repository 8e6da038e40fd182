//===- ObserversTest.cpp - What calibration knows of one tensor -----------===//

#include "quantc/Numerics/Observers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

using namespace quantc::numerics;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// `count` values of a distribution with heavy tails.
std::vector<float> values(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> result(count);
  for (float &x : result) {
    x = normal(random);
    x = x * x * x + 0.1f;
  }
  return result;
}

SiteStatistics seeOne(const std::vector<float> &all, int64_t channels = 1) {
  SiteStatistics statistics(channels);
  EXPECT_EQ(statistics.add(0, all.data(),
                           static_cast<int64_t>(all.size()) / channels),
            "");
  return statistics;
}

/// As bits: -0 is not 0.
void expectSameBits(const std::vector<float> &a, const std::vector<float> &b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

void expectSame(const SiteStatistics &a, const SiteStatistics &b) {
  SiteStatistics::State s = a.state(), t = b.state();
  EXPECT_EQ(s.channels, t.channels);
  EXPECT_EQ(s.tokens, t.tokens);
  EXPECT_EQ(s.nonFinite, t.nonFinite);
  expectSameBits(s.min, t.min);
  expectSameBits(s.max, t.max);
  EXPECT_EQ(s.histogram, t.histogram);
  EXPECT_EQ(s.rowHistogram, t.rowHistogram);
  ASSERT_EQ(s.samples.size(), t.samples.size());
  for (size_t i = 0; i < s.samples.size(); ++i) {
    EXPECT_EQ(s.samples[i].index, t.samples[i].index);
    EXPECT_EQ(s.samples[i].rows, t.samples[i].rows);
    EXPECT_EQ(s.samples[i].extrema.lo, t.samples[i].extrema.lo);
    EXPECT_EQ(s.samples[i].extrema.hi, t.samples[i].extrema.hi);
  }
  ASSERT_EQ(s.nodes.size(), t.nodes.size());
  for (size_t i = 0; i < s.nodes.size(); ++i) {
    EXPECT_EQ(s.nodes[i].level, t.nodes[i].level);
    EXPECT_EQ(s.nodes[i].index, t.nodes[i].index);
    EXPECT_EQ(s.nodes[i].sums.x, t.nodes[i].sums.x);
    EXPECT_EQ(s.nodes[i].sums.abs, t.nodes[i].sums.abs);
    EXPECT_EQ(s.nodes[i].sums.squares, t.nodes[i].sums.squares);
    EXPECT_EQ(s.nodes[i].sums.gram, t.nodes[i].sums.gram);
  }
  EXPECT_EQ(a.channelMean(), b.channelMean());
  EXPECT_EQ(a.channelAbsMean(), b.channelAbsMean());
  EXPECT_EQ(a.channelMeanSquare(), b.channelMeanSquare());
  EXPECT_EQ(a.gram(), b.gram());
}

TEST(HistogramBins, CoverTheLineWithoutGaps) {
  EXPECT_EQ(HistogramBins::lower(0), -kInf);
  EXPECT_EQ(HistogramBins::upper(HistogramBins::kCount - 1), kInf);
  for (int bin = 0; bin + 1 < HistogramBins::kCount; ++bin) {
    EXPECT_EQ(HistogramBins::upper(bin), HistogramBins::lower(bin + 1)) << bin;
    EXPECT_LE(HistogramBins::lower(bin), HistogramBins::upper(bin)) << bin;
  }
  for (int bin = 0; bin < HistogramBins::kCount; ++bin) {
    float inside =
        bin == 0 ? -1e30f
        : bin == HistogramBins::kCount - 1
            ? 1e30f
            : (HistogramBins::lower(bin) + HistogramBins::upper(bin)) / 2;
    EXPECT_EQ(HistogramBins::of(inside), bin);
  }
  EXPECT_EQ(HistogramBins::of(-0.0f), HistogramBins::kZero);
  // Bins of a sign begin at their end nearer to zero.
  EXPECT_EQ(HistogramBins::lower(HistogramBins::of(1.0f)), 1.0f);
  EXPECT_EQ(HistogramBins::upper(HistogramBins::of(-1.0f)), -1.0f);
  EXPECT_EQ(HistogramBins::of(0x1p+24f), HistogramBins::kCount - 1);
  EXPECT_EQ(HistogramBins::of(0x1p-25f), HistogramBins::kZero + 1);
}

TEST(Observers, AnyShardingGivesTheSameBits) {
  constexpr int64_t kSamples = 23, kChannels = 21;
  SiteOptions options;
  options.gram = true;
  std::vector<std::vector<float>> samples;
  for (int64_t s = 0; s < kSamples; ++s) {
    samples.push_back(values((3 + s % 5) * kChannels, s));
    // Zeros of both signs are the same extreme.
    for (size_t i = 0; i < samples.back().size(); ++i)
      if (i % kChannels == 2 || i % kChannels == 20)
        samples.back()[i] = (s + i) % 2 ? 0.0f : -0.0f;
  }
  samples[4][3] = kNaN;
  samples[9][0] = -kInf;
  auto add = [&](SiteStatistics &to, int64_t s) {
    EXPECT_EQ(to.add(s, samples[s].data(),
                     static_cast<int64_t>(samples[s].size()) / kChannels),
              "");
  };
  SiteStatistics whole(kChannels, options);
  for (int64_t s = 0; s < kSamples; ++s)
    add(whole, s);
  EXPECT_EQ(whole.nonFinite(), 2);

  std::mt19937 random(1);
  for (int trial = 0; trial < 20; ++trial) {
    size_t shards = 1 + random() % 6;
    std::vector<SiteStatistics> parts(shards,
                                      SiteStatistics(kChannels, options));
    std::vector<int64_t> order(kSamples);
    for (int64_t s = 0; s < kSamples; ++s)
      order[s] = s;
    std::shuffle(order.begin(), order.end(), random);
    for (int64_t s : order)
      add(parts[random() % shards], s);
    std::shuffle(parts.begin(), parts.end(), random);
    while (parts.size() > 1) {
      size_t to = random() % (parts.size() - 1);
      EXPECT_EQ(parts[to].merge(parts.back()), "");
      parts.pop_back();
    }
    expectSame(whole, parts[0]);
    // A state that is read back goes on as what it was.
    SiteStatistics back;
    EXPECT_EQ(SiteStatistics::fromState(parts[0].state(), back), "");
    expectSame(whole, back);
  }
}

/// One value that is not finite sends all rows another way.
TEST(Observers, BothWaysOfCountingAgree) {
  constexpr int64_t kRows = 40, kChannels = 53; // not a multiple of 16
  std::vector<float> all = values(kRows * kChannels, 9);
  for (int64_t i = 0; i < kRows; ++i)
    all[i * kChannels + i] =
        std::ldexp(i % 2 ? 1.0f : -1.3f, static_cast<int>(3 * i) - 60);
  all[7] = -0.0f;
  all[17] = 0.0f;
  SiteStatistics fast = seeOne(all, kChannels), slow(kChannels);
  std::vector<float> more = all;
  more.resize((kRows + 1) * kChannels, kNaN);
  EXPECT_EQ(slow.add(0, more.data(), kRows + 1), "");
  SiteStatistics::State a = fast.state(), b = slow.state();
  EXPECT_EQ(a.min, b.min);
  EXPECT_EQ(a.max, b.max);
  EXPECT_EQ(a.histogram, b.histogram);
  EXPECT_EQ(a.rowHistogram, b.rowHistogram);
  EXPECT_EQ(a.nodes[0].sums.x, b.nodes[0].sums.x);
  EXPECT_EQ(a.nodes[0].sums.abs, b.nodes[0].sums.abs);
  EXPECT_EQ(a.nodes[0].sums.squares, b.nodes[0].sums.squares);
  EXPECT_EQ(a.samples[0].extrema.lo, b.samples[0].extrema.lo);
  EXPECT_EQ(slow.nonFinite(), kChannels);
  std::vector<int64_t> expected(HistogramBins::kCount);
  for (float x : all)
    ++expected[HistogramBins::of(x)];
  EXPECT_EQ(fast.histogram(), expected);
}

TEST(Observers, SamplesAreSeenOnce) {
  std::vector<float> rows = values(8, 1);
  SiteStatistics a(4), b(4), c(3);
  EXPECT_EQ(a.add(3, rows.data(), 1), "");
  EXPECT_EQ(a.add(3, rows.data() + 4, 1), "") << "a sample goes on";
  EXPECT_EQ(a.samples()[0].rows, 2);
  EXPECT_EQ(a.add(5, rows.data(), 1), "");
  EXPECT_NE(a.add(3, rows.data(), 1), "") << "but does not come back";
  EXPECT_NE(a.add(-1, rows.data(), 1), "");
  EXPECT_EQ(b.add(5, rows.data(), 1), "");
  EXPECT_NE(a.merge(b), "");
  EXPECT_NE(a.merge(c), "");
  SiteOptions gram;
  gram.gram = true;
  EXPECT_NE(a.merge(SiteStatistics(4, gram)), "");
  EXPECT_EQ(a.tokens(), 3);
}

TEST(Observers, SumsAreRight) {
  constexpr int64_t kRows = 1200, kChannels = 300;
  SiteOptions options;
  options.gram = true;
  std::vector<float> all = values(kRows * kChannels, 5);
  SiteStatistics statistics(kChannels, options), parallel(kChannels, options);
  ParallelFor backwards = [](int64_t count,
                             const std::function<void(int64_t)> &part) {
    for (int64_t i = count; i-- > 0;)
      part(i);
  };
  for (int64_t s = 0; s < 4; ++s) {
    const float *rows = all.data() + s * (kRows / 4) * kChannels;
    EXPECT_EQ(statistics.add(s, rows, kRows / 4), "");
    EXPECT_EQ(parallel.add(s, rows, kRows / 4, backwards), "");
  }
  expectSame(statistics, parallel);
  std::vector<float> gram = statistics.gram();
  for (int64_t i : {0, 1, 255, 256, 299})
    for (int64_t j : {0, 5, 256, 257, 299}) {
      double sum = 0, norm = 0;
      for (int64_t r = 0; r < kRows; ++r) {
        double product =
            double(all[r * kChannels + i]) * all[r * kChannels + j];
        sum += product;
        norm += std::fabs(product);
      }
      EXPECT_NEAR(gram[i * kChannels + j], sum, norm * 1e-5) << i << ' ' << j;
    }
  for (int64_t c : {0, 17, 299}) {
    double sum = 0, abs = 0, squares = 0;
    float lo = kInf, hi = -kInf;
    for (int64_t r = 0; r < kRows; ++r) {
      float x = all[r * kChannels + c];
      sum += x, abs += std::fabs(x), squares += double(x) * x;
      lo = std::min(lo, x), hi = std::max(hi, x);
    }
    EXPECT_NEAR(statistics.channelMean()[c], sum / kRows, 1e-6);
    EXPECT_NEAR(statistics.channelAbsMean()[c], abs / kRows, 1e-6);
    EXPECT_NEAR(statistics.channelMeanSquare()[c], squares / kRows, 1e-4);
    EXPECT_EQ(statistics.channelMin()[c], lo);
    EXPECT_EQ(statistics.channelMax()[c], hi);
    EXPECT_EQ(statistics.channelAbsMax()[c], std::max(-lo, hi));
  }
}

TEST(Observers, WhatIsNotFiniteIsCountedAndLeftOut) {
  SiteOptions options;
  options.gram = true;
  SiteStatistics statistics(3, options);
  const float rows[] = {1, kNaN, -2, kInf, kNaN, 4, kNaN, kNaN, -kInf};
  EXPECT_EQ(statistics.add(0, rows, 3), "");
  EXPECT_EQ(statistics.nonFinite(), 6);
  EXPECT_EQ(statistics.minMax().lo, -2);
  EXPECT_EQ(statistics.minMax().hi, 4);
  EXPECT_EQ(statistics.channelAbsMax(), (std::vector<float>{1, 0, 4}));
  EXPECT_EQ(statistics.gram(),
            (std::vector<float>{1, 0, -2, 0, 0, 0, -2, 0, 20}));
  SiteStatistics back;
  EXPECT_EQ(SiteStatistics::fromState(statistics.state(), back), "");

  // Nothing, and nothing but NaN.
  for (int64_t count : {0, 3}) {
    SiteStatistics none(1);
    EXPECT_EQ(none.add(0, rows + 3 * (count == 3) + 3, count == 3 ? 1 : 0), "");
    Encoding encoding;
    for (Extrema e :
         {none.minMax(), none.movingAverage(0.01), none.percentile(99),
          none.entropy({-128, 127}, Scheme::Symmetric),
          none.leastSquares(encoding, Scheme::Symmetric)})
      EXPECT_FALSE(e.lo <= e.hi);
    EXPECT_EQ(none.channelMean()[0], 0);
  }
}

TEST(Observers, MovingAverageGoesByIndex) {
  SiteStatistics statistics(1);
  const float x[] = {8, 2, 4};
  EXPECT_EQ(statistics.add(7, &x[2], 1), "");
  EXPECT_EQ(statistics.add(2, &x[0], 1), "");
  EXPECT_EQ(statistics.add(5, &x[1], 1), "");
  // 8; 8 + (2 - 8) / 4 = 6.5; 6.5 + (4 - 6.5) / 4 = 5.875.
  EXPECT_EQ(statistics.movingAverage(0.25).hi, 5.875f);
}

TEST(Observers, PercentileIsWithinABinOfTheSortedValues) {
  std::vector<float> all = values(20000, 3);
  SiteStatistics statistics = seeOne(all);
  std::sort(all.begin(), all.end());
  for (double percent : {50.0, 90.0, 99.0, 99.9, 99.99}) {
    Extrema found = statistics.percentile(percent);
    double cut = (100 - percent) / 200 * static_cast<double>(all.size());
    auto near = [&](float v, float exact) {
      // Neighbouring bins differ by one 32nd of an octave's width.
      EXPECT_NEAR(v, exact, std::fabs(exact) / 16) << percent;
    };
    near(found.lo, all[static_cast<size_t>(cut)]);
    near(found.hi, all[all.size() - 1 - static_cast<size_t>(cut)]);
  }
  Extrema whole = statistics.percentile(100);
  EXPECT_EQ(whole.lo, all.front());
  EXPECT_EQ(whole.hi, all.back());
}

/// The mean squared error of the values themselves.
double directError(const std::vector<float> &all, const Encoding &encoding,
                   Scheme scheme, Extrema extrema) {
  Params p = chooseParams(scheme, encoding.range(), extrema);
  bool hasOffset = scheme == Scheme::AsymmetricOffset;
  double total = 0;
  for (float x : all) {
    uint32_t code =
        quantizeOne(encoding, x, p.scale, p.zeroPoint, hasOffset, p.offset);
    double error = x - dequantizeOne(encoding, code, p.scale, p.zeroPoint,
                                     hasOffset, p.offset);
    total += error * error;
  }
  return total / static_cast<double>(all.size());
}

TEST(Observers, LeastSquaresIsNearTheBestOfAllClippings) {
  std::vector<float> all = values(4000, 11);
  Codebook codebook{{-1, -0.5f, -0.2f, -0.05f, 0.05f, 0.2f, 0.5f, 1}};
  Encoding encodings[4];
  encodings[0].format = Format::SI8;
  encodings[1].format = Format::UI4;
  encodings[2].format = Format::F8E4M3FN;
  encodings[3].format = Format::UI3;
  encodings[3].codebook = &codebook;
  for (const Encoding &encoding : encodings) {
    bool isUnsigned = encoding.format == Format::UI4;
    for (Scheme scheme : {Scheme::Symmetric, Scheme::SignedScale,
                          Scheme::Asymmetric, Scheme::AsymmetricOffset}) {
      bool isAsymmetric =
          scheme == Scheme::Asymmetric || scheme == Scheme::AsymmetricOffset;
      if (isUnsigned != isAsymmetric ||
          (scheme == Scheme::SignedScale && encoding.codebook))
        continue;
      SiteStatistics statistics = seeOne(all);
      Extrema full = statistics.minMax();
      double best = INFINITY;
      for (int i = 1; i <= 100; ++i)
        for (int j = 1; j <= 100; ++j) {
          if (!isAsymmetric && i != j)
            continue;
          if (isAsymmetric && (i % 4 || j % 4))
            continue;
          Extrema tried{full.lo * 0.01f * i, full.hi * 0.01f * j};
          best = std::min(best, directError(all, encoding, scheme, tried));
        }
      double found = directError(all, encoding, scheme,
                                 statistics.leastSquares(encoding, scheme));
      EXPECT_LT(found, 1.05 * best)
          << formatName(encoding.format) << ' ' << schemeName(scheme);
      EXPECT_LE(found, 1.0001 * directError(all, encoding, scheme, full));
    }
  }
}

/// TensorRT's procedure on the values themselves, with `fine` bins a level.
double directDivergence(const std::vector<float> &all, float absmax, int fine) {
  int bins = 255 * fine;
  double scale = absmax / 127, begin = -127.5 * scale;
  std::vector<double> p(bins), q(bins);
  double inside = 0;
  int clippedLow = 0, clippedHigh = 0;
  for (float x : all) {
    double at = std::floor((x - begin) / scale * fine);
    if (at < 0)
      ++clippedLow;
    else if (at >= bins)
      ++clippedHigh;
    else
      ++p[static_cast<size_t>(at)], ++inside;
  }
  for (int level = 0; level < 255; ++level) {
    double sum = 0;
    int used = 0;
    for (int i = 0; i < fine; ++i)
      sum += p[level * fine + i], used += p[level * fine + i] > 0;
    for (int i = 0; i < fine; ++i)
      q[level * fine + i] = p[level * fine + i] > 0 ? sum / used / inside : 0;
  }
  p.front() += clippedLow;
  p.back() += clippedHigh;
  double result = 0;
  for (int i = 0; i < bins; ++i)
    if (p[i] > 0) {
      double share = p[i] / static_cast<double>(all.size());
      result += share * std::log(share / std::max(q[i], 1e-9));
    }
  return result;
}

TEST(Observers, EntropyClipsAsTheDirectProcedureDoes) {
  // The quantiles of a logistic distribution: no sampling noise inside a level.
  constexpr int kCount = 400000;
  std::vector<float> all(kCount);
  for (int i = 0; i < kCount; ++i) {
    double u = (i + 0.5) / kCount;
    all[i] = static_cast<float>(std::log(u / (1 - u)));
  }
  all[0] = -100;
  all[kCount - 1] = 90;
  SiteStatistics statistics = seeOne(all);
  Extrema found = statistics.entropy({-127, 127}, Scheme::Symmetric);
  double least = INFINITY;
  for (int i = 0; i < 129; ++i)
    least = std::min(
        least,
        directDivergence(all, 100 * std::exp2(-static_cast<float>(i) / 16), 8));
  double ours = directDivergence(all, std::max(-found.lo, found.hi), 8);
  EXPECT_LT(ours, 1.2 * least) << -found.lo;
  EXPECT_LT(-found.lo, 20) << "the outliers are clipped";
  EXPECT_GT(-found.lo, 5);
}

TEST(Observers, ConstantsHaveTheirOwnRange) {
  for (float value : {0.0f, 3.0f, -0.25f, 1e-30f, 1e30f}) {
    SiteStatistics statistics = seeOne(std::vector<float>(64, value));
    Encoding encoding;
    for (Extrema e : {statistics.minMax(), statistics.movingAverage(0.01),
                      statistics.percentile(99.9),
                      statistics.entropy({-128, 127}, Scheme::Symmetric),
                      statistics.entropy({0, 255}, Scheme::Asymmetric)}) {
      EXPECT_EQ(e.lo, value);
      EXPECT_EQ(e.hi, value);
    }
    Extrema squares = statistics.leastSquares(encoding, Scheme::Symmetric);
    EXPECT_LE(directError({value}, encoding, Scheme::Symmetric, squares),
              1e-12 * value * value);
  }
}

TEST(Observers, ScaledIsWhatTheScaledValuesGive) {
  constexpr int64_t kChannels = 5;
  SiteOptions options;
  options.gram = true;
  std::vector<float> all = values(6 * kChannels, 4);
  std::vector<float> factor = {2, 0.5f, -4, 1, 0.25f}, times = all;
  for (size_t i = 0; i < all.size(); ++i)
    times[i] = all[i] * factor[i % kChannels];
  SiteStatistics plain(kChannels, options), expected(kChannels, options);
  for (int64_t s = 0; s < 3; ++s) {
    EXPECT_EQ(plain.add(s, all.data() + s * 2 * kChannels, 2), "");
    EXPECT_EQ(expected.add(s, times.data() + s * 2 * kChannels, 2), "");
  }
  // Powers of two: every sum scales exactly.
  SiteStatistics scaled = plain.scaled(factor);
  EXPECT_EQ(scaled.channelMin(), expected.channelMin());
  EXPECT_EQ(scaled.channelMax(), expected.channelMax());
  EXPECT_EQ(scaled.channelMean(), expected.channelMean());
  EXPECT_EQ(scaled.channelAbsMean(), expected.channelAbsMean());
  EXPECT_EQ(scaled.channelMeanSquare(), expected.channelMeanSquare());
  EXPECT_EQ(scaled.gram(), expected.gram());
  EXPECT_FALSE(scaled.hasHistogram());
  EXPECT_EQ(scaled.percentile(50).hi, expected.minMax().hi);
  EXPECT_EQ(scaled.movingAverage(0.5).lo, expected.minMax().lo);
}

TEST(Observers, DamagedStatesAreRefused) {
  SiteStatistics statistics(2);
  std::vector<float> all = values(12, 4);
  for (int64_t s = 0; s < 3; ++s)
    EXPECT_EQ(statistics.add(s, all.data() + 4 * s, 2), "");
  using State = SiteStatistics::State;
  const std::function<void(State &)> damages[] = {
      [](State &s) { s.channels = 3; },
      [](State &s) { s.channels = -1; },
      [](State &s) { s.tokens = 7; },
      [](State &s) { s.tokens = INT64_MAX; },
      [](State &s) { s.nonFinite = 1; },
      [](State &s) { s.min.pop_back(); },
      [](State &s) { s.min[0] = s.max[0] + 1; },
      [](State &s) { s.max[1] = kNaN; },
      [](State &s) { s.histogram.pop_back(); },
      [](State &s) { s.histogram[5] = -1; },
      [](State &s) { s.histogram[5] = INT64_MAX; },
      [](State &s) { s.rowHistogram[5] = 100; },
      [](State &s) { s.options.histogram = false; },
      [](State &s) { s.options.gram = true; },
      [](State &s) { s.samples[0].index = 1; },
      [](State &s) { s.samples[0].rows = 0; },
      [](State &s) { s.samples[2].rows = INT64_MAX; },
      [](State &s) { s.samples[1].extrema.lo = kInf; },
      [](State &s) { s.samples.pop_back(); },
      [](State &s) { s.nodes.pop_back(); },
      [](State &s) { s.nodes[0].level = 0; },
      [](State &s) { s.nodes[0].level = 63; },
      [](State &s) { s.nodes[1].index = -1; },
      [](State &s) { s.nodes[1].index = INT64_MAX; },
      [](State &s) { s.nodes[1].index = 0; },
      [](State &s) { s.nodes[1].sums.x.push_back(0); },
  };
  int which = 0;
  for (const auto &damage : damages) {
    State state = statistics.state();
    damage(state);
    SiteStatistics back;
    EXPECT_NE(SiteStatistics::fromState(state, back), "") << which;
    ++which;
  }
}

} // namespace
