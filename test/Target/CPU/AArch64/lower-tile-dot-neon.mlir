// RUN: quant-opt %S/../Inputs/tiles.mlir --set-target-level=level=neon --lower-tile-dot --canonicalize --cse | FileCheck %s --implicit-check-not=qkernel.tile_dot --implicit-check-not=sdot

// Two words of a row at once, each a lane; products of bytes in 16 bits are exact.
// CHECK-LABEL: func.func @si8
// CHECK: scf.for %{{.*}} = %c0 to %c48 step %c8
// CHECK: vector.load %arg0[%{{.*}}] : memref<?x?xi8>, vector<8xi8>
// CHECK: %[[P:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.smull.v8i16"
// CHECK: %[[Q:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.saddlp.v4i32.v8i16"(%[[P]])
// CHECK: llvm.call_intrinsic "llvm.aarch64.neon.addp.v4i32"(%[[Q]], %{{.*}})
// CHECK-COUNT-30: smull
// CHECK-NOT: smull

// Nibbles are signed: the low ones by two shifts.
// CHECK-LABEL: func.func @si4
// CHECK: %[[UP:.*]] = arith.shli %[[BYTES:.*]], %{{.*}} : vector<64xi8>
// CHECK: arith.shrsi %[[UP]], %{{.*}} : vector<64xi8>
// CHECK: arith.shrsi %[[BYTES]], %{{.*}} : vector<64xi8>
// CHECK-COUNT-32: smull
// CHECK-NOT: smull
