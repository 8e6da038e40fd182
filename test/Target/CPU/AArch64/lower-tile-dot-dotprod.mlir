// RUN: quant-opt %S/../Inputs/tiles.mlir --set-target-level=level=dotprod --lower-tile-dot --canonicalize --cse | FileCheck %s --implicit-check-not=qkernel.tile_dot --implicit-check-not=smull

// Four words of a row at once; a word is a lane of the instruction.
// CHECK-LABEL: func.func @si8
// CHECK: scf.for %{{.*}} = %c0 to %c48 step %c16
// CHECK: %[[ROW:.*]] = vector.load %arg0[%{{.*}}] : memref<?x?xi8>, vector<16xi8>
// CHECK: %[[WORDS:.*]] = vector.bitcast %[[ROW]] : vector<16xi8> to vector<4xi32>
// CHECK: vector.extract %[[WORDS]][0]
// CHECK: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"(%{{.*}}) : (vector<4xi32>, vector<16xi8>, vector<16xi8>) -> vector<4xi32>
// CHECK-COUNT-31: sdot
// CHECK-NOT: sdot

// CHECK-LABEL: func.func @si4
// CHECK-COUNT-16: sdot
// CHECK-NOT: sdot
