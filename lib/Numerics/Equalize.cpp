//===- Equalize.cpp - Cross-layer equalization, bias correction -----------===//

#include "quantc/Numerics/Equalize.h"

#include <algorithm>
#include <cmath>

namespace quantc::numerics {
namespace {

/// A layer's greatest magnitudes between pairs of channels, with the factors
/// that its rows and columns have by now.
class Ranges {
public:
  explicit Ranges(const EqualizedLayer &layer)
      : layer(layer), perGroup(layer.inputs / layer.groups),
        most(layer.outputs * perGroup), row(layer.outputs, 1.0),
        column(layer.inputs, 1.0) {
    for (int64_t o = 0; o < layer.outputs; ++o)
      for (int64_t p = 0; p < layer.positions; ++p)
        for (int64_t i = 0; i < perGroup; ++i) {
          double w =
              std::fabs(layer.W[(o * layer.positions + p) * perGroup + i]);
          double &entry = most[o * perGroup + i];
          entry = std::max(entry, w);
        }
  }

  /// Greatest magnitude of each output's row, of each input's column.
  std::vector<float> ofRows() const {
    std::vector<float> result(layer.outputs);
    forEach([&](int64_t o, int64_t, double value) {
      result[o] = std::max(result[o], static_cast<float>(value));
    });
    return result;
  }
  std::vector<float> ofColumns() const {
    std::vector<float> result(layer.inputs);
    forEach([&](int64_t, int64_t i, double value) {
      result[i] = std::max(result[i], static_cast<float>(value));
    });
    return result;
  }

  void scaleRow(int64_t o, double factor) { row[o] *= factor; }
  void scaleColumn(int64_t i, double factor) { column[i] *= factor; }

private:
  template <typename Visit>
  void forEach(Visit visit) const {
    for (int64_t o = 0; o < layer.outputs; ++o) {
      int64_t first = o / (layer.outputs / layer.groups) * perGroup;
      for (int64_t i = 0; i < perGroup; ++i)
        visit(o, first + i,
              most[o * perGroup + i] * row[o] * column[first + i]);
    }
  }

  EqualizedLayer layer;
  int64_t perGroup;
  std::vector<double> most; // [outputs, inputs / groups]
  std::vector<double> row, column;
};

} // namespace

std::vector<float> equalizationScales(const std::vector<float> &r1,
                                      const std::vector<float> &r2) {
  std::vector<float> result(r1.size(), 1.0f);
  for (size_t j = 0; j < r1.size(); ++j) {
    double scale = std::sqrt(static_cast<double>(r1[j]) / r2[j]);
    auto rounded = static_cast<float>(scale);
    if (r1[j] > 0 && r2[j] > 0 && rounded > 0 && std::isfinite(rounded))
      result[j] = rounded;
  }
  return result;
}

std::vector<std::vector<float>>
equalize(const std::vector<EqualizedLayer> &layers,
         const std::vector<EqualizedPair> &pairs,
         const std::vector<std::vector<size_t>> &shared, int maxRounds,
         double tolerance) {
  std::vector<Ranges> ranges;
  for (const EqualizedLayer &layer : layers)
    ranges.emplace_back(layer);
  // Each pair is in one list.
  std::vector<std::vector<size_t>> lists = shared;
  std::vector<bool> isListed(pairs.size());
  for (const std::vector<size_t> &list : lists)
    for (size_t p : list)
      isListed[p] = true;
  for (size_t p = 0; p < pairs.size(); ++p)
    if (!isListed[p])
      lists.push_back({p});

  std::vector<std::vector<double>> total(lists.size());
  for (size_t l = 0; l < lists.size(); ++l)
    total[l].assign(layers[pairs[lists[l][0]].first].outputs, 1.0);
  for (int round = 0; round < maxRounds; ++round) {
    double change = 0;
    for (size_t l = 0; l < lists.size(); ++l) {
      // Producers and readers of the list, each once.
      std::vector<size_t> makers, readers;
      for (size_t p : lists[l]) {
        makers.push_back(pairs[p].first);
        readers.push_back(pairs[p].second);
      }
      for (std::vector<size_t> *which : {&makers, &readers}) {
        std::sort(which->begin(), which->end());
        which->erase(std::unique(which->begin(), which->end()), which->end());
      }
      size_t channels = total[l].size();
      std::vector<float> r1(channels), r2(channels);
      auto raise = [&](std::vector<float> &to, const std::vector<float> &from) {
        for (size_t j = 0; j < channels; ++j)
          to[j] = std::max(to[j], from[j]);
      };
      for (size_t maker : makers)
        raise(r1, ranges[maker].ofRows());
      for (size_t reader : readers)
        raise(r2, ranges[reader].ofColumns());
      std::vector<float> s = equalizationScales(r1, r2);
      for (size_t j = 0; j < channels; ++j) {
        auto channel = static_cast<int64_t>(j);
        for (size_t maker : makers)
          ranges[maker].scaleRow(channel, 1 / static_cast<double>(s[j]));
        for (size_t reader : readers)
          ranges[reader].scaleColumn(channel, s[j]);
        total[l][j] *= s[j];
        change = std::max(change, std::fabs(std::log(double(s[j]))));
      }
    }
    if (change <= tolerance)
      break;
  }
  std::vector<std::vector<float>> result(pairs.size());
  for (size_t l = 0; l < lists.size(); ++l)
    for (size_t p : lists[l])
      result[p].assign(total[l].begin(), total[l].end());
  return result;
}

std::vector<float> biasCorrection(int64_t N, int64_t K, const float *W,
                                  const float *V, const float *mean) {
  std::vector<float> result(N);
  for (int64_t n = 0; n < N; ++n) {
    double sum = 0;
    for (int64_t j = 0; j < K; ++j)
      sum += (static_cast<double>(W[n * K + j]) - V[n * K + j]) * mean[j];
    result[n] = static_cast<float>(sum);
  }
  return result;
}

} // namespace quantc::numerics
