// LayerNormalization and its kin, as operators and decomposed.

// RUN: quant-opt %s --convert-onnx-to-qgraph --canonicalize --cse --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @layer
// CHECK:         %[[Y:.*]] = qgraph.norm layer %arg0 weight %{{.*}} bias %{{.*}} {epsilon = 9.99999996E-13 : f32, name = "ln"}
// CHECK-NEXT:    return %[[Y]]
func.func @layer(%x: tensor<?x?x2xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = qgraph.constant dense<[3.0, 4.0]> : tensor<2xf32>
  %0 = onnx.node "LayerNormalization"(%x, %w, %b) {version = 17 : i64, name = "ln", node_attributes = {epsilon = 1.0e-12 : f32}}
    : (tensor<?x?x2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// Over several dimensions: as one.

// CHECK-LABEL: func.func @wide
// CHECK:         %[[X:.*]] = onnx.node "Reshape"(%arg0) {{.*}} -> tensor<?x6xf32>
// CHECK:         %[[Y:.*]] = qgraph.norm layer %[[X]] weight %{{.*}} {epsilon
// CHECK:         onnx.node "Reshape"(%[[Y]]) {{.*}} -> tensor<?x2x3xf32>
func.func @wide(%x: tensor<?x2x3xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<1.0> : tensor<2x3xf32>
  %0 = onnx.node "LayerNormalization"(%x, %w) {version = 17 : i64, node_attributes = {axis = 1 : si64}}
    : (tensor<?x2x3xf32>, tensor<2x3xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @rms
// CHECK:         qgraph.norm rms %arg0 weight %{{.*}} {epsilon = 9.99999974E-6 : f32}
func.func @rms(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %0 = onnx.node "RMSNormalization"(%x, %w) {version = 23 : i64} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @skip
// CHECK:         %[[S:.*]] = onnx.node "Add"(%arg0, %arg1)
// CHECK:         %[[Y:.*]] = qgraph.norm layer %[[S]] weight
// CHECK:         return %[[Y]], %[[S]]
func.func @skip(%x: tensor<2x3x2xf32>, %r: tensor<2x3x2xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %w = qgraph.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %0:4 = onnx.node "SkipLayerNormalization"(%x, %r, %w) {domain = "com.microsoft", version = 1 : i64}
    : (tensor<2x3x2xf32>, tensor<2x3x2xf32>, tensor<2xf32>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>, tensor<*xf32>)
  return %0#0, %0#3 : tensor<*xf32>, tensor<*xf32>
}

// -----

// As TorchScript writes it.

// CHECK-LABEL: func.func @decomposed
// CHECK-NOT:     onnx.node
// CHECK:         %[[Y:.*]] = qgraph.norm layer %arg0 weight %{{.*}} bias %{{.*}} {epsilon = 9.99999996E-13 : f32}
// CHECK-NEXT:    return %[[Y]]
func.func @decomposed(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = qgraph.constant dense<[3.0, 4.0]> : tensor<2xf32>
  %two = qgraph.constant dense<2.0> : tensor<f32>
  %eps = qgraph.constant dense<1.0e-12> : tensor<f32>
  %m = onnx.node "ReduceMean"(%x) {version = 13 : i64, node_attributes = {axes = [-1 : si64]}} : (tensor<?x2xf32>) -> tensor<*xf32>
  %d = onnx.node "Sub"(%x, %m) {version = 14 : i64} : (tensor<?x2xf32>, tensor<*xf32>) -> tensor<*xf32>
  %s = onnx.node "Pow"(%d, %two) {version = 15 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%s) {version = 13 : i64, node_attributes = {axes = [-1 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Add"(%v, %eps) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%e) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %n = onnx.node "Div"(%d, %r) {version = 14 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %g = onnx.node "Mul"(%n, %w) {version = 14 : i64} : (tensor<*xf32>, tensor<2xf32>) -> tensor<*xf32>
  %y = onnx.node "Add"(%g, %b) {version = 14 : i64} : (tensor<*xf32>, tensor<2xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// -----

// RMS normalization by the reciprocal, as torch.onnx writes Llama's.

// CHECK-LABEL: func.func @decomposed_rms
// CHECK-NOT:     onnx.node
// CHECK:         qgraph.norm rms %arg0 weight %{{.*}} {epsilon
func.func @decomposed_rms(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %eps = qgraph.constant dense<1.0e-6> : tensor<f32>
  %s = onnx.node "Mul"(%x, %x) {version = 14 : i64} : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%s) {version = 13 : i64, node_attributes = {axes = [1 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Add"(%v, %eps) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%e) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %i = onnx.node "Reciprocal"(%r) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %n = onnx.node "Mul"(%x, %i) {version = 14 : i64} : (tensor<?x2xf32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Mul"(%w, %n) {version = 14 : i64} : (tensor<2xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// -----

// No norm: the mean is over another dimension.

// CHECK-LABEL: func.func @other_axis
// CHECK-NOT:     qgraph.norm
// CHECK:         onnx.node "ReduceMean"
func.func @other_axis(%x: tensor<2x2xf32>) -> tensor<*xf32> {
  %eps = qgraph.constant dense<1.0e-6> : tensor<f32>
  %s = onnx.node "Mul"(%x, %x) {version = 14 : i64} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<*xf32>
  %v = onnx.node "ReduceMean"(%s) {version = 13 : i64, node_attributes = {axes = [0 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Add"(%v, %eps) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Sqrt"(%e) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %n = onnx.node "Div"(%x, %r) {version = 14 : i64} : (tensor<2x2xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %n : tensor<*xf32>
}

// -----

// What follows is no weight if the norm is used elsewhere, and no bias if it is
// computed.

// CHECK-LABEL: func.func @other_uses
// CHECK:         qgraph.norm layer %arg0 weight %{{.*}} {epsilon
// CHECK:         onnx.node "Add"(%{{.*}}, %arg1)
func.func @other_uses(%x: tensor<2x2xf32>, %r: tensor<2xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %0 = onnx.node "LayerNormalization"(%x, %w) {version = 17 : i64} : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<*xf32>
  %1 = onnx.node "Add"(%0, %r) {version = 14 : i64} : (tensor<*xf32>, tensor<2xf32>) -> tensor<*xf32>
  return %1 : tensor<*xf32>
}

// -----

// The mean is asked for: the function body of the schema.

// CHECK-LABEL: func.func @mean
// CHECK-NOT:     qgraph.norm
// CHECK:         onnx.node "ReduceMean"
// CHECK:         return %{{.*}}, %{{.*}} : tensor<2x2xf32>, tensor<2x1xf32>
func.func @mean(%x: tensor<2x2xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %w = qgraph.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %0:2 = onnx.node "LayerNormalization"(%x, %w) {version = 17 : i64}
    : (tensor<2x2xf32>, tensor<2xf32>) -> (tensor<*xf32>, tensor<*xf32>)
  return %0#0, %0#1 : tensor<*xf32>, tensor<*xf32>
}
