// RUN: mkdir -p %t
// RUN: %python %S/../../Inputs/make_weights.py %t/w.safetensors h=40x3xf16 b=3x40xf16 d=40x3xf64
// RUN: cp %s %t/in.mlir
// RUN: quant-opt %t/in.mlir --convert-onnx-to-qgraph --canonicalize --cse -o %t/out.mlir
// RUN: FileCheck %s < %t/out.mlir

// A weight of 16 bits that is cast to f32 is a weight of 16 bits; what the cast rounds is none.

// CHECK-LABEL: func.func @cast_weight
// CHECK-DAG:     %[[W:.*]] = qgraph.constant #qgraph.weight<"{{.*}}", "h@transpose"> : tensor<3x40xf16>
// CHECK-DAG:     %[[V:.*]] = qgraph.constant #qgraph.weight<"{{.*}}", "b"> : tensor<3x40xf16>
// CHECK-DAG:     qgraph.linear %arg0, %[[W]] : (tensor<?x40xf32>, tensor<3x40xf16>) -> tensor<?x3xf32>
// CHECK-DAG:     qgraph.linear %arg0, %[[V]] : (tensor<?x40xf32>, tensor<3x40xf16>) -> tensor<?x3xf32>
// CHECK-DAG:     onnx.node "Cast"(%{{.*}}) {{.*}} : (tensor<40x3xf64>) -> tensor<40x3xf32>
func.func @cast_weight(%x: tensor<?x40xf32>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>) {
  %w = qgraph.constant #qgraph.weight<"w.safetensors", "h"> : tensor<40x3xf16>
  %v = qgraph.constant #qgraph.weight<"w.safetensors", "b"> : tensor<3x40xf16>
  %d = qgraph.constant #qgraph.weight<"w.safetensors", "d"> : tensor<40x3xf64>
  %0 = onnx.node "Cast"(%w) {version = 13 : i64, node_attributes = {to = 1 : si64}} : (tensor<40x3xf16>) -> tensor<*xf32>
  %1 = onnx.node "MatMul"(%x, %0) {version = 13 : i64} : (tensor<?x40xf32>, tensor<*xf32>) -> tensor<*xf32>
  %2 = onnx.node "Cast"(%v) {version = 13 : i64, node_attributes = {to = 1 : si64}} : (tensor<3x40xf16>) -> tensor<*xf32>
  %3 = onnx.node "Transpose"(%2) {version = 13 : i64, node_attributes = {perm = [1 : si64, 0 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  %4 = onnx.node "MatMul"(%x, %3) {version = 13 : i64} : (tensor<?x40xf32>, tensor<*xf32>) -> tensor<*xf32>
  %5 = onnx.node "Cast"(%d) {version = 13 : i64, node_attributes = {to = 1 : si64}} : (tensor<40x3xf64>) -> tensor<*xf32>
  %6 = onnx.node "MatMul"(%x, %5) {version = 13 : i64} : (tensor<?x40xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %1, %4, %6 : tensor<*xf32>, tensor<*xf32>, tensor<*xf32>
}
