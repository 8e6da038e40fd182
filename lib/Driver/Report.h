//===- Report.h - What became of a model, as a page -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_REPORT_H
#define QUANTC_LIB_DRIVER_REPORT_H

#include "quantc/Driver/Compile.h"

namespace quantc::driver {

/// Writes one HTML page that needs no other file: bytes and bits, the error and
/// the histograms of each layer, what was skipped and why. A library of this
/// machine is run with made-up inputs, so that the page has each layer's time
/// beside what the cost model says; dimensions that nobody pinned are the least
/// that the model takes. Errors: the file cannot be written.
llvm::Error writeReport(const CompileRequest &request,
                        const CompileResult &result);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_REPORT_H
