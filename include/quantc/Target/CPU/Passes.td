//===- Passes.td - Passes of the CPU targets ---------------*- tablegen -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_TARGET_CPU_PASSES_TD
#define QUANTC_TARGET_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerTileDot : Pass<"lower-tile-dot", "::mlir::ModuleOp"> {
  let summary = "Register tiles to the instructions of the module's level";
  let description = [{
    Lowers every `qkernel.tile_dot` for the level that the module's
    `qkernel.target` names. The loop over K, the loads and the accumulators are
    the same on every level; a level says how four products are added to each
    lane (lib/Target/CPU/X86, lib/Target/CPU/AArch64). `f32` tiles are the same
    fused multiply-adds everywhere.

    Before:

    ```mlir
    %1 = qkernel.tile_dot %a[%m, %k], %w[%o] stride %s length %n init(%0)
           {format = "si8", panels = 1 : i64, rows = 1 : i64} : ...
    ```

    After, on `avx512vnni`:

    ```mlir
    %1 = scf.for %i = %zero to %n step %four iter_args(%acc = %0) -> (vector<16xi32>) {
      ...
      %2 = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%acc, %weights, %bytes) : ...
      scf.yield %2 : vector<16xi32>
    }
    ```
  }];
  let statistics = [Statistic<"tiles", "tiles", "Tiles lowered">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::amx::AMXDialect"];
}

def SetTargetLevel : Pass<"set-target-level", "::mlir::ModuleOp"> {
  let summary = "Say which instruction set level the module is compiled for";
  let description = [{
    Sets the module's `qkernel.target` to that of a CPU level, its table of
    register tiles included. The driver does the same for each level of a target.

    Before:

    ```mlir
    module {}
    ```

    After `--set-target-level=level=avx2`:

    ```mlir
    module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx2",
        unsigned_weights = true, tiles = [<"f32", 6 x 1>, <"si8", 4 x 1>, <"si4", 2 x 1>]>} {}
    ```
  }];
  let options = [Option<"level", "level", "std::string", "", "The level, as QUANTC_ISA names it">];
  let dependentDialects = ["::quantc::qkernel::QKernelDialect"];
}

#endif // QUANTC_TARGET_CPU_PASSES_TD
