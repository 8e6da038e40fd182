//===- Stream.cpp - A model that runs segment by segment --------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Stream.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace quantc {

StringRef inputName(BlockArgument argument) {
  auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
  auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                    "onnx.name");
  return name ? name.getValue() : StringRef();
}

Stream::Stream(const StreamInput &input, bool original,
               DenseMap<Value, size_t> keptUntil)
    : input(input), original(original), neededUntil(std::move(keptUntil)) {
  for (auto [i, segment] : llvm::enumerate(input.segments)) {
    for (auto [k, value] : llvm::enumerate(segment.outputs))
      names[value] = std::to_string(i) + "." + std::to_string(k);
    if (segment.ops.empty())
      continue;
    for (Value value : segmentArguments(segment)) {
      size_t &last = neededUntil[value];
      last = std::max(last, i);
    }
  }
}

llvm::Expected<TensorView> Stream::argument(BlockArgument argument,
                                            int64_t sample) const {
  return input.data.get(
      inputName(argument), sample,
      CalibrationData::inputType(cast<RankedTensorType>(argument.getType())));
}

llvm::Expected<TensorView> Stream::get(Value value, int64_t sample) {
  if (auto block = dyn_cast<BlockArgument>(value))
    return argument(block, sample);
  if (auto at = live.find(value); at != live.end())
    return at->second;
  return stores.at(value)->get(sample - input.first);
}

std::string Stream::fileName(StringRef value) const {
  return (input.section + (original ? ".original." : ".current.") + value)
      .str();
}

llvm::Expected<std::unique_ptr<SampleStore>> Stream::makeStore(Value value) {
  if (!input.journal.keeps())
    return std::make_unique<SampleStore>();
  llvm::Expected<std::string> path =
      input.journal.fileFor(fileName(names.lookup(value)));
  if (!path)
    return path.takeError();
  return std::make_unique<SampleStore>(std::move(*path));
}

llvm::Error Stream::runSample(const SegmentModule &part, Executable &code,
                              int64_t sample) {
  std::vector<TensorView> inputs, outputs;
  for (Value value : part.arguments) {
    llvm::Expected<TensorView> view = get(value, sample);
    if (!view)
      return view.takeError();
    inputs.push_back(std::move(*view));
  }
  if (llvm::Error error = code.run(inputs, outputs))
    return llvm::createStringError(
        llvm::formatv("sample {0}: {1}", sample, toString(std::move(error))));
  for (auto [value, view] : llvm::zip_equal(part.results, outputs)) {
    if (auto at = stores.find(value); at != stores.end())
      if (llvm::Error error = at->second->add(view))
        return error;
    live[value] = std::move(view);
  }
  return llvm::Error::success();
}

llvm::Error Stream::runNext(llvm::function_ref<llvm::Error(int64_t)> visit) {
  const Segment &segment = input.segments[next];
  SegmentModule part;
  std::unique_ptr<Executable> code;
  if (!segment.ops.empty()) {
    part = extractSegment(segment, original);
    llvm::Expected<std::unique_ptr<Executable>> compiled =
        input.executor.compile(*part.module);
    if (!compiled)
      return compiled.takeError();
    code = std::move(*compiled);
    for (Value value : part.results)
      if (neededUntil.contains(value)) {
        llvm::Expected<std::unique_ptr<SampleStore>> store = makeStore(value);
        if (!store)
          return store.takeError();
        stores[value] = std::move(*store);
      }
  }
  for (int64_t sample = input.first; sample < input.end; ++sample) {
    if (code)
      if (llvm::Error error = runSample(part, *code, sample))
        return error;
    if (visit)
      if (llvm::Error error = visit(sample))
        return error;
    live.clear();
  }
  ++next;
  return llvm::Error::success();
}

void Stream::dropAfter(size_t i) {
  for (Value value : llvm::to_vector(llvm::make_first_range(stores)))
    if (neededUntil.at(value) <= i) {
      stores.at(value)->remove();
      stores.erase(value);
    }
}

llvm::Error Stream::describeAfter(size_t i, Record &record) const {
  if (llvm::Error error =
          record.add<int64_t>(fileName("position"), static_cast<int64_t>(next)))
    return error;
  for (const auto &[value, name] : names)
    if (auto at = stores.find(value);
        at != stores.end() && neededUntil.at(value) > i)
      if (llvm::Error error = at->second->describe(fileName(name), record))
        return error;
  return llvm::Error::success();
}

bool Stream::resume(const Record &record) {
  std::optional<std::vector<int64_t>> position =
      record.get<int64_t>(fileName("position"));
  if (!position)
    return false;
  DenseMap<Value, std::unique_ptr<SampleStore>> found;
  for (const auto &[value, name] : names) {
    std::string file = fileName(name);
    if (!record.tensors->lookup(file))
      continue;
    llvm::Expected<std::string> path = input.journal.fileFor(file);
    if (!path) {
      llvm::consumeError(path.takeError());
      return false;
    }
    std::unique_ptr<SampleStore> store =
        SampleStore::open(std::move(*path), file, record);
    if (!store)
      return false;
    found[value] = std::move(store);
  }
  next = position->front();
  stores = std::move(found);
  return true;
}

void Stream::restart() {
  next = 0;
  stores.clear();
}

} // namespace quantc
