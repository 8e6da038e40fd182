//===- Linear.cpp - Plain linear, quantized_linear, matmul, embedding -----===//
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

void Plain::emit(qgraph::LinearOp op) {
  Value input = body.inputs[0], weight = body.inputs[1], bias = inputOf(op, 2);
  Type x = tensorType(op.getInput()).getElementType();
  Type w = tensorType(op.getWeight()).getElementType();
  forEach(body.outputs[0], [&](const Index &index) {
    Value n = index.back();
    Value sum = dotOverK(body.dim(weight, 1), [&](Value k) {
      Index at(index);
      at.back() = k;
      return std::make_pair(toFloat(load(input, at), x),
                            toFloat(load(weight, {n, k}), w));
    });
    sum = arith::AddFOp::create(builder, loc, sum,
                                loadBias(bias, op.getBias(), n));
    finishLayer(op, inputsOf(op, 3), sum, index);
  });
}

/// The length of a scale group on the last dimension; all of it for block 0.
static int64_t groupLength(ArrayRef<int64_t> block, int64_t k) {
  return block.back() == 0 ? k : block.back();
}

void Plain::emit(QuantizedLinearOp op) {
  Value input = inputOf(op, 0), inputScale = inputOf(op, 1),
        inputZero = inputOf(op, 2), weight = inputOf(op, 3),
        weightScale = inputOf(op, 4), weightZero = inputOf(op, 5),
        bias = inputOf(op, 6);
  Type x = tensorType(op.getInput()).getElementType();
  Type w = tensorType(op.getWeight()).getElementType();
  int64_t k = tensorType(op.getWeight()).getShape()[1];
  int64_t group = std::min(groupLength(op.getInputBlock(), k),
                           groupLength(op.getWeightBlock(), k));
  int64_t groups = llvm::divideCeil(k, group);
  Type f32 = builder.getF32Type();
  // The integers themselves are the result.
  bool isSum = tensorType(op.getResult()).getElementType().isSignedInteger(32);

  forEach(body.outputs[0], [&](const Index &index) {
    Value n = index.back();
    // f32(dot[g]) and sx * sw of one group.
    auto parts = [&](Value g) {
      Value lo = body.mul(g, body.index(group));
      Value hi = body.minimum(body.index(k), body.add(lo, body.index(group)));
      Index first(index);
      first.back() = lo;
      Index inputGroup = blockIndex(first, op.getInputBlock());
      Index weightGroup = blockIndex({n, lo}, op.getWeightBlock());
      Value zx = inputZero ? toInt(load(inputZero, inputGroup), x) : Value();
      Value zw = weightZero ? toInt(load(weightZero, weightGroup), w) : Value();
      auto dot = body.loop(
          lo, hi, 1, ValueRange{body.i32(0)},
          [&](Value i, ValueRange carried) -> SmallVector<Value> {
            Index at(index);
            at.back() = i;
            Value a = toInt(load(input, at), x),
                  b = toInt(load(weight, {n, i}), w);
            if (zx)
              a = arith::SubIOp::create(builder, loc, a, zx);
            if (zw)
              b = arith::SubIOp::create(builder, loc, b, zw);
            Value product = arith::MulIOp::create(builder, loc, a, b);
            return {arith::AddIOp::create(builder, loc, carried[0], product)};
          });
      if (isSum)
        return std::make_pair(dot[0], Value());
      Value sx = toFloat(load(inputScale, inputGroup),
                         tensorType(op.getInputScale()).getElementType());
      Value sw = toFloat(load(weightScale, weightGroup),
                         tensorType(op.getWeightScale()).getElementType());
      return std::make_pair(
          Value(arith::SIToFPOp::create(builder, loc, f32, dot[0])),
          Value(arith::MulFOp::create(builder, loc, sx, sw)));
    };
    if (isSum) {
      store(parts(body.index(0)).first, body.outputs[0], index);
      return;
    }
    Value b = loadBias(bias, op.getBias(), n);
    Value y;
    if (op.getWeightBlock().back() == 0 && op.getInputBlock().back() == 0) {
      auto [dot, factor] = parts(body.index(0));
      y = math::FmaOp::create(builder, loc, dot, factor, b);
    } else {
      auto sum = body.loop(
          body.index(0), body.index(groups), 1, ValueRange{body.f32(0)},
          [&](Value g, ValueRange carried) -> SmallVector<Value> {
            auto [dot, factor] = parts(g);
            return {math::FmaOp::create(builder, loc, dot, factor, carried[0])};
          });
      y = arith::AddFOp::create(builder, loc, sum[0], b);
    }
    finishLayer(op, inputsOf(op, 7), y, index);
  });
}

Plain::Index Plain::matrixIndex(Value memref, const Index &index, Value row,
                                Value column) {
  int64_t own = cast<MemRefType>(memref.getType()).getRank();
  int64_t rank = index.size();
  auto at = [&](int64_t d, Value i) -> Value {
    Value isOne = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                        body.dim(memref, d), body.index(1));
    return arith::SelectOp::create(builder, loc, isOne, body.index(0), i);
  };
  Index result;
  for (int64_t d = 0; d < own - 2; ++d)
    result.push_back(at(d, index[rank - own + d]));
  result.push_back(at(own - 2, row));
  result.push_back(at(own - 1, column));
  return result;
}

