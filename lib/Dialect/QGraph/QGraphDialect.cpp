//===- QGraphDialect.cpp - The qgraph dialect -------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QGraph/QGraphDialect.h"

#include "ChannelScaleModels.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qgraph;

#include "quantc/Dialect/QGraph/QGraphDialect.cpp.inc"
#include "quantc/Dialect/QGraph/QGraphEnums.cpp.inc"

#include "quantc/Dialect/QGraph/LayerInterface.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QGraph/QGraphAttributes.cpp.inc"

static ParseResult parseHeadsBySize(AsmParser &parser, int64_t &heads,
                                    int64_t &size) {
  SmallVector<int64_t, 2> dims;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseDimensionList(dims, /*allowDynamic=*/false,
                                /*withTrailingX=*/false))
    return failure();
  if (dims.size() != 2)
    return parser.emitError(loc, "expected heads x size");
  heads = dims[0];
  size = dims[1];
  return success();
}

static void printHeadsBySize(AsmPrinter &printer, int64_t heads, int64_t size) {
  printer << heads << 'x' << size;
}

#define GET_TYPEDEF_CLASSES
#include "quantc/Dialect/QGraph/QGraphTypes.cpp.inc"

LogicalResult CacheType::verify(function_ref<InFlightDiagnostic()> emitError,
                                Type elementType, int64_t heads, int64_t size) {
  if (!isa<FloatType>(elementType))
    return emitError() << "a cache holds floats, not " << elementType;
  if (heads <= 0 || size <= 0)
    return emitError() << "a cache has at least one head of one element";
  return success();
}

void QGraphDialect::initialize() {
  weights = std::make_shared<WeightStores>();
  weights->overlay(); // so that its name is never taken for a file's
  addAttributes<
#define GET_ATTRDEF_LIST
#include "quantc/Dialect/QGraph/QGraphAttributes.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "quantc/Dialect/QGraph/QGraphTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "quantc/Dialect/QGraph/QGraphOps.cpp.inc"
      >();
  attachChannelScaleModels(getContext());
}

Operation *QGraphDialect::materializeConstant(OpBuilder &builder,
                                              Attribute value, Type type,
                                              Location loc) {
  if (auto integer = dyn_cast<IntegerAttr>(value); integer && type.isIndex())
    return arith::ConstantIndexOp::create(builder, loc, integer.getInt());
  auto typed = dyn_cast<TypedAttr>(value);
  if (!typed || typed.getType() != type ||
      !isa<DenseElementsAttr, WeightAttr>(value))
    return nullptr;
  return ConstantOp::create(builder, loc, typed);
}

#define GET_OP_CLASSES
#include "quantc/Dialect/QGraph/QGraphOps.cpp.inc"
