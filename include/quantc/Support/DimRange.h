//===- DimRange.h - What a user says of a named dimension -------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_SUPPORT_DIMRANGE_H
#define QUANTC_SUPPORT_DIMRANGE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>

namespace quantc {

/// `batch=1` (low and high are 1) or `seq=1..512`, both ends inclusive. The
/// name is all before the last `=`: models name dimensions as they like.
struct DimRange {
  std::string name;
  int64_t low = 0, high = 0;
};

/// Reads one. Errors: UsageError, for a missing name, sizes that are no
/// numbers, negative ones, and ranges without a size in them.
llvm::Expected<DimRange> parseDimRange(llvm::StringRef text);

} // namespace quantc

#endif // QUANTC_SUPPORT_DIMRANGE_H
