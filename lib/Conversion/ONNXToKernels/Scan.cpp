//===- Scan.cpp - Kernels that go along an axis in order ------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NodeKernels.h"
#include "Reduce.h"

#include "quantc/Dialect/ONNX/Elementwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::onnx_kernels {

static bool isNumber(Type element) {
  return element.getIntOrFloatBitWidth() >= 8 &&
         (isa<IntegerType>(element) || element.getIntOrFloatBitWidth() >= 16);
}

static LogicalResult acceptsNumbers(NodeOp op, std::string &why) {
  Type element = inputElement(op, 0);
  if (isNumber(element))
    return success();
  llvm::raw_string_ostream(why)
      << op.getOpType() << " is not there for " << element;
  return failure();
}

/// For each line along `axis`: `line(offset of its first element, step,
/// length)`.
static void forEachLine(
    KernelBody &body, Value outer, Value length, Value inner,
    llvm::function_ref<void(Value start, Value step, Value line)> visit) {
  forEachRow(
      body, {outer, inner},
      [&](ArrayRef<Value> at, Value begin, Value end) {
        Value first = body.mul(body.mul(at[0], length), inner);
        Value row = body.mul(at[0], inner);
        body.loop(begin, end, 1, [&](Value j) {
          visit(body.add(first, j), inner, body.add(row, j));
        });
      },
      /*grain=*/1);
}

static void forEachLine(
    KernelBody &body, Value input, int64_t axis,
    llvm::function_ref<void(Value start, Value step, Value line)> visit) {
  int64_t rank = cast<MemRefType>(input.getType()).getRank();
  forEachLine(body, body.product(input, 0, axis), body.dim(input, axis),
              body.product(input, axis + 1, rank), visit);
}

/// The first (or last) index of the extremum. As in NumPy, a NaN is the
/// extremum.
static void emitArg(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0];
  Type element = inputElement(op, 0);
  int64_t axis =
      normalizeAxis(op.getIntAttr("axis", 0), inputType(op, 0).getRank());
  bool last = op.getIntAttr("select_last_index", 0), most = op.is("ArgMax");
  Value memory = body.flatten(input), output = body.flatten(body.outputs[0]);
  Value length = body.dim(input, axis);
  OpBuilder &b = body.builder;
  forEachLine(body, input, axis, [&](Value start, Value step, Value line) {
    Value first = loadElement(body, memory, start, element);
    SmallVector<Value> best = body.loop(
        body.index(1), length, 1, ValueRange{first, body.index(0)},
        [&](Value i, ValueRange carried) {
          Value x = loadElement(body, memory,
                                body.add(start, body.mul(i, step)), element);
          Value better;
          if (isa<FloatType>(element)) {
            // Unordered: x is NaN, or the best so far is, which then stays.
            auto predicate = most ? (last ? arith::CmpFPredicate::UGE
                                          : arith::CmpFPredicate::UGT)
                                  : (last ? arith::CmpFPredicate::ULE
                                          : arith::CmpFPredicate::ULT);
            better =
                arith::CmpFOp::create(b, body.loc, predicate, x, carried[0]);
            auto keep = arith::CmpFOp::create(
                b, body.loc, arith::CmpFPredicate::ORD, carried[0], carried[0]);
            better = both(body, better, keep);
          } else {
            bool u = element.isUnsignedInteger();
            using P = arith::CmpIPredicate;
            P predicate =
                most ? (last ? (u ? P::uge : P::sge) : (u ? P::ugt : P::sgt))
                     : (last ? (u ? P::ule : P::sle) : (u ? P::ult : P::slt));
            better =
                arith::CmpIOp::create(b, body.loc, predicate, x, carried[0]);
          }
          return SmallVector<Value>{select(body, better, x, carried[0]),
                                    select(body, better, i, carried[1])};
        });
    Value y = arith::IndexCastOp::create(b, body.loc, b.getI64Type(), best[1]);
    storeElement(body, y, output, line, Type());
  });
}

