// RUN: quant-opt %s --split-input-file --qgraph-fuse-epilogue | FileCheck %s

// The order of the operations stays: Gelu, then the residual, then the factor.

// CHECK-LABEL: @chain
// CHECK-SAME: (%[[X:.*]]: tensor<4x64xf32>, %[[W:.*]]: tensor<8x64xf32>, %[[R:.*]]: tensor<4x8xf32>, %[[F:.*]]: tensor<8xf32>)
// CHECK-NEXT: %[[Y:.*]] = qgraph.linear %[[X]], %[[W]] epilogue(%[[R]], %[[F]])
// CHECK-SAME: epilogue = [#qgraph.step<"Gelu", attributes = {approximate = "tanh"}>, #qgraph.step<"Add", operand = 0>, #qgraph.step<"Mul", operand = 1>]
// CHECK-NEXT: return %[[Y]]
func.func @chain(%x: tensor<4x64xf32>, %w: tensor<8x64xf32>, %r: tensor<4x8xf32>, %f: tensor<8xf32>) -> tensor<4x8xf32> {
  %0 = qgraph.linear %x, %w : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32>
  %1 = onnx.node "Gelu"(%0) {node_attributes = {approximate = "tanh"}, version = 20 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %2 = onnx.node "Add"(%r, %1) {version = 14 : i64} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %3 = onnx.node "Mul"(%2, %f) {version = 14 : i64} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// -----

// The residual is computed after the layer: the layer moves behind it.

// CHECK-LABEL: @later_residual
// CHECK: %[[R:.*]] = onnx.node "Tanh"
// CHECK-NEXT: qgraph.quantized_linear {{.*}} epilogue(%[[R]]) {epilogue = [#qgraph.step<"Add", operand = 0>]
func.func @later_residual(%x: tensor<4x64xsi8>, %s: tensor<4x1xf32>, %w: tensor<8x64xsi8>, %t: tensor<8x1xf32>, %z: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = qgraph.quantized_linear %x scale %s, %w scale %t {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>} : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<8x64xsi8>, tensor<8x1xf32>) -> tensor<4x8xf32>
  %r = onnx.node "Tanh"(%z) {version = 13 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = onnx.node "Add"(%0, %r) {version = 14 : i64} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// -----

// Dynamic dimensions that are the same in every run, through other layers.

// CHECK-LABEL: @dynamic
// CHECK: %[[R:.*]] = qgraph.norm
// CHECK-NEXT: qgraph.linear {{.*}} epilogue(%[[R]]) {epilogue = [#qgraph.step<"Add", operand = 0>]}
// CHECK-NOT: onnx.node
func.func @dynamic(%x: tensor<?x?x8xf32>, %w: tensor<8x8xf32>) -> tensor<?x?x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %a = tensor.dim %x, %c0 : tensor<?x?x8xf32>
  %b = tensor.dim %x, %c1 : tensor<?x?x8xf32>
  %r = qgraph.norm layer %x {epsilon = 1.0e-5 : f32} : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %0 = qgraph.linear %r, %w : (tensor<?x?x8xf32>, tensor<8x8xf32>) -> tensor<?x?x8xf32>
  %1 = onnx.node "Add"(%0, %r) dims(%a, %b) {version = 14 : i64} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %1 : tensor<?x?x8xf32>
}

// -----

// Arguments whose dimensions have the same name.

// CHECK-LABEL: @named
// CHECK: qgraph.linear {{.*}} epilogue(%arg1)
func.func @named(%x: tensor<?x8xf32> {onnx.dims = ["seq", ""]}, %r: tensor<?x8xf32> {onnx.dims = ["seq", ""]}, %w: tensor<8x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %a = tensor.dim %r, %c0 : tensor<?x8xf32>
  %0 = qgraph.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %1 = onnx.node "Add"(%0, %r) dims(%a) {version = 14 : i64} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// -----

// Must not fire. A residual of which nobody knows that it is as long (it could be 1);
// CHECK-LABEL: @unknown
// CHECK: onnx.node "Add"
func.func @unknown(%x: tensor<?x8xf32>, %r: tensor<?x8xf32>, %w: tensor<8x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %a = tensor.dim %x, %c0 : tensor<?x8xf32>
  %0 = qgraph.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %1 = onnx.node "Add"(%0, %r) dims(%a) {version = 14 : i64} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// -----

// a layer that is broadcast itself, that has two readers, or that is subtracted.
// CHECK-LABEL: @others
// CHECK: onnx.node "Add"
// CHECK: onnx.node "Sub"
// CHECK: onnx.node "Relu"
func.func @others(%x: tensor<1x8xf32>, %r: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> (tensor<4x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>) {
  %0 = qgraph.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
  %1 = onnx.node "Add"(%0, %r) {version = 14 : i64} : (tensor<1x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %2 = qgraph.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
  %3 = onnx.node "Sub"(%x, %2) {version = 14 : i64} : (tensor<1x8xf32>, tensor<1x8xf32>) -> tensor<1x8xf32>
  %4 = qgraph.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
  %5 = onnx.node "Relu"(%4) {version = 14 : i64} : (tensor<1x8xf32>) -> tensor<1x8xf32>
  return %1, %3, %4, %5 : tensor<4x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>
}

// -----

// A scale of rows is stretched behind the rows.
// CHECK-LABEL: @row_scale
// CHECK: onnx.node "Mul"
func.func @row_scale(%x: tensor<4x8xf32>, %r: tensor<4x1xf32>, %w: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %0 = qgraph.linear %x, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %1 = onnx.node "Mul"(%0, %r) {version = 14 : i64} : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// -----

// Positions that are the same for the whole batch are neither a residual nor one row.
// CHECK-LABEL: @positions
// CHECK: onnx.node "Add"
func.func @positions(%x: tensor<2x4x8xf32>, %r: tensor<1x4x8xf32>, %w: tensor<8x8xf32>) -> tensor<2x4x8xf32> {
  %0 = qgraph.linear %x, %w : (tensor<2x4x8xf32>, tensor<8x8xf32>) -> tensor<2x4x8xf32>
  %1 = onnx.node "Add"(%0, %r) {version = 14 : i64} : (tensor<2x4x8xf32>, tensor<1x4x8xf32>) -> tensor<2x4x8xf32>
  return %1 : tensor<2x4x8xf32>
}
