//===- Slices.h - Parts of tensors ------------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_SLICES_H
#define QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_SLICES_H

#include "Walk.h"

namespace quantc::onnx_to_qgraph {

/// The result of picking elements of small tensors: `source(i)` is the position
/// of element i.
TensorInfo
pickElements(Walk &walk, TensorInfo &from, llvm::ArrayRef<int64_t> shape,
             llvm::function_ref<int64_t(llvm::ArrayRef<int64_t>)> source);

/// One axis of a slice: element i of the result is element start + i * step.
struct AxisSlice {
  int64_t axis;
  Dim start, step, length;
};

/// `onnx.node "Slice"` in its canonical form: `axes`, `starts`, `steps` (and
/// `ends` where they are numbers) in attributes, the extents from the result;
/// or starts as a second input, and steps as a fifth, where one is only known
/// at run time.
TensorInfo buildSlice(Walk &walk, TensorInfo &input,
                      llvm::ArrayRef<AxisSlice> slices);

} // namespace quantc::onnx_to_qgraph

#endif // QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_SLICES_H
