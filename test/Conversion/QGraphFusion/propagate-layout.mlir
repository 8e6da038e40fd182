// RUN: quant-opt %s --split-input-file --qgraph-propagate-layout | FileCheck %s

// A residual block: no transposes between its convolutions. The factor of the
// channels changes its shape.

// CHECK-LABEL: @residual
// CHECK-SAME: (%[[X:.*]]: tensor<1x8x8x4xf32>, %[[W:.*]]: tensor<4x3x3x4xf32>)
// CHECK: %[[A:.*]] = qgraph.conv %[[X]], %[[W]]
// CHECK-NOT: Transpose
// CHECK: %[[F:.*]] = qgraph.constant dense<{{.*}}1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00{{.*}}> : tensor<1x1x1x4xf32>
// CHECK-NEXT: %[[M:.*]] = onnx.node "Mul"(%[[A]], %[[F]])
// CHECK: %[[R:.*]] = onnx.node "Relu"(%[[M]])
// CHECK-NOT: Transpose
// CHECK: %[[B:.*]] = qgraph.conv %[[R]], %[[W]]
// CHECK: %[[S:.*]] = onnx.node "Add"(%[[B]], %[[R]])
// CHECK-NOT: Transpose
// CHECK: qgraph.conv %[[S]], %[[W]]
// CHECK: return
func.func @residual(%x: tensor<1x8x8x4xf32>, %w: tensor<4x3x3x4xf32>) -> tensor<1x8x8x4xf32> {
  %f = qgraph.constant dense<[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]> : tensor<4x1x1xf32>
  %0 = qgraph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x4xf32>, tensor<4x3x3x4xf32>) -> tensor<1x8x8x4xf32>
  %1 = onnx.node "Transpose"(%0) {node_attributes = {perm = [0 : si64, 3 : si64, 1 : si64, 2 : si64]}, version = 25 : i64} : (tensor<1x8x8x4xf32>) -> tensor<1x4x8x8xf32>
  %2 = onnx.node "Mul"(%1, %f) {version = 14 : i64} : (tensor<1x4x8x8xf32>, tensor<4x1x1xf32>) -> tensor<1x4x8x8xf32>
  %3 = onnx.node "Relu"(%2) {version = 14 : i64} : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %4 = onnx.node "Transpose"(%3) {node_attributes = {perm = [0 : si64, 2 : si64, 3 : si64, 1 : si64]}, version = 25 : i64} : (tensor<1x4x8x8xf32>) -> tensor<1x8x8x4xf32>
  %5 = qgraph.conv %4, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x4xf32>, tensor<4x3x3x4xf32>) -> tensor<1x8x8x4xf32>
  %6 = onnx.node "Transpose"(%5) {node_attributes = {perm = [0 : si64, 3 : si64, 1 : si64, 2 : si64]}, version = 25 : i64} : (tensor<1x8x8x4xf32>) -> tensor<1x4x8x8xf32>
  %7 = onnx.node "Add"(%6, %3) {version = 14 : i64} : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %8 = onnx.node "Transpose"(%7) {node_attributes = {perm = [0 : si64, 2 : si64, 3 : si64, 1 : si64]}, version = 25 : i64} : (tensor<1x4x8x8xf32>) -> tensor<1x8x8x4xf32>
  %9 = qgraph.conv %8, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x4xf32>, tensor<4x3x3x4xf32>) -> tensor<1x8x8x4xf32>
  return %9 : tensor<1x8x8x4xf32>
}

// -----

// Attributes that name axes follow; what cannot be done before the transpose
// keeps it, and has it once.

