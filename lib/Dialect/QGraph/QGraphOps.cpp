//===- QGraphOps.cpp - What the ops of qgraph require -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Dialect/QGraph/Shapes.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qgraph;

//===----------------------------------------------------------------------===//
// Shapes and types in general
//===----------------------------------------------------------------------===//

static RankedTensorType typeOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType());
}
static ArrayRef<int64_t> shapeOf(Value tensor) {
  return typeOf(tensor).getShape();
}
static Type elementOf(Value tensor) { return typeOf(tensor).getElementType(); }

/// A shape in messages: [4, ?].
static std::string str(ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << '[';
  llvm::interleaveComma(shape, os, [&](int64_t extent) {
    if (ShapedType::isDynamic(extent))
      os << '?';
    else
      os << extent;
  });
  os << ']';
  return text;
}

/// A dynamic dimension agrees with every other.
static bool agree(int64_t a, int64_t b) {
  return a == b || ShapedType::isDynamic(a) || ShapedType::isDynamic(b);
}
static bool agree(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return a.size() == b.size() &&
         llvm::all_of(llvm::zip_equal(a, b), [](auto p) {
           return agree(std::get<0>(p), std::get<1>(p));
         });
}

/// True if `from` broadcasts to `to`, as ONNX does it: aligned at the right.
static bool broadcasts(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  if (from.size() > to.size())
    return false;
  for (auto [a, b] : llvm::zip_equal(from, to.take_back(from.size())))
    if (a != 1 && !agree(a, b))
      return false;
  return true;
}

static bool isReal(Type type) {
  return isa<Float32Type, Float16Type, BFloat16Type>(type);
}

static LogicalResult requireShape(Operation *op, StringRef what, Value tensor,
                                  ArrayRef<int64_t> wanted) {
  if (agree(shapeOf(tensor), wanted))
    return success();
  return op->emitOpError() << what << " has shape " << str(shapeOf(tensor))
                           << ", but must have " << str(wanted);
}

static LogicalResult requireRank(Operation *op, StringRef what, Value tensor,
                                 int64_t rank, StringRef layout) {
  if (typeOf(tensor).getRank() == rank)
    return success();
  return op->emitOpError() << what << " has shape " << str(shapeOf(tensor))
                           << ", but must have rank " << rank << " " << layout;
}

static LogicalResult requireReal(Operation *op, StringRef what, Value tensor) {
  if (isReal(elementOf(tensor)))
    return success();
  return op->emitOpError() << what << " has element type " << elementOf(tensor)
                           << ", but must be f32, f16 or bf16";
}

static LogicalResult requireSameElement(Operation *op, StringRef what, Value a,
                                        StringRef other, Value b) {
  if (elementOf(a) == elementOf(b))
    return success();
  return op->emitOpError() << what << " has element type " << elementOf(a)
                           << ", but " << other << " has " << elementOf(b);
}

//===----------------------------------------------------------------------===//
// Quantization
//===----------------------------------------------------------------------===//

static LogicalResult verifyBlock(Operation *op, StringRef name,
                                 ArrayRef<int64_t> block, Value tensor) {
  ArrayRef<int64_t> shape = shapeOf(tensor);
  if (block.size() != shape.size())
    return op->emitOpError() << name << " has " << block.size()
                             << " entries for a tensor of shape " << str(shape);
  for (int64_t size : block)
    if (size < 0)
      return op->emitOpError()
             << name << " " << str(block) << " has a negative entry";
  return success();
}

static LogicalResult requireScaleShape(Operation *op, StringRef what,
                                       Value scale, Value tensor,
                                       ArrayRef<int64_t> block) {
  SmallVector<int64_t> wanted = getScaleShape(shapeOf(tensor), block);
  if (agree(shapeOf(scale), wanted))
    return success();
  return op->emitOpError() << what << " has shape " << str(shapeOf(scale))
                           << ", but " << str(shapeOf(tensor)) << " in blocks "
                           << str(block) << " needs " << str(wanted);
}

static LogicalResult verifyScaleElement(Operation *op, StringRef what,
                                        Value scale) {
  Type type = elementOf(scale);
  if (isReal(type) || isa<Float8E8M0FNUType, Float8E4M3FNType>(type))
    return success();
  return op->emitOpError() << what << " has element type " << type
                           << ", but must be f32, f16, bf16, f8E8M0FNU or "
                              "f8E4M3FN";
}

