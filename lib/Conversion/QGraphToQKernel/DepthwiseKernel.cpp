//===- DepthwiseKernel.cpp - A convolution of each channel by itself ------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The lanes are 16 channels. A tile is some pixels of a row of the result; each
// of its taps is read where it is. Pixels whose taps all lie inside their rows
// go by tiles, those at the borders one by one; rows of taps above and below
// the image are left out, as are taps beside it: they would add 0.
//
//===----------------------------------------------------------------------===//

#include "ConvOperands.h"
#include "Kernels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace quantc::qkernel {

/// Most pixels of a tile: sums that are independent of each other. Fewer where
/// they do not fit the registers.
static constexpr int64_t kTilePixels = 7;

namespace {
class DepthwiseKernel : ConvOperands {
public:
  DepthwiseKernel(ConvOp op, KernelBody &body);
  void emit();

private:
  /// Taps [lo, hi) that lie inside the image, and where tap 0 lies (perhaps
  /// before the image).
  struct Range {
    Value begin, lo, hi;
  };
  Range rangeOf(Value place, int64_t d);
  void pixels(const Range &z, const Range &y, Value pixel, int64_t count,
              bool border);
  void tile(const Range &z, const Range &y, Value pixel, int64_t count,
            bool border, Value panel, int64_t valid);
  void finish(Value sum, Value to, Value params, Value column, int64_t valid);
  Value loadInput(Value at, int64_t valid);
  Value widen(Value codes);
  Value loadWeight(Value panel, Value tap);
  Value multiplyAdd(Value x, Value w, Value sum);

  ConvShape shape;
  numerics::PanelLayout layout;
  bool isFloat, takesUnsigned;
  int64_t tilePixels;
  // Of the row that is worked on: its image, the result's row of its first
  // pixel, and of its image the scale and zero point in all lanes.
  Value image, first, rowScale, rowZero;
};
} // namespace

DepthwiseKernel::DepthwiseKernel(ConvOp op, KernelBody &body)
    : ConvOperands(op, ConvShape(op), body), shape(op),
      layout(op.getPanelLayout()),
      isFloat(layout.format == numerics::Format::F32),
      takesUnsigned(
          tensorType(op.getInput()).getElementType().isUnsignedInteger()) {
  auto [rows, panels] = registerTile(op, "f32");
  tilePixels = std::min(kTilePixels, rows * panels);
}

/// The taps of a pixel along dimension d.
DepthwiseKernel::Range DepthwiseKernel::rangeOf(Value place, int64_t d) {
  int64_t dilation = shape.dilations[d], taps = shape.taps[d];
  Value begin = body.sub(body.mul(place, body.index(shape.strides[d])),
                         body.index(shape.padsBefore[d]));
  // Signed: begin may be negative.
  auto bound = [&](Value from) -> Value {
    Value distance = body.sub(from, begin);
    Value steps = builder.createOrFold<arith::CeilDivSIOp>(
        loc, distance, body.index(dilation));
    steps = builder.createOrFold<arith::MaxSIOp>(loc, steps, body.index(0));
    return builder.createOrFold<arith::MinSIOp>(loc, steps, body.index(taps));
  };
  return {begin, bound(body.index(0)), bound(extents.in[d])};
}

