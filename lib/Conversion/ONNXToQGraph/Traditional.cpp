//===- Traditional.cpp - Operators of ai.onnx.ml -------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What stands beside networks in a model that other libraries have exported:
// each is one or two operators of the standard.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

#include <cmath>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

/// Elements of the last axis at the indices, which may have any shape; of a
/// vector as a matrix with one row.
static LogicalResult handleArrayFeatureExtractor(Node &node) {
  Walk &walk = node.walk;
  if (node.in(0).rank() == 0)
    return node.unsupported("its input is a scalar");
  TensorInfo data = walk.toRank(node.in(0), 2), indices = node.in(1);
  indices = walk.reshape(indices, {walk.arith.product(indices.dims)});
  Dims dims = data.dims;
  dims.back() = indices.dims[0];
  node.set(0, walk.node("Gather", {&data, &indices}, data.elementType, dims,
                        {{"axis", walk.integerAttr(data.rank() - 1)}}));
  return success();
}

/// 1 for what is above the threshold, else 0.
static LogicalResult handleBinarizer(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  Type type = input.elementType;
  double threshold = node.real("threshold", 0);
  TensorInfo limit;
  if (auto integer = dyn_cast<IntegerType>(type)) {
    // An integer is above a number where it is above the integer below it.
    double most = std::ldexp(1.0, int(integer.getWidth()) - 1);
    double below = std::floor(threshold);
    if (!(below >= -most && below < most))
      return node.unsupported("its threshold is no " +
                              Twine(type.getIntOrFloatBitWidth()) +
                              " bit integer");
    limit = walk.fromElements(type, {}, {walk.arith.constant(int64_t(below))});
  } else {
    limit = walk.scalar(threshold, type);
  }
  FailureOr<TensorInfo> above =
      walk.elementwise("Greater", {&input, &limit}, walk.builder.getI1Type());
  if (failed(above))
    return failure();
  node.set(0, walk.convert(*above, type));
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::traditionalHandlers() {
  static constexpr Handler table[] = {
      {"ai.onnx.ml", "ArrayFeatureExtractor", 1, kNewest,
       handleArrayFeatureExtractor},
      {"ai.onnx.ml", "Binarizer", 1, kNewest, handleBinarizer},
  };
  return table;
}
