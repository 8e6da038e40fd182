//===- LinearAlgebra.h - Dense matrices by BLAS and LAPACK ------*- C++ -*-===//
//
// What the solvers need of BLAS and LAPACK, for row-major matrices. Every
// function runs on the thread that calls it: the work is split by the solvers,
// so that no result depends on the number of threads.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_LINEARALGEBRA_H
#define QUANTC_NUMERICS_LINEARALGEBRA_H

#include <cstdint>

namespace quantc::numerics {

/// C [m, n] = beta C + alpha A [m, k] B [k, n]; `ld*`: elements from one row to
/// the next. `transposeA`: A is stored [k, m]; `transposeB`: B is stored
/// [n, k].
void gemm(bool transposeA, bool transposeB, int64_t m, int64_t n, int64_t k,
          float alpha, const float *A, int64_t ldA, const float *B, int64_t ldB,
          float beta, float *C, int64_t ldC);
void gemm(bool transposeA, bool transposeB, int64_t m, int64_t n, int64_t k,
          double alpha, const double *A, int64_t ldA, const double *B,
          int64_t ldB, double beta, double *C, int64_t ldC);

/// The lower triangle of the symmetric A [n, n] becomes L with A = L Lᵀ; what
/// is above is neither read nor written. False if A is not positive definite; A
/// is spoilt then.
bool choleskyLower(int64_t n, double *A);

/// The lower triangle of L [n, n] becomes that of its inverse. False if a
/// diagonal entry is 0.
bool invertLower(int64_t n, double *L);

/// A [n, n] becomes the orthogonal factor Q of its QR decomposition, with signs
/// that make R's diagonal positive: uniformly distributed for a matrix of
/// normal numbers.
void orthogonalize(int64_t n, double *A);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_LINEARALGEBRA_H
