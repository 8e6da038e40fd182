//===- GPTQ.cpp - What depends on H alone ---------------------------------===//

#include "quantc/Numerics/GPTQ.h"

#include "LinearAlgebra.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace quantc::numerics {
namespace {

/// Least damping that is tried where none was asked for and none is not enough.
constexpr double kFirstDamping = 1e-4;

/// Rows of one part of a product.
constexpr int64_t kRowsOfPart = 64;

std::string checkHessian(int64_t K, const float *H) {
  for (int64_t i = 0; i < K * K; ++i)
    if (!std::isfinite(H[i]))
      return "XᵀX has an entry that is no number, of columns " +
             std::to_string(i / K) + " and " + std::to_string(i % K);
  for (int64_t j = 0; j < K; ++j)
    if (H[j * K + j] < 0)
      return "XᵀX has a negative diagonal entry, of column " +
             std::to_string(j);
  return {};
}

/// U with H⁻¹ = Uᵀ U, upper, for `H` [K, K] taken in the order `process`. False
/// if it is not positive definite.
///
/// With the order reversed, H = L Lᵀ is, read backwards, Ũ Ũᵀ with an upper Ũ,
/// whose inverse is U.
bool upperFactor(int64_t K, const std::vector<float> &H,
                 const std::vector<int32_t> &process, std::vector<float> &U) {
  std::vector<double> L(K * K);
  for (int64_t i = 0; i < K; ++i)
    for (int64_t j = 0; j <= i; ++j)
      L[i * K + j] = H[process[K - 1 - i] * K + process[K - 1 - j]];
  if (!choleskyLower(K, L.data()) || !invertLower(K, L.data()))
    return false;
  U.assign(K * K, 0);
  for (int64_t i = 0; i < K; ++i)
    for (int64_t j = i; j < K; ++j)
      U[i * K + j] = static_cast<float>(L[(K - 1 - i) * K + K - 1 - j]);
  for (int64_t i = 0; i < K; ++i)
    if (!std::isfinite(U[i * K + i]) || !(U[i * K + i] > 0))
      return false;
  return true;
}

/// Columns by falling H_jj.
std::vector<int32_t> byDiagonal(int64_t K, const float *H) {
  std::vector<int32_t> order(K);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    float ha = H[a * K + a], hb = H[b * K + b];
    return ha != hb ? ha > hb : a < b;
  });
  return order;
}

/// Groups by falling mean H_jj, and inside each its columns by H_jj.
std::vector<int32_t> byGroups(int64_t K, int64_t groupSize, const float *H) {
  int64_t groups = (K + groupSize - 1) / groupSize;
  std::vector<double> mean(groups);
  for (int64_t g = 0; g < groups; ++g) {
    int64_t end = std::min(K, (g + 1) * groupSize);
    for (int64_t j = g * groupSize; j < end; ++j)
      mean[g] += H[j * K + j];
    mean[g] /= static_cast<double>(end - g * groupSize);
  }
  std::vector<int32_t> groupOrder(groups);
  std::iota(groupOrder.begin(), groupOrder.end(), 0);
  std::sort(groupOrder.begin(), groupOrder.end(), [&](int32_t a, int32_t b) {
    return mean[a] != mean[b] ? mean[a] > mean[b] : a < b;
  });
  std::vector<std::vector<int32_t>> members(groups);
  for (int32_t column : byDiagonal(K, H))
    members[column / groupSize].push_back(column);
  std::vector<int32_t> order;
  for (int32_t g : groupOrder)
    order.insert(order.end(), members[g].begin(), members[g].end());
  return order;
}

} // namespace

