//===- Quantization.cpp - Plain quantize, dequantize, choose_params -------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Loops.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "quantc/Dialect/ONNX/MathEmitter.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/ChooseParams.h"
#include "quantc/Numerics/Order.h"
#include <cmath>

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {

using CmpF = arith::CmpFPredicate;

/// The value of a code: an index into the codebook, whose last entry stands for
/// all codes behind it.
Value Plain::lookUp(Value code, Value codebook, Type element) {
  Value index =
      arith::IndexCastUIOp::create(builder, loc, builder.getIndexType(), code);
  index = body.minimum(index, body.sub(body.dim(codebook, 0), body.index(1)));
  return toFloat(load(codebook, {index}), element);
}

/// The index of the nearest code, the lower one on a tie; 0 for NaN.
Value Plain::encodeCodebook(Value x, Value codebook, Type element,
                            Type stored) {
  Value size = body.dim(codebook, 0);
  auto at = [&](Value i) { return toFloat(load(codebook, {i}), element); };
  Value first = at(body.index(0));
  auto ends = body.loop(body.index(1), size, 1, ValueRange{first, first},
                        [&](Value i, ValueRange c) -> SmallVector<Value> {
                          Value v = at(i);
                          return {body.smaller(v, c[0]), body.larger(v, c[1])};
                        });
  // Infinities have equal distances to everything: bring them to the ends
  // first.
  x = arith::SelectOp::create(
      builder, loc, arith::CmpFOp::create(builder, loc, CmpF::OLT, x, ends[0]),
      ends[0], x);
  x = arith::SelectOp::create(
      builder, loc, arith::CmpFOp::create(builder, loc, CmpF::OGT, x, ends[1]),
      ends[1], x);
  Value infinity = body.f32(std::numeric_limits<float>::infinity());
  auto best = body.loop(
      body.index(0), size, 1, ValueRange{infinity, body.index(0)},
      [&](Value i, ValueRange c) -> SmallVector<Value> {
        Value distance = math::AbsFOp::create(
            builder, loc, arith::SubFOp::create(builder, loc, x, at(i)));
        Value closer =
            arith::CmpFOp::create(builder, loc, CmpF::OLT, distance, c[0]);
        return {arith::SelectOp::create(builder, loc, closer, distance, c[0]),
                arith::SelectOp::create(builder, loc, closer, i, c[1])};
      });
  return arith::IndexCastUIOp::create(builder, loc, kernelElementType(stored),
                                      best[1]);
}

static Value widenInteger(OpBuilder &builder, Location loc, Value value,
                          Type stored) {
  if (stored.isUnsignedInteger())
    return arith::ExtUIOp::create(builder, loc, builder.getI64Type(), value);
  return arith::ExtSIOp::create(builder, loc, builder.getI64Type(), value);
}

/// clamp(round(x) + zero point, qmin, qmax); NaN gives qmin.
Value Plain::encodeInteger(Value x, Value zeroPoint, Type stored) {
  // Far beyond every range, so that the zero point cannot bring it back; NaN
  // goes low.
  x = body.larger(x, body.f32(-0x1p+40f));
  x = body.smaller(x, body.f32(0x1p+40f));
  x = math::RoundEvenOp::create(builder, loc, x);
  Value code = arith::FPToSIOp::create(builder, loc, builder.getI64Type(), x);
  if (zeroPoint)
    code = arith::AddIOp::create(builder, loc, code,
                                 widenInteger(builder, loc, zeroPoint, stored));
  const numerics::FormatInfo &row = numerics::info(*getFormat(stored));
  auto bound = [&](double v) {
    return body.constant(builder.getI64IntegerAttr(static_cast<int64_t>(v)));
  };
  code = arith::MaxSIOp::create(builder, loc, code, bound(row.qmin));
  code = arith::MinSIOp::create(builder, loc, code, bound(row.qmax));
  return arith::TruncIOp::create(builder, loc, kernelElementType(stored), code);
}

void Plain::emit(QuantizeOp op) {
  // Kernel arguments in the order of the operands that are there.
  unsigned next = 0;
  Value input = body.inputs[next++], scale = body.inputs[next++];
  Value zeroPoint = op.getZeroPoint() ? body.inputs[next++] : Value();
  Value offset = op.getOffset() ? body.inputs[next++] : Value();
  Value codebook = op.getCodebook() ? body.inputs[next++] : Value();
  Type stored = tensorType(op.getResult()).getElementType();
  std::optional<Type> precision = op.getPrecision();
  forEach(body.outputs[0], [&](const Index &index) {
    Index group = blockIndex(index, op.getBlock());
    auto real = [&](Value memref, const Index &at, Value operand) {
      return toFloat(load(memref, at), tensorType(operand).getElementType());
    };
    Value x = real(input, index, op.getInput());
    if (offset)
      x = rounded(arith::SubFOp::create(builder, loc, x,
                                        real(offset, group, op.getOffset())),
                  precision);
    x = rounded(arith::DivFOp::create(builder, loc, x,
                                      real(scale, group, op.getScale())),
                precision);
    Value code;
    if (codebook)
      code = encodeCodebook(
          x, codebook, tensorType(op.getCodebook()).getElementType(), stored);
    else if (isa<FloatType>(stored))
      code = fromFloat(x, stored, op.getSaturate());
    else
      code = encodeInteger(x, zeroPoint ? load(zeroPoint, group) : Value(),
                           stored);
    store(code, body.outputs[0], index);
  });
}

void Plain::emit(DequantizeOp op) {
  unsigned next = 0;
  Value input = body.inputs[next++], scale = body.inputs[next++];
  Value zeroPoint = op.getZeroPoint() ? body.inputs[next++] : Value();
  Value offset = op.getOffset() ? body.inputs[next++] : Value();
  Value codebook = op.getCodebook() ? body.inputs[next++] : Value();
  Type stored = tensorType(op.getInput()).getElementType();
  std::optional<Type> precision = op.getPrecision();
  forEach(body.outputs[0], [&](const Index &index) {
    Index group = blockIndex(index, op.getBlock());
    Value x = load(input, index);
    if (zeroPoint) {
      Value difference = arith::SubIOp::create(
          builder, loc, widenInteger(builder, loc, x, stored),
          widenInteger(builder, loc, load(zeroPoint, group), stored));
      x = arith::SIToFPOp::create(builder, loc, builder.getF32Type(),
                                  difference);
    } else if (codebook) {
      x = lookUp(x, codebook, tensorType(op.getCodebook()).getElementType());
    } else {
      x = toFloat(x, stored);
    }
    Value s =
        toFloat(load(scale, group), tensorType(op.getScale()).getElementType());
    x = rounded(arith::MulFOp::create(builder, loc, rounded(x, precision), s),
                precision);
    if (offset)
      x = rounded(arith::AddFOp::create(
                      builder, loc, x,
                      toFloat(load(offset, group),
                              tensorType(op.getOffset()).getElementType())),
                  precision);
    store(fromFloat(x, tensorType(op.getResult()).getElementType()),
          body.outputs[0], index);
  });
}

//===----------------------------------------------------------------------===//
// choose_params
//===----------------------------------------------------------------------===//

void Plain::forBlock(Value memref, const Index &group, ArrayRef<int64_t> block,
                     llvm::function_ref<void(const Index &)> visit) {
  Index index;
  std::function<void(size_t)> nest = [&](size_t dim) {
    if (dim == group.size()) {
      visit(index);
      return;
    }
    Value size = body.dim(memref, dim), lo = body.index(0), hi = size;
    if (block[dim] != 0) {
      lo = body.mul(group[dim], body.index(block[dim]));
      hi = body.minimum(size, body.add(lo, body.index(block[dim])));
    }
    body.loop(lo, hi, 1, [&](Value iv) {
      index.push_back(iv);
      nest(dim + 1);
      index.pop_back();
    });
  };
  nest(0);
}

/// `x` within the op's `clip`; NaN stays.
Value Plain::limited(ChooseParamsOp op, Value x) {
  auto clip = op.getClip();
  if (!clip)
    return x;
  Value lo = body.f32((*clip)[0]), hi = body.f32((*clip)[1]);
  Value below = arith::CmpFOp::create(builder, loc, CmpF::OLT, x, lo);
  x = arith::SelectOp::create(builder, loc, below, lo, x);
  Value above = arith::CmpFOp::create(builder, loc, CmpF::OGT, x, hi);
  return arith::SelectOp::create(builder, loc, above, hi, x);
}

/// Least and greatest number of a block, times the clip ratio.
std::pair<Value, Value> Plain::extrema(ChooseParamsOp op, const Index &group) {
  Value input = body.inputs[0], zero = body.f32(0);
  Value cells = buffer(2, builder.getF32Type());
  Index least = {body.index(0)}, greatest = {body.index(1)};
  store(body.f32(std::numeric_limits<float>::infinity()), cells, least);
  store(body.f32(-std::numeric_limits<float>::infinity()), cells, greatest);
  forBlock(input, group, op.getBlock(), [&](const Index &index) {
    Value x = limited(op, toFloat(load(input, index),
                                  tensorType(op.getInput()).getElementType()));
    store(body.smaller(x, load(cells, least)), cells, least);
    store(body.larger(x, load(cells, greatest)), cells, greatest);
  });
  Value lo = load(cells, least), hi = load(cells, greatest);
  Value any = arith::CmpFOp::create(builder, loc, CmpF::OLE, lo, hi);
  Value ratio = body.f32(op.getClipRatio().convertToFloat());
  auto finish = [&](Value x) -> Value {
    x = arith::SelectOp::create(builder, loc, any, x, zero);
    return arith::MulFOp::create(builder, loc, x, ratio);
  };
  return {finish(lo), finish(hi)};
}

/// mean(|x|) of a block: its elements in row-major order over 16 lanes; 0 for
/// none.
Value Plain::meanMagnitude(ChooseParamsOp op, const Index &group) {
  Value input = body.inputs[0], lanes = zeroLanes();
  Value counter = buffer(1, builder.getI64Type());
  Index only = {body.index(0)};
  auto i64 = [&](int64_t v) {
    return body.constant(builder.getI64IntegerAttr(v));
  };
  store(i64(0), counter, only);
  forBlock(input, group, op.getBlock(), [&](const Index &index) {
    Value x = limited(op, toFloat(load(input, index),
                                  tensorType(op.getInput()).getElementType()));
    Value count = load(counter, only);
    Value lane =
        arith::RemUIOp::create(builder, loc, count, i64(numerics::kLanes));
    lane =
        arith::IndexCastOp::create(builder, loc, builder.getIndexType(), lane);
    x = math::AbsFOp::create(builder, loc, x);
    store(arith::AddFOp::create(builder, loc, load(lanes, {lane}), x), lanes,
          {lane});
    store(arith::AddIOp::create(builder, loc, count, i64(1)), counter, only);
  });
  Value count = load(counter, only);
  Value mean = arith::DivFOp::create(
      builder, loc, reduceLanes(lanes),
      arith::SIToFPOp::create(builder, loc, builder.getF32Type(), count));
  Value none = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                     count, i64(0));
  return arith::SelectOp::create(builder, loc, none, body.f32(0), mean);
}

