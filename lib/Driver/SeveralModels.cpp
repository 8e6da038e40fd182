//===- SeveralModels.cpp - Several models in one library ------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SeveralModels.h"

#include "quantc/Dialect/QGraph/Weights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace quantc::driver {

static constexpr llvm::StringLiteral kPrefix("model.");

std::vector<std::string> entryNames(llvm::ArrayRef<std::string> paths) {
  if (paths.size() == 1)
    return {"main"};
  std::vector<std::string> names;
  llvm::StringSet<> used;
  for (llvm::StringRef path : paths) {
    std::string stem = llvm::sys::path::stem(path).str(), name = stem;
    for (unsigned i = 2; !used.insert(name).second; ++i)
      name = stem + "-" + std::to_string(i);
    names.push_back(std::move(name));
  }
  return names;
}

std::string entrySymbol(llvm::StringRef entry) {
  return (kPrefix + entry).str();
}

llvm::StringRef entryOfSymbol(llvm::StringRef symbol) {
  symbol.consume_front(kPrefix);
  return symbol;
}

static std::string storeOf(unsigned number) {
  return "model-" + std::to_string(number);
}

llvm::Error separateWeights(ModuleOp module, unsigned number) {
  WeightStores &stores = qgraph::getWeights(module);
  stores.bind(storeOf(number), stores.overlay());
  stores.bind(WeightStores::kNew, WeightStore::createOverlay());
  llvm::Error problem = llvm::Error::success();
  AttrTypeReplacer replacer;
  replacer.addReplacement([&](qgraph::WeightAttr weight) -> Attribute {
    if (weight.getStore() != WeightStores::kNew)
      return weight;
    std::string store = storeOf(number);
    llvm::Expected<WeightHandle> mine = stores.find(store, weight.getName());
    if (!mine) {
      problem = llvm::joinErrors(std::move(problem), mine.takeError());
      return weight;
    }
    for (unsigned other = 0; other < number; ++other) {
      WeightHandle theirs =
          stores.overlay(storeOf(other))->lookup(weight.getName());
      if (theirs && theirs->type == (*mine)->type &&
          theirs->bytes == (*mine)->bytes) {
        store = storeOf(other);
        break;
      }
    }
    return qgraph::WeightAttr::get(weight.getContext(), store, weight.getName(),
                                   weight.getType());
  });
  replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true);
  return problem;
}

std::vector<std::string> dimsOf(ModuleOp module,
                                llvm::ArrayRef<std::string> texts) {
  llvm::StringSet<> names;
  for (auto function : module.getOps<func::FuncOp>())
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      if (auto dims = function.getArgAttrOfType<ArrayAttr>(i, "onnx.dims"))
        for (auto name : dims.getAsRange<StringAttr>())
          names.insert(name.getValue());
  std::vector<std::string> result;
  for (const std::string &text : texts)
    if (names.contains(llvm::StringRef(text).rsplit('=').first))
      result.push_back(text);
  return result;
}

llvm::Error checkOptionsUsed(llvm::ArrayRef<std::string> dims,
                             llvm::ArrayRef<ImportedModel> models) {
  for (const std::string &text : dims)
    if (llvm::none_of(models, [&](const ImportedModel &model) {
          return llvm::is_contained(model.dims, text);
        }))
      return llvm::createStringError("--dim " + text +
                                     ": no input of any of the models has a "
                                     "dimension of this name");
  for (const std::string &text : models.front().unmatched)
    if (llvm::all_of(models, [&](const ImportedModel &model) {
          return llvm::is_contained(model.unmatched, text);
        }))
      return llvm::createStringError(
          "--" + text +
          " matches no layer of any of the models that can be quantized");
  return llvm::Error::success();
}

OwningOpRef<ModuleOp> mergeModules(std::vector<ImportedModel> &models) {
  OwningOpRef<ModuleOp> merged = std::move(models.front().module);
  for (ImportedModel &model : models) {
    ModuleOp from = model.module ? *model.module : *merged;
    for (auto function :
         llvm::make_early_inc_range(from.getBody()->getOps<func::FuncOp>())) {
      function.setSymName(entrySymbol(model.entry));
      if (from != *merged)
        function->moveBefore(merged->getBody(), merged->getBody()->end());
    }
    model.module = nullptr;
  }
  return merged;
}

} // namespace quantc::driver
