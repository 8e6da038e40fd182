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

// -----

// A past with room for all, in which a TensorScatter puts what is new.

// CHECK-LABEL: func.func @scattered
// CHECK-SAME:    %[[Q:[^:]*]]: tensor<?x?x4x16xf32>, %[[K:[^:]*]]: tensor<?x?x2x16xf32>,
// CHECK-SAME:    %[[AT:[^:]*]]: tensor<?xsi64>
// CHECK-NOT:     Transpose
// CHECK-DAG:     %[[PK:.*]] = qgraph.cache_load %arg2
// CHECK-DAG:     %[[PV:.*]] = qgraph.cache_load %arg3
// CHECK-DAG:     %[[CK:.*]] = qgraph.cache_write %[[PK]], %[[K]] at %[[AT]] : <f32, 2x16>
// CHECK-DAG:     %[[CV:.*]] = qgraph.cache_write %[[PV]], %[[K]] at %[[AT]] {circular} : <f32, 2x16>
// CHECK-DAG:     %[[KEYS:.*]] = qgraph.cache_store %[[CK]] : <f32, 2x16> to tensor<?x2x?x16xf32>
// CHECK-DAG:     %[[VALUES:.*]] = qgraph.cache_store %[[CV]]
// CHECK:         %[[Y:.*]] = qgraph.attention %[[Q]], %[[CK]], %[[CV]]
// CHECK:         return %[[Y]], %[[KEYS]], %[[VALUES]]
func.func @scattered(%q: tensor<?x?x4x16xf32>, %k: tensor<?x?x2x16xf32>, %pk: tensor<?x2x?x16xf32>, %pv: tensor<?x2x?x16xf32>, %at: tensor<?xsi64>) -> (tensor<?x?x4x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %k, %c0 : tensor<?x?x2x16xf32>
  %s = tensor.dim %k, %c1 : tensor<?x?x2x16xf32>
  %t = tensor.dim %pk, %c2 : tensor<?x2x?x16xf32>
  %0 = onnx.node "Transpose"(%k) dims(%b, %s) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<?x?x2x16xf32>) -> tensor<?x2x?x16xf32>
  %keys = onnx.node "TensorScatter"(%pk, %0, %at) dims(%b, %t) {version = 24 : i64, node_attributes = {axis = 2 : si64}} : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?xsi64>) -> tensor<?x2x?x16xf32>
  %values = onnx.node "TensorScatter"(%pv, %0, %at) dims(%b, %t) {version = 24 : i64, node_attributes = {axis = -2 : si64, mode = "circular"}} : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?xsi64>) -> tensor<?x2x?x16xf32>
  %1 = onnx.node "Transpose"(%keys) dims(%b, %t) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<?x2x?x16xf32>) -> tensor<?x?x2x16xf32>
  %2 = onnx.node "Transpose"(%values) dims(%b, %t) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<?x2x?x16xf32>) -> tensor<?x?x2x16xf32>
  %y = qgraph.attention %q, %1, %2 {scale = 0.25 : f32} : (tensor<?x?x4x16xf32>, tensor<?x?x2x16xf32>, tensor<?x?x2x16xf32>) -> tensor<?x?x4x16xf32>
  return %y, %keys, %values : tensor<?x?x4x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>
}

// -----

// Room is made behind the past, as GroupQueryAttention has it.

// CHECK-LABEL: func.func @grown
// CHECK-SAME:    %[[N:[^:]*]]: index
// CHECK-NOT:     onnx.node
// CHECK:         %[[PAST:.*]] = qgraph.cache_load %arg2
// CHECK:         %[[C:.*]] = qgraph.cache_write %[[PAST]], %arg1 at %arg3 places %[[N]] : <f32, 2x16>
// CHECK:         %[[KEYS:.*]] = qgraph.cache_store %[[C]]
// CHECK:         %[[Y:.*]] = qgraph.attention %arg0, %[[C]], %[[C]]
// CHECK:         return %[[Y]], %[[KEYS]]
func.func @grown(%q: tensor<?x?x4x16xf32>, %k: tensor<?x?x2x16xf32>, %pk: tensor<?x2x?x16xf32>, %at: tensor<?xsi64>, %n: index) -> (tensor<?x?x4x16xf32>, tensor<?x2x?x16xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %k, %c0 : tensor<?x?x2x16xf32>
  %s = tensor.dim %k, %c1 : tensor<?x?x2x16xf32>
  %t = tensor.dim %pk, %c2 : tensor<?x2x?x16xf32>
  %more = arith.subi %n, %t : index
  %zero = qgraph.constant dense<0.0> : tensor<f32>
  %0 = onnx.node "Transpose"(%k) dims(%b, %s) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<?x?x2x16xf32>) -> tensor<?x2x?x16xf32>
  %zeros = onnx.node "Expand"(%zero) dims(%b, %c2, %more) {version = 13 : i64} : (tensor<f32>) -> tensor<?x?x?x16xf32>
  %room = onnx.node "Concat"(%pk, %zeros) dims(%b, %n) {version = 13 : i64, node_attributes = {axis = 2 : si64}} : (tensor<?x2x?x16xf32>, tensor<?x?x?x16xf32>) -> tensor<?x2x?x16xf32>
  %keys = onnx.node "TensorScatter"(%room, %0, %at) dims(%b, %n) {version = 24 : i64, node_attributes = {axis = 2 : si64}} : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?xsi64>) -> tensor<?x2x?x16xf32>
  %1 = onnx.node "Transpose"(%keys) dims(%b, %n) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<?x2x?x16xf32>) -> tensor<?x?x2x16xf32>
  %y = qgraph.attention %q, %1, %1 {scale = 0.25 : f32} : (tensor<?x?x4x16xf32>, tensor<?x?x2x16xf32>, tensor<?x?x2x16xf32>) -> tensor<?x?x4x16xf32>
  return %y, %keys : tensor<?x?x4x16xf32>, tensor<?x2x?x16xf32>
}

