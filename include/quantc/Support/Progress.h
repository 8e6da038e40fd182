//===- Progress.h - How far a long pass is ----------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_SUPPORT_PROGRESS_H
#define QUANTC_SUPPORT_PROGRESS_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <functional>

namespace quantc {

/// Hears of `done` of `all` pieces of work, each a `piece`.
using ProgressListener =
    std::function<void(llvm::StringRef piece, uint64_t done, uint64_t all)>;

/// While it lives, what this thread reports goes to a listener.
class ProgressScope {
public:
  explicit ProgressScope(ProgressListener listener);
  ~ProgressScope();
  ProgressScope(const ProgressScope &) = delete;
  ProgressScope &operator=(const ProgressScope &) = delete;

private:
  ProgressListener listener;
  const ProgressListener *before;
};

/// Tells whoever listens; cheap if nobody does.
void reportProgress(llvm::StringRef piece, uint64_t done, uint64_t all);

} // namespace quantc

#endif // QUANTC_SUPPORT_PROGRESS_H
