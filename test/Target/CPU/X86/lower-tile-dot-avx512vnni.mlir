// RUN: quant-opt %S/../Inputs/tiles.mlir --set-target-level=level=avx512vnni --lower-tile-dot --canonicalize --cse | FileCheck %s --implicit-check-not=qkernel.tile_dot --implicit-check-not=pmadd

// One instruction for a word of a row: the weights are the unsigned operand.
// CHECK-LABEL: func.func @si8
// CHECK: scf.for %{{.*}} = %c0 to %c48 step %c16
// CHECK: %[[W:.*]] = vector.load %arg1[%{{.*}}] : memref<?xi8>, vector<64xi8>
// CHECK: %[[A:.*]] = vector.bitcast %{{.*}} : vector<16xi32> to vector<64xi8>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[W]], %[[A]]) : (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
// CHECK-COUNT-7: vpdpbusd.512
// CHECK-NOT: vpdpbusd.512

// Low nibbles are the first four values of k, high ones the next.
// CHECK-LABEL: func.func @si4
// CHECK: scf.for %{{.*}} = %c0 to %c32 step %c8
// CHECK: %[[LOW:.*]] = arith.andi
// CHECK: %[[HIGH:.*]] = arith.andi
// CHECK: vpdpbusd.512"(%arg8, %[[LOW]], %{{.*}})
// CHECK: vpdpbusd.512"(%arg9, %[[LOW]], %{{.*}})
// CHECK: vpdpbusd.512"(%{{.*}}, %[[HIGH]], %{{.*}})
// CHECK: vpdpbusd.512"(%{{.*}}, %[[HIGH]], %{{.*}})
// CHECK-NOT: vpdpbusd.512
