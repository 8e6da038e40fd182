//===- Executor.cpp - Compiles and runs a piece of IR ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Support/Executor.h"

#include <atomic>

namespace quantc {

static std::atomic<std::unique_ptr<Executor> (*)()> factory{nullptr};

Executable::~Executable() = default;
Executor::~Executor() = default;

void setExecutorFactory(std::unique_ptr<Executor> (*create)()) {
  factory = create;
}

std::unique_ptr<Executor> createExecutor() {
  auto *create = factory.load();
  return create ? create() : nullptr;
}

} // namespace quantc
