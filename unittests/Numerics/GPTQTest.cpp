//===- GPTQTest.cpp - Rounding that makes up for its errors ---------------===//

#include "quantc/Numerics/GPTQ.h"

#include "Calibrated.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <thread>

using namespace quantc::numerics;

namespace {

Encoding of(Format format) {
  Encoding encoding;
  encoding.format = format;
  return encoding;
}

GPTQSolver solverFor(const GPTQOptions &options, const Calibrated &layer) {
  GPTQSolver solver;
  EXPECT_EQ(GPTQSolver::create(options, layer.K, layer.H.data(), solver), "");
  return solver;
}

GPTQResult solve(const GPTQOptions &options, const Calibrated &layer) {
  return solverFor(options, layer).solve(layer.N, layer.W.data());
}

std::vector<float> valuesOf(const GPTQOptions &options, const Calibrated &layer,
                            const GPTQResult &result) {
  return dequantized(options.encoding, layer.N, layer.K, options.groupSize,
                     result.weights);
}

double roundToNearest(const GPTQOptions &options, const Calibrated &layer) {
  QuantizedWeights weights = quantizeWeights(
      options.encoding, {layer.N, layer.K}, {1, options.groupSize},
      options.scheme, layer.W.data(), 1, options.scaleFormat);
  return layer.error(dequantized(options.encoding, layer.N, layer.K,
                                 options.groupSize, weights));
}

/// The inverse, by Gauss and Jordan.
std::vector<double> inverse(int64_t n, std::vector<double> A) {
  std::vector<double> B(n * n);
  for (int64_t i = 0; i < n; ++i)
    B[i * n + i] = 1;
  for (int64_t p = 0; p < n; ++p) {
    double pivot = A[p * n + p];
    for (int64_t j = 0; j < n; ++j)
      A[p * n + j] /= pivot, B[p * n + j] /= pivot;
    for (int64_t i = 0; i < n; ++i) {
      double factor = A[i * n + p];
      if (i == p || factor == 0)
        continue;
      for (int64_t j = 0; j < n; ++j) {
        A[i * n + j] -= factor * A[p * n + j];
        B[i * n + j] -= factor * B[p * n + j];
      }
    }
  }
  return B;
}

/// Optimal Brain Surgeon, column by column, as its formula says: the columns
/// still to come change by -(w_j - q_j) / [H_F⁻¹]_jj · [H_F⁻¹]_j, with H_F⁻¹
/// computed anew each time. Scales by the formula when a group begins.
std::vector<float> direct(const GPTQOptions &options, const Calibrated &layer,
                          const std::vector<int64_t> &order) {
  int64_t K = layer.K;
  double mean = 0;
  for (int64_t j = 0; j < K; ++j)
    mean += layer.H[j * K + j] / double(K);
  std::vector<float> result(layer.N * K);
  std::vector<std::vector<double>> rows;
  for (int64_t n = 0; n < layer.N; ++n)
    rows.emplace_back(layer.W.begin() + n * K, layer.W.begin() + (n + 1) * K);
  std::vector<std::vector<Params>> params(
      layer.N, std::vector<Params>(K / options.groupSize + 1));
  auto choose = [&](int64_t n, int64_t g) {
    Extrema extrema;
    for (int64_t j = g * options.groupSize;
         j < std::min(K, (g + 1) * options.groupSize); ++j)
      extrema.add(static_cast<float>(rows[n][j]));
    params[n][g] =
        chooseParams(options.scheme, options.encoding.range(), extrema);
  };
  if (options.order == ActOrder::Columns)
    for (int64_t n = 0; n < layer.N; ++n)
      for (int64_t g = 0; g * options.groupSize < K; ++g)
        choose(n, g);
  for (int64_t at = 0; at < K; ++at) {
    int64_t left = K - at;
    std::vector<double> H(left * left);
    for (int64_t i = 0; i < left; ++i)
      for (int64_t j = 0; j < left; ++j)
        H[i * left + j] = layer.H[order[at + i] * K + order[at + j]] +
                          (i == j ? options.damping * mean : 0);
    std::vector<double> inverted = inverse(left, H);
    int64_t column = order[at], g = column / options.groupSize;
    for (int64_t n = 0; n < layer.N; ++n) {
      if (options.order != ActOrder::Columns &&
          (at == 0 || order[at - 1] / options.groupSize != g))
        choose(n, g);
      const Params &p = params[n][g];
      uint32_t code =
          quantizeOne(options.encoding, static_cast<float>(rows[n][column]),
                      p.scale, p.zeroPoint, false, 0);
      float q =
          dequantizeOne(options.encoding, code, p.scale, p.zeroPoint, false, 0);
      result[n * K + column] = q;
      double error = (rows[n][column] - q) / inverted[0];
      for (int64_t j = 1; j < left; ++j)
        rows[n][order[at + j]] -= error * inverted[j];
    }
  }
  return result;
}

TEST(GPTQ, IsWhatTheFormulaSaysColumnByColumn) {
  Codebook nf{{-1, -0.6f, -0.3f, -0.1f, 0, 0.2f, 0.5f, 1}};
  Encoding codebook = of(Format::UI3);
  codebook.codebook = &nf;
  struct Case {
    Encoding encoding;
    Scheme scheme;
    ActOrder order;
    int64_t groupSize, blockSize;
  } cases[] = {
      {of(Format::SI4), Scheme::Symmetric, ActOrder::None, 8, 128},
      {of(Format::SI4), Scheme::Symmetric, ActOrder::None, 8, 5},
      {of(Format::SI3), Scheme::SignedScale, ActOrder::None, 20, 16},
      {of(Format::UI4), Scheme::Asymmetric, ActOrder::None, 7, 16},
      {of(Format::SI8), Scheme::Symmetric, ActOrder::None, 44, 8},
      {of(Format::SI4), Scheme::SignedScale, ActOrder::Columns, 8, 16},
      {of(Format::UI2), Scheme::Asymmetric, ActOrder::Groups, 8, 16},
      {of(Format::F4E2M1FN), Scheme::PowerOfTwo, ActOrder::Groups, 12, 16},
      {codebook, Scheme::Symmetric, ActOrder::None, 16, 16},
  };
  for (const Case &c : cases) {
    Calibrated layer(6, 44, 5);
    int64_t K = layer.K;
    GPTQOptions options;
    options.encoding = c.encoding;
    options.scheme = c.scheme;
    options.order = c.order;
    options.groupSize = c.groupSize;
    options.blockSize = c.blockSize;
    std::vector<int64_t> order(K);
    std::iota(order.begin(), order.end(), 0);
    auto size = [&](int64_t j) { return layer.H[j * K + j]; };
    auto mean = [&](int64_t j) {
      int64_t begin = j / c.groupSize * c.groupSize;
      int64_t end = std::min(K, begin + c.groupSize);
      double sum = 0;
      for (int64_t i = begin; i < end; ++i)
        sum += size(i);
      return sum / double(end - begin);
    };
    if (c.order != ActOrder::None)
      std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        if (c.order == ActOrder::Groups && a / c.groupSize != b / c.groupSize)
          return mean(a) > mean(b);
        return size(a) > size(b);
      });
    std::vector<float> expected = direct(options, layer, order);
    std::vector<float> found = valuesOf(options, layer, solve(options, layer));
    for (size_t i = 0; i < found.size(); ++i)
      ASSERT_NEAR(found[i], expected[i], 1e-4 * std::fabs(expected[i]))
          << formatName(c.encoding.format) << " order " << int(c.order)
          << " group " << c.groupSize << " at " << i;
  }
}

