//===- ByteSize.h - Numbers of bytes on the command line --------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_BYTESIZE_H
#define QUANTC_LIB_DRIVER_BYTESIZE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>

namespace quantc::driver {

/// Reads `1500000`, `1.5M`, `1.5MB` (powers of 1000) or `1.5MiB` (powers of
/// 1024); K, M, G and T in either case. Parts of a byte are dropped. Errors:
/// UsageError that names `option`, also for 0 and for 2^63 and more.
llvm::Expected<uint64_t> parseByteSize(llvm::StringRef option,
                                       llvm::StringRef text);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_BYTESIZE_H
