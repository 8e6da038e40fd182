//===- Regions.h - What branches and loops have in common -------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_REGIONS_H
#define QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_REGIONS_H

#include "Walk.h"

namespace quantc::onnx_to_qgraph {

/// The type of a tensor of which some dimensions are known; the others (null)
/// are dynamic.
mlir::RankedTensorType typeOfKnown(mlir::Type element,
                                   llvm::ArrayRef<Dim> dims);
/// A result, or an argument, of a region's op; dimensions that are not known
/// (null) are asked of it.
TensorInfo regionResult(Walk &walk, mlir::Value result,
                        llvm::ArrayRef<Dim> known);

} // namespace quantc::onnx_to_qgraph

#endif // QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_REGIONS_H
