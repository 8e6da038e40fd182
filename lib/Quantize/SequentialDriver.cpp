//===- SequentialDriver.cpp - Run, solve, go on -----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SequentialDriver.h"

#include "SampleStore.h"
#include "Segments.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Support/CalibrationData.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace quantc {
namespace {

class Driver {
public:
  Driver(func::FuncOp function, const SequentialOptions &options,
         SequentialMethod &method, CalibrationData data,
         std::unique_ptr<Executor> executor)
      : function(function), options(options), method(method),
        data(std::move(data)), executor(std::move(executor)) {}
  llvm::Error run();

private:
  llvm::Error runSegment(const Segment &segment);
  llvm::Error runSample(const SegmentModule &part, Executable &code,
                        ArrayRef<qgraph::ObserveOp> sites, int64_t sample);
  llvm::Error observeArguments(ArrayRef<qgraph::ObserveOp> sites);
  llvm::Expected<TensorView> valueOf(Value value, int64_t sample);

  func::FuncOp function;
  const SequentialOptions &options;
  SequentialMethod &method;
  CalibrationData data;
  std::unique_ptr<Executor> executor;
  int64_t first = 0, end = 0; // of the samples
  DenseMap<Value, std::unique_ptr<SampleStore>> stores;
};

} // namespace

/// The name of an input, as the model has it.
static StringRef nameOf(BlockArgument argument) {
  auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
  auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                    "onnx.name");
  return name ? name.getValue() : StringRef();
}

llvm::Expected<TensorView> Driver::valueOf(Value value, int64_t sample) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto type = cast<RankedTensorType>(argument.getType());
    WeightType input;
    llvm::raw_string_ostream(input.element) << type.getElementType();
    for (int64_t extent : type.getShape())
      input.shape.push_back(ShapedType::isDynamic(extent) ? -1 : extent);
    return data.get(nameOf(argument), sample, input);
  }
  return stores.at(value)->get(sample - first);
}

/// Sites whose tensor is an input of the model: nothing runs for them.
llvm::Error Driver::observeArguments(ArrayRef<qgraph::ObserveOp> sites) {
  for (qgraph::ObserveOp site : sites) {
    if (!isa<BlockArgument>(site.getInput()))
      continue;
    for (int64_t sample = first; sample < end; ++sample) {
      llvm::Expected<TensorView> view = valueOf(site.getInput(), sample);
      if (!view)
        return view.takeError();
      if (llvm::Error error = method.observe(site, sample, *view))
        return error;
    }
  }
  return llvm::Error::success();
}

llvm::Error Driver::runSample(const SegmentModule &part, Executable &code,
                              ArrayRef<qgraph::ObserveOp> sites,
                              int64_t sample) {
  std::vector<TensorView> inputs, outputs;
  for (Value value : part.arguments) {
    llvm::Expected<TensorView> view = valueOf(value, sample);
    if (!view)
      return view.takeError();
    inputs.push_back(std::move(*view));
  }
  if (llvm::Error error = code.run(inputs, outputs))
    return llvm::createStringError(
        llvm::formatv("sample {0}: {1}", sample, toString(std::move(error))));
  for (auto [value, view] : llvm::zip_equal(part.results, outputs)) {
    for (qgraph::ObserveOp site : sites)
      if (site.getInput() == value)
        if (llvm::Error error = method.observe(site, sample, view))
          return error;
    if (auto at = stores.find(value); at != stores.end())
      if (llvm::Error error = at->second->add(view))
        return error;
  }
  return llvm::Error::success();
}

llvm::Error Driver::runSegment(const Segment &segment) {
  if (llvm::Error error = observeArguments(segment.sites))
    return error;
  if (!segment.ops.empty()) {
    SegmentModule part = extractSegment(segment);
    for (Value value : part.results)
      stores[value] = std::make_unique<SampleStore>();
    llvm::Expected<std::unique_ptr<Executable>> code =
        executor->compile(*part.module);
    if (!code)
      return code.takeError();
    for (int64_t sample = first; sample < end; ++sample)
      if (llvm::Error error = runSample(part, **code, segment.sites, sample))
        return error;
  }
  return method.solve(segment.sites);
}

llvm::Error Driver::run() {
  first = options.firstSample;
  int64_t left = data.samples() - first;
  if (first < 0 || left <= 0 || options.samples < 0 || options.samples > left)
    return llvm::createStringError(llvm::formatv(
        "{0} has {1} samples; there is none of number {2}", options.data,
        data.samples(),
        options.samples > 0 ? first + options.samples - 1 : first));
  end = first + (options.samples ? options.samples : left);
  std::vector<Segment> segments = planSegments(function, options.segmentBytes);
  // What no segment after this one reads is dropped.
  DenseMap<Value, size_t> lastReader;
  for (auto [i, segment] : llvm::enumerate(segments))
    if (!segment.ops.empty())
      for (Value value : segmentArguments(segment))
        lastReader[value] = i;
  for (auto [i, segment] : llvm::enumerate(segments)) {
    if (llvm::Error error = runSegment(segment))
      return error;
    for (Value value : llvm::to_vector(llvm::make_first_range(stores)))
      if (auto at = lastReader.find(value);
          at == lastReader.end() || at->second <= i)
        stores.erase(value);
  }
  return llvm::Error::success();
}

SequentialMethod::~SequentialMethod() = default;

llvm::Error runSequentially(ModuleOp module, const SequentialOptions &options,
                            SequentialMethod &method) {
  auto functions = module.getOps<func::FuncOp>();
  if (!llvm::hasSingleElement(functions))
    return llvm::createStringError(
        "calibration needs a module with one function");
  llvm::Expected<CalibrationData> data = CalibrationData::open(options.data);
  if (!data)
    return data.takeError();
  std::unique_ptr<Executor> executor = createExecutor();
  if (!executor)
    return llvm::createStringError(
        "this program cannot compile and run parts of a model");
  return Driver(*functions.begin(), options, method, std::move(*data),
                std::move(executor))
      .run();
}

} // namespace quantc
