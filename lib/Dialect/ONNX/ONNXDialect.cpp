//===- ONNXDialect.cpp - The onnx dialect -----------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/ONNXDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantc::onnx_ir;

#include "quantc/Dialect/ONNX/ONNXDialect.cpp.inc"

void ONNXDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "quantc/Dialect/ONNX/ONNXOps.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "quantc/Dialect/ONNX/ONNXTypes.cpp.inc"
      >();
}

#define GET_TYPEDEF_CLASSES
#include "quantc/Dialect/ONNX/ONNXTypes.cpp.inc"

//===----------------------------------------------------------------------===//
// NodeOp: attributes
//===----------------------------------------------------------------------===//

int64_t NodeOp::getIntAttr(StringRef name, int64_t otherwise) {
  auto attr = dyn_cast_or_null<IntegerAttr>(getNodeAttr(name));
  return attr ? attr.getValue().getSExtValue() : otherwise;
}

float NodeOp::getFloatAttr(StringRef name, float otherwise) {
  auto attr = dyn_cast_or_null<FloatAttr>(getNodeAttr(name));
  return attr ? static_cast<float>(attr.getValueAsDouble()) : otherwise;
}

StringRef NodeOp::getStringAttr(StringRef name, StringRef otherwise) {
  auto attr = dyn_cast_or_null<StringAttr>(getNodeAttr(name));
  return attr ? attr.getValue() : otherwise;
}

SmallVector<int64_t> NodeOp::getIntsAttr(StringRef name) {
  SmallVector<int64_t> values;
  if (auto array = dyn_cast_or_null<ArrayAttr>(getNodeAttr(name)))
    for (Attribute element : array)
      if (auto integer = dyn_cast<IntegerAttr>(element))
        values.push_back(integer.getValue().getSExtValue());
  return values;
}

Value NodeOp::getInput(unsigned i) {
  if (i >= getInputs().size() || isa<NoneType>(getInputs()[i].getType()))
    return {};
  return getInputs()[i];
}

//===----------------------------------------------------------------------===//
// NodeOp: verification
//===----------------------------------------------------------------------===//

/// True for what an ONNX attribute other than a list may be: INT, FLOAT,
/// STRING, TENSOR (dense or a reference to a weight) or TYPE_PROTO.
static bool isNodeAttribute(Attribute attr) {
  if (auto integer = dyn_cast<IntegerAttr>(attr))
    return integer.getType().isSignedInteger(64);
  if (auto number = dyn_cast<FloatAttr>(attr))
    return number.getType().isF32();
  if (auto typed = dyn_cast<TypedAttr>(attr))
    return isa<StringAttr>(attr) || isa<TensorType>(typed.getType());
  return isa<TypeAttr>(attr);
}

static bool isNodeType(Type type) {
  return isa<TensorType, NoneType>(type) || isa<ONNXDialect>(type.getDialect());
}

LogicalResult NodeOp::verify() {
  if (getOpType().empty())
    return emitOpError("has no op_type");
  if (getVersion() < 1)
    return emitOpError() << "has version " << getVersion()
                         << "; the first version of an operator is 1";
  for (auto [i, input] : llvm::enumerate(getInputs()))
    if (!isNodeType(input.getType()))
      return emitOpError() << "input " << i << " has type " << input.getType()
                           << ", which is neither a tensor nor none";
  int64_t dynamicDims = 0;
  for (auto [i, type] : llvm::enumerate(getOutputs().getTypes())) {
    if (!isNodeType(type))
      return emitOpError() << "output " << i << " has type " << type
                           << ", which is neither a tensor nor none";
    if (auto ranked = dyn_cast<RankedTensorType>(type))
      dynamicDims += ranked.getNumDynamicDims();
  }
  if (!getDims().empty() &&
      static_cast<int64_t>(getDims().size()) != dynamicDims)
    return emitOpError() << "has " << getDims().size() << " dims for the "
                         << dynamicDims << " dynamic dimensions of its results";
  for (NamedAttribute attr : getNodeAttributes()) {
    auto list = dyn_cast<ArrayAttr>(attr.getValue());
    if (list ? !llvm::all_of(list, isNodeAttribute)
             : !isNodeAttribute(attr.getValue()))
      return emitOpError()
             << "attribute " << attr.getName() << " is " << attr.getValue()
             << "; an ONNX attribute is an si64, an f32, a string, a tensor, a "
                "type or an array of these";
  }
  size_t names = getSubgraphNames() ? getSubgraphNames()->size() : 0;
  if (names != getSubgraphs().size())
    return emitOpError() << "has " << getSubgraphs().size() << " subgraphs and "
                         << names << " subgraph_names";
  return success();
}

LogicalResult NodeOp::verifyRegions() {
  for (auto [i, region] : llvm::enumerate(getSubgraphs())) {
    if (!region.hasOneBlock())
      return emitOpError() << "subgraph " << i << " has "
                           << region.getBlocks().size()
                           << " blocks; it must have one";
    if (region.front().empty() || !isa<ReturnOp>(region.front().back()))
      return emitOpError() << "subgraph " << i
                           << " does not end with onnx.return";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// NodeOp: interfaces
//===----------------------------------------------------------------------===//

LogicalResult NodeOp::reifyResultShapes(OpBuilder &builder,
                                        ReifiedRankedShapedTypeDims &shapes) {
  auto dims = getDims();
  size_t next = 0;
  for (Type type : getOutputs().getTypes()) {
    SmallVector<OpFoldResult> shape;
    auto ranked = dyn_cast<RankedTensorType>(type);
    if (!ranked && isa<TensorType>(type))
      return failure();
    for (int64_t extent : ranked ? ranked.getShape() : ArrayRef<int64_t>()) {
      if (!ShapedType::isDynamic(extent))
        shape.push_back(builder.getIndexAttr(extent));
      else if (next < dims.size())
        shape.push_back(dims[next++]);
      else
        return failure();
    }
    shapes.push_back(std::move(shape));
  }
  return success();
}

/// Operators that give other values each time they run.
static bool isRandom(NodeOp node) {
  return node.getDomain().empty() &&
         llvm::StringSwitch<bool>(node.getOpType())
             .Cases({"RandomNormal", "RandomNormalLike", "RandomUniform",
                     "RandomUniformLike", "Multinomial", "Bernoulli"},
                    true)
             .Default(false);
}

void NodeOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  bool random = isRandom(*this);
  for (Region &region : getSubgraphs())
    region.walk([&](NodeOp inner) { random |= isRandom(inner); });
  // A write keeps it from being merged with its like, removed or moved.
  if (random)
    effects.emplace_back(MemoryEffects::Write::get());
}

#define GET_OP_CLASSES
#include "quantc/Dialect/ONNX/ONNXOps.cpp.inc"
