//===- AWQTest.cpp - Scales by which weights that matter round better -----===//

#include "quantc/Numerics/AWQ.h"

#include "Calibrated.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace quantc::numerics;

namespace {

GroupFormat si4(int64_t groupSize) {
  GroupFormat format;
  format.encoding.format = Format::SI4;
  format.groupSize = groupSize;
  return format;
}

std::vector<float> absMean(const Calibrated &layer) {
  std::vector<float> mean(layer.K);
  int64_t tokens = static_cast<int64_t>(layer.X.size()) / layer.K;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t j = 0; j < layer.K; ++j)
      mean[j] += std::fabs(layer.X[t * layer.K + j]) / float(tokens);
  return mean;
}

/// Rounds W s and divides by s, and measures the outputs of all tokens.
double directError(const GroupFormat &format, const Calibrated &layer,
                   const std::vector<float> &s) {
  std::vector<float> scaled = layer.W;
  for (size_t i = 0; i < scaled.size(); ++i)
    scaled[i] *= s[i % layer.K];
  QuantizedWeights weights = quantizeWeights(
      format.encoding, {layer.N, layer.K}, {1, format.groupSize}, format.scheme,
      scaled.data(), 1, format.scaleFormat);
  std::vector<float> V =
      dequantized(format.encoding, layer.N, layer.K, format.groupSize, weights);
  for (size_t i = 0; i < V.size(); ++i)
    V[i] /= s[i % layer.K];
  double total = 0;
  for (size_t t = 0; t < layer.X.size(); t += layer.K)
    for (int64_t n = 0; n < layer.N; ++n) {
      double y = 0;
      for (int64_t j = 0; j < layer.K; ++j)
        y += double(layer.X[t + j]) *
             (double(layer.W[n * layer.K + j]) - V[n * layer.K + j]);
      total += y * y;
    }
  return total;
}

TEST(AWQ, TokensThemselvesAreAsGoodAsTheirProducts) {
  Calibrated layer(70, 48, 7);
  std::vector<float> mean = absMean(layer);
  InputStatistics products, tokens;
  products.K = tokens.K = 48;
  products.absMean = tokens.absMean = mean.data();
  products.H = layer.H.data();
  tokens.X = layer.X.data();
  tokens.tokens = static_cast<int64_t>(layer.X.size()) / 48;
  std::vector<Consumer> consumers{{layer.N, layer.W.data(), si4(16)}};
  std::vector<float> s(48);
  for (int64_t j = 0; j < 48; ++j)
    s[j] = 0.5f + 0.03f * float(j);
  double direct = directError(si4(16), layer, s);
  EXPECT_NEAR(scaledWeightError(products, consumers, s), direct, direct * 1e-3);
  EXPECT_NEAR(scaledWeightError(tokens, consumers, s), direct, direct * 1e-3);
  GroupStatistics a = groupStatistics(products, 20, s.data()),
                  b = groupStatistics(tokens, 20, s.data());
  ASSERT_EQ(a.diagonal.size(), b.diagonal.size());
  ASSERT_EQ(a.blocks.size(), b.blocks.size());
  double most = *std::max_element(a.diagonal.begin(), a.diagonal.end());
  for (size_t i = 0; i < a.diagonal.size(); ++i)
    EXPECT_NEAR(a.diagonal[i], b.diagonal[i], most * 1e-4);
  for (size_t i = 0; i < a.blocks.size(); ++i)
    EXPECT_NEAR(a.blocks[i], b.blocks[i], most * 1e-4);
}

TEST(AWQ, FindsTheBestRatioOfTheGrid) {
  Calibrated a(70, 48, 1), b(10, 48, 1);
  for (float &w : b.W)
    w *= 2;
  std::vector<float> mean = absMean(a);
  AWQOptions options;
  GroupFormat format = si4(16);
  options.steps = 10;
  InputStatistics input;
  input.K = 48;
  input.absMean = mean.data();
  input.H = a.H.data();
  std::vector<Consumer> consumers{{a.N, a.W.data(), format},
                                  {b.N, b.W.data(), format}};
  AWQResult found = awqSearch(options, input, consumers);
  double best = INFINITY, bestRatio = 0, plain = 0;
  for (int i = 0; i < 10; ++i) {
    std::vector<float> s(48);
    for (int64_t j = 0; j < 48; ++j)
      s[j] = std::pow(mean[j], 0.1f * float(i));
    auto [least, most] = std::minmax_element(s.begin(), s.end());
    float norm = std::sqrt(*least * *most);
    for (float &v : s)
      v /= norm;
    double error = directError(format, a, s) + directError(format, b, s);
    if (i == 0)
      plain = error;
    if (error < best)
      best = error, bestRatio = 0.1 * i;
  }
  EXPECT_GT(bestRatio, 0) << "a case in which scaling helps";
  EXPECT_NEAR(found.ratio, bestRatio, 1e-9);
  EXPECT_NEAR(found.error, best, 1e-3 * best);
  EXPECT_NEAR(found.plainError, plain, 1e-3 * plain);
  auto [least, most] =
      std::minmax_element(found.factor.begin(), found.factor.end());
  EXPECT_NEAR(*least * *most, 1, 1e-5);
  EXPECT_NEAR(directError(format, a, found.factor) +
                  directError(format, b, found.factor),
              best, 1e-3 * best);

  // More to choose from cannot be worse.
  options.useWeights = true;
  EXPECT_LE(awqSearch(options, input, consumers).error, found.error);
}

