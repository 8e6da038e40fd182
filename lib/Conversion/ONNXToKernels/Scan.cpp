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
    return op.is("CumSum") && !op.getNodeAttr("axis")
               ? requireConstant(op, 1, "axis", why)
               : success();
  llvm::raw_string_ostream(why)
      << op.getOpType() << " is not there for " << element;
  return failure();
}

/// For each line along `axis`: `line(offset of its first element, step,
/// length)`.
static void forEachLine(
    KernelBody &body, Value input, int64_t axis,
    llvm::function_ref<void(Value start, Value step, Value line)> visit) {
  int64_t rank = cast<MemRefType>(input.getType()).getRank();
  Value outer = body.product(input, 0, axis),
        inner = body.product(input, axis + 1, rank);
  Value length = body.dim(input, axis);
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

/// Running sums; with `exclusive` the element itself is left out, `reverse`
/// starts at the end.
static void emitCumSum(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0];
  Type element = inputElement(op, 0);
  std::optional<SmallVector<int64_t>> given = constantInts(op, 1, "axis");
  int64_t axis = normalizeAxis(given->front(), inputType(op, 0).getRank());
  bool exclusive = op.getIntAttr("exclusive", 0),
       reverse = op.getIntAttr("reverse", 0);
  Value memory = body.flatten(input), output = body.flatten(body.outputs[0]);
  Value length = body.dim(input, axis), end = body.sub(length, body.index(1));
  Type type = accumulatorType(element);
  MathEmitter m(body.builder, body.loc, type);
  bool isFloat = isa<FloatType>(type);
  forEachLine(body, input, axis, [&](Value start, Value step, Value) {
    Value zero = isFloat ? m.constant(0, type) : m.constantInt(0, type);
    body.loop(body.index(0), length, 1, ValueRange{zero},
              [&](Value i, ValueRange sum) {
                Value at = body.add(
                    start, body.mul(reverse ? body.sub(end, i) : i, step));
                Value x = m.widen(loadElement(body, memory, at, element));
                Value next = isFloat ? m.add(sum[0], x) : m.addi(sum[0], x);
                Value y = exclusive ? sum[0] : next;
                storeElement(body, isFloat ? m.narrow(y, element) : y, output,
                             at, element);
                return SmallVector<Value>{next};
              });
  });
}

ArrayRef<NodeKernel> scanKernels() {
  static const NodeKernel kernels[] = {
      {"ArgMax", acceptsNumbers, emitArg},
      {"ArgMin", acceptsNumbers, emitArg},
      {"CumSum", acceptsNumbers, emitCumSum, /*constantInputs=*/1u << 1},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
