// RUN: quant-opt %s --lower-to-kernels --canonicalize --cse | FileCheck %s

// Blocks of queries of one head are units of work; keys go by in blocks of 64.
// Both products are register tiles of floats: over the depth, and over the keys.

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx512", unsigned_weights = true, tiles = [<"f32", 12 x 2>]>} {
// CHECK-LABEL: func.func private @attention(
// CHECK-SAME: %[[SCRATCH:[^:]*]]: memref<?xi8>, %[[Q:[^:]*]]: memref<?x?x4x32xf32>, %[[K:[^:]*]]: memref<?x?x2x32xf32>
// CHECK: arith.ceildivui %{{.*}}, %c{{[0-9]+}}
// CHECK: scf.for %{{.*}} step %c64
// CHECK: vector.shuffle
// CHECK: qkernel.tile_dot {{.*}} length %c32 {{.*}} {format = "f32", panels = 2 : i64, rows = 12 : i64}
// The maximum, exponentials, their sum in the tree's order.
// CHECK: arith.cmpf ogt
// CHECK: math.fma
// CHECK: qkernel.tile_dot {{.*}} {format = "f32", panels = 2 : i64, rows = 12 : i64}
// CHECK: arith.divf
func.func @main(%q: tensor<?x?x4x32xf32>, %k: tensor<?x?x2x32xf32>, %v: tensor<?x?x2x32xf32>, %m: tensor<?x1x1x?xi1>) -> tensor<?x?x4x32xf32> {
  %y = qgraph.attention %q, %k, %v mask %m {scale = 0.125 : f32, causal} : (tensor<?x?x4x32xf32>, tensor<?x?x2x32xf32>, tensor<?x?x2x32xf32>, tensor<?x1x1x?xi1>) -> tensor<?x?x4x32xf32>
  return %y : tensor<?x?x4x32xf32>
}
}
