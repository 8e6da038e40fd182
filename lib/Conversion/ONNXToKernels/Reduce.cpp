//===- Reduce.cpp - Reductions in the one order of sums -------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Reduce.h"

#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Numerics/Order.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include <limits>

using namespace mlir;

namespace quantc::onnx_kernels {

constexpr int64_t kLanes = numerics::kLanes;

ReduceLayout::ReduceLayout(KernelBody &body, Value input,
                           const llvm::SmallBitVector &reduced) {
  SmallVector<Value> inSizes = sizesOf(body, input),
                     inStrides = stridesOf(body, inSizes);
  std::optional<bool> previous;
  for (size_t d = 0; d < inSizes.size(); ++d) {
    if (isConstant(inSizes[d], 1))
      continue;
    SmallVector<Value> &size = reduced[d] ? sizes : keptSizes;
    SmallVector<Value> &stride = reduced[d] ? strides : keptStrides;
    if (previous == reduced[d]) {
      size.back() = body.mul(size.back(), inSizes[d]);
      stride.back() = inStrides[d];
    } else {
      size.push_back(inSizes[d]);
      stride.push_back(inStrides[d]);
    }
    previous = reduced[d];
  }
  if (sizes.empty()) {
    sizes.push_back(body.index(1));
    strides.push_back(body.index(1));
  }
  count = body.index(1);
  for (Value size : sizes)
    count = body.mul(count, size);
  if (!body.fast)
    return;
  if (sizes.size() == 1 && isConstant(strides[0], 1))
    best = rest = Walk::Contiguous;
  else if (!keptStrides.empty() && isConstant(keptStrides.back(), 1))
    best = Walk::Columns;
}

ReduceLayout::ReduceLayout(KernelBody &body, Value input,
                           ArrayRef<Value> reduced) {
  // Every dimension stands in both lists, in one of them with a size of 1.
  SmallVector<Value> inSizes = sizesOf(body, input);
  Value one = body.index(1);
  count = one;
  for (auto [size, flag] : llvm::zip(inSizes, reduced)) {
    keptSizes.push_back(select(body, flag, one, size));
    sizes.push_back(select(body, flag, size, one));
    count = body.mul(count, sizes.back());
  }
  keptStrides = strides = stridesOf(body, inSizes);
}

/// Memory on the stack, set aside once a call.
static Value stackBuffer(KernelBody &body, int64_t size, Type type) {
  OpBuilder::InsertionGuard guard(body.builder);
  Operation *op = body.builder.getInsertionBlock()->getParentOp();
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function)
    function = op->getParentOfType<FunctionOpInterface>();
  body.builder.setInsertionPointToStart(&function.getFunctionBody().front());
  return memref::AllocaOp::create(body.builder, body.loc,
                                  MemRefType::get({size}, type),
                                  body.builder.getI64IntegerAttr(64));
}

static Value loadWide(KernelBody &body, Value memory, Value index, Type element,
                      bool vector) {
  Value x = loadElement(body, memory, index, element, vector);
  return MathEmitter(body.builder, body.loc, x.getType()).widen(x);
}

/// Halves are combined, the upper onto the lower, until one lane is left.
static Value tree(KernelBody &body, SmallVector<Value> lanes,
                  const Reducer &reducer) {
  MathEmitter emit(body.builder, body.loc, lanes[0].getType());
  for (size_t half = lanes.size() / 2; half != 0; half /= 2)
    for (size_t l = 0; l < half; ++l)
      lanes[l] = reducer.combine(emit, lanes[l], lanes[l + half]);
  return lanes[0];
}

static Value treeOfVector(KernelBody &body, Value lanes,
                          const Reducer &reducer) {
  OpBuilder &b = body.builder;
  for (int64_t half = kLanes / 2; half != 0; half /= 2) {
    auto part = [&](int64_t from) -> Value {
      return vector::ExtractStridedSliceOp::create(
          b, body.loc, lanes, ArrayRef<int64_t>{from}, ArrayRef<int64_t>{half},
          ArrayRef<int64_t>{1});
    };
    Value low = part(0), high = part(half);
    MathEmitter emit(b, body.loc, low.getType());
    lanes = reducer.combine(emit, low, high);
  }
  return vector::ExtractOp::create(b, body.loc, lanes, ArrayRef<int64_t>{0});
}

