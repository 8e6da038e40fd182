//===- Quantization.cpp - Plain quantize, dequantize, choose_params -------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Loops.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {

static std::pair<double, double> storedRange(Type stored) {
  auto type = cast<IntegerType>(stored);
  double half = std::ldexp(1.0, type.getWidth() - 1);
  return type.isUnsigned() ? std::make_pair(0.0, 2 * half - 1) : std::make_pair(-half, half - 1);
}

Value Plain::decode(Value code, Type stored, Value codebook) {
  if (!codebook)
    return toFloat(code, stored);
  // Codes are unsigned indices into the codebook.
  Value index = arith::IndexCastUIOp::create(builder, loc, builder.getIndexType(), code);
  return load(codebook, {index});
}

/// The index of the nearest code, the lower one on a tie.
Value Plain::encodeCodebook(Value x, Value codebook, Type stored) {
  Value size = body.dim(codebook, 0);
  auto at = [&](Value i) { return load(codebook, {i}); };
  Value first = at(body.index(0));
  auto extrema = body.loop(body.index(1), size, 1, ValueRange{first, first},
                           [&](Value i, ValueRange c) -> SmallVector<Value> {
                             Value v = at(i);
                             return {pick(arith::CmpFPredicate::OLT, v, c[0]),
                                     pick(arith::CmpFPredicate::OGT, v, c[1])};
                           });
  // Infinities have equal distances to everything: bring them to the ends first.
  Value below = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OLT, x, extrema[0]);
  x = arith::SelectOp::create(builder, loc, below, extrema[0], x);
  Value above = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGT, x, extrema[1]);
  x = arith::SelectOp::create(builder, loc, above, extrema[1], x);
  Value infinity = body.f32(std::numeric_limits<float>::infinity());
  auto best = body.loop(
      body.index(0), size, 1, ValueRange{infinity, body.index(0)},
      [&](Value i, ValueRange c) -> SmallVector<Value> {
        Value distance = math::AbsFOp::create(builder, loc,
                                              arith::SubFOp::create(builder, loc, x, at(i)));
        Value closer =
            arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OLT, distance, c[0]);
        return {arith::SelectOp::create(builder, loc, closer, distance, c[0]),
                arith::SelectOp::create(builder, loc, closer, i, c[1])};
      });
  return arith::IndexCastUIOp::create(builder, loc, kernelElementType(stored), best[1]);
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
    Value x = toFloat(load(input, index), tensorType(op.getInput()).getElementType());
    if (offset)
      x = rounded(arith::SubFOp::create(
                      builder, loc, x,
                      toFloat(load(offset, group), tensorType(op.getOffset()).getElementType())),
                  precision);
    Value s = toFloat(load(scale, group), tensorType(op.getScale()).getElementType());
    x = rounded(arith::DivFOp::create(builder, loc, x, s), precision);
    if (codebook) {
      store(encodeCodebook(x, codebook, stored), body.outputs[0], index);
      return;
    }
    // Far beyond every range, so that the zero point cannot bring it back; NaN goes low.
    x = pick(arith::CmpFPredicate::OGT, x, body.f32(-0x1p+40f));
    x = pick(arith::CmpFPredicate::OLT, x, body.f32(0x1p+40f));
    x = math::RoundEvenOp::create(builder, loc, x);
    Type i64 = builder.getI64Type();
    Value code = arith::FPToSIOp::create(builder, loc, i64, x);
    auto wide = [&](double v) -> Value {
      return arith::ConstantOp::create(builder, loc,
                                       builder.getI64IntegerAttr(static_cast<int64_t>(v)));
    };
    if (zeroPoint) {
      Value z = load(zeroPoint, group);
      if (z.getType() != i64)
        z = stored.isUnsignedInteger() ? Value(arith::ExtUIOp::create(builder, loc, i64, z))
                                       : Value(arith::ExtSIOp::create(builder, loc, i64, z));
      code = arith::AddIOp::create(builder, loc, code, z);
    }
    auto [qmin, qmax] = storedRange(stored);
    code = arith::MaxSIOp::create(builder, loc, code, wide(qmin));
    code = arith::MinSIOp::create(builder, loc, code, wide(qmax));
    store(arith::TruncIOp::create(builder, loc, kernelElementType(stored), code), body.outputs[0],
          index);
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
      Value difference = arith::SubIOp::create(builder, loc, toInt(x, stored),
                                               toInt(load(zeroPoint, group), stored));
      x = arith::SIToFPOp::create(builder, loc, builder.getF32Type(), difference);
    } else {
      x = decode(x, stored, codebook);
    }
    Value s = toFloat(load(scale, group), tensorType(op.getScale()).getElementType());
    x = rounded(arith::MulFOp::create(builder, loc, rounded(x, precision), s), precision);
    if (offset)
      x = rounded(arith::AddFOp::create(
                      builder, loc, x,
                      toFloat(load(offset, group), tensorType(op.getOffset()).getElementType())),
                  precision);
    store(x, body.outputs[0], index);
  });
}

