//===- SwitchedModel.cpp - A graph that runs in float or quantized
//---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Evaluation.h"

#include "quantc/Quantize/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace quantc::driver {

static llvm::StringRef nameIn(DictionaryAttr attributes) {
  auto name = attributes ? attributes.getAs<StringAttr>("onnx.name") : nullptr;
  return name ? name.getValue() : llvm::StringRef();
}

llvm::Expected<std::unique_ptr<SwitchedModel>>
SwitchedModel::create(ModuleOp module, const EvaluationOptions &options) {
  std::unique_ptr<SwitchedModel> model(new SwitchedModel());
  auto function = *module.getOps<func::FuncOp>().begin();
  for (BlockArgument argument : function.getArguments()) {
    llvm::StringRef name =
        nameIn(function.getArgAttrDict(argument.getArgNumber()));
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type)
      return llvm::createStringError(
          "input '" + name +
          "' is no tensor; only models of tensors can be "
          "evaluated");
    if (name == qgraph::kSwitches)
      continue;
    model->inputNames.push_back(name.str());
    model->inputTypes.push_back(CalibrationData::inputType(type));
  }
  for (auto [i, resultType] : llvm::enumerate(function.getResultTypes())) {
    llvm::StringRef name = nameIn(function.getResultAttrDict(i));
    auto type = dyn_cast<RankedTensorType>(resultType);
    if (!type)
      return llvm::createStringError(
          "output '" + name +
          "' is no tensor; only models of tensors can be "
          "evaluated");
    if (name.consume_front(qgraph::kChosenPrefix))
      model->layerNames.push_back(name.str());
    else if (!name.starts_with(qgraph::kQuantizedPrefix)) {
      model->outputNames.push_back(name.str());
      model->elements.push_back(CalibrationData::inputType(type).element);
    }
  }
  llvm::Expected<CalibrationData> opened = CalibrationData::open(
      options.data, model->inputNames, module.getContext());
  if (!opened)
    return opened.takeError();
  model->data = std::move(*opened);
  int64_t count = model->data->samples();
  model->first = options.firstSample;
  model->end = options.sampleCount ? model->first + options.sampleCount : count;
  if (model->first >= count || model->end > count)
    return llvm::createStringError(llvm::formatv(
        "{0} has {1} samples; there is none of number {2}", options.data, count,
        options.sampleCount ? model->end - 1 : model->first));
  // What does not fit is told before anything is compiled.
  for (llvm::StringRef name : model->inputNames)
    if (llvm::Error error = model->input(name, model->first).takeError())
      return std::move(error);
  model->executor = createExecutor();
  llvm::Expected<std::unique_ptr<Executable>> compiled =
      model->executor->compile(module);
  if (!compiled)
    return compiled.takeError();
  model->code = std::move(*compiled);
  return std::move(model);
}

llvm::Expected<TensorView> SwitchedModel::input(llvm::StringRef name,
                                                int64_t sample) {
  size_t i = llvm::find(inputNames, name) - inputNames.begin();
  return data->get(name, sample, inputTypes[i]);
}

llvm::Error SwitchedModel::run(int64_t sample,
                               const llvm::BitVector &quantized) {
  std::vector<TensorView> arguments;
  for (llvm::StringRef name : inputNames) {
    llvm::Expected<TensorView> view = input(name, sample);
    if (!view)
      return view.takeError();
    arguments.push_back(std::move(*view));
  }
  std::vector<char> switches;
  for (size_t i = 0; i < layerNames.size(); ++i)
    switches.push_back(quantized.test(i));
  if (!layerNames.empty())
    arguments.push_back(
        {{"i1", {static_cast<int64_t>(switches.size())}}, switches});
  if (llvm::Error error = code->run(arguments, results))
    return llvm::createStringError(
        llvm::formatv("sample {0}: {1}", sample, toString(std::move(error))));
  return llvm::Error::success();
}

std::vector<TensorView> SwitchedModel::chosenViews() const {
  std::vector<TensorView> views;
  for (size_t i = 0; i < layerNames.size(); ++i)
    views.push_back(chosen(i));
  return views;
}

} // namespace quantc::driver