static Value reduceContiguous(KernelBody &body, const ReduceLayout &layout,
                              Value memory, Type element, Value base,
                              const Reducer &reducer) {
  OpBuilder &b = body.builder;
  auto type = VectorType::get({kLanes}, reducer.type);
  MathEmitter emit(b, body.loc, type);
  Value rest = remainder(body, layout.count, body.index(kLanes));
  Value full = body.sub(layout.count, rest);
  SmallVector<Value> lanes =
      body.loop(body.index(0), full, kLanes, ValueRange{reducer.initial(emit)},
                [&](Value i, ValueRange acc) {
                  Value offset = body.add(base, i);
                  Value x =
                      loadWide(body, memory, offset, element, /*vector=*/true);
                  return SmallVector<Value>{
                      reducer.step(emit, acc[0], x, offset, Value())};
                });
  if (isConstant(rest, 0))
    return treeOfVector(body, lanes[0], reducer);
  // The last, short step leaves the lanes past the end as they are. Its
  // elements are loaded through a mask: behind them there may be no memory.
  Value offset = body.add(base, full);
  Type stored = cast<MemRefType>(memory.getType()).getElementType();
  auto maskType = VectorType::get({kLanes}, b.getI1Type());
  Value mask =
      vector::CreateMaskOp::create(b, body.loc, maskType, ValueRange{rest});
  auto storedType = VectorType::get({kLanes}, stored);
  Value padding = body.constant(cast<TypedAttr>(b.getZeroAttr(storedType)));
  Value x = vector::MaskedLoadOp::create(b, body.loc, storedType, memory,
                                         ValueRange{offset}, mask, padding);
  if (onnx_ir::valueType(element).isInteger(1))
    x = arith::CmpIOp::create(b, body.loc, arith::CmpIPredicate::ne, x,
                              padding);
  Value stepped = reducer.step(emit, lanes[0], emit.widen(x), offset, mask);
  return treeOfVector(body, emit.select(mask, stepped, lanes[0]), reducer);
}

/// Over all reduced dimensions: `visit(number of the element, offset)`.
static void nest(KernelBody &body, const ReduceLayout &layout, Value base,
                 llvm::function_ref<void(Value, Value)> visit) {
  std::function<void(size_t, Value, Value)> level = [&](size_t d, Value number,
                                                        Value offset) {
    if (d == layout.sizes.size())
      return visit(number, offset);
    body.loop(body.index(0), layout.sizes[d], 1, [&](Value i) {
      level(d + 1, body.add(body.mul(number, layout.sizes[d]), i),
            body.add(offset, body.mul(i, layout.strides[d])));
    });
  };
  level(0, body.index(0), base);
}

Value reduceElements(KernelBody &body, const ReduceLayout &layout, Walk walk,
                     Value memory, Type element, Value base,
                     const Reducer &reducer) {
  if (walk == Walk::Contiguous)
    return reduceContiguous(body, layout, memory, element, base, reducer);
  OpBuilder &b = body.builder;
  bool columns = walk == Walk::Columns;
  Type type =
      columns ? Type(VectorType::get({kLanes}, reducer.type)) : reducer.type;
  MathEmitter emit(b, body.loc, type);
  Value lanes =
      stackBuffer(body, columns ? kLanes * kLanes : kLanes, reducer.type);
  Value width = body.index(columns ? kLanes : 1);
  auto load = [&](Value at) -> Value {
    if (columns)
      return vector::LoadOp::create(b, body.loc, cast<VectorType>(type), lanes,
                                    ValueRange{at});
    return memref::LoadOp::create(b, body.loc, lanes, ValueRange{at});
  };
  auto store = [&](Value value, Value at) {
    storeElement(body, value, lanes, at, Type());
  };

  Value initial = reducer.initial(emit);
  body.loop(body.index(0), body.index(kLanes), 1,
            [&](Value l) { store(initial, body.mul(l, width)); });
  nest(body, layout, base, [&](Value number, Value offset) {
    Value at = body.mul(remainder(body, number, body.index(kLanes)), width);
    Value x = loadWide(body, memory, offset, element, columns);
    store(reducer.step(emit, load(at), x, offset, Value()), at);
  });
  SmallVector<Value> values;
  for (int64_t l = 0; l < kLanes; ++l)
    values.push_back(load(body.mul(body.index(l), width)));
  return tree(body, values, reducer);
}

