// RUN: quant-opt %s --split-input-file --convert-onnx-to-qgraph --canonicalize --verify-diagnostics | FileCheck %s

// Channels last between two transposes; the weight is rewritten once. The
// transposes between two convolutions are gone.

// CHECK-LABEL: @two
// CHECK-SAME: (%[[X:.*]]: tensor<1x2x4x4xf32>)
// CHECK-DAG: %[[W:.*]] = qgraph.constant dense<{{\[\[\[\[}}1.000000e+00, 3.000000e+00], [2.000000e+00, 4.000000e+00{{.*}}> : tensor<1x1x2x2xf32>
// CHECK-DAG: %[[V:.*]] = qgraph.constant dense<{{.*}}> : tensor<3x1xf32>
// CHECK-DAG: %[[B:.*]] = qgraph.constant dense<{{.*}}> : tensor<3xf32>
// CHECK: %[[T:.*]] = onnx.node "Transpose"(%[[X]]) {{.*}}perm = [0 : si64, 2 : si64, 3 : si64, 1 : si64]
// CHECK-NEXT: %[[C:.*]] = qgraph.conv %[[T]], %[[W]] {dilations = array<i64: 1, 1>, name = "first", pads = array<i64: 0, 1, 0, 0>, strides = array<i64: 2, 1>} : {{.*}} -> tensor<1x2x4x1xf32>
// CHECK-NEXT: %[[L:.*]] = qgraph.linear %[[C]], %[[V]] bias %[[B]] : {{.*}} -> tensor<1x2x4x3xf32>
// CHECK-NEXT: %[[R:.*]] = onnx.node "Transpose"(%[[L]]) {{.*}}perm = [0 : si64, 3 : si64, 1 : si64, 2 : si64]
// CHECK-NEXT: return %[[R]]
func.func @two(%x: tensor<1x2x4x4xf32>) -> tensor<1x3x2x4xf32> {
  %w = qgraph.constant dense<[[[[1.0, 2.0]], [[3.0, 4.0]]]]> : tensor<1x2x1x2xf32>
  %v = qgraph.constant dense<[[[[1.0]]], [[[2.0]]], [[[3.0]]]]> : tensor<3x1x1x1xf32>
  %b = qgraph.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %0 = onnx.node "Conv"(%x, %w) {name = "first", node_attributes = {strides = [2 : si64, 1 : si64], auto_pad = "SAME_LOWER"}, version = 22 : i64} : (tensor<1x2x4x4xf32>, tensor<1x2x1x2xf32>) -> tensor<*xf32>
  %1 = onnx.node "Conv"(%0, %v, %b) {version = 22 : i64} : (tensor<*xf32>, tensor<3x1x1x1xf32>, tensor<3xf32>) -> tensor<1x3x2x4xf32>
  return %1 : tensor<1x3x2x4xf32>
}

// -----

// Extents that are only known at run time; groups; a weight that is no constant.

// CHECK-LABEL: @dynamic
// CHECK: %[[W:.*]] = onnx.node "Transpose"(%arg1)
// CHECK: qgraph.conv %{{.*}}, %[[W]] dims(%{{.*}}, %{{.*}}) {dilations = array<i64: 2, 2>, groups = 2 : i64, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>} : (tensor<?x?x?x4xf32>, tensor<6x3x3x2xf32>, index, index) -> tensor<?x?x?x6xf32>
func.func @dynamic(%x: tensor<?x4x?x?xf32> {onnx.dims = ["n", "", "h", "w"]}, %w: tensor<6x2x3x3xf32>) -> tensor<?x6x?x?xf32> {
  %0 = onnx.node "Conv"(%x, %w) {node_attributes = {group = 2 : si64, dilations = [2 : si64, 2 : si64], pads = [1 : si64, 1 : si64, 1 : si64, 1 : si64]}, version = 22 : i64} : (tensor<?x4x?x?xf32>, tensor<6x2x3x3xf32>) -> tensor<?x6x?x?xf32>
  return %0 : tensor<?x6x?x?xf32>
}

// -----

// A batch normalization by constants: factor 2 / sqrt(3 + 1) = 1, shift 5 - 7 *
// 1; of the second channel 8 / 2 = 4 and 1 - 2 * 4. Bias 1 comes with the factor.