// CHECK-LABEL: @axes
// CHECK-NOT: Transpose
// CHECK: onnx.node "MaxPool"(%arg0) {{.*}}channels_last = 1 : si64{{.*}} -> tensor<2x4x4x16xf32>
// CHECK: onnx.node "Concat"{{.*}}axis = 3 : si64{{.*}} -> tensor<2x4x4x32xf32>
// CHECK: onnx.node "Slice"{{.*}}axes = [1 : si64, 3 : si64]{{.*}} -> tensor<2x2x4x8xf32>
// CHECK: onnx.node "Pad"{{.*}}pads = [0 : si64, 2 : si64, 3 : si64, 1 : si64, 0 : si64, 0 : si64, 0 : si64, 1 : si64]{{.*}} -> tensor<2x4x7x10xf32>
// CHECK: onnx.node "Resize"{{.*}}axes = [0 : si64, 3 : si64, 1 : si64, 2 : si64]{{.*}} -> tensor<2x8x14x10xf32>
// CHECK: qgraph.quantize {{.*}} scale %{{.*}} {block = array<i64: 0, 0, 0, 1>} : (tensor<2x8x14x10xf32>, tensor<1x1x1x10xf32>)
// CHECK: qgraph.dequantize {{.*}} {block = array<i64: 0, 0, 0, 1>}
// CHECK: onnx.node "Softmax"{{.*}}axis = 3 : si64
// CHECK-NEXT: %[[T:.*]] = onnx.node "Transpose"{{.*}}perm = [0 : si64, 3 : si64, 1 : si64, 2 : si64]
// CHECK-NEXT: onnx.node "ReduceMean"{{.*}}axes = [1 : si64, 2 : si64]{{.*}} -> tensor<2x10xf32>
// CHECK-NEXT: onnx.node "CumSum"(%[[T]],
// CHECK-NOT: Transpose
func.func @axes(%x: tensor<2x8x8x16xf32>, %s: tensor<1x10x1x1xf32>) -> (tensor<2x10xf32>, tensor<2x10x8x14xf32>) {
  %k = qgraph.constant dense<1> : tensor<si64>
  %f = qgraph.constant dense<[1.0, 1.0, 2.0, 2.0]> : tensor<4xf32>
  %n = onnx.none
  %0 = onnx.node "Transpose"(%x) {node_attributes = {perm = [0 : si64, 3 : si64, 1 : si64, 2 : si64]}, version = 25 : i64} : (tensor<2x8x8x16xf32>) -> tensor<2x16x8x8xf32>
  %1 = onnx.node "MaxPool"(%0) {node_attributes = {kernel_shape = [2 : si64, 2 : si64], strides = [2 : si64, 2 : si64]}, version = 22 : i64} : (tensor<2x16x8x8xf32>) -> tensor<2x16x4x4xf32>
  %2 = onnx.node "Concat"(%1, %1) {node_attributes = {axis = 1 : si64}, version = 13 : i64} : (tensor<2x16x4x4xf32>, tensor<2x16x4x4xf32>) -> tensor<2x32x4x4xf32>
  %3 = onnx.node "Slice"(%2) {node_attributes = {axes = [2 : si64, 1 : si64], starts = [0 : si64, 0 : si64], steps = [2 : si64, 4 : si64]}, version = 13 : i64} : (tensor<2x32x4x4xf32>) -> tensor<2x8x2x4xf32>
  %4 = onnx.node "Pad"(%3) {node_attributes = {pads = [0 : si64, 1 : si64, 2 : si64, 3 : si64, 0 : si64, 1 : si64, 0 : si64, 0 : si64], mode = "constant"}, version = 25 : i64} : (tensor<2x8x2x4xf32>) -> tensor<2x10x4x7xf32>
  %5 = onnx.node "Resize"(%4, %n, %f) {node_attributes = {mode = "nearest"}, version = 19 : i64} : (tensor<2x10x4x7xf32>, none, tensor<4xf32>) -> tensor<2x10x8x14xf32>
  %6 = qgraph.quantize %5 scale %s {block = array<i64: 0, 1, 0, 0>} : (tensor<2x10x8x14xf32>, tensor<1x10x1x1xf32>) -> tensor<2x10x8x14xsi8>
  %7 = qgraph.dequantize %6 scale %s {block = array<i64: 0, 1, 0, 0>} : (tensor<2x10x8x14xsi8>, tensor<1x10x1x1xf32>) -> tensor<2x10x8x14xf32>
  %8 = onnx.node "Softmax"(%7) {node_attributes = {axis = 1 : si64}, version = 13 : i64} : (tensor<2x10x8x14xf32>) -> tensor<2x10x8x14xf32>
  %9 = onnx.node "ReduceMean"(%8) {node_attributes = {axes = [2 : si64, 3 : si64], keepdims = 0 : si64}, version = 18 : i64} : (tensor<2x10x8x14xf32>) -> tensor<2x10xf32>
  %10 = onnx.node "CumSum"(%8, %k) {node_attributes = {axis = 1 : si64}, version = 14 : i64} : (tensor<2x10x8x14xf32>, tensor<si64>) -> tensor<2x10x8x14xf32>
  return %9, %10 : tensor<2x10xf32>, tensor<2x10x8x14xf32>
}

// -----

// An image as rows of channels, as vision transformers have it: nothing moves.

// CHECK-LABEL: @patches
// CHECK-SAME: (%[[X:.*]]: tensor<?x7x7x32xf32>
// CHECK: %[[R:.*]] = onnx.node "Reshape"(%[[X]]) {{.*}} -> tensor<?x49x32xf32>
// CHECK-NEXT: return %[[R]]
func.func @patches(%x: tensor<?x7x7x32xf32>) -> tensor<?x49x32xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x7x7x32xf32>
  %0 = onnx.node "Transpose"(%x) dims(%n) {node_attributes = {perm = [0 : si64, 3 : si64, 1 : si64, 2 : si64]}, version = 25 : i64} : (tensor<?x7x7x32xf32>) -> tensor<?x32x7x7xf32>
  %1 = onnx.node "Reshape"(%0) dims(%n) {version = 25 : i64} : (tensor<?x32x7x7xf32>) -> tensor<?x32x49xf32>
  %2 = onnx.node "Transpose"(%1) dims(%n) {node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64]}, version = 25 : i64} : (tensor<?x32x49xf32>) -> tensor<?x49x32xf32>
  return %2 : tensor<?x49x32xf32>
}