TEST(GPTQ, BeatsRoundingToNearestAndReportsItsError) {
  for (Scheme scheme :
       {Scheme::Symmetric, Scheme::SignedScale, Scheme::Asymmetric})
    for (ActOrder order : {ActOrder::None, ActOrder::Columns, ActOrder::Groups,
                           ActOrder::Permuted})
      for (ScaleChoice choice :
           {ScaleChoice::Formula, ScaleChoice::Plain, ScaleChoice::Diagonal,
            ScaleChoice::Sequential})
        for (int refinements : {0, 2}) {
          Calibrated layer(9, 70, 3);
          GPTQOptions options;
          options.encoding =
              of(scheme == Scheme::Asymmetric ? Format::UI4 : Format::SI3);
          options.groupSize = 32; // the last is short
          options.scheme = scheme;
          options.order = order;
          options.scaleChoice = choice;
          options.refinements = refinements;
          options.scaleFormat = Format::F16;
          GPTQSolver solver = solverFor(options, layer);
          GPTQResult result = solver.solve(layer.N, layer.W.data());
          std::vector<float> found = valuesOf(options, layer, result);
          if (order == ActOrder::Permuted) {
            std::vector<float> back(found.size());
            ASSERT_EQ(solver.permutation().size(), size_t(layer.K));
            for (int64_t n = 0; n < layer.N; ++n)
              for (int64_t j = 0; j < layer.K; ++j)
                back[n * layer.K + solver.permutation()[j]] =
                    found[n * layer.K + j];
            found = back;
          } else {
            EXPECT_TRUE(solver.permutation().empty());
          }
          double error = layer.error(found);
          EXPECT_NEAR(result.error, error, 1e-3 * error);
          EXPECT_NEAR(result.energy,
                      layer.error(std::vector<float>(found.size())),
                      1e-3 * result.energy);
          EXPECT_LT(error, roundToNearest(options, layer));
          for (float s : result.weights.scale)
            EXPECT_EQ(s, decode(Format::F16, encode(Format::F16, s)));
        }
}

