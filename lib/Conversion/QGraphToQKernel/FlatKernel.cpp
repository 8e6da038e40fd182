//===- FlatKernel.cpp - quantize and dequantize with one scale ------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// With one scale for a whole tensor its shape does not matter: elements in
// order, 16 at a time, whatever the dimensions are.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Tiles.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/ChooseParams.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {

template <typename OpT>
static bool canEmit(OpT op, Value stored, Value real) {
  RankedTensorType scale = tensorType(op.getScale());
  return isLaneStored(tensorType(stored).getElementType()) && !op.getOffset() &&
         !op.getCodebook() && isLaneReal(tensorType(real).getElementType()) &&
         scale.hasStaticShape() && scale.getNumElements() == 1;
}

bool canEmitFlat(QuantizeOp op) {
  return canEmit(op, op.getResult(), op.getInput());
}
bool canEmitFlat(DequantizeOp op) {
  return canEmit(op, op.getInput(), op.getResult());
}

namespace {
/// Arithmetic on one element or on 16 lanes.
struct Flat {
  Flat(KernelBody &body, Type scaleType, Value zeroPoint, Type stored)
      : body(body), builder(body.builder), loc(body.loc),
        isUnsigned(stored.isUnsignedInteger()) {
    Value origin = body.index(0);
    scale = memref::LoadOp::create(builder, loc, body.flatten(body.inputs[1]),
                                   origin);
    scale = realFrom(body, scale, scaleType);
    if (zeroPoint) {
      zero = memref::LoadOp::create(builder, loc, body.flatten(body.inputs[2]),
                                    origin);
      zero = widen(zero);
    }
  }

  Type like(Type element, Value x) {
    return isa<VectorType>(x.getType()) ? laneType(element) : element;
  }
  /// A scalar in the form of x.
  Value spread(Value scalar, Value x) {
    return isa<VectorType>(x.getType()) ? splat(body, scalar) : scalar;
  }
  Value widen(Value x) {
    Type type = like(builder.getI32Type(), x);
    return isUnsigned ? Value(arith::ExtUIOp::create(builder, loc, type, x))
                      : Value(arith::ExtSIOp::create(builder, loc, type, x));
  }
  Value toFloat(Value x) {
    return arith::SIToFPOp::create(builder, loc, like(builder.getF32Type(), x),
                                   x);
  }

  /// `step` over this thread's share: lanes, then what is left one by one.
  void forAll(Value input, Value output,
              llvm::function_ref<Value(Value)> step) {
    input = body.flatten(input);
    output = body.flatten(output);
    Value count = body.dim(input, 0);
    auto [lo, hi] = body.share(count, kLanes);
    Value whole =
        body.add(lo, body.mul(builder.createOrFold<arith::DivUIOp>(
                                  loc, body.sub(hi, lo), body.index(kLanes)),
                              body.index(kLanes)));
    body.loop(lo, whole, kLanes, [&](Value at) {
      storeLanes(body, step(loadLanes(body, input, {at}, kLanes)), output, {at},
                 kLanes);
    });
    body.loop(whole, hi, 1, [&](Value at) {
      Value x = memref::LoadOp::create(builder, loc, input, at);
      memref::StoreOp::create(builder, loc, step(x), output, at);
    });
  }

  KernelBody &body;
  OpBuilder &builder;
  Location loc;
  bool isUnsigned;
  Value scale, zero; // zero: i32, or null
};
} // namespace

void emitFlat(QuantizeOp op, KernelBody &body) {
  Type stored = tensorType(op.getResult()).getElementType(),
       real = tensorType(op.getInput()).getElementType();
  OpBuilder &builder = body.builder;
  Location loc = body.loc;
  Flat flat(body, tensorType(op.getScale()).getElementType(), op.getZeroPoint(),
            stored);
  auto quotient = [&](Value x) -> Value {
    x = realFrom(body, x, real);
    x = arith::DivFOp::create(builder, loc, x, flat.spread(flat.scale, x));
    return realRounded(body, x, op.getPrecision());
  };
  if (isa<FloatType>(stored)) {
    flat.forAll(body.inputs[0], body.outputs[0], [&](Value x) {
      return realTo(body, quotient(x), stored, op.getSaturate());
    });
    return;
  }
  // clamp(round(x) + z) = round(clamp(x, qmin - z, qmax - z)) + z: the bounds
  // are whole.
  auto [qmin, qmax] = numerics::storedRange(*getFormat(stored));
  Value lo = body.f32(qmin), hi = body.f32(qmax);
  if (flat.zero) {
    Value shift = flat.toFloat(flat.zero);
    lo = arith::SubFOp::create(builder, loc, lo, shift);
    hi = arith::SubFOp::create(builder, loc, hi, shift);
  }
  flat.forAll(body.inputs[0], body.outputs[0], [&](Value x) -> Value {
    x = quotient(x);
    x = body.larger(x, flat.spread(lo, x)); // a NaN becomes the lower end
    x = body.smaller(x, flat.spread(hi, x));
    x = math::RoundEvenOp::create(builder, loc, x);
    Value code = arith::FPToSIOp::create(builder, loc,
                                         flat.like(builder.getI32Type(), x), x);
    if (flat.zero)
      code = arith::AddIOp::create(builder, loc, code,
                                   flat.spread(flat.zero, code));
    return arith::TruncIOp::create(
        builder, loc, flat.like(kernelElementType(stored), code), code);
  });
}

void emitFlat(DequantizeOp op, KernelBody &body) {
  OpBuilder &builder = body.builder;
  Location loc = body.loc;
  Type stored = tensorType(op.getInput()).getElementType(),
       real = tensorType(op.getResult()).getElementType();
  Flat flat(body, tensorType(op.getScale()).getElementType(), op.getZeroPoint(),
            stored);
  flat.forAll(body.inputs[0], body.outputs[0], [&](Value x) -> Value {
    if (isa<FloatType>(stored)) {
      x = realFrom(body, x, stored);
    } else {
      x = flat.widen(x);
      if (flat.zero)
        x = arith::SubIOp::create(builder, loc, x, flat.spread(flat.zero, x));
      x = flat.toFloat(x);
    }
    x = realRounded(body, x, op.getPrecision());
    x = arith::MulFOp::create(builder, loc, x, flat.spread(flat.scale, x));
    return realTo(body, realRounded(body, x, op.getPrecision()), real);
  });
}

} // namespace quantc::qkernel
