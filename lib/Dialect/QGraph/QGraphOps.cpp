//===- QGraphOps.cpp - What the ops of qgraph require -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Requirements.h"

#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Dialect/QGraph/Shapes.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qgraph;
using namespace quantc::qgraph::requirements;

//===----------------------------------------------------------------------===//
// Quantization
//===----------------------------------------------------------------------===//

/// What `quantize` and `dequantize` share; `stored` and `real` are the two
/// sides.
template <typename OpT>
static LogicalResult verifyQuantization(OpT op, Value stored, Value real) {
  ArrayRef<int64_t> block = op.getBlock();
  Value input = op.getInput();
  Type storedType = elementOf(stored);
  if (failed(requireShape(op, "result", op.getResult(), shapeOf(input))) ||
      failed(
          verifyStored(op, stored == input ? "input" : "result", storedType)) ||
      failed(requireReal(op, stored == input ? "result" : "input", real)) ||
      failed(verifyBlock(op, "block", block, input)) ||
      failed(verifyScale(op, "scale", op.getScale(), input, block)))
    return failure();
  if (op.getZeroPoint() && op.getOffset())
    return op.emitOpError("has both zero_point and offset; they exclude each "
                          "other");
  if (op.getZeroPoint() &&
      failed(verifyZeroPoint(op, "zero_point", op.getZeroPoint(), input, block,
                             storedType)))
    return failure();
  if (op.getOffset() &&
      (failed(requireReal(op, "offset", op.getOffset())) ||
       failed(requireScaleShape(op, "offset", op.getOffset(), input, block))))
    return failure();
  if (Value codebook = op.getCodebook()) {
    if (op.getZeroPoint())
      return op.emitOpError("has both codebook and zero_point; a codebook's "
                            "codes have no zero point");
    if (!storedType.isUnsignedInteger() ||
        storedType.getIntOrFloatBitWidth() > 8)
      return op.emitOpError() << "has a codebook, so the stored type must be "
                                 "ui1 to ui8, not "
                              << storedType;
    if (failed(requireRank(op, "codebook", codebook, 1, "[C]")) ||
        failed(requireReal(op, "codebook", codebook)))
      return failure();
    int64_t codes = int64_t(1) << storedType.getIntOrFloatBitWidth();
    if (shapeOf(codebook)[0] > codes)
      return op.emitOpError()
             << "codebook has " << shapeOf(codebook)[0] << " codes, but "
             << storedType << " counts to " << codes;
  }
  if (op.getPrecision() && !isReal(*op.getPrecision()))
    return op.emitOpError() << "precision is " << *op.getPrecision()
                            << ", but must be f32, f16 or bf16";
  return success();
}

LogicalResult QuantizeOp::verify() {
  return verifyQuantization(*this, getResult(), getInput());
}

LogicalResult DequantizeOp::verify() {
  return verifyQuantization(*this, getInput(), getResult());
}

LogicalResult ChooseParamsOp::verify() {
  if (failed(requireReal(*this, "input", getInput())) ||
      failed(verifyStored(*this, "stored", getStored())) ||
      failed(verifyBlock(*this, "block", getBlock(), getInput())) ||
      failed(verifyScale(*this, "scale", getScale(), getInput(), getBlock())))
    return failure();
  Formula formula = getFormula();
  bool asymmetric = formula == Formula::Asymmetric;
  bool shifted = formula == Formula::AsymmetricOffset;
  if (asymmetric != bool(getZeroPoint()))
    return emitOpError() << stringifyFormula(formula)
                         << (asymmetric ? " needs" : " has no")
                         << " zero_point result";
  if (shifted != bool(getOffset()))
    return emitOpError() << stringifyFormula(formula)
                         << (shifted ? " needs" : " has no")
                         << " offset result";
  auto integer = dyn_cast<IntegerType>(getStored());
  if ((asymmetric || shifted || formula == Formula::SignedScale) && !integer)
    return emitOpError() << stringifyFormula(formula)
                         << " needs an integer stored type, not "
                         << getStored();
  if (formula == Formula::SignedScale && integer.isUnsigned())
    return emitOpError() << "signed_scale needs a signed stored type, not "
                         << getStored();
  if ((formula == Formula::Symmetric || formula == Formula::PowerOfTwo) &&
      integer && integer.isSigned() && integer.getWidth() == 1)
    return emitOpError() << stringifyFormula(formula)
                         << " needs a stored type with a positive value, not "
                         << getStored();
  if (getZeroPoint() &&
      failed(verifyZeroPoint(*this, "zero_point", getZeroPoint(), getInput(),
                             getBlock(), getStored())))
    return failure();
  if (getOffset() && (failed(requireReal(*this, "offset", getOffset())) ||
                      failed(requireScaleShape(*this, "offset", getOffset(),
                                               getInput(), getBlock()))))
    return failure();
  if (!(getClipRatio().convertToFloat() > 0))
    return emitOpError() << "clip_ratio is " << getClipRatio().convertToFloat()
                         << ", but must be positive";
  if (getClip() &&
      (getClip()->size() != 2 || !((*getClip())[0] <= (*getClip())[1])))
    return emitOpError("clip must be two numbers [lo, hi] with lo <= hi");
  return success();
}