// -----

// What stands behind the past is not room, but numbers.

// CHECK-LABEL: func.func @behind_no_zeros
// CHECK-NOT:     cache
func.func @behind_no_zeros(%q: tensor<1x1x4x16xf32>, %k: tensor<1x2x1x16xf32>, %pk: tensor<1x2x4x16xf32>, %at: tensor<1xsi64>) -> (tensor<1x1x4x16xf32>, tensor<1x2x5x16xf32>) {
  %one = qgraph.constant dense<1.0> : tensor<1x2x1x16xf32>
  %room = onnx.node "Concat"(%pk, %one) {version = 13 : i64, node_attributes = {axis = 2 : si64}} : (tensor<1x2x4x16xf32>, tensor<1x2x1x16xf32>) -> tensor<1x2x5x16xf32>
  %keys = onnx.node "TensorScatter"(%room, %k, %at) {version = 24 : i64, node_attributes = {axis = 2 : si64}} : (tensor<1x2x5x16xf32>, tensor<1x2x1x16xf32>, tensor<1xsi64>) -> tensor<1x2x5x16xf32>
  %1 = onnx.node "Transpose"(%keys) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<1x2x5x16xf32>) -> tensor<1x5x2x16xf32>
  %y = qgraph.attention %q, %1, %1 {scale = 0.25 : f32} : (tensor<1x1x4x16xf32>, tensor<1x5x2x16xf32>, tensor<1x5x2x16xf32>) -> tensor<1x1x4x16xf32>
  return %y, %keys : tensor<1x1x4x16xf32>, tensor<1x2x5x16xf32>
}

// -----

// All begin at the first place: the operator says so by the lack of an operand.

// CHECK-LABEL: func.func @nowhere
// CHECK-NOT:     cache
func.func @nowhere(%q: tensor<1x1x4x16xf32>, %k: tensor<1x2x1x16xf32>, %pk: tensor<1x2x5x16xf32>, %at: tensor<1xsi64>) -> (tensor<1x1x4x16xf32>, tensor<1x2x5x16xf32>) {
  %keys = onnx.node "TensorScatter"(%pk, %k) {version = 24 : i64, node_attributes = {axis = 2 : si64}} : (tensor<1x2x5x16xf32>, tensor<1x2x1x16xf32>) -> tensor<1x2x5x16xf32>
  %1 = onnx.node "Transpose"(%keys) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<1x2x5x16xf32>) -> tensor<1x5x2x16xf32>
  %y = qgraph.attention %q, %1, %1 {scale = 0.25 : f32} : (tensor<1x1x4x16xf32>, tensor<1x5x2x16xf32>, tensor<1x5x2x16xf32>) -> tensor<1x1x4x16xf32>
  return %y, %keys : tensor<1x1x4x16xf32>, tensor<1x2x5x16xf32>
}

// -----

// A past that is no input.

// CHECK-LABEL: func.func @computed
// CHECK-NOT:     cache
func.func @computed(%q: tensor<1x1x4x16xf32>, %k: tensor<1x2x1x16xf32>, %pk: tensor<1x2x5x16xf32>, %at: tensor<1xsi64>) -> (tensor<1x1x4x16xf32>, tensor<1x2x5x16xf32>) {
  %minus = onnx.node "Neg"(%pk) {version = 13 : i64} : (tensor<1x2x5x16xf32>) -> tensor<1x2x5x16xf32>
  %keys = onnx.node "TensorScatter"(%minus, %k, %at) {version = 24 : i64, node_attributes = {axis = 2 : si64}} : (tensor<1x2x5x16xf32>, tensor<1x2x1x16xf32>, tensor<1xsi64>) -> tensor<1x2x5x16xf32>
  %1 = onnx.node "Transpose"(%keys) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<1x2x5x16xf32>) -> tensor<1x5x2x16xf32>
  %y = qgraph.attention %q, %1, %1 {scale = 0.25 : f32} : (tensor<1x1x4x16xf32>, tensor<1x5x2x16xf32>, tensor<1x5x2x16xf32>) -> tensor<1x1x4x16xf32>
  return %y, %keys : tensor<1x1x4x16xf32>, tensor<1x2x5x16xf32>
}
