//===- Observers.h - What calibration knows of one tensor -------*- C++ -*-===//
//
// A *site* is a tensor of the graph; its last dimension are the channels, each
// index of the others is a row (a token, a pixel). While samples run, extrema,
// sums and a histogram are accumulated; what the observers of the field are
// called (min/max, moving average, percentile, entropy, mean squared error) is
// derived from them afterwards, so one run serves them all.
//
// Any sharding of the samples, merged in any order, gives the same bits:
// counts and extrema are exact, float sums are made by ReductionTree. Only XᵀX
// depends on the machine, by its BLAS.
//
// NaN and infinities are counted and otherwise left out (in XᵀX they are 0).
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_OBSERVERS_H
#define QUANTC_NUMERICS_OBSERVERS_H

#include "quantc/Numerics/ChooseParams.h"
#include "quantc/Numerics/Parallel.h"
#include "quantc/Numerics/Quantize.h"
#include "quantc/Numerics/ReductionTree.h"

#include <cstdint>
#include <string>
#include <vector>

namespace quantc::numerics {

/// The fixed bins of every histogram: an octave of |x| has kPerOctave bins of
/// equal width (the upper bits of the float), from 2^kLeast to 2^kMost, for
/// each sign; below are the bins of what is nearer to zero, then zero itself;
/// above what is larger. By rising x:
///
///     overflow-, octaves-, underflow-, zero, underflow+, octaves+, overflow+
struct HistogramBins {
  static constexpr int kPerOctave = 32;
  static constexpr int kLeast = -24, kMost = 24;
  static constexpr int kSide = (kMost - kLeast) * kPerOctave + 2;
  static constexpr int kZero = kSide;
  static constexpr int kCount = 2 * kSide + 1;

  /// The bin of a finite number.
  static int of(float x);
  /// The ends of a bin; those of the overflow bins are infinite.
  static float lower(int bin);
  static float upper(int bin);
};

/// What is summed per channel (and for XᵀX per pair of channels).
struct ChannelSums {
  std::vector<double> x;       ///< [channels]
  std::vector<double> abs;     ///< [channels]
  std::vector<double> squares; ///< [channels]
  /// The upper triangle of XᵀX, row by row (row i has channels - i entries);
  /// empty if not asked for.
  std::vector<float> gram;

  void add(const ChannelSums &right);
};

/// What is to be accumulated beside extrema and sums.
struct SiteOptions {
  bool histogram = true; ///< of the values and of the rows' max|x|
  bool gram = false;     ///< XᵀX: channels^2 floats, several times
};

class SiteStatistics {
public:
  /// One run of the model, or one row of its batch.
  struct Sample {
    int64_t index; ///< of all calibration samples; decides the order of sums
    int64_t rows;
    Extrema extrema;
  };

  SiteStatistics() = default;
  explicit SiteStatistics(int64_t channels, SiteOptions options = {});

  // Accumulating.

  /// Adds `count` rows of `channels` values of one sample. All calls for a
  /// sample come one after another (a layer in a loop has several). Returns
  /// why not (the sample is there already, its index is negative or not below
  /// 2^40), else an empty text. XᵀX is computed in parts given to `parallel`,
  /// which do not depend on it.
  std::string add(int64_t sample, const float *rows, int64_t count,
                  const ParallelFor &parallel = runInOrder);

  /// Adds what another process has seen at this site. Returns why not: other
  /// channels, other options, a sample that both have.
  std::string merge(const SiteStatistics &other);

  // What has been seen.

  int64_t channels() const { return channelCount; }
  int64_t tokens() const { return tokenCount; }
  int64_t nonFinite() const { return nonFiniteCount; }
  /// By rising index.
  const std::vector<Sample> &samples() const { return seen; }
  /// False after `scaled`, and if not asked for. Then percentile, entropy and
  /// leastSquares give minMax.
  bool hasHistogram() const { return !valueHistogram.empty(); }
  bool hasGram() const { return options.gram; }

  const std::vector<float> &channelMin() const { return least; }
  const std::vector<float> &channelMax() const { return most; }
  /// Of max|x|, 0 where nothing was seen.
  std::vector<float> channelAbsMax() const;
  std::vector<float> channelAbsMean() const;
  std::vector<float> channelMean() const;
  std::vector<float> channelMeanSquare() const;
  /// XᵀX, the sum over all rows: [channels, channels], row-major, symmetric.
  std::vector<float> gram() const;
  /// Counts by HistogramBins: of the values; of max|x| of each row.
  const std::vector<int64_t> &histogram() const { return valueHistogram; }
  const std::vector<int64_t> &tokenHistogram() const { return rowHistogram; }

  // The range to quantize in. All give an `Extrema` for chooseParams; without
  // a finite value an empty one.

  Extrema minMax() const;
  /// m = first sample's, then m += constant * (sample - m) in the order of the
  /// indices (PyTorch's MovingAverageMinMaxObserver, constant 0.01). minMax
  /// after `scaled`.
  Extrema movingAverage(double constant) const;
  /// `percent` of the values lie inside, half of the rest on each side;
  /// inside a bin values count as evenly spread. 0 < percent <= 100.
  Extrema percentile(double percent) const;
  /// The clipped range in which the distribution of the quantized values
  /// diverges least (Kullback-Leibler) from that of the values: TensorRT's
  /// calibration (S. Migacz, "8-bit inference with TensorRT", 2017). For
  /// formats of 2 to 8 bits; minMax for others.
  Extrema entropy(StoredRange range, Scheme scheme) const;
  /// The clipped range with the least mean squared error of `encoding`.
  Extrema leastSquares(const Encoding &encoding, Scheme scheme) const;

  /// The statistics of x * factor[channel]: extrema, sums and XᵀX (H -> DHD).
  /// Histograms and the extrema of samples are not functions of what is kept,
  /// and are dropped.
  SiteStatistics scaled(const std::vector<float> &factor) const;

  // Files.

  /// All there is, as plain arrays.
  struct State {
    int64_t channels = 0, tokens = 0, nonFinite = 0;
    SiteOptions options;
    std::vector<float> min, max;                  ///< [channels]
    std::vector<int64_t> histogram, rowHistogram; ///< [kCount] or empty
    std::vector<Sample> samples;                  ///< by rising index
    struct Node {
      int level;
      int64_t index;
      ChannelSums sums;
    };
    std::vector<Node> nodes; ///< of the ReductionTree, by rising sample
  };
  State state() const;
  /// The reverse. Returns what does not fit together in `state`, else an empty
  /// text; nothing is taken on trust.
  static std::string fromState(State state, SiteStatistics &result);

private:
  ChannelSums zeroSums() const;
  /// Ends the sample under way: its sums become a leaf of the tree.
  void close();
  void addRows(const float *rows, int64_t count, Extrema &sample);
  void addGram(const float *rows, int64_t count, const ParallelFor &parallel);
  template <typename AddNode>
  void visitSums(AddNode addNode) const;
  std::vector<float> meanOf(std::vector<double> ChannelSums::*which) const;

  int64_t channelCount = 0;
  int64_t tokenCount = 0;
  int64_t nonFiniteCount = 0;
  SiteOptions options;
  std::vector<float> least, most;
  std::vector<int64_t> valueHistogram, rowHistogram;
  std::vector<Sample> seen; // by rising index
  // Of the sample under way, which is no leaf of the tree before the next one
  // begins; -1 for none.
  int64_t openSample = -1;
  ChannelSums open;
  ReductionTree<ChannelSums> tree;
};

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_OBSERVERS_H
