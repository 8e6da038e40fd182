//===- Rotation.h - Hadamard and other orthogonal matrices ------*- C++ -*-===//
//
// An orthogonal matrix R spreads outliers over all channels (QuaRot,
// arXiv:2404.00456): x Wᵀ = (x R) (W R)ᵀ. For a size of 2^k m it is
//
//     R = D (H ⊗ C) / norm,
//
// with D a diagonal of random signs (QuIP#, arXiv:2402.04396), H the Hadamard
// matrix of order 2^k by Sylvester and C of order m: a Hadamard matrix by Paley
// (order q + 1 for a prime q = 3 mod 4, 2 (q + 1) for a prime q = 1 mod 4: 12,
// 20, 28, 36, 44, ...), or, where there is none, a random orthogonal matrix.
// The smallest m with a Hadamard matrix is taken, since applying R costs n (k +
// m) for each row.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_ROTATION_H
#define QUANTC_NUMERICS_ROTATION_H

#include "quantc/Numerics/Parallel.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace quantc::numerics {

class Rotation {
public:
  /// Of size n >= 1. Without a seed all signs are +; a random core, if one is
  /// needed, then has seed 0.
  explicit Rotation(int64_t n, std::optional<uint64_t> seed = std::nullopt);

  /// Whether a rotation of size n >= 1 is one with `isHadamard`.
  static bool hasHadamardMatrix(int64_t n);

  int64_t size() const { return n; }
  /// All entries are ±1/sqrt(n).
  bool isHadamard() const { return hasHadamardCore; }
  /// m, and 2^k = size() / coreSize().
  int64_t coreSize() const { return m; }

  /// x [rows, n] becomes x R.
  void apply(int64_t rows, float *x,
             const ParallelFor &parallel = runInOrder) const;
  /// x [rows, n] becomes x Rᵀ, which undoes `apply`.
  void applyTransposed(int64_t rows, float *x,
                       const ParallelFor &parallel = runInOrder) const;

  /// R [n, n], row-major.
  std::vector<float> matrix() const;

private:
  void transform(double *row, double *scratch, bool transposed) const;
  void forRows(int64_t rows, float *x, bool transposed,
               const ParallelFor &parallel) const;

  int64_t n, m;
  bool hasHadamardCore;
  double norm;
  std::vector<double> core;  // [m, m]
  std::vector<double> signs; // [n]
};

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_ROTATION_H