std::string GPTQSolver::create(const GPTQOptions &options, int64_t K,
                               const float *H, GPTQSolver &solver) {
  if (options.scheme == Scheme::MeanAbs ||
      options.scheme == Scheme::AsymmetricOffset)
    return "GPTQ has no scheme '" + std::string(schemeName(options.scheme)) +
           "'; take symmetric, signed_scale, asymmetric or power_of_two";
  if (!info(options.encoding.format).isInteger &&
      info(options.encoding.format).bits > 8)
    return "GPTQ rounds to formats of few values, not to " +
           std::string(formatName(options.encoding.format));
  if (options.groupSize < 0 || options.blockSize < 1)
    return "the group size or block size is negative";
  if (K < 1)
    return "there are no columns";
  if (std::string reason = checkHessian(K, H); !reason.empty())
    return reason;

  GPTQSolver made;
  made.options = options;
  made.K = K;
  made.groupSize = options.groupSize == 0 ? K : std::min(options.groupSize, K);
  made.process.resize(K);
  std::iota(made.process.begin(), made.process.end(), 0);
  std::vector<int32_t> natural = made.process;
  switch (options.order) {
  case ActOrder::None:
    break;
  case ActOrder::Columns:
    made.process = byDiagonal(K, H);
    break;
  case ActOrder::Groups:
    made.process = byGroups(K, made.groupSize, H);
    break;
  case ActOrder::Permuted:
    made.stored = natural = byDiagonal(K, H);
    break;
  }

  // Blocks hold whole groups, or parts of one group.
  bool isContiguous = options.order != ActOrder::Columns;
  auto groupOf = [&](int64_t j) { return made.process[j] / made.groupSize; };
  for (int64_t begin = 0; begin < K;) {
    made.blocks.push_back(begin);
    int64_t end = std::min(K, begin + options.blockSize);
    if (isContiguous && end < K && groupOf(begin) != groupOf(end))
      while (end > begin + 1 && groupOf(end - 1) == groupOf(end))
        --end;
    begin = end;
  }
  made.blocks.push_back(K);

  made.H.resize(K * K);
  double trace = 0;
  for (int64_t i = 0; i < K; ++i) {
    trace += H[natural[i] * K + natural[i]];
    for (int64_t j = 0; j < K; ++j)
      made.H[i * K + j] = H[natural[i] * K + natural[j]];
  }
  double mean = trace > 0 ? trace / static_cast<double>(K) : 1;
  std::vector<float> diagonal(K);
  for (int64_t j = 0; j < K; ++j) {
    diagonal[j] = made.H[j * K + j];
    made.deadCount += diagonal[j] == 0;
  }
  made.shift.resize(K);
  auto damp = [&](double fraction) {
    for (int64_t j = 0; j < K; ++j) {
      double to = diagonal[j] == 0 ? mean : diagonal[j];
      made.H[j * K + j] = static_cast<float>(to + fraction * mean);
      made.shift[j] = made.H[j * K + j] - diagonal[j];
    }
  };
  double damping = options.damping;
  while (true) {
    damp(damping);
    if (upperFactor(K, made.H, made.process, made.U))
      break;
    if (damping >= 1)
      return "XᵀX is not positive definite with any damping up to its mean "
             "diagonal; calibrate with more, or other, samples";
    damping = std::min(1.0, damping > 0 ? damping * 10 : kFirstDamping);
  }
  if (options.refineDamping)
    damp(*options.refineDamping);
  made.usedDamping = damping;
  solver = std::move(made);
  return {};
}

std::string calibrationTarget(int64_t N, int64_t K, const float *W,
                              const TargetInputs &inputs,
                              std::vector<float> &target,
                              const ParallelFor &parallel) {
  // A solver's factor of H in the order of the columns.
  GPTQOptions options;
  options.damping = inputs.damping;
  std::vector<float> U;
  {
    GPTQSolver solver;
    if (std::string reason = GPTQSolver::create(options, K, inputs.H, solver);
        !reason.empty())
      return reason;
    U = std::move(solver.U);
  }
  std::vector<float> difference(inputs.cross ? K * K : 0);
  for (size_t i = 0; i < difference.size(); ++i)
    difference[i] = static_cast<float>(
        inputs.strength * (static_cast<double>(inputs.cross[i]) - inputs.H[i]));
  target.assign(W, W + N * K);
  parallel((N + kRowsOfPart - 1) / kRowsOfPart, [&](int64_t part) {
    int64_t begin = part * kRowsOfPart;
    int64_t rows = std::min(kRowsOfPart, N - begin);
    std::vector<float> a(rows * K), b(rows * K);
    if (inputs.residual)
      for (int64_t i = 0; i < rows * K; ++i)
        a[i] = static_cast<float>(inputs.residualStrength *
                                  inputs.residual[begin * K + i]);
    if (inputs.cross)
      gemm(false, false, rows, K, K, 1.0f, W + begin * K, K, difference.data(),
           K, 1.0f, a.data(), K);
    // (H + damping)⁻¹ = Uᵀ U.
    gemm(false, true, rows, K, K, 1.0f, a.data(), K, U.data(), K, 0.0f,
         b.data(), K);
    gemm(false, false, rows, K, K, 1.0f, b.data(), K, U.data(), K, 1.0f,
         target.data() + begin * K, K);
  });
  return {};
}

double quadraticError(int64_t N, int64_t K, const float *E, const float *H,
                      const ParallelFor &parallel) {
  int64_t parts = (N + kRowsOfPart - 1) / kRowsOfPart;
  std::vector<double> sums(parts);
  parallel(parts, [&](int64_t part) {
    int64_t begin = part * kRowsOfPart;
    int64_t rows = std::min(kRowsOfPart, N - begin);
    std::vector<float> product(rows * K);
    gemm(false, false, rows, K, K, 1.0f, E + begin * K, K, H, K, 0.0f,
         product.data(), K);
    for (int64_t i = 0; i < rows * K; ++i)
      sums[part] += static_cast<double>(product[i]) * E[begin * K + i];
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

} // namespace quantc::numerics
