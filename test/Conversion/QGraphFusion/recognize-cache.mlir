// Past and present keys and values become caches, where attention reads both.

// RUN: quant-opt %s --qgraph-recognize-cache --split-input-file | FileCheck %s

// What a model has between a projection and the Concat, it no longer needs.

// CHECK-LABEL: func.func @decoder
// CHECK-SAME:    %[[Q:[^:]*]]: tensor<?x?x4x16xf32>, %[[K:[^:]*]]: tensor<?x?x2x16xf32>
// CHECK-NOT:     Transpose
// CHECK-DAG:     %[[PK:.*]] = qgraph.cache_load %arg2 : tensor<?x2x?x16xf32> to <f32, 2x16>
// CHECK-DAG:     %[[PV:.*]] = qgraph.cache_load %arg3 : tensor<?x2x?x16xf32> to <f32, 2x16>
// CHECK-DAG:     %[[CK:.*]] = qgraph.cache_append %[[PK]], %[[K]]
// CHECK-DAG:     %[[CV:.*]] = qgraph.cache_append %[[PV]], %[[K]]
// CHECK-DAG:     %[[KEYS:.*]] = qgraph.cache_store %[[CK]] : <f32, 2x16> to tensor<?x2x?x16xf32>
// CHECK-DAG:     %[[VALUES:.*]] = qgraph.cache_store %[[CV]]
// CHECK:         %[[Y:.*]] = qgraph.attention %[[Q]], %[[CK]], %[[CV]]
// CHECK-NOT:     Transpose
// CHECK:         return %[[Y]], %[[KEYS]], %[[VALUES]]
func.func @decoder(%q: tensor<?x?x4x16xf32>, %k: tensor<?x?x2x16xf32>, %pk: tensor<?x2x?x16xf32>, %pv: tensor<?x2x?x16xf32>)
    -> (tensor<?x?x4x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %k, %c0 : tensor<?x?x2x16xf32>
  %s = tensor.dim %k, %c1 : tensor<?x?x2x16xf32>
  %p = tensor.dim %pk, %c2 : tensor<?x2x?x16xf32>
  %t = arith.addi %p, %s : index
  %0 = onnx.node "Transpose"(%k) dims(%b, %s) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<?x?x2x16xf32>) -> tensor<?x2x?x16xf32>
  %keys = onnx.node "Concat"(%pk, %0) dims(%b, %t) {version = 13 : i64, node_attributes = {axis = 2 : si64}} : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) -> tensor<?x2x?x16xf32>
  %values = onnx.node "Concat"(%pv, %0) dims(%b, %t) {version = 13 : i64, node_attributes = {axis = 2 : si64}} : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) -> tensor<?x2x?x16xf32>
  %1 = onnx.node "Transpose"(%keys) dims(%b, %t) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<?x2x?x16xf32>) -> tensor<?x?x2x16xf32>
  %2 = onnx.node "Transpose"(%values) dims(%b, %t) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<?x2x?x16xf32>) -> tensor<?x?x2x16xf32>
  %y = qgraph.attention %q, %1, %2 {scale = 0.25 : f32} : (tensor<?x?x4x16xf32>, tensor<?x?x2x16xf32>, tensor<?x?x2x16xf32>) -> tensor<?x?x4x16xf32>
  return %y, %keys, %values : tensor<?x?x4x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>
}

// -----

// Keys that no result gives on are no cache, though those of the other operand are.

// CHECK-LABEL: func.func @unreturned
// CHECK-NOT:     cache
func.func @unreturned(%q: tensor<1x1x4x16xf32>, %k: tensor<1x2x1x16xf32>, %pk: tensor<1x2x5x16xf32>) -> (tensor<1x1x4x16xf32>, tensor<1x2x6x16xf32>) {
  %keys = onnx.node "Concat"(%pk, %k) {version = 13 : i64, node_attributes = {axis = 2 : si64}} : (tensor<1x2x5x16xf32>, tensor<1x2x1x16xf32>) -> tensor<1x2x6x16xf32>
  %keys_new = onnx.node "Neg"(%k) {version = 13 : i64} : (tensor<1x2x1x16xf32>) -> tensor<1x2x1x16xf32>
  %values = onnx.node "Concat"(%pk, %keys_new) {version = 13 : i64, node_attributes = {axis = 2 : si64}} : (tensor<1x2x5x16xf32>, tensor<1x2x1x16xf32>) -> tensor<1x2x6x16xf32>
  %1 = onnx.node "Transpose"(%keys) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<1x2x6x16xf32>) -> tensor<1x6x2x16xf32>
  %2 = onnx.node "Transpose"(%values) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<1x2x6x16xf32>) -> tensor<1x6x2x16xf32>
  %y = qgraph.attention %q, %1, %2 {scale = 0.25 : f32} : (tensor<1x1x4x16xf32>, tensor<1x6x2x16xf32>, tensor<1x6x2x16xf32>) -> tensor<1x1x4x16xf32>
  return %y, %keys : tensor<1x1x4x16xf32>, tensor<1x2x6x16xf32>
}

// -----

// CHECK-LABEL: func.func @past_behind
// CHECK-NOT:     cache
func.func @past_behind(%q: tensor<1x1x4x16xf32>, %k: tensor<1x2x1x16xf32>, %pk: tensor<1x2x5x16xf32>) -> (tensor<1x1x4x16xf32>, tensor<1x2x6x16xf32>) {
  %new = onnx.node "Neg"(%k) {version = 13 : i64} : (tensor<1x2x1x16xf32>) -> tensor<1x2x1x16xf32>
  %keys = onnx.node "Concat"(%new, %pk) {version = 13 : i64, node_attributes = {axis = 2 : si64}} : (tensor<1x2x1x16xf32>, tensor<1x2x5x16xf32>) -> tensor<1x2x6x16xf32>
  %1 = onnx.node "Transpose"(%keys) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<1x2x6x16xf32>) -> tensor<1x6x2x16xf32>
  %y = qgraph.attention %q, %1, %1 {scale = 0.25 : f32} : (tensor<1x1x4x16xf32>, tensor<1x6x2x16xf32>, tensor<1x6x2x16xf32>) -> tensor<1x1x4x16xf32>
  return %y, %keys : tensor<1x1x4x16xf32>, tensor<1x2x6x16xf32>
}

// -----

// Positions along another axis.

// CHECK-LABEL: func.func @more_heads
// CHECK-NOT:     cache
func.func @more_heads(%q: tensor<1x1x4x16xf32>, %k: tensor<1x2x5x16xf32>, %pk: tensor<1x2x5x16xf32>) -> (tensor<1x1x4x16xf32>, tensor<1x4x5x16xf32>) {
  %keys = onnx.node "Concat"(%pk, %k) {version = 13 : i64, node_attributes = {axis = 1 : si64}} : (tensor<1x2x5x16xf32>, tensor<1x2x5x16xf32>) -> tensor<1x4x5x16xf32>
  %1 = onnx.node "Transpose"(%keys) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<1x4x5x16xf32>) -> tensor<1x5x4x16xf32>
  %y = qgraph.attention %q, %1, %1 {scale = 0.25 : f32} : (tensor<1x1x4x16xf32>, tensor<1x5x4x16xf32>, tensor<1x5x4x16xf32>) -> tensor<1x1x4x16xf32>
  return %y, %keys : tensor<1x1x4x16xf32>, tensor<1x4x5x16xf32>
}
