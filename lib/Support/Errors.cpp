//===- Errors.cpp - Kinds of errors ---------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Support/Errors.h"

namespace quantc {
char DefectError::ID = 0;
char UsageError::ID = 0;
} // namespace quantc
