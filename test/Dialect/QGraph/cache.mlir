// The cache: round trip, shapes, folds.

// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s --canonicalize | FileCheck %s --check-prefix=FOLD
// RUN: quant-opt %s --resolve-ranked-shaped-type-result-dims --canonicalize | FileCheck %s --check-prefix=SHAPE

// CHECK-LABEL: func.func @append
// CHECK:         qgraph.cache_load %{{.*}} : tensor<?x2x?x16xf16> to <f16, 2x16>
// CHECK:         qgraph.cache_append %{{.*}}, %{{.*}} : <f16, 2x16>, tensor<?x?x2x16xf16>
// CHECK:         qgraph.cache_store %{{.*}} : <f16, 2x16> to tensor<?x2x?x16xf16>
// CHECK:         qgraph.attention %{{.*}} : (tensor<?x?x4x16xf16>, !qgraph.cache<f16, 2x16>, !qgraph.cache<f16, 2x16>) -> tensor<?x?x4x16xf16>
// CHECK:         qgraph.attention %{{.*}} {heads_first,

// As many positions as the past has and were appended.
// SHAPE-LABEL: func.func @append
// SHAPE-SAME:    %[[PAST:[^:]*]]: tensor<?x2x?x16xf16>, %[[K:[^:]*]]: tensor<?x?x2x16xf16>
// SHAPE-DAG:     %[[P:.*]] = tensor.dim %[[PAST]], %c2
// SHAPE-DAG:     %[[S:.*]] = tensor.dim %[[K]], %c1
// SHAPE-DAG:     arith.addi %[[P]], %[[S]]
func.func @append(%past: tensor<?x2x?x16xf16>, %k: tensor<?x?x2x16xf16>, %q: tensor<?x?x4x16xf16>)
    -> (tensor<?x2x?x16xf16>, tensor<?x?x4x16xf16>, tensor<?x?x4x16xf16>, index) {
  %c2 = arith.constant 2 : index
  %0 = qgraph.cache_load %past : tensor<?x2x?x16xf16> to <f16, 2x16>
  %1 = qgraph.cache_append %0, %k : <f16, 2x16>, tensor<?x?x2x16xf16>
  %present = qgraph.cache_store %1 : <f16, 2x16> to tensor<?x2x?x16xf16>
  %2 = qgraph.attention %q, %1, %1 {scale = 0.25 : f32} : (tensor<?x?x4x16xf16>, !qgraph.cache<f16, 2x16>, !qgraph.cache<f16, 2x16>) -> tensor<?x?x4x16xf16>
  %3 = qgraph.attention %q, %past, %past {heads_first, scale = 0.25 : f32} : (tensor<?x?x4x16xf16>, tensor<?x2x?x16xf16>, tensor<?x2x?x16xf16>) -> tensor<?x?x4x16xf16>
  %t = tensor.dim %present, %c2 : tensor<?x2x?x16xf16>
  return %present, %2, %3, %t : tensor<?x2x?x16xf16>, tensor<?x?x4x16xf16>, tensor<?x?x4x16xf16>, index
}

// Positions at places of their own: as many places as before, or as it says.
// CHECK-LABEL: func.func @write
// CHECK:         qgraph.cache_write %{{.*}}, %{{.*}} at %{{.*}} : <f32, 2x16>, tensor<?x?x2x16xf32>, tensor<?xsi64>
// CHECK:         qgraph.cache_write %{{.*}}, %{{.*}} at %{{.*}} places %{{.*}} {circular} : <f32, 2x16>, tensor<?x?x2x16xf32>, tensor<?xsi64>
// SHAPE-LABEL: func.func @write
// SHAPE-SAME:    %[[PAST:[^:]*]]: tensor<?x2x?x16xf32>,
// SHAPE-SAME:    %[[PLACES:[^:]*]]: index
// SHAPE:         %[[T:.*]] = tensor.dim %[[PAST]], %c2
// SHAPE:         return %{{.*}}, %[[T]], %[[PLACES]]
func.func @write(%past: tensor<?x2x?x16xf32>, %k: tensor<?x?x2x16xf32>, %starts: tensor<?xsi64>, %places: index)
    -> (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, index, index) {
  %c2 = arith.constant 2 : index
  %0 = qgraph.cache_load %past : tensor<?x2x?x16xf32> to <f32, 2x16>
  %1 = qgraph.cache_write %0, %k at %starts : <f32, 2x16>, tensor<?x?x2x16xf32>, tensor<?xsi64>
  %2 = qgraph.cache_write %0, %k at %starts places %places {circular} : <f32, 2x16>, tensor<?x?x2x16xf32>, tensor<?xsi64>
  %3 = qgraph.cache_store %1 : <f32, 2x16> to tensor<?x2x?x16xf32>
  %4 = qgraph.cache_store %2 : <f32, 2x16> to tensor<?x2x?x16xf32>
  %t = tensor.dim %3, %c2 : tensor<?x2x?x16xf32>
  %u = tensor.dim %4, %c2 : tensor<?x2x?x16xf32>
  return %3, %4, %t, %u : tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, index, index
}

// What is loaded and stored again is what it was.
// FOLD-LABEL: func.func @fold
// FOLD-SAME:    %[[PAST:[^:]*]]: tensor<?x2x?x16xf32>
// FOLD-NEXT:    return %[[PAST]]
func.func @fold(%past: tensor<?x2x?x16xf32>) -> tensor<?x2x?x16xf32> {
  %0 = qgraph.cache_load %past : tensor<?x2x?x16xf32> to <f32, 2x16>
  %1 = qgraph.cache_store %0 : <f32, 2x16> to tensor<?x2x?x16xf32>
  return %1 : tensor<?x2x?x16xf32>
}
