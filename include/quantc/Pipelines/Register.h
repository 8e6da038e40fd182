//===- Register.h - Everything a tool of ours registers -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_PIPELINES_REGISTER_H
#define QUANTC_PIPELINES_REGISTER_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace quantc {

/// Our dialects, all upstream ones and their extensions, the external models of
/// ours, and what the plugins that are loaded add.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Upstream's passes and ours.
void registerAllPasses();

} // namespace quantc

#endif // QUANTC_PIPELINES_REGISTER_H
