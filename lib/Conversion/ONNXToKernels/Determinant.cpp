//===- Determinant.cpp - Kernels of Det and Inverse -----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gaussian elimination with row pivots, in f64 (rounded once), on a copy of the
// matrix in scratch memory.
//
//===----------------------------------------------------------------------===//

#include "Coordinates.h"
#include "NodeKernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

int64_t orderOf(NodeOp op) { return inputType(op, 0).getShape().back(); }

LogicalResult acceptsMatrix(NodeOp op, std::string &why) {
  RankedTensorType type = inputType(op, 0);
  Type element = type.getElementType();
  llvm::raw_string_ostream os(why);
  if (!isa<FloatType>(element) || element.getIntOrFloatBitWidth() < 16)
    os << op.getOpType() << " is not there for " << element;
  else if (type.getRank() < 2 || ShapedType::isDynamic(orderOf(op)))
    os << op.getOpType()
       << " needs a size of its matrices known when it is compiled";
  else
    return success();
  return failure();
}

/// A matrix of f64 in scratch memory.
class Scratch {
public:
  Scratch(KernelBody &body, int64_t rows, int64_t columns)
      : body(body), m(body.builder, body.loc, body.builder.getF64Type()),
        width(body.index(columns)) {
    auto type = MemRefType::get({rows * columns}, body.builder.getF64Type());
    memory = memref::ViewOp::create(body.builder, body.loc, type, body.scratch,
                                    body.index(0), ValueRange{});
  }
  Value load(Value i, Value j) {
    return loadElement(body, memory, at(i, j), Type());
  }
  void store(Value value, Value i, Value j) {
    storeElement(body, value, memory, at(i, j), Type());
  }
  /// The row from k on whose element of column k is the largest.
  Value pivot(Value k, Value rows) {
    Value init[] = {m.abs(load(k, k)), k};
    return body.loop(
        body.add(k, body.index(1)), rows, 1, init,
        [&](Value i, ValueRange best) {
          Value x = m.abs(load(i, k));
          Value more = m.compare(arith::CmpFPredicate::OGT, x, best[0]);
          return SmallVector<Value>{m.select(more, x, best[0]),
                                    select(body, more, i, best[1])};
        })[1];
  }
  /// Exchanges two rows from column `begin` on.
  void swap(Value i, Value k, Value begin) {
    body.loop(begin, width, 1, [&](Value j) {
      Value a = load(i, j), c = load(k, j);
      store(c, i, j);
      store(a, k, j);
    });
  }
  /// Row i -= factor * row k, from column k on.
  void subtract(Value i, Value k, Value factor) {
    body.loop(k, width, 1, [&](Value j) {
      store(m.sub(load(i, j), m.mul(factor, load(k, j))), i, j);
    });
  }

  KernelBody &body;
  MathEmitter m;
  Value width, memory;

private:
  Value at(Value i, Value j) { return body.add(body.mul(i, width), j); }
};

Value scratchDet(NodeOp op, OpBuilder &builder) {
  return arith::ConstantIndexOp::create(
      builder, op.getLoc(),
      std::max<int64_t>(8 * orderOf(op) * orderOf(op), 8));
}

