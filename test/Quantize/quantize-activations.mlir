// RUN: quant-opt %s --split-input-file --qgraph-quantize-activations | FileCheck %s
// RUN: quant-opt %s --split-input-file --qgraph-quantize-activations="granularity=group group-size=32" | FileCheck %s --check-prefix=GROUP
// RUN: quant-opt %s --split-input-file --qgraph-quantize-activations="granularity=tensor format=ui8 scheme=asymmetric" | FileCheck %s --check-prefix=TENSOR

// One quantization, shared by the layers that read the value; other readers keep the float.

// CHECK-LABEL: @shared
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x96xf32>,
// CHECK-NEXT: %[[S:.*]] = qgraph.choose_params symmetric %[[X]] {block = array<i64: 1, 1, 0>, stored = si8} : tensor<?x?x96xf32> -> tensor<?x?x1xf32>
// CHECK-NEXT: %[[Q:.*]] = qgraph.quantize %[[X]] scale %[[S]] {block = array<i64: 1, 1, 0>} : (tensor<?x?x96xf32>, tensor<?x?x1xf32>) -> tensor<?x?x96xsi8>
// CHECK-NEXT: %[[D:.*]] = qgraph.dequantize %[[Q]] scale %[[S]] {block = array<i64: 1, 1, 0>}
// CHECK-NOT: choose_params
// CHECK: qgraph.linear %[[D]], %{{.*}} {name = "q"}
// CHECK: qgraph.linear %[[D]], %{{.*}} {name = "k"}
// CHECK: onnx.node "Relu"(%[[X]])

// GROUP-LABEL: @shared
// GROUP: choose_params {{.*}} {block = array<i64: 1, 1, 32>, stored = si8} : tensor<?x?x96xf32> -> tensor<?x?x3xf32>

// TENSOR-LABEL: @shared
// TENSOR: %[[S:.*]], %[[Z:.*]] = qgraph.choose_params asymmetric {{.*}} {block = array<i64: 0, 0, 0>, stored = ui8} : tensor<?x?x96xf32> -> tensor<1x1x1xf32>, tensor<1x1x1xui8>
// TENSOR: qgraph.quantize {{.*}} scale %[[S]] zero_point %[[Z]]
// TENSOR: qgraph.dequantize {{.*}} scale %[[S]] zero_point %[[Z]]
func.func @shared(%x: tensor<?x?x96xf32>, %w: tensor<8x96xsi8>, %s: tensor<8x1xf32>, %a: index, %b: index)
    -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x96xf32>) {
  %d = qgraph.dequantize %w scale %s {block = array<i64: 1, 0>} : (tensor<8x96xsi8>, tensor<8x1xf32>) -> tensor<8x96xf32>
  %0 = qgraph.linear %x, %d {name = "q"} : (tensor<?x?x96xf32>, tensor<8x96xf32>) -> tensor<?x?x8xf32>
  %1 = qgraph.linear %x, %d {name = "k"} : (tensor<?x?x96xf32>, tensor<8x96xf32>) -> tensor<?x?x8xf32>
  %2 = onnx.node "Relu"(%x) dims(%a, %b) {version = 14 : i64} : (tensor<?x?x96xf32>) -> tensor<?x?x96xf32>
  return %0, %1, %2 : tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x96xf32>
}

// -----

// A group as long as the row is the whole row.

// GROUP-LABEL: @short
// GROUP: choose_params {{.*}} {block = array<i64: 1, 0>, stored = si8} : tensor<4x16xf32> -> tensor<4x1xf32>
func.func @short(%x: tensor<4x16xf32>, %w: tensor<8x16xsi8>, %s: tensor<8x1xf32>) -> tensor<4x8xf32> {
  %d = qgraph.dequantize %w scale %s {block = array<i64: 1, 0>} : (tensor<8x16xsi8>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %0 = qgraph.linear %x, %d : (tensor<4x16xf32>, tensor<8x16xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
