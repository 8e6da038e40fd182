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

/// Columns that share a scale.
int64_t stepOf(const GroupFormat &format, int64_t K) {
  return format.groupSize == 0 ? K : format.groupSize;
}

/// The mean of |w| / max|w of its group| over the rows of all consumers, [K].
std::vector<double> weightMeans(int64_t K,
                                const std::vector<Consumer> &consumers) {
  std::vector<double> means(K);
  int64_t rows = 0;
  for (const Consumer &consumer : consumers) {
    int64_t step = stepOf(consumer.format, K);
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
    if (factorOf[j] < 0)
      continue;
    sums[factorOf[j]] += values[j];
    members[factorOf[j]] += 1;
  }
  // 0 is for channels of which nothing is known: their factor is 1.
  for (size_t j = 0; j < values.size(); ++j)
    values[j] = factorOf[j] < 0 ? 0 : sums[factorOf[j]] / members[factorOf[j]];
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

GroupStatistics groupStatistics(const InputStatistics &input, int64_t groupSize,
                                const float *s) {
  int64_t K = input.K, step = groupSize == 0 ? K : groupSize;
  GroupStatistics result;
  auto inverse = [&](int64_t j) { return s ? 1.0f / s[j] : 1.0f; };
  std::vector<double> squares(input.H || !input.X ? 0 : K);
  if (!squares.empty())
    for (int64_t i = 0; i < input.tokens * K; ++i)
      squares[i % K] += static_cast<double>(input.X[i]) * input.X[i];
  for (int64_t j = 0; j < K; ++j) {
    float square = input.H            ? input.H[j * K + j]
                   : !squares.empty() ? static_cast<float>(squares[j])
                                      : input.meanSquare[j];
    result.diagonal.push_back(square * inverse(j) * inverse(j));
  }
  if (!(input.H || input.X) || step > kMaxSearched)
    return result;
  result.blocks.resize(K * step);
  for (int64_t begin = 0; begin < K; begin += step) {
    int64_t length = std::min(step, K - begin), ld = K;
    const float *block = input.H ? input.H + begin * K + begin : nullptr;
    std::vector<float> product;
    if (!block) {
      product.resize(length * length);
      gemm(true, false, length, length, input.tokens, 1.0f, input.X + begin, K,
           input.X + begin, K, 0.0f, product.data(), length);
      block = product.data();
      ld = length;
    }
    for (int64_t j = 0; j < length; ++j)
      for (int64_t i = 0; i < length; ++i)
        result.blocks[(begin + j) * step + i] =
            block[j * ld + i] * inverse(begin + i) * inverse(begin + j);
  }
  return result;
}

double scaledWeightError(const InputStatistics &input,
                         const std::vector<Consumer> &consumers,
                         const std::vector<float> &s, int64_t sampleRows,
                         const ParallelFor &parallel) {
  int64_t K = input.K;
  // Rows to be measured, in parts of one consumer.
  struct Part {
    const Consumer *consumer;
    const GroupStatistics *statistics;
    std::vector<const float *> rows;
  };
  std::vector<Part> parts;
  std::vector<GroupStatistics> statistics(consumers.size());
  for (size_t c = 0; c < consumers.size(); ++c) {
    const Consumer &consumer = consumers[c];
    statistics[c] = groupStatistics(input, consumer.format.groupSize, s.data());
    int64_t count =
        sampleRows == 0 ? consumer.N : std::min(consumer.N, sampleRows);
    for (int64_t i = 0; i < count; ++i) {
      if (i % kRowsOfPart == 0)
        parts.push_back({&consumer, &statistics[c], {}});
      parts.back().rows.push_back(consumer.W + i * consumer.N / count * K);
    }
  }
  std::vector<double> sums(parts.size());
  parallel(static_cast<int64_t>(parts.size()), [&](int64_t at) {
    const Part &part = parts[at];
    const GroupFormat &format = part.consumer->format;
    auto count = static_cast<int64_t>(part.rows.size());
    std::vector<float> scaled(count * K), error(count * K);
    for (int64_t r = 0; r < count; ++r)
      for (int64_t j = 0; j < K; ++j)
        scaled[r * K + j] = part.rows[r][j] * s[j];
    QuantizedWeights weights =
        clipWeights(format, count, K, scaled.data(), part.statistics);
    ScaleArrays scales{
        weights.scale.data(),
        weights.zeroPoint.empty() ? nullptr : weights.zeroPoint.data(),
        weights.offset.empty() ? nullptr : weights.offset.data()};
    dequantize(format.encoding, {count, K}, {1, format.groupSize}, scales,
               weights.stored.data(), error.data());
    for (int64_t i = 0; i < count * K; ++i)
      error[i] = (error[i] - scaled[i]) / s[i % K];
    if (input.H) {
      std::vector<float> &product = scaled;
      gemm(false, false, count, K, K, 1.0f, error.data(), K, input.H, K, 0.0f,
           product.data(), K);
      for (int64_t i = 0; i < count * K; ++i)
        sums[at] += static_cast<double>(product[i]) * error[i];
    } else if (input.X) {
      std::vector<float> outputs(count * input.tokens);
      gemm(false, true, count, input.tokens, K, 1.0f, error.data(), K, input.X,
           K, 0.0f, outputs.data(), input.tokens);
      for (float output : outputs)
        sums[at] += static_cast<double>(output) * output;
    } else {
      for (int64_t i = 0; i < count * K; ++i)
        sums[at] +=
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
    w = shared(input.factorOf, weightMeans(K, consumers));
  AWQResult result;
  result.factor.assign(K, 1.0f);
  auto measure = [&](const std::vector<float> &s) {
    return scaledWeightError(input, consumers, s, options.sampleRows, parallel);
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

QuantizedWeights clipWeights(const GroupFormat &format, int64_t N, int64_t K,
                             const float *W, const GroupStatistics *input,
                             const ParallelFor &parallel) {
  Extents shape{N, K}, block{1, format.groupSize};
  ScaleChoice choice = input ? format.choice : ScaleChoice::Plain;
  if (format.choice == ScaleChoice::Formula || N == 0 || K == 0 ||
      format.scheme == Scheme::MeanAbs ||
      format.scheme == Scheme::AsymmetricOffset)
    return quantizeWeights(format.encoding, shape, block, format.scheme, W, 1,
                           format.scaleFormat);
  QuantizedWeights result;
  result.scaleShape = scaleShape(shape, block);
  int64_t groups = result.scaleShape[1], step = stepOf(format, K);
  result.scale.resize(N * groups);
  if (format.scheme == Scheme::Asymmetric)
    result.zeroPoint.resize(N * groups);
  unsigned bytes = storageBytes(format.encoding.format);
  result.stored.resize(N * K * bytes);
  bool byBlock = choice >= ScaleChoice::Block && !input->blocks.empty();

  Levels levels(format.encoding);
  parallel((N + kRowsOfPart - 1) / kRowsOfPart, [&](int64_t part) {
    GroupScales chooser(levels, format.encoding.range(), format.scheme,
                        format.scaleFormat, byBlock ? kBlockEffort : 1);
    int64_t begin = part * kRowsOfPart, end = std::min(N, begin + kRowsOfPart);
    for (int64_t n = begin; n < end; ++n)
      for (int64_t g = 0; g < groups; ++g) {
        int64_t first = g * step, length = std::min(step, K - first);
        GroupCost cost;
        cost.search = true;
        if (choice != ScaleChoice::Plain)
          cost.importance = input->diagonal.data() + first;
        if (byBlock) {
          cost.block = input->blocks.data() + first * step;
          cost.ldBlock = step;
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
