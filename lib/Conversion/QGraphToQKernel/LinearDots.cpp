//===- LinearDots.cpp - The sums of a tile --------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// By format: floats, integers with a scale a column or a group, and stored
// weights beside floats, which are unpacked.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "LinearKernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quantc/Dialect/ONNX/MathEmitter.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace quantc::qkernel {

/// 16 floats of a panel, stored as `storage`.
Value LinearKernel::loadFloats(Value offset, Type storage) {
  int64_t bytes = kLanes * storage.getIntOrFloatBitWidth() / 8;
  Value raw = vector::LoadOp::create(
      builder, loc, VectorType::get({bytes}, builder.getI8Type()), packed,
      ValueRange{offset});
  Value lanes = vector::BitCastOp::create(builder, loc, laneType(storage), raw);
  if (storage.isF32())
    return lanes;
  return arith::ExtFOp::create(builder, loc, laneType(builder.getF32Type()),
                               lanes);
}

/// The zero points of a group's 16 columns as i32, in the form of the weights;
/// `offset` is where the group's scales begin.
Value LinearKernel::loadZeroPoints(Value offset) {
  int64_t scales = layout.paramBytes() - kLanes -
                   (layout.columnSums ? kLanes * int64_t(sizeof(int32_t)) : 0);
  Value bytes =
      loadLanes(body, packed, {body.add(offset, body.index(scales))}, kLanes);
  VectorType wide = laneType(builder.getI32Type());
  if (layout.unsignedWeights)
    return arith::ExtUIOp::create(builder, loc, wide, bytes);
  return arith::ExtSIOp::create(builder, loc, wide, bytes);
}

/// The sums of the weights of a group's 16 columns.
Value LinearKernel::loadSums(Value offset) {
  int64_t bytes = kLanes * int64_t(sizeof(int32_t));
  Value raw = vector::LoadOp::create(
      builder, loc, VectorType::get({bytes}, builder.getI8Type()), packed,
      ValueRange{body.add(offset, body.index(layout.paramBytes() - bytes))});
  return vector::BitCastOp::create(builder, loc, laneType(builder.getI32Type()),
                                   raw);
}

/// The element of a scale or zero point that row m and its group have.
Value LinearKernel::perRow(Value memref, Type tensor, Value m, Value group) {
  auto type = cast<RankedTensorType>(tensor);
  Value zero = body.index(0);
  if (type.hasStaticShape() && type.getNumElements() == 1)
    m = zero;
  return memref::LoadOp::create(
      builder, loc, memref, ValueRange{m, op.getInputGroup() ? group : zero});
}

Value LinearKernel::inputScale(Value m, Value group) {
  Value value = perRow(scale, op.getInputScale().getType(), m, group);
  if (!value.getType().isF32())
    value = arith::ExtFOp::create(builder, loc, builder.getF32Type(), value);
  return splat(body, value);
}

/// What is to be subtracted from the (signed) input, in all lanes.
Value LinearKernel::inputZeroPoint(Value m, Value group) {
  if (!zeroPoint)
    return splat(body, body.i32(-128));
  Value value = perRow(zeroPoint, op.getInputZeroPoint().getType(), m, group);
  Type i32 = builder.getI32Type();
  if (!unsignedInput)
    return splat(body, arith::ExtSIOp::create(builder, loc, i32, value));
  value = arith::ExtUIOp::create(builder, loc, i32, value);
  return splat(body, arith::SubIOp::create(builder, loc, value, body.i32(128)));
}

/// What sum_k (x - zx) (w - zw) has beside sum_k x (w + offset):
///   -(zw + offset) sum_k x - zx sum_k (w - zw),
/// row by row. `params` is where the scales of the first panel's group begin.
SmallVector<Value> LinearKernel::initialSums(Value m, Value group, Value params,
                                             int64_t rows, int64_t panels) {
  SmallVector<Value> zeroPoints, columnSums;
  for (int64_t p = 0; p < panels; ++p) {
    Value at = body.add(params, body.index(p * layout.panelBytes()));
    if (layout.zeroPoints)
      zeroPoints.push_back(loadZeroPoints(at));
    if (layout.columnSums)
      columnSums.push_back(loadSums(at));
  }
  SmallVector<Value> init;
  for (int64_t r = 0; r < rows; ++r) {
    Value row = body.add(m, body.index(r));
    Value rowSum =
        splat(body, sums ? Value(memref::LoadOp::create(builder, loc, sums,
                                                        ValueRange{row, group}))
                         : body.i32(0));
    Value shift = layout.columnSums ? inputZeroPoint(row, group) : Value();
    for (int64_t p = 0; p < panels; ++p) {
      Value start = rowSum;
      if (layout.zeroPoints)
        start = arith::MulIOp::create(builder, loc, start, zeroPoints[p]);
      if (shift)
        start = arith::SubIOp::create(
            builder, loc, start,
            arith::MulIOp::create(builder, loc, shift, columnSums[p]));
      init.push_back(start);
    }
  }
  return init;
}

