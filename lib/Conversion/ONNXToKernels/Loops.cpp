//===- Loops.cpp - Loops over strided memory ------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Loops.h"

#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Numerics/Order.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace quantc::onnx_kernels {

using arith::CmpIPredicate;
constexpr int64_t kLanes = numerics::kLanes;
//===----------------------------------------------------------------------===//
// Index arithmetic
//===----------------------------------------------------------------------===//

bool isConstant(Value value, int64_t number) {
  return isConstantIntValue(value, number);
}

Value select(KernelBody &body, Value condition, Value a, Value b) {
  return body.builder.createOrFold<arith::SelectOp>(body.loc, condition, a, b);
}
Value equals(KernelBody &body, Value a, Value b) {
  return body.builder.createOrFold<arith::CmpIOp>(body.loc, CmpIPredicate::eq,
                                                  a, b);
}
Value lessThan(KernelBody &body, Value a, Value b) {
  return body.builder.createOrFold<arith::CmpIOp>(body.loc, CmpIPredicate::slt,
                                                  a, b);
}
Value both(KernelBody &body, Value a, Value b) {
  return body.builder.createOrFold<arith::AndIOp>(body.loc, a, b);
}
Value quotient(KernelBody &body, Value a, Value b) {
  return body.builder.createOrFold<arith::DivUIOp>(body.loc, a, b);
}
Value remainder(KernelBody &body, Value a, Value b) {
  return body.builder.createOrFold<arith::RemUIOp>(body.loc, a, b);
}
Value clamp(KernelBody &body, Value value, Value low, Value high) {
  Value raised =
      body.builder.createOrFold<arith::MaxSIOp>(body.loc, value, low);
  return body.builder.createOrFold<arith::MinSIOp>(body.loc, raised, high);
}
Value linearize(KernelBody &body, ArrayRef<Value> indices,
                ArrayRef<Value> strides) {
  Value sum = body.index(0);
  for (auto [index, stride] : llvm::zip_equal(indices, strides))
    sum = body.add(sum, body.mul(index, stride));
  return sum;
}

SmallVector<Value> sizesOf(KernelBody &body, Value memref) {
  SmallVector<Value> sizes;
  for (int64_t d = 0, rank = cast<MemRefType>(memref.getType()).getRank();
       d < rank; ++d)
    sizes.push_back(body.dim(memref, d));
  return sizes;
}

SmallVector<Value> stridesOf(KernelBody &body, ArrayRef<Value> sizes) {
  SmallVector<Value> strides(sizes.size());
  Value stride = body.index(1);
  for (size_t d = sizes.size(); d-- > 0;) {
    strides[d] = stride;
    stride = body.mul(sizes[d], stride);
  }
  return strides;
}

