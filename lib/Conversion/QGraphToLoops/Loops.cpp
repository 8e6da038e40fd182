//===- Loops.cpp - Scalars and loops of the plain lowering ----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Loops.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "quantc/Conversion/QGraphToLoops.h"
#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/ONNX/MathEmitter.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/Order.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {

void Plain::forEach(Value memref,
                    llvm::function_ref<void(const Index &)> step) {
  Index index;
  std::function<void(int64_t)> nest = [&](int64_t dim) {
    if (dim == cast<MemRefType>(memref.getType()).getRank()) {
      step(index);
      return;
    }
    body.loop(body.index(0), body.dim(memref, dim), 1, [&](Value iv) {
      index.push_back(iv);
      nest(dim + 1);
      index.pop_back();
    });
  };
  nest(0);
}

Value Plain::load(Value memref, const Index &index) {
  return memref::LoadOp::create(builder, loc, memref, index);
}

void Plain::store(Value value, Value memref, const Index &index) {
  memref::StoreOp::create(builder, loc, value, memref, index);
}

Value Plain::loadBroadcast(Value memref, const Index &index) {
  int64_t rank = cast<MemRefType>(memref.getType()).getRank();
  Index own;
  for (auto [dim, iv] :
       llvm::enumerate(ArrayRef<Value>(index).take_back(rank))) {
    Value isOne = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                        body.dim(memref, dim), body.index(1));
    own.push_back(
        arith::SelectOp::create(builder, loc, isOne, body.index(0), iv));
  }
  return load(memref, own);
}

Plain::Index Plain::blockIndex(const Index &index, ArrayRef<int64_t> block) {
  Index result;
  for (auto [iv, entry] : llvm::zip_equal(index, block)) {
    if (entry == 0)
      result.push_back(body.index(0));
    else if (entry == 1)
      result.push_back(iv);
    else
      result.push_back(
          arith::DivUIOp::create(builder, loc, iv, body.index(entry)));
  }
  return result;
}

Value Plain::toInt(Value value, Type tensorElement) {
  Type i32 = builder.getI32Type();
  if (value.getType() == i32)
    return value;
  if (tensorElement.isUnsignedInteger())
    return arith::ExtUIOp::create(builder, loc, i32, value);
  return arith::ExtSIOp::create(builder, loc, i32, value);
}

static bool isPlainFloat(Type type) {
  return type.isF32() || type.isF16() || type.isBF16();
}

Value Plain::toFloat(Value value, Type tensorElement) {
  Type f32 = builder.getF32Type();
  onnx_ir::MathEmitter math(builder, loc, f32);
  if (isPlainFloat(tensorElement))
    return math.widen(value);
  if (isa<FloatType>(tensorElement))
    return math.decode(value, *getFormat(tensorElement));
  if (tensorElement.isUnsignedInteger())
    return arith::UIToFPOp::create(builder, loc, f32, value);
  return arith::SIToFPOp::create(builder, loc, f32, value);
}

Value Plain::fromFloat(Value value, Type tensorElement, bool saturate) {
  onnx_ir::MathEmitter math(builder, loc, builder.getF32Type());
  if (isPlainFloat(tensorElement))
    return math.narrow(value, tensorElement);
  return math.encode(value, *getFormat(tensorElement), saturate);
}

Value Plain::rounded(Value value, std::optional<Type> precision) {
  return precision ? toFloat(fromFloat(value, *precision), *precision) : value;
}

Value Plain::buffer(int64_t size, Type element) {
  // At the head of the kernel: in a loop each turn would take more of the
  // stack.
  OpBuilder::InsertionGuard guard(builder);
  auto func = builder.getInsertionBlock()
                  ->getParentOp()
                  ->getParentOfType<func::FuncOp>();
  if (!func)
    func = cast<func::FuncOp>(builder.getInsertionBlock()->getParentOp());
  builder.setInsertionPointToStart(&func.getBody().front());
  return memref::AllocaOp::create(builder, loc,
                                  MemRefType::get({size}, element));
}

Value Plain::dotOverK(
    Value k, llvm::function_ref<std::pair<Value, Value>(Value)> factors) {
  Value zero = body.f32(0);
  auto total = body.loop(
      body.index(0), k, numerics::kBlockK, ValueRange{zero},
      [&](Value begin, ValueRange totals) -> SmallVector<Value> {
        Value end =
            body.minimum(k, body.add(begin, body.index(numerics::kBlockK)));
        auto sum = body.loop(
            begin, end, 1, ValueRange{zero},
            [&](Value i, ValueRange sums) -> SmallVector<Value> {
              auto [a, b] = factors(i);
              return {math::FmaOp::create(builder, loc, a, b, sums[0])};
            });
        return {arith::AddFOp::create(builder, loc, totals[0], sum[0])};
      });
  return total[0];
}

Value Plain::zeroLanes() {
  Value lanes = buffer(numerics::kLanes, builder.getF32Type());
  for (int64_t l = 0; l < numerics::kLanes; ++l)
    store(body.f32(0), lanes, {body.index(l)});
  return lanes;
}

Value Plain::reduceLanes(Value lanes) {
  for (int64_t half = numerics::kLanes / 2; half != 0; half /= 2)
    for (int64_t l = 0; l < half; ++l) {
      Value sum =
          arith::AddFOp::create(builder, loc, load(lanes, {body.index(l)}),
                                load(lanes, {body.index(l + half)}));
      store(sum, lanes, {body.index(l)});
    }
  return load(lanes, {body.index(0)});
}