SmallVector<Value> LinearKernel::integerDots(Value m, Value group, Value offset,
                                             PanelRef ref, int64_t rows,
                                             int64_t panels) {
  Value params = body.add(offset, body.index(layout.groupBytes()));
  SmallVector<Value> init = initialSums(m, group, params, rows, panels);
  Value k = body.mul(group, body.index(groupLength));
  auto dot =
      TileDotOp::create(builder, loc, TypeRange(ValueRange(init)), input, m, k,
                        ref.packed, offset, ref.stride, body.index(groupLength),
                        init, op.getFormat(), rows, panels);
  return SmallVector<Value>(dot.getResults());
}

/// Adds the biases at the end of the panels.
void LinearKernel::addBias(PanelRef ref, int64_t rows, int64_t panels,
                           MutableArrayRef<Value> sums) {
  for (int64_t p = 0; p < panels; ++p) {
    Value bias = loadFloats(
        body.add(ref.offset,
                 body.index((p + 1) * layout.panelBytes() - kLanes * 4)),
        builder.getF32Type());
    for (int64_t r = 0; r < rows; ++r) {
      Value &sum = sums[r * panels + p];
      sum = arith::AddFOp::create(builder, loc, sum, bias);
    }
  }
}

/// The sum of a single block is not added to the 0 that totals begin with: that
/// would only make -0 a +0, which the bias does, never being -0.
SmallVector<Value> LinearKernel::floatTile(Value m, PanelRef ref, int64_t rows,
                                           int64_t panels) {
  Value a = spread ? spread : input;
  Value row = spread ? body.sub(m, firstSpread) : m;
  SmallVector<Value> sums;
  if (layout.k <= numerics::kBlockK) {
    SmallVector<Value> zeros(rows * panels, splat(body, body.f32(0)));
    auto dot =
        TileDotOp::create(builder, loc, TypeRange(ValueRange(zeros)), a, row,
                          body.index(0), ref.packed, ref.offset, ref.stride,
                          body.index(layout.k), zeros, "f32", rows, panels);
    sums.assign(dot.getResults().begin(), dot.getResults().end());
  } else {
    sums = emitDotF32(body, a, row, ref, body.index(layout.k), rows, panels);
  }
  addBias(ref, rows, panels, sums);
  return sums;
}

/// Blocks of K are unpacked to panels of floats in scratch, which stay in the
/// first-level cache. The order of the sums is floatTile's.
SmallVector<Value> LinearKernel::storedTile(Value m, PanelRef ref, int64_t rows,
                                            int64_t panels) {
  SmallVector<Value> zeros(rows * panels, splat(body, body.f32(0)));
  Value stride = body.index(numerics::kBlockK * kLanes * 4);
  auto block = [&](Value begin, int64_t length, ValueRange totals) {
    unpack(ref, begin, length, panels);
    auto dot =
        TileDotOp::create(builder, loc, TypeRange(ValueRange(zeros)), input, m,
                          begin, body.scratch, body.index(0), stride,
                          body.index(length), zeros, "f32", rows, panels);
    SmallVector<Value> sums(dot.getResults());
    for (auto [sum, total] : llvm::zip_equal(sums, totals))
      sum = arith::AddFOp::create(builder, loc, total, sum);
    return sums;
  };
  int64_t full = layout.k / numerics::kBlockK * numerics::kBlockK;
  SmallVector<Value> totals = zeros;
  if (full)
    totals = body.loop(body.index(0), body.index(full), numerics::kBlockK,
                       zeros, [&](Value begin, ValueRange carried) {
                         return block(begin, numerics::kBlockK, carried);
                       });
  if (full != layout.k)
    totals = block(body.index(full), layout.k - full, totals);
  addBias(ref, rows, panels, totals);
  return totals;
}

