//===- Reduction.cpp - Kernels of the Reduce operators --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NodeKernels.h"
#include "Reduce.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::onnx_kernels {

/// The reduced dimensions of a Reduce node or of GlobalAveragePool and its
/// like.
static llvm::SmallBitVector reducedDims(NodeOp op) {
  int64_t rank = inputType(op, 0).getRank();
  llvm::SmallBitVector reduced(rank);
  if (op.getOpType().starts_with("Global")) {
    reduced.set(2, rank);
    return reduced;
  }
  std::optional<SmallVector<int64_t>> axes = constantInts(op, 1, "axes");
  if (!axes || axes->empty()) {
    if (!op.getIntAttr("noop_with_empty_axes", 0))
      reduced.set();
    return reduced;
  }
  for (int64_t axis : *axes)
    reduced.set(normalizeAxis(axis, rank));
  return reduced;
}

static LogicalResult acceptsReduction(NodeOp op, std::string &why) {
  Type element = inputElement(op, 0);
  StringRef name = op.getOpType();
  bool isFloat =
      isa<FloatType>(element) && element.getIntOrFloatBitWidth() >= 16;
  bool isInteger =
      isa<IntegerType>(element) && element.getIntOrFloatBitWidth() >= 8;
  bool isExtremum = name.contains("Max") || name.contains("Min");
  bool needsFloat =
      name == "ReduceL2" || name.contains("Log") || name.starts_with("Global");
  if (!isFloat && !(isInteger && !needsFloat) &&
      !(element.isInteger(1) && isExtremum)) {
    llvm::raw_string_ostream(why) << name << " is not there for " << element;
    return failure();
  }
  RankedTensorType axes = inputType(op, 1);
  if (axes && (axes.getRank() > 1 || !axes.hasStaticShape() ||
               !isa<IntegerType>(axes.getElementType()) ||
               inputType(op, 0).getRank() == 0)) {
    why = (name + " needs a fixed number of axes").str();
    return failure();
  }
  return success();
}

/// The layout for axes that are data. One out of range has no effect here, but
/// fails the run.
static ReduceLayout layoutAtRunTime(KernelBody &body) {
  Value input = body.inputs[0], axes = body.inputs[1];
  int64_t rank = cast<MemRefType>(input.getType()).getRank();
  int64_t count = cast<MemRefType>(axes.getType()).getNumElements();
  Value none = body.constant(body.builder.getBoolAttr(false));
  SmallVector<Value> reduced(rank, none);
  for (int64_t i = 0; i < count; ++i) {
    Value axis = checkedIndex(body, loadIndex(body, axes, body.index(i)),
                              body.index(rank), qkernel::kAxisOutside);
    for (int64_t d = 0; d < rank; ++d)
      reduced[d] = body.builder.createOrFold<arith::OrIOp>(
          body.loc, reduced[d], equals(body, axis, body.index(d)));
  }
  return ReduceLayout(body, input, reduced);
}

static ReduceLayout layoutOf(NodeOp op, KernelBody &body) {
  bool isData = inputType(op, 1) && !constantInts(op, 1, "axes");
  return isData ? layoutAtRunTime(body)
                : ReduceLayout(body, body.inputs[0], reducedDims(op));
}

/// The sum of `term` of every element.
static Reducer
sumReducer(Type element,
           std::function<Value(MathEmitter &, Value acc, Value x)> step) {
  Type type = accumulatorType(element);
  bool isFloat = isa<FloatType>(type);
  Reducer reducer;
  reducer.type = type;
  reducer.initial = [=](MathEmitter &m) {
    return isFloat ? m.constant(0, m.shaped(type))
                   : m.constantInt(0, m.shaped(type));
  };
  reducer.combine = [=](MathEmitter &m, Value a, Value b) {
    return isFloat ? m.add(a, b) : m.addi(a, b);
  };
  reducer.step = [=](MathEmitter &m, Value acc, Value x, Value, Value) {
    return step(m, acc, x);
  };
  return reducer;
}

static Reducer reducerOf(NodeOp op, Type element) {
  StringRef name = op.getOpType();
  bool isFloat = isa<FloatType>(element),
       isSigned = !element.isUnsignedInteger();
  if (name == "ReduceMax" || name == "GlobalMaxPool")
    return maximumReducer(element);
  if (name == "ReduceMin")
    return minimumReducer(element);
  if (name == "ReduceProd") {
    Reducer reducer = sumReducer(element, {});
    Type type = reducer.type;
    reducer.initial = [=](MathEmitter &m) {
      return isFloat ? m.constant(1, m.shaped(type))
                     : m.constantInt(1, m.shaped(type));
    };
    reducer.combine = [=](MathEmitter &m, Value a, Value b) {
      return isFloat ? m.mul(a, b) : m.muli(a, b);
    };
    reducer.step = [combine = reducer.combine](MathEmitter &m, Value acc,
                                               Value x, Value, Value) {
      return combine(m, acc, x);
    };
    return reducer;
  }
  if (name == "ReduceL1")
    return sumReducer(
        element, [=](MathEmitter &m, Value acc, Value x) -> Value {
          if (isFloat)
            return m.add(acc, m.abs(x));
          if (!isSigned)
            return m.addi(acc, x);
          Value zero = m.constantInt(0, x.getType());
          Value negative = m.compare(arith::CmpIPredicate::slt, x, zero);
          return m.addi(acc, m.select(negative, m.subi(zero, x), x));
        });
  if (name == "ReduceL2" || name == "ReduceSumSquare")
    return sumReducer(element, [=](MathEmitter &m, Value acc, Value x) {
      return isFloat ? m.fma(x, x, acc) : m.addi(acc, m.muli(x, x));
    });
  return sumReducer(element, [=](MathEmitter &m, Value acc, Value x) {
    return isFloat ? m.add(acc, x) : m.addi(acc, x);
  });
}

