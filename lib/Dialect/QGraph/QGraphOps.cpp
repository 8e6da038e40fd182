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

/// The scale or zero point of a step: one element.
static LogicalResult verifyStepParameter(Operation *op, size_t i, StepAttr step,
                                         StringRef what, int64_t place,
                                         ValueRange operands) {
  auto fail = [&] {
    return op->emitOpError()
           << "epilogue step " << i << " (" << step.getOp() << ") ";
  };
  int64_t count = operands.size();
  if (place < 0 || place >= count)
    return fail() << "refers to operand " << place << " of " << count
                  << " for its " << what;
  RankedTensorType type = typeOf(operands[place]);
  bool good = what == "scale" ? type.getElementType().isF32()
                              : type.getElementType().isSignedInteger(8);
  if (!good || !type.hasStaticShape() || type.getNumElements() != 1)
    return fail() << "has a " << what << " of type " << type
                  << ", but it must be one "
                  << (what == "scale" ? "f32" : "si8");
  return success();
}

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
    bool binary = step.getOperand() >= 0, scaled = step.getScale() >= 0;
    if ((scaled || !step.isElementwise()) &&
        failed(verifyStepParameter(op, i, step, "scale", step.getScale(),
                                   operands)))
      return failure();
    if (step.getZeroPoint() != -1 &&
        failed(verifyStepParameter(op, i, step, "zero_point",
                                   step.getZeroPoint(), operands)))
      return failure();
    if (!step.isElementwise()) {
      if (binary)
        return op->emitOpError() << "epilogue step " << i << " ("
                                 << step.getOp() << ") takes no operand";
      if (step.isQuantize() && i + 1 != epilogue.size())
        return op->emitOpError()
               << "epilogue step " << i << " (Quantize) must be the last one";
      continue;
    }
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
    if (row->operands != 0 && row->operands != (binary ? 2u : 1u))
      return op->emitOpError()
             << "epilogue step " << i << " (" << step.getOp() << ") takes "
             << row->operands << " operands, but is given " << (binary ? 2 : 1);
    if (!binary)
      continue;
    Type element = elementOf(operands[step.getOperand()]);
    if (scaled ? !element.isSignedInteger(8) : !isReal(element))
      return op->emitOpError()
             << "epilogue step " << i << " (" << step.getOp()
             << ") has an operand of " << element << ", but must have "
             << (scaled ? "si8 with its scale" : "f32, f16 or bf16");
  }
  return success();
}

StepAttr qgraph::quantizeStep(ArrayAttr epilogue) {
  auto last = epilogue.empty() ? StepAttr()
                               : cast<StepAttr>(epilogue[epilogue.size() - 1]);
  return last && last.isQuantize() ? last : StepAttr();
}

/// The bias and the result of a layer: what its shape is was checked.
static LogicalResult verifyLayer(LayerOpInterface op,
                                 ArrayRef<int64_t> resultShape) {
  if (Value bias = op.getBias())
    if (failed(requireShape(op, "bias", bias, {resultShape.back()})) ||
        failed(requireReal(op, "bias", bias)))
      return failure();
  Value result = op.getResult();
  if (failed(requireShape(op, "result", result, resultShape)))
    return failure();
  if (isa<QuantizedLinearOp>(op) && elementOf(result).isSignedInteger(32)) {
    if (op.getBias() || !op.getEpilogue().empty())
      return op.emitOpError("has the sum itself as its result, si32, so it "
                            "takes no bias and no epilogue");
  } else if (!quantizeStep(op.getEpilogue())) {
    if (failed(requireReal(op, "result", result)))
      return failure();
  } else if (!elementOf(result).isSignedInteger(8)) {
    return op->emitOpError() << "result has element type " << elementOf(result)
                             << ", but its last step makes si8";
  }
  return verifyEpilogue(op, op.getEpilogue(), op.getEpilogueOperands(), result);
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
  SmallVector<int64_t> wanted(shapeOf(input));
  wanted.back() = n;
  return verifyLayer(op, wanted);
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
  if (elementOf(getResult()).isSignedInteger(32) && (inputGroup || weightGroup))
    return emitOpError("has groups along K, so its result cannot be one sum of "
                       "integers, si32");
  return verifyLinear(*this);
}

//===----------------------------------------------------------------------===//
// Convolution
//===----------------------------------------------------------------------===//

