//===- Arrays.h - Arrays of Python as values of the runtime -----*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// In: anything with `__dlpack__` or a buffer is read where it lies; NumPy
// arrays of the ml_dtypes types (bfloat16, float8_*), which NumPy exports
// neither way, likewise. Types of less than 8 bits (int4, float4_e2m1fn, ...),
// one element a byte in NumPy, are packed into a copy. Out: always fresh NumPy
// arrays.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_PYTHON_ARRAYS_H
#define QUANTC_PYTHON_ARRAYS_H

#include "quantc/runtime.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace quantc::python {

/// Becomes quantc.Error.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// NumPy's and ml_dtypes' name of a DLPack type; "" if there is none.
std::string typeName(int64_t code, int64_t bits);

/// An input, kept alive and in place for as long as its value is used: an
/// array, a list or tuple of arrays for a sequence, None for what is missing.
class Input {
public:
  /// Reads `object` as the input that `info` describes. Only what Python must
  /// know is checked here; type, rank and sizes are the runtime's to check.
  /// Throws Error if `object` is no array.
  Input(nanobind::handle object, const quantc_tensor_info &info);

  quantc_value value() const;

private:
  nanobind::ndarray<nanobind::ro> array;
  std::vector<int64_t> packedShape;
  std::vector<Input> items; ///< of a sequence
  std::vector<quantc_value> itemValues;
  bool sequence = false;
  int64_t code = 0, bits = 0; ///< what the array holds, where it cannot say so
  bool none = false;
};

/// A copy of an output as a NumPy array, a list of them, or None.
nanobind::object outputArray(const quantc_value &value);

} // namespace quantc::python

#endif // QUANTC_PYTHON_ARRAYS_H