static LogicalResult verifyScale(Operation *op, StringRef what, Value scale,
                                 Value tensor, ArrayRef<int64_t> block) {
  if (failed(verifyScaleElement(op, what, scale)))
    return failure();
  return requireScaleShape(op, what, scale, tensor, block);
}

static LogicalResult verifyStored(Operation *op, StringRef what, Type type) {
  if (isStoredType(type))
    return success();
  return op->emitOpError()
         << what << " has element type " << type
         << ", which is no stored type: si or ui of 1 to 8, 16 or 32 bits, or "
            "a float of at most 8 bits";
}

static LogicalResult verifyZeroPoint(Operation *op, StringRef what,
                                     Value zeroPoint, Value tensor,
                                     ArrayRef<int64_t> block, Type stored) {
  if (elementOf(zeroPoint) != stored)
    return op->emitOpError()
           << what << " has element type " << elementOf(zeroPoint)
           << ", but the stored type is " << stored;
  if (!isa<IntegerType>(stored))
    return op->emitOpError()
           << what << " needs an integer stored type, not " << stored;
  return requireScaleShape(op, what, zeroPoint, tensor, block);
}

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
// Linear
//===----------------------------------------------------------------------===//

/// An epilogue applied to `result`; shared with qkernel.linear.
LogicalResult qgraph::verifyEpilogue(Operation *op, ArrayAttr epilogue,
                                     ValueRange operands, Value result) {
  for (auto [i, operand] : llvm::enumerate(operands))
    if (!broadcasts(shapeOf(operand), shapeOf(result)))
      return op->emitOpError()
             << "epilogue operand " << i << " has shape "
             << str(shapeOf(operand)) << ", which does not broadcast to "
             << str(shapeOf(result));
  for (auto [i, step] : llvm::enumerate(epilogue.getAsRange<StepAttr>())) {
    const onnx_ir::ElementwiseOp *row =
        onnx_ir::lookupElementwise(step.getOp());
    if (!row)
      return op->emitOpError()
             << "epilogue step " << i << " is '" << step.getOp()
             << "', which is no elementwise operator";
    int64_t count = operands.size();
    if (step.getOperand() < -1 || step.getOperand() >= count)
      return op->emitOpError()
             << "epilogue step " << i << " (" << step.getOp()
             << ") refers to operand " << step.getOperand() << " of " << count;
    bool binary = step.getOperand() >= 0;
    if (row->operands != 0 && row->operands != (binary ? 2u : 1u))
      return op->emitOpError()
             << "epilogue step " << i << " (" << step.getOp() << ") takes "
             << row->operands << " operands, but is given " << (binary ? 2 : 1);
  }
  return success();
}

/// [.., K] x [N, K] (+ [N]) -> [.., N].
template <typename OpT>
static LogicalResult verifyLinear(OpT op) {
  Value input = op.getInput(), weight = op.getWeight();
  if (shapeOf(input).empty())
    return op.emitOpError("input is a scalar, but must be [.., K]");
  if (failed(requireRank(op, "weight", weight, 2, "[N, K]")))
    return failure();
  int64_t n = shapeOf(weight)[0], k = shapeOf(weight)[1];
  if (!agree(shapeOf(input).back(), k))
    return op.emitOpError()
           << "input " << str(shapeOf(input))
           << " has K = " << shapeOf(input).back() << ", but weight "
           << str(shapeOf(weight)) << " has K = " << k;
  if (Value bias = op.getBias())
    if (failed(requireShape(op, "bias", bias, {n})) ||
        failed(requireReal(op, "bias", bias)))
      return failure();
  SmallVector<int64_t> wanted(shapeOf(input));
  wanted.back() = n;
  if (failed(requireShape(op, "result", op.getResult(), wanted)) ||
      failed(requireReal(op, "result", op.getResult())))
    return failure();
  return verifyEpilogue(op, op.getEpilogue(), op.getEpilogueOperands(),
                        op.getResult());
}

LogicalResult LinearOp::verify() {
  if (failed(requireReal(*this, "input", getInput())) ||
      failed(requireReal(*this, "weight", getWeight())))
    return failure();
  return verifyLinear(*this);
}