Value Plain::sumRow(Value n, bool square,
                    llvm::function_ref<Value(Value)> term) {
  Value lanes = zeroLanes();
  body.loop(body.index(0), n, 1, [&](Value i) {
    Value lane =
        arith::RemUIOp::create(builder, loc, i, body.index(numerics::kLanes));
    Value x = term(i), sum = load(lanes, {lane});
    Value next = square ? Value(math::FmaOp::create(builder, loc, x, x, sum))
                        : Value(arith::AddFOp::create(builder, loc, sum, x));
    store(next, lanes, {lane});
  });
  return reduceLanes(lanes);
}

Value Plain::stepCode(StepAttr step, ValueRange operands, Value value,
                      const Index &index) {
  Value scale = loadBroadcast(operands[step.getScale()], index);
  value = arith::DivFOp::create(builder, loc, value, scale);
  Type stored = builder.getIntegerType(8, /*isSigned=*/true);
  Value zero;
  if (step.getZeroPoint() >= 0)
    zero = loadBroadcast(operands[step.getZeroPoint()], index);
  return encodeInteger(value, zero, stored);
}

Value Plain::applyStep(StepAttr step, ValueRange operands, Value value,
                       const Index &index) {
  Type si8 = builder.getIntegerType(8, /*isSigned=*/true);
  // stored - zero point, times the scale.
  auto decoded = [&](Value code) -> Value {
    code = toInt(code, si8);
    if (step.getZeroPoint() >= 0)
      code = arith::SubIOp::create(
          builder, loc, code,
          toInt(loadBroadcast(operands[step.getZeroPoint()], index), si8));
    Value real =
        arith::SIToFPOp::create(builder, loc, builder.getF32Type(), code);
    return arith::MulFOp::create(
        builder, loc, real, loadBroadcast(operands[step.getScale()], index));
  };
  if (step.isQuantizeDequantize())
    return decoded(stepCode(step, operands, value, index));
  SmallVector<Value> values = {value};
  if (step.getOperand() >= 0) {
    Value operand = operands[step.getOperand()];
    Type element = cast<MemRefType>(operand.getType()).getElementType();
    Value loaded = loadBroadcast(operand, index);
    values.push_back(step.getScale() >= 0 ? decoded(loaded)
                                          : toFloat(loaded, element));
  }
  SmallVector<Type> types(values.size() + 1, value.getType());
  DictionaryAttr attributes = step.getAttributes();
  if (!attributes)
    attributes = builder.getDictionaryAttr({});
  return onnx_ir::lookupElementwise(step.getOp())
      ->build(builder, loc, values, types, attributes);
}

Value Plain::loadBias(Value memref, Value bias, Value n) {
  // A missing bias is one of zeros.
  return memref ? toFloat(load(memref, {n}), tensorType(bias).getElementType())
                : body.f32(0);
}

void Plain::finishLayer(EpilogueOpInterface op, ValueRange operands,
                        Value value, const Index &index) {
  for (auto step : op.getEpilogue().getAsRange<StepAttr>())
    value = step.isQuantize() ? stepCode(step, operands, value, index)
                              : applyStep(step, operands, value, index);
  if (!quantizeStep(op.getEpilogue()))
    value = fromFloat(value, tensorType(op.getResult()).getElementType());
  store(value, body.outputs[0], index);
}

void Plain::emit() {
  llvm::TypeSwitch<Operation *>(op)
      .Case<QuantizeOp, DequantizeOp, ChooseParamsOp, qgraph::LinearOp,
            QuantizedLinearOp, qgraph::ConvOp, QuantizedConvOp, MatmulOp,
            QuantizedMatmulOp, EmbeddingOp, NormOp, AttentionOp>(
          [&](auto concrete) { emit(concrete); });
}

void emitPlain(Operation *op, KernelBody &body) { Plain(op, body).emit(); }

static bool isReadable(Type element) {
  return isPlainFloat(element) ||
         (isa<FloatType>(element) && getFormat(element)) ||
         isa<IntegerType>(element);
}

LogicalResult canEmitPlain(Operation *op, std::string &why) {
  auto fail = [&](StringRef what, Type element) {
    llvm::raw_string_ostream(why) << what << element;
    return failure();
  };
  why.clear();
  for (Type type : op->getOperandTypes())
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      if (!isReadable(tensor.getElementType()))
        return fail("no loop reads elements of type ", tensor.getElementType());
  auto layer = dyn_cast<EpilogueOpInterface>(op);
  bool stores = isa<QuantizeOp, ChooseParamsOp>(op) ||
                (layer && quantizeStep(layer.getEpilogue()));
  for (Type type : op->getResultTypes()) {
    Type element = cast<RankedTensorType>(type).getElementType();
    // A product of integers may be the sum itself.
    bool good = stores || (isa<QuantizedLinearOp, QuantizedMatmulOp>(op) &&
                           element.isSignedInteger(32))
                    ? isReadable(element)
                : isa<AttentionOp>(op)
                    ? element.isF32() // its sums are kept in the result
                    : isPlainFloat(element);
    if (!good)
      return fail("no loop writes elements of type ", element);
  }
  if (layer)
    for (auto step : layer.getEpilogue().getAsRange<StepAttr>())
      if (step.isElementwise() && !onnx_ir::lookupElementwise(step.getOp())) {
        why = ("epilogue step '" + step.getOp() +
               "' is not an elementwise operator")
                  .str();
        return failure();
      }
  return success();
}

} // namespace quantc::qkernel
