//===- GPTQTile.cpp - Rounding and refining the rows of a layer -----------===//

#include "quantc/Numerics/GPTQ.h"

#include "GroupScales.h"
#include "LinearAlgebra.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace quantc::numerics {

/// Of the mean diagonal of a row's normal equations for the scales.
constexpr double kRidge = 1e-6;

/// kTileRows rows, all matrices transposed: [columns][kTileRows] or
/// [groups][kTileRows]. Rows past the last are zero.
struct GPTQSolver::Tile {
  Tile(const GPTQSolver &solver, const Levels &levels, int64_t N,
       const float *W, int64_t firstRow)
      : solver(solver), options(solver.options), levels(levels), W(W),
        K(solver.K), firstRow(firstRow),
        rows(std::min(kTileRows, N - firstRow)),
        groups((K + solver.groupSize - 1) / solver.groupSize),
        scale(groups * kTileRows, 1.0f), zeroPoint(groups * kTileRows),
        chooser(levels, options.encoding.range(), options.scheme,
                options.scaleFormat) {}

  void run(const ScaleArrays *fixed);
  /// Writes the tile's rows and their errors; returns their energy.
  double finish(GPTQResult &result);

private:
  int64_t original(int64_t column) const {
    return solver.stored.empty() ? column : solver.stored[column];
  }
  int64_t groupBegin(int64_t g) const { return g * solver.groupSize; }
  int64_t groupEnd(int64_t g) const {
    return std::min(K, (g + 1) * solver.groupSize);
  }
  LaneParams paramsOf(int64_t column) const {
    int64_t at = column / solver.groupSize * kTileRows;
    return {scale.data() + at, zeroPoint.data() + at};
  }

  void setParams(int64_t group, int64_t row, const Params &params) {
    scale[group * kTileRows + row] = params.scale;
    zeroPoint[group * kTileRows + row] = static_cast<float>(params.zeroPoint);
  }
  GroupCost storedCost(int64_t group);
  void chooseStatic();
  void chooseGroup(int64_t group, int64_t begin);
  void roundAll(bool isFixed);
  void loadWeights();
  void findErrors();
  void findGradient();
  void descend();
  void refit();

  const GPTQSolver &solver;
  const GPTQOptions &options;
  const Levels &levels;
  const float *W;
  int64_t K, firstRow, rows, groups;
  std::vector<float> scale, zeroPoint; // [groups][kTileRows]
  GroupScales chooser;
  std::vector<float> importance; // of the group at hand
  // In the stored order from here on.
  std::vector<float> weights;  // what is approximated
  std::vector<float> level;    // what has been found, over the scale
  std::vector<float> error;    // ŵ - w
  std::vector<float> gradient; // (H + damping) (ŵ - w)
  std::vector<float> target;   // (H + damping) w
};

/// What errors of the stored columns of a group cost, by all but GPTQ itself.
GroupCost GPTQSolver::Tile::storedCost(int64_t group) {
  GroupCost cost;
  cost.search = options.scaleChoice != ScaleChoice::Formula;
  int64_t begin = groupBegin(group), length = groupEnd(group) - begin;
  if (options.scaleChoice >= ScaleChoice::Block && length <= kMaxSearched) {
    cost.block = solver.H.data() + begin * K + begin;
    cost.ldBlock = K;
  }
  importance.resize(length);
  for (int64_t j = 0; j < length; ++j)
    importance[j] = solver.H[(begin + j) * K + begin + j];
  if (options.scaleChoice != ScaleChoice::Plain)
    cost.importance = importance.data();
  return cost;
}

/// The scales of all groups from the weights as they are.
void GPTQSolver::Tile::chooseStatic() {
  std::vector<float> values(solver.groupSize);
  for (int64_t g = 0; g < groups; ++g) {
    GroupCost cost = storedCost(g);
    int64_t begin = groupBegin(g), length = groupEnd(g) - begin;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t j = 0; j < length; ++j)
        values[j] = weights[(begin + j) * kTileRows + r];
      setParams(g, r, chooser.choose(values.data(), length, cost));
    }
  }
}