TEST(GPTQ, EachStepHelps) {
  // The means over some layers: what each option is for.
  auto mean = [](GPTQOptions options) {
    double sum = 0;
    for (unsigned seed = 0; seed < 4; ++seed)
      sum += solve(options, Calibrated(16, 96, seed)).relativeError();
    return sum;
  };
  GPTQOptions options;
  options.encoding = of(Format::SI3);
  options.groupSize = 32;
  double formula = mean(options);
  options.scaleChoice = ScaleChoice::Diagonal;
  double diagonal = mean(options);
  options.scaleChoice = ScaleChoice::Block;
  EXPECT_LT(mean(options), formula);
  options.scaleChoice = ScaleChoice::Sequential;
  double sequential = mean(options);
  options.order = ActOrder::Groups;
  double ordered = mean(options);
  options.scheme = Scheme::SignedScale;
  double signedScale = mean(options);
  options.refinements = 1;
  double refined = mean(options);
  options.refinements = 4;
  double refinedMore = mean(options);
  EXPECT_LT(diagonal, formula);
  EXPECT_LT(sequential, diagonal);
  EXPECT_LT(ordered, sequential);
  EXPECT_LT(signedScale, ordered);
  EXPECT_LT(refined, 0.98 * signedScale);
  EXPECT_LT(refinedMore, refined);
}

TEST(GPTQ, IsRoundingToNearestForADiagonalHessian) {
  Codebook binary{{-1, 1}};
  Encoding codebook = of(Format::UI1);
  codebook.codebook = &binary;
  for (Encoding encoding :
       {of(Format::SI8), of(Format::SI4), of(Format::UI4), of(Format::SI16),
        of(Format::F8E4M3FN), of(Format::F4E2M1FN), codebook}) {
    Calibrated layer(70, 40, 1);
    for (int64_t i = 0; i < layer.K; ++i)
      for (int64_t j = 0; j < layer.K; ++j)
        if (i != j)
          layer.H[i * layer.K + j] = 0;
    for (ActOrder order : {ActOrder::None, ActOrder::Columns}) {
      GPTQOptions options;
      options.encoding = encoding;
      options.groupSize = 16;
      options.order = order;
      options.scheme = encoding.format == Format::UI4 ? Scheme::Asymmetric
                                                      : Scheme::Symmetric;
      QuantizedWeights nearest =
          quantizeWeights(encoding, {layer.N, layer.K}, {1, 16}, options.scheme,
                          layer.W.data());
      GPTQResult result = solve(options, layer);
      // By values: a float rounds to either zero.
      EXPECT_EQ(valuesOf(options, layer, result),
                dequantized(encoding, layer.N, layer.K, 16, nearest))
          << formatName(encoding.format);
      EXPECT_EQ(result.weights.scale, nearest.scale);
      EXPECT_EQ(result.weights.zeroPoint, nearest.zeroPoint);
    }
  }
}

