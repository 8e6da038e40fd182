//===- Observers.cpp - Accumulating what calibration sees -----------------===//

#include "quantc/Numerics/Observers.h"

#include "LinearAlgebra.h"
#include "ObserverKernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace quantc::numerics {
namespace {

/// Rows whose part of XᵀX is summed by BLAS; and columns of one part of the
/// work.
constexpr int64_t kGramRows = 512, kGramColumns = 256;

uint32_t magnitudeBits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits & 0x7fffffffu;
}

bool isFinite(float x) { return magnitudeBits(x) < 0x7f800000u; }

constexpr int log2Of(int power) {
  return power == 1 ? 0 : 1 + log2Of(power / 2);
}
constexpr int kBinBits = log2Of(HistogramBins::kPerOctave);
static_assert(1 << kBinBits == HistogramBins::kPerOctave);
/// Upper bits of the float 2^kLeast.
constexpr int kLeastBits = (127 + HistogramBins::kLeast) << kBinBits;

/// Bin of |x| among those of one sign, from 0 (underflow); x is not 0.
int sideOf(float x) {
  int upper = static_cast<int>(magnitudeBits(x) >> (23 - kBinBits));
  return std::clamp(upper - kLeastBits + 1, 0, HistogramBins::kSide - 1);
}

/// The lower end of a bin of one sign.
float sideBegin(int side) {
  if (side == 0)
    return 0;
  if (side >= HistogramBins::kSide)
    return std::numeric_limits<float>::infinity();
  uint32_t bits = static_cast<uint32_t>(side - 1 + kLeastBits)
                  << (23 - kBinBits);
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

std::vector<float> perToken(const std::vector<double> &sums, int64_t tokens) {
  std::vector<float> result(sums.size());
  for (size_t c = 0; c < sums.size(); ++c)
    result[c] = tokens == 0
                    ? 0
                    : static_cast<float>(sums[c] / static_cast<double>(tokens));
  return result;
}

bool isNormal(const Extrema &e) {
  return isFinite(e.lo) && isFinite(e.hi) && e.lo <= e.hi;
}
/// Of nothing.
bool isDefault(const Extrema &e) {
  return std::isinf(e.lo) && e.lo > 0 && std::isinf(e.hi) && e.hi < 0;
}

} // namespace

int HistogramBins::of(float x) {
  if (x == 0)
    return kZero;
  int side = sideOf(x);
  return x > 0 ? kZero + 1 + side : kZero - 1 - side;
}

float HistogramBins::lower(int bin) {
  if (bin == kZero)
    return 0;
  return bin > kZero ? sideBegin(bin - kZero - 1) : -sideBegin(kZero - bin);
}

float HistogramBins::upper(int bin) {
  if (bin == kZero)
    return 0;
  return bin > kZero ? sideBegin(bin - kZero) : -sideBegin(kZero - bin - 1);
}

void ChannelSums::add(const ChannelSums &right) {
  for (size_t c = 0; c < x.size(); ++c) {
    x[c] += right.x[c];
    abs[c] += right.abs[c];
    squares[c] += right.squares[c];
  }
  for (size_t i = 0; i < gram.size(); ++i)
    gram[i] += right.gram[i];
}

//===----------------------------------------------------------------------===//
// Accumulating
//===----------------------------------------------------------------------===//

SiteStatistics::SiteStatistics(int64_t channels, SiteOptions options)
    : channelCount(channels), options(options), least(channels, Extrema().lo),
      most(channels, Extrema().hi) {
  if (options.histogram) {
    valueHistogram.resize(HistogramBins::kCount);
    rowHistogram.resize(HistogramBins::kCount);
  }
}

ChannelSums SiteStatistics::zeroSums() const {
  ChannelSums sums;
  sums.x.resize(channelCount);
  sums.abs.resize(channelCount);
  sums.squares.resize(channelCount);
  if (options.gram)
    sums.gram.resize(channelCount * (channelCount + 1) / 2);
  return sums;
}

void SiteStatistics::close() {
  if (openSample < 0)
    return;
  tree.insert(0, openSample, std::move(open));
  open = ChannelSums();
  openSample = -1;
}