/// One side of quantized_linear. Returns through `group` the block along K,
/// 0 for one group.
static LogicalResult verifySide(Operation *op, StringRef side, Value tensor,
                                Value scale, Value zeroPoint,
                                ArrayRef<int64_t> block, int64_t &group) {
  Type stored = elementOf(tensor);
  if (!isa<IntegerType>(stored) || !isStoredType(stored))
    return op->emitOpError() << side << " has element type " << stored
                             << ", but must be a stored integer";
  if (failed(verifyBlock(op, (side + "_block").str(), block, tensor)) ||
      failed(verifyScale(op, (side + "_scale").str(), scale, tensor, block)) ||
      (zeroPoint && failed(verifyZeroPoint(op, (side + "_zero_point").str(),
                                           zeroPoint, tensor, block, stored))))
    return failure();
  int64_t k = shapeOf(tensor).back();
  group = block.back();
  if (!ShapedType::isDynamic(k) && group >= k)
    group = 0;
  return success();
}

LogicalResult QuantizedLinearOp::verify() {
  if (shapeOf(getInput()).empty())
    return emitOpError("input is a scalar, but must be [.., K]");
  int64_t inputGroup, weightGroup;
  if (failed(requireRank(*this, "weight", getWeight(), 2, "[N, K]")) ||
      failed(verifySide(*this, "input", getInput(), getInputScale(),
                        getInputZeroPoint(), getInputBlock(), inputGroup)) ||
      failed(verifySide(*this, "weight", getWeight(), getWeightScale(),
                        getWeightZeroPoint(), getWeightBlock(), weightGroup)))
    return failure();
  if (inputGroup && weightGroup && inputGroup % weightGroup &&
      weightGroup % inputGroup)
    return emitOpError() << "groups of " << inputGroup << " in the input and "
                         << weightGroup
                         << " in the weight: the finer must divide the other";
  return verifyLinear(*this);
}

//===----------------------------------------------------------------------===//
// Other compute
//===----------------------------------------------------------------------===//

LogicalResult MatmulOp::verify() {
  if (failed(requireReal(*this, "lhs", getLhs())) ||
      failed(requireSameElement(*this, "rhs", getRhs(), "lhs", getLhs())))
    return failure();
  ArrayRef<int64_t> lhs = shapeOf(getLhs()), rhs = shapeOf(getRhs());
  if (lhs.size() < 2 || rhs.size() < 2)
    return emitOpError() << "operands have shapes " << str(lhs) << " and "
                         << str(rhs) << ", but must have rank 2 or more";
  int64_t n = rhs[rhs.size() - 1], k = rhs[rhs.size() - 2];
  if (getTransposeRhs())
    std::swap(n, k);
  if (!agree(lhs.back(), k))
    return emitOpError() << "lhs " << str(lhs) << " and rhs " << str(rhs)
                         << (getTransposeRhs() ? " (transposed)" : "")
                         << " do not agree on K";
  ArrayRef<int64_t> leadingL = lhs.drop_back(2), leadingR = rhs.drop_back(2);
  ArrayRef<int64_t> result = shapeOf(getResult());
  if (result.size() != std::max(lhs.size(), rhs.size()) ||
      !agree(result.take_back(2), {lhs[lhs.size() - 2], n}) ||
      !broadcasts(leadingL, result.drop_back(2)) ||
      !broadcasts(leadingR, result.drop_back(2)))
    return emitOpError() << "result has shape " << str(result)
                         << ", which is not that of " << str(lhs) << " times "
                         << str(rhs)
                         << (getTransposeRhs() ? " (transposed)" : "");
  return requireReal(*this, "result", getResult());
}

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

LogicalResult AttentionOp::verify() {
  for (auto [name, operand, layout] : {std::tuple<StringRef, Value, StringRef>{
                                           "query", getQuery(), "[B, S, H, D]"},
                                       {"key", getKey(), "[B, T, G, D]"},
                                       {"value", getValue(), "[B, T, G, E]"}})
    if (failed(requireRank(*this, name, operand, 4, layout)) ||
        failed(requireReal(*this, name, operand)) ||
        failed(requireSameElement(*this, name, operand, "query", getQuery())))
      return failure();
  ArrayRef<int64_t> q = shapeOf(getQuery()), k = shapeOf(getKey()),
                    v = shapeOf(getValue());
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
