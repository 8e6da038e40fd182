//===- NormalizeCodes.cpp - One signed form for stored activations --------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two rewrites that are exactly equal. Codes of ui8 with zero point z become
// codes of si8 with z - 128, so that behind this pass there is one kind of
// 8-bit activations. What only moves values, or picks the greatest, between a
// dequantize and a quantize by the same parameters works on the codes.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/BuiltinOps.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/ONNX/Proto.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"

#define DEBUG_TYPE "qgraph-normalize-codes"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {
#define GEN_PASS_DEF_NORMALIZECODES
#include "quantc/Conversion/Passes.h.inc"

namespace {

RankedTensorType typeOf(Value value) {
  return dyn_cast<RankedTensorType>(value.getType());
}

bool isUI8(Value value) {
  RankedTensorType type = typeOf(value);
  return type && type.getElementType().isUnsignedInteger(8);
}

/// The operands of an operator of which every result element is an element,
/// where nothing else but the order of codes decides which; none for other
/// operators.
OperandRange movedOperands(onnx_ir::NodeOp node) {
  OperandRange inputs = node.getInputs();
  if (node->getNumResults() != 1)
    return inputs.take_front(0);
  if (node.is("Concat"))
    return inputs;
  bool first = node.is("MaxPool") || node.is("Reshape") ||
               node.is("Transpose") || node.is("Slice") || node.is("Gather") ||
               node.is("Expand") || node.is("Tile");
  return inputs.take_front(first ? 1 : 0);
}

bool movesCodes(Operation *op) {
  auto node = dyn_cast<onnx_ir::NodeOp>(op);
  return node && !movedOperands(node).empty();
}

/// Calls `visit(zero point, scale)` for each place where `op` reads `value` as
/// stored values; the zero point is an operand that need not be there.
void forEachStored(Operation *op, Value value,
                   llvm::function_ref<void(MutableOperandRange, Value)> visit) {
  llvm::TypeSwitch<Operation *>(op)
      .Case<DequantizeOp>([&](auto op) {
        if (op.getInput() == value)
          visit(op.getZeroPointMutable(), op.getScale());
      })
      .Case<QuantizedLinearOp, QuantizedConvOp>([&](auto op) {
        if (op.getInput() == value)
          visit(op.getInputZeroPointMutable(), op.getInputScale());
        if (op.getWeight() == value)
          visit(op.getWeightZeroPointMutable(), op.getWeightScale());
      })
      .Case<QuantizedMatmulOp>([&](auto op) {
        if (op.getLhs() == value)
          visit(op.getLhsZeroPointMutable(), op.getLhsScale());
        if (op.getRhs() == value)
          visit(op.getRhsZeroPointMutable(), op.getRhsScale());
      });
}

bool isKnown(MutableOperandRange zeroPoint) {
  return zeroPoint.empty() || isConstant(zeroPoint[0].get());
}

class NormalizeCodesPass : public impl::NormalizeCodesBase<NormalizeCodesPass> {
public:
  void runOnOperation() override {
    signArguments();
    collect();
    for (Value value : candidates.takeVector())
      makeSigned(value);
    if (broken)
      return signalPassFailure();
    getOperation().walk([&](Operation *op) {
      auto node = dyn_cast<onnx_ir::NodeOp>(op);
      if (node && node.is("Relu"))
        rectifyCodes(node);
      else if (node)
        moveCodes(node);
      else if (auto quantize = dyn_cast<QuantizeOp>(op))
        dropPair(quantize);
    });
  }

private:
  void signArguments();
  void collect();
  bool isGood(Value value);
  bool isGood(OpOperand &use);
  void makeSigned(Value value);
  void shiftZeroPoint(MutableOperandRange zeroPoint, Value scale);
  Value shifted(Value constant, RankedTensorType type);
  void moveCodes(onnx_ir::NodeOp node);
  void rectifyCodes(onnx_ir::NodeOp node);
  void replaceByCodes(onnx_ir::NodeOp node, onnx_ir::NodeOp moved,
                      DequantizeOp first);
  void dropPair(QuantizeOp op);

  llvm::SetVector<Value> candidates;
  bool broken = false;
};

} // namespace

//===----------------------------------------------------------------------===//
// Signed codes
//===----------------------------------------------------------------------===//

