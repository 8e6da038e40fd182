//===- OnlineRotation.cpp - Rotations while the model runs ----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OnlineRotation.h"

#include "SplitNodes.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/LayerPrecision.h"

#include <algorithm>

using namespace mlir;

namespace quantc::qgraph {

std::string whyNotRotatedOnline(LinearOp layer) {
  RankedTensorType weight = layer.getWeight().getType();
  if (layer.getWeight().getDefiningOp<DequantizeOp>())
    return "its weight is quantized already";
  if (!isConstant(layer.getWeight()) ||
      !isa<FloatType>(weight.getElementType()))
    return "its weight is known only while the model runs";
  RankedTensorType input = layer.getInput().getType();
  if (!input.getElementType().isF32())
    return "its input is not f32";
  if (layer.getInput().getDefiningOp<DequantizeOp>())
    return "its input is quantized already";
  if (layer.getInput().getDefiningOp<ObserveOp>())
    return "its input is observed: rotations come before calibration sites";
  return {};
}

int64_t chooseOnlineBlock(int64_t channels, int64_t columns, int64_t most) {
  most = std::min(
      {most, channels, static_cast<int64_t>(kMostCost * double(columns))});
  for (int64_t block = most; block >= kLeastBlock; --block)
    if (channels % block == 0 && numerics::Rotation::hasHadamardMatrix(block))
      return block;
  return 0;
}

llvm::Expected<Value>
rotateOnline(Value input, const numerics::Rotation &matrix, StringRef name) {
  OpBuilder builder(input.getContext());
  builder.setInsertionPointAfterValue(input);
  Location loc = input.getLoc();
  int64_t size = matrix.size();
  llvm::Expected<TypedAttr> weight =
      makeConstant(RankedTensorType::get({size, size}, builder.getF32Type()),
                   "rotation-" + std::to_string(size) + "@rotate",
                   [&](MutableArrayRef<char> bytes) {
                     // A layer multiplies by the transpose of its weight.
                     std::vector<float> identity(size * size);
                     for (int64_t i = 0; i < size; ++i)
                       identity[i * size + i] = 1;
                     matrix.applyTransposed(size, identity.data());
                     storeFloats(identity, builder.getF32Type(), bytes.data());
                   });
  if (!weight)
    return weight.takeError();
  auto type = cast<RankedTensorType>(input.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.back() /= size;
  shape.push_back(size);
  RankedTensorType blocks = type.clone(shape);
  SmallVector<Value> dims = dynamicDims(builder, type, input);
  DictionaryAttr none = builder.getDictionaryAttr({});
  Value split = makeNode(builder, loc, "Reshape", blocks, input, dims, none);
  Value constant = ConstantOp::create(builder, loc, *weight);
  auto product = LinearOp::create(
      builder, loc, blocks, split, constant, /*bias=*/Value(),
      /*epilogue_operands=*/ValueRange(), builder.getArrayAttr({}),
      name.empty() ? StringAttr() : builder.getStringAttr(name));
  product->setDiscardableAttr(kPartAttr, builder.getUnitAttr());
  return makeNode(builder, loc, "Reshape", type, product.getResult(), dims,
                  none);
}

} // namespace quantc::qgraph