/// Running sums or products; with `exclusive` the element itself is left out,
/// `reverse` starts at the end.
static void emitCumulative(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0];
  Type element = inputElement(op, 0);
  bool exclusive = op.getIntAttr("exclusive", 0),
       reverse = op.getIntAttr("reverse", 0);
  Value memory = body.flatten(input), output = body.flatten(body.outputs[0]);
  // The sizes before, at and after the axis, which may be data.
  Value outer = body.index(1), length = outer, inner = outer, one = outer;
  SmallVector<Value> sizes = sizesOf(body, input);
  Value rank = body.index(sizes.size()), axis;
  if (std::optional<SmallVector<int64_t>> given = constantInts(op, 1, "axis"))
    axis = body.index(normalizeAxis(given->front(), sizes.size()));
  else
    axis = checkedIndex(body, loadIndex(body, body.inputs[1], body.index(0)),
                        rank, qkernel::kAxisOutside);
  for (auto [d, size] : llvm::enumerate(sizes)) {
    Value here = body.index(d);
    outer =
        body.mul(outer, select(body, lessThan(body, here, axis), size, one));
    inner =
        body.mul(inner, select(body, lessThan(body, axis, here), size, one));
    length = select(body, equals(body, here, axis), size, length);
  }
  Value end = body.sub(length, one);
  Type type = accumulatorType(element);
  MathEmitter m(body.builder, body.loc, type);
  bool isFloat = isa<FloatType>(type), isSum = op.is("CumSum");
  auto combine = [&](Value a, Value b) {
    if (isFloat)
      return isSum ? m.add(a, b) : m.mul(a, b);
    return isSum ? m.addi(a, b) : m.muli(a, b);
  };
  forEachLine(body, outer, length, inner, [&](Value start, Value step, Value) {
    int64_t first = isSum ? 0 : 1;
    Value init =
        isFloat ? m.constant(double(first), type) : m.constantInt(first, type);
    body.loop(body.index(0), length, 1, ValueRange{init},
              [&](Value i, ValueRange running) {
                Value at = body.add(
                    start, body.mul(reverse ? body.sub(end, i) : i, step));
                Value x = m.widen(loadElement(body, memory, at, element));
                Value next = combine(running[0], x);
                Value y = exclusive ? running[0] : next;
                storeElement(body, isFloat ? m.narrow(y, element) : y, output,
                             at, element);
                return SmallVector<Value>{next};
              });
  });
}

/// 1 at the first maximum of each line, 0 elsewhere.
static void emitHardmax(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0];
  Type element = inputElement(op, 0), type = accumulatorType(element);
  int64_t rank = inputType(op, 0).getRank();
  int64_t axis = normalizeAxis(op.getIntAttr("axis", -1), rank);
  Value memory = body.flatten(input), output = body.flatten(body.outputs[0]);
  Value length = body.dim(input, axis);
  MathEmitter m(body.builder, body.loc, type);
  forEachLine(body, input, axis, [&](Value start, Value step, Value) {
    auto load = [&](Value i) {
      Value at = body.add(start, body.mul(i, step));
      return m.widen(loadElement(body, memory, at, element));
    };
    SmallVector<Value> best = body.loop(
        body.index(1), length, 1,
        ValueRange{load(body.index(0)), body.index(0)},
        [&](Value i, ValueRange carried) {
          Value x = load(i);
          Value better = m.compare(arith::CmpFPredicate::OGT, x, carried[0]);
          return SmallVector<Value>{select(body, better, x, carried[0]),
                                    select(body, better, i, carried[1])};
        });
    body.loop(body.index(0), length, 1, [&](Value i) {
      Value one = m.constant(1, type), zero = m.constant(0, type);
      Value y = select(body, equals(body, i, best[1]), one, zero);
      storeElement(body, m.narrow(y, element), output,
                   body.add(start, body.mul(i, step)), element);
    });
  });
}