void DepthwiseKernel::emit() {
  Value rowsOfImage = body.mul(extents.out[0], extents.out[1]);
  auto [lo, hi] = body.share(body.mul(extents.batch, rowsOfImage));
  // Pixels [inner, outer) have all their taps inside.
  auto signedDiv = [&](Value a, bool up) -> Value {
    Value by = body.index(shape.strides[2]);
    return up ? builder.createOrFold<arith::CeilDivSIOp>(loc, a, by)
              : builder.createOrFold<arith::FloorDivSIOp>(loc, a, by);
  };
  auto clamp = [&](Value a, Value least) -> Value {
    a = builder.createOrFold<arith::MaxSIOp>(loc, a, least);
    return builder.createOrFold<arith::MinSIOp>(loc, a, extents.out[2]);
  };
  int64_t reach = (shape.taps[2] - 1) * shape.dilations[2] + 1;
  Value pad = body.index(shape.padsBefore[2]);
  Value inner = clamp(signedDiv(pad, /*up=*/true), body.index(0));
  Value room = body.sub(body.add(extents.in[2], pad), body.index(reach));
  Value outer =
      clamp(body.add(signedDiv(room, /*up=*/false), body.index(1)), inner);

  body.loop(lo, hi, 1, [&](Value row) {
    Value y = builder.createOrFold<arith::RemUIOp>(loc, row, extents.out[1]);
    Value rest = builder.createOrFold<arith::DivUIOp>(loc, row, extents.out[1]);
    Value z = builder.createOrFold<arith::RemUIOp>(loc, rest, extents.out[0]);
    image = builder.createOrFold<arith::DivUIOp>(loc, rest, extents.out[0]);
    first = body.mul(row, extents.out[2]);
    if (!isFloat) {
      rowScale = imageScale(image);
      if (zeroPoint)
        rowZero = splat(body, widen(perImage(zeroPoint, image)));
    }
    Range ranges[] = {rangeOf(z, 0), rangeOf(y, 1)};
    auto border = [&](Value from, Value to) {
      body.loop(from, to, 1, [&](Value pixel) {
        pixels(ranges[0], ranges[1], pixel, 1, /*border=*/true);
      });
    };
    border(body.index(0), inner);
    forRowTiles(body, inner, outer, tilePixels,
                [&](Value pixel, int64_t count) {
                  pixels(ranges[0], ranges[1], pixel, count, /*border=*/false);
                });
    border(outer, extents.out[2]);
  });
}

/// `count` pixels from `pixel` on, all channels.
void DepthwiseKernel::pixels(const Range &z, const Range &y, Value pixel,
                             int64_t count, bool border) {
  int64_t whole = layout.n / kLanes;
  if (whole)
    body.loop(body.index(0), body.index(whole), 1, [&](Value panel) {
      tile(z, y, pixel, count, border, panel, kLanes);
    });
  if (layout.n % kLanes)
    tile(z, y, pixel, count, border, body.index(whole), layout.n % kLanes);
}

Value DepthwiseKernel::loadInput(Value at, int64_t valid) {
  Value lanes = loadLanes(body, input, {at}, valid);
  return isFloat ? lanes : widen(lanes);
}

/// Codes of the image as i32, one or lanes of them.
Value DepthwiseKernel::widen(Value codes) {
  Type wide = builder.getI32Type();
  if (isa<VectorType>(codes.getType()))
    wide = laneType(wide);
  if (takesUnsigned)
    return arith::ExtUIOp::create(builder, loc, wide, codes);
  return arith::ExtSIOp::create(builder, loc, wide, codes);
}

/// 16 columns of tap `tap`; four taps of a column stand side by side in si8.
Value DepthwiseKernel::loadWeight(Value panel, Value tap) {
  if (isFloat)
    return loadParams(body.add(panel, body.mul(tap, body.index(kLanes * 4))),
                      builder.getF32Type());
  Type i32 = builder.getI32Type();
  Value four = body.index(4);
  Value group = builder.createOrFold<arith::DivUIOp>(loc, tap, four);
  Value place = builder.createOrFold<arith::RemUIOp>(loc, tap, four);
  Value words =
      loadParams(body.add(panel, body.mul(group, body.index(kLanes * 4))), i32);
  Value up = body.mul(body.sub(body.index(3), place), body.index(8));
  Value shift =
      splat(body, builder.createOrFold<arith::IndexCastOp>(loc, i32, up));
  words = arith::ShLIOp::create(builder, loc, words, shift);
  return arith::ShRSIOp::create(builder, loc, words, splat(body, body.i32(24)));
}

Value DepthwiseKernel::multiplyAdd(Value x, Value w, Value sum) {
  if (isFloat)
    return math::FmaOp::create(builder, loc, x, w, sum);
  return arith::AddIOp::create(builder, loc, sum,
                               arith::MulIOp::create(builder, loc, x, w));
}