/// [N, spatial.., C] x [O, taps.., C / groups] (+ [O]) -> [N, spatial.., O].
template <typename OpT>
static LogicalResult verifyConv(OpT op) {
  Value input = op.getInput(), weight = op.getWeight();
  ArrayRef<int64_t> image = shapeOf(input), taps = shapeOf(weight);
  int64_t rank = image.size(), spatial = rank - 2;
  if (spatial < 1 || spatial > 3)
    return op.emitOpError() << "input has shape " << str(image)
                            << ", but must be [N, spatial.., C] with 1 to 3 "
                               "spatial dimensions";
  if (failed(
          requireRank(op, "weight", weight, rank, "[O, taps.., C / groups]")))
    return failure();
  for (auto [name, list, size] :
       {std::tuple<StringRef, ArrayRef<int64_t>, int64_t>{
            "strides", op.getStrides(), spatial},
        {"dilations", op.getDilations(), spatial},
        {"pads", op.getPads(), 2 * spatial}})
    if (int64_t(list.size()) != size)
      return op.emitOpError() << name << " has " << list.size()
                              << " entries, but must have " << size;
  for (auto [stride, dilation] :
       llvm::zip_equal(op.getStrides(), op.getDilations()))
    if (stride < 1 || dilation < 1)
      return op.emitOpError("strides and dilations must be positive");
  int64_t groups = op.getGroups();
  if (groups < 1 || (!ShapedType::isDynamic(taps[0]) && taps[0] % groups))
    return op.emitOpError()
           << "has " << groups << " groups, which do not divide " << taps[0]
           << " columns";
  if (!ShapedType::isDynamic(taps.back()) &&
      !agree(image.back(), taps.back() * groups))
    return op.emitOpError()
           << "input " << str(image) << " has " << image.back()
           << " channels, but weight " << str(taps) << " in " << groups
           << " groups takes " << taps.back() * groups;
  SmallVector<int64_t> wanted{image[0]};
  for (int64_t d = 0; d < spatial; ++d)
    wanted.push_back(convExtent(image[d + 1], taps[d + 1], op.getStrides()[d],
                                op.getDilations()[d], op.getPads()[d],
                                op.getPads()[d + spatial]));
  wanted.push_back(taps[0]);
  int64_t dynamic = llvm::count_if(
      shapeOf(op.getResult()).drop_front().drop_back(), ShapedType::isDynamic);
  if (int64_t(op.getDims().size()) != dynamic)
    return op.emitOpError() << "has " << op.getDims().size() << " dims for "
                            << dynamic << " dynamic spatial dimensions";
  return verifyLayer(op, wanted);
}

LogicalResult ConvOp::verify() {
  if (failed(requireReal(*this, "input", getInput())) ||
      failed(requireReal(*this, "weight", getWeight())))
    return failure();
  return verifyConv(*this);
}

LogicalResult QuantizedConvOp::verify() {
  int64_t group;
  if (failed(verifySide(*this, "input", getInput(), getInputScale(),
                        getInputZeroPoint(), getInputBlock(), group)) ||
      failed(verifySide(*this, "weight", getWeight(), getWeightScale(),
                        getWeightZeroPoint(), getWeightBlock(), group)) ||
      failed(verifyConv(*this)))
    return failure();
  for (auto [name, block, tensor] :
       {std::tuple<StringRef, ArrayRef<int64_t>, Value>{
            "input_block", getInputBlock(), getInput()},
        {"weight_block", getWeightBlock(), getWeight()}}) {
    bool whole = block[0] <= 1;
    for (auto [size, extent] : llvm::zip_equal(block, shapeOf(tensor)))
      whole &= &size == block.data() || size == 0 ||
               (!ShapedType::isDynamic(extent) && size >= extent);
    if (!whole)
      return emitOpError() << name << " " << str(block)
                           << " must have 0 or 1 first and then zeros: one "
                              "scale for all of a sum";
  }
  return success();
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
// Control flow
//===----------------------------------------------------------------------===//

/// That `value` can be what the region `what` has of result or argument `to`.
static LogicalResult verifyPassed(Operation *op, const Twine &what, Value value,
                                  Type to) {
  auto from = dyn_cast<RankedTensorType>(value.getType());
  auto type = cast<RankedTensorType>(to);
  if (!from || from.getElementType() != type.getElementType() ||
      !agree(from.getShape(), type.getShape()))
    return op->emitOpError() << what << " is " << value.getType()
                             << ", which cannot be " << type;
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
