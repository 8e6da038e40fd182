//===- Stream.h - A model that runs segment by segment ----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_STREAM_H
#define QUANTC_LIB_QUANTIZE_STREAM_H

#include "SampleStore.h"
#include "Segments.h"
#include "quantc/Analysis/CalibrationData.h"
#include "quantc/Support/Executor.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <memory>

namespace quantc {

/// The name of an input of the model; empty if it has none.
llvm::StringRef inputName(mlir::BlockArgument argument);

/// What streams share.
struct StreamInput {
  const std::vector<Segment> &segments;
  CalibrationData &data;
  Executor &executor;
  int64_t first, end; ///< of the samples
  Journal &journal;
  std::string section; ///< of the journal
};

/// The tensors of all samples, as far as the segments have run. They lie in
/// files; what no later segment reads is dropped.
class Stream {
public:
  /// `keptUntil`: until which segment values are kept that are asked for beside
  /// those that segments read. With `original`, weights are those before
  /// quantization.
  Stream(const StreamInput &input, bool original,
         llvm::DenseMap<mlir::Value, size_t> keptUntil =
             llvm::DenseMap<mlir::Value, size_t>());

  /// Runs the next segment on all samples. After each, `visit` is called.
  llvm::Error
  runNext(llvm::function_ref<llvm::Error(int64_t sample)> visit = {});

  /// How many segments have run.
  size_t position() const { return next; }

  /// A tensor in a sample: an input of the model, what is kept, and in `visit`
  /// all that the segment gives.
  bool has(mlir::Value value) const {
    return llvm::isa<mlir::BlockArgument>(value) || live.contains(value) ||
           stores.contains(value);
  }
  llvm::Expected<TensorView> get(mlir::Value value, int64_t sample);

  /// Drops what is not needed once segment `i` has run, and visited.
  void dropAfter(size_t i);

  /// Writes down, for a run to come, what is needed behind segment `i`.
  llvm::Error describeAfter(size_t i, Record &record) const;
  /// Goes on from what was written down; false, and nothing has changed, if
  /// some of it is not there any more.
  bool resume(const Record &record);
  /// Begins anew.
  void restart();

private:
  std::string fileName(llvm::StringRef value) const;
  llvm::Expected<std::unique_ptr<SampleStore>> makeStore(mlir::Value value);
  llvm::Error runSample(const SegmentModule &part, Executable &code,
                        int64_t sample);
  llvm::Expected<TensorView> argument(mlir::BlockArgument argument,
                                      int64_t sample) const;

  StreamInput input;
  bool original;
  size_t next = 0;
  /// What segments give, by names that are the same in each run.
  llvm::MapVector<mlir::Value, std::string> names;
  llvm::DenseMap<mlir::Value, size_t> neededUntil;
  llvm::DenseMap<mlir::Value, std::unique_ptr<SampleStore>> stores;
  /// What the segment that runs has given for the last sample.
  llvm::DenseMap<mlir::Value, TensorView> live;
};

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZE_STREAM_H
