// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights=cost-model=false | FileCheck %s
// RUN: quant-opt %s --split-input-file \
// RUN:   --qgraph-quantize-weights="cost-model=false format=si4 granularity=group group-size=4 scale-type=f16 scheme=signed_scale" \
// RUN:   | FileCheck %s --check-prefix=GROUP
// RUN: quant-opt %s --split-input-file \
// RUN:   --qgraph-quantize-weights="cost-model=false granularity=tensor format=ui8 scheme=asymmetric embedding-format=float" 2>/dev/null \
// RUN:   | FileCheck %s --check-prefix=TENSOR

// A scale for each output; the value of largest magnitude maps to 127.

// CHECK-LABEL: @linear
// CHECK-DAG: %[[Q:.*]] = qgraph.constant dense<{{\[}}[64, -127, 32, 16, 0, 0], [32, 64, 95, -127, 0, 0]]> : tensor<2x6xsi8>
// CHECK-DAG: %[[S:.*]] = qgraph.constant dense<{{\[}}[0.0157480314], [0.00314960629]]> : tensor<2x1xf32>
// CHECK: %[[W:.*]] = qgraph.dequantize %[[Q]] scale %[[S]] {block = array<i64: 1, 0>} : (tensor<2x6xsi8>, tensor<2x1xf32>) -> tensor<2x6xf32>
// CHECK: qgraph.linear %{{.*}}, %[[W]] {name = "fc"}

// Groups of 4, the last one short; the value of largest magnitude maps to -8.
// GROUP-LABEL: @linear
// GROUP-DAG: qgraph.constant dense<{{\[}}[4, -8, 2, 1, 0, 0], [2, 4, 6, -8, 0, 0]]> : tensor<2x6xsi4>
// GROUP-DAG: qgraph.constant dense<{{.*}}> : tensor<2x2xf16>
// GROUP: qgraph.dequantize {{.*}} {block = array<i64: 1, 4>} : (tensor<2x6xsi4>, tensor<2x2xf16>) -> tensor<2x6xf32>

// TENSOR-LABEL: @linear
// TENSOR: qgraph.dequantize {{.*}} scale {{.*}} zero_point {{.*}} {block = array<i64: 0, 0>}
// TENSOR-SAME: (tensor<2x6xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<2x6xf32>
func.func @linear(%x: tensor<?x6xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<[[1.0, -2.0, 0.5, 0.25, 0.0, 0.0], [0.1, 0.2, 0.3, -0.4, 0.0, 0.0]]> : tensor<2x6xf32>
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x6xf32>, tensor<2x6xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// The table of an embedding: a scale a row, whatever the linear layers get.

// CHECK-LABEL: @embedding
// GROUP-LABEL: @embedding
// CHECK: %[[T:.*]] = qgraph.dequantize {{.*}} {block = array<i64: 1, 0>} : (tensor<3x2xsi8>, tensor<3x1xf32>) -> tensor<3x2xf32>
// CHECK: qgraph.embedding %[[T]]
// GROUP: qgraph.dequantize {{.*}} : (tensor<3x2xsi8>, tensor<3x1xf32>) -> tensor<3x2xf32>
// TENSOR-LABEL: @embedding
// TENSOR-NOT: dequantize
func.func @embedding(%i: tensor<?xsi64>) -> tensor<?x2xf32> {
  %t = qgraph.constant dense<[[1.0, -2.0], [0.0, 0.0], [3.0, 4.0]]> : tensor<3x2xf32>
  %y = qgraph.embedding %t, %i {name = "words"} : (tensor<3x2xf32>, tensor<?xsi64>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// Done already: nothing changes and nothing is said.

// CHECK-LABEL: @again
// TENSOR-LABEL: @again
// CHECK-COUNT-1: qgraph.dequantize
// CHECK-NOT: qgraph.dequantize
func.func @again(%x: tensor<?x2xf32>, %q: tensor<2x2xsi8>, %s: tensor<2x1xf32>) -> tensor<?x2xf32> {
  %w = qgraph.dequantize %q scale %s {block = array<i64: 1, 0>} : (tensor<2x2xsi8>, tensor<2x1xf32>) -> tensor<2x2xf32>
  %y = qgraph.linear %x, %w : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