TEST(AWQ, KeepsWhatItCannotImprove) {
  // Weights that are exact: every factor makes them worse.
  Calibrated layer(8, 32, 2);
  for (size_t i = 0; i < layer.W.size(); ++i)
    layer.W[i] = 0.5f * static_cast<float>(static_cast<int>(i * 7 % 15) - 7);
  std::vector<float> mean = absMean(layer);
  mean[5] = 0; // never seen
  InputStatistics input;
  input.K = 32;
  input.absMean = mean.data();
  input.H = layer.H.data();
  AWQResult found = awqSearch({}, input, {{layer.N, layer.W.data(), si4(0)}});
  EXPECT_EQ(found.factor, std::vector<float>(32, 1.0f));
  EXPECT_EQ(found.ratio, 0);
  EXPECT_EQ(found.error, found.plainError);
}

TEST(AWQ, SharedFactorsZeroChannelsAndDiagonals) {
  Calibrated layer(40, 32, 3);
  std::vector<float> mean = absMean(layer), square(32);
  int64_t tokens = static_cast<int64_t>(layer.X.size()) / 32;
  for (int64_t j = 0; j < 32; ++j)
    square[j] = layer.H[j * 32 + j] / float(tokens);
  mean[9] = 0;
  InputStatistics input;
  input.K = 32;
  input.absMean = mean.data();
  input.meanSquare = square.data();
  for (int32_t j = 0; j < 32; ++j)
    input.factorOf.push_back(j % 16);
  AWQOptions options;
  std::vector<Consumer> consumers{{layer.N, layer.W.data(), si4(32)}};
  AWQResult found = awqSearch(options, input, consumers);
  EXPECT_GT(found.ratio, 0);
  EXPECT_LT(found.error, found.plainError);
  for (int64_t j = 0; j < 16; ++j)
    EXPECT_EQ(found.factor[j], found.factor[j + 16]);
  // The diagonal's error, directly.
  Calibrated diagonal = layer;
  std::fill(diagonal.H.begin(), diagonal.H.end(), 0.0f);
  for (int64_t j = 0; j < 32; ++j)
    diagonal.H[j * 33] = square[j];
  std::vector<float> scaled = layer.W;
  for (size_t i = 0; i < scaled.size(); ++i)
    scaled[i] *= found.factor[i % 32];
  std::vector<float> V =
      dequantized(consumers[0].format.encoding, layer.N, 32, 32,
                  quantizeWeights(consumers[0].format.encoding, {layer.N, 32},
                                  {1, 32}, Scheme::Symmetric, scaled.data()));
  for (size_t i = 0; i < V.size(); ++i)
    V[i] /= found.factor[i % 32];
  EXPECT_NEAR(found.error, diagonal.error(V), 1e-4 * found.error);

  input.factorOf.clear();
  found = awqSearch(options, input, consumers);
  EXPECT_EQ(found.factor[9], 1);
  // A sample of the rows; and who computes does not matter.
  options.sampleRows = 8;
  ParallelFor backwards = [](int64_t count,
                             const std::function<void(int64_t)> &part) {
    for (int64_t i = count; i-- > 0;)
      part(i);
  };
  AWQResult sampled = awqSearch(options, input, consumers);
  EXPECT_LT(sampled.plainError, 0.5 * found.plainError);
  EXPECT_EQ(awqSearch(options, input, consumers, backwards).factor,
            sampled.factor);
}