Access denseAccess(KernelBody &body, Value memref, Type element) {
  Access access;
  access.memory = body.flatten(memref);
  access.strides = stridesOf(body, sizesOf(body, memref));
  access.joined.assign(access.strides.size(), true);
  access.element = element;
  return access;
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

static bool isBool(Type element) {
  return element && onnx_ir::valueType(element).isInteger(1);
}

Value loadElement(KernelBody &body, Value memory, Value index, Type element,
                  bool vector) {
  OpBuilder &b = body.builder;
  Type stored = cast<MemRefType>(memory.getType()).getElementType();
  Value x;
  if (vector)
    x = vector::LoadOp::create(b, body.loc, VectorType::get({kLanes}, stored),
                               memory, ValueRange{index});
  else
    x = memref::LoadOp::create(b, body.loc, memory, ValueRange{index});
  if (!isBool(element))
    return x;
  Value zero = body.constant(cast<TypedAttr>(b.getZeroAttr(x.getType())));
  return arith::CmpIOp::create(b, body.loc, CmpIPredicate::ne, x, zero);
}

void storeElement(KernelBody &body, Value value, Value memory, Value index,
                  Type element) {
  OpBuilder &b = body.builder;
  if (isBool(element)) {
    Type stored = b.getI8Type();
    if (auto vector = dyn_cast<VectorType>(value.getType()))
      stored = vector.clone(stored);
    value = arith::ExtUIOp::create(b, body.loc, stored, value);
  }
  if (isa<VectorType>(value.getType()))
    vector::StoreOp::create(b, body.loc, value, memory, ValueRange{index});
  else
    memref::StoreOp::create(b, body.loc, value, memory, ValueRange{index});
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

void forEachRow(KernelBody &body, ArrayRef<Value> sizes,
                llvm::function_ref<void(ArrayRef<Value>, Value, Value)> row,
                int64_t grain) {
  if (sizes.empty())
    return forEachRow(body, {body.index(1)}, row, grain);
  Value inner = sizes.back();
  ArrayRef<Value> outer = sizes.drop_back();
  if (!body.fast) {
    SmallVector<Value> indices;
    std::function<void()> nest = [&] {
      if (indices.size() == outer.size())
        return row(indices, body.index(0), inner);
      body.loop(body.index(0), outer[indices.size()], 1, [&](Value i) {
        indices.push_back(i);
        nest();
        indices.pop_back();
      });
    };
    return nest();
  }
  Value total = inner;
  for (Value size : outer)
    total = body.mul(total, size);
  auto [lo, hi] = body.share(total, grain);
  if (outer.empty())
    return row({}, lo, hi);
  // A share may begin and end inside a row.
  OpBuilder &b = body.builder;
  Value length = b.createOrFold<arith::MaxUIOp>(body.loc, inner, body.index(1));
  Value first = quotient(body, lo, length);
  Value last = b.createOrFold<arith::CeilDivUIOp>(body.loc, hi, length);
  body.loop(first, last, 1, [&](Value r) {
    SmallVector<Value> indices(outer.size());
    Value rest = r;
    for (size_t d = outer.size(); d-- > 0;) {
      indices[d] = d == 0 ? rest : remainder(body, rest, outer[d]);
      if (d != 0)
        rest = quotient(body, rest, outer[d]);
    }
    Value start = body.mul(r, inner), zero = body.index(0);
    row(indices, clamp(body, body.sub(lo, start), zero, inner),
        clamp(body, body.sub(hi, start), zero, inner));
  });
}

void emitPointwise(KernelBody &body, Value output, Type element,
                   llvm::function_ref<Value(ArrayRef<Value>)> value) {
  SmallVector<Value> sizes = sizesOf(body, output);
  Value memory = body.flatten(output);
  forEachRow(body, sizes, [&](ArrayRef<Value> outer, Value begin, Value end) {
    SmallVector<Value> indices(outer);
    Value start = body.index(0);
    if (!sizes.empty()) {
      indices.push_back(body.index(0));
      start = linearize(body, indices, stridesOf(body, sizes));
    }
    body.loop(begin, end, 1, [&](Value j) {
      if (!indices.empty())
        indices.back() = j;
      storeElement(body, value(indices), memory, body.add(start, j), element);
    });
  });
}

//===----------------------------------------------------------------------===//
// Loop nests
//===----------------------------------------------------------------------===//

namespace {

/// Loops being emitted, after loops of one iteration are gone and neighbours
/// are joined.
class Nest {
public:
  Nest(KernelBody &body, ArrayRef<Value> sizes, ArrayRef<Access> reads,
       Access write, llvm::function_ref<Value(ArrayRef<Value>)> compute)
      : body(body), sizes(sizes), accesses(reads), compute(compute) {
    accesses.push_back(std::move(write));
    simplify();
  }
  void emit();

private:
  void simplify();
  void erase(size_t d);
  void run(ArrayRef<Value> starts, Value begin, Value end);
  void element(ArrayRef<Value> starts, Value j, bool vector);
  Value load(const Access &access, Value start, Value j, bool vector);
  bool vectorizes();

  KernelBody &body;
  SmallVector<Value> sizes;
  SmallVector<Access> accesses; // the last one is written
  llvm::function_ref<Value(ArrayRef<Value>)> compute;
};

} // namespace

void Nest::erase(size_t d) {
  sizes.erase(sizes.begin() + d);
  for (Access &access : accesses) {
    if (d > 0)
      access.joined[d - 1] = access.joined[d - 1] && access.joined[d];
    access.strides.erase(access.strides.begin() + d);
    access.joined.erase(access.joined.begin() + d);
  }
}

void Nest::simplify() {
  for (size_t d = sizes.size(); d-- > 0;)
    if (isConstant(sizes[d], 1))
      erase(d);
  for (size_t d = sizes.size(); d-- > 1;) {
    bool joined = llvm::all_of(accesses, [&](const Access &access) {
      return access.joined[d - 1] || (isConstant(access.strides[d - 1], 0) &&
                                      isConstant(access.strides[d], 0));
    });
    if (!joined)
      continue;
    sizes[d] = body.mul(sizes[d - 1], sizes[d]);
    sizes.erase(sizes.begin() + d - 1);
    for (Access &access : accesses) {
      access.strides.erase(access.strides.begin() + d - 1);
      access.joined.erase(access.joined.begin() + d - 1);
    }
  }
  if (!sizes.empty())
    return;
  sizes.push_back(body.index(1));
  for (Access &access : accesses) {
    access.strides.push_back(body.index(1));
    access.joined.push_back(true);
  }
}

void Nest::emit() {
  forEachRow(body, sizes, [&](ArrayRef<Value> outer, Value begin, Value end) {
    SmallVector<Value> starts;
    for (const Access &access : accesses) {
      Value start =
          linearize(body, outer, ArrayRef(access.strides).drop_back());
      starts.push_back(access.offset ? body.add(access.offset, start) : start);
    }
    run(starts, begin, end);
  });
}

/// Constant innermost strides other than 0 and 1 are left to scalars, and so is
/// a stride that may be anything; one that may be 0 or 1 (a broadcast) is a
/// `select` of these.
bool Nest::vectorizes() {
  auto isBroadcast = [](Value stride) {
    auto op = stride.getDefiningOp<arith::SelectOp>();
    return op && isConstant(op.getTrueValue(), 0) &&
           isConstant(op.getFalseValue(), 1);
  };
  return isConstant(accesses.back().strides.back(), 1) &&
         llvm::all_of(ArrayRef(accesses).drop_back(),
                      [&](const Access &access) {
                        Value stride = access.strides.back();
                        return isConstant(stride, 0) || isConstant(stride, 1) ||
                               isBroadcast(stride);
                      });
}

void Nest::run(ArrayRef<Value> starts, Value begin, Value end) {
  Value tail = begin;
  if (body.fast && vectorizes()) {
    Value length = body.sub(end, begin);
    tail = body.sub(end, remainder(body, length, body.index(kLanes)));
    body.loop(begin, tail, kLanes,
              [&](Value j) { element(starts, j, /*vector=*/true); });
  }
  body.loop(tail, end, 1,
            [&](Value j) { element(starts, j, /*vector=*/false); });
}

Value Nest::load(const Access &access, Value start, Value j, bool vector) {
  OpBuilder &b = body.builder;
  Value stride = access.strides.back();
  Value index = body.add(start, body.mul(j, stride));
  if (!vector)
    return loadElement(body, access.memory, index, access.element);
  auto broadcast = [&]() -> Value {
    Value x = loadElement(body, access.memory, start, access.element);
    return vector::BroadcastOp::create(
        b, body.loc, VectorType::get({kLanes}, x.getType()), x);
  };
  if (isConstant(stride, 0))
    return broadcast();
  if (isConstant(stride, 1))
    return loadElement(body, access.memory, index, access.element,
                       /*vector=*/true);
  OpBuilder::InsertionGuard guard(b);
  Type stored = cast<MemRefType>(access.memory.getType()).getElementType();
  Type type = access.element ? onnx_ir::valueType(access.element) : stored;
  auto choice = scf::IfOp::create(b, body.loc, VectorType::get({kLanes}, type),
                                  equals(body, stride, body.index(0)),
                                  /*withElseRegion=*/true);
  b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(b, body.loc, broadcast());
  b.setInsertionPointToStart(choice.elseBlock());
  Value next = body.add(start, j);
  scf::YieldOp::create(
      b, body.loc,
      loadElement(body, access.memory, next, access.element, true));
  return choice.getResult(0);
}

void Nest::element(ArrayRef<Value> starts, Value j, bool vector) {
  SmallVector<Value> operands;
  for (auto [access, start] : llvm::zip(ArrayRef(accesses).drop_back(), starts))
    operands.push_back(load(access, start, j, vector));
  const Access &write = accesses.back();
  Value index = body.add(starts.back(), body.mul(j, write.strides.back()));
  Value y = compute(operands);
  if (vector && !isa<VectorType>(y.getType()))
    y = vector::BroadcastOp::create(body.builder, body.loc,
                                    VectorType::get({kLanes}, y.getType()), y);
  storeElement(body, y, write.memory, index, write.element);
}

void emitLoops(KernelBody &body, ArrayRef<Value> sizes, ArrayRef<Access> reads,
               Access write,
               llvm::function_ref<Value(ArrayRef<Value>)> compute) {
  Nest(body, sizes, reads, std::move(write), compute).emit();
}

void emitCopy(KernelBody &body, ArrayRef<Value> sizes, Access read,
              Access write) {
  read.element = write.element = Type();
  emitLoops(body, sizes, {std::move(read)}, std::move(write),
            [](ArrayRef<Value> x) { return x[0]; });
}

} // namespace quantc::onnx_kernels