/// What becomes of the reduced value.
static Value finish(NodeOp op, KernelBody &body, MathEmitter &m, Value acc,
                    Value count) {
  StringRef name = op.getOpType();
  if (name == "ReduceL2")
    return m.sqrt(acc);
  if (name == "ReduceLogSum")
    return m.log(acc);
  if (name != "ReduceMean" && name != "GlobalAveragePool")
    return acc;
  OpBuilder &b = body.builder;
  Type element = inputElement(op, 0), scalar = getElementTypeOrSelf(acc);
  auto spread = [&](Value x) {
    auto type = dyn_cast<VectorType>(acc.getType());
    return type ? Value(vector::BroadcastOp::create(b, body.loc, type, x)) : x;
  };
  if (isa<FloatType>(scalar)) {
    Value n = arith::IndexCastOp::create(b, body.loc, b.getI64Type(), count);
    return m.div(acc, spread(arith::SIToFPOp::create(b, body.loc, scalar, n)));
  }
  Value some = b.createOrFold<arith::MaxUIOp>(body.loc, count, body.index(1));
  Value n = spread(arith::IndexCastOp::create(b, body.loc, scalar, some));
  return element.isUnsignedInteger()
             ? Value(arith::DivUIOp::create(b, body.loc, acc, n))
             : Value(arith::DivSIOp::create(b, body.loc, acc, n));
}

/// max + log(sum(exp(x - max))); where the maximum is infinite, it is the
/// result.
static Value logSumExp(KernelBody &body, const ReduceLayout &layout, Walk walk,
                       Value memory, Type element, Value base) {
  Value most = reduceElements(body, layout, walk, memory, element, base,
                              maximumReducer(element));
  MathEmitter m(body.builder, body.loc, most.getType());
  Value inf =
      m.constant(std::numeric_limits<double>::infinity(), most.getType());
  Value finite = m.compare(arith::CmpFPredicate::OLT, m.abs(most), inf);
  Value shift = m.select(finite, most, m.constant(0, most.getType()));
  Reducer sum = sumReducer(element, [&](MathEmitter &lanes, Value acc,
                                        Value x) {
    Value by = shift;
    if (x.getType() != by.getType())
      by = vector::BroadcastOp::create(body.builder, body.loc, x.getType(), by);
    return lanes.add(acc, lanes.exp(lanes.sub(x, by)));
  });
  Value total = reduceElements(body, layout, walk, memory, element, base, sum);
  return m.add(m.log(total), shift);
}

static void emitReduction(NodeOp op, KernelBody &body) {
  Type element = inputElement(op, 0), to = resultElement(op);
  // BOOL is reduced as it is stored.
  if (element.isInteger(1))
    element = to = IntegerType::get(op.getContext(), 8, IntegerType::Unsigned);
  ReduceLayout layout = layoutOf(op, body);
  Value memory = body.flatten(body.inputs[0]),
        output = body.flatten(body.outputs[0]);
  forEachResult(body, layout, [&](Walk walk, Value base, Value index) {
    Value y;
    if (op.is("ReduceLogSumExp")) {
      y = logSumExp(body, layout, walk, memory, element, base);
    } else {
      y = reduceElements(body, layout, walk, memory, element, base,
                         reducerOf(op, element));
      MathEmitter m(body.builder, body.loc, y.getType());
      y = finish(op, body, m, y, layout.count);
    }
    MathEmitter m(body.builder, body.loc, y.getType());
    if (isa<FloatType>(to))
      y = m.narrow(y, to);
    storeElement(body, y, output, index, to);
  });
}

ArrayRef<NodeKernel> reductionKernels() {
  constexpr unsigned axes = 1u << 1;
  static const NodeKernel kernels[] = {
      {"ReduceSum", acceptsReduction, emitReduction, axes},
      {"ReduceMean", acceptsReduction, emitReduction, axes},
      {"ReduceMax", acceptsReduction, emitReduction, axes},
      {"ReduceMin", acceptsReduction, emitReduction, axes},
      {"ReduceProd", acceptsReduction, emitReduction, axes},
      {"ReduceL1", acceptsReduction, emitReduction, axes},
      {"ReduceL2", acceptsReduction, emitReduction, axes},
      {"ReduceSumSquare", acceptsReduction, emitReduction, axes},
      {"ReduceLogSum", acceptsReduction, emitReduction, axes},
      {"ReduceLogSumExp", acceptsReduction, emitReduction, axes},
      {"GlobalAveragePool", acceptsReduction, emitReduction},
      {"GlobalMaxPool", acceptsReduction, emitReduction},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
