//===- SampleStore.h - A value in all samples -------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_SAMPLESTORE_H
#define QUANTC_LIB_QUANTIZE_SAMPLESTORE_H

#include "quantc/Support/Executor.h"

#include "llvm/Support/FileSystem.h"

#include <vector>

namespace quantc {

/// One tensor of a graph in all samples, in an unnamed file in TMPDIR, so that
/// the system can write it back. A sample that has what the one before it had
/// (a mask, a table of angles) takes no place.
class SampleStore {
public:
  SampleStore() = default;
  SampleStore(const SampleStore &) = delete;
  SampleStore &operator=(const SampleStore &) = delete;
  ~SampleStore();

  /// Adds the next sample's. An error if the file cannot be written.
  llvm::Error add(const TensorView &tensor);

  /// What a sample has. No more can be added after the first call.
  llvm::Expected<TensorView> get(int64_t sample);

private:
  struct Place {
    WeightType type;
    uint64_t offset, bytes;
  };
  llvm::Error create();

  int file = -1;
  uint64_t size = 0;
  std::vector<Place> places;
  std::vector<char> last;
  llvm::sys::fs::mapped_file_region mapped;
};

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZE_SAMPLESTORE_H