void emitDet(NodeOp op, KernelBody &body) {
  Type element = inputElement(op, 0), f64 = body.builder.getF64Type();
  int64_t order = orderOf(op);
  Scratch matrix(body, order, order);
  MathEmitter &m = matrix.m;
  Value n = body.index(order), zero = body.index(0), one = body.index(1);
  Value input = body.flatten(body.inputs[0]);
  Value output = body.flatten(body.outputs[0]);
  emitPointwise(body, output, element, [&](ArrayRef<Value> index) {
    Value base = body.mul(index[0], body.index(order * order));
    body.loop(zero, body.index(order * order), 1, [&](Value i) {
      Value x = loadReal(body, input, body.add(base, i), element);
      storeElement(body, convertReal(body, x, f64), matrix.memory, i, Type());
    });
    Value det =
        body.loop(zero, n, 1, ValueRange{m.constant(1, f64)},
                  [&](Value k, ValueRange product) {
                    // The largest of the column comes to the diagonal.
                    Value pivot = matrix.pivot(k, n);
                    matrix.swap(k, pivot, k);
                    Value diagonal = matrix.load(k, k);
                    Value isZero = m.compare(arith::CmpFPredicate::OEQ,
                                             diagonal, m.constant(0, f64));
                    body.loop(body.add(k, one), n, 1, [&](Value i) {
                      Value factor =
                          m.select(isZero, m.constant(0, f64),
                                   m.div(matrix.load(i, k), diagonal));
                      matrix.subtract(i, k, factor);
                    });
                    Value next = m.mul(product[0], diagonal);
                    return SmallVector<Value>{
                        m.select(equals(body, pivot, k), next, m.neg(next))};
                  })[0];
    return fromReal(body, convertReal(body, det, realType(element)), element);
  });
}

Value scratchInverse(NodeOp op, OpBuilder &builder) {
  return arith::ConstantIndexOp::create(
      builder, op.getLoc(),
      std::max<int64_t>(16 * orderOf(op) * orderOf(op), 8));
}

/// Gauss-Jordan elimination of the matrix with the identity beside it. Of a
/// singular one it gives infinities and NaNs.
void emitInverse(NodeOp op, KernelBody &body) {
  Type element = inputElement(op, 0), f64 = body.builder.getF64Type();
  int64_t order = orderOf(op);
  Scratch pair(body, order, 2 * order);
  MathEmitter &m = pair.m;
  Value n = body.index(order), zero = body.index(0);
  Value nothing = m.constant(0, f64), one = m.constant(1, f64);
  Value input = body.flatten(body.inputs[0]);
  Value output = body.flatten(body.outputs[0]);
  Value size = body.index(order * order);
  Value count = order ? body.builder.createOrFold<arith::DivUIOp>(
                            body.loc, body.dim(output, 0), size)
                      : zero;
  auto at = [&](Value base, Value i, Value j) {
    return body.add(base, body.add(body.mul(i, n), j));
  };
  auto forEach = [&](llvm::function_ref<void(Value, Value)> element) {
    body.loop(zero, n, 1, [&](Value i) {
      body.loop(zero, n, 1, [&](Value j) { element(i, j); });
    });
  };
  auto [lo, hi] = body.share(count);
  body.loop(lo, hi, 1, [&](Value index) {
    Value base = body.mul(index, size);
    forEach([&](Value i, Value j) {
      Value x = loadReal(body, input, at(base, i, j), element);
      pair.store(convertReal(body, x, f64), i, j);
      pair.store(m.select(equals(body, i, j), one, nothing), i, body.add(j, n));
    });
    body.loop(zero, n, 1, [&](Value k) {
      pair.swap(k, pair.pivot(k, n), k);
      Value diagonal = pair.load(k, k);
      body.loop(k, pair.width, 1, [&](Value j) {
        pair.store(m.div(pair.load(k, j), diagonal), k, j);
      });
      body.loop(zero, n, 1, [&](Value i) {
        pair.subtract(i, k,
                      m.select(equals(body, i, k), nothing, pair.load(i, k)));
      });
    });
    forEach([&](Value i, Value j) {
      Value x =
          convertReal(body, pair.load(i, body.add(j, n)), realType(element));
      storeElement(body, fromReal(body, x, element), output, at(base, i, j),
                   element);
    });
  });
}

} // namespace

ArrayRef<NodeKernel> determinantKernels() {
  static const NodeKernel kernels[] = {
      {"Det", acceptsMatrix, emitDet, 0, scratchDet},
      {"Inverse", acceptsMatrix, emitInverse, 0, scratchInverse,
       "com.microsoft"},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