TEST(GPTQ, IsBoundedByTheBestOfAllCodes) {
  double best = 0, found = 0, refined = 0, nearest = 0;
  for (unsigned seed = 0; seed < 40; ++seed) {
    Calibrated layer(1, 5, seed);
    GPTQOptions options;
    options.encoding = of(Format::SI2);
    options.damping = 0;
    std::vector<float> scale = {0.09f};
    ScaleArrays fixed{scale.data(), nullptr, nullptr};
    double least = std::numeric_limits<double>::infinity();
    for (int codes = 0; codes < 1024; ++codes) {
      std::vector<float> V(5);
      for (int j = 0; j < 5; ++j)
        V[j] = scale[0] * static_cast<float>((codes >> (2 * j) & 3) - 2);
      least = std::min(least, layer.error(V));
    }
    std::vector<float> V(5);
    for (int j = 0; j < 5; ++j)
      V[j] = scale[0] *
             std::clamp(std::nearbyint(layer.W[j] / scale[0]), -2.0f, 1.0f);
    nearest += layer.error(V);
    double gptq = solverFor(options, layer)
                      .solve(1, layer.W.data(), runInOrder, &fixed)
                      .error;
    options.refinements = 8;
    GPTQResult more =
        solverFor(options, layer).solve(1, layer.W.data(), runInOrder, &fixed);
    EXPECT_EQ(more.weights.scale, scale);
    EXPECT_GE(gptq, least * (1 - 1e-4));
    EXPECT_GE(more.error, least * (1 - 1e-4));
    EXPECT_LE(more.error, gptq * (1 + 1e-4));
    best += least, found += gptq, refined += more.error;
  }
  EXPECT_LT(found, nearest);
  EXPECT_LT(refined, found);
  EXPECT_LT(refined, 1.5 * best);
}

TEST(GPTQ, RefittedScalesCannotBeBetter) {
  Calibrated layer(3, 24, 8);
  GPTQOptions options;
  options.encoding = of(Format::SI4);
  options.groupSize = 8;
  options.refineDamping = 1e-6;
  options.refinements = 3;
  GPTQResult result = solve(options, layer);
  double error = layer.error(valuesOf(options, layer, result));
  for (size_t i = 0; i < result.weights.scale.size(); ++i)
    for (float factor : {0.998f, 1.002f}) {
      GPTQResult other = result;
      other.weights.scale[i] *= factor;
      EXPECT_GT(layer.error(valuesOf(options, layer, other)), error) << i;
    }
}

TEST(GPTQ, BlocksAreOnlyAboutSpeed) {
  Calibrated layer(20, 70, 11);
  GPTQOptions options;
  options.encoding = of(Format::SI4);
  options.groupSize = 14;
  options.refinements = 2;
  options.refitScales = false;
  std::vector<float> scale(layer.N * 5, 0.04f);
  ScaleArrays fixed{scale.data(), nullptr, nullptr};
  std::vector<std::vector<float>> found;
  for (int64_t blockSize : {1, 16, 33, 70}) {
    options.blockSize = blockSize;
    found.push_back(
        valuesOf(options, layer,
                 solverFor(options, layer)
                     .solve(layer.N, layer.W.data(), runInOrder, &fixed)));
  }
  for (size_t b = 1; b < found.size(); ++b) {
    // But for a rare tie that the order of sums decides.
    int different = 0;
    for (size_t i = 0; i < found[0].size(); ++i)
      different += found[b][i] != found[0][i];
    EXPECT_LE(different, 14) << b;
  }
}

TEST(GPTQ, BetterRowsTakesTheBetterOfTwo) {
  Calibrated layer(70, 48, 13);
  GPTQOptions options;
  options.encoding = of(Format::UI3);
  options.scheme = Scheme::Asymmetric;
  options.groupSize = 16;
  options.order = ActOrder::Columns;
  GPTQResult a = solve(options, layer);
  options.order = ActOrder::Groups;
  GPTQResult b = solve(options, layer);
  GPTQResult both = betterRows(a, b);
  double sum = 0;
  int fromA = 0;
  for (int64_t n = 0; n < layer.N; ++n) {
    Calibrated row = layer;
    row.N = 1;
    row.W.assign(layer.W.begin() + n * layer.K,
                 layer.W.begin() + (n + 1) * layer.K);
    auto errorOf = [&](const GPTQResult &result) {
      std::vector<float> values = valuesOf(options, layer, result);
      return row.error(
          {values.begin() + n * layer.K, values.begin() + (n + 1) * layer.K});
    };
    double least = std::min(errorOf(a), errorOf(b));
    EXPECT_NEAR(a.rowError[n], errorOf(a), 1e-3 * a.rowError[n]);
    EXPECT_NEAR(errorOf(both), least, 1e-3 * least);
    sum += least;
    fromA += a.rowError[n] <= b.rowError[n];
  }
  EXPECT_NEAR(both.error, sum, 1e-3 * sum);
  EXPECT_EQ(both.energy, a.energy);
  EXPECT_GT(fromA, 5);
  EXPECT_LT(fromA, 65);
}

