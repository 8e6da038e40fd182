// RUN: quant-opt %S/../Inputs/tiles.mlir --set-target-level=level=avx2vnni --lower-tile-dot --canonicalize --cse | FileCheck %s --implicit-check-not=qkernel.tile_dot --implicit-check-not=pmadd

// Four words a turn, two rows, two halves of 8 columns.
// CHECK-LABEL: func.func @si8
// CHECK: scf.for %{{.*}} = %c0 to %c48 step %c16
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"(%[[SUM:.*]], %[[WEIGHTS:.*]], %[[WORD:.*]]) : (vector<8xi32>, vector<32xi8>, vector<32xi8>) -> vector<8xi32>
// CHECK-COUNT-15: vpdpbusd.256
// CHECK-NOT: vpdpbusd.256

// CHECK-LABEL: func.func @si4
// CHECK-COUNT-8: vpdpbusd.256
// CHECK-NOT: vpdpbusd.256
