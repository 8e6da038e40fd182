// RUN: quant-opt %s --split-input-file --qgraph-quantize-activations | FileCheck %s
// RUN: quant-opt %s --split-input-file --qgraph-quantize-activations="granularity=group" | FileCheck %s --check-prefix=GROUP
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
// GROUP: choose_params {{.*}} {block = array<i64: 1, 1, 0>, stored = si8} : tensor<?x?x96xf32> -> tensor<?x?x1xf32>

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

// The groups of the weight, which is not the same for all readers of the value.

// GROUP-LABEL: @groups
// GROUP-DAG: %[[S8:.*]] = qgraph.choose_params {{.*}} {block = array<i64: 1, 8>, stored = si8} : tensor<4x20xf32> -> tensor<4x3xf32>
// GROUP-DAG: %[[D8:.*]] = qgraph.dequantize %{{.*}} scale %[[S8]] {block = array<i64: 1, 8>}
// GROUP-DAG: %[[S4:.*]] = qgraph.choose_params {{.*}} {block = array<i64: 1, 4>, stored = si8} : tensor<4x20xf32> -> tensor<4x5xf32>
// GROUP-DAG: %[[D4:.*]] = qgraph.dequantize %{{.*}} scale %[[S4]] {block = array<i64: 1, 4>}
// GROUP: qgraph.linear %[[D8]], %{{.*}} {name = "a"}
// GROUP: qgraph.linear %[[D4]], %{{.*}} {name = "b"}
// GROUP: qgraph.linear %[[D8]], %{{.*}} {name = "c"}
func.func @groups(%x: tensor<4x20xf32>, %w: tensor<8x20xsi4>, %s: tensor<8x3xf32>, %t: tensor<8x5xf32>)
    -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) {
  %d = qgraph.dequantize %w scale %s {block = array<i64: 1, 8>} : (tensor<8x20xsi4>, tensor<8x3xf32>) -> tensor<8x20xf32>
  %e = qgraph.dequantize %w scale %t {block = array<i64: 1, 4>} : (tensor<8x20xsi4>, tensor<8x5xf32>) -> tensor<8x20xf32>
  %0 = qgraph.linear %x, %d {name = "a"} : (tensor<4x20xf32>, tensor<8x20xf32>) -> tensor<4x8xf32>
  %1 = qgraph.linear %x, %e {name = "b"} : (tensor<4x20xf32>, tensor<8x20xf32>) -> tensor<4x8xf32>
  %2 = qgraph.linear %x, %d {name = "c"} : (tensor<4x20xf32>, tensor<8x20xf32>) -> tensor<4x8xf32>
  return %0, %1, %2 : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
}