std::string SiteStatistics::add(int64_t sample, const float *rows,
                                int64_t count, const ParallelFor &parallel) {
  if (sample < 0 || sample >= decltype(tree)::kMaxSample)
    return "sample " + std::to_string(sample) + " is not in [0, 2^40)";
  auto place = std::lower_bound(
      seen.begin(), seen.end(), sample,
      [](const Sample &a, int64_t index) { return a.index < index; });
  if (sample != openSample) {
    if (place != seen.end() && place->index == sample)
      return "sample " + std::to_string(sample) + " is there already";
    if (count == 0)
      return {};
    close();
    open = zeroSums();
    openSample = sample;
    place = seen.insert(place, Sample{sample, 0, {}});
  }
  addRows(rows, count, place->extrema);
  place->rows += count;
  tokenCount += count;
  if (options.gram)
    addGram(rows, count, parallel);
  return {};
}

void SiteStatistics::addRows(const float *rows, int64_t count,
                             Extrema &sample) {
  std::vector<float> lo(count, Extrema().lo), hi(count, Extrema().hi);
  int64_t *histogram = options.histogram ? valueHistogram.data() : nullptr;
  if (areFinite(rows, count * channelCount)) {
    observeRows({rows, count, channelCount, least.data(), most.data(),
                 open.x.data(), open.abs.data(), open.squares.data(), lo.data(),
                 hi.data(), histogram});
  } else {
    for (int64_t i = 0; i < count * channelCount; ++i) {
      int64_t r = i / channelCount, c = i % channelCount;
      if (!isFinite(rows[i])) {
        ++nonFiniteCount;
        continue;
      }
      float x = rows[i] + 0.0f; // as in observeRows
      double wide = x;
      lo[r] = std::min(lo[r], x);
      hi[r] = std::max(hi[r], x);
      least[c] = std::min(least[c], x);
      most[c] = std::max(most[c], x);
      open.x[c] += wide;
      open.abs[c] += std::fabs(wide);
      open.squares[c] += wide * wide;
      if (histogram)
        ++histogram[HistogramBins::of(x)];
    }
  }
  for (int64_t r = 0; r < count; ++r) {
    if (!(lo[r] <= hi[r]))
      continue;
    sample.add(Extrema{lo[r], hi[r]});
    if (options.histogram)
      ++rowHistogram[HistogramBins::of(std::max(-lo[r], hi[r]))];
  }
}

void SiteStatistics::addGram(const float *rows, int64_t count,
                             const ParallelFor &parallel) {
  std::vector<float> finite;
  if (!areFinite(rows, count * channelCount)) {
    finite.assign(rows, rows + count * channelCount);
    for (float &x : finite)
      x = isFinite(x) ? x : 0;
    rows = finite.data();
  }
  int64_t K = channelCount;
  parallel((K + kGramColumns - 1) / kGramColumns, [&](int64_t part) {
    int64_t begin = part * kGramColumns;
    int64_t end = std::min(begin + kGramColumns, K);
    int64_t width = K - begin;
    std::vector<float> product((end - begin) * width);
    for (int64_t r = 0; r < count; r += kGramRows) {
      const float *block = rows + r * K + begin;
      gemm(/*transposeA=*/true, /*transposeB=*/false, end - begin, width,
           std::min(kGramRows, count - r), 1.0f, block, K, block, K, 0.0f,
           product.data(), width);
      float *to = open.gram.data() + begin * K - begin * (begin - 1) / 2;
      for (int64_t i = 0; i < end - begin; ++i)
        for (int64_t j = i; j < width; ++j)
          *to++ += product[i * width + j];
    }
  });
}