/// The k greatest (or least) of each line in order, equal ones by rising index:
/// each pass takes the best of those that come after the last one taken.
static void emitTopK(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0];
  Type element = inputElement(op, 0), type = accumulatorType(element);
  int64_t rank = inputType(op, 0).getRank();
  int64_t axis = normalizeAxis(op.getIntAttr("axis", -1), rank);
  bool largest = op.getIntAttr("largest", 1);
  Value memory = body.flatten(input), values = body.flatten(body.outputs[0]);
  Value indices =
      body.outputs.size() > 1 ? body.flatten(body.outputs[1]) : Value();
  Value length = body.dim(input, axis), k = body.dim(body.outputs[0], axis);
  Value inner = body.product(input, axis + 1, rank), none = body.index(-1);
  OpBuilder &b = body.builder;
  MathEmitter m(b, body.loc, type);
  auto before = [&](Value x, Value y) {
    if (isa<FloatType>(type))
      return m.compare(largest ? arith::CmpFPredicate::OGT
                               : arith::CmpFPredicate::OLT,
                       x, y);
    using P = arith::CmpIPredicate;
    bool u = element.isUnsignedInteger();
    return m.compare(largest ? (u ? P::ugt : P::sgt) : (u ? P::ult : P::slt), x,
                     y);
  };
  forEachLine(body, input, axis, [&](Value start, Value step, Value line) {
    auto load = [&](Value i) {
      return m.widen(loadElement(body, memory,
                                 body.add(start, body.mul(i, step)), element));
    };
    Value target =
        body.add(body.mul(body.mul(quotient(body, line, inner), k), inner),
                 remainder(body, line, inner));
    body.loop(
        body.index(0), k, 1, ValueRange{none}, [&](Value j, ValueRange last) {
          Value safe = clamp(body, last[0], body.index(0), length);
          Value reference = load(safe);
          Value isFirst = equals(body, last[0], none);
          SmallVector<Value> best = body.loop(
              body.index(0), length, 1, ValueRange{reference, none},
              [&](Value i, ValueRange carried) {
                Value x = load(i);
                // After the last one taken: worse, or equal with a higher
                // index.
                Value worse = before(reference, x),
                      better = before(x, reference);
                Value equal = arith::XOrIOp::create(
                    b, body.loc,
                    arith::OrIOp::create(b, body.loc, worse, better),
                    body.constant(b.getBoolAttr(true)));
                Value later = both(body, equal, lessThan(body, last[0], i));
                Value left = arith::OrIOp::create(b, body.loc, worse, later);
                left = arith::OrIOp::create(b, body.loc, left, isFirst);
                Value noneYet = equals(body, carried[1], none);
                Value take = both(body, left,
                                  arith::OrIOp::create(b, body.loc, noneYet,
                                                       before(x, carried[0])));
                return SmallVector<Value>{select(body, take, x, carried[0]),
                                          select(body, take, i, carried[1])};
              });
          Value at = body.add(target, body.mul(j, inner));
          Value y = isa<FloatType>(type) ? m.narrow(best[0], element) : best[0];
          storeElement(body, y, values, at, element);
          if (indices) {
            Value index = arith::IndexCastOp::create(b, body.loc,
                                                     b.getI64Type(), best[1]);
            storeElement(body, index, indices, at, Type());
          }
          return SmallVector<Value>{best[1]};
        });
  });
}

static LogicalResult acceptsFloats(NodeOp op, std::string &why) {
  if (isa<FloatType>(inputElement(op, 0)))
    return acceptsNumbers(op, why);
  llvm::raw_string_ostream(why)
      << op.getOpType() << " is not there for " << inputElement(op, 0);
  return failure();
}

ArrayRef<NodeKernel> scanKernels() {
  static const NodeKernel kernels[] = {
      {"ArgMax", acceptsNumbers, emitArg},
      {"ArgMin", acceptsNumbers, emitArg},
      {"CumSum", acceptsNumbers, emitCumulative, /*constantInputs=*/1u << 1},
      {"CumProd", acceptsNumbers, emitCumulative, /*constantInputs=*/1u << 1},
      {"Hardmax", acceptsFloats, emitHardmax},
      {"TopK", acceptsNumbers, emitTopK},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
