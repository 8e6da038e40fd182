//===- Interleave.cpp - Few channels to the last dimension ----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A Transpose of [N, C, spatial..] to [N, spatial.., C] with C of 2 to 4, as an
// image comes into a model whose convolutions have their channels last: 16
// positions of each channel are read as vectors, and shuffled into C vectors.
//
//===----------------------------------------------------------------------===//

#include "NodeKernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quantc/Numerics/Order.h"

using namespace mlir;

namespace quantc::onnx_kernels {

static constexpr int64_t kLeast = 2, kMost = 4;

bool isInterleave(NodeOp op, ArrayRef<int64_t> perm, KernelBody &body) {
  RankedTensorType type = inputType(op, 0);
  int64_t rank = type.getRank();
  if (!body.fast || rank < 3 || perm.front() != 0 || perm.back() != 1 ||
      type.isDynamicDim(1) || type.getDimSize(1) < kLeast ||
      type.getDimSize(1) > kMost)
    return false;
  for (int64_t d = 1; d + 1 < rank; ++d)
    if (perm[d] != d + 1)
      return false;
  return true;
}

void emitInterleave(NodeOp op, KernelBody &body) {
  OpBuilder &builder = body.builder;
  Location loc = body.loc;
  RankedTensorType type = inputType(op, 0);
  int64_t channels = type.getDimSize(1);
  Value batch = body.dim(body.inputs[0], 0);
  Value pixels = body.product(body.inputs[0], 2, type.getRank());
  Value input = body.flatten(body.inputs[0]);
  Value output = body.flatten(body.outputs[0]);
  constexpr int64_t lanes = numerics::kLanes;
  auto vector = VectorType::get(
      {lanes}, cast<MemRefType>(input.getType()).getElementType());
  Value count = body.index(channels);

  std::pair<Value, Value> own = body.share(pixels, lanes);
  Value lo = own.first, hi = own.second;
  Value rest = builder.createOrFold<arith::RemUIOp>(loc, body.sub(hi, lo),
                                                    body.index(lanes));
  Value border = body.sub(hi, rest);
  body.loop(body.index(0), batch, 1, [&](Value n) {
    Value image = body.mul(n, body.mul(count, pixels));
    auto plane = [&](int64_t c) {
      return body.add(image, body.mul(body.index(c), pixels));
    };
    body.loop(lo, border, lanes, [&](Value p) {
      SmallVector<Value> planes;
      for (int64_t c = 0; c < channels; ++c)
        planes.push_back(vector::LoadOp::create(
            builder, loc, vector, input, ValueRange{body.add(plane(c), p)}));
      for (int64_t part = 0; part < channels; ++part) {
        // Lane l is element part * 16 + l of (position, channel).
        Value result = planes[0];
        for (int64_t c = 0; c < channels; ++c) {
          SmallVector<int64_t> mask;
          for (int64_t l = 0; l < lanes; ++l) {
            int64_t element = part * lanes + l;
            bool mine = element % channels == c;
            mask.push_back(mine ? lanes + element / channels : l);
          }
          result =
              vector::ShuffleOp::create(builder, loc, result, planes[c], mask);
        }
        Value to = body.add(body.add(image, body.mul(p, count)),
                            body.index(part * lanes));
        vector::StoreOp::create(builder, loc, result, output, ValueRange{to});
      }
    });
    body.loop(border, hi, 1, [&](Value p) {
      for (int64_t c = 0; c < channels; ++c) {
        Value x = memref::LoadOp::create(builder, loc, input,
                                         ValueRange{body.add(plane(c), p)});
        Value to = body.add(body.add(image, body.mul(p, count)), body.index(c));
        memref::StoreOp::create(builder, loc, x, output, ValueRange{to});
      }
    });
  });
}

} // namespace quantc::onnx_kernels
