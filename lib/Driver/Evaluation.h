//===- Evaluation.h - How far a quantized model is from float ---*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A graph whose quantized layers have switches (qgraph-insert-switches) is
// compiled and run on samples, with all layers in float and with all of them
// quantized. The first run also shows each layer's error alone, for it gives
// both results of each.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_EVALUATION_H
#define QUANTC_LIB_DRIVER_EVALUATION_H

#include "quantc/Analysis/CalibrationData.h"
#include "quantc/Driver/Compile.h"
#include "quantc/Numerics/Divergence.h"
#include "quantc/Support/Executor.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/BitVector.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace quantc::driver {

struct EvaluationOptions {
  std::string data;                         ///< samples: CalibrationData
  int64_t firstSample = 0, sampleCount = 0; ///< 0: all from the first on
  /// The output that has logits, and the input that has the tokens they are
  /// for. Empty: those of the usual names, if there are.
  std::string logits, tokens;
  /// A compiled library to be compared, instead of the graph's quantized
  /// layers.
  std::string library;
  /// A folder for the outputs of both models, or empty.
  std::string saved;
  bool bisect = false;
  /// What part of the whole error makes a layer one of those that are named.
  double share = 0.1;
};

struct LayerError {
  std::string name;
  numerics::SignalSums alone; ///< with the inputs of the float model
  numerics::SignalSums upTo;  ///< everything before it quantized, too
};

struct OutputError {
  std::string name;
  numerics::SignalSums sums;
};

/// The layers that break a model.
struct Bisection {
  std::string measure; ///< what the errors are: of logits KL, or noise / signal
  double whole = 0;    ///< with all layers quantized
  double without = 0;  ///< with those of `layers` in float
  struct Layer {
    std::string name;
    double alone; ///< with only this one quantized
  };
  std::vector<Layer> layers; ///< the worst first
};

struct Evaluation {
  int64_t samples = 0;
  std::vector<LayerError> layers; ///< in the order of the graph
  std::vector<OutputError> outputs;
  std::string logits; ///< name of the output; empty: there is none
  numerics::LogitSums logitSums;
  std::optional<Bisection> bisection;
};

using ReportProgress = std::function<void(llvm::StringRef what, double done)>;

/// Compiles and runs `module`, a graph of GraphStage::Switches. Errors: samples
/// that do not fit, outputs that are no tensors, names of logits and tokens
/// that are none, a library of another signature.
llvm::Expected<Evaluation> evaluate(mlir::ModuleOp module,
                                    const EvaluationOptions &options,
                                    const ReportProgress &progress);

/// A graph with switches that can be run.
class SwitchedModel {
public:
  static llvm::Expected<std::unique_ptr<SwitchedModel>>
  create(mlir::ModuleOp module, const EvaluationOptions &options);

  /// Runs a sample; `quantized` has a bit for each layer. The views that
  /// others give are valid until the next run.
  llvm::Error run(int64_t sample, const llvm::BitVector &quantized);

  int64_t firstSample() const { return first; }
  int64_t endSample() const { return end; }
  llvm::ArrayRef<std::string> layers() const { return layerNames; }
  /// The model's own outputs.
  llvm::ArrayRef<std::string> outputs() const { return outputNames; }

  std::vector<TensorView> outputViews() const {
    return {results.begin(), results.begin() + outputNames.size()};
  }
  std::vector<TensorView> chosenViews() const;
  /// What of a layer went on, and what it gives when it is quantized.
  const TensorView &chosen(size_t layer) const {
    return results[outputNames.size() + 2 * layer];
  }
  const TensorView &layerAlone(size_t layer) const {
    return results[outputNames.size() + 2 * layer + 1];
  }

  /// An input of a sample. Errors: there is none of this name, or it does not
  /// fit.
  llvm::Expected<TensorView> input(llvm::StringRef name, int64_t sample);
  llvm::ArrayRef<std::string> inputs() const { return inputNames; }
  const WeightType &inputType(size_t i) const { return inputTypes[i]; }
  llvm::ArrayRef<std::string> outputElements() const { return elements; }

private:
  SwitchedModel() = default;

  std::vector<std::string> inputNames, outputNames, layerNames, elements;
  std::vector<WeightType> inputTypes;
  std::optional<CalibrationData> data;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<Executable> code;
  int64_t first = 0, end = 0;
  std::vector<TensorView> results;
};

/// What is compared of two runs: the logits, else all outputs.
class OutputDifference {
public:
  /// Errors: options name a logits output or tokens input that is none.
  static llvm::Expected<OutputDifference>
  create(const SwitchedModel &model, const EvaluationOptions &options);

  /// Adds a sample's outputs. Errors: shapes differ, logits without classes.
  llvm::Error add(SwitchedModel &model, int64_t sample,
                  llvm::ArrayRef<TensorView> reference,
                  llvm::ArrayRef<TensorView> found);

  /// Mean KL, or the greatest noise / signal of an output.
  double error() const;

  std::optional<size_t> logits; ///< number of the output
  std::vector<OutputError> outputs;
  numerics::LogitSums logitSums;

private:
  llvm::Expected<std::vector<int64_t>>
  nextTokens(SwitchedModel &model, int64_t sample, const TensorView &logits);

  std::string tokens; ///< name of the input; empty: none
  bool tokensAreGiven = false;
};

/// Copies of tensors, that stay.
class KeptTensors {
public:
  llvm::Error keep(llvm::ArrayRef<TensorView> tensors);
  llvm::ArrayRef<TensorView> views() const { return kept; }

private:
  std::shared_ptr<WeightStore> store;
  std::vector<TensorView> kept;
};

/// Adds a tensor to sums; one of other elements than floats adds nothing.
/// Errors: the types differ.
llvm::Error addTensor(llvm::StringRef name, const TensorView &reference,
                      const TensorView &found, numerics::SignalSums &sums);

/// The floats of a tensor of f32, f16, bf16 or f64; none for other elements.
/// `storage` has them where they are not there as they lie.
std::optional<llvm::ArrayRef<float>> floatsOf(const TensorView &tensor,
                                              std::vector<float> &storage);

/// Finds the layers that the error comes from: halves of the graph are
/// quantized while all else is float, and halves of those that have a share of
/// the error.
llvm::Expected<Bisection> bisect(SwitchedModel &model,
                                 const EvaluationOptions &options,
                                 const ReportProgress &progress);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_EVALUATION_H