void forEachResult(KernelBody &body, const ReduceLayout &layout,
                   llvm::function_ref<void(Walk, Value, Value)> result) {
  SmallVector<Value> strides = stridesOf(body, layout.keptSizes);
  bool columns = layout.best == Walk::Columns;
  forEachRow(
      body, layout.keptSizes,
      [&](ArrayRef<Value> outer, Value begin, Value end) {
        Value base = body.index(0), index = body.index(0),
              stride = body.index(1);
        if (!strides.empty()) {
          base =
              linearize(body, outer, ArrayRef(layout.keptStrides).drop_back());
          index = linearize(body, outer, ArrayRef(strides).drop_back());
          stride = layout.keptStrides.back();
        }
        auto emit = [&](Walk walk, Value j) {
          result(walk, body.add(base, body.mul(j, stride)), body.add(index, j));
        };
        Value tail = begin;
        if (columns) {
          tail = body.sub(
              end, remainder(body, body.sub(end, begin), body.index(kLanes)));
          body.loop(begin, tail, kLanes,
                    [&](Value j) { emit(Walk::Columns, j); });
        }
        body.loop(tail, end, 1, [&](Value j) { emit(layout.rest, j); });
      },
      columns ? kLanes : 1);
}

void forEachElement(KernelBody &body, const ReduceLayout &layout, Walk walk,
                    Value base, llvm::function_ref<void(Value, bool)> element) {
  if (walk != Walk::Contiguous)
    return nest(body, layout, base, [&](Value, Value offset) {
      element(offset, walk == Walk::Columns);
    });
  Value rest = remainder(body, layout.count, body.index(kLanes));
  Value full = body.sub(layout.count, rest);
  body.loop(body.index(0), full, kLanes,
            [&](Value i) { element(body.add(base, i), /*vector=*/true); });
  body.loop(full, layout.count, 1,
            [&](Value i) { element(body.add(base, i), /*vector=*/false); });
}

Type accumulatorType(Type element) {
  Type type = onnx_ir::valueType(element);
  return type.isF16() || type.isBF16()
             ? Type(Float32Type::get(type.getContext()))
             : type;
}

/// A bound of the type, on the side that the other operand always wins against.
static Reducer extremum(Type element, bool maximum) {
  Type type = accumulatorType(element);
  bool isUnsigned = element.isUnsignedInteger() || element.isInteger(1);
  Reducer reducer;
  reducer.type = type;
  reducer.initial = [=](MathEmitter &m) {
    Type shaped = m.shaped(type);
    if (isa<FloatType>(type)) {
      double inf = std::numeric_limits<double>::infinity();
      return m.constant(maximum ? -inf : inf, shaped);
    }
    unsigned width = type.getIntOrFloatBitWidth();
    APInt bound = isUnsigned ? (maximum ? APInt::getZero(width)
                                        : APInt::getAllOnes(width))
                             : (maximum ? APInt::getSignedMinValue(width)
                                        : APInt::getSignedMaxValue(width));
    return m.constantInt(bound.getSExtValue(), shaped);
  };
  reducer.combine = [=](MathEmitter &m, Value a, Value b) -> Value {
    if (isa<FloatType>(type))
      return maximum ? m.maximum(a, b) : m.minimum(a, b);
    if (isUnsigned)
      return maximum ? Value(arith::MaxUIOp::create(m.builder, m.loc, a, b))
                     : Value(arith::MinUIOp::create(m.builder, m.loc, a, b));
    return maximum ? Value(arith::MaxSIOp::create(m.builder, m.loc, a, b))
                   : Value(arith::MinSIOp::create(m.builder, m.loc, a, b));
  };
  reducer.step = [combine = reducer.combine](MathEmitter &m, Value acc, Value x,
                                             Value, Value) {
    return combine(m, acc, x);
  };
  return reducer;
}
Reducer maximumReducer(Type element) {
  return extremum(element, /*maximum=*/true);
}
Reducer minimumReducer(Type element) {
  return extremum(element, /*maximum=*/false);
}

} // namespace quantc::onnx_kernels
