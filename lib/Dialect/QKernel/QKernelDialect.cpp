//===- QKernelDialect.cpp - The qkernel dialect -----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QKernel/QKernelDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qkernel;

#include "quantc/Dialect/QKernel/QKernelDialect.cpp.inc"
#include "quantc/Dialect/QKernel/QKernelEnums.cpp.inc"

#include "quantc/Dialect/QKernel/KernelInterface.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QKernel/QKernelAttributes.cpp.inc"

void QKernelDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "quantc/Dialect/QKernel/QKernelAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "quantc/Dialect/QKernel/QKernelOps.cpp.inc"
      >();
}

std::pair<int64_t, int64_t> TargetAttr::getTile(StringRef format) const {
  for (TileAttr tile : getTiles())
    if (tile.getFormat() == format)
      return {tile.getRows(), tile.getPanels()};
  return {1, 1};
}

/// A weight format that has a packed layout (docs/design.md).
static bool isPackedFormat(StringRef format) {
  return format == "f32" || format == "si8" || format == "si4";
}

/// One that kernels unpack to floats.
static bool isUnpackedFormat(StringRef format) {
  std::optional<numerics::Format> row = numerics::parseFormat(format);
  return format == "ui4" || (row && !numerics::info(*row).isInteger &&
                             numerics::info(*row).bits <= 16 &&
                             *row != numerics::Format::F8E8M0FNU);
}

//===----------------------------------------------------------------------===//
// linear
//===----------------------------------------------------------------------===//

LogicalResult LinearOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  bool integer = isPackedFormat(getFormat()) && getFormat() != "f32";
  if (!isPackedFormat(getFormat()) && !isUnpackedFormat(getFormat()))
    return emitOpError() << "format is '" << getFormat()
                         << "', but must be f32, si8, si4, ui4 or a float of "
                            "at most 16 bits";
  if (getFormat() == "ui4" ? !getCodebook() || getCodebook()->size() != 16
                           : bool(getCodebook()))
    return emitOpError("needs a codebook of 16 values for weights of ui4, and "
                       "none for others");
  int64_t n = getN(), k = getK();
  if (n < 1 || k < 1)
    return emitOpError() << "weights are [" << n << ", " << k
                         << "], but both must be positive";
  if (input.getRank() == 0 || (!input.isDynamicDim(input.getRank() - 1) &&
                               input.getShape().back() != k))
    return emitOpError() << "input " << input << " does not end with k = " << k;
  SmallVector<int64_t> wanted(input.getShape());
  wanted.back() = n;
  if (failed(verifyCompatibleShape(result.getShape(), wanted)))
    return emitOpError() << "result " << result << " is not that of input "
                         << input << " with n = " << n;
  bool stored = getFormat() != "f32", quantized = bool(getInputScale());
  Type element = input.getElementType();
  if (quantized && !integer)
    return emitOpError() << "with weights of " << getFormat()
                         << " takes no scale";
  if (stored && !quantized && !element.isF32())
    return emitOpError() << "with weights of " << getFormat()
                         << " and an input of " << element << " needs a scale";
  bool bytes = element.isSignedInteger(8) || element.isUnsignedInteger(8);
  if (quantized ? !bytes : !element.isF32())
    return emitOpError() << "input has element type " << element
                         << ", but weights of " << getFormat() << " go with "
                         << (quantized ? "si8 or ui8" : "f32");
  bool shifted = getInputZeroPoint() || element.isUnsignedInteger(8);
  if (shifted != getColumnSums())
    return emitOpError() << "input is " << element
                         << (getInputZeroPoint() ? " with" : " without")
                         << " a zero point, so column_sums must "
                         << (shifted ? "" : "not ") << "be set";
  if (Value zeroPoint = getInputZeroPoint()) {
    auto type = cast<RankedTensorType>(zeroPoint.getType());
    if (!quantized || type.getElementType() != element ||
        failed(verifyCompatibleShape(type, getInputScale().getType())))
      return emitOpError() << "zero point " << type
                           << " must have the type of the input's elements and "
                              "the shape of its scale";
  }
  if (getWeightZeroPoints() && !integer)
    return emitOpError() << "weights of " << getFormat()
                         << " have no zero points";
  if (getWeightOffsets() && (!stored || quantized))
    return emitOpError("has weight_offsets, which only stored weights beside "
                       "an f32 input have");
  auto packed = cast<RankedTensorType>(getPacked().getType());
  if (packed.getRank() != 1 || !packed.getElementType().isInteger(8))
    return emitOpError() << "packed weights are " << packed
                         << ", but must be rank 1 of i8";
  for (auto [name, group] : {std::pair<StringRef, int64_t>{"group", getGroup()},
                             {"input_group", getInputGroup()}})
    if (group < 0 || (group != 0 && !(name == "group" ? stored : quantized)))
      return emitOpError() << name << " is " << group << " with weights of "
                           << getFormat();
  return qgraph::verifyEpilogue(*this, getEpilogue(), getEpilogueOperands(),
                                getResult());
}

