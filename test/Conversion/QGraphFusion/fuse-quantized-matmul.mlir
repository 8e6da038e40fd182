// RUN: quant-opt %s --split-input-file --qgraph-fuse-quantized --qgraph-fuse-epilogue --canonicalize --verify-diagnostics | FileCheck %s

// Two dequantized operands become one product of integers; what follows, up to the codes, its epilogue.

// CHECK-LABEL: func.func @scores
// CHECK-SAME:    %[[Q:[^:]*]]: tensor<?x2x?x16xsi8> {{.*}}, %[[K:[^:]*]]: tensor<?x2x?x16xsi8>
// CHECK:         %[[Y:.*]] = qgraph.quantized_matmul %[[Q]] scale %{{.*}} zero_point %{{.*}}, %[[K]] scale %{{.*}} epilogue(%{{[^,]*}}, %{{[^)]*}})
// CHECK-SAME:      {epilogue = [#qgraph.step<"Mul", operand = 0>, #qgraph.step<"Quantize", scale = 1>], name = "scores", transpose_rhs}
// CHECK-SAME:      -> tensor<?x2x?x?xsi8>
// CHECK-NEXT:    return %[[Y]]
func.func @scores(%q: tensor<?x2x?x16xsi8> {onnx.dims = ["B", "", "S", ""]}, %k: tensor<?x2x?x16xsi8> {onnx.dims = ["B", "", "T", ""]}) -> tensor<?x2x?x?xsi8> {
  %s = qgraph.constant dense<0.5> : tensor<1x1x1x1xf32>
  %t = qgraph.constant dense<0.25> : tensor<1x1x1x1xf32>
  %z = qgraph.constant dense<3> : tensor<1x1x1x1xsi8>
  %r = qgraph.constant dense<0.125> : tensor<f32>
  %a = qgraph.dequantize %q scale %s zero_point %z {block = array<i64: 0, 0, 0, 0>} : (tensor<?x2x?x16xsi8>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xsi8>) -> tensor<?x2x?x16xf32>
  %b = qgraph.dequantize %k scale %s {block = array<i64: 0, 0, 0, 0>} : (tensor<?x2x?x16xsi8>, tensor<1x1x1x1xf32>) -> tensor<?x2x?x16xf32>
  %m = qgraph.matmul %a, %b {name = "scores", transpose_rhs} : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) -> tensor<?x2x?x?xf32>
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %n = tensor.dim %q, %c0 : tensor<?x2x?x16xsi8>
  %i = tensor.dim %q, %c2 : tensor<?x2x?x16xsi8>
  %j = tensor.dim %k, %c2 : tensor<?x2x?x16xsi8>
  %x = onnx.node "Mul"(%m, %r) dims(%n, %i, %j) {version = 14 : i64} : (tensor<?x2x?x?xf32>, tensor<f32>) -> tensor<?x2x?x?xf32>
  %y = qgraph.quantize %x scale %t {block = array<i64: 0, 0, 0, 0>} : (tensor<?x2x?x?xf32>, tensor<1x1x1x1xf32>) -> tensor<?x2x?x?xsi8>
  return %y : tensor<?x2x?x?xsi8>
}

// -----

// The square of one value: rows on the left, columns on the right.

// CHECK-LABEL: func.func @square
// CHECK:         qgraph.quantized_matmul %arg0 scale %arg1, %arg0 scale %arg1 {transpose_rhs}
func.func @square(%q: tensor<4x8xsi8>, %s: tensor<4x1xf32>) -> tensor<4x4xf32> {
  %a = qgraph.dequantize %q scale %s {block = array<i64: 1, 0>} : (tensor<4x8xsi8>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %m = qgraph.matmul %a, %a {transpose_rhs} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x4xf32>
  return %m : tensor<4x4xf32>
}

// -----

// Beside the edge of a matrix of unknown width no residual is read.

// CHECK-LABEL: func.func @residual
// CHECK:         qgraph.quantized_matmul %{{.*}} {transpose_rhs} :
// CHECK:         onnx.node "Add"
func.func @residual(%q: tensor<?x8xsi8>, %s: tensor<1x1xf32>, %r: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %a = qgraph.dequantize %q scale %s {block = array<i64: 0, 0>} : (tensor<?x8xsi8>, tensor<1x1xf32>) -> tensor<?x8xf32>
  %m = qgraph.matmul %a, %a {transpose_rhs} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x?xf32>
  %c0 = arith.constant 0 : index
  %n = tensor.dim %q, %c0 : tensor<?x8xsi8>
  %y = onnx.node "Add"(%m, %r) dims(%n, %n) {version = 14 : i64} : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

// CHECK-LABEL: func.func @float_side
// CHECK-NOT:     quantized_matmul
func.func @float_side(%q: tensor<4x8xsi8>, %s: tensor<1x1xf32>, %b: tensor<8x4xf32>) -> tensor<4x4xf32> {
  %a = qgraph.dequantize %q scale %s {block = array<i64: 0, 0>} : (tensor<4x8xsi8>, tensor<1x1xf32>) -> tensor<4x8xf32>
  // expected-remark @+1 {{'scores' (qgraph.matmul) is computed on float values: its right operand comes from argument #2, which gives float values}}
  %m = qgraph.matmul %a, %b {name = "scores"} : (tensor<4x8xf32>, tensor<8x4xf32>) -> tensor<4x4xf32>
  return %m : tensor<4x4xf32>
}

// -----

// Scales of the columns of the left operand are scales along K.

// CHECK-LABEL: func.func @along_k
// CHECK-NOT:     quantized_matmul
func.func @along_k(%q: tensor<4x8xsi8>, %s: tensor<1x8xf32>) -> tensor<4x4xf32> {
  %a = qgraph.dequantize %q scale %s {block = array<i64: 0, 1>} : (tensor<4x8xsi8>, tensor<1x8xf32>) -> tensor<4x8xf32>
  // expected-remark @+1 {{the qgraph.dequantize of its left operand is in the way: its scales differ along dimension 1 in blocks of 1}}
  %m = qgraph.matmul %a, %a {transpose_rhs} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x4xf32>
  return %m : tensor<4x4xf32>
}