TEST(AWQ, ClippingIsNearTheBestOfAllScales) {
  Calibrated layer(6, 40, 4);
  for (Scheme scheme :
       {Scheme::Symmetric, Scheme::SignedScale, Scheme::Asymmetric})
    for (ScaleChoice choice :
         {ScaleChoice::Plain, ScaleChoice::Diagonal, ScaleChoice::Block}) {
      GroupFormat format = si4(16);
      format.scheme = scheme;
      format.choice = choice;
      if (scheme == Scheme::Asymmetric)
        format.encoding.format = Format::UI4;
      // What the choice measures: H with only what it looks at.
      Calibrated measured = layer;
      for (int64_t i = 0; i < layer.K; ++i)
        for (int64_t j = 0; j < layer.K; ++j) {
          float &h = measured.H[i * layer.K + j];
          if (choice == ScaleChoice::Plain)
            h = i == j;
          else if (choice == ScaleChoice::Diagonal ? i != j : i / 16 != j / 16)
            h = 0;
        }
      auto errorOf = [&](const QuantizedWeights &weights) {
        return measured.error(
            dequantized(format.encoding, layer.N, layer.K, 16, weights));
      };
      InputStatistics input;
      input.K = layer.K;
      input.H = layer.H.data();
      GroupStatistics statistics = groupStatistics(input, 16);
      QuantizedWeights found =
          clipWeights(format, layer.N, layer.K, layer.W.data(), &statistics);
      double plain =
          errorOf(quantizeWeights(format.encoding, {layer.N, layer.K}, {1, 16},
                                  scheme, layer.W.data()));
      // Each group's best of a much finer grid of scales.
      double best = 0;
      for (int64_t n = 0; n < layer.N; ++n)
        for (int64_t g = 0; g < 3; ++g) {
          int64_t begin = g * 16, end = std::min<int64_t>(begin + 16, layer.K);
          Extrema extrema;
          for (int64_t j = begin; j < end; ++j)
            extrema.add(layer.W[n * layer.K + j]);
          double least = INFINITY;
          for (int i = 300; i <= 1150; i += 5)
            for (int k = 300; k <= 1150; k += 50) {
              if (scheme != Scheme::Asymmetric && k != 300)
                break;
              for (int sign : {1, -1}) {
                if (sign < 0 && scheme != Scheme::SignedScale)
                  break;
                Extrema tried = extrema;
                if (scheme == Scheme::Asymmetric)
                  tried = {extrema.lo * 0.001f * i, extrema.hi * 0.001f * k};
                Params p = chooseParams(scheme, format.encoding.range(), tried);
                if (scheme != Scheme::Asymmetric)
                  p.scale *= sign * 0.001f * i;
                double sum = 0;
                std::vector<double> e(16);
                for (int64_t j = begin; j < end; ++j) {
                  float w = layer.W[n * layer.K + j];
                  e[j - begin] =
                      w - dequantizeOne(format.encoding,
                                        quantizeOne(format.encoding, w, p.scale,
                                                    p.zeroPoint, false, 0),
                                        p.scale, p.zeroPoint, false, 0);
                }
                for (int64_t a = begin; a < end; ++a)
                  for (int64_t b = begin; b < end; ++b)
                    sum += e[a - begin] * e[b - begin] *
                           measured.H[a * layer.K + b];
                least = std::min(least, sum);
              }
            }
          best += least;
        }
      double error = errorOf(found);
      EXPECT_LT(error, 0.97 * plain) << schemeName(scheme) << int(choice);
      // Of two ends that are independent fewer pairs are tried.
      double bound = scheme == Scheme::Asymmetric ? 1.4 : 1.25;
      EXPECT_LT(error, bound * best) << schemeName(scheme) << int(choice);
    }
}

TEST(AWQ, MeasuresWhatWillBeStored) {
  // With clipping, each consumer in its own format, some factors fixed at 1.
  Calibrated a(40, 48, 5), b(24, 48, 6);
  std::vector<float> mean = absMean(a);
  // A channel of large inputs and small weights, so that scaling helps.
  mean[20] *= 30;
  for (int64_t j = 0; j < 48; ++j) {
    a.H[20 * 48 + j] *= 30;
    a.H[j * 48 + 20] *= 30;
  }
  for (Calibrated *layer : {&a, &b})
    for (int64_t n = 0; n < layer->N; ++n)
      layer->W[n * 48 + 20] *= 0.1f;
  InputStatistics input;
  input.K = 48;
  input.absMean = mean.data();
  input.H = a.H.data();
  for (int32_t j = 0; j < 48; ++j)
    input.factorOf.push_back(j < 8 ? -1 : j - 8);
  GroupFormat block = si4(16), diagonal = si4(0);
  block.choice = ScaleChoice::Block;
  diagonal.choice = ScaleChoice::Diagonal;
  diagonal.encoding.format = Format::SI3;
  AWQResult found = awqSearch(
      {}, input, {{a.N, a.W.data(), block}, {b.N, b.W.data(), diagonal}});
  EXPECT_GT(found.ratio, 0);
  for (int64_t j = 0; j < 8; ++j)
    EXPECT_EQ(found.factor[j], 1);

  double expected = 0;
  for (auto [layer, format] : {std::pair(&a, block), {&b, diagonal}}) {
    // What is stored, of x / s and W s.
    std::vector<float> scaled = layer->W, H = a.H;
    for (size_t i = 0; i < scaled.size(); ++i)
      scaled[i] *= found.factor[i % 48];
    for (size_t i = 0; i < H.size(); ++i)
      H[i] /= found.factor[i / 48] * found.factor[i % 48];
    InputStatistics divided;
    divided.K = 48;
    divided.H = H.data();
    GroupStatistics statistics = groupStatistics(divided, format.groupSize);
    std::vector<float> V = dequantized(
        format.encoding, layer->N, 48, format.groupSize,
        clipWeights(format, layer->N, 48, scaled.data(), &statistics));
    for (size_t i = 0; i < V.size(); ++i)
      V[i] /= found.factor[i % 48];
    Calibrated measured = *layer;
    measured.H = a.H;
    expected += measured.error(V);
  }
  EXPECT_NEAR(found.error, expected, 1e-3 * expected);
}

} // namespace