LogicalResult LinearOp::reifyResultShapes(OpBuilder &builder,
                                          ReifiedRankedShapedTypeDims &shapes) {
  SmallVector<OpFoldResult> dims = qgraph::getDims(builder, getInput());
  dims.back() = builder.getIndexAttr(getN());
  shapes.push_back(std::move(dims));
  return success();
}

//===----------------------------------------------------------------------===//
// The schedule
//===----------------------------------------------------------------------===//

/// What buffers and parts of the heap have in common.
template <typename OpT>
static LogicalResult verifyMemory(OpT op) {
  auto type = cast<MemRefType>(op.getResult().getType());
  if (!type.getLayout().isIdentity())
    return op.emitOpError()
           << "has type " << type << "; a buffer is dense and row-major";
  if (static_cast<size_t>(type.getNumDynamicDims()) != op.getSizes().size())
    return op.emitOpError()
           << "has " << op.getSizes().size() << " sizes for the "
           << type.getNumDynamicDims() << " dynamic dimensions of " << type;
  return success();
}

LogicalResult BufferOp::verify() {
  if (failed(verifyMemory(*this)))
    return failure();
  bool hasOffset =
      getKind() == BufferKind::Weights || getKind() == BufferKind::Arena;
  if (hasOffset != bool(getOffset()))
    return emitOpError() << "in " << stringifyBufferKind(getKind())
                         << (hasOffset ? " needs an offset"
                                       : " takes no offset");
  if (getIndex() < 0 || (hasOffset && getIndex() != 0))
    return emitOpError() << "in " << stringifyBufferKind(getKind())
                         << " has index " << getIndex();
  return success();
}

LogicalResult HeapOp::verify() { return verifyMemory(*this); }

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<FunctionOpInterface>(
      *this, getKernelAttr());
  if (!kernel)
    return emitOpError() << "calls @" << getKernel()
                         << ", which is no function of this module";
  return success();
}

//===----------------------------------------------------------------------===//
// tile_dot
//===----------------------------------------------------------------------===//

LogicalResult TileDotOp::verify() {
  if (!isPackedFormat(getFormat()))
    return emitOpError() << "format is '" << getFormat()
                         << "', but must be f32, si8 or si4";
  bool real = getFormat() == "f32";
  auto a = cast<MemRefType>(getA().getType());
  if (a.getRank() != 2 ||
      (real ? !a.getElementType().isF32() : !a.getElementType().isInteger(8)))
    return emitOpError() << "a is " << a << ", but weights of " << getFormat()
                         << " go with rank 2 of " << (real ? "f32" : "i8");
  auto packed = cast<MemRefType>(getPacked().getType());
  if (packed.getRank() != 1 || !packed.getElementType().isInteger(8))
    return emitOpError() << "packed weights are " << packed
                         << ", but must be rank 1 of i8";
  int64_t rows = getRows(), panels = getPanels();
  if (rows < 1 || panels < 1)
    return emitOpError() << "has a tile of " << rows << " x " << panels;
  if (static_cast<int64_t>(getInit().size()) != rows * panels)
    return emitOpError() << "has " << getInit().size()
                         << " accumulators for a tile of " << rows << " x "
                         << panels;
  Builder builder(getContext());
  auto wanted = VectorType::get({16}, real ? Type(builder.getF32Type())
                                           : builder.getI32Type());
  for (Type type : getInit().getTypes())
    if (type != wanted)
      return emitOpError() << "has an accumulator of " << type
                           << ", but weights of " << getFormat() << " sum in "
                           << wanted;
  return success();
}

#define GET_OP_CLASSES
#include "quantc/Dialect/QKernel/QKernelOps.cpp.inc"
