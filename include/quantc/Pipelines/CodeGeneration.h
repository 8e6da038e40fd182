//===- CodeGeneration.h - From a lowered module to a library ----*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What lies between the end of the kernel pipeline and Package: the functions
// of a lowered module as LLVM IR and as objects, and what their attributes and
// the weights section say, in Package's terms.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_PIPELINES_CODEGENERATION_H
#define QUANTC_PIPELINES_CODEGENERATION_H

#include "quantc/Package/Package.h"
#include "quantc/Pipelines/Pipelines.h"

#include <memory>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace quantc {

/// The entries' names, inputs, outputs, named dimensions, layers and checks,
/// from what LowerToKernels left on their functions. Their names are those of
/// the functions.
llvm::Expected<std::vector<PackageEntry>> entriesOf(mlir::ModuleOp module);

/// The bytes of `qkernel.weights` as kernels read them: one element a byte
/// below 8 bits.
llvm::Expected<std::vector<WeightHandle>> weightsOf(mlir::ModuleOp module);

/// What a level's code is made for. `plain`: the kernels are loop nests, which
/// LLVM's optimizer is to see.
CodeOptions codeOptions(const Level &level, bool plain);

/// The LLVM module of a lowered one, the functions of `entry` called as Package
/// wants.
llvm::Expected<std::unique_ptr<llvm::Module>>
translateEntry(mlir::ModuleOp lowered, const PackageEntry &entry,
               llvm::LLVMContext &context);

/// The objects of a level, one of each entry; all but the first are empty, for
/// its code is that of all. May be called for several levels side by side.
llvm::Expected<std::vector<CompiledLevel>>
compileEntries(mlir::ModuleOp lowered, const Level &level,
               const CodeOptions &options);

} // namespace quantc

#endif // QUANTC_PIPELINES_CODEGENERATION_H
