//===- ConvShape.cpp - The extents of a convolution -----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConvShape.h"

using namespace mlir;

namespace quantc::qkernel {

ConvShape::ConvShape(ConvOp op)
    : channels(op.getChannels()), columns(op.getN()), groups(op.getGroups()) {
  size_t spatial = op.getTaps().size(), skip = 3 - spatial;
  auto input = cast<RankedTensorType>(op.getInput().getType());
  auto result = cast<RankedTensorType>(op.getResult().getType());
  for (size_t d = 0; d < spatial; ++d) {
    taps[skip + d] = op.getTaps()[d];
    strides[skip + d] = op.getStrides()[d];
    dilations[skip + d] = op.getDilations()[d];
    padsBefore[skip + d] = op.getPads()[d];
    padsAfter[skip + d] = op.getPads()[spatial + d];
    in[skip + d] = input.getDimSize(d + 1);
    out[skip + d] = result.getDimSize(d + 1);
  }
  auto all = [](ArrayRef<int64_t> values, int64_t wanted) {
    return llvm::all_of(values, [&](int64_t v) { return v == wanted; });
  };
  isOneRow = all(taps, 1) && all(strides, 1) && all(padsBefore, 0) &&
             all(padsAfter, 0) && llvm::none_of(in, ShapedType::isDynamic) &&
             in == out;
  if (isOneRow)
    in = out = {1, 1, in[0] * in[1] * in[2]};
}

bool ConvShape::isInside() const {
  auto none = [](int64_t pad) { return pad <= 0; };
  return llvm::all_of(padsBefore, none) && llvm::all_of(padsAfter, none);
}

ConvExtents::ConvExtents(const ConvShape &shape, KernelBody &body, Value input,
                         Value output)
    : batch(body.dim(output, 0)) {
  int64_t rank = cast<MemRefType>(input.getType()).getRank();
  for (int64_t d = 0; d < 3; ++d) {
    int64_t own = d - (3 - (rank - 2));
    bool made = own < 0 || shape.isOneRow;
    in[d] = made ? body.index(shape.in[d]) : body.dim(input, own + 1);
    out[d] = made ? body.index(shape.out[d]) : body.dim(output, own + 1);
  }
}

} // namespace quantc::qkernel