std::string SiteStatistics::merge(const SiteStatistics &other) {
  if (channelCount != other.channelCount)
    return "one part has " + std::to_string(channelCount) +
           " channels, the other " + std::to_string(other.channelCount);
  if (options.gram != other.options.gram ||
      options.histogram != other.options.histogram)
    return "one part has histograms or XᵀX that the other lacks";
  std::vector<Sample> both(seen.size() + other.seen.size());
  std::merge(seen.begin(), seen.end(), other.seen.begin(), other.seen.end(),
             both.begin(), [](const Sample &a, const Sample &b) {
               return a.index < b.index;
             });
  for (size_t i = 1; i < both.size(); ++i)
    if (both[i - 1].index == both[i].index)
      return "sample " + std::to_string(both[i].index) + " is in both parts";
  close();
  seen = std::move(both);
  for (const auto &[first, node] : other.tree.nodes())
    tree.insert(node.level, first >> node.level, node.value);
  if (other.openSample >= 0)
    tree.insert(0, other.openSample, other.open);
  tokenCount += other.tokenCount;
  nonFiniteCount += other.nonFiniteCount;
  for (int64_t c = 0; c < channelCount; ++c) {
    least[c] = std::min(least[c], other.least[c]);
    most[c] = std::max(most[c], other.most[c]);
  }
  for (size_t b = 0; b < valueHistogram.size(); ++b) {
    valueHistogram[b] += other.valueHistogram[b];
    rowHistogram[b] += other.rowHistogram[b];
  }
  return {};
}

//===----------------------------------------------------------------------===//
// What has been seen
//===----------------------------------------------------------------------===//

template <typename AddNode>
void SiteStatistics::visitSums(AddNode addNode) const {
  tree.visit(openSample, openSample < 0 ? nullptr : &open, addNode);
}

std::vector<float>
SiteStatistics::meanOf(std::vector<double> ChannelSums::*which) const {
  std::vector<double> total(channelCount);
  visitSums([&](const ChannelSums &node) {
    for (int64_t c = 0; c < channelCount; ++c)
      total[c] += (node.*which)[c];
  });
  return perToken(total, tokenCount);
}

std::vector<float> SiteStatistics::channelAbsMax() const {
  std::vector<float> result(channelCount);
  for (int64_t c = 0; c < channelCount; ++c)
    result[c] = least[c] <= most[c]
                    ? std::max(std::fabs(least[c]), std::fabs(most[c]))
                    : 0;
  return result;
}

std::vector<float> SiteStatistics::channelMean() const {
  return meanOf(&ChannelSums::x);
}
std::vector<float> SiteStatistics::channelAbsMean() const {
  return meanOf(&ChannelSums::abs);
}
std::vector<float> SiteStatistics::channelMeanSquare() const {
  return meanOf(&ChannelSums::squares);
}

std::vector<float> SiteStatistics::gram() const {
  int64_t K = channelCount;
  std::vector<float> result(options.gram ? K * K : 0);
  if (!options.gram)
    return result;
  visitSums([&](const ChannelSums &node) {
    const float *from = node.gram.data();
    for (int64_t i = 0; i < K; ++i)
      for (int64_t j = i; j < K; ++j)
        result[i * K + j] += *from++;
  });
  for (int64_t i = 0; i < K; ++i)
    for (int64_t j = 0; j < i; ++j)
      result[i * K + j] = result[j * K + i];
  return result;
}

Extrema SiteStatistics::minMax() const {
  Extrema result;
  for (int64_t c = 0; c < channelCount; ++c)
    result.add(Extrema{least[c], most[c]});
  return result;
}