/// 2^(floor(log2(absmax)) - emax), at least 2^-127: arithmetic on the exponent
/// field.
static Value powerOfTwo(KernelBody &body, Value absmax, int64_t emax) {
  OpBuilder &builder = body.builder;
  Location loc = body.loc;
  auto shift = [&](Value v, bool left) -> Value {
    if (left)
      return arith::ShLIOp::create(builder, loc, v, body.i32(23));
    return arith::ShRUIOp::create(builder, loc, v, body.i32(23));
  };
  Value bits =
      arith::BitcastOp::create(builder, loc, builder.getI32Type(), absmax);
  Value exponent =
      arith::AndIOp::create(builder, loc, shift(bits, false), body.i32(0xff));
  exponent = arith::SubIOp::create(builder, loc, exponent, body.i32(emax));
  // 2^-127 has no exponent field of its own.
  Value least = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sle,
                                      exponent, body.i32(0));
  Value power = arith::SelectOp::create(builder, loc, least, body.i32(0x400000),
                                        shift(exponent, true));
  return arith::BitcastOp::create(builder, loc, builder.getF32Type(), power);
}

Value Plain::finishScale(Value scale, Type element) {
  if (!element.isF32()) {
    Value result = toFloat(fromFloat(scale, element), element);
    if (isa<Float16Type, BFloat16Type>(element)) {
      // What is finite, but too large for the type, is its greatest value.
      Value infinity = body.f32(std::numeric_limits<float>::infinity());
      auto isInfinite = [&](Value x) -> Value {
        return arith::CmpFOp::create(builder, loc, CmpF::OEQ,
                                     math::AbsFOp::create(builder, loc, x),
                                     infinity);
      };
      Value most = math::CopySignOp::create(
          builder, loc, body.f32(numerics::info(*getFormat(element)).qmax),
          scale);
      Value overflow =
          arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult,
                                isInfinite(scale), isInfinite(result));
      result = arith::SelectOp::create(builder, loc, overflow, most, result);
    }
    scale = result;
  }
  Value isZero =
      arith::CmpFOp::create(builder, loc, CmpF::OEQ, scale, body.f32(0));
  return arith::SelectOp::create(builder, loc, isZero, body.f32(1), scale);
}

