//===- Calibration.h - Statistics as passes read them -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_ANALYSIS_CALIBRATION_H
#define QUANTC_ANALYSIS_CALIBRATION_H

#include "mlir/IR/BuiltinOps.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Support/Statistics.h"

namespace quantc {

/// The module's attribute that tells the graph that was observed from others, a
/// text; passes after `qgraph-insert-observers` keep it.
inline constexpr llvm::StringLiteral kFingerprintAttr("qgraph.fingerprint");

/// Reads a file of statistics of this module. An error if it cannot be read, is
/// damaged, or is of another graph (where the module says which it is).
llvm::Expected<Statistics> readStatistics(mlir::ModuleOp module,
                                          llvm::StringRef path);

/// The statistics of what a site's tensor is now: those on file, scaled by what
/// it has been multiplied by since. An error if the file has none of this site,
/// or of another number of channels.
llvm::Expected<numerics::SiteStatistics>
getStatistics(const Statistics &statistics, qgraph::ObserveOp site);

} // namespace quantc

#endif // QUANTC_ANALYSIS_CALIBRATION_H