void DepthwiseKernel::tile(const Range &z, const Range &y, Value pixel,
                           int64_t count, bool border, Value panel,
                           int64_t valid) {
  Value column = body.mul(panel, body.index(kLanes));
  Value base = body.mul(panel, body.index(layout.panelBytes()));
  Value params = body.add(base, body.index(layout.groupBytes()));
  Value zeros = isFloat ? splat(body, body.f32(0)) : splat(body, body.i32(0));
  Value channels = body.index(shape.channels);
  Range x = rangeOf(pixel, 2);
  Value lo = border ? x.lo : body.index(0);
  Value hi = border ? x.hi : body.index(shape.taps[2]);
  // One tap of all pixels. `index` is its number, `at` the first pixel's place.
  auto tap = [&](Value index, Value at, ValueRange sums) {
    Value weight = loadWeight(base, index);
    SmallVector<Value> next;
    for (int64_t p = 0; p < count; ++p) {
      Value place =
          body.add(at, body.index(p * shape.strides[2] * shape.channels));
      Value lanes = loadInput(place, valid);
      if (rowZero)
        lanes = arith::SubIOp::create(builder, loc, lanes, rowZero);
      next.push_back(multiplyAdd(lanes, weight, sums[p]));
    }
    return next;
  };
  auto row = [&](Value tapZ, Value tapY, ValueRange init) {
    auto place = [&](const Range &range, Value index, int64_t d) {
      return body.add(range.begin,
                      body.mul(index, body.index(shape.dilations[d])));
    };
    Value line = body.add(body.mul(image, extents.in[0]), place(z, tapZ, 0));
    line = body.add(body.mul(line, extents.in[1]), place(y, tapY, 1));
    line = body.add(body.mul(line, extents.in[2]), x.begin);
    Value start = body.add(body.mul(line, channels), column);
    Value number =
        body.mul(body.add(body.mul(tapZ, body.index(shape.taps[1])), tapY),
                 body.index(shape.taps[2]));
    auto one = [&](Value tapX, ValueRange sums) {
      Value at = body.add(start, body.mul(tapX, body.index(shape.dilations[2] *
                                                           shape.channels)));
      return tap(body.add(number, tapX), at, sums);
    };
    if (border)
      return body.loop(lo, hi, 1, init, one);
    SmallVector<Value> sums(init);
    for (int64_t t = 0; t < shape.taps[2]; ++t)
      sums = one(body.index(t), sums);
    return sums;
  };
  SmallVector<Value> init(count, zeros);
  SmallVector<Value> sums =
      body.loop(z.lo, z.hi, 1, init, [&](Value tapZ, ValueRange outer) {
        return body.loop(y.lo, y.hi, 1, outer,
                         [&](Value tapY, ValueRange inner) {
                           return row(tapZ, tapY, inner);
                         });
      });
  for (int64_t p = 0; p < count; ++p)
    finish(sums[p], body.add(body.add(first, pixel), body.index(p)), params,
           column, valid);
}

/// Scale, bias, epilogue and store of one pixel's 16 channels.
void DepthwiseKernel::finish(Value sum, Value to, Value params, Value column,
                             int64_t valid) {
  Type f32 = builder.getF32Type();
  Value bias =
      loadParams(body.add(params, body.index(layout.paramBytes())), f32);
  Value value;
  if (isFloat) {
    value = arith::AddFOp::create(builder, loc, sum, bias);
  } else {
    Value factor =
        arith::MulFOp::create(builder, loc, rowScale, loadParams(params, f32));
    value = math::FmaOp::create(
        builder, loc, arith::SIToFPOp::create(builder, loc, laneType(f32), sum),
        factor, bias);
  }
  storeLanes(body, epilogue.emit(value, to, column, valid), output,
             {to, column}, valid);
}

void emitDepthwiseConv(ConvOp op, KernelBody &body) {
  DepthwiseKernel(op, body).emit();
}

} // namespace quantc::qkernel
