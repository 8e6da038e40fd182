//===- SequentialDriver.cpp - Run, solve, go on -----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SequentialDriver.h"

#include "Stream.h"
#include "quantc/Analysis/CalibrationData.h"
#include "quantc/Dialect/QGraph/Weights.h"
#include "quantc/Support/Progress.h"
#include "llvm/Support/FormatVariadic.h"

#include <optional>

using namespace mlir;

namespace quantc {
namespace {

class Driver {
public:
  Driver(const StreamInput &input, SequentialMethod &method)
      : input(input), method(method), current(input, /*original=*/false) {
    if (method.usesOriginal())
      original.emplace(input, /*original=*/true, originalsKept());
  }
  llvm::Error run();

private:
  DenseMap<Value, size_t> originalsKept() const;
  std::string recordOf(size_t i) const {
    return input.section + "." + std::to_string(i);
  }
  llvm::Expected<size_t> resume();
  llvm::Error keep(size_t i, Record &found);
  llvm::Error runSegment(size_t i);

  const StreamInput &input;
  SequentialMethod &method;
  Stream current;
  std::optional<Stream> original;
};

} // namespace

/// Until which segment the method asks for values of the original.
DenseMap<Value, size_t> Driver::originalsKept() const {
  DenseMap<Value, size_t> kept;
  for (auto [i, segment] : llvm::enumerate(input.segments))
    for (qgraph::ObserveOp site : segment.sites) {
      kept[site.getInput()] = i;
      for (Value value : method.wantedOriginals(site))
        kept[value] = i;
    }
  return kept;
}

llvm::Error Driver::runSegment(size_t i) {
  reportProgress("segment", i, input.segments.size());
  while (original && original->position() <= i + 1 &&
         original->position() < input.segments.size())
    if (llvm::Error error = original->runNext())
      return error;
  ArrayRef<qgraph::ObserveOp> sites = input.segments[i].sites;
  auto observe = [&](int64_t sample) -> llvm::Error {
    SampleTensors tensors(sample, current, original ? &*original : nullptr);
    for (qgraph::ObserveOp site : sites)
      if (llvm::Error error = method.observe(site, tensors))
        return error;
    return llvm::Error::success();
  };
  if (method.usesCurrent()) {
    if (llvm::Error error = current.runNext(observe))
      return error;
  } else {
    for (int64_t sample = input.first; sample < input.end; ++sample)
      if (llvm::Error error = observe(sample))
        return error;
  }
  Record found;
  if (llvm::Error error = method.solve(sites, found))
    return error;
  if (llvm::Error error = method.apply(sites, found))
    return error;
  if (llvm::Error error = keep(i, found))
    return error;
  current.dropAfter(i);
  if (original)
    original->dropAfter(i);
  return llvm::Error::success();
}

/// Leaves a record of a segment: before what it was made from is dropped.
llvm::Error Driver::keep(size_t i, Record &found) {
  if (!input.journal.keeps())
    return llvm::Error::success();
  if (llvm::Error error = current.describeAfter(i, found))
    return error;
  if (original)
    if (llvm::Error error = original->describeAfter(i, found))
      return error;
  return input.journal.put(recordOf(i), found);
}

/// Takes up the segments of which there are records, if the files are there
/// with which it can go on; how many.
llvm::Expected<size_t> Driver::resume() {
  std::vector<Record> records;
  for (const Segment &segment : input.segments) {
    if (segment.sites.empty())
      break;
    std::optional<Record> record = input.journal.find(recordOf(records.size()));
    if (!record)
      break;
    records.push_back(std::move(*record));
  }
  if (records.empty())
    return 0;
  if (!current.resume(records.back()) ||
      (original && !original->resume(records.back()))) {
    current.restart();
    return 0;
  }
  for (auto [segment, record] : llvm::zip(input.segments, records))
    if (llvm::Error error = method.apply(segment.sites, record))
      return std::move(error);
  return records.size();
}

llvm::Error Driver::run() {
  llvm::Expected<size_t> done = resume();
  if (!done)
    return done.takeError();
  for (size_t i = *done; i < input.segments.size(); ++i)
    if (!input.segments[i].sites.empty())
      if (llvm::Error error = runSegment(i))
        return error;
  return llvm::Error::success();
}

bool SampleTensors::hasCurrent(Value value) const {
  return value && model.has(value);
}

bool SampleTensors::hasOriginal(Value value) const {
  return value && before && before->has(value);
}

llvm::Expected<TensorView> SampleTensors::current(Value value) const {
  return model.get(value, number);
}

llvm::Expected<TensorView> SampleTensors::original(Value value) const {
  return before->get(value, number);
}

SequentialMethod::~SequentialMethod() = default;

/// What is asked for behind the sites.
static std::vector<Value> wantedOf(func::FuncOp function,
                                   const SequentialMethod &method) {
  std::vector<Value> wanted;
  if (method.usesOriginal())
    function.walk([&](qgraph::ObserveOp site) {
      llvm::append_range(wanted, method.wantedOriginals(site));
    });
  return wanted;
}

llvm::Error runSequentially(ModuleOp module, const SequentialOptions &options,
                            StringRef section, SequentialMethod &method) {
  auto functions = module.getOps<func::FuncOp>();
  if (!llvm::hasSingleElement(functions))
    return llvm::createStringError(
        "calibration needs a module with one function");
  func::FuncOp function = *functions.begin();
  std::vector<std::string> inputs;
  for (BlockArgument argument : function.getArguments())
    inputs.push_back(inputName(argument).str());
  llvm::Expected<CalibrationData> data =
      CalibrationData::open(options.data, inputs, module.getContext());
  if (!data)
    return data.takeError();
  std::unique_ptr<Executor> executor = createExecutor();
  if (!executor)
    return llvm::createStringError(
        "this program cannot compile and run parts of a model");
  int64_t first = options.firstSample, left = data->samples() - first;
  if (first < 0 || left <= 0 || options.samples < 0 || options.samples > left)
    return llvm::createStringError(llvm::formatv(
        "{0} has {1} samples; there is none of number {2}", options.data,
        data->samples(),
        options.samples > 0 ? first + options.samples - 1 : first));
  std::vector<Segment> segments =
      planSegments(function, options.segmentBytes, wantedOf(function, method));
  int64_t count = options.samples ? options.samples : left;
  if (options.mostSamples)
    count = std::min(count, options.mostSamples);
  StreamInput input{segments,     *data,         *executor,
                    first,        first + count, qgraph::getJournal(module),
                    section.str()};
  return Driver(input, method).run();
}

} // namespace quantc
