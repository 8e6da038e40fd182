//===- SmoothingSearch.cpp - The best migration strength ------------------===//

#include "quantc/Numerics/SmoothingSearch.h"

#include "LinearAlgebra.h"
#include "quantc/Numerics/SmoothQuant.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace quantc::numerics {
namespace {

constexpr int64_t kRowsOfPart = 64;

/// Quantized and dequantized again, with scales by `scheme`.
std::vector<float> rounded(const Encoding &encoding, const Extents &shape,
                           const Extents &block, Scheme scheme,
                           Format scaleFormat, const std::vector<float> &real) {
  QuantizedWeights weights = quantizeWeights(encoding, shape, block, scheme,
                                             real.data(), 1, scaleFormat);
  ScaleArrays scales{weights.scale.data(),
                     weights.zeroPoint.empty() ? nullptr
                                               : weights.zeroPoint.data(),
                     weights.offset.empty() ? nullptr : weights.offset.data()};
  std::vector<float> result(real.size());
  dequantize(encoding, shape, block, scales, weights.stored.data(),
             result.data());
  return result;
}

/// The outputs of all consumers for the sample of x.
double sampledError(const SmoothingOptions &options,
                    const SmoothingInput &input,
                    const std::vector<Consumer> &consumers,
                    const std::vector<float> &s, const ParallelFor &parallel) {
  int64_t K = input.K, count = input.count;
  std::vector<float> x(input.rows, input.rows + count * K);
  for (int64_t i = 0; i < count * K; ++i)
    x[i] /= s[i % K];
  x = rounded(options.input, {count, K}, {options.perToken ? 1 : 0, 0},
              options.inputScheme, Format::F32, x);
  struct Part {
    const float *W;
    int64_t rows;
  };
  std::vector<Part> parts;
  for (const Consumer &consumer : consumers)
    for (int64_t n = 0; n < consumer.N; n += kRowsOfPart)
      parts.push_back(
          {consumer.W + n * K, std::min(kRowsOfPart, consumer.N - n)});
  std::vector<double> sums(parts.size());
  parallel(static_cast<int64_t>(parts.size()), [&](int64_t p) {
    auto [W, rows] = parts[p];
    std::vector<float> scaled(W, W + rows * K);
    for (int64_t i = 0; i < rows * K; ++i)
      scaled[i] *= s[i % K];
    scaled = rounded(options.weight.encoding, {rows, K},
                     {1, options.weight.groupSize}, options.weight.scheme,
                     options.weight.scaleFormat, scaled);
    std::vector<float> y(count * rows);
    gemm(false, true, count, rows, K, 1.0f, input.rows, K, W, K, 0.0f, y.data(),
         rows);
    gemm(false, true, count, rows, K, -1.0f, x.data(), K, scaled.data(), K,
         1.0f, y.data(), rows);
    for (int64_t t = 0; t < count; ++t) {
      double sum = 0;
      for (int64_t r = 0; r < rows; ++r)
        sum += static_cast<double>(y[t * rows + r]) * y[t * rows + r];
      sums[p] += input.weights ? input.weights[t] * sum : sum;
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

/// That of the weights, by H, and of rounding x with one step for all.
double modelledError(const SmoothingOptions &options,
                     const SmoothingInput &input,
                     const std::vector<Consumer> &consumers,
                     const std::vector<float> &s, const ParallelFor &parallel) {
  int64_t K = input.K;
  InputStatistics statistics;
  statistics.K = K;
  statistics.H = input.H;
  std::vector<Consumer> formatted = consumers;
  for (Consumer &consumer : formatted)
    consumer.format = options.weight;
  double error = scaledWeightError(statistics, formatted, s, 0, parallel);
  double most = 0;
  for (int64_t j = 0; j < K; ++j)
    most = std::max(most, static_cast<double>(input.absMax[j]) / s[j]);
  double step = most / options.input.range().qmax, noise = 0;
  for (const Consumer &consumer : consumers)
    for (int64_t n = 0; n < consumer.N; ++n)
      for (int64_t j = 0; j < K; ++j) {
        double w = static_cast<double>(consumer.W[n * K + j]) * s[j];
        noise += w * w;
      }
  return error + static_cast<double>(input.tokens) * noise * step * step / 12;
}

} // namespace

std::vector<float> jointSmoothingScales(const SmoothingInput &input,
                                        const std::vector<Consumer> &consumers,
                                        SmoothingFormula formula,
                                        double alpha) {
  int64_t K = input.K;
  std::vector<float> x(K), w(K, 1.0f);
  switch (formula) {
  case SmoothingFormula::Max:
    std::copy(input.absMax, input.absMax + K, x.begin());
    std::fill(w.begin(), w.end(), 0.0f);
    for (const Consumer &consumer : consumers)
      for (int64_t i = 0; i < consumer.N * K; ++i)
        w[i % K] = std::max(w[i % K], std::fabs(consumer.W[i]));
    break;
  case SmoothingFormula::RootMeanSquare: {
    std::vector<double> squares(K);
    int64_t rows = 0;
    for (const Consumer &consumer : consumers) {
      rows += consumer.N;
      for (int64_t i = 0; i < consumer.N * K; ++i)
        squares[i % K] += static_cast<double>(consumer.W[i]) * consumer.W[i];
    }
    for (int64_t j = 0; j < K; ++j) {
      x[j] = std::sqrt(input.meanSquare[j]);
      w[j] =
          static_cast<float>(std::sqrt(squares[j] / static_cast<double>(rows)));
    }
    break;
  }
  case SmoothingFormula::Mixed:
    for (int64_t j = 0; j < K; ++j)
      x[j] = std::sqrt(input.absMax[j] * std::sqrt(input.meanSquare[j]));
    break;
  }

  auto factorOf = [&](int64_t j) {
    return input.factorOf.empty() ? j : input.factorOf[j];
  };
  int64_t factors = 0;
  for (int64_t j = 0; j < K; ++j)
    factors = std::max<int64_t>(factors, factorOf(j) + 1);
  std::vector<float> ofX(factors), ofW(factors);
  for (int64_t j = 0; j < K; ++j) {
    float &mostX = ofX[factorOf(j)], &mostW = ofW[factorOf(j)];
    mostX = std::max(mostX, x[j]);
    mostW = std::max(mostW, w[j]);
  }
  std::vector<float> scales = smoothingScales(ofX, ofW, alpha), result(K);

  double logs = 0;
  int64_t used = 0;
  auto isUsed = [&](int64_t f) { return ofX[f] > 0 && ofW[f] > 0; };
  for (int64_t j = 0; j < K; ++j)
    if (isUsed(factorOf(j))) {
      logs += std::log(static_cast<double>(scales[factorOf(j)]));
      ++used;
    }
  double mean = used > 0 ? std::exp(logs / static_cast<double>(used)) : 1;
  for (int64_t j = 0; j < K; ++j) {
    auto scale = static_cast<float>(scales[factorOf(j)] / mean);
    result[j] =
        isUsed(factorOf(j)) && scale > 0 && std::isfinite(scale) ? scale : 1;
  }
  return result;
}

double smoothingError(const SmoothingOptions &options,
                      const SmoothingInput &input,
                      const std::vector<Consumer> &consumers,
                      const std::vector<float> &s,
                      const ParallelFor &parallel) {
  return input.rows ? sampledError(options, input, consumers, s, parallel)
                    : modelledError(options, input, consumers, s, parallel);
}

SmoothingResult searchSmoothing(
    const SmoothingOptions &options, const SmoothingInput &input,
    const std::vector<Consumer> &consumers, const ParallelFor &parallel,
    const std::function<double(const std::vector<float> &s)> &error) {
  auto measure = [&](const std::vector<float> &s) {
    return error ? error(s)
                 : smoothingError(options, input, consumers, s, parallel);
  };
  SmoothingResult result;
  result.factor.assign(input.K, 1.0f);
  result.plainError = result.error = measure(result.factor);
  for (SmoothingFormula formula : options.formulas)
    for (int step = 0; step <= options.steps; ++step) {
      double alpha = static_cast<double>(step) / options.steps;
      std::vector<float> tried =
          jointSmoothingScales(input, consumers, formula, alpha);
      double found = measure(tried);
      if (found < result.error) {
        result.alpha = alpha;
        result.formula = formula;
        result.factor = std::move(tried);
        result.error = found;
      }
    }
  return result;
}

} // namespace quantc::numerics