TEST(GPTQ, DoesNotDependOnWhoComputes) {
  Calibrated layer(200, 96, 2);
  GPTQOptions options;
  options.encoding = of(Format::SI4);
  options.groupSize = 32;
  options.scheme = Scheme::SignedScale;
  options.order = ActOrder::Groups;
  options.scaleChoice = ScaleChoice::Sequential;
  options.refinements = 2;
  GPTQSolver solver = solverFor(options, layer);
  GPTQResult one = solver.solve(layer.N, layer.W.data());
  ParallelFor threads = [](int64_t count,
                           const std::function<void(int64_t)> &part) {
    std::vector<std::thread> team;
    for (int64_t i = count; i-- > 0;)
      team.emplace_back([&part, i] { part(i); });
    for (std::thread &thread : team)
      thread.join();
  };
  for (int trial = 0; trial < 3; ++trial) {
    GPTQResult other = solver.solve(layer.N, layer.W.data(), threads);
    EXPECT_EQ(one.weights.stored, other.weights.stored);
    EXPECT_EQ(one.weights.scale, other.weights.scale);
    EXPECT_EQ(one.error, other.error);
  }
}

TEST(GPTQ, DeadColumnsAreRoundedToNearest) {
  Calibrated layer(4, 32, 6);
  for (int64_t dead : {3, 17})
    for (int64_t j = 0; j < layer.K; ++j)
      layer.H[dead * layer.K + j] = layer.H[j * layer.K + dead] = 0;
  GPTQOptions options;
  options.encoding = of(Format::SI4);
  options.groupSize = 16;
  options.refinements = 1;
  options.refitScales = false;
  GPTQSolver solver = solverFor(options, layer);
  EXPECT_EQ(solver.deadColumns(), 2);
  EXPECT_EQ(solver.damping(), 0.01);
  GPTQResult result = solver.solve(layer.N, layer.W.data());
  std::vector<float> found = valuesOf(options, layer, result);
  for (int64_t n = 0; n < layer.N; ++n)
    for (int64_t dead : {3, 17}) {
      float scale = result.weights.scale[n * 2 + dead / 16];
      float w = layer.W[n * layer.K + dead];
      float nearest =
          std::clamp(std::nearbyint(w / scale), -8.0f, 7.0f) * scale;
      EXPECT_EQ(found[n * layer.K + dead], nearest);
    }
  // They need no damping.
  options.damping = 0;
  EXPECT_EQ(solverFor(options, layer).damping(), 0);
  // All dead: nothing is known, everything is rounded to nearest.
  std::fill(layer.H.begin(), layer.H.end(), 0.0f);
  result = solve(options, layer);
  EXPECT_NEAR(result.error, 0, 1e-8);
  EXPECT_NEAR(result.energy, 0, 1e-6);
  EXPECT_EQ(result.weights.stored,
            quantizeWeights(options.encoding, {layer.N, layer.K}, {1, 16},
                            Scheme::Symmetric, layer.W.data())
                .stored);
}

TEST(GPTQ, RaisesDampingOrSaysWhyNot) {
  // Two tokens for sixteen columns: rank two.
  Calibrated layer(3, 16, 4, 2);
  GPTQOptions options;
  options.encoding = of(Format::SI4);
  options.damping = 0;
  GPTQSolver solver = solverFor(options, layer);
  EXPECT_GT(solver.damping(), 0);
  EXPECT_LE(solver.damping(), 0.01);
  EXPECT_LT(solver.solve(layer.N, layer.W.data()).error,
            roundToNearest(options, layer));

  std::vector<float> H = layer.H;
  H[1] = H[16] = 1000 * (H[0] + H[17]); // indefinite
  H[0] = H[17] = 1e-3f;
  EXPECT_NE(GPTQSolver::create(options, 16, H.data(), solver)
                .find("positive definite"),
            std::string::npos);
  H = layer.H;
  H[20] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(
      GPTQSolver::create(options, 16, H.data(), solver).find("columns 1 and 4"),
      std::string::npos);
  H = layer.H;
  H[17] = -1;
  EXPECT_NE(GPTQSolver::create(options, 16, H.data(), solver), "");
  options.scheme = Scheme::MeanAbs;
  EXPECT_NE(GPTQSolver::create(options, 16, layer.H.data(), solver), "");
  options.scheme = Scheme::Symmetric;
  options.encoding = of(Format::BF16);
  EXPECT_NE(GPTQSolver::create(options, 16, layer.H.data(), solver), "");
}

