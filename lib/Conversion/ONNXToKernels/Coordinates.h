//===- Coordinates.h - Real positions in tensors ----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOKERNELS_COORDINATES_H
#define QUANTC_LIB_CONVERSION_ONNXTOKERNELS_COORDINATES_H

#include "Reduce.h"

namespace quantc::onnx_kernels {

/// The number of an index value as a float of `type`.
mlir::Value toReal(KernelBody &body, mlir::Value index, mlir::Type type);
/// A float, truncated towards zero, as an index value. What is beyond 2^30 on
/// either side is taken as +-2^30, so that the sum of a few is no overflow; NaN
/// as -2^30.
mlir::Value toIndex(KernelBody &body, mlir::Value real);
/// An f32 or f64 as the other, or as it is.
mlir::Value convertReal(KernelBody &body, mlir::Value real, mlir::Type type);
/// An element as the type that it is computed with (see `realType`).
mlir::Value loadReal(KernelBody &body, mlir::Value memory, mlir::Value index,
                     mlir::Type element);
/// A computed value as an element: a float rounded, an integer rounded (half to
/// even) and clamped.
mlir::Value fromReal(KernelBody &body, mlir::Value real, mlir::Type element);
/// f64 for f64, f32 for all others.
mlir::Type realType(mlir::Type element);

/// The cubic convolution kernel of R. Keys, "Cubic Convolution Interpolation
/// for Digital Image Processing" (1981), at `distance`; `a` is its slope.
mlir::Value cubicWeight(MathEmitter &m, mlir::Value distance, double a);

} // namespace quantc::onnx_kernels

#endif // QUANTC_LIB_CONVERSION_ONNXTOKERNELS_COORDINATES_H
