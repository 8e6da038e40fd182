//===- QKernelConv.cpp - Convolutions with packed weights -----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qkernel;

int64_t ConvOp::getChannels() {
  return cast<RankedTensorType>(getInput().getType()).getShape().back();
}

bool ConvOp::isDepthwise() {
  int64_t taps = 1;
  for (int64_t count : getTaps())
    taps *= count;
  return int64_t(getGroups()) == getChannels() && getGroups() == getN() &&
         getGroups() > 1 && taps <= numerics::kBlockK;
}

int64_t ConvOp::getRunLength() {
  int64_t channels = getChannels() / getGroups();
  bool sideBySide = getGroups() == 1 && getDilations().back() == 1;
  return sideBySide ? channels * getTaps().back() : channels;
}

int64_t ConvOp::getRuns() {
  int64_t runs =
      getGroups() == 1 && getDilations().back() == 1 ? 1 : getTaps().back();
  for (int64_t taps : getTaps().drop_back())
    runs *= taps;
  return runs;
}

numerics::PanelLayout ConvOp::getPanelLayout() {
  numerics::PanelLayout layout;
  layout.format = *numerics::parseFormat(getFormat().str());
  bool bytes = layout.format == numerics::Format::SI8;
  if (isDepthwise()) {
    layout.n = getN();
    layout.k = 1;
    for (int64_t taps : getTaps())
      layout.k *= taps;
  } else {
    layout.n = getN() / getGroups();
    layout.k = getRuns() * llvm::alignTo(getRunLength(), bytes ? 4 : 1);
  }
  layout.columnSums = bytes;
  return layout;
}

LogicalResult ConvOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  int64_t spatial = input.getRank() - 2, n = getN(), groups = getGroups();
  bool bytes = getFormat() == "si8";
  if (!bytes && getFormat() != "f32")
    return emitOpError() << "format is '" << getFormat()
                         << "', but must be f32 or si8";
  if (spatial < 1 || spatial > 3 || input.isDynamicDim(spatial + 1))
    return emitOpError() << "input is " << input
                         << ", but must be [N, spatial.., C] with 1 to 3 "
                            "spatial dimensions and a static C";
  Type element = input.getElementType();
  bool isByte = element.isSignedInteger(8) || element.isUnsignedInteger(8);
  if (bytes ? !isByte : !element.isF32())
    return emitOpError() << "input has element type " << element
                         << ", but weights of " << getFormat() << " go with "
                         << (bytes ? "si8 or ui8" : "f32");
  if (bytes != bool(getInputScale()) || (!bytes && getInputZeroPoint()))
    return emitOpError() << "with weights of " << getFormat()
                         << (bytes ? " needs a scale"
                                   : " takes neither scale nor zero point");
  for (auto [name, list, size] :
       {std::tuple<StringRef, ArrayRef<int64_t>, int64_t>{"taps", getTaps(),
                                                          spatial},
        {"strides", getStrides(), spatial},
        {"dilations", getDilations(), spatial}})
    if (int64_t(list.size()) != size ||
        llvm::any_of(list, [](int64_t value) { return value < 1; }))
      return emitOpError() << name << " must be " << size
                           << " positive numbers";
  if (int64_t(getPads().size()) != 2 * spatial)
    return emitOpError() << "pads has " << getPads().size()
                         << " entries, but must have " << 2 * spatial;
  if (n < 1 || groups < 1 || n % groups || getChannels() % groups)
    return emitOpError() << groups << " groups must divide " << getChannels()
                         << " channels and " << n << " columns";
  SmallVector<int64_t> wanted{input.getDimSize(0)};
  for (int64_t d = 0; d < spatial; ++d)
    wanted.push_back(qgraph::convExtent(input.getDimSize(d + 1), getTaps()[d],
                                        getStrides()[d], getDilations()[d],
                                        getPads()[d], getPads()[d + spatial]));
  wanted.push_back(n);
  if (failed(verifyCompatibleShape(result.getShape(), wanted)))
    return emitOpError() << "result " << result << " is not that of input "
                         << input;
  int64_t dynamic = llvm::count_if(result.getShape().drop_front().drop_back(),
                                   ShapedType::isDynamic);
  if (int64_t(getDims().size()) != dynamic)
    return emitOpError() << "has " << getDims().size() << " dims for "
                         << dynamic << " dynamic spatial dimensions";
  auto packed = cast<RankedTensorType>(getPacked().getType());
  int64_t size =
      getPanelLayout().bytes() * (isDepthwise() ? 1 : int64_t(getGroups()));
  if (packed.getRank() != 1 || !packed.getElementType().isInteger(8) ||
      packed.getDimSize(0) != size)
    return emitOpError() << "packed weights are " << packed << ", but must be "
                         << size << " bytes";
  return qgraph::verifyEpilogue(*this, getEpilogue(), getEpilogueOperands(),
                                getResult());
}

LogicalResult ConvOp::reifyResultShapes(OpBuilder &builder,
                                        ReifiedRankedShapedTypeDims &shapes) {
  auto type = cast<RankedTensorType>(getResult().getType());
  SmallVector<OpFoldResult> dims = {qgraph::getDim(builder, getInput(), 0)};
  auto next = getDims().begin();
  for (int64_t extent : type.getShape().drop_front().drop_back())
    dims.push_back(ShapedType::isDynamic(extent)
                       ? OpFoldResult(*next++)
                       : OpFoldResult(builder.getIndexAttr(extent)));
  dims.push_back(builder.getIndexAttr(getN()));
  shapes.push_back(std::move(dims));
  return success();
}