/// Codes that come from outside are shifted at run time, if a layer reads what
/// they stand for.
void NormalizeCodesPass::signArguments() {
  getOperation().walk([&](DequantizeOp op) {
    auto argument = dyn_cast<BlockArgument>(op.getInput());
    bool layer = llvm::any_of(op->getUsers(), [](Operation *user) {
      return isa<LayerOpInterface, MatmulOp>(user);
    });
    if (!argument || !layer || !isUI8(argument) || op.getCodebook() ||
        !isKnown(op.getZeroPointMutable()))
      return;
    OpBuilder builder(op);
    Type ui8 = typeOf(argument).getElementType();
    auto scalar = RankedTensorType::get({}, ui8);
    Value high = ConstantOp::create(
        builder, op.getLoc(), DenseElementsAttr::get(scalar, APInt(8, 128)));
    SmallVector<Value> sizes;
    for (int64_t d = 0; d < typeOf(argument).getRank(); ++d)
      if (typeOf(argument).isDynamicDim(d))
        sizes.push_back(
            tensor::DimOp::create(builder, op.getLoc(), argument, d));
    int64_t version =
        onnx_ir::sinceVersion("BitwiseXor", "", onnx_ir::latestOpset(""))
            .value_or(18);
    auto flipped = onnx_ir::NodeOp::create(
        builder, op.getLoc(), TypeRange(argument.getType()),
        ValueRange{argument, high}, sizes, "BitwiseXor", /*domain=*/"", version,
        builder.getDictionaryAttr({}), StringAttr(), ArrayAttr(), 0);
    auto si8 =
        typeOf(argument).clone(builder.getIntegerType(8, /*isSigned=*/true));
    Value codes =
        ReinterpretOp::create(builder, op.getLoc(), si8, flipped.getResult(0));
    shiftZeroPoint(op.getZeroPointMutable(), op.getScale());
    op.getInputMutable().set(codes);
    ++signedValues;
  });
}

bool NormalizeCodesPass::isGood(OpOperand &use) {
  Operation *op = use.getOwner();
  if (movesCodes(op))
    return candidates.contains(op->getResult(0));
  unsigned stored = 0, operands = llvm::count(op->getOperands(), use.get());
  forEachStored(op, use.get(), [&](MutableOperandRange zeroPoint, Value) {
    stored += isKnown(zeroPoint);
  });
  return stored == operands;
}

bool NormalizeCodesPass::isGood(Value value) {
  Operation *op = value.getDefiningOp();
  bool made = isa<ConstantOp>(op) ||
              (movesCodes(op) &&
               llvm::all_of(movedOperands(cast<onnx_ir::NodeOp>(op)),
                            [&](Value v) { return candidates.contains(v); }));
  if (auto quantize = dyn_cast<QuantizeOp>(op))
    made = !quantize.getCodebook() && isKnown(quantize.getZeroPointMutable());
  return made && llvm::all_of(value.getUses(),
                              [&](OpOperand &use) { return isGood(use); });
}

/// The greatest set of ui8 values that can all become si8.
void NormalizeCodesPass::collect() {
  getOperation().walk([&](Operation *op) {
    if (isa<QuantizeOp, ConstantOp>(op) || movesCodes(op))
      if (isUI8(op->getResult(0)) && !op->use_empty())
        candidates.insert(op->getResult(0));
  });
  bool changed = true;
  while (changed)
    changed = candidates.remove_if([&](Value value) { return !isGood(value); });
}

/// A constant of ui8 with 128 taken off each element.
Value NormalizeCodesPass::shifted(Value value, RankedTensorType type) {
  OpBuilder builder(value.getContext());
  builder.setInsertionPointAfterValue(value);
  llvm::Expected<ConstantTensor> constant = ConstantTensor::get(value);
  llvm::Expected<TypedAttr> result =
      constant ? makeConstant(type, entryBaseName(*constant, "") + "@signed",
                              [&](MutableArrayRef<char> out) {
                                for (auto [to, from] :
                                     llvm::zip_equal(out, constant->getBytes()))
                                  to = char(uint8_t(from) ^ 0x80);
                              })
               : llvm::Expected<TypedAttr>(constant.takeError());
  if (result)
    return ConstantOp::create(builder, value.getLoc(), *result);
  emitError(value.getLoc()) << "a constant of ui8 cannot be rewritten: "
                            << llvm::toString(result.takeError());
  broken = true;
  return value;
}

