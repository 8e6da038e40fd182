// A table with one scale for all is gathered as it is stored.

// RUN: quant-opt %s --qgraph-fuse-quantized | FileCheck %s

// CHECK-LABEL: func.func @table
// CHECK:         %[[G:.*]] = onnx.node "Gather"(%arg0, %arg1) {{.*}} -> tensor<2x?x16xui8>
// CHECK:         %[[D:.*]] = qgraph.dequantize %[[G]] scale %{{[^ ]*}} zero_point %{{[^ ]*}} {block = array<i64: 0, 0, 0>}
// CHECK:         return %[[D]]
func.func @table(%t: tensor<100x16xui8>, %i: tensor<2x?xsi64>) -> tensor<2x?x16xf32> {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %z = qgraph.constant dense<3> : tensor<1x1xui8>
  %d = qgraph.dequantize %t scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<100x16xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<100x16xf32>
  %y = qgraph.embedding %d, %i : (tensor<100x16xf32>, tensor<2x?xsi64>) -> tensor<2x?x16xf32>
  return %y : tensor<2x?x16xf32>
}

// So is one of halves.

// CHECK-LABEL: func.func @halves
// CHECK:         %[[G:.*]] = onnx.node "Gather"(%arg0, %arg1) {{.*}} -> tensor<?x16xf16>
// CHECK:         qgraph.dequantize %[[G]] {{.*}} {block = array<i64: 0, 0>} : (tensor<?x16xf16>, tensor<1x1xf32>) -> tensor<?x16xf32>
func.func @halves(%t: tensor<100x16xf16>, %i: tensor<?xsi64>) -> tensor<?x16xf32> {
  %s = qgraph.constant dense<1.0> : tensor<1x1xf32>
  %d = qgraph.dequantize %t scale %s {block = array<i64: 0, 0>} : (tensor<100x16xf16>, tensor<1x1xf32>) -> tensor<100x16xf32>
  %y = qgraph.embedding %d, %i : (tensor<100x16xf32>, tensor<?xsi64>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