LogicalResult ElementOp::inferReturnTypes(MLIRContext *context,
                                          std::optional<Location> location,
                                          ElementOp::Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  auto type = dyn_cast<RankedTensorType>(adaptor.getInput().getType());
  if (!type)
    return failure();
  Type element = type.getElementType();
  types.push_back(isa<FloatType>(element) ? element
                                          : Type(IndexType::get(context)));
  return success();
}

LogicalResult ElementOp::verify() {
  auto type = cast<RankedTensorType>(getInput().getType());
  if (!isa<IntegerType, Float32Type, Float64Type, BFloat16Type>(
          type.getElementType()))
    return emitOpError() << "elements of type " << type.getElementType()
                         << " cannot be read before the run";
  if (!type.hasStaticShape())
    return emitOpError() << "input " << type << " must have a static shape";
  int64_t element = getElement();
  if (element < 0 || element >= type.getNumElements())
    return emitOpError() << "element " << element << " is outside " << type;
  return success();
}

LogicalResult ObserveOp::verify() {
  if (!getFactor())
    return success();
  RankedTensorType type = typeOf(getInput());
  int64_t channels = type.getRank() == 0 ? 1 : type.getShape().back();
  auto given = dyn_cast<RankedTensorType>(getFactorAttr().getType());
  if (!isa<DenseElementsAttr, WeightAttr>(getFactorAttr()) || !given ||
      !given.getElementType().isF32() || given.getRank() != 1 ||
      !agree(given.getDimSize(0), channels))
    return emitOpError() << "has a factor " << getFactorAttr().getType()
                         << ", but it must be constant elements of f32, one "
                            "for each of the "
                         << channels << " channels of " << type;
  return success();
}

LogicalResult ReinterpretOp::verify() {
  if (failed(requireShape(*this, "result", getResult(), shapeOf(getInput()))))
    return failure();
  for (Type type : {elementOf(getInput()), elementOf(getResult())})
    if (!isa<IntegerType, FloatType>(type))
      return emitOpError() << "element type " << type
                           << " is neither an integer nor a float";
  unsigned from = elementOf(getInput()).getIntOrFloatBitWidth();
  unsigned to = elementOf(getResult()).getIntOrFloatBitWidth();
  if (from != to)
    return emitOpError() << "would change the width of an element from " << from
                         << " to " << to << " bits";
  return success();
}

LogicalResult ConstantOp::verify() {
  if (!isa<DenseElementsAttr, WeightAttr>(getValue()))
    return emitOpError("value must be dense elements or #qgraph.weight");
  auto type = cast<RankedTensorType>(getType());
  if (!type.hasStaticShape())
    return emitOpError() << "has type " << type
                         << "; a constant's shape is static";
  return success();
}

//===----------------------------------------------------------------------===//
// Other compute
//===----------------------------------------------------------------------===//

LogicalResult EmbeddingOp::verify() {
  if (failed(requireRank(*this, "table", getTable(), 2, "[V, D]")))
    return failure();
  auto index = dyn_cast<IntegerType>(elementOf(getIndices()));
  if (!index || (index.getWidth() != 32 && index.getWidth() != 64))
    return emitOpError() << "indices have element type "
                         << elementOf(getIndices())
                         << ", but must be 32- or 64-bit integers";
  if (Value scale = getScale()) {
    if (failed(verifyStored(*this, "table", elementOf(getTable()))) ||
        failed(verifyScaleElement(*this, "scale", scale)) ||
        failed(
            requireShape(*this, "scale", scale, {shapeOf(getTable())[0], 1})) ||
        failed(requireReal(*this, "result", getResult())))
      return failure();
  } else if (failed(requireSameElement(*this, "result", getResult(), "table",
                                       getTable()))) {
    return failure();
  }
  SmallVector<int64_t> wanted(shapeOf(getIndices()));
  wanted.push_back(shapeOf(getTable())[1]);
  return requireShape(*this, "result", getResult(), wanted);
}