// CHECK-LABEL: @batchnorm
// CHECK-DAG: %[[W:.*]] = qgraph.constant dense<{{.*}}1.000000e+00{{.*}}8.000000e+00{{.*}}> : tensor<2x1xf32>
// CHECK-DAG: %[[B:.*]] = qgraph.constant dense<[-1.000000e+00, -3.000000e+00]> : tensor<2xf32>
// CHECK: qgraph.linear %{{.*}}, %[[W]] bias %[[B]]
// CHECK-NOT: BatchNormalization
func.func @batchnorm(%x: tensor<1x1x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = qgraph.constant dense<[[[[1.0]]], [[[2.0]]]]> : tensor<2x1x1x1xf32>
  %b = qgraph.constant dense<1.0> : tensor<2xf32>
  %s = qgraph.constant dense<[2.0, 8.0]> : tensor<2xf32>
  %o = qgraph.constant dense<[5.0, 1.0]> : tensor<2xf32>
  %m = qgraph.constant dense<[7.0, 2.0]> : tensor<2xf32>
  %v = qgraph.constant dense<[3.0, 3.0]> : tensor<2xf32>
  %0 = onnx.node "Conv"(%x, %w, %b) {version = 22 : i64} : (tensor<1x1x4x4xf32>, tensor<2x1x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  %1 = onnx.node "BatchNormalization"(%0, %s, %o, %m, %v) {node_attributes = {epsilon = 1.0 : f32}, version = 15 : i64} : (tensor<1x2x4x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  return %1 : tensor<1x2x4x4xf32>
}

// -----

// With nothing to go into, or where others read the value before it, it is a
// product and a sum.

// CHECK-LABEL: @no_layer
// CHECK: %[[M:.*]] = onnx.node "Mul"(%arg0, %{{.*}}) {{.*}} : (tensor<1x2x4xf32>, tensor<2x1xf32>)
// CHECK-NEXT: onnx.node "Add"(%[[M]], %{{.*}})
func.func @no_layer(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %s = qgraph.constant dense<[2.0, 8.0]> : tensor<2xf32>
  %v = qgraph.constant dense<[3.0, 3.0]> : tensor<2xf32>
  %0 = onnx.node "BatchNormalization"(%x, %s, %s, %s, %v) {version = 15 : i64} : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  return %0 : tensor<1x2x4xf32>
}

// -----

// Two phases a position: columns [w0, w2] and [w1, 0] of the three taps.

// CHECK-LABEL: @transposed
// CHECK-DAG: %[[W:.*]] = qgraph.constant dense<{{\[\[\[}}3.000000e+00], [1.000000e+00]], {{\[\[}}0.000000e+00], [2.000000e+00]]]> : tensor<2x2x1xf32>
// CHECK: %[[C:.*]] = qgraph.conv %{{.*}}, %[[W]] {dilations = array<i64: 1>, pads = array<i64: 1, 1>, strides = array<i64: 1>} : {{.*}} -> tensor<1x5x2xf32>
// CHECK-NEXT: %[[R:.*]] = onnx.node "Reshape"(%[[C]]) {{.*}} -> tensor<1x10x1xf32>
// CHECK-NEXT: onnx.node "Slice"(%[[R]]) {{.*}}starts = [0 : si64]{{.*}} -> tensor<1x9x1xf32>
func.func @transposed(%x: tensor<1x1x4xf32>) -> tensor<1x1x9xf32> {
  %w = qgraph.constant dense<[[[1.0, 2.0, 3.0]]]> : tensor<1x1x3xf32>
  %0 = onnx.node "ConvTranspose"(%x, %w) {node_attributes = {strides = [2 : si64]}, version = 22 : i64} : (tensor<1x1x4xf32>, tensor<1x1x3xf32>) -> tensor<1x1x9xf32>
  return %0 : tensor<1x1x9xf32>
}

// -----

// The integer bias comes with both scales.

// CHECK-LABEL: @qlinear
// CHECK-DAG: %[[B:.*]] = qgraph.constant dense<[1.000000e+00, -2.000000e+00]> : tensor<2xf32>
// CHECK-DAG: %[[SX:.*]] = qgraph.constant dense<5.000000e-01> : tensor<1x1x1x1xf32>
// CHECK-DAG: %[[SW:.*]] = qgraph.constant dense<{{.*}}2.500000e-01{{.*}}5.000000e-01{{.*}}> : tensor<2x1x1x1xf32>
// CHECK-DAG: %[[Z:.*]] = qgraph.constant dense<3> : tensor<1x1x1x1xui8>
// CHECK: %[[C:.*]] = qgraph.quantized_conv %{{.*}} scale %[[SX]] zero_point %[[Z]], %{{.*}} scale %[[SW]] bias %[[B]] {{.*}}input_block = array<i64: 0, 0, 0, 0>{{.*}}weight_block = array<i64: 1, 0, 0, 0>
// CHECK: qgraph.quantize %[[C]] scale %[[SX]] zero_point %[[Z]]
func.func @qlinear(%x: tensor<1x1x4x4xui8>) -> tensor<1x2x3x3xui8> {
  %s = qgraph.constant dense<0.5> : tensor<f32>
  %z = qgraph.constant dense<3> : tensor<ui8>
  %w = qgraph.constant dense<1> : tensor<2x1x2x2xsi8>
  %t = qgraph.constant dense<[0.25, 0.5]> : tensor<2xf32>
  %u = qgraph.constant dense<0> : tensor<2xsi8>
  %b = qgraph.constant dense<[8, -8]> : tensor<2xsi32>
  %0 = onnx.node "QLinearConv"(%x, %s, %z, %w, %t, %u, %s, %z, %b) {version = 10 : i64} : (tensor<1x1x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x1x2x2xsi8>, tensor<2xf32>, tensor<2xsi8>, tensor<f32>, tensor<ui8>, tensor<2xsi32>) -> tensor<1x2x3x3xui8>
  return %0 : tensor<1x2x3x3xui8>
}

// -----

// Sums of integers that are only wanted as f32; those that are wanted stay with
// their node.

// CHECK-LABEL: @integer
// CHECK-SAME: (%[[X:.*]]: tensor<1x1x4x4xui8>, %[[Z:.*]]: tensor<ui8>)
// CHECK-DAG: %[[ONE:.*]] = qgraph.constant dense<1.000000e+00> : tensor<1x1x1x1xf32>
// CHECK-DAG: %[[ZERO:.*]] = onnx.node "Reshape"(%[[Z]]) {{.*}} -> tensor<1x1x1x1xui8>
// CHECK: %[[C:.*]] = qgraph.quantized_conv %{{.*}} scale %[[ONE]] zero_point %[[ZERO]], %{{.*}} scale %[[ONE]] {{.*}} -> tensor<1x3x3x2xf32>
// CHECK: %[[F:.*]] = onnx.node "Transpose"(%[[C]])
// CHECK: %[[N:.*]] = onnx.node "ConvInteger"(%[[X]]
// CHECK: return %[[F]], %[[N]]
func.func @integer(%x: tensor<1x1x4x4xui8>, %z: tensor<ui8>) -> (tensor<1x2x3x3xf32>, tensor<1x2x3x3xsi32>) {
  %w = qgraph.constant dense<1> : tensor<2x1x2x2xsi8>
  %0 = onnx.node "ConvInteger"(%x, %w, %z) {version = 10 : i64} : (tensor<1x1x4x4xui8>, tensor<2x1x2x2xsi8>, tensor<ui8>) -> tensor<1x2x3x3xsi32>
  %1 = onnx.node "Cast"(%0) {node_attributes = {to = 1 : si64}, version = 19 : i64} : (tensor<1x2x3x3xsi32>) -> tensor<1x2x3x3xf32>
  // expected-remark @+1 {{'' (ConvInteger) is left to plain loops: its sums are read as integers}}
  %2 = onnx.node "ConvInteger"(%x, %w, %z) {version = 10 : i64} : (tensor<1x1x4x4xui8>, tensor<2x1x2x2xsi8>, tensor<ui8>) -> tensor<1x2x3x3xsi32>
  return %1, %2 : tensor<1x2x3x3xf32>, tensor<1x2x3x3xsi32>
}
