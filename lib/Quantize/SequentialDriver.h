//===- SequentialDriver.h - Run, solve, go on -------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Methods that see the errors of what is before a layer, and those that need
// more memory than a model has place for, take the model in segments. A
// segment ends where layers are about to read what `qgraph.observe` names: all
// samples are run up to there, the layers are rewritten, and the next segment
// runs them as they are then. Nothing runs twice.
//
// A method that asks for it sees a second stream: the same samples in the model
// whose weights are those before quantization. That one is a segment ahead, so
// that it knows what the layers should give.
//
// What passes from segment to segment lies in files: the peak of anonymous
// memory is one segment's weights and one sample's arena.
//
// With a journal (Support/Journal.h) each segment leaves a record: what the
// method has found, and which files the next one needs. A run after one that
// was killed applies what was found, and goes on with the segment behind.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_SEQUENTIALDRIVER_H
#define QUANTC_LIB_QUANTIZE_SEQUENTIALDRIVER_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Support/Executor.h"
#include "quantc/Support/Journal.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace quantc {

class Stream;

/// What a model's values are in a sample. Views are valid in the call of
/// `observe` that they are asked for in.
class SampleTensors {
public:
  SampleTensors(int64_t sample, Stream &current, Stream *original)
      : number(sample), model(current), before(original) {}

  int64_t sample() const { return number; }

  /// Whether the streams have them now; false for null.
  bool hasCurrent(mlir::Value value) const;
  bool hasOriginal(mlir::Value value) const;

  /// The tensor of a site that is observed, or a value that was there before it
  /// and is read after it, in the model as it is now.
  llvm::Expected<TensorView> current(mlir::Value value) const;

  /// In the model as it was before quantization: a site's tensor, and what
  /// `SequentialMethod::wantedOriginals` named.
  llvm::Expected<TensorView> original(mlir::Value value) const;

private:
  int64_t number;
  Stream &model;
  Stream *before;
};

/// What is done with the tensors that reach the sites of a segment.
class SequentialMethod {
public:
  virtual ~SequentialMethod();

  /// False if it never asks for values of the model as it is now.
  virtual bool usesCurrent() const { return true; }

  /// True if it asks for values of the model before quantization.
  virtual bool usesOriginal() const { return false; }

  /// Which of them it would ask for at a site, beside the site's own tensor;
  /// they are there if no other sites lie between.
  virtual llvm::SmallVector<mlir::Value>
  wantedOriginals(qgraph::ObserveOp) const {
    return {};
  }

  /// A sample has reached a site; called for the samples in rising order.
  virtual llvm::Error observe(qgraph::ObserveOp site,
                              const SampleTensors &tensors) = 0;

  /// All samples have reached these sites: writes down what follows.
  virtual llvm::Error solve(llvm::ArrayRef<qgraph::ObserveOp> sites,
                            Record &found) = 0;

  /// Takes up what was found, now or in a run that was interrupted. No layer
  /// that reads the sites has run: the ops that read them may be rewritten; the
  /// sites may not. Called for the segments in their order.
  virtual llvm::Error apply(llvm::ArrayRef<qgraph::ObserveOp> sites,
                            const Record &found) = 0;
};

struct SequentialOptions {
  std::string data; ///< of the samples: CalibrationData
  int64_t firstSample = 0;
  int64_t samples = 0;     ///< 0: all from the first on
  int64_t mostSamples = 0; ///< of those, the first; 0: all
  /// Segments are joined while the weights of a segment are not more than this;
  /// for methods that rewrite nothing. 0: they are not joined.
  uint64_t segmentBytes = 0;
};

/// Runs the only function of `module` on the samples, segment by segment, as
/// far as there are sites. `section`: of the journal. Errors: data that does
/// not fit the inputs, a segment that cannot be compiled or run, those of the
/// method.
llvm::Error runSequentially(mlir::ModuleOp module,
                            const SequentialOptions &options,
                            llvm::StringRef section, SequentialMethod &method);

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZE_SEQUENTIALDRIVER_H
