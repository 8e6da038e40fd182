//===- AWQ.cpp - Scales by which weights that matter round better ---------===//

#include "quantc/Numerics/AWQ.h"

#include "GroupScales.h"
#include "LinearAlgebra.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace quantc::numerics {
namespace {

/// Rows of one part of the work.
constexpr int64_t kRowsOfPart = 64;

/// Clipping by a block of H: the error is no smooth function of the scale, and
/// nothing makes up for it afterwards.
constexpr int kBlockEffort = 4;

/// The mean of |w| / max|w of its group| over the rows of all consumers, [K].
std::vector<double> weightMeans(int64_t K, int64_t groupSize,
                                const std::vector<Consumer> &consumers) {
  std::vector<double> means(K);
  int64_t step = groupSize == 0 ? K : groupSize, rows = 0;
  for (const Consumer &consumer : consumers) {
    rows += consumer.N;
    for (int64_t n = 0; n < consumer.N; ++n)
      for (int64_t begin = 0; begin < K; begin += step) {
        const float *w = consumer.W + n * K;
        int64_t end = std::min(K, begin + step);
        float most = 0;
        for (int64_t j = begin; j < end; ++j)
          most = std::max(most, std::fabs(w[j]));
        if (most > 0)
          for (int64_t j = begin; j < end; ++j)
            means[j] += std::fabs(w[j]) / static_cast<double>(most);
      }
  }
  for (double &mean : means)
    mean /= static_cast<double>(std::max<int64_t>(rows, 1));
  return means;
}

/// Mean over the channels of each factor, given back to the channels.
std::vector<double> shared(const std::vector<int32_t> &factorOf,
                           std::vector<double> values) {
  if (factorOf.empty())
    return values;
  size_t count = 1 + *std::max_element(factorOf.begin(), factorOf.end());
  std::vector<double> sums(count), members(count);
  for (size_t j = 0; j < values.size(); ++j) {
    sums[factorOf[j]] += values[j];
    members[factorOf[j]] += 1;
  }
  for (size_t j = 0; j < values.size(); ++j)
    values[j] = sums[factorOf[j]] / members[factorOf[j]];
  return values;
}

/// x^ratio / w^(1 - ratio), the second with `w` only, normalized; 1 where
/// nothing was seen.
std::vector<float> factors(const std::vector<double> &x,
                           const std::vector<double> *w, double ratio) {
  std::vector<double> logs(x.size());
  auto isUsable = [&](size_t j) {
    return x[j] > 0 && std::isfinite(x[j]) && (!w || (*w)[j] > 0);
  };
  double least = INFINITY, most = -INFINITY;
  for (size_t j = 0; j < x.size(); ++j) {
    if (!isUsable(j))
      continue;
    logs[j] = ratio * std::log(x[j]);
    if (w)
      logs[j] -= (1 - ratio) * std::log((*w)[j]);
    least = std::min(least, logs[j]);
    most = std::max(most, logs[j]);
  }
  std::vector<float> result(x.size(), 1.0f);
  for (size_t j = 0; j < x.size(); ++j)
    if (isUsable(j)) {
      // Within what f32, and a product with any weight, can hold.
      double log = std::clamp(logs[j] - (least + most) / 2, -30.0, 30.0);
      result[j] = static_cast<float>(std::exp(log));
    }
  return result;
}

} // namespace