void Plain::emit(MatmulOp op) {
  Value lhs = body.inputs[0], rhs = body.inputs[1];
  Type a = tensorType(op.getLhs()).getElementType(),
       b = tensorType(op.getRhs()).getElementType();
  int64_t lhsRank = tensorType(op.getLhs()).getRank(),
          rank = tensorType(op.getResult()).getRank();
  forEach(body.outputs[0], [&](const Index &index) {
    Value n = index[rank - 1], m = index[rank - 2];
    Value sum = dotOverK(body.dim(lhs, lhsRank - 1), [&](Value k) {
      Index right = op.getTransposeRhs() ? matrixIndex(rhs, index, n, k)
                                         : matrixIndex(rhs, index, k, n);
      return std::make_pair(
          toFloat(load(lhs, matrixIndex(lhs, index, m, k)), a),
          toFloat(load(rhs, right), b));
    });
    store(fromFloat(sum, tensorType(op.getResult()).getElementType()),
          body.outputs[0], index);
  });
}

void Plain::emit(QuantizedMatmulOp op) {
  Value lhs = inputOf(op, 0), lhsScale = inputOf(op, 1),
        lhsZero = inputOf(op, 2), rhs = inputOf(op, 3),
        rhsScale = inputOf(op, 4), rhsZero = inputOf(op, 5);
  Type a = tensorType(op.getLhs()).getElementType(),
       b = tensorType(op.getRhs()).getElementType();
  int64_t lhsRank = tensorType(op.getLhs()).getRank(),
          rank = tensorType(op.getResult()).getRank();
  bool isSum = tensorType(op.getResult()).getElementType().isSignedInteger(32);
  forEach(body.outputs[0], [&](const Index &index) {
    Value n = index[rank - 1], m = index[rank - 2], zero = body.index(0);
    auto right = [&](Value memref, Value k) {
      return load(memref, op.getTransposeRhs()
                              ? matrixIndex(memref, index, n, k)
                              : matrixIndex(memref, index, k, n));
    };
    auto left = [&](Value memref, Value k) {
      return load(memref, matrixIndex(memref, index, m, k));
    };
    Value za = lhsZero ? toInt(left(lhsZero, zero), a) : Value(),
          zb = rhsZero ? toInt(right(rhsZero, zero), b) : Value();
    auto dot = [&](Value lo, Value hi) -> Value {
      return body.loop(
          lo, hi, 1, ValueRange{body.i32(0)},
          [&](Value k, ValueRange carried) -> SmallVector<Value> {
            Value x = toInt(left(lhs, k), a), y = toInt(right(rhs, k), b);
            if (za)
              x = arith::SubIOp::create(builder, loc, x, za);
            if (zb)
              y = arith::SubIOp::create(builder, loc, y, zb);
            Value product = arith::MulIOp::create(builder, loc, x, y);
            return {arith::AddIOp::create(builder, loc, carried[0], product)};
          })[0];
    };
    Value k = body.dim(lhs, lhsRank - 1);
    if (isSum) {
      store(dot(zero, k), body.outputs[0], index);
      return;
    }
    Value sa = toFloat(left(lhsScale, zero),
                       tensorType(op.getLhsScale()).getElementType());
    Value sb = toFloat(right(rhsScale, zero),
                       tensorType(op.getRhsScale()).getElementType());
    Value factor = arith::MulFOp::create(builder, loc, sa, sb);
    auto sum = body.loop(
        zero, k, QuantizedMatmulOp::kBlockK, ValueRange{body.f32(0)},
        [&](Value lo, ValueRange carried) -> SmallVector<Value> {
          Value hi = body.minimum(
              k, body.add(lo, body.index(QuantizedMatmulOp::kBlockK)));
          Value real = arith::SIToFPOp::create(
              builder, loc, builder.getF32Type(), dot(lo, hi));
          return {math::FmaOp::create(builder, loc, real, factor, carried[0])};
        });
    finishLayer(op, inputsOf(op, 6), sum[0], index);
  });
}

void Plain::emit(EmbeddingOp op) {
  Value table = body.inputs[0], indices = body.inputs[1];
  Value scale = op.getScale() ? body.inputs[2] : Value();
  Type element = tensorType(op.getTable()).getElementType();
  Value entries = body.dim(table, 0), zero = body.index(0);
  forEach(body.outputs[0], [&](const Index &index) {
    Index outer(index);
    Value column = outer.pop_back_val();
    Value i = arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                         load(indices, outer));
    Value negative =
        arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, i, zero);
    i = arith::SelectOp::create(builder, loc, negative, body.add(i, entries),
                                i);
    Value inside = arith::CmpIOp::create(builder, loc,
                                         arith::CmpIPredicate::ult, i, entries);
    CheckOp::create(builder, loc, body.frame, inside, kIndexOutside, i,
                    entries);
    i = arith::SelectOp::create(builder, loc, inside, i, zero);
    Value x = toFloat(load(table, {i, column}), element);
    if (scale)
      x = arith::MulFOp::create(
          builder, loc, x,
          toFloat(load(scale, {i, zero}),
                  tensorType(op.getScale()).getElementType()));
    store(fromFloat(x, tensorType(op.getResult()).getElementType()),
          body.outputs[0], index);
  });
}

} // namespace quantc::qkernel
