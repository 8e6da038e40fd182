//===- Evaluation.cpp - How far a quantized model is from float
//------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Evaluation.h"

#include "Arrays.h"
#include "Worker.h"
#include "quantc/Package/Package.h"
#include "quantc/Pipelines/LoadedExecutable.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace quantc::driver {

namespace {

/// A library whose outputs are held against those of the float model.
class ComparedLibrary {
public:
  static llvm::Expected<ComparedLibrary> load(const SwitchedModel &model,
                                              const std::string &path);
  /// The outputs, in the model's order.
  llvm::Error run(SwitchedModel &model, int64_t sample,
                  std::vector<TensorView> &outputs);

private:
  std::string path;
  std::unique_ptr<LoadedExecutable> code;
  std::vector<std::string> inputs;
  std::vector<size_t> places; ///< of the model's outputs
};

/// Saves the outputs of both models of a sample.
class SavedOutputs {
public:
  SavedOutputs(const SwitchedModel &model, std::string folder)
      : model(model), folder(std::move(folder)) {}
  llvm::Error save(llvm::StringRef which, int64_t sample,
                   llvm::ArrayRef<TensorView> tensors) const;

private:
  const SwitchedModel &model;
  std::string folder;
};

} // namespace

llvm::Expected<ComparedLibrary>
ComparedLibrary::load(const SwitchedModel &model, const std::string &path) {
  ComparedLibrary library;
  library.path = path;
  llvm::Expected<std::unique_ptr<LoadedExecutable>> loaded =
      LoadedExecutable::load(path, {});
  if (!loaded)
    return loaded.takeError();
  library.code = std::move(*loaded);
  const quantc_entry_info &entry = library.code->entry();
  for (int64_t i = 0; i < entry.n_inputs; ++i) {
    library.inputs.push_back(entry.inputs[i].name);
    if (!llvm::is_contained(model.inputs(), library.inputs.back()))
      return llvm::createStringError(
          path + " has an input '" + library.inputs.back() +
          "' that the model has not; it was compiled from another one");
  }
  std::vector<std::string> elements(entry.n_outputs);
  for (auto [i, name] : llvm::enumerate(model.outputs())) {
    int64_t at = 0;
    while (at < entry.n_outputs && name != entry.outputs[at].name)
      ++at;
    if (at == entry.n_outputs)
      return llvm::createStringError(
          path + " has no output '" + name +
          "' as the model has; it was compiled from another one");
    elements[at] = model.outputElements()[i];
    library.places.push_back(at);
  }
  if (llvm::is_contained(elements, ""))
    return llvm::createStringError(
        path + " has outputs that the model has not; it was compiled from "
               "another one");
  library.code->setElements(std::move(elements));
  return std::move(library);
}

llvm::Error ComparedLibrary::run(SwitchedModel &model, int64_t sample,
                                 std::vector<TensorView> &outputs) {
  std::vector<TensorView> arguments, results;
  for (llvm::StringRef name : inputs) {
    llvm::Expected<TensorView> view = model.input(name, sample);
    if (!view)
      return view.takeError();
    arguments.push_back(std::move(*view));
  }
  if (llvm::Error error = code->run(arguments, results))
    return llvm::createStringError(llvm::formatv(
        "{0}: sample {1}: {2}", path, sample, toString(std::move(error))));
  outputs.clear();
  for (size_t place : places)
    outputs.push_back(results[place]);
  return llvm::Error::success();
}

llvm::Error SavedOutputs::save(llvm::StringRef which, int64_t sample,
                               llvm::ArrayRef<TensorView> tensors) const {
  if (folder.empty())
    return llvm::Error::success();
  std::vector<std::pair<std::string, Array>> arrays;
  for (auto [name, view] : llvm::zip_equal(model.outputs(), tensors)) {
    llvm::Expected<std::pair<int64_t, int64_t>> type =
        dlpackType(view.type.element);
    if (!type)
      return type.takeError();
    Array array(type->first, type->second,
                {view.type.shape.begin(), view.type.shape.end()});
    llvm::copy(view.bytes, array.data());
    arrays.emplace_back(name, std::move(array));
  }
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, which);
  if (std::error_code code = llvm::sys::fs::create_directories(path))
    return llvm::createStringError(code, "cannot make the folder '%s': %s",
                                   path.c_str(), code.message().c_str());
  llvm::sys::path::append(path, llvm::formatv("{0}.npz", sample));
  return writeNpz(path, arrays);
}

