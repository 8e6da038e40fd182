//===- Npy.h - NumPy's file format for one array ----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_NPY_H
#define QUANTC_LIB_DRIVER_NPY_H

#include "Arrays.h"
#include "quantc/Support/NumpyFiles.h"

namespace quantc::driver {

/// The array in the bytes of a .npy file, which errors call `what`. `code` and
/// `bits`: as of readArray.
llvm::Expected<Array> readNpy(llvm::StringRef bytes, const llvm::Twine &what,
                              int64_t code, int64_t bits);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_NPY_H
