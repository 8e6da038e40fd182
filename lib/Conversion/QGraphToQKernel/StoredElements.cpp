//===- StoredElements.cpp - Elements of the float types, in lanes ---------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "quantc/Dialect/ONNX/MathEmitter.h"
#include "quantc/Dialect/QGraph/Shapes.h"

using namespace mlir;

namespace quantc::qkernel {

bool isLaneReal(Type element) {
  return element.isF32() || element.isF16() || element.isBF16();
}

bool isLaneStored(Type element) {
  if (auto integer = dyn_cast<IntegerType>(element))
    return !integer.isSignless() && integer.getWidth() <= 16;
  return element.getIntOrFloatBitWidth() <= 16 && qgraph::getFormat(element);
}

Value realFrom(KernelBody &body, Value x, Type element) {
  onnx_ir::MathEmitter math(body.builder, body.loc, x.getType());
  return isLaneReal(element) ? math.widen(x)
                             : math.decode(x, *qgraph::getFormat(element));
}

Value realTo(KernelBody &body, Value x, Type element, bool saturate) {
  onnx_ir::MathEmitter math(body.builder, body.loc, x.getType());
  return isLaneReal(element)
             ? math.narrow(x, element)
             : math.encode(x, *qgraph::getFormat(element), saturate);
}

Value realRounded(KernelBody &body, Value x, std::optional<Type> precision) {
  return precision ? realFrom(body, realTo(body, x, *precision), *precision)
                   : x;
}

} // namespace quantc::qkernel