/// The codebook's value at each lane's index: a tree of selects, by the index's
/// bits.
Value LinearKernel::lookUp(Value code) {
  SmallVector<Value> values;
  for (float value : *op.getCodebook())
    values.push_back(splat(body, body.f32(value)));
  for (int32_t bit = 1; values.size() > 1; bit *= 2) {
    Value set =
        arith::AndIOp::create(builder, loc, code, splat(body, body.i32(bit)));
    set = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, set,
                                splat(body, body.i32(0)));
    for (size_t i = 0; i < values.size() / 2; ++i)
      values[i] = arith::SelectOp::create(builder, loc, set, values[2 * i + 1],
                                          values[2 * i]);
    values.resize(values.size() / 2);
  }
  return values.front();
}

/// What the codes of the `grain` values of k at `offset` stand for, before it
/// is scaled; `zero` is the zero point of integers.
SmallVector<Value> LinearKernel::unpackCodes(Value offset, Value zero) {
  Type i8 = builder.getI8Type(), i32 = builder.getI32Type();
  int64_t grain = layout.grain();
  if (grain == 1) {
    Type element = layout.format == numerics::Format::F16
                       ? Type(builder.getF16Type())
                       : builder.getBF16Type();
    Value raw =
        vector::LoadOp::create(builder, loc, VectorType::get({2 * kLanes}, i8),
                               packed, ValueRange{offset});
    raw = vector::BitCastOp::create(builder, loc, laneType(element), raw);
    return {realFrom(body, raw, element)};
  }
  auto constant = [&](int32_t x) { return splat(body, body.i32(x)); };
  // A lane has the bytes of its column.
  Value bytes = vector::LoadOp::create(builder, loc, VectorType::get({64}, i8),
                                       packed, ValueRange{offset});
  Value words = vector::BitCastOp::create(builder, loc, laneType(i32), bytes);
  bool isInteger = !layout.keepsCodes();
  int32_t bits = grain == 8 ? 4 : 8;
  SmallVector<Value> reals;
  for (int64_t j = 0; j < grain; ++j) {
    int32_t shift = int32_t(j % 4 * 8 + j / 4 * 4);
    Value code;
    if (isInteger && !layout.unsignedWeights) {
      code = arith::ShLIOp::create(builder, loc, words,
                                   constant(32 - bits - shift));
      code = arith::ShRSIOp::create(builder, loc, code, constant(32 - bits));
    } else {
      code = arith::ShRUIOp::create(builder, loc, words, constant(shift));
      code =
          arith::AndIOp::create(builder, loc, code, constant((1 << bits) - 1));
    }
    if (op.getCodebook()) {
      reals.push_back(lookUp(code));
    } else if (isInteger) {
      code = arith::SubIOp::create(builder, loc, code, zero);
      reals.push_back(arith::SIToFPOp::create(
          builder, loc, laneType(builder.getF32Type()), code));
    } else {
      code = arith::TruncIOp::create(builder, loc, laneType(i8), code);
      onnx_ir::MathEmitter math(builder, loc, code.getType());
      reals.push_back(math.decode(code, layout.format));
    }
  }
  return reals;
}

