//===- SampleStore.h - A value in all samples -------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_SAMPLESTORE_H
#define QUANTC_LIB_QUANTIZE_SAMPLESTORE_H

#include "quantc/Support/Executor.h"
#include "quantc/Support/Journal.h"

#include "llvm/Support/FileSystem.h"

#include <memory>
#include <string>
#include <vector>

namespace quantc {

/// One tensor of a graph in all samples, in a file, so that the system can
/// write it back. A sample that has what the one before it had (a mask, a table
/// of angles) takes no place.
class SampleStore {
public:
  /// In a file of that name, which stays; without a name, in one in TMPDIR that
  /// goes with the store.
  explicit SampleStore(std::string path = "") : path(std::move(path)) {}
  SampleStore(const SampleStore &) = delete;
  SampleStore &operator=(const SampleStore &) = delete;
  ~SampleStore();

  /// Adds the next sample's. An error if the file cannot be written.
  llvm::Error add(const TensorView &tensor);

  /// What a sample has. No more can be added after the first call.
  llvm::Expected<TensorView> get(int64_t sample);

  /// Removes a file that has a name.
  void remove();

  /// Writes down, under a name, where the samples lie in the file, and a hash.
  llvm::Error describe(llvm::StringRef name, Record &record) const;
  /// A store of the file at `path` as it was described, or null if the file is
  /// not what it was.
  static std::unique_ptr<SampleStore>
  open(std::string path, llvm::StringRef name, const Record &record);

private:
  struct Place {
    WeightType type;
    uint64_t offset, bytes;
  };
  llvm::Error create();
  /// Goes into the hash of a named file.
  void addToHash(llvm::ArrayRef<char> bytes);

  std::string path;
  int file = -1;
  uint64_t hash = 0;
  uint64_t size = 0;
  std::vector<Place> places;
  std::vector<char> last;
  llvm::sys::fs::mapped_file_region mapped;
};

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZE_SAMPLESTORE_H
