// b' = b - sum_k (w' - w)_k E[x_k]. A scale of 1 (the largest weight is 127) rounds 0.25 to 0, and
// 0.75 to 1.

// RUN: mkdir -p %t
// RUN: %python %S/../Inputs/make_statistics.py %t/s fc=5,8 conv=2,4 other=1,2,3
// RUN: quant-opt %s --qgraph-quantize-weights="cost-model=false keep-original=true" \
// RUN:   --qgraph-correct-bias=statistics=%t/s -verify-diagnostics | FileCheck %s
// RUN: not quant-opt %s --qgraph-correct-bias 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: qgraph-correct-bias: statistics=FILE is missing

// Column 0: -0.25 * 8 = -2 is taken out; column 1: 0.25 * 8.

// CHECK-LABEL: @linear
// CHECK: qgraph.dequantize
// CHECK-NOT: qgraph.original
// CHECK: %[[B:.*]] = qgraph.constant dense<[3.000000e+00, -1.000000e+00]> : tensor<2xf32>
// CHECK: qgraph.linear %{{.*}}, %{{.*}} bias %[[B]] {name = "fc"}
func.func @linear(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<[[127.0, 0.25], [127.0, 0.75]]> : tensor<2x2xf32>
  %b = qgraph.constant dense<1.0> : tensor<2xf32>
  %o = qgraph.observe "fc" %x : tensor<?x2xf32>
  %y = qgraph.linear %o, %w bias %b {name = "fc"} : (tensor<?x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// A grouped convolution of two taps: column 0 reads channel 0, whose mean is 2, column 1 channel 1,
// whose mean is 4. It is given a bias.

// CHECK-LABEL: @conv
// CHECK: %[[B:.*]] = qgraph.constant dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>
// CHECK: qgraph.conv %{{.*}}, %{{.*}} bias %[[B]]
func.func @conv(%x: tensor<1x4x2xf32>) -> tensor<1x3x2xf32> {
  %w = qgraph.constant dense<[[[127.0], [0.25]], [[0.75], [127.0]]]> : tensor<2x2x1xf32>
  %o = qgraph.observe "conv" %x : tensor<1x4x2xf32>
  %y = qgraph.conv %o, %w {name = "conv", strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, groups = 2 : i64}
       : (tensor<1x4x2xf32>, tensor<2x2x1xf32>) -> tensor<1x3x2xf32>
  return %y : tensor<1x3x2xf32>
}

func.func @unobserved(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<[[127.0, 0.25]]> : tensor<1x2xf32>
  // expected-remark@+1 {{'none' (qgraph.linear) keeps its bias: its input has no calibration site}}
  %y = qgraph.linear %x, %w {name = "none"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

func.func @forgotten(%x: tensor<?x2xf32>, %q: tensor<1x2xsi8>) -> tensor<?x1xf32> {
  %s = qgraph.constant dense<1.0> : tensor<1x1xf32>
  %w = qgraph.dequantize %q scale %s {block = array<i64: 1, 0>} : (tensor<1x2xsi8>, tensor<1x1xf32>) -> tensor<1x2xf32>
  %o = qgraph.observe "fc" %x : tensor<?x2xf32>
  // expected-remark@+1 {{what its weight was is not known any more; --qgraph-quantize-weights=keep-original=true leaves it}}
  %y = qgraph.linear %o, %w {name = "forgotten"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}