double scaledWeightError(const WeightFormat &format,
                         const InputStatistics &input,
                         const std::vector<Consumer> &consumers,
                         const std::vector<float> &s, int64_t sampleRows,
                         const ParallelFor &parallel) {
  int64_t K = input.K;
  // All rows to be measured, in parts.
  std::vector<const float *> rows;
  for (const Consumer &consumer : consumers) {
    int64_t count =
        sampleRows == 0 ? consumer.N : std::min(consumer.N, sampleRows);
    for (int64_t i = 0; i < count; ++i)
      rows.push_back(consumer.W + i * consumer.N / count * K);
  }
  auto total = static_cast<int64_t>(rows.size());
  int64_t parts = (total + kRowsOfPart - 1) / kRowsOfPart;
  std::vector<double> sums(parts);
  parallel(parts, [&](int64_t part) {
    int64_t begin = part * kRowsOfPart;
    int64_t count = std::min(kRowsOfPart, total - begin);
    std::vector<float> scaled(count * K), error(count * K);
    for (int64_t r = 0; r < count; ++r)
      for (int64_t j = 0; j < K; ++j)
        scaled[r * K + j] = rows[begin + r][j] * s[j];
    Extents shape{count, K}, block{1, format.groupSize};
    QuantizedWeights weights =
        quantizeWeights(format.encoding, shape, block, format.scheme,
                        scaled.data(), 1, format.scaleFormat);
    ScaleArrays scales{
        weights.scale.data(),
        weights.zeroPoint.empty() ? nullptr : weights.zeroPoint.data(),
        weights.offset.empty() ? nullptr : weights.offset.data()};
    dequantize(format.encoding, shape, block, scales, weights.stored.data(),
               error.data());
    for (int64_t i = 0; i < count * K; ++i)
      error[i] = (error[i] - scaled[i]) / s[i % K];
    if (input.H) {
      std::vector<float> &product = scaled;
      gemm(false, false, count, K, K, 1.0f, error.data(), K, input.H, K, 0.0f,
           product.data(), K);
      for (int64_t i = 0; i < count * K; ++i)
        sums[part] += static_cast<double>(product[i]) * error[i];
    } else {
      for (int64_t i = 0; i < count * K; ++i)
        sums[part] +=
            static_cast<double>(input.meanSquare[i % K]) * error[i] * error[i];
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

AWQResult awqSearch(const AWQOptions &options, const InputStatistics &input,
                    const std::vector<Consumer> &consumers,
                    const ParallelFor &parallel) {
  int64_t K = input.K;
  std::vector<double> x = shared(
      input.factorOf, std::vector<double>(input.absMean, input.absMean + K));
  std::vector<double> w;
  if (options.useWeights)
    w = shared(input.factorOf,
               weightMeans(K, options.format.groupSize, consumers));
  AWQResult result;
  result.factor.assign(K, 1.0f);
  auto measure = [&](const std::vector<float> &s) {
    return scaledWeightError(options.format, input, consumers, s,
                             options.sampleRows, parallel);
  };
  result.plainError = result.error = measure(result.factor);
  for (bool usesWeights : {false, true})
    for (int step = usesWeights ? 0 : 1; step < options.steps; ++step) {
      if (usesWeights && !options.useWeights)
        break;
      double ratio = static_cast<double>(step) / options.steps;
      std::vector<float> tried = factors(x, usesWeights ? &w : nullptr, ratio);
      double error = measure(tried);
      if (error < result.error) {
        result.factor = std::move(tried);
        result.ratio = ratio;
        result.usesWeights = usesWeights;
        result.error = error;
      }
    }
  return result;
}

QuantizedWeights clipWeights(const WeightFormat &format, ScaleChoice choice,
                             int64_t N, int64_t K, const float *W,
                             const float *H, const float *meanSquare,
                             const ParallelFor &parallel) {
  Extents shape{N, K}, block{1, format.groupSize};
  if (choice == ScaleChoice::Formula || N == 0 || K == 0 ||
      format.scheme == Scheme::MeanAbs ||
      format.scheme == Scheme::AsymmetricOffset)
    return quantizeWeights(format.encoding, shape, block, format.scheme, W, 1,
                           format.scaleFormat);
  QuantizedWeights result;
  result.scaleShape = scaleShape(shape, block);
  int64_t groups = result.scaleShape[1];
  int64_t step = format.groupSize == 0 ? K : format.groupSize;
  result.scale.resize(N * groups);
  if (format.scheme == Scheme::Asymmetric)
    result.zeroPoint.resize(N * groups);
  unsigned bytes = storageBytes(format.encoding.format);
  result.stored.resize(N * K * bytes);
  std::vector<float> diagonal;
  if (choice != ScaleChoice::Plain && (H || meanSquare))
    for (int64_t j = 0; j < K; ++j)
      diagonal.push_back(H ? H[j * K + j] : meanSquare[j]);

  Levels levels(format.encoding);
  parallel((N + kRowsOfPart - 1) / kRowsOfPart, [&](int64_t part) {
    GroupScales chooser(levels, format.encoding.range(), format.scheme,
                        format.scaleFormat,
                        choice >= ScaleChoice::Block && H ? kBlockEffort : 1);
    int64_t begin = part * kRowsOfPart, end = std::min(N, begin + kRowsOfPart);
    for (int64_t n = begin; n < end; ++n)
      for (int64_t g = 0; g < groups; ++g) {
        int64_t first = g * step, length = std::min(step, K - first);
        GroupCost cost;
        cost.search = true;
        if (!diagonal.empty())
          cost.importance = diagonal.data() + first;
        if (choice >= ScaleChoice::Block && H && length <= kMaxSearched) {
          cost.block = H + first * K + first;
          cost.ldBlock = K;
        }
        Params params = chooser.choose(W + n * K + first, length, cost);
        result.scale[n * groups + g] = params.scale;
        if (!result.zeroPoint.empty())
          result.zeroPoint[n * groups + g] = params.zeroPoint;
      }
    ScaleArrays scales{result.scale.data() + begin * groups,
                       result.zeroPoint.empty()
                           ? nullptr
                           : result.zeroPoint.data() + begin * groups,
                       nullptr};
    quantize(format.encoding, {end - begin, K}, block, scales, W + begin * K,
             result.stored.data() + begin * K * bytes);
  });
  return result;
}

} // namespace quantc::numerics
