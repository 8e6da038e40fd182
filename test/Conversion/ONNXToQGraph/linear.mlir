// MatMul and Gemm.

// RUN: quant-opt %s --convert-onnx-to-qgraph --canonicalize --cse --split-input-file --weights-out %t.safetensors | FileCheck %s

// A constant right side is transposed to [N, K]; the constant that is added, of
// any shape that broadcasts like [N], is the bias.

// CHECK-LABEL: func.func @matmul
// CHECK-DAG:     %[[W:.*]] = qgraph.constant dense<{{\[\[}}1.000000e+00, 3.000000e+00, 5.000000e+00], [2.000000e+00, 4.000000e+00, 6.000000e+00]]> : tensor<2x3xf32>
// CHECK-DAG:     %[[B:.*]] = qgraph.constant dense<[7.000000e+00, 8.000000e+00]> : tensor<2xf32>
// CHECK:         %[[Y:.*]] = qgraph.linear %arg0, %[[W]] bias %[[B]] {name = "fc"}
// CHECK-SAME:      (tensor<?x?x3xf32>, tensor<2x3xf32>, tensor<2xf32>) -> tensor<?x?x2xf32>
// CHECK-NEXT:    return %[[Y]]
func.func @matmul(%x: tensor<?x?x3xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %b = qgraph.constant dense<[[7.0, 8.0]]> : tensor<1x2xf32>
  %0 = onnx.node "MatMul"(%x, %w) {version = 13 : i64, name = "fc"} : (tensor<?x?x3xf32>, tensor<3x2xf32>) -> tensor<*xf32>
  %1 = onnx.node "Add"(%b, %0) {version = 14 : i64} : (tensor<1x2xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %1 : tensor<*xf32>
}

// -----

// Not a bias: the product is used elsewhere; the addend is computed; it is no
// vector along N.

// CHECK-LABEL: func.func @no_bias
// CHECK:         %[[Y:.*]] = qgraph.linear %{{.*}}, %{{.*}} :
// CHECK:         onnx.node "Add"(%[[Y]]
// CHECK:         onnx.node "Add"({{.*}}%arg1
// CHECK:         onnx.node "Add"
func.func @no_bias(%x: tensor<2x3xf32>, %r: tensor<2xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %w = qgraph.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %b = qgraph.constant dense<[7.0, 8.0]> : tensor<2xf32>
  %c = qgraph.constant dense<[[7.0], [8.0]]> : tensor<2x1xf32>
  %0 = onnx.node "MatMul"(%x, %w) {version = 13 : i64} : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<*xf32>
  %1 = onnx.node "Add"(%0, %b) {version = 14 : i64} : (tensor<*xf32>, tensor<2xf32>) -> tensor<*xf32>
  %2 = onnx.node "Add"(%1, %r) {version = 14 : i64} : (tensor<*xf32>, tensor<2xf32>) -> tensor<*xf32>
  %3 = onnx.node "Add"(%2, %c) {version = 14 : i64} : (tensor<*xf32>, tensor<2x1xf32>) -> tensor<*xf32>
  return %0, %3 : tensor<*xf32>, tensor<*xf32>
}

// -----

// A weight that the model transposes is taken as it is. A second use of one
// weight makes one new entry of the store.

// CHECK-LABEL: func.func @transposed
// CHECK:         %[[W:.*]] = qgraph.constant dense<{{\[\[}}1.0{{.*}}> : tensor<2x3xf32>
// CHECK-NOT:     Transpose
// CHECK:         qgraph.linear %arg0, %[[W]]
func.func @transposed(%x: tensor<?x3xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %t = onnx.node "Transpose"(%w) {version = 13 : i64, node_attributes = {perm = [1 : si64, 0 : si64]}} : (tensor<2x3xf32>) -> tensor<*xf32>
  %0 = onnx.node "MatMul"(%x, %t) {version = 13 : i64} : (tensor<?x3xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// A dequantized weight is transposed with its scales and blocks.

// CHECK-LABEL: func.func @dequantized
// CHECK:         %[[W:.*]] = qgraph.dequantize %{{.*}} scale %{{.*}} {block = array<i64: 1, 0>}
// CHECK-SAME:      (tensor<2x65xsi8>, tensor<2x1xf32>) -> tensor<2x65xf32>
// CHECK:         qgraph.linear %arg0, %[[W]]
func.func @dequantized(%x: tensor<?x65xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<3> : tensor<65x2xsi8>
  %s = qgraph.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %d = onnx.node "DequantizeLinear"(%w, %s) {version = 21 : i64, node_attributes = {axis = 1 : si64}} : (tensor<65x2xsi8>, tensor<2xf32>) -> tensor<*xf32>
  %0 = onnx.node "MatMul"(%x, %d) {version = 13 : i64} : (tensor<?x65xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @activations
// CHECK:         qgraph.matmul %arg0, %arg1 {transpose_rhs}
// CHECK-SAME:      (tensor<?x4x?x8xf32>, tensor<4x5x8xf32>) -> tensor<?x4x?x5xf32>
func.func @activations(%a: tensor<?x4x?x8xf32>, %b: tensor<4x5x8xf32>) -> tensor<*xf32> {
  %t = onnx.node "Transpose"(%b) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64]}} : (tensor<4x5x8xf32>) -> tensor<*xf32>
  %0 = onnx.node "MatMul"(%a, %t) {version = 13 : i64} : (tensor<?x4x?x8xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// A vector on the right is a matrix with one column.

// CHECK-LABEL: func.func @vector
// CHECK:         %[[B:.*]] = onnx.node "Reshape"(%arg1) {{.*}} -> tensor<8x1xf32>
// CHECK:         %[[Y:.*]] = qgraph.matmul %arg0, %[[B]]
// CHECK:         onnx.node "Reshape"(%[[Y]]) {{.*}} -> tensor<2x4xf32>
func.func @vector(%a: tensor<2x4x8xf32>, %b: tensor<8xf32>) -> tensor<*xf32> {
  %0 = onnx.node "MatMul"(%a, %b) {version = 13 : i64} : (tensor<2x4x8xf32>, tensor<8xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @gemm
// CHECK:         qgraph.linear %arg0, %{{.*}} bias %{{.*}} : (tensor<?x3xf32>, tensor<2x3xf32>, tensor<2xf32>)
func.func @gemm(%x: tensor<?x3xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %b = qgraph.constant dense<[7.0, 8.0]> : tensor<2xf32>
  %0 = onnx.node "Gemm"(%x, %w, %b) {version = 13 : i64, node_attributes = {transB = 1 : si64}}
    : (tensor<?x3xf32>, tensor<2x3xf32>, tensor<2xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @gemm_scaled
// CHECK:         %[[A:.*]] = onnx.node "Transpose"(%arg0)
// CHECK:         %[[Y:.*]] = qgraph.linear %[[A]]
// CHECK:         %[[S:.*]] = onnx.node "Mul"(%[[Y]]
// CHECK:         onnx.node "Add"(%[[S]]
func.func @gemm_scaled(%x: tensor<3x?xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %b = qgraph.constant dense<[7.0, 8.0]> : tensor<2xf32>
  %0 = onnx.node "Gemm"(%x, %w, %b) {version = 13 : i64, node_attributes = {alpha = 0.5 : f32, transA = 1 : si64, transB = 1 : si64}}
    : (tensor<3x?xf32>, tensor<2x3xf32>, tensor<2xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// Products of integers are no linear.

// CHECK-LABEL: func.func @integers
// CHECK:         onnx.node "MatMul"
func.func @integers(%x: tensor<?x2xsi32>) -> tensor<*xsi32> {
  %w = qgraph.constant dense<[[1, 2], [3, 4]]> : tensor<2x2xsi32>
  %0 = onnx.node "MatMul"(%x, %w) {version = 13 : i64} : (tensor<?x2xsi32>, tensor<2x2xsi32>) -> tensor<*xsi32>
  return %0 : tensor<*xsi32>
}

// -----

// CHECK-LABEL: func.func @embedding
// CHECK:         qgraph.embedding %{{.*}}, %arg0 : (tensor<4x2xf32>, tensor<?x?xsi64>) -> tensor<?x?x2xf32>
func.func @embedding(%i: tensor<?x?xsi64>) -> tensor<*xf32> {
  %t = qgraph.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]> : tensor<4x2xf32>
  %0 = onnx.node "Gather"(%t, %i) {version = 13 : i64} : (tensor<4x2xf32>, tensor<?x?xsi64>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}
