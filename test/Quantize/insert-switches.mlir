// RUN: quant-opt %s -split-input-file -qgraph-insert-switches -verify-diagnostics | FileCheck %s

// A weight that was rounded, an activation that is quantized while the model
// runs. The copy reads what was there before; what read the layer reads what is
// chosen, and the layer itself is a result.

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>
// CHECK-SAME: %[[ON:.*]]: tensor<1xi1> {onnx.name = "quantc.quantized"}
// CHECK-SAME: -> (tensor<?x2xf32> {onnx.name = "y"}, tensor<?x2xf32> {onnx.name = "quantc.chosen/fc"},
// CHECK-SAME: tensor<?x2xf32> {onnx.name = "quantc.quantized/fc"})
func.func @main(%x: tensor<?x4xf32> {onnx.name = "x"}) -> (tensor<?x2xf32> {onnx.name = "y"}) {
  // CHECK-DAG: %[[W:.*]] = qgraph.constant dense<{{.*}}> : tensor<2x4xf32>
  // CHECK-DAG: %[[QX:.*]] = qgraph.dequantize {{.*}} -> tensor<?x4xf32>
  // CHECK-DAG: %[[QW:.*]] = qgraph.dequantize {{.*}} -> tensor<2x4xf32>
  %s = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8} : tensor<?x4xf32> -> tensor<?x1xf32>
  %q = qgraph.quantize %x scale %s {block = array<i64: 1, 0>} : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xsi8>
  %d = qgraph.dequantize %q scale %s {block = array<i64: 1, 0>} : (tensor<?x4xsi8>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %wq = qgraph.constant dense<[[1, 2, 3, 4], [5, 6, 7, -8]]> : tensor<2x4xsi4>
  %ws = qgraph.constant dense<0.5> : tensor<2x1xf32>
  %w = qgraph.dequantize %wq scale %ws {block = array<i64: 1, 0>, qgraph.original = dense<[[0.6, 1.1, 1.4, 2.1], [2.4, 3.2, 3.4, -4.0]]> : tensor<2x4xf32>} : (tensor<2x4xsi4>, tensor<2x1xf32>) -> tensor<2x4xf32>
  // CHECK: %[[Q:.*]] = qgraph.linear %[[QX]], %[[QW]] {name = "fc"}
  // CHECK: %[[R:.*]] = qgraph.linear %[[X]], %[[W]] {name = "fc", qgraph.part}
  // CHECK: %[[BIT:.*]] = onnx.node "Gather"(%[[ON]], {{.*}}) {{.*}} -> tensor<i1>
  // CHECK: %[[C:.*]] = onnx.node "Where"(%[[BIT]], %[[Q]], %[[R]])
  %y = qgraph.linear %d, %w {name = "fc"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  // CHECK: %[[Y:.*]] = onnx.node "Relu"(%[[C]])
  // CHECK: return %[[Y]], %[[C]], %[[Q]]
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %z = onnx.node "Relu"(%y) dims(%n) {version = 14 : i64} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  return %z : tensor<?x2xf32>
}

// -----

// A weight that the model has stored is what it stands for; two layers of one
// name are told apart.

// CHECK-LABEL: func.func @main(
// CHECK-SAME: tensor<2xi1>
// CHECK-SAME: "quantc.chosen/fc"}, {{.*}} "quantc.quantized/fc"}, {{.*}} "quantc.chosen/fc#2"}
func.func @main(%x: tensor<3x2xf32> {onnx.name = "x"}) -> (tensor<3x2xf32> {onnx.name = "y"}) {
  %wq = qgraph.constant dense<[[1, 2], [5, -8]]> : tensor<2x2xsi4>
  %ws = qgraph.constant dense<0.5> : tensor<2x1xf32>
  %w = qgraph.dequantize %wq scale %ws {block = array<i64: 1, 0>} : (tensor<2x2xsi4>, tensor<2x1xf32>) -> tensor<2x2xf32>
  // CHECK: qgraph.constant dense<{{\[\[}}5.000000e-01, 1.000000e+00], [2.500000e+00, -4.000000e+00]]>
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32>
  %z = qgraph.linear %y, %w {name = "fc"} : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32>
  return %z : tensor<3x2xf32>
}

// -----

// Nothing is quantized: nothing is added.

// CHECK-LABEL: func.func @main(
// CHECK-NOT: i1
// CHECK: %[[F:.*]] = qgraph.linear
// CHECK-NOT: onnx.node
// CHECK: return %[[F]] : tensor<3x2xf32>
func.func @main(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = qgraph.constant dense<1.5> : tensor<2x2xf32>
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

// What an argument that is stored was before is not known.

func.func @main(%q: tensor<3x2xsi8>, %s: tensor<1x1xf32>) -> tensor<3x2xf32> {
  %x = qgraph.dequantize %q scale %s {block = array<i64: 0, 0>} : (tensor<3x2xsi8>, tensor<1x1xf32>) -> tensor<3x2xf32>
  %w = qgraph.constant dense<1.5> : tensor<2x2xf32>
  // expected-remark @+1 {{'fc' (qgraph.linear) has no switch: what qgraph.dequantize was before it was quantized is not known}}
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

// expected-error @+1 {{qgraph-insert-switches needs a module with one function}}
module {
  func.func private @a()
  func.func private @b()
}
