// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s --resolve-ranked-shaped-type-result-dims --canonicalize --cse | FileCheck %s --check-prefix=DIMS

// CHECK-LABEL: func.func @forms
func.func @forms(%a: tensor<2x4x8xsi8>, %sa: tensor<2x4x1xf32>, %za: tensor<2x4x1xsi8>, %b: tensor<3x8xui4>,
                 %sb: tensor<3x1xf16>, %q: tensor<1xf32>) {
  // CHECK: qgraph.quantized_matmul %{{.*}} scale %{{.*}} zero_point %{{.*}}, %{{.*}} scale %{{.*}} {transpose_rhs} : (tensor<2x4x8xsi8>, tensor<2x4x1xf32>, tensor<2x4x1xsi8>, tensor<3x8xui4>, tensor<3x1xf16>) -> tensor<2x4x3xf32>
  %0 = qgraph.quantized_matmul %a scale %sa zero_point %za, %b scale %sb {transpose_rhs}
       : (tensor<2x4x8xsi8>, tensor<2x4x1xf32>, tensor<2x4x1xsi8>, tensor<3x8xui4>, tensor<3x1xf16>) -> tensor<2x4x3xf32>
  // CHECK: epilogue(%{{.*}}) {epilogue = [#qgraph.step<"Quantize", scale = 0>], transpose_rhs}
  %1 = qgraph.quantized_matmul %a scale %sa, %b scale %sb epilogue(%q) {epilogue = [#qgraph.step<"Quantize", scale = 0>], transpose_rhs}
       : (tensor<2x4x8xsi8>, tensor<2x4x1xf32>, tensor<3x8xui4>, tensor<3x1xf16>, tensor<1xf32>) -> tensor<2x4x3xsi8>
  // CHECK: -> tensor<2x4x3xsi32>
  %2 = qgraph.quantized_matmul %a scale %sa, %b scale %sb {transpose_rhs}
       : (tensor<2x4x8xsi8>, tensor<2x4x1xf32>, tensor<3x8xui4>, tensor<3x1xf16>) -> tensor<2x4x3xsi32>
  return
}

// DIMS-LABEL: func.func @dims
// DIMS-SAME: %[[A:[a-z0-9]*]]: tensor<?x?x8xsi8>, %[[B:[a-z0-9]*]]: tensor<?x8xsi8>
func.func @dims(%a: tensor<?x?x8xsi8>, %b: tensor<?x8xsi8>, %s: tensor<1x1x1xf32>, %t: tensor<1x1xf32>) -> (index, index, index) {
  // DIMS-DAG: %[[A0:.*]] = tensor.dim %[[A]], %c0
  // DIMS-DAG: %[[A1:.*]] = tensor.dim %[[A]], %c1
  // DIMS-DAG: %[[B0:.*]] = tensor.dim %[[B]], %c0
  // DIMS: return %[[A0]], %[[A1]], %[[B0]]
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %0 = qgraph.quantized_matmul %a scale %s, %b scale %t {transpose_rhs}
       : (tensor<?x?x8xsi8>, tensor<1x1x1xf32>, tensor<?x8xsi8>, tensor<1x1xf32>) -> tensor<?x?x?xf32>
  %d0 = tensor.dim %0, %c0 : tensor<?x?x?xf32>
  %d1 = tensor.dim %0, %c1 : tensor<?x?x?xf32>
  %d2 = tensor.dim %0, %c2 : tensor<?x?x?xf32>
  return %d0, %d1, %d2 : index, index, index
}
