//===- LinearAlgebra.cpp - Dense matrices by BLAS and LAPACK --------------===//

#include "LinearAlgebra.h"

#include <vector>

// The Fortran interface, which every build of OpenBLAS has: column-major, 32
// bit integers.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" {
void sgemm_(const char *transA, const char *transB, const int *m, const int *n,
            const int *k, const float *alpha, const float *a, const int *lda,
            const float *b, const int *ldb, const float *beta, float *c,
            const int *ldc);
void dgemm_(const char *transA, const char *transB, const int *m, const int *n,
            const int *k, const double *alpha, const double *a, const int *lda,
            const double *b, const int *ldb, const double *beta, double *c,
            const int *ldc);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda,
             int *info);
void dtrtri_(const char *uplo, const char *diag, const int *n, double *a,
             const int *lda, int *info);
void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau,
             double *work, const int *lwork, int *info);
void dorgqr_(const int *m, const int *n, const int *k, double *a,
             const int *lda, const double *tau, double *work, const int *lwork,
             int *info);
void openblas_set_num_threads(int count);
}
// NOLINTEND(readability-identifier-naming)

namespace quantc::numerics {
namespace {

void useOneThread() {
  static const bool done = (openblas_set_num_threads(1), true);
  (void)done;
}

/// A leading dimension BLAS accepts for an empty matrix too.
int leading(int64_t ld) { return static_cast<int>(ld > 0 ? ld : 1); }

/// Row-major C = A B is column-major Cᵀ = Bᵀ Aᵀ.
template <typename T, typename Routine>
void multiply(Routine routine, bool transposeA, bool transposeB, int64_t m,
              int64_t n, int64_t k, T alpha, const T *A, int64_t ldA,
              const T *B, int64_t ldB, T beta, T *C, int64_t ldC) {
  useOneThread();
  int rows = static_cast<int>(n), columns = static_cast<int>(m),
      depth = static_cast<int>(k);
  int lda = leading(ldA), ldb = leading(ldB), ldc = leading(ldC);
  routine(transposeB ? "T" : "N", transposeA ? "T" : "N", &rows, &columns,
          &depth, &alpha, B, &ldb, A, &lda, &beta, C, &ldc);
}

} // namespace

void gemm(bool transposeA, bool transposeB, int64_t m, int64_t n, int64_t k,
          float alpha, const float *A, int64_t ldA, const float *B, int64_t ldB,
          float beta, float *C, int64_t ldC) {
  multiply(sgemm_, transposeA, transposeB, m, n, k, alpha, A, ldA, B, ldB, beta,
           C, ldC);
}

void gemm(bool transposeA, bool transposeB, int64_t m, int64_t n, int64_t k,
          double alpha, const double *A, int64_t ldA, const double *B,
          int64_t ldB, double beta, double *C, int64_t ldC) {
  multiply(dgemm_, transposeA, transposeB, m, n, k, alpha, A, ldA, B, ldB, beta,
           C, ldC);
}

// The lower triangle of a row-major matrix is the upper one to Fortran, where
// A = Uᵀ U with U = Lᵀ.

bool choleskyLower(int64_t n, double *A) {
  useOneThread();
  int size = static_cast<int>(n), lda = leading(n), info = 0;
  dpotrf_("U", &size, A, &lda, &info);
  return info == 0;
}

bool invertLower(int64_t n, double *L) {
  useOneThread();
  int size = static_cast<int>(n), lda = leading(n), info = 0;
  dtrtri_("U", "N", &size, L, &lda, &info);
  return info == 0;
}

void orthogonalize(int64_t n, double *A) {
  useOneThread();
  int size = static_cast<int>(n), lda = leading(n), info = 0;
  int workSize = static_cast<int>(64 * n);
  std::vector<double> tau(n), work(workSize);
  // The transpose is decomposed: Aᵀ = Q R, and Qᵀ is what is left in A.
  dgeqrf_(&size, &size, A, &lda, tau.data(), work.data(), &workSize, &info);
  std::vector<bool> isNegative(n);
  for (int64_t i = 0; i < n; ++i)
    isNegative[i] = A[i * n + i] < 0;
  dorgqr_(&size, &size, &size, A, &lda, tau.data(), work.data(), &workSize,
          &info);
  for (int64_t i = 0; i < n; ++i)
    if (isNegative[i])
      for (int64_t j = 0; j < n; ++j)
        A[i * n + j] = -A[i * n + j];
}

} // namespace quantc::numerics