void Plain::emit(ChooseParamsOp op) {
  Value scales = body.outputs[0];
  Type scaleType = tensorType(op.getScale()).getElementType();
  numerics::StoredRange range =
      numerics::storedRange(*getFormat(op.getStored()));
  Formula formula = op.getFormula();
  auto divide = [&](Value a, float b) -> Value {
    return arith::DivFOp::create(builder, loc, a, body.f32(b));
  };
  auto subtract = [&](Value a, Value b) -> Value {
    return arith::SubFOp::create(builder, loc, a, b);
  };
  forEach(scales, [&](const Index &group) {
    auto finish = [&](Value scale) {
      scale = finishScale(scale, scaleType);
      store(fromFloat(scale, scaleType), scales, group);
      return scale;
    };
    if (formula == Formula::MeanAbs) {
      finish(meanMagnitude(op, group));
      return;
    }
    auto [lo, hi] = extrema(op, group);
    Value minusLo = arith::NegFOp::create(builder, loc, lo), zero = body.f32(0);
    switch (formula) {
    case Formula::Symmetric:
      finish(divide(body.larger(minusLo, hi), range.qmax));
      return;
    case Formula::SignedScale: {
      Value low = arith::CmpFOp::create(builder, loc, CmpF::OGE, minusLo, hi);
      finish(divide(arith::SelectOp::create(builder, loc, low, lo, hi),
                    range.qmin));
      return;
    }
    case Formula::Asymmetric: {
      lo = body.smaller(lo, zero);
      hi = body.larger(hi, zero);
      Value scale = finish(divide(subtract(hi, lo), range.qmax - range.qmin));
      Value qmin = body.f32(range.qmin);
      Value z = subtract(qmin, arith::DivFOp::create(builder, loc, lo, scale));
      z = body.larger(z, qmin);
      z = body.smaller(z, body.f32(range.qmax));
      store(encodeInteger(z, Value(), op.getStored()), body.outputs[1], group);
      return;
    }
    case Formula::AsymmetricOffset: {
      Value scale = finish(divide(subtract(hi, lo), range.qmax - range.qmin));
      Value step =
          arith::MulFOp::create(builder, loc, body.f32(range.qmin), scale);
      store(fromFloat(subtract(lo, step),
                      tensorType(op.getOffset()).getElementType()),
            body.outputs[1], group);
      return;
    }
    case Formula::PowerOfTwo: {
      Value absmax = body.larger(minusLo, hi);
      Value isZero =
          arith::CmpFOp::create(builder, loc, CmpF::OEQ, absmax, zero);
      Value scale = powerOfTwo(body, absmax, std::ilogb(range.qmax));
      finish(arith::SelectOp::create(builder, loc, isZero, body.f32(1), scale));
      return;
    }
    case Formula::MeanAbs:
      return; // above
    }
  });
}

} // namespace quantc::qkernel
