// RUN: quant-opt %s -qgraph-describe-layers="output=%t.json level=avx512vnni" -o %t.mlir
// RUN: FileCheck %s --check-prefix=IR < %t.mlir
// RUN: %python %S/Inputs/check_description.py %t.json
// RUN: not quant-opt %s -qgraph-describe-layers 2>&1 | FileCheck %s --check-prefix=NEEDS
// RUN: not quant-opt %s -qgraph-describe-layers="output=%t.json/x" 2>&1 | FileCheck %s --check-prefix=PLACE
// RUN: not quant-opt %s -qgraph-describe-layers="output=%t.json statistics=%t.none" 2>&1 | FileCheck %s --check-prefix=STATISTICS

// NEEDS: qgraph-describe-layers: needs output=FILE
// PLACE: qgraph-describe-layers: {{.*}}x
// STATISTICS: qgraph-describe-layers: {{.*}}.none

// Of each linear layer and convolution; what the weight was is taken away.

// IR-NOT: qgraph.original
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %z = qgraph.constant dense<28> : tensor<1x1xui8>
  %q = qgraph.quantize %x scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<?x4xf32>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x4xui8>
  %d = qgraph.dequantize %q scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<?x4xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x4xf32>
  %wq = qgraph.constant dense<[[1, 2, 3, 4], [5, 6, 7, -8]]> : tensor<2x4xsi4>
  %ws = qgraph.constant dense<[[0.5, 0.25], [1.0, -0.5]]> : tensor<2x2xf32>
  %w = qgraph.dequantize %wq scale %ws {block = array<i64: 1, 2>, qgraph.original = dense<[[0.6, 1.1, 0.7, 1.0], [5.0, 6.0, -3.4, 4.5]]> : tensor<2x4xf32>} : (tensor<2x4xsi4>, tensor<2x2xf32>) -> tensor<2x4xf32>
  %y = qgraph.linear %d, %w {name = "fc"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  %v = qgraph.constant dense<[[1.0, -2.0], [0.0, 0.5]]> : tensor<2x2xf32>
  %r = qgraph.linear %y, %v {name = "plain"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %r : tensor<?x2xf32>
}
