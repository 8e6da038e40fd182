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
// What passes from segment to segment lies in files: the peak of anonymous
// memory is one segment's weights and one sample's arena.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_SEQUENTIALDRIVER_H
#define QUANTC_LIB_QUANTIZE_SEQUENTIALDRIVER_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Support/Executor.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace quantc {

/// What is done with the tensors that reach the sites of a segment.
class SequentialMethod {
public:
  virtual ~SequentialMethod();

  /// A site's tensor in a sample; called for the samples in rising order.
  virtual llvm::Error observe(qgraph::ObserveOp site, int64_t sample,
                              const TensorView &tensor) = 0;

  /// All samples have reached these sites, and no layer that reads them has
  /// run. The ops that read them may be rewritten; the sites may not.
  virtual llvm::Error solve(llvm::ArrayRef<qgraph::ObserveOp> sites) = 0;
};

struct SequentialOptions {
  std::string data; ///< of the samples: CalibrationData
  int64_t firstSample = 0;
  int64_t samples = 0; ///< 0: all from the first on
  /// Segments are joined while the weights of a segment are not more than this;
  /// for methods that rewrite nothing. 0: they are not joined.
  uint64_t segmentBytes = 0;
};

/// Runs the only function of `module` on the samples, segment by segment, as
/// far as there are sites. Errors: data that does not fit the inputs, a segment
/// that cannot be compiled or run, those of the method.
llvm::Error runSequentially(mlir::ModuleOp module,
                            const SequentialOptions &options,
                            SequentialMethod &method);

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZE_SEQUENTIALDRIVER_H
