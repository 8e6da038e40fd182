// RUN: quant-opt %S/../Inputs/tiles.mlir --set-target-level=level=avx512 --lower-tile-dot --canonicalize --cse | FileCheck %s --implicit-check-not=qkernel.tile_dot

// CHECK-LABEL: func.func @si8
// CHECK: scf.for %{{.*}} = %c0 to %c48 step %c4
// CHECK-NOT: pmaddubs
// CHECK-COUNT-4: "llvm.x86.avx512.pmaddw.d.512"
// CHECK-NOT: "llvm.x86.avx512.pmaddw.d.512"

// CHECK-LABEL: func.func @si4
// CHECK-COUNT-4: "llvm.x86.avx512.pmaddubs.w.512"
// CHECK-NOT: "llvm.x86.avx512.pmaddubs.w.512"