void NormalizeCodesPass::shiftZeroPoint(MutableOperandRange zeroPoint,
                                        Value scale) {
  Operation *op = zeroPoint.getOwner();
  auto si8 = IntegerType::get(op->getContext(), 8, IntegerType::Signed);
  RankedTensorType type = typeOf(scale).clone(si8);
  if (!zeroPoint.empty()) {
    Value old = zeroPoint[0].get();
    Value constant = shifted(old, type);
    std::optional<ConstantTensor> codes;
    if (llvm::Expected<ConstantTensor> read = ConstantTensor::get(constant))
      codes = std::move(*read);
    else
      llvm::consumeError(read.takeError());
    bool none = codes && llvm::all_of(codes->getBytes(),
                                      [](char code) { return code == 0; });
    if (none)
      zeroPoint.clear();
    else
      zeroPoint.assign(constant);
    return;
  }
  OpBuilder builder(op);
  llvm::Expected<TypedAttr> constant =
      makeConstant(type, "zero-point", [](MutableArrayRef<char> out) {
        llvm::fill(out, char(0x80));
      });
  if (constant) {
    zeroPoint.assign(
        ConstantOp::create(builder, op->getLoc(), *constant).getResult());
    return;
  }
  op->emitError() << "its zero point cannot be kept: "
                  << llvm::toString(constant.takeError());
  broken = true;
}

void NormalizeCodesPass::makeSigned(Value value) {
  auto si8 = IntegerType::get(value.getContext(), 8, IntegerType::Signed);
  RankedTensorType type = typeOf(value).clone(si8);
  // Zero points that are added move the operands of a reader.
  llvm::SmallSetVector<Operation *, 4> readers(value.user_begin(),
                                               value.user_end());
  for (Operation *reader : readers)
    forEachStored(reader, value, [&](MutableOperandRange zero, Value scale) {
      shiftZeroPoint(zero, scale);
    });
  ++signedValues;
  if (isa<ConstantOp>(value.getDefiningOp())) {
    value.replaceAllUsesWith(shifted(value, type));
    value.getDefiningOp()->erase();
    return;
  }
  if (auto quantize = value.getDefiningOp<QuantizeOp>())
    shiftZeroPoint(quantize.getZeroPointMutable(), quantize.getScale());
  value.setType(type);
}

//===----------------------------------------------------------------------===//
// Movement of codes
//===----------------------------------------------------------------------===//

/// True if both are the same constant.
static bool sameConstant(Value a, Value b) {
  if (a == b)
    return true;
  auto x = a ? a.getDefiningOp<ConstantOp>() : ConstantOp(),
       y = b ? b.getDefiningOp<ConstantOp>() : ConstantOp();
  if (!x || !y)
    return false;
  auto p = dyn_cast<DenseElementsAttr>(x.getValue()),
       q = dyn_cast<DenseElementsAttr>(y.getValue());
  // Of one element each; the ranks may differ.
  return p && q && p.getNumElements() == 1 && q.getNumElements() == 1 &&
         p.getElementType() == q.getElementType() &&
         *p.value_begin<Attribute>() == *q.value_begin<Attribute>();
}

/// True for an absent operand, or a small constant of one element.
static bool isOneConstant(Value value) {
  auto constant = value ? value.getDefiningOp<ConstantOp>() : ConstantOp();
  return !value || (constant && isa<DenseElementsAttr>(constant.getValue()) &&
                    typeOf(value).getNumElements() == 1);
}

template <typename OpT>
static bool isOneConstantScale(OpT op) {
  return isOneConstant(op.getScale()) && isOneConstant(op.getZeroPoint()) &&
         !op.getOffset() && !op.getCodebook() && !op.getPrecision();
}

/// True for a scale that keeps the order of codes, and each of them apart.
static bool isPositive(Value scale) {
  auto constant = scale.getDefiningOp<ConstantOp>();
  auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue())
                        : DenseElementsAttr();
  if (!dense || !isa<FloatType>(dense.getElementType()))
    return false;
  // No product of a code leaves the range of f32.
  double number = (*dense.value_begin<FloatAttr>()).getValueAsDouble();
  return number > 0 && number < 1e30;
}

/// A small constant of one element in another shape.
static Value reshapedTo(OpBuilder &builder, Value constant,
                        ArrayRef<int64_t> shape) {
  auto dense =
      cast<DenseElementsAttr>(constant.getDefiningOp<ConstantOp>().getValue());
  return ConstantOp::create(builder, constant.getLoc(),
                            dense.reshape(typeOf(constant).clone(shape)));
}

