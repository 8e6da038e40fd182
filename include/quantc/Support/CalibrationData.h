//===- CalibrationData.h - The user's samples -------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_SUPPORT_CALIBRATIONDATA_H
#define QUANTC_SUPPORT_CALIBRATIONDATA_H

#include "quantc/Support/Executor.h"

#include <map>
#include <string>

namespace quantc {

/// Arrays that are named as the inputs of a model and have the samples as
/// their first dimension. They stay on disk until they are read.
class CalibrationData {
public:
  /// Opens a safetensors file. Errors name it: it cannot be read, holds no
  /// array, no sample, or arrays of different numbers of samples; values that
  /// are NaN or infinite, with the array and the sample.
  static llvm::Expected<CalibrationData> open(llvm::StringRef path);

  int64_t samples() const { return count; }

  /// Input `name` of a sample, valid as long as this object. `input` is what
  /// the model takes; extents below 0 may be any. An array of its rank gives
  /// slices of extent 1, one of a rank more slices without the first dimension.
  /// Errors: there is no such array (lists those there are), or it does not
  /// fit.
  llvm::Expected<TensorView> get(llvm::StringRef name, int64_t sample,
                                 const WeightType &input) const;

private:
  std::string path;
  int64_t count = 0;
  std::map<std::string, WeightHandle> arrays;
};

} // namespace quantc

#endif // QUANTC_SUPPORT_CALIBRATIONDATA_H