LogicalResult NormOp::verify() {
  ArrayRef<int64_t> shape = shapeOf(getInput());
  if (shape.empty())
    return emitOpError("input is a scalar, but must be [.., D]");
  if (failed(requireReal(*this, "input", getInput())) ||
      failed(requireShape(*this, "result", getResult(), shape)) ||
      failed(requireSameElement(*this, "result", getResult(), "input",
                                getInput())))
    return failure();
  for (auto [name, operand] :
       {std::pair<StringRef, Value>{"weight", getWeight()},
        {"bias", getBias()}})
    if (operand &&
        (failed(requireShape(*this, name, operand, {shape.back()})) ||
         failed(requireReal(*this, name, operand))))
      return failure();
  if (getEpsilon().convertToFloat() < 0)
    return emitOpError() << "epsilon is " << getEpsilon().convertToFloat()
                         << ", but must not be negative";
  return success();
}

/// The shape of keys or values as [B, T, G, D].
static SmallVector<int64_t> keyShape(Value operand, bool headsFirst) {
  if (auto cache = dyn_cast<CacheType>(operand.getType()))
    return {ShapedType::kDynamic, ShapedType::kDynamic, cache.getHeads(),
            cache.getSize()};
  SmallVector<int64_t> shape(shapeOf(operand));
  if (headsFirst)
    std::swap(shape[1], shape[2]);
  return shape;
}

LogicalResult AttentionOp::verify() {
  bool caches = isa<CacheType>(getKey().getType());
  if (caches != isa<CacheType>(getValue().getType()))
    return emitOpError() << "key and value must both be caches, or neither";
  if (caches && getHeadsFirst())
    return emitOpError()
           << "heads_first is for keys and values that are tensors";
  for (Value operand : {getKey(), getValue()})
    if (auto cache = dyn_cast<CacheType>(operand.getType());
        cache && cache.getElementType() != elementOf(getQuery()))
      return emitOpError() << "the cache holds " << cache.getElementType()
                           << ", and query has elements of type "
                           << elementOf(getQuery());
  for (auto [name, operand, layout] : {std::tuple<StringRef, Value, StringRef>{
                                           "query", getQuery(), "[B, S, H, D]"},
                                       {"key", getKey(), "[B, T, G, D]"},
                                       {"value", getValue(), "[B, T, G, E]"}})
    if (!isa<CacheType>(operand.getType()) &&
        (failed(requireRank(*this, name, operand, 4, layout)) ||
         failed(requireReal(*this, name, operand)) ||
         failed(requireSameElement(*this, name, operand, "query", getQuery()))))
      return failure();
  SmallVector<int64_t> keys = keyShape(getKey(), getHeadsFirst()),
                       values = keyShape(getValue(), getHeadsFirst());
  ArrayRef<int64_t> q = shapeOf(getQuery()), k = keys, v = values;
  if (!agree(q[0], k[0]) || !agree(q[3], k[3]))
    return emitOpError() << "query " << str(q) << " and key " << str(k)
                         << " must agree on the batch and on D";
  if (!agree(k.take_front(3), v.take_front(3)))
    return emitOpError() << "key " << str(k) << " and value " << str(v)
                         << " must agree on all but the last dimension";
  if (!ShapedType::isDynamic(q[2]) && !ShapedType::isDynamic(k[2]) &&
      (k[2] == 0 || q[2] % k[2]))
    return emitOpError() << "query has " << q[2] << " heads and key " << k[2]
                         << "; the former must be a multiple of the latter";
  if (Value mask = getMask()) {
    SmallVector<int64_t> scores{q[0], q[2], q[1], k[1]};
    if (!broadcasts(shapeOf(mask), scores))
      return emitOpError() << "mask has shape " << str(shapeOf(mask))
                           << ", which does not broadcast to " << str(scores);
    if (!isReal(elementOf(mask)) && !elementOf(mask).isInteger(1))
      return emitOpError() << "mask has element type " << elementOf(mask)
                           << ", but must be f32, f16, bf16 or i1";
  }
  if (failed(requireSameElement(*this, "result", getResult(), "query",
                                getQuery())))
    return failure();
  return requireShape(*this, "result", getResult(), {q[0], q[1], q[2], v[3]});
}

//===----------------------------------------------------------------------===//
// The cache
//===----------------------------------------------------------------------===//

/// That a tensor of this rank 4 shape has the cache's elements, with `heads` in
/// that dimension.
static LogicalResult requireCache(Operation *op, StringRef name, Value tensor,
                                  CacheType cache, int64_t heads,
                                  StringRef layout) {
  if (failed(requireRank(op, name, tensor, 4, layout)))
    return failure();
  ArrayRef<int64_t> shape = shapeOf(tensor);
  if (elementOf(tensor) != cache.getElementType() ||
      shape[heads] != cache.getHeads() || shape[3] != cache.getSize())
    return op->emitOpError() << name << " is " << tensor.getType()
                             << ", which does not fit " << cache;
  return success();
}