/// The scales of a group that is rounded next, from `begin` on in the order of
/// rounding; `error` holds what is left to round.
void GPTQSolver::Tile::chooseGroup(int64_t group, int64_t begin) {
  int64_t length = groupEnd(group) - groupBegin(group);
  GroupCost cost = storedCost(group);
  bool asRounded =
      options.scaleChoice == ScaleChoice::Sequential && length <= kMaxSearched;
  if (asRounded) {
    cost.U = solver.U.data() + begin * K + begin;
    cost.ldU = K;
  }
  std::vector<float> values(length);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < length; ++j) {
      int64_t to =
          asRounded ? j : solver.process[begin + j] - groupBegin(group);
      values[to] = error[(begin + j) * kTileRows + r];
    }
    setParams(group, r, chooser.choose(values.data(), length, cost));
  }
}

void GPTQSolver::Tile::loadWeights() {
  weights.assign(K * kTileRows, 0);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < K; ++j)
      weights[j * kTileRows + r] = W[(firstRow + r) * K + original(j)];
}

/// GPTQ. `error` is what is left of the weights, in the order of rounding.
void GPTQSolver::Tile::roundAll(bool isFixed) {
  const std::vector<int32_t> &process = solver.process;
  bool chooses = !isFixed && options.order != ActOrder::Columns;
  if (!isFixed && !chooses)
    chooseStatic();
  error.resize(K * kTileRows);
  level.resize(K * kTileRows);
  for (int64_t j = 0; j < K; ++j)
    std::memcpy(&error[j * kTileRows], &weights[process[j] * kTileRows],
                kTileRows * sizeof(float));
  std::vector<float> found(K * kTileRows);
  std::vector<float> passedOn;
  std::vector<LaneParams> params;
  for (size_t b = 0; b + 1 < solver.blocks.size(); ++b) {
    int64_t blockBegin = solver.blocks[b], blockEnd = solver.blocks[b + 1];
    passedOn.resize((blockEnd - blockBegin) * kTileRows);
    for (int64_t begin = blockBegin; begin < blockEnd;) {
      int64_t end = blockEnd;
      if (chooses) {
        int64_t group = process[begin] / solver.groupSize;
        end = begin;
        while (end < blockEnd && process[end] / solver.groupSize == group)
          ++end;
        if (begin == 0 || process[begin - 1] / solver.groupSize != group)
          chooseGroup(group, begin);
      }
      params.clear();
      for (int64_t j = begin; j < end; ++j)
        params.push_back(paramsOf(process[j]));
      roundColumns(levels,
                   {error.data(), solver.U.data(), K, begin, end, blockEnd,
                    params.data(), found.data() + begin * kTileRows,
                    passedOn.data() + (begin - blockBegin) * kTileRows});
      begin = end;
    }
    if (blockEnd < K)
      gemm(true, false, K - blockEnd, kTileRows, blockEnd - blockBegin, -1.0f,
           solver.U.data() + blockBegin * K + blockEnd, K, passedOn.data(),
           kTileRows, 1.0f, error.data() + blockEnd * kTileRows, kTileRows);
  }
  for (int64_t j = 0; j < K; ++j)
    std::memcpy(&level[process[j] * kTileRows], &found[j * kTileRows],
                kTileRows * sizeof(float));
}

void GPTQSolver::Tile::findErrors() {
  for (int64_t j = 0; j < K; ++j) {
    const float *scales = paramsOf(j).scale;
    for (int64_t r = 0; r < kTileRows; ++r) {
      int64_t at = j * kTileRows + r;
      error[at] = level[at] * scales[r] - weights[at];
    }
  }
}

void GPTQSolver::Tile::findGradient() {
  findErrors();
  gradient.resize(K * kTileRows);
  gemm(false, false, K, kTileRows, K, 1.0f, solver.H.data(), K, error.data(),
       kTileRows, 0.0f, gradient.data(), kTileRows);
}

void GPTQSolver::Tile::descend() {
  std::vector<float> changes;
  std::vector<LaneParams> params;
  for (int64_t begin = 0; begin < K; begin += options.blockSize) {
    int64_t end = std::min(K, begin + options.blockSize);
    changes.resize((end - begin) * kTileRows);
    params.clear();
    for (int64_t j = begin; j < end; ++j)
      params.push_back(paramsOf(j));
    descendColumns(levels, {gradient.data(), solver.H.data(), K, begin, end,
                            params.data(), level.data(), changes.data()});
    auto pass = [&](int64_t from, int64_t to) {
      if (from < to)
        gemm(false, false, to - from, kTileRows, end - begin, 1.0f,
             solver.H.data() + from * K + begin, K, changes.data(), kTileRows,
             1.0f, gradient.data() + from * kTileRows, kTileRows);
    };
    pass(0, begin);
    pass(end, K);
  }
}

