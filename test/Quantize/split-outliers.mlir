// Columns whose largest |x| exceeds the threshold get a product of their own; its weights are f16.

// RUN: mkdir -p %t
// RUN: %python %S/../Inputs/make_statistics.py %t/s fc/input=1,2,30,6 q/input=7,0.5
// RUN: quant-opt %s --split-input-file --qgraph-split-outliers="statistics=%t/s" | FileCheck %s
// RUN: quant-opt %s --split-input-file --qgraph-split-outliers="statistics=%t/s threshold=1.5 max-fraction=0.75 format=bf16" | FileCheck %s --check-prefix=LOW
// RUN: quant-opt %s --split-input-file --qgraph-split-outliers="statistics=%t/s max-fraction=0.5" --qgraph-quantize-weights=cost-model=false --qgraph-quantize-activations 2>/dev/null | FileCheck %s --check-prefix=THEN

// Column 2 is one (6 is not more than 6). The bias stays with the others.

// CHECK-LABEL: @linear
// CHECK-DAG: %[[R:.*]] = qgraph.constant dense<[0, 1, 3]> : tensor<3xsi64>
// CHECK-DAG: %[[O:.*]] = qgraph.constant dense<2> : tensor<1xsi64>
// CHECK-DAG: %[[W1:.*]] = qgraph.constant dense<{{\[}}[1.000000e+00, 2.000000e+00, 4.000000e+00], [5.000000e+00, 6.000000e+00, 8.000000e+00]]> : tensor<2x3xf32>
// CHECK-DAG: %[[H:.*]] = qgraph.constant dense<{{\[}}[3.000000e+00], [7.000000e+00]]> : tensor<2x1xf16>
// CHECK-DAG: %[[S:.*]] = qgraph.observe "fc/input" %arg0
// CHECK-DAG: %[[X1:.*]] = onnx.node "Gather"(%[[S]], %[[R]]) dims(%{{.*}}) {node_attributes = {axis = 1 : si64}{{.*}}-> tensor<?x3xf32>
// CHECK-DAG: %[[X2:.*]] = onnx.node "Gather"(%[[S]], %[[O]]) dims(%{{.*}}) {node_attributes = {axis = 1 : si64}{{.*}}-> tensor<?x1xf32>
// CHECK-DAG: %[[W2:.*]] = qgraph.dequantize %[[H]] scale %{{.*}} {block = array<i64: 0, 0>} : (tensor<2x1xf16>, tensor<1x1xf32>) -> tensor<2x1xf32>
// CHECK-DAG: %[[Y2:.*]] = qgraph.linear %[[X2]], %[[W2]] {name = "fc/outliers", qgraph.part}
// CHECK-DAG: %[[Y1:.*]] = qgraph.linear %[[X1]], %[[W1]] bias %arg1 {name = "fc", qgraph.columns = 4 : i64}
// CHECK: %[[Y:.*]] = onnx.node "Add"(%[[Y1]], %[[Y2]])
// CHECK: return %[[Y]]

// LOW-LABEL: @linear
// LOW-DAG: dense<0> : tensor<1xsi64>
// LOW-DAG: dense<[1, 2, 3]> : tensor<3xsi64>
// LOW-DAG: tensor<2x3xbf16>

// What is left is quantized, the outliers are not.

// THEN-LABEL: @linear
// THEN: qgraph.linear %{{.*}}, %{{.*}} {name = "fc/outliers", qgraph.part} : (tensor<?x1xf32>
// THEN: %[[D:.*]] = qgraph.dequantize %{{.*}} (tensor<2x3xsi8>
// THEN: qgraph.linear %{{.*}}, %[[D]] bias %{{.*}} {name = "fc", qgraph.columns = 4 : i64}
func.func @linear(%x: tensor<?x4xf32>, %b: tensor<2xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]> : tensor<2x4xf32>
  %o = qgraph.observe "fc/input" %x : tensor<?x4xf32>
  %y = qgraph.linear %o, %w bias %b {name = "fc"} : (tensor<?x4xf32>, tensor<2x4xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// Two readers of one value read the same columns.

// THEN-LABEL: @shared
// THEN-COUNT-2: onnx.node "Gather"
// THEN-NOT: onnx.node "Gather"
// CHECK-LABEL: @shared
// CHECK-NOT: Gather
func.func @shared(%x: tensor<1x3x2xf32>) -> (tensor<1x3x2xf32>, tensor<1x3x1xf32>) {
  %w = qgraph.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %v = qgraph.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %o = qgraph.observe "q/input" %x : tensor<1x3x2xf32>
  %q = qgraph.linear %o, %w {name = "q"} : (tensor<1x3x2xf32>, tensor<2x2xf32>) -> tensor<1x3x2xf32>
  %k = qgraph.linear %o, %v {name = "k"} : (tensor<1x3x2xf32>, tensor<1x2xf32>) -> tensor<1x3x1xf32>
  return %q, %k : tensor<1x3x2xf32>, tensor<1x3x1xf32>
}
