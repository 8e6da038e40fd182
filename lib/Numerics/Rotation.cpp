//===- Rotation.cpp - Hadamard and other orthogonal matrices --------------===//

#include "quantc/Numerics/Rotation.h"

#include "LinearAlgebra.h"

#include <algorithm>
#include <cmath>

namespace quantc::numerics {
namespace {

constexpr int64_t kRowsOfPart = 64;
/// Larger cores are not applied faster than a dense matrix.
constexpr int64_t kMaxCore = 512;

bool isPrime(int64_t q) {
  if (q < 2)
    return false;
  for (int64_t d = 2; d * d <= q; ++d)
    if (q % d == 0)
      return false;
  return true;
}

/// Whether there is a Hadamard matrix of this order by Paley or trivially.
bool hasHadamard(int64_t m) {
  if (m == 1)
    return true;
  if (m % 4 != 0)
    return false;
  return isPrime(m - 1) || ((m / 2 - 1) % 4 == 1 && isPrime(m / 2 - 1));
}

int64_t oddPart(int64_t n) {
  while (n % 2 == 0)
    n /= 2;
  return n;
}

/// The order m of C for a size of n = 2^k m, 0 if no Hadamard matrix will do.
int64_t hadamardCore(int64_t n) {
  int64_t odd = oddPart(n);
  for (int64_t m = odd; m <= n; m *= 2)
    if (hasHadamard(m))
      return m <= std::max(kMaxCore, odd) ? m : 0;
  return 0;
}

/// Jacobsthal's matrix: [i, j] is 1 if i - j is a square modulo q, -1 if not, 0
/// if it is 0.
std::vector<double> jacobsthal(int64_t q) {
  std::vector<double> character(q, -1);
  for (int64_t i = 0; i < q; ++i)
    character[i * i % q] = 1;
  character[0] = 0;
  std::vector<double> Q(q * q);
  for (int64_t i = 0; i < q; ++i)
    for (int64_t j = 0; j < q; ++j)
      Q[i * q + j] = character[(i - j + q) % q];
  return Q;
}

/// The matrix with border: [[0, 1], [±1, Q]], of order q + 1.
std::vector<double> bordered(int64_t q, double column) {
  std::vector<double> Q = jacobsthal(q);
  int64_t m = q + 1;
  std::vector<double> S(m * m);
  for (int64_t j = 1; j < m; ++j) {
    S[j] = 1;
    S[j * m] = column;
    for (int64_t i = 1; i < m; ++i)
      S[i * m + j] = Q[(i - 1) * q + j - 1];
  }
  return S;
}

/// Paley's constructions; entries ±1.
std::vector<double> paley(int64_t m) {
  if (m == 1)
    return {1};
  if (isPrime(m - 1)) {
    // q = 3 mod 4, Q is skew: I + S.
    std::vector<double> H = bordered(m - 1, -1);
    for (int64_t i = 0; i < m; ++i)
      H[i * m + i] = 1;
    return H;
  }
  // q = 1 mod 4, S is symmetric: S ⊗ [[1, 1], [1, -1]] + I ⊗ [[1, -1], [-1,
  // -1]].
  int64_t half = m / 2;
  std::vector<double> S = bordered(half - 1, 1), H(m * m);
  for (int64_t i = 0; i < half; ++i)
    for (int64_t j = 0; j < half; ++j) {
      double s = S[i * half + j], one = i == j;
      H[2 * i * m + 2 * j] = s + one;
      H[2 * i * m + 2 * j + 1] = s - one;
      H[(2 * i + 1) * m + 2 * j] = s - one;
      H[(2 * i + 1) * m + 2 * j + 1] = -s - one;
    }
  return H;
}

/// SplitMix64, the same everywhere.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// In (0, 1).
  double uniform() {
    return (static_cast<double>(next() >> 12) + 0.5) * 0x1p-52;
  }
  /// By Box and Muller.
  double normal() {
    constexpr double kTwoPi = 6.283185307179586;
    return std::sqrt(-2 * std::log(uniform())) * std::cos(kTwoPi * uniform());
  }

private:
  uint64_t state;
};

} // namespace

bool Rotation::hasHadamardMatrix(int64_t n) { return hadamardCore(n) != 0; }

Rotation::Rotation(int64_t n, std::optional<uint64_t> seed)
    : n(n), m(hadamardCore(n)), hasHadamardCore(m != 0), norm(1),
      signs(n, 1.0) {
  Random random(seed.value_or(0));
  if (hasHadamardCore) {
    core = paley(m);
    norm = 1 / std::sqrt(static_cast<double>(n));
  } else {
    m = oddPart(n);
    core.resize(m * m);
    for (double &entry : core)
      entry = random.normal();
    orthogonalize(m, core.data());
    norm = 1 / std::sqrt(static_cast<double>(n / m));
  }
  if (seed)
    for (double &sign : signs)
      sign = random.next() >> 63 ? -1 : 1;
}

/// One row, seen as [2^k, m]: C on the right, H on the left.
void Rotation::transform(double *row, double *scratch, bool transposed) const {
  if (!transposed)
    for (int64_t j = 0; j < n; ++j)
      row[j] *= signs[j];
  if (m > 1) {
    gemm(false, transposed, n / m, m, m, 1.0, row, m, core.data(), m, 0.0,
         scratch, m);
    std::copy(scratch, scratch + n, row);
  }
  for (int64_t stride = m; stride < n; stride *= 2)
    for (int64_t begin = 0; begin < n; begin += 2 * stride)
      for (int64_t j = begin; j < begin + stride; ++j) {
        double a = row[j], b = row[j + stride];
        row[j] = a + b;
        row[j + stride] = a - b;
      }
  for (int64_t j = 0; j < n; ++j)
    row[j] *= transposed ? norm * signs[j] : norm;
}

void Rotation::forRows(int64_t rows, float *x, bool transposed,
                       const ParallelFor &parallel) const {
  parallel((rows + kRowsOfPart - 1) / kRowsOfPart, [&](int64_t part) {
    std::vector<double> row(n), scratch(n);
    int64_t end = std::min(rows, (part + 1) * kRowsOfPart);
    for (int64_t r = part * kRowsOfPart; r < end; ++r) {
      std::copy(x + r * n, x + (r + 1) * n, row.begin());
      transform(row.data(), scratch.data(), transposed);
      for (int64_t j = 0; j < n; ++j)
        x[r * n + j] = static_cast<float>(row[j]);
    }
  });
}

void Rotation::apply(int64_t rows, float *x,
                     const ParallelFor &parallel) const {
  forRows(rows, x, false, parallel);
}

void Rotation::applyTransposed(int64_t rows, float *x,
                               const ParallelFor &parallel) const {
  forRows(rows, x, true, parallel);
}

std::vector<float> Rotation::matrix() const {
  std::vector<float> R(n * n);
  for (int64_t i = 0; i < n; ++i)
    R[i * n + i] = 1;
  apply(n, R.data());
  return R;
}

} // namespace quantc::numerics