namespace {

class Evaluator {
public:
  Evaluator(SwitchedModel &model, const EvaluationOptions &options,
            OutputDifference difference)
      : model(model), saved(model, options.saved),
        difference(std::move(difference)), none(model.layers().size()),
        all(model.layers().size(), true) {
    for (const std::string &name : model.layers())
      layers.push_back({name, {}, {}});
  }

  llvm::Error add(int64_t sample, ComparedLibrary *library);
  Evaluation take();

private:
  llvm::Error addAlone();
  llvm::Error addUpTo(llvm::ArrayRef<TensorView> real);

  SwitchedModel &model;
  SavedOutputs saved;
  OutputDifference difference;
  llvm::BitVector none, all;
  std::vector<LayerError> layers;
};

} // namespace

llvm::Error Evaluator::addAlone() {
  for (auto [i, layer] : llvm::enumerate(layers))
    if (llvm::Error error = addTensor(layer.name, model.chosen(i),
                                      model.layerAlone(i), layer.alone))
      return error;
  return llvm::Error::success();
}

llvm::Error Evaluator::addUpTo(llvm::ArrayRef<TensorView> real) {
  for (auto [i, layer] : llvm::enumerate(layers))
    if (llvm::Error error =
            addTensor(layer.name, real[i], model.chosen(i), layer.upTo))
      return error;
  return llvm::Error::success();
}

llvm::Error Evaluator::add(int64_t sample, ComparedLibrary *library) {
  if (llvm::Error error = model.run(sample, none))
    return error;
  std::vector<TensorView> found = model.outputViews();
  if (llvm::Error error = saved.save("float", sample, found))
    return error;
  if (library) {
    std::vector<TensorView> outputs;
    if (llvm::Error error = library->run(model, sample, outputs))
      return error;
    if (llvm::Error error = saved.save("quantized", sample, outputs))
      return error;
    return difference.add(model, sample, found, outputs);
  }
  KeptTensors reference, real;
  if (llvm::Error error = addAlone())
    return error;
  if (llvm::Error error = reference.keep(found))
    return error;
  if (llvm::Error error = real.keep(model.chosenViews()))
    return error;
  if (llvm::Error error = model.run(sample, all))
    return error;
  if (llvm::Error error = addUpTo(real.views()))
    return error;
  found = model.outputViews();
  if (llvm::Error error = saved.save("quantized", sample, found))
    return error;
  return difference.add(model, sample, reference.views(), found);
}

Evaluation Evaluator::take() {
  Evaluation result;
  result.samples = model.endSample() - model.firstSample();
  result.layers = std::move(layers);
  if (difference.logits)
    result.logits = difference.outputs[*difference.logits].name;
  // Sums say nothing of integers.
  for (auto [output, element] :
       llvm::zip_equal(difference.outputs, model.outputElements()))
    if (llvm::StringRef(element).starts_with("f") || element == "bf16")
      result.outputs.push_back(std::move(output));
  result.logitSums = difference.logitSums;
  return result;
}

llvm::Expected<Evaluation> evaluate(ModuleOp module,
                                    const EvaluationOptions &options,
                                    const ReportProgress &progress) {
  progress("compiling with switches", 0);
  noteStage("compiling the model with switches");
  llvm::Expected<std::unique_ptr<SwitchedModel>> model =
      SwitchedModel::create(module, options);
  if (!model)
    return model.takeError();
  llvm::Expected<OutputDifference> difference =
      OutputDifference::create(**model, options);
  if (!difference)
    return difference.takeError();
  std::optional<ComparedLibrary> library;
  if (!options.library.empty()) {
    llvm::Expected<ComparedLibrary> loaded =
        ComparedLibrary::load(**model, options.library);
    if (!loaded)
      return loaded.takeError();
    library.emplace(std::move(*loaded));
  }
  Evaluator evaluator(**model, options, std::move(*difference));
  int64_t first = (*model)->firstSample(),
          count = (*model)->endSample() - first;
  // Bisecting takes most of the time.
  double share = options.bisect ? 0.1 : 1;
  for (int64_t i = 0; i < count; ++i) {
    noteStage("running sample " + llvm::Twine(first + i));
    progress(llvm::formatv("sample {0} of {1}", i + 1, count).str(),
             share * (0.1 + 0.9 * i / count));
    if (llvm::Error error =
            evaluator.add(first + i, library ? &*library : nullptr))
      return std::move(error);
  }
  Evaluation result = evaluator.take();
  if (options.bisect) {
    llvm::Expected<Bisection> found =
        bisect(**model, options, [&](llvm::StringRef what, double done) {
          progress(what, share + (1 - share) * done);
        });
    if (!found)
      return found.takeError();
    result.bisection = std::move(*found);
  }
  return std::move(result);
}

} // namespace quantc::driver