/// node(dequantize(x)...) with one scale for all: dequantize(node(x...)).
void NormalizeCodesPass::moveCodes(onnx_ir::NodeOp node) {
  OperandRange moves = movedOperands(node);
  auto first =
      moves.empty() ? DequantizeOp() : moves[0].getDefiningOp<DequantizeOp>();
  if (!first || !isOneConstantScale(first) ||
      (node.is("MaxPool") && !isPositive(first.getScale())))
    return;
  SmallVector<Value> codes;
  for (Value input : moves) {
    auto dequantize = input.getDefiningOp<DequantizeOp>();
    if (!dequantize || !isOneConstantScale(dequantize) ||
        isConstant(dequantize.getInput()) ||
        typeOf(dequantize.getInput()).getElementType() !=
            typeOf(first.getInput()).getElementType() ||
        dequantize.getType().getElementType() !=
            first.getType().getElementType() ||
        !sameConstant(dequantize.getScale(), first.getScale()) ||
        !sameConstant(dequantize.getZeroPoint(), first.getZeroPoint()))
      return;
    codes.push_back(dequantize.getInput());
  }
  OpBuilder builder(node);
  RankedTensorType type = typeOf(node->getResult(0));
  auto moved = cast<onnx_ir::NodeOp>(builder.clone(*node));
  for (auto [i, code] : llvm::enumerate(codes))
    moved.getInputsMutable()[i].set(code);
  moved->getResult(0).setType(type.clone(typeOf(codes[0]).getElementType()));
  replaceByCodes(node, moved, first);
}

/// The result of `node` becomes what is dequantized of that of `moved`, by the
/// parameters of `first`.
void NormalizeCodesPass::replaceByCodes(onnx_ir::NodeOp node,
                                        onnx_ir::NodeOp moved,
                                        DequantizeOp first) {
  OpBuilder builder(node);
  RankedTensorType type = typeOf(node->getResult(0));
  // The one scale in the rank of the result.
  auto inRank = [&](Value parameter) -> Value {
    if (!parameter || typeOf(parameter).getRank() == type.getRank())
      return parameter;
    return reshapedTo(builder, parameter,
                      SmallVector<int64_t>(type.getRank(), 1));
  };
  SmallVector<int64_t> block(type.getRank(), 0);
  Value real = DequantizeOp::create(
      builder, node.getLoc(), type, moved->getResult(0),
      inRank(first.getScale()), inRank(first.getZeroPoint()), Value(), Value(),
      builder.getDenseI64ArrayAttr(block), TypeAttr());
  SmallVector<Value> read(node.getInputs());
  node->getResult(0).replaceAllUsesWith(real);
  node.erase();
  for (Value input : llvm::SmallSetVector<Value, 4>(read.begin(), read.end()))
    if (input.use_empty() && input.getDefiningOp<DequantizeOp>())
      input.getDefiningOp()->erase();
  ++movedCodes;
}

/// Relu(dequantize(x)) with one scale > 0: dequantize(Max(x, zero point)).
void NormalizeCodesPass::rectifyCodes(onnx_ir::NodeOp node) {
  auto first = node.is("Relu")
                   ? node.getInputs()[0].getDefiningOp<DequantizeOp>()
                   : DequantizeOp();
  if (!first || !isOneConstantScale(first) || !isPositive(first.getScale()) ||
      isConstant(first.getInput()))
    return;
  RankedTensorType codes = first.getInput().getType();
  auto stored = dyn_cast<IntegerType>(codes.getElementType());
  if (!stored || stored.isSignless() || stored.getWidth() != 8)
    return;
  OpBuilder builder(node);
  Value zero;
  if (first.getZeroPoint())
    zero = reshapedTo(builder, first.getZeroPoint(), {});
  else
    zero = ConstantOp::create(
        builder, node.getLoc(),
        DenseElementsAttr::get(RankedTensorType::get({}, stored), APInt(8, 0)));
  int64_t version =
      onnx_ir::sinceVersion("Max", "", onnx_ir::latestOpset("")).value_or(13);
  auto moved = onnx_ir::NodeOp::create(builder, node.getLoc(), TypeRange(codes),
                                       ValueRange{first.getInput(), zero},
                                       node.getDims(), "Max", /*domain=*/"",
                                       version, builder.getDictionaryAttr({}),
                                       node.getNameAttr(), ArrayAttr(), 0);
  replaceByCodes(node, moved, first);
}

/// quantize(dequantize(x)) by the same parameters: x. The value of a code,
/// quantized again, is that code.
void NormalizeCodesPass::dropPair(QuantizeOp op) {
  auto back = op.getInput().getDefiningOp<DequantizeOp>();
  if (!back || !isOneConstantScale(op) || !isOneConstantScale(back) ||
      !isPositive(op.getScale()) || back.getInput().getType() != op.getType() ||
      !isa<IntegerType>(op.getType().getElementType()) ||
      op.getType().getElementTypeBitWidth() > 8 ||
      !sameConstant(back.getScale(), op.getScale()) ||
      !sameConstant(back.getZeroPoint(), op.getZeroPoint()))
    return;
  op.getResult().replaceAllUsesWith(back.getInput());
  op.erase();
  if (back->use_empty())
    back.erase();
}

} // namespace quantc