void Plain::emit(ChooseParamsOp op) {
  Value input = body.inputs[0], scales = body.outputs[0];
  auto range = storedRange(op.getStored());
  float qmin = range.first, qmax = range.second;
  Value infinity = body.f32(std::numeric_limits<float>::infinity());
  Value minusInfinity = body.f32(-std::numeric_limits<float>::infinity());
  forEach(scales, [&](const Index &group) {
    // The extrema of the block: a nest over its elements, carried in two cells.
    Value cells = buffer(2, builder.getF32Type());
    store(infinity, cells, {body.index(0)});
    store(minusInfinity, cells, {body.index(1)});
    Index index;
    std::function<void(size_t)> nest = [&](size_t dim) {
      if (dim == group.size()) {
        Value x = toFloat(load(input, index), tensorType(op.getInput()).getElementType());
        if (auto clip = op.getClip()) {
          x = pick(arith::CmpFPredicate::OGT, x, body.f32((*clip)[0]));
          x = pick(arith::CmpFPredicate::OLT, x, body.f32((*clip)[1]));
        }
        store(pick(arith::CmpFPredicate::OLT, x, load(cells, {body.index(0)})), cells,
              {body.index(0)});
        store(pick(arith::CmpFPredicate::OGT, x, load(cells, {body.index(1)})), cells,
              {body.index(1)});
        return;
      }
      int64_t entry = op.getBlock()[dim];
      Value size = body.dim(input, dim), lo, hi;
      if (entry == 0) {
        lo = body.index(0);
        hi = size;
      } else {
        lo = body.mul(group[dim], body.index(entry));
        hi = body.minimum(size, body.add(lo, body.index(entry)));
      }
      body.loop(lo, hi, 1, [&](Value iv) {
        index.push_back(iv);
        nest(dim + 1);
        index.pop_back();
      });
    };
    nest(0);
    Value lo = load(cells, {body.index(0)}), hi = load(cells, {body.index(1)});
    Value zero = body.f32(0);
    Value any = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OLE, lo, hi);
    Value ratio = body.f32(op.getClipRatio().convertToFloat());
    lo = arith::MulFOp::create(builder, loc, arith::SelectOp::create(builder, loc, any, lo, zero),
                               ratio);
    hi = arith::MulFOp::create(builder, loc, arith::SelectOp::create(builder, loc, any, hi, zero),
                               ratio);
    Value scale, minusLo = arith::NegFOp::create(builder, loc, lo);
    switch (op.getFormula()) {
    case Formula::Symmetric:
      scale = arith::DivFOp::create(builder, loc, pick(arith::CmpFPredicate::OGT, minusLo, hi),
                                    body.f32(qmax));
      break;
    case Formula::SignedScale: {
      Value low = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGE, minusLo, hi);
      scale = arith::DivFOp::create(builder, loc,
                                    arith::SelectOp::create(builder, loc, low, lo, hi),
                                    body.f32(qmin));
      break;
    }
    case Formula::Asymmetric:
      lo = pick(arith::CmpFPredicate::OLT, lo, zero);
      hi = pick(arith::CmpFPredicate::OGT, hi, zero);
      scale = arith::DivFOp::create(builder, loc, arith::SubFOp::create(builder, loc, hi, lo),
                                    body.f32(qmax - qmin));
      break;
    }
    Value isZero = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ, scale, zero);
    scale = arith::SelectOp::create(builder, loc, isZero, body.f32(1), scale);
    store(scale, scales, group);
    if (!op.getZeroPoint())
      return;
    Value z = arith::SubFOp::create(builder, loc, body.f32(qmin),
                                    arith::DivFOp::create(builder, loc, lo, scale));
    z = pick(arith::CmpFPredicate::OGT, z, body.f32(qmin));
    z = pick(arith::CmpFPredicate::OLT, z, body.f32(qmax));
    z = math::RoundEvenOp::create(builder, loc, z);
    Value wide = arith::FPToSIOp::create(builder, loc, builder.getI64Type(), z);
    store(arith::TruncIOp::create(builder, loc, kernelElementType(op.getStored()), wide),
          body.outputs[1], group);
  });
}

} // namespace quantc::qkernel