TEST(GPTQ, TargetMakesUpForTheLayersBefore) {
  // X is what the quantized layers give for X̃.
  Calibrated exact(7, 20, 9), layer = exact;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (float &x : layer.X)
    x += 0.3f * normal(random);
  int64_t K = layer.K, tokens = static_cast<int64_t>(layer.X.size()) / K;
  std::vector<float> cross(K * K);
  for (int64_t i = 0; i < K; ++i)
    for (int64_t j = 0; j < K; ++j) {
      double sum = 0, both = 0;
      for (int64_t t = 0; t < tokens; ++t) {
        sum += double(layer.X[t * K + i]) * layer.X[t * K + j];
        both += double(exact.X[t * K + i]) * layer.X[t * K + j];
      }
      layer.H[i * K + j] = static_cast<float>(sum);
      cross[i * K + j] = static_cast<float>(both);
    }
  // The layer's output is added to something that has its own error.
  std::vector<float> R(tokens * layer.N), residual(layer.N * K);
  for (float &r : R)
    r = 0.1f * normal(random);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t n = 0; n < layer.N; ++n) {
      R[t * layer.N + n] += 0.05f * layer.X[t * K + n];
      for (int64_t j = 0; j < K; ++j)
        residual[n * K + j] += R[t * layer.N + n] * layer.X[t * K + j];
    }
  auto outputError = [&](const std::vector<float> &V, bool withResidual) {
    double total = 0;
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t n = 0; n < layer.N; ++n) {
        double sum = withResidual ? R[t * layer.N + n] : 0;
        for (int64_t j = 0; j < K; ++j)
          sum += double(exact.X[t * K + j]) * layer.W[n * K + j] -
                 double(layer.X[t * K + j]) * V[n * K + j];
        total += sum * sum;
      }
    return total;
  };
  TargetInputs inputs;
  inputs.H = inputs.cross = layer.H.data();
  inputs.damping = 1e-7;
  std::vector<float> V;
  EXPECT_EQ(calibrationTarget(layer.N, K, layer.W.data(), inputs, V), "");
  EXPECT_EQ(V, layer.W) << "nothing to make up for";
  inputs.cross = cross.data();
  for (bool withResidual : {false, true}) {
    if (withResidual)
      inputs.residual = residual.data();
    inputs.strength = inputs.residualStrength = 1;
    EXPECT_EQ(calibrationTarget(layer.N, K, layer.W.data(), inputs, V), "");
    double least = outputError(V, withResidual);
    EXPECT_LT(least, 0.9 * outputError(layer.W, withResidual));
    // A minimum: no direction leads further down.
    for (int trial = 0; trial < 20; ++trial) {
      std::vector<float> other = V;
      for (float &v : other)
        v += 0.003f * normal(random);
      EXPECT_GT(outputError(other, withResidual), least);
    }
    inputs.strength = inputs.residualStrength = 0.5;
    std::vector<float> half;
    EXPECT_EQ(calibrationTarget(layer.N, K, layer.W.data(), inputs, half), "");
    EXPECT_NEAR(half[3], (V[3] + layer.W[3]) / 2, 1e-5);
  }
  // The same, with all errors of the output as one sum.
  std::vector<float> all(layer.N * K);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t n = 0; n < layer.N; ++n) {
      double e = R[t * layer.N + n];
      for (int64_t j = 0; j < K; ++j)
        e += double(exact.X[t * K + j] - layer.X[t * K + j]) *
             layer.W[n * K + j];
      for (int64_t j = 0; j < K; ++j)
        all[n * K + j] += static_cast<float>(e) * layer.X[t * K + j];
    }
  inputs.strength = inputs.residualStrength = 1;
  EXPECT_EQ(calibrationTarget(layer.N, K, layer.W.data(), inputs, V), "");
  inputs.cross = nullptr;
  inputs.residual = all.data();
  std::vector<float> same;
  EXPECT_EQ(calibrationTarget(layer.N, K, layer.W.data(), inputs, same), "");
  for (size_t i = 0; i < V.size(); ++i)
    EXPECT_NEAR(same[i], V[i], 1e-4);
}

} // namespace