LogicalResult CacheLoadOp::verify() {
  return requireCache(*this, "past", getPast(), getResult().getType(), 1,
                      "[B, heads, T, size]");
}

LogicalResult CacheAppendOp::verify() {
  return requireCache(*this, "fresh", getFresh(), getResult().getType(), 2,
                      "[B, S, heads, size]");
}

LogicalResult CacheWriteOp::verify() {
  if (failed(requireCache(*this, "fresh", getFresh(), getResult().getType(), 2,
                          "[B, S, heads, size]")) ||
      failed(requireRank(*this, "starts", getStarts(), 1, "[B]")))
    return failure();
  if (!isa<IntegerType>(elementOf(getStarts())))
    return emitOpError() << "starts is " << getStarts().getType()
                         << ", and places have integers as numbers";
  return success();
}

LogicalResult CacheStoreOp::verify() {
  return requireCache(*this, "present", getPresent(), getCache().getType(), 1,
                      "[B, heads, T, size]");
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

/// That `value` can be what the region `what` has of result or argument `to`.
static LogicalResult verifyPassed(Operation *op, const Twine &what, Value value,
                                  Type to) {
  auto from = dyn_cast<RankedTensorType>(value.getType());
  auto type = cast<RankedTensorType>(to);
  if (!from || from.getElementType() != type.getElementType() ||
      !agree(from.getShape(), type.getShape()))
    return op->emitOpError()
           << what << " is " << value.getType() << ", which cannot be " << type;
  return success();
}

LogicalResult IfOp::verifyRegions() {
  for (Region *region : getRegions()) {
    Operation *yield = region->front().getTerminator();
    if (yield->getNumOperands() != getNumResults())
      return emitOpError() << "a region yields " << yield->getNumOperands()
                           << " values for " << getNumResults() << " results";
    for (auto [i, value] : llvm::enumerate(yield->getOperands()))
      if (failed(verifyPassed(*this, "yielded value " + Twine(i), value,
                              getResult(i).getType())))
        return failure();
  }
  return success();
}

LogicalResult LoopOp::verifyRegions() {
  Block &body = getBody().front();
  Operation *yield = body.getTerminator();
  unsigned carried = getInit().size();
  if (body.getNumArguments() != carried + 1 ||
      !body.getArgument(0).getType().isIndex())
    return emitOpError() << "has a body of " << body.getNumArguments()
                         << " arguments; they are the iteration, an index, and "
                         << carried << " carried tensors";
  if (yield->getNumOperands() != getNumResults() + 1 ||
      getNumResults() < carried || !yield->getOperand(0).getType().isIndex())
    return emitOpError() << "yields " << yield->getNumOperands()
                         << " values; they are the condition, an index, and "
                            "one for each of "
                         << getNumResults() << " results";
  for (unsigned i = 0; i < getNumResults(); ++i) {
    Value value = yield->getOperand(i + 1);
    auto result = cast<RankedTensorType>(getResult(i).getType());
    if (i < carried) {
      Type argument = body.getArgument(i + 1).getType();
      if (failed(verifyPassed(*this, "initial value " + Twine(i), getInit()[i],
                              argument)) ||
          failed(verifyPassed(*this, "yielded value " + Twine(i), value,
                              argument)) ||
          failed(verifyPassed(*this, "argument " + Twine(i),
                              body.getArgument(i + 1), result)))
        return failure();
      continue;
    }
    auto piece = dyn_cast<RankedTensorType>(value.getType());
    if (!piece || result.getRank() != piece.getRank() + 1)
      return emitOpError() << "collects " << value.getType() << " in "
                           << result;
    auto row = RankedTensorType::get(result.getShape().drop_front(),
                                     result.getElementType());
    if (failed(verifyPassed(*this, "piece " + Twine(i), value, row)))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Fusion
//===----------------------------------------------------------------------===//

LogicalResult RowsOp::verify() {
  auto yield = cast<YieldOp>(getBody().front().getTerminator());
  if (yield.getOperandTypes() != getResultTypes())
    return emitOpError() << "yields (" << yield.getOperandTypes()
                         << "), but has results (" << getResultTypes() << ")";
  if (getBody().getNumArguments() != 0)
    return emitOpError("body has arguments; it reads values from outside");
  for (Operation &op : getBody().front().without_terminator())
    if (!isa<onnx_ir::NodeOp, NormOp, EmbeddingOp, ChooseParamsOp, QuantizeOp,
             DequantizeOp, ReinterpretOp>(op))
      return emitOpError() << "has '" << op.getName()
                           << "' in its body, which does not work on each row "
                              "by itself";
  return success();
}
