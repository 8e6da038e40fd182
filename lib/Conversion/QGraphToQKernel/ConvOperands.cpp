//===- ConvOperands.cpp - What kernels of convolutions read ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConvOperands.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace quantc::qkernel {

ConvOperands::ConvOperands(ConvOp op, const ConvShape &shape, KernelBody &body)
    : body(body), builder(body.builder), loc(body.loc),
      extents(shape, body, body.inputs[0], body.outputs[0]),
      epilogue(body, op.getEpilogue(),
               ArrayRef<Value>(body.inputs)
                   .drop_back(op.getDims().size())
                   .take_back(op.getEpilogueOperands().size()),
               op.getEpilogueOperands().getTypes(),
               cast<RankedTensorType>(op.getType())) {
  unsigned next = 1;
  if (op.getInputScale())
    scale = body.flatten(body.inputs[next++]);
  if (op.getInputZeroPoint())
    zeroPoint = body.flatten(body.inputs[next++]);
  packed = body.inputs[next];
  input = body.flatten(body.inputs[0]);
  output = body.asRows(body.outputs[0]);
}

Value ConvOperands::loadParams(Value offset, Type element) {
  Value raw = vector::LoadOp::create(
      builder, loc, VectorType::get({kLanes * 4}, builder.getI8Type()), packed,
      ValueRange{offset});
  return vector::BitCastOp::create(builder, loc, laneType(element), raw);
}

Value ConvOperands::perImage(Value memref, Value image) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.hasStaticShape() && type.getNumElements() == 1)
    image = body.index(0);
  return memref::LoadOp::create(builder, loc, memref, ValueRange{image});
}

Value ConvOperands::imageScale(Value image) {
  Value factor = perImage(scale, image);
  if (!factor.getType().isF32())
    factor = arith::ExtFOp::create(builder, loc, builder.getF32Type(), factor);
  return splat(body, factor);
}

} // namespace quantc::qkernel
