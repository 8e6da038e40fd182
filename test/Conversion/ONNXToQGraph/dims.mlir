// The option that pins and bounds dimensions.

// RUN: quant-opt %s --convert-onnx-to-qgraph="dims=b=2,s=1..16" --canonicalize | FileCheck %s
// RUN: not quant-opt %s --convert-onnx-to-qgraph="dims=c=2" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not quant-opt %s --convert-onnx-to-qgraph="dims=s=5..2" 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not quant-opt %s --convert-onnx-to-qgraph="dims=s" 2>&1 | FileCheck %s --check-prefix=SYNTAX

// NAME: no input has a dimension named 'c'; the model's are: b, s
// RANGE: dimension 's=5..2' is not NAME=SIZE or NAME=LOWEST..HIGHEST
// SYNTAX: dimension 's' is not NAME=SIZE or NAME=LOWEST..HIGHEST

// CHECK-LABEL: func.func @main
// CHECK-SAME:    (%[[X:.*]]: tensor<2x?xf32> {{.*}}) -> tensor<2x?xf32>
// CHECK-SAME:    attributes {onnx.bounds = {s = array<i64: 1, 16>}}
// CHECK:         %[[S:.*]] = tensor.dim %[[X]], %c1
// CHECK:         onnx.node "Slice"(%arg1) dims(%[[S]])
func.func @main(%x: tensor<?x?xf32> {onnx.dims = ["b", "s"]}, %t: tensor<16xf32>) -> tensor<*xf32> {
  %zero = qgraph.constant dense<0> : tensor<1xsi64>
  %s = onnx.node "Shape"(%x) {version = 15 : i64, node_attributes = {start = 1 : si64}} : (tensor<?x?xf32>) -> tensor<1xsi64>
  %row = onnx.node "Slice"(%t, %zero, %s) {version = 13 : i64} : (tensor<16xf32>, tensor<1xsi64>, tensor<1xsi64>) -> tensor<*xf32>
  %0 = onnx.node "Mul"(%x, %row) {version = 14 : i64} : (tensor<?x?xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}
