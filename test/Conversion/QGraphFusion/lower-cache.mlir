// A cache is a tensor [B, heads, T, size], which attention reads as it is.

// RUN: quant-opt %s --qgraph-lower-cache | FileCheck %s

// CHECK-LABEL: func.func @decoder
// CHECK-SAME:    %[[Q:[^:]*]]: tensor<?x?x4x16xf32>, %[[K:[^:]*]]: tensor<?x?x2x16xf32>, %[[P:[^:]*]]: tensor<?x2x?x16xf32>
// CHECK-NOT:     cache
// CHECK-DAG:     %[[B:.*]] = tensor.dim %[[P]], %c0
// CHECK-DAG:     %[[T:.*]] = arith.addi
// CHECK-DAG:     %[[F:.*]] = onnx.node "Transpose"(%[[K]]) {{.*}}perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]
// CHECK:         %[[ALL:.*]] = onnx.node "Concat"(%[[P]], %[[F]]) {{.*}}axis = 2
// CHECK:         %[[Y:.*]] = qgraph.attention %[[Q]], %[[ALL]], %[[ALL]] {heads_first, scale
// CHECK:         return %[[Y]], %[[ALL]]
func.func @decoder(%q: tensor<?x?x4x16xf32>, %k: tensor<?x?x2x16xf32>, %past: tensor<?x2x?x16xf32>)
    -> (tensor<?x?x4x16xf32>, tensor<?x2x?x16xf32>) {
  %0 = qgraph.cache_load %past : tensor<?x2x?x16xf32> to <f32, 2x16>
  %1 = qgraph.cache_append %0, %k : <f32, 2x16>, tensor<?x?x2x16xf32>
  %present = qgraph.cache_store %1 : <f32, 2x16> to tensor<?x2x?x16xf32>
  %y = qgraph.attention %q, %1, %1 {scale = 0.25 : f32} : (tensor<?x?x4x16xf32>, !qgraph.cache<f32, 2x16>, !qgraph.cache<f32, 2x16>) -> tensor<?x?x4x16xf32>
  return %y, %present : tensor<?x?x4x16xf32>, tensor<?x2x?x16xf32>
}

// So it reads what would be transposed for it; and where only one of the two is,
// nothing changes.

// CHECK-LABEL: func.func @transposed
// CHECK-SAME:    %[[Q:[^:]*]]: tensor<1x1x4x16xf32>, %[[K:[^:]*]]: tensor<1x2x5x16xf32>, %[[V:[^:]*]]: tensor<1x5x2x16xf32>
// CHECK-NEXT:    %[[T:.*]] = onnx.node "Transpose"(%[[K]])
// CHECK-NEXT:    qgraph.attention %[[Q]], %[[K]], %[[K]] {heads_first,
// CHECK-NEXT:    qgraph.attention %[[Q]], %[[T]], %[[V]] {scale
func.func @transposed(%q: tensor<1x1x4x16xf32>, %k: tensor<1x2x5x16xf32>, %v: tensor<1x5x2x16xf32>) -> (tensor<1x1x4x16xf32>, tensor<1x1x4x16xf32>) {
  %0 = onnx.node "Transpose"(%k) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<1x2x5x16xf32>) -> tensor<1x5x2x16xf32>
  %1 = onnx.node "Transpose"(%k) {version = 25 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<1x2x5x16xf32>) -> tensor<1x5x2x16xf32>
  %2 = qgraph.attention %q, %0, %1 {scale = 0.25 : f32} : (tensor<1x1x4x16xf32>, tensor<1x5x2x16xf32>, tensor<1x5x2x16xf32>) -> tensor<1x1x4x16xf32>
  %3 = qgraph.attention %q, %0, %v {scale = 0.25 : f32} : (tensor<1x1x4x16xf32>, tensor<1x5x2x16xf32>, tensor<1x5x2x16xf32>) -> tensor<1x1x4x16xf32>
  return %2, %3 : tensor<1x1x4x16xf32>, tensor<1x1x4x16xf32>
}

// A write is a TensorScatter, into zeros behind the past where there are more places.

// CHECK-LABEL: func.func @written
// CHECK-SAME:    %[[Q:[^:]*]]: tensor<?x?x4x16xf32>, %[[K:[^:]*]]: tensor<?x?x2x16xf32>, %[[P:[^:]*]]: tensor<?x2x?x16xf32>, %[[AT:[^:]*]]: tensor<?xsi64>, %[[N:[^:]*]]: index
// CHECK-NOT:     cache
// CHECK-DAG:     %[[MORE:.*]] = arith.subi %[[N]], %{{.*}}
// CHECK-DAG:     %[[ZEROS:.*]] = onnx.node "Expand"(%{{.*}}) dims(%{{.*}}, %[[MORE]])
// CHECK-DAG:     %[[ROOM:.*]] = onnx.node "Concat"(%[[P]], %[[ZEROS]]) dims(%{{.*}}, %[[N]])
// CHECK:         %[[FRESH:.*]] = onnx.node "Transpose"(%[[K]])
// CHECK:         %[[KEYS:.*]] = onnx.node "TensorScatter"(%[[ROOM]], %[[FRESH]], %[[AT]]) dims(%{{.*}}, %[[N]]) {{.*}}axis = 2
// CHECK:         %[[FRESH2:.*]] = onnx.node "Transpose"(%[[K]])
// CHECK:         %[[VALUES:.*]] = onnx.node "TensorScatter"(%[[P]], %[[FRESH2]], %[[AT]]) dims(%{{.*}}, %{{.*}}) {{.*}}mode = "circular"
// CHECK:         qgraph.attention %[[Q]], %[[KEYS]], %[[VALUES]] {heads_first
func.func @written(%q: tensor<?x?x4x16xf32>, %k: tensor<?x?x2x16xf32>, %past: tensor<?x2x?x16xf32>, %at: tensor<?xsi64>, %n: index) -> tensor<?x?x4x16xf32> {
  %0 = qgraph.cache_load %past : tensor<?x2x?x16xf32> to <f32, 2x16>
  %1 = qgraph.cache_write %0, %k at %at places %n : <f32, 2x16>, tensor<?x?x2x16xf32>, tensor<?xsi64>
  %2 = qgraph.cache_write %0, %k at %at {circular} : <f32, 2x16>, tensor<?x?x2x16xf32>, tensor<?xsi64>
  %y = qgraph.attention %q, %1, %2 {scale = 0.25 : f32} : (tensor<?x?x4x16xf32>, !qgraph.cache<f32, 2x16>, !qgraph.cache<f32, 2x16>) -> tensor<?x?x4x16xf32>
  return %y : tensor<?x?x4x16xf32>
}
