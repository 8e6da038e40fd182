//===- Progress.cpp - How far a long pass is ------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Support/Progress.h"

namespace quantc {

static thread_local const ProgressListener *current = nullptr;

ProgressScope::ProgressScope(ProgressListener listener)
    : listener(std::move(listener)), before(current) {
  current = &this->listener;
}

ProgressScope::~ProgressScope() { current = before; }

void reportProgress(llvm::StringRef piece, uint64_t done, uint64_t all) {
  if (current)
    (*current)(piece, done, all);
}

} // namespace quantc
