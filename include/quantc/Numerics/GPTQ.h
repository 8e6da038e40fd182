//===- GPTQ.h - Rounding that makes up for its errors -----------*- C++ -*-===//
//
// A layer y = W x, W [N, K]; H = XᵀX [K, K] over the calibration data X. The
// codes, scales and zero points of Ŵ are sought with the least
//
//     tr((W - Ŵ) H (W - Ŵ)ᵀ)  =  |X (W - Ŵ)ᵀ|²,
//
// the squared error of the layer's output. GPTQ (Frantar et al.,
// arXiv:2210.17323): the columns are rounded one after another; those still to
// come take over the error, by the rows of the upper factor U of
// H⁻¹ = Uᵀ U. What the error of a group would be after that is known exactly
// (the sum of (w - ŵ)² / U_jj²), so scales can be chosen by it.
//
// Then, if asked for, what is found is refined: coordinate descent over the
// codes (QuantEase, arXiv:2309.01885) and least squares for all scales of a
// row, in turn; neither makes the error larger.
//
// Rows do not depend on one another: the work is split over them.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_GPTQ_H
#define QUANTC_NUMERICS_GPTQ_H

#include "quantc/Numerics/Parallel.h"
#include "quantc/Numerics/Quantize.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace quantc::numerics {

/// In which order the columns are rounded. Those with the largest H_jj first
/// have the most columns left to make up for them.
enum class ActOrder : uint8_t {
  None,
  /// By H_jj, each column with the scale of the group where it stands. All
  /// scales are chosen before (static groups).
  Columns,
  /// Groups by their mean H_jj, columns inside a group by H_jj: the scales are
  /// chosen when a group's turn comes.
  Groups,
  /// By H_jj, and grouped as rounded: the columns are stored in that order.
  Permuted,
};

/// What a group's scale (and zero point) is chosen by: the formula, or of many
/// tried the one with the least error of its group.
enum class ScaleChoice : uint8_t {
  Formula,  ///< chooseParams
  Plain,    ///< the sum of (w - ŵ)², rounded to nearest
  Diagonal, ///< of H_jj (w - ŵ)²
  Block,    ///< (w - ŵ)ᵀ H (w - ŵ) with the group's block of H
  /// The error after GPTQ inside the group. Block where that is not to be had,
  /// with ActOrder::Columns; and both are Diagonal for groups of more than 256.
  Sequential,
};

struct GPTQOptions {
  /// Any integer format, FP8 to FP4, or codebook, which outlives the solver.
  /// Encoding::precision is not regarded.
  Encoding encoding;
  int64_t groupSize = 0; ///< columns; 0 = the row; the last may be short
  /// All but MeanAbs and AsymmetricOffset.
  Scheme scheme = Scheme::Symmetric;
  Format scaleFormat = Format::F32;
  /// Fraction of H's mean diagonal that is added to the diagonal. Raised
  /// tenfold, up to 1, where H is not positive definite.
  double damping = 0.01;
  ActOrder order = ActOrder::None;
  ScaleChoice scaleChoice = ScaleChoice::Formula;
  /// Rounds of coordinate descent over all codes followed by a refit of the
  /// scales, after a first refit.
  int refinements = 0;
  /// The damping of the error that is refined; `damping` if none.
  std::optional<double> refineDamping;
  int sweeps = 1;          ///< of coordinate descent in a round
  bool refitScales = true; ///< false: only the codes are refined
  int64_t blockSize = 128; ///< columns between two updates of all others
};

struct GPTQResult {
  /// The codes [N, K], scales and zero points [N, groups].
  QuantizedWeights weights;
  /// tr((W - Ŵ) H (W - Ŵ)ᵀ) and tr(W H Wᵀ), without damping.
  double error = 0;
  double energy = 0;
  std::vector<double> rowError; ///< each row's part of `error` [N]
  double relativeError() const { return energy > 0 ? error / energy : 0; }
};

/// Of two results for one W and H, with the same format, groups and columns'
/// order of storage, each row from the one with the smaller error: which order
/// of rounding is better differs from row to row.
GPTQResult betterRows(const GPTQResult &a, const GPTQResult &b);

struct TargetInputs;

/// What depends on H alone; serves several layers that read one tensor.
class GPTQSolver {
public:
  /// `H` [K, K], row-major and symmetric. Returns why not (it has a NaN or
  /// infinity, a negative diagonal; the scheme is none that GPTQ knows; no
  /// damping helps), else an empty text.
  static std::string create(const GPTQOptions &options, int64_t K,
                            const float *H, GPTQSolver &solver);

  /// `W` [N, K]. With `fixed`, scales (and zero points) [N, groups] that are
  /// not to be changed; of Permuted groups, in the stored order.
  GPTQResult solve(int64_t N, const float *W,
                   const ParallelFor &parallel = runInOrder,
                   const ScaleArrays *fixed = nullptr) const;

  /// The damping it took: that of the options, or more.
  double damping() const { return usedDamping; }
  /// Columns whose input was always 0. They are rounded to nearest.
  int64_t deadColumns() const { return deadCount; }
  /// Stored column j is column permutation()[j] of W; empty unless Permuted.
  const std::vector<int32_t> &permutation() const { return stored; }

private:
  struct Tile;
  friend struct Tile;
  friend std::string calibrationTarget(int64_t, int64_t, const float *,
                                       const TargetInputs &,
                                       std::vector<float> &,
                                       const ParallelFor &);

  GPTQOptions options;
  int64_t K = 0;
  int64_t groupSize = 0; // never 0
  double usedDamping = 0;
  int64_t deadCount = 0;
  std::vector<int32_t> stored;  // see permutation()
  std::vector<int32_t> process; // the j-th column rounded, as a stored column
  std::vector<int64_t> blocks;  // where they begin among the rounded, and K
  // Damped, in the stored order; `shift` is what was added to the diagonal.
  std::vector<float> H, shift;
  std::vector<float> U; // [K, K] in the order of rounding; zeros below
};

/// What the layers before have made of a layer's input: X̃ is what it is in the
/// float model, X in the quantized one, over the same tokens, with the weights
/// that H has (all sums are of one scale). Row t of E [tokens, N] is by how
/// much the layer's output should differ from that of W for x_t for other
/// reasons, such as the error of the residual stream it is added to; or for all
/// reasons, where there is no `cross`.
struct TargetInputs {
  const float *H = nullptr;        ///< XᵀX [K, K]
  const float *cross = nullptr;    ///< X̃ᵀX [K, K], sums of x̃_i x_j; or null
  const float *residual = nullptr; ///< EᵀX [N, K], or null
  double strength = 1;             ///< of what `cross` says
  double residualStrength = 1;     ///< of what `residual` says
  /// Fraction of H's mean diagonal. Larger than for rounding: what a few
  /// samples say of the errors of other layers holds for these samples.
  double damping = 0.3;
};

/// The weights to round instead of W [N, K]: with strength 1
///
///     W + (W (X̃ᵀX - H) + EᵀX) (H + damping)⁻¹
///
/// minimizes |X̃ Wᵀ + E - X Vᵀ|² (GPTAQ, arXiv:2504.02692, as a change of
/// the target). Returns why not (as GPTQSolver::create), else an empty text.
std::string calibrationTarget(int64_t N, int64_t K, const float *W,
                              const TargetInputs &inputs,
                              std::vector<float> &target,
                              const ParallelFor &parallel = runInOrder);

/// tr(E H Eᵀ) for E [N, K] and a symmetric H [K, K].
double quadraticError(int64_t N, int64_t K, const float *E, const float *H,
                      const ParallelFor &parallel = runInOrder);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_GPTQ_H