/// scale * (weight - zero point) + offset of `length` values of k, from `begin`
/// on, as panels of floats at the start of scratch.
void LinearKernel::unpack(PanelRef ref, Value begin, int64_t length,
                          int64_t panels) {
  int64_t grain = layout.grain();
  int64_t bytesPerK = grain == 1 ? 2 * kLanes : 64 / grain;
  Type scaleType = layout.scaleType == numerics::Format::F16
                       ? Type(builder.getF16Type())
                       : builder.getF32Type();
  Value centre;
  if (!layout.keepsCodes())
    centre =
        splat(body, body.i32(layout.unsignedWeights
                                 ? 1 << (numerics::info(layout.format).bits - 1)
                                 : 0));
  Value end = body.index(llvm::alignTo(length, grain));
  body.loop(body.index(0), end, grain, [&](Value at) {
    Value k = body.add(begin, at), group = body.index(0), local = k;
    if (layout.groups() > 1) {
      group = arith::DivUIOp::create(builder, loc, k, body.index(groupLength));
      local = body.sub(k, body.mul(group, body.index(groupLength)));
    }
    Value place =
        body.add(ref.offset, body.mul(group, body.index(groupStride)));
    for (int64_t p = 0; p < panels; ++p) {
      Value start = body.add(place, body.index(p * layout.panelBytes()));
      Value params = body.add(start, body.index(layout.groupBytes()));
      Value weightScale = loadFloats(params, scaleType), offset;
      if (layout.offsets)
        offset = loadFloats(
            body.add(params, body.index(kLanes *
                                        scaleType.getIntOrFloatBitWidth() / 8)),
            scaleType);
      SmallVector<Value> reals =
          unpackCodes(body.add(start, body.mul(local, body.index(bytesPerK))),
                      layout.zeroPoints ? loadZeroPoints(params) : centre);
      for (auto [j, real] : llvm::enumerate(reals)) {
        real = arith::MulFOp::create(builder, loc, real, weightScale);
        if (offset)
          real = arith::AddFOp::create(builder, loc, real, offset);
        Value raw = vector::BitCastOp::create(
            builder, loc, VectorType::get({64}, builder.getI8Type()), real);
        Value to = body.mul(body.add(at, body.index(j)), body.index(64));
        to = body.add(to, body.index(p * numerics::kBlockK * 64));
        vector::StoreOp::create(builder, loc, raw, body.scratch,
                                ValueRange{to});
      }
    }
  });
}

SmallVector<Value> LinearKernel::columnScaleTile(Value m, PanelRef ref,
                                                 int64_t rows, int64_t panels) {
  Value zero = body.index(0);
  SmallVector<Value> dots = integerDots(m, zero, ref.offset, ref, rows, panels);
  if (tensorType(op.getResult()).getElementType().isSignedInteger(32))
    return dots;
  SmallVector<Value> results(dots.size());
  for (int64_t p = 0; p < panels; ++p) {
    int64_t begin = p * layout.panelBytes();
    int64_t end = begin + layout.panelBytes();
    Type f32 = builder.getF32Type();
    Value bias =
        loadFloats(body.add(ref.offset, body.index(end - kLanes * 4)), f32);
    Value weightScale = loadFloats(
        body.add(ref.offset, body.index(begin + layout.groupBytes())), f32);
    for (int64_t r = 0; r < rows; ++r) {
      Value value = arith::SIToFPOp::create(builder, loc, laneType(f32),
                                            dots[r * panels + p]);
      Value factor = arith::MulFOp::create(
          builder, loc, inputScale(body.add(m, body.index(r)), zero),
          weightScale);
      results[r * panels + p] =
          math::FmaOp::create(builder, loc, value, factor, bias);
    }
  }
  return results;
}

SmallVector<Value> LinearKernel::groupScaleTile(Value m, PanelRef ref,
                                                int64_t rows, int64_t panels) {
  Type f32 = builder.getF32Type();
  Type scaleType = layout.scaleType == numerics::Format::F16
                       ? Type(builder.getF16Type())
                       : f32;
  SmallVector<Value> zeros(rows * panels, splat(body, body.f32(0)));
  SmallVector<Value> totals = body.loop(
      body.index(0), body.index(layout.groups()), 1, zeros,
      [&](Value g, ValueRange carried) {
        Value offset =
            body.add(ref.offset, body.mul(g, body.index(groupStride)));
        SmallVector<Value> dots = integerDots(m, g, offset, ref, rows, panels);
        SmallVector<Value> next(dots.size());
        for (int64_t p = 0; p < panels; ++p) {
          int64_t at = p * layout.panelBytes() + layout.groupBytes();
          Value weightScale =
              loadFloats(body.add(offset, body.index(at)), scaleType);
          for (int64_t r = 0; r < rows; ++r) {
            int64_t i = r * panels + p;
            Value value =
                arith::SIToFPOp::create(builder, loc, laneType(f32), dots[i]);
            Value factor = arith::MulFOp::create(
                builder, loc, inputScale(body.add(m, body.index(r)), g),
                weightScale);
            next[i] =
                math::FmaOp::create(builder, loc, value, factor, carried[i]);
          }
        }
        return next;
      });
  addBias(ref, rows, panels, totals);
  return totals;
}

} // namespace quantc::qkernel
