//===- OutputDifference.cpp - What is compared of two runs
//-----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Evaluation.h"

#include "quantc/Numerics/Formats.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <cstring>

using namespace llvm;

namespace quantc::driver {

Error KeptTensors::keep(ArrayRef<TensorView> tensors) {
  kept.clear();
  store = WeightStore::createOverlay();
  for (const TensorView &tensor : tensors) {
    std::string name = std::to_string(kept.size());
    auto fill = [&](MutableArrayRef<char> to) {
      copy(tensor.bytes, to.begin());
      return Error::success();
    };
    if (Error error = store->addFilled(name, tensor.type, fill))
      return error;
    kept.push_back({tensor.type, store->lookup(name)->bytes});
  }
  return Error::success();
}

template <typename Element, typename Read>
static void readAs(ArrayRef<char> bytes, std::vector<float> &storage,
                   Read read) {
  storage.resize(bytes.size() / sizeof(Element));
  for (auto [i, value] : enumerate(storage)) {
    Element element;
    std::memcpy(&element, bytes.data() + i * sizeof element, sizeof element);
    value = read(element);
  }
}

std::optional<ArrayRef<float>> floatsOf(const TensorView &tensor,
                                        std::vector<float> &storage) {
  ArrayRef<char> bytes = tensor.bytes;
  if (tensor.type.element == "f32")
    return ArrayRef(reinterpret_cast<const float *>(bytes.data()),
                    bytes.size() / sizeof(float));
  if (tensor.type.element == "f64") {
    readAs<double>(bytes, storage,
                   [](double value) { return static_cast<float>(value); });
    return ArrayRef(storage);
  }
  for (numerics::Format format :
       {numerics::Format::F16, numerics::Format::BF16})
    if (tensor.type.element == numerics::info(format).name) {
      readAs<uint16_t>(bytes, storage, [format](uint16_t code) {
        return numerics::decode(format, code);
      });
      return ArrayRef(storage);
    }
  return std::nullopt;
}

Error addTensor(StringRef name, const TensorView &reference,
                const TensorView &found, numerics::SignalSums &sums) {
  if (!(reference.type == found.type))
    return createStringError(
        formatv("'{0}' is {1} in the float model and {2} in the other", name,
                reference.type.str(), found.type.str()));
  std::vector<float> storage[2];
  std::optional<ArrayRef<float>> was = floatsOf(reference, storage[0]),
                                 is = floatsOf(found, storage[1]);
  if (was && is)
    sums.add(was->size(), was->data(), is->data());
  return Error::success();
}

Expected<OutputDifference>
OutputDifference::create(const SwitchedModel &model,
                         const EvaluationOptions &options) {
  OutputDifference difference;
  for (auto [i, name] : enumerate(model.outputs())) {
    difference.outputs.push_back({name, {}});
    bool isUsual = options.logits.empty() && !difference.logits &&
                   StringRef(name).contains_insensitive("logits");
    if (name == options.logits || isUsual)
      difference.logits = i;
  }
  if (!options.logits.empty() && !difference.logits)
    return createStringError("--logits '" + options.logits +
                             "': the model has no such output; " +
                             "there are: " + join(model.outputs(), ", "));
  difference.tokensAreGiven = !options.tokens.empty();
  difference.tokens = difference.tokensAreGiven ? options.tokens : "input_ids";
  if (!is_contained(model.inputs(), difference.tokens)) {
    if (difference.tokensAreGiven)
      return createStringError("--tokens '" + options.tokens +
                               "': the model has no such input; " +
                               "there are: " + join(model.inputs(), ", "));
    difference.tokens.clear();
  }
  return difference;
}

/// For each row of [..., length, classes] the token at the next place; none
/// where the tokens are not [..., length].
Expected<std::vector<int64_t>>
OutputDifference::nextTokens(SwitchedModel &model, int64_t sample,
                             const TensorView &view) {
  std::vector<int64_t> next;
  Expected<TensorView> found = model.input(tokens, sample);
  if (!found)
    return found.takeError();
  ArrayRef<int64_t> shape = view.type.shape;
  bool isWide = found->type.element == "si64";
  if (ArrayRef(found->type.shape) != shape.drop_back() ||
      (!isWide && found->type.element != "si32")) {
    if (tokensAreGiven)
      return createStringError(formatv(
          "--tokens '{0}' is {1}; for logits {2} it is to be integers of the "
          "shape without the last dimension",
          tokens, found->type.str(), view.type.str()));
    return next;
  }
  int64_t length = shape.size() > 1 ? shape[shape.size() - 2] : 1;
  size_t size = isWide ? sizeof(int64_t) : sizeof(int32_t);
  int64_t count = found->bytes.size() / size;
  for (int64_t row = 0; row < count; ++row) {
    int64_t token = -1;
    if (row % length != length - 1) {
      const char *at = found->bytes.data() + (row + 1) * size;
      int32_t narrow = 0;
      std::memcpy(isWide ? static_cast<void *>(&token) : &narrow, at, size);
      if (!isWide)
        token = narrow;
    }
    next.push_back(token);
  }
  return next;
}

Error OutputDifference::add(SwitchedModel &model, int64_t sample,
                            ArrayRef<TensorView> reference,
                            ArrayRef<TensorView> found) {
  for (auto [output, was, is] : zip_equal(outputs, reference, found))
    if (Error error = addTensor(output.name, was, is, output.sums))
      return error;
  if (!logits)
    return Error::success();
  const TensorView &was = reference[*logits], &is = found[*logits];
  std::vector<float> storage[2];
  std::optional<ArrayRef<float>> p = floatsOf(was, storage[0]),
                                 q = floatsOf(is, storage[1]);
  int64_t classes = was.type.shape.empty() ? 0 : was.type.shape.back();
  if (!p || !q || classes < 1)
    return createStringError(
        "logits '" + outputs[*logits].name + "' are " + was.type.str() +
        "; floats with the classes in the last dimension are needed");
  std::vector<int64_t> next;
  if (!tokens.empty()) {
    Expected<std::vector<int64_t>> known = nextTokens(model, sample, was);
    if (!known)
      return known.takeError();
    next = std::move(*known);
  }
  logitSums.add(p->size() / classes, classes, p->data(), q->data(),
                next.empty() ? nullptr : next.data());
  return Error::success();
}

double OutputDifference::error() const {
  if (logits)
    return logitSums.meanKL();
  double worst = 0;
  for (const OutputError &output : outputs) {
    if (output.sums.noise == 0)
      continue;
    double error = output.sums.noise / output.sums.signal;
    if (std::isnan(error))
      return error;
    worst = std::max(worst, error);
  }
  return worst;
}

} // namespace quantc::driver
