// Elementwise operators, GELU in its spellings.

// RUN: quant-opt %s --convert-onnx-to-qgraph --canonicalize --cse --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @erf
// CHECK:         %[[Y:.*]] = onnx.node "Gelu"(%arg0) {{.*}}approximate = "none"
// CHECK-NEXT:    return %[[Y]]
func.func @erf(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %root = qgraph.constant dense<1.41421354> : tensor<f32>
  %one = qgraph.constant dense<1.0> : tensor<f32>
  %half = qgraph.constant dense<0.5> : tensor<f32>
  %a = onnx.node "Div"(%x, %root) {version = 14 : i64} : (tensor<?x2xf32>, tensor<f32>) -> tensor<*xf32>
  %b = onnx.node "Erf"(%a) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %c = onnx.node "Add"(%b, %one) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %d = onnx.node "Mul"(%x, %c) {version = 14 : i64} : (tensor<?x2xf32>, tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Mul"(%d, %half) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  return %e : tensor<*xf32>
}

// -----

// 0.5 first, and x times 1/sqrt(2).

// CHECK-LABEL: func.func @erf_other_order
// CHECK:         onnx.node "Gelu"(%arg0) {{.*}}approximate = "none"
// CHECK-NOT:     Erf
func.func @erf_other_order(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %root = qgraph.constant dense<0.707106769> : tensor<1xf32>
  %one = qgraph.constant dense<1.0> : tensor<1xf32>
  %half = qgraph.constant dense<0.5> : tensor<1xf32>
  %h = onnx.node "Mul"(%half, %x) {version = 14 : i64} : (tensor<1xf32>, tensor<?x2xf32>) -> tensor<*xf32>
  %a = onnx.node "Mul"(%x, %root) {version = 14 : i64} : (tensor<?x2xf32>, tensor<1xf32>) -> tensor<*xf32>
  %b = onnx.node "Erf"(%a) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %c = onnx.node "Add"(%one, %b) {version = 14 : i64} : (tensor<1xf32>, tensor<*xf32>) -> tensor<*xf32>
  %d = onnx.node "Mul"(%h, %c) {version = 14 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %d : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @tanh
// CHECK:         onnx.node "Gelu"(%arg0) {{.*}}approximate = "tanh"
// CHECK-NOT:     Tanh
func.func @tanh(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %three = qgraph.constant dense<3.0> : tensor<f32>
  %k = qgraph.constant dense<0.044715> : tensor<f32>
  %r = qgraph.constant dense<0.797884583> : tensor<f32>
  %one = qgraph.constant dense<1.0> : tensor<f32>
  %half = qgraph.constant dense<0.5> : tensor<f32>
  %p = onnx.node "Pow"(%x, %three) {version = 15 : i64} : (tensor<?x2xf32>, tensor<f32>) -> tensor<*xf32>
  %a = onnx.node "Mul"(%k, %p) {version = 14 : i64} : (tensor<f32>, tensor<*xf32>) -> tensor<*xf32>
  %b = onnx.node "Add"(%x, %a) {version = 14 : i64} : (tensor<?x2xf32>, tensor<*xf32>) -> tensor<*xf32>
  %c = onnx.node "Mul"(%b, %r) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %t = onnx.node "Tanh"(%c) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %d = onnx.node "Add"(%t, %one) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %h = onnx.node "Mul"(%x, %half) {version = 14 : i64} : (tensor<?x2xf32>, tensor<f32>) -> tensor<*xf32>
  %e = onnx.node "Mul"(%h, %d) {version = 14 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %e : tensor<*xf32>
}

// -----

// Another factor, another argument: no GELU.

// CHECK-LABEL: func.func @no_gelu
// CHECK-NOT:     Gelu
// CHECK:         onnx.node "Erf"
// CHECK:         onnx.node "Erf"
func.func @no_gelu(%x: tensor<2xf32>, %y: tensor<2xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %root = qgraph.constant dense<1.41421354> : tensor<f32>
  %one = qgraph.constant dense<1.0> : tensor<f32>
  %half = qgraph.constant dense<0.5> : tensor<f32>
  %quarter = qgraph.constant dense<0.25> : tensor<f32>
  %a = onnx.node "Div"(%x, %root) {version = 14 : i64} : (tensor<2xf32>, tensor<f32>) -> tensor<*xf32>
  %b = onnx.node "Erf"(%a) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %c = onnx.node "Add"(%b, %one) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %d = onnx.node "Mul"(%x, %c) {version = 14 : i64} : (tensor<2xf32>, tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Mul"(%d, %quarter) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %f = onnx.node "Div"(%y, %root) {version = 14 : i64} : (tensor<2xf32>, tensor<f32>) -> tensor<*xf32>
  %g = onnx.node "Erf"(%f) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %h = onnx.node "Add"(%g, %one) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %i = onnx.node "Mul"(%x, %h) {version = 14 : i64} : (tensor<2xf32>, tensor<*xf32>) -> tensor<*xf32>
  %j = onnx.node "Mul"(%i, %half) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  return %e, %j : tensor<*xf32>, tensor<*xf32>
}

// -----

// Clip is Max, then Min; an absent bound is none.

// CHECK-LABEL: func.func @clip
// CHECK:         %[[A:.*]] = onnx.node "Max"(%arg0
// CHECK:         %[[B:.*]] = onnx.node "Min"(%[[A]]
// CHECK:         %[[C:.*]] = onnx.node "Min"(%arg0
// CHECK:         return %[[B]], %[[C]]
func.func @clip(%x: tensor<2xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %low = qgraph.constant dense<0.0> : tensor<f32>
  %high = qgraph.constant dense<6.0> : tensor<f32>
  %none = onnx.none
  %0 = onnx.node "Clip"(%x, %low, %high) {version = 13 : i64} : (tensor<2xf32>, tensor<f32>, tensor<f32>) -> tensor<*xf32>
  %1 = onnx.node "Clip"(%x, %none, %high) {version = 13 : i64} : (tensor<2xf32>, none, tensor<f32>) -> tensor<*xf32>
  return %0, %1 : tensor<*xf32>, tensor<*xf32>
}

// -----

// An operand that others broadcast anyhow is not expanded; what is computed of
// an expanded one alone is computed before.

// CHECK-LABEL: func.func @expanded
// CHECK:         %[[E:.*]] = onnx.node "Exp"(%arg1) {{.*}} -> tensor<2x1xf32>
// CHECK-NOT:     Expand
// CHECK:         onnx.node "Add"(%arg0, %[[E]])
func.func @expanded(%x: tensor<2x3xf32>, %y: tensor<2x1xf32>) -> tensor<*xf32> {
  %to = qgraph.constant dense<[2, 3]> : tensor<2xsi64>
  %0 = onnx.node "Expand"(%y, %to) {version = 13 : i64} : (tensor<2x1xf32>, tensor<2xsi64>) -> tensor<*xf32>
  %1 = onnx.node "Exp"(%0) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %2 = onnx.node "Add"(%x, %1) {version = 14 : i64} : (tensor<2x3xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %2 : tensor<*xf32>
}

// -----

// Small floats are folded, in f32.

// CHECK-LABEL: func.func @folded
// CHECK:         %[[C:.*]] = qgraph.constant dense<0.353553385> : tensor<f32>
// CHECK:         onnx.node "Mul"(%arg0, %[[C]])
func.func @folded(%x: tensor<2x8xf32>) -> tensor<*xf32> {
  %s = onnx.node "Shape"(%x) {version = 15 : i64, node_attributes = {start = 1 : si64}} : (tensor<2x8xf32>) -> tensor<1xsi64>
  %d = onnx.node "Squeeze"(%s) {version = 13 : i64} : (tensor<1xsi64>) -> tensor<si64>
  %f = onnx.node "Cast"(%d) {version = 13 : i64, node_attributes = {to = 1 : si64}} : (tensor<si64>) -> tensor<f32>
  %r = onnx.node "Sqrt"(%f) {version = 13 : i64} : (tensor<f32>) -> tensor<f32>
  %i = onnx.node "Reciprocal"(%r) {version = 13 : i64} : (tensor<f32>) -> tensor<f32>
  %0 = onnx.node "Mul"(%x, %i) {version = 14 : i64} : (tensor<2x8xf32>, tensor<f32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// An operator that only its function body defines.

// CHECK-LABEL: func.func @body
// CHECK-NOT:     MeanVarianceNormalization
// CHECK:         onnx.node "ReduceMean"
// CHECK:         onnx.node "Sqrt"
func.func @body(%x: tensor<?x3x4x4xf32>) -> tensor<*xf32> {
  %0 = onnx.node "MeanVarianceNormalization"(%x) {version = 13 : i64} : (tensor<?x3x4x4xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}