// -----

// A shuffle of channels is done once, on channels that are last.

// CHECK-LABEL: @shuffle
// CHECK: onnx.node "Reshape"(%arg0) {{.*}} -> tensor<1x4x4x3x2xf32>
// CHECK-NEXT: onnx.node "Transpose"{{.*}} -> tensor<1x4x4x2x3xf32>
// CHECK-NEXT: onnx.node "Reshape"{{.*}} -> tensor<1x4x4x6xf32>
// CHECK-NEXT: return
func.func @shuffle(%x: tensor<1x4x4x6xf32>) -> tensor<1x4x4x6xf32> {
  %0 = onnx.node "Transpose"(%x) {node_attributes = {perm = [0 : si64, 3 : si64, 1 : si64, 2 : si64]}, version = 25 : i64} : (tensor<1x4x4x6xf32>) -> tensor<1x6x4x4xf32>
  %1 = onnx.node "Reshape"(%0) {version = 25 : i64} : (tensor<1x6x4x4xf32>) -> tensor<1x3x2x4x4xf32>
  %2 = onnx.node "Transpose"(%1) {node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64, 4 : si64]}, version = 25 : i64} : (tensor<1x3x2x4x4xf32>) -> tensor<1x2x3x4x4xf32>
  %3 = onnx.node "Reshape"(%2) {version = 25 : i64} : (tensor<1x2x3x4x4xf32>) -> tensor<1x6x4x4xf32>
  %4 = onnx.node "Transpose"(%3) {node_attributes = {perm = [0 : si64, 2 : si64, 3 : si64, 1 : si64]}, version = 25 : i64} : (tensor<1x6x4x4xf32>) -> tensor<1x4x4x6xf32>
  return %4 : tensor<1x4x4x6xf32>
}

// -----

// Of transposes that are no layout of images nothing is moved, and neither
// where another operand would have to be transposed at run time.

// CHECK-LABEL: @stays
// CHECK: onnx.node "Transpose"(%arg0)
// CHECK-NEXT: onnx.node "Relu"
// CHECK-NEXT: onnx.node "Transpose"(%arg1)
// CHECK-NEXT: onnx.node "Add"
func.func @stays(%x: tensor<2x4x6x8xf32>, %y: tensor<2x4x6x8xf32>, %z: tensor<2x8x4x6xf32>) -> (tensor<2x6x4x8xf32>, tensor<2x8x4x6xf32>) {
  %0 = onnx.node "Transpose"(%x) {node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}, version = 25 : i64} : (tensor<2x4x6x8xf32>) -> tensor<2x6x4x8xf32>
  %1 = onnx.node "Relu"(%0) {version = 14 : i64} : (tensor<2x6x4x8xf32>) -> tensor<2x6x4x8xf32>
  %2 = onnx.node "Transpose"(%y) {node_attributes = {perm = [0 : si64, 3 : si64, 1 : si64, 2 : si64]}, version = 25 : i64} : (tensor<2x4x6x8xf32>) -> tensor<2x8x4x6xf32>
  %3 = onnx.node "Add"(%2, %z) {version = 14 : i64} : (tensor<2x8x4x6xf32>, tensor<2x8x4x6xf32>) -> tensor<2x8x4x6xf32>
  return %1, %3 : tensor<2x6x4x8xf32>, tensor<2x8x4x6xf32>
}

// -----

// A scale for all values is that of the values before the transpose.

// CHECK-LABEL: @params
// CHECK-NEXT: %[[S:.*]], %[[Z:.*]] = qgraph.choose_params asymmetric %arg0
// CHECK-NEXT: %[[Q:.*]] = qgraph.quantize %arg0 scale %[[S]] zero_point %[[Z]]
// CHECK-NEXT: return %[[Q]]
func.func @params(%x: tensor<1x4x4x6xf32>) -> tensor<1x4x4x6xui8> {
  %0 = onnx.node "Transpose"(%x) {node_attributes = {perm = [0 : si64, 3 : si64, 1 : si64, 2 : si64]}, version = 25 : i64} : (tensor<1x4x4x6xf32>) -> tensor<1x6x4x4xf32>
  %1, %2 = qgraph.choose_params asymmetric %0 {block = array<i64: 0, 0, 0, 0>, stored = ui8} : tensor<1x6x4x4xf32> -> tensor<1x1x1x1xf32>, tensor<1x1x1x1xui8>
  %3 = qgraph.quantize %0 scale %1 zero_point %2 {block = array<i64: 0, 0, 0, 0>} : (tensor<1x6x4x4xf32>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xui8>) -> tensor<1x6x4x4xui8>
  %4 = onnx.node "Transpose"(%3) {node_attributes = {perm = [0 : si64, 2 : si64, 3 : si64, 1 : si64]}, version = 25 : i64} : (tensor<1x6x4x4xui8>) -> tensor<1x4x4x6xui8>
  return %4 : tensor<1x4x4x6xui8>
}