/// Solves the positive definite A x = b [n, n] in place of b; false if it is
/// not.
static bool solveDense(int64_t n, double *A, double *b) {
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t k = 0; k < j; ++k)
      A[j * n + j] -= A[j * n + k] * A[j * n + k];
    if (!(A[j * n + j] > 0))
      return false;
    A[j * n + j] = std::sqrt(A[j * n + j]);
    for (int64_t i = j + 1; i < n; ++i) {
      for (int64_t k = 0; k < j; ++k)
        A[i * n + j] -= A[i * n + k] * A[j * n + k];
      A[i * n + j] /= A[j * n + j];
    }
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < i; ++k)
      b[i] -= A[i * n + k] * b[k];
    b[i] /= A[i * n + i];
  }
  for (int64_t i = n; i-- > 0;) {
    for (int64_t k = i + 1; k < n; ++k)
      b[i] -= A[k * n + i] * b[k];
    b[i] /= A[i * n + i];
  }
  return true;
}

/// The scales of a row that are best for its codes: with q_g the levels of
/// group g, A_gh = q_gᵀ H q_h and b_g = q_gᵀ H w, they solve A s = b. A row for
/// which the rounded scales are not better keeps its own.
void GPTQSolver::Tile::refit() {
  if (target.empty()) {
    target.resize(K * kTileRows);
    gemm(false, false, K, kTileRows, K, 1.0f, solver.H.data(), K,
         weights.data(), kTileRows, 0.0f, target.data(), kTileRows);
  }
  // [groups][groups][kTileRows], [groups][kTileRows].
  std::vector<double> normal(groups * groups * kTileRows),
      right(groups * kTileRows);
  std::vector<float> product(K * kTileRows);
  auto dots = [&](const std::vector<float> &with, int64_t g, double *to) {
    for (int64_t j = groupBegin(g); j < groupEnd(g); ++j)
      for (int64_t r = 0; r < kTileRows; ++r)
        to[r] += static_cast<double>(level[j * kTileRows + r]) *
                 with[j * kTileRows + r];
  };
  for (int64_t g = 0; g < groups; ++g) {
    int64_t begin = groupBegin(g), end = groupEnd(g);
    // H is symmetric: only groups up to this one.
    gemm(false, false, end, kTileRows, end - begin, 1.0f,
         solver.H.data() + begin, K, level.data() + begin * kTileRows,
         kTileRows, 0.0f, product.data(), kTileRows);
    for (int64_t h = 0; h <= g; ++h)
      dots(product, h, &normal[(g * groups + h) * kTileRows]);
    dots(target, g, &right[g * kTileRows]);
  }

  std::vector<double> A(groups * groups), b(groups);
  std::vector<float> tried(groups);
  for (int64_t r = 0; r < rows; ++r) {
    auto of = [&](int64_t g, int64_t h) {
      return normal[(std::max(g, h) * groups + std::min(g, h)) * kTileRows + r];
    };
    double trace = 0;
    for (int64_t g = 0; g < groups; ++g)
      trace += of(g, g);
    for (int64_t g = 0; g < groups; ++g) {
      bool isEmpty = !(of(g, g) > 0);
      for (int64_t h = 0; h < groups; ++h)
        A[g * groups + h] = isEmpty ? 0 : of(g, h);
      A[g * groups + g] +=
          isEmpty ? 1 : kRidge * trace / static_cast<double>(groups);
      b[g] = isEmpty ? scale[g * kTileRows + r] : right[g * kTileRows + r];
    }
    if (!solveDense(groups, A.data(), b.data()))
      continue;
    bool isUsable = true;
    for (int64_t g = 0; g < groups; ++g) {
      tried[g] = finishScale(static_cast<float>(b[g]), options.scaleFormat);
      isUsable &= std::isfinite(tried[g]) &&
                  (options.scheme == Scheme::SignedScale || tried[g] > 0);
    }
    // The error less wᵀ H w.
    auto excess = [&](auto scaleOf) {
      double sum = 0;
      for (int64_t g = 0; g < groups; ++g) {
        sum -= 2 * scaleOf(g) * right[g * kTileRows + r];
        for (int64_t h = 0; h < groups; ++h)
          sum += scaleOf(g) * of(g, h) * scaleOf(h);
      }
      return sum;
    };
    double before =
        excess([&](int64_t g) { return double(scale[g * kTileRows + r]); });
    if (!isUsable ||
        !(excess([&](int64_t g) { return double(tried[g]); }) < before))
      continue;
    for (int64_t g = 0; g < groups; ++g)
      scale[g * kTileRows + r] = tried[g];
  }
}

