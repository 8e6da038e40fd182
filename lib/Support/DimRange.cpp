//===- DimRange.cpp - What a user says of a named dimension ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Support/DimRange.h"

#include "quantc/Support/Errors.h"

using namespace llvm;

namespace quantc {

Expected<DimRange> parseDimRange(StringRef text) {
  auto [name, extent] = text.rsplit('=');
  auto [low, high] =
      extent.contains("..") ? extent.split("..") : std::pair(extent, extent);
  DimRange range;
  range.name = name.str();
  if (name.empty() || low.getAsInteger(10, range.low) ||
      high.getAsInteger(10, range.high) || range.low < 0 ||
      range.low > range.high)
    return make_error<UsageError>("dimension '" + text +
                                  "' is not NAME=SIZE or NAME=LOWEST..HIGHEST");
  return range;
}

} // namespace quantc
