//===- QGraphLayers.cpp - What layers with weights require ----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Requirements.h"

#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/QGraph/Shapes.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qgraph;
using namespace quantc::qgraph::requirements;

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

/// The element type of the result, and the epilogue. `sums` says whether the
/// integer sums themselves can be the result.
static LogicalResult verifyResult(EpilogueOpInterface op, bool sums) {
  Value result = op.getResult();
  if (sums && elementOf(result).isSignedInteger(32)) {
    if (!op.getEpilogue().empty())
      return op.emitOpError("has the sum itself as its result, si32, so it "
                            "takes no epilogue");
  } else if (!quantizeStep(op.getEpilogue())) {
    if (failed(requireReal(op, "result", result)))
      return failure();
  } else if (!elementOf(result).isSignedInteger(8)) {
    return op->emitOpError() << "result has element type " << elementOf(result)
                             << ", but its last step makes si8";
  }
  return verifyEpilogue(op, op.getEpilogue(), op.getEpilogueOperands(), result);
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
  bool sums = isa<QuantizedLinearOp>(op);
  if (sums && elementOf(result).isSignedInteger(32) && op.getBias())
    return op.emitOpError("has the sum itself as its result, si32, so it "
                          "takes no bias");
  return verifyResult(cast<EpilogueOpInterface>(*op), sums);
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
// Products of activations
//===----------------------------------------------------------------------===//

/// The shapes of matmul and quantized_matmul.
template <typename OpT>
static LogicalResult verifyProduct(OpT op) {
  ArrayRef<int64_t> lhs = shapeOf(op.getLhs()), rhs = shapeOf(op.getRhs());
  if (lhs.size() < 2 || rhs.size() < 2)
    return op.emitOpError() << "operands have shapes " << str(lhs) << " and "
                            << str(rhs) << ", but must have rank 2 or more";
  int64_t n = rhs[rhs.size() - 1], k = rhs[rhs.size() - 2];
  if (op.getTransposeRhs())
    std::swap(n, k);
  if (!agree(lhs.back(), k))
    return op.emitOpError() << "lhs " << str(lhs) << " and rhs " << str(rhs)
                            << (op.getTransposeRhs() ? " (transposed)" : "")
                            << " do not agree on K";
  ArrayRef<int64_t> leadingL = lhs.drop_back(2), leadingR = rhs.drop_back(2);
  ArrayRef<int64_t> result = shapeOf(op.getResult());
  if (result.size() != std::max(lhs.size(), rhs.size()) ||
      !agree(result.take_back(2), {lhs[lhs.size() - 2], n}) ||
      !broadcasts(leadingL, result.drop_back(2)) ||
      !broadcasts(leadingR, result.drop_back(2)))
    return op.emitOpError()
           << "result has shape " << str(result) << ", which is not that of "
           << str(lhs) << " times " << str(rhs)
           << (op.getTransposeRhs() ? " (transposed)" : "");
  return success();
}

LogicalResult MatmulOp::verify() {
  if (failed(requireReal(*this, "lhs", getLhs())) ||
      failed(requireSameElement(*this, "rhs", getRhs(), "lhs", getLhs())) ||
      failed(verifyProduct(*this)))
    return failure();
  return requireReal(*this, "result", getResult());
}

/// One side of quantized_matmul, whose dimension `k` is summed over.
static LogicalResult verifyFactor(Operation *op, StringRef side, Value tensor,
                                  Value scale, Value zeroPoint, size_t k) {
  auto stored = dyn_cast<IntegerType>(elementOf(tensor));
  if (!stored || stored.isSignless() || stored.getWidth() > 8)
    return op->emitOpError()
           << side << " has element type " << elementOf(tensor)
           << ", but must be an integer of at most 8 bits";
  std::string name = (side + "_scale").str();
  if (failed(requireReal(op, name, scale)))
    return failure();
  ArrayRef<int64_t> shape = shapeOf(tensor), given = shapeOf(scale);
  bool good = given.size() == shape.size();
  for (size_t d = 0; good && d < shape.size(); ++d)
    good = given[d] == 1 || (d != k && agree(given[d], shape[d]));
  if (!good)
    return op->emitOpError()
           << name << " has shape " << str(given) << ", but beside "
           << str(shape) << " must be 1 in dimension " << k
           << " (K), and 1 or the operand's extent in each other";
  if (!zeroPoint)
    return success();
  name = (side + "_zero_point").str();
  if (elementOf(zeroPoint) != stored)
    return op->emitOpError()
           << name << " has element type " << elementOf(zeroPoint)
           << ", but the stored type is " << stored;
  return requireShape(op, name, zeroPoint, given);
}

LogicalResult QuantizedMatmulOp::verify() {
  if (failed(verifyProduct(*this)))
    return failure();
  size_t rankL = shapeOf(getLhs()).size(), rankR = shapeOf(getRhs()).size();
  if (failed(verifyFactor(*this, "lhs", getLhs(), getLhsScale(),
                          getLhsZeroPoint(), rankL - 1)) ||
      failed(verifyFactor(*this, "rhs", getRhs(), getRhsScale(),
                          getRhsZeroPoint(),
                          rankR - (getTransposeRhs() ? 1 : 2))))
    return failure();
  return verifyResult(cast<EpilogueOpInterface>(getOperation()),
                      /*sums=*/true);
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