void GPTQSolver::Tile::run(const ScaleArrays *fixed) {
  loadWeights();
  if (fixed)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t g = 0; g < groups; ++g) {
        int64_t at = (firstRow + r) * groups + g;
        setParams(
            g, r,
            {fixed->scale[at], fixed->zeroPoint ? fixed->zeroPoint[at] : 0, 0});
      }
  roundAll(fixed != nullptr);
  bool refits = options.refitScales && !fixed;
  if (options.refinements > 0 && refits)
    refit();
  findGradient();
  for (int round = 0; round < options.refinements; ++round) {
    for (int sweep = 0; sweep < options.sweeps; ++sweep)
      descend();
    if (refits)
      refit();
    findGradient();
  }
}

double GPTQSolver::Tile::finish(GPTQResult &result) {
  QuantizedWeights &out = result.weights;
  unsigned bytes = storageBytes(options.encoding.format);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t g = 0; g < groups; ++g) {
      int64_t at = (firstRow + r) * groups + g;
      out.scale[at] = scale[g * kTileRows + r];
      if (!out.zeroPoint.empty())
        out.zeroPoint[at] = static_cast<int32_t>(zeroPoint[g * kTileRows + r]);
    }
    for (int64_t j = 0; j < K; ++j) {
      auto zero = static_cast<int32_t>(paramsOf(j).zeroPoint[r]);
      uint32_t code = levels.code(level[j * kTileRows + r], zero);
      // Little-endian, as every host of quantc is.
      std::memcpy(&out.stored[((firstRow + r) * K + j) * bytes], &code, bytes);
    }
  }

  // Without the damping.
  auto undamped = [&](const std::vector<float> &values, int64_t r) {
    double sum = 0;
    for (int64_t j = 0; j < K; ++j) {
      double value = values[j * kTileRows + r];
      sum += value * (gradient[j * kTileRows + r] - value * solver.shift[j]);
    }
    return sum;
  };
  for (int64_t r = 0; r < rows; ++r)
    result.rowError[firstRow + r] = undamped(error, r);
  gemm(false, false, K, kTileRows, K, 1.0f, solver.H.data(), K, weights.data(),
       kTileRows, 0.0f, gradient.data(), kTileRows);
  double energy = 0;
  for (int64_t r = 0; r < rows; ++r)
    energy += undamped(weights, r);
  return energy;
}

GPTQResult GPTQSolver::solve(int64_t N, const float *W,
                             const ParallelFor &parallel,
                             const ScaleArrays *fixed) const {
  GPTQResult result;
  int64_t groups = (K + groupSize - 1) / groupSize;
  result.weights.scaleShape = {N, groups};
  result.weights.scale.resize(N * groups);
  if (options.scheme == Scheme::Asymmetric)
    result.weights.zeroPoint.resize(N * groups);
  result.weights.stored.resize(N * K * storageBytes(options.encoding.format));
  Levels levels(options.encoding);
  int64_t tiles = (N + kTileRows - 1) / kTileRows;
  std::vector<double> energies(tiles);
  result.rowError.resize(N);
  parallel(tiles, [&](int64_t t) {
    Tile tile(*this, levels, N, W, t * kTileRows);
    tile.run(fixed);
    energies[t] = tile.finish(result);
  });
  result.error =
      std::accumulate(result.rowError.begin(), result.rowError.end(), 0.0);
  result.energy = std::accumulate(energies.begin(), energies.end(), 0.0);
  return result;
}

GPTQResult betterRows(const GPTQResult &a, const GPTQResult &b) {
  GPTQResult result = a;
  size_t rows = a.rowError.size();
  auto copyRow = [&](auto &to, const auto &from, size_t r) {
    size_t width = from.size() / rows;
    std::copy(from.begin() + r * width, from.begin() + (r + 1) * width,
              to.begin() + r * width);
  };
  for (size_t r = 0; r < rows; ++r) {
    if (!(b.rowError[r] < a.rowError[r]))
      continue;
    result.rowError[r] = b.rowError[r];
    copyRow(result.weights.stored, b.weights.stored, r);
    copyRow(result.weights.scale, b.weights.scale, r);
    copyRow(result.weights.zeroPoint, b.weights.zeroPoint, r);
  }
  result.error =
      std::accumulate(result.rowError.begin(), result.rowError.end(), 0.0);
  return result;
}

} // namespace quantc::numerics
