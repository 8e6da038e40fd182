//===- Values.h - Inputs of kernel tests, and bitwise comparison *- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_UNITTESTS_CONVERSION_KERNELS_VALUES_H
#define QUANTC_UNITTESTS_CONVERSION_KERNELS_VALUES_H

#include "ModelRunner.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

namespace quantc::testing {

inline std::vector<float> floats(int64_t n, unsigned seed, float low = -2,
                                 float high = 2) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> distribution(low, high);
  std::vector<float> values(n);
  for (float &x : values)
    x = distribution(random);
  return values;
}

/// Whole numbers in [low, high]; one in four is an end of the range.
template <typename T>
std::vector<T> integers(int64_t n, unsigned seed, int64_t low, int64_t high) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int64_t> distribution(low, high), kind(0, 7);
  std::vector<T> values(n);
  for (T &x : values) {
    int64_t k = kind(random), value = distribution(random);
    x = static_cast<T>(k == 0 ? low : k == 1 ? high : value);
  }
  return values;
}

/// Every bit is equal; a NaN equals every NaN. `where` says which run it is.
template <typename T>
::testing::AssertionResult sameBits(const T *actual, const T *expected,
                                    size_t n, const std::string &where) {
  for (size_t i = 0; i < n; ++i) {
    if (std::memcmp(&actual[i], &expected[i], sizeof(T)) == 0)
      continue;
    if constexpr (std::is_floating_point_v<T>)
      if (std::isnan(actual[i]) && std::isnan(expected[i]))
        continue;
    auto failure = ::testing::AssertionFailure();
    failure << where << ": element " << i << " is ";
    if constexpr (std::is_floating_point_v<T>)
      failure << std::hexfloat << actual[i] << ", not " << expected[i];
    else
      failure << +actual[i] << ", not " << +expected[i];
    return failure;
  }
  return ::testing::AssertionSuccess();
}

template <typename T>
::testing::AssertionResult sameBits(const Buffer &actual,
                                    const std::vector<T> &expected,
                                    const std::string &where) {
  std::vector<T> values = actual.as<T>();
  if (values.size() != expected.size())
    return ::testing::AssertionFailure()
           << where << ": " << values.size() << " elements, not "
           << expected.size();
  return sameBits(values.data(), expected.data(), values.size(), where);
}

inline std::string describe(const Way &way, int threads) {
  return way.name() + ", " + std::to_string(threads) + " threads";
}

} // namespace quantc::testing

#endif // QUANTC_UNITTESTS_CONVERSION_KERNELS_VALUES_H
