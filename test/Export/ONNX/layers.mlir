// RUN: quant-translate --export-onnx %s -o %t.onnx
// RUN: quant-translate --import-onnx %t.onnx | FileCheck %s

// Names of inputs, outputs, dimensions and layers are kept. The opset is the
// least that has all operators: 23 for RMSNormalization and Attention.

// CHECK: onnx.opset = {ai.onnx = 23 : i64}, onnx.producer = "quantc"
// CHECK: @main(%[[X:.*]]: tensor<?x3xf32> {onnx.dims = ["N", ""], onnx.name = "x"}, %[[Z:.*]]: tensor<?x5x4x3xf32>
// CHECK-SAME: -> (tensor<?x2xf32> {onnx.dims = ["N", ""], onnx.name = "y"},
// CHECK-SAME: onnx.graph = "layers"
func.func @main(
    %x: tensor<?x3xf32> {onnx.name = "x", onnx.dims = ["N", ""]},
    %z: tensor<?x5x4x3xf32> {onnx.name = "z", onnx.dims = ["N", "", "", ""]},
    %i: tensor<?xsi64> {onnx.name = "i", onnx.dims = ["M"]}, %m: tensor<?x1x1x?xf32>)
    -> (tensor<?x2xf32> {onnx.name = "y", onnx.dims = ["N", ""]}, tensor<?x5x4x2xf32>, tensor<?x3xf32>,
        tensor<?x3xf32>, tensor<?x5x4x3xf32>, tensor<?x5x4x4xf32>, tensor<?x5x4x3xf32>,
        tensor<?x3x2x5xf32>) attributes {onnx.graph = "layers"} {
  %w = qgraph.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %b = qgraph.constant dense<[0.5, -0.5]> : tensor<2xf32>
  %v = qgraph.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %t = qgraph.constant dense<7.0> : tensor<9x3xf32>

  // The weight as it is, beside a matrix.
  // CHECK-DAG: %[[W:.*]] = qgraph.constant dense<{{\[\[}}1.000000e+00, 2.000000e+00, 3.000000e+00], [4
  // CHECK-DAG: %[[WT:.*]] = qgraph.constant dense<{{\[\[}}1.000000e+00, 4.000000e+00], [2.0
  // CHECK-DAG: %[[ONES:.*]] = qgraph.constant dense<1.000000e+00> : tensor<3xf32>
  // CHECK: onnx.node "Gemm"(%[[X]], %[[W]], %{{.*}}) {name = "fc1", node_attributes = {transB = 1 : si64}
  %0 = qgraph.linear %x, %w bias %b {name = "fc1"} : (tensor<?x3xf32>, tensor<2x3xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  // CHECK: %[[MM:.*]] = onnx.node "MatMul"(%[[Z]], %[[WT]]) {name = "fc2"
  // CHECK: %[[SUM:.*]] = onnx.node "Add"(%[[MM]],
  // CHECK: %[[RELU:.*]] = onnx.node "Relu"(%[[SUM]])
  %1 = qgraph.linear %z, %w bias %b {name = "fc2", epilogue = [#qgraph.step<"Relu">]}
       : (tensor<?x5x4x3xf32>, tensor<2x3xf32>, tensor<2xf32>) -> tensor<?x5x4x2xf32>
  // CHECK: onnx.node "Gather"(%{{.*}}, %{{.*}}) {{[{].*}}node_attributes = {axis = 0 : si64}
  %2 = qgraph.embedding %t, %i : (tensor<9x3xf32>, tensor<?xsi64>) -> tensor<?x3xf32>
  // CHECK: onnx.node "LayerNormalization"(%[[X]], %[[ONES]]) {{[{].*}}node_attributes = {axis = -1 : si64, epsilon = 9.99999974E-6 : f32}, version = 17
  %3 = qgraph.norm layer %x {epsilon = 1.0e-5 : f32} : (tensor<?x3xf32>) -> tensor<?x3xf32>
  // CHECK: %[[RMS:.*]] = onnx.node "RMSNormalization"(%[[Z]], %[[V:.*]]) {name = "n"
  // CHECK: onnx.node "Add"(%[[RMS]], %[[V]])
  %4 = qgraph.norm rms %z weight %v bias %v {epsilon = 1.0e-5 : f32, name = "n"}
       : (tensor<?x5x4x3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<?x5x4x3xf32>
  // CHECK: %[[T:.*]] = onnx.node "Transpose"(%[[Z]]) {{[{].*}}node_attributes = {perm = [0 : si64, 1 : si64, 3 : si64, 2 : si64]}
  // CHECK: onnx.node "MatMul"(%[[Z]], %[[T]])
  %5 = qgraph.matmul %z, %z {transpose_rhs} : (tensor<?x5x4x3xf32>, tensor<?x5x4x3xf32>) -> tensor<?x5x4x4xf32>
  // Heads come second in ONNX; a mask is expanded to queries and keys.
  // CHECK-COUNT-3: onnx.node "Transpose"(%[[Z]]) {{[{].*}}node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}
  // CHECK: %[[MASK:.*]] = onnx.node "Expand"
  // CHECK: %[[A:.*]] = onnx.node "Attention"(%{{.*}}, %{{.*}}, %{{.*}}, %[[MASK]]) {name = "att", node_attributes = {is_causal = 1 : si64, scale = 5.000000e-01 : f32}
  // CHECK: onnx.node "Transpose"(%[[A]])
  %6 = qgraph.attention %z, %z, %z mask %m {scale = 0.5 : f32, causal, name = "att"}
       : (tensor<?x5x4x3xf32>, tensor<?x5x4x3xf32>, tensor<?x5x4x3xf32>, tensor<?x1x1x?xf32>) -> tensor<?x5x4x3xf32>
  // Channels come second, with weights [columns, channels, taps].
  // CHECK: %[[N:.*]] = onnx.node "Transpose"(%[[Z]]) {{[{].*}}node_attributes = {perm = [0 : si64, 3 : si64, 1 : si64, 2 : si64]}
  // CHECK: %[[C:.*]] = onnx.node "Conv"(%[[N]], %{{.*}}) {name = "c", node_attributes = {dilations = [1 : si64, 1 : si64], group = 1 : si64, pads = [0 : si64, 0 : si64, 0 : si64, 0 : si64], strides = [2 : si64, 2 : si64]}
  // CHECK-SAME: tensor<5x3x1x2xf32>
  // CHECK: onnx.node "Transpose"(%[[C]]) {{[{].*}}node_attributes = {perm = [0 : si64, 2 : si64, 3 : si64, 1 : si64]}
  %k = qgraph.constant dense<1.0> : tensor<5x1x2x3xf32>
  %7 = qgraph.conv %z, %k {name = "c", strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
       : (tensor<?x5x4x3xf32>, tensor<5x1x2x3xf32>) -> tensor<?x3x2x5xf32>
  return %0, %1, %2, %3, %4, %5, %6, %7 : tensor<?x2xf32>, tensor<?x5x4x2xf32>, tensor<?x3xf32>, tensor<?x3xf32>,
    tensor<?x5x4x3xf32>, tensor<?x5x4x4xf32>, tensor<?x5x4x3xf32>, tensor<?x3x2x5xf32>
}