SiteStatistics SiteStatistics::scaled(const std::vector<float> &factor) const {
  SiteStatistics result = *this;
  result.close();
  result.options.histogram = false;
  result.valueHistogram.clear();
  result.rowHistogram.clear();
  for (Sample &sample : result.seen)
    sample.extrema = Extrema();
  for (int64_t c = 0; c < channelCount; ++c) {
    if (!(least[c] <= most[c]))
      continue;
    float a = least[c] * factor[c], b = most[c] * factor[c];
    result.least[c] = std::min(a, b);
    result.most[c] = std::max(a, b);
  }
  result.tree.forEach([&](ChannelSums &node) {
    float *gram = node.gram.data();
    for (int64_t i = 0; i < channelCount; ++i) {
      node.x[i] *= factor[i];
      node.abs[i] *= std::fabs(factor[i]);
      node.squares[i] *= static_cast<double>(factor[i]) * factor[i];
      if (!node.gram.empty())
        for (int64_t j = i; j < channelCount; ++j)
          *gram++ *= factor[i] * factor[j];
    }
  });
  return result;
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

SiteStatistics::State SiteStatistics::state() const {
  State state;
  state.channels = channelCount;
  state.tokens = tokenCount;
  state.nonFinite = nonFiniteCount;
  state.options = options;
  state.min = least;
  state.max = most;
  state.histogram = valueHistogram;
  state.rowHistogram = rowHistogram;
  state.samples = seen;
  ReductionTree<ChannelSums> whole = tree;
  if (openSample >= 0)
    whole.insert(0, openSample, open);
  for (const auto &[first, node] : whole.nodes())
    state.nodes.push_back({node.level, first >> node.level, node.value});
  return state;
}

std::string SiteStatistics::fromState(State state, SiteStatistics &result) {
  constexpr int64_t kMost = int64_t(1) << 62;
  int64_t K = state.channels;
  if (K < 0 || state.tokens < 0 || state.nonFinite < 0 ||
      (K > 0 && state.tokens > kMost / K) || K > (int64_t(1) << 30) ||
      state.nonFinite > state.tokens * K)
    return "its counts are negative or too large";
  auto size = [](const auto &values) {
    return static_cast<int64_t>(values.size());
  };
  if (size(state.min) != K || size(state.max) != K)
    return "it has not one minimum and maximum a channel";
  for (int64_t c = 0; c < K; ++c) {
    Extrema extrema{state.min[c], state.max[c]};
    if (!isNormal(extrema) && !isDefault(extrema))
      return "the extrema of channel " + std::to_string(c) + " are no range";
  }

  int64_t bins = state.options.histogram ? HistogramBins::kCount : 0;
  if (size(state.histogram) != bins || size(state.rowHistogram) != bins)
    return "its histograms have not " + std::to_string(bins) + " bins";
  int64_t values = 0, rows = 0;
  for (int64_t b = 0; b < bins; ++b) {
    if (state.histogram[b] < 0 || state.histogram[b] > kMost - values ||
        state.rowHistogram[b] < 0 || state.rowHistogram[b] > kMost - rows)
      return "a bin of its histograms is negative or too large";
    values += state.histogram[b];
    rows += state.rowHistogram[b];
  }
  if (bins != 0 &&
      (values != state.tokens * K - state.nonFinite || rows > state.tokens))
    return "its histograms do not count as many values as it has";

  int64_t left = state.tokens;
  for (size_t i = 0; i < state.samples.size(); ++i) {
    const Sample &sample = state.samples[i];
    if (sample.index < (i == 0 ? 0 : state.samples[i - 1].index + 1) ||
        sample.rows <= 0 || sample.rows > left ||
        (!isNormal(sample.extrema) && !isDefault(sample.extrema)))
      return "its list of samples is wrong at entry " + std::to_string(i);
    left -= sample.rows;
  }
  if (left != 0)
    return "its samples have not as many rows as it says";

  ReductionTree<ChannelSums> tree;
  int64_t covered = 0;
  int64_t gram = state.options.gram ? K * (K + 1) / 2 : 0;
  for (State::Node &node : state.nodes) {
    const ChannelSums &sums = node.sums;
    if (size(sums.x) != K || size(sums.abs) != K || size(sums.squares) != K ||
        size(sums.gram) != gram)
      return "its sums have not one entry a channel";
    // All samples of a node are there.
    if (!tree.isFree(node.level, node.index))
      return "its sums overlap or are out of range";
    int64_t count = int64_t(1) << node.level;
    if (count > size(state.samples) - covered ||
        state.samples[covered].index != node.index << node.level ||
        state.samples[covered + count - 1].index !=
            ((node.index + 1) << node.level) - 1)
      return "its sums are not over its samples";
    covered += count;
    tree.insert(node.level, node.index, std::move(node.sums));
  }
  if (covered != size(state.samples))
    return "its sums are not over all its samples";

  SiteStatistics made(K, state.options);
  made.tokenCount = state.tokens;
  made.nonFiniteCount = state.nonFinite;
  made.least = std::move(state.min);
  made.most = std::move(state.max);
  made.valueHistogram = std::move(state.histogram);
  made.rowHistogram = std::move(state.rowHistogram);
  made.seen = std::move(state.samples);
  made.tree = std::move(tree);
  result = std::move(made);
  return {};
}

} // namespace quantc::numerics
