//===- LayerSums.cpp - What samples say of layers ---------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LayerSums.h"

#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Numerics/Gram.h"
#include "quantc/Quantize/Passes.h"

using namespace mlir;

namespace quantc {

std::optional<QuantizedLayer> getQuantizedLayer(qgraph::LinearOp layer) {
  auto weight = layer.getWeight().getDefiningOp<qgraph::DequantizeOp>();
  auto original = weight
                      ? weight->getAttrOfType<TypedAttr>(qgraph::kOriginalAttr)
                      : TypedAttr();
  if (!original)
    return std::nullopt;
  return QuantizedLayer{layer, weight, original};
}

LayerNumbers::LayerNumbers(ModuleOp module) {
  module.walk([&](qgraph::LinearOp layer) {
    unsigned number = numbers.size();
    numbers[layer] = number;
  });
}

std::vector<QuantizedLayer> quantizedReaders(qgraph::ObserveOp site) {
  std::vector<QuantizedLayer> layers;
  for (Operation *reader : site->getUsers())
    if (auto linear = dyn_cast<qgraph::LinearOp>(reader))
      if (std::optional<QuantizedLayer> layer = getQuantizedLayer(linear))
        layers.push_back(*layer);
  return layers;
}

SmallVector<Value> residualsOf(qgraph::ObserveOp site) {
  SmallVector<Value> values;
  for (const QuantizedLayer &layer : quantizedReaders(site)) {
    Residual residual = findResidual(layer.op);
    for (Value value : {residual.before, residual.sum})
      if (value)
        values.push_back(value);
  }
  return values;
}

static ArrayRef<float> floatsOf(const TensorView &view) {
  return {reinterpret_cast<const float *>(view.bytes.data()),
          view.bytes.size() / sizeof(float)};
}

llvm::Expected<std::vector<LayerSums>>
LayerSums::create(qgraph::ObserveOp site, const LayerSumsOptions &options,
                  const SampleTensors &tensors) {
  std::vector<LayerSums> groups;
  for (const QuantizedLayer &layer : quantizedReaders(site)) {
    Residual residual = findResidual(layer.op);
    if (!options.weighTokens || !tensors.hasOriginal(residual.sum))
      residual.sum = nullptr;
    if (options.target != OutputTarget::Residual ||
        !tensors.hasCurrent(residual.before) ||
        !tensors.hasOriginal(residual.before))
      residual.before = nullptr;
    auto group = llvm::find_if(groups, [&](const LayerSums &sums) {
      return sums.residual == residual;
    });
    if (group == groups.end()) {
      LayerSums &made = groups.emplace_back();
      made.site = site;
      made.residual = residual;
      made.K = cast<RankedTensorType>(site.getType()).getShape().back();
      made.usesInputs = options.target != OutputTarget::Weights;
      made.readsOriginal = options.readsOriginal;
      made.H.resize(made.K * made.K);
      if (made.usesInputs && !residual.before)
        made.cross.resize(made.K * made.K);
      group = std::prev(groups.end());
    }
    group->members.push_back(layer);
    if (!residual.before)
      continue;
    llvm::Expected<ConstantTensor> weight = ConstantTensor::get(layer.original);
    if (!weight)
      return weight.takeError();
    int64_t rows = weight->getType().getDimSize(0);
    group->outputs.push_back(
        {rows, weight->readFloats(), std::vector<float>(rows * group->K)});
  }
  return groups;
}

/// E = (x̃ - x) Wᵀ + the residual's error, and its product with the inputs.
void LayerSums::addErrors(ArrayRef<float> now, ArrayRef<float> was,
                          ArrayRef<float> residualError, const float *weights,
                          const numerics::ParallelFor &parallel) {
  int64_t rows = now.size() / K;
  std::vector<float> difference(now.size());
  for (size_t i = 0; i < now.size(); ++i)
    difference[i] = was[i] - now[i];
  for (Output &output : outputs) {
    std::vector<float> errors(residualError.begin(), residualError.end());
    numerics::addOutputs(rows, K, difference.data(), output.N,
                         output.weight.data(), errors.data(), parallel);
    numerics::addProduct(rows, output.N, errors.data(), K, now.data(), weights,
                         output.errors.data(), parallel);
  }
}

llvm::Error LayerSums::add(const SampleTensors &tensors,
                           const numerics::ParallelFor &parallel) {
  // Null where it is not asked for.
  auto floats = [&](Value value, bool original) -> llvm::Expected<TensorView> {
    if (!value)
      return TensorView();
    return original ? tensors.original(value) : tensors.current(value);
  };
  Value input = site.getInput();
  llvm::Expected<TensorView> now = floats(input, readsOriginal);
  if (!now)
    return now.takeError();
  llvm::Expected<TensorView> was =
      floats(usesInputs ? input : Value(), /*original=*/true);
  if (!was)
    return was.takeError();
  llvm::Expected<TensorView> sum = floats(residual.sum, /*original=*/true);
  if (!sum)
    return sum.takeError();
  ArrayRef<float> x = floatsOf(*now), original = floatsOf(*was);
  int64_t rows = K ? x.size() / K : 0;
  if (rows == 0)
    return llvm::Error::success();
  count += rows;

  std::vector<float> weightOfRow;
  if (residual.sum)
    weightOfRow = numerics::rowWeights(rows, sum->type.shape.back(),
                                       floatsOf(*sum).data());
  const float *weights = residual.sum ? weightOfRow.data() : nullptr;
  numerics::addGram(rows, K, x.data(), weights, H.data(), parallel);
  if (!cross.empty())
    numerics::addProduct(rows, K, original.data(), K, x.data(), weights,
                         cross.data(), parallel);
  if (!residual.before)
    return llvm::Error::success();

  llvm::Expected<TensorView> before = floats(residual.before, false);
  if (!before)
    return before.takeError();
  llvm::Expected<TensorView> wasBefore = floats(residual.before, true);
  if (!wasBefore)
    return wasBefore.takeError();
  std::vector<float> error(floatsOf(*wasBefore));
  for (auto [e, value] : llvm::zip_equal(error, floatsOf(*before)))
    e -= value;
  addErrors(x, original, error, weights, parallel);
  return llvm::Error::success();
}

void LayerSums::finish() { numerics::mirrorUpper(K, H.data()); }

llvm::Expected<std::vector<float>>
LayerSums::target(size_t i, std::vector<float> weight,
                  const numerics::ParallelFor &parallel) const {
  if (!usesInputs)
    return weight;
  numerics::TargetInputs inputs;
  inputs.H = H.data();
  if (!cross.empty())
    inputs.cross = cross.data();
  if (!outputs.empty())
    inputs.residual = outputs[i].errors.data();
  std::vector<float> target;
  std::string why = numerics::calibrationTarget(
      weight.size() / K, K, weight.data(), inputs, target, parallel);
  if (!why.empty())
    return llvm::createStringError(why);
  return target;
}

} // namespace quantc
