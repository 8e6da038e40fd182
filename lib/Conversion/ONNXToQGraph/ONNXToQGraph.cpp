//===- ONNXToQGraph.cpp - The pass of the forward walk --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Contract: in, functions whose bodies are `onnx.node`s, types known or not;
// out, the same functions with qgraph ops and canonical `onnx.node`s, each of
// whose results is ranked. Or errors, one for each node that stands in the way.
//
//===----------------------------------------------------------------------===//

#include "quantc/Conversion/Passes.h"

#include "Walk.h"
#include "quantc/Support/DimRange.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

#define DEBUG_TYPE "convert-onnx-to-qgraph"

namespace quantc {
#define GEN_PASS_DEF_CONVERTONNXTOQGRAPH
#include "quantc/Conversion/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

namespace {

class ConvertONNXToQGraph
    : public quantc::impl::ConvertONNXToQGraphBase<ConvertONNXToQGraph> {
public:
  using ConvertONNXToQGraphBase::ConvertONNXToQGraphBase;

  void runOnOperation() override {
    llvm::StringMap<Bounds> ranges;
    for (const std::string &text : dims)
      if (failed(addRange(text, ranges)))
        return signalPassFailure();
    if (failed(checkNames(ranges)))
      return signalPassFailure();
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() ||
          function.getBody().getOps<onnx_ir::NodeOp>().empty())
        continue;
      FailureOr<Walk::Counts> counts = Walk(function, ranges).run();
      if (failed(counts)) {
        signalPassFailure();
        continue;
      }
      expanded += counts->expanded;
      recognized += counts->recognized;
    }
  }

private:
  LogicalResult addRange(StringRef text, llvm::StringMap<Bounds> &ranges) {
    llvm::Expected<DimRange> range = parseDimRange(text);
    if (!range)
      return emitError(getOperation().getLoc())
             << llvm::toString(range.takeError());
    if (!ranges.try_emplace(range->name, Bounds{range->low, range->high})
             .second)
      return emitError(getOperation().getLoc())
             << "dimension '" << range->name << "' is given twice";
    return success();
  }

  /// A name that no input has is a mistake worth telling.
  LogicalResult checkNames(const llvm::StringMap<Bounds> &ranges) {
    llvm::StringSet<> known;
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (unsigned i = 0; i < function.getNumArguments(); ++i)
        if (auto names = function.getArgAttrOfType<ArrayAttr>(i, "onnx.dims"))
          for (Attribute name : names)
            if (auto text = dyn_cast<StringAttr>(name);
                text && !text.getValue().empty())
              known.insert(text.getValue());
    for (const auto &entry : ranges)
      if (!known.contains(entry.first())) {
        SmallVector<StringRef> names(known.keys());
        llvm::sort(names);
        return emitError(getOperation().getLoc())
               << "no input has a dimension named '" << entry.first()
               << "'; the model's are: " << llvm::join(names, ", ");
      }
    return success();
  }
};

} // namespace
