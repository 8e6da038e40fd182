//===- InputFactors.cpp - Factors of the inputs of layers -------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InputFactors.h"

namespace quantc::qgraph {

llvm::Expected<ChannelFactors> InputFactors::find(LayerOpInterface layer) {
  ChannelFactors found = solver.solve(layer.getInput());
  auto reads = [&] {
    return llvm::any_of(found.layers, [&](ChannelFactors::Layer one) {
      return one.op.getOperation() == layer.getOperation();
    });
  };
  std::string inTheWay = found.blocked;
  if (!reads() && insertMultiply)
    found = solver.multiply(layer.getInput());
  if (!reads())
    return llvm::createStringError(
        found.blocked +
        (insertMultiply ? ""
                        : "; insert-multiply=true multiplies its input while "
                          "the model runs"));
  if (found.multiplies)
    found.blocked = inTheWay;
  claimed.claim(found);
  return found;
}

} // namespace quantc::qgraph
