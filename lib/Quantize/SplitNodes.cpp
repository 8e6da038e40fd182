//===- SplitNodes.cpp - What a layer that is split is made of -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SplitNodes.h"
#include "quantc/Dialect/ONNX/Proto.h"
#include "quantc/Dialect/QGraph/Shapes.h"

using namespace mlir;

namespace quantc::qgraph {

SmallVector<Value> dynamicDims(OpBuilder &builder, RankedTensorType type,
                               Value like) {
  SmallVector<Value> dims;
  for (auto [extent, dim] :
       llvm::zip_equal(type.getShape(), getDims(builder, like)))
    if (ShapedType::isDynamic(extent))
      dims.push_back(getIndexValue(builder, like.getLoc(), dim));
  return dims;
}

Value makeNode(OpBuilder &builder, Location loc, StringRef opType,
               RankedTensorType type, ValueRange operands, ValueRange dims,
               DictionaryAttr attributes) {
  int64_t version =
      onnx_ir::sinceVersion(opType, "", onnx_ir::latestOpset("")).value_or(13);
  return onnx_ir::NodeOp::create(builder, loc, TypeRange(type), operands, dims,
                                 opType, /*domain=*/"", version, attributes,
                                 /*name=*/StringAttr(),
                                 /*subgraph_names=*/ArrayAttr(),
                                 /*subgraphsCount=*/0)
      .getResult(0);
}

Value makeOne(OpBuilder &builder, Location loc) {
  auto type = RankedTensorType::get({1, 1}, builder.getF32Type());
  return ConstantOp::create(builder, loc, DenseElementsAttr::get(type, 1.0f));
}

LinearOp makePart(LinearOp linear, Value input, Value weight, Value bias,
                  StringRef suffix) {
  OpBuilder builder(linear);
  StringAttr name = linear.getNameAttr();
  if (name)
    name = builder.getStringAttr(name.getValue() + suffix);
  return LinearOp::create(builder, linear.getLoc(), linear.getType(), input,
                          weight, bias, /*epilogue_operands=*/ValueRange(),
                          builder.getArrayAttr({}), name);
}

} // namespace quantc::qgraph
