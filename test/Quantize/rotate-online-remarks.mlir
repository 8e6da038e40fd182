// What is not rotated while the model runs, either: nothing is changed.

// RUN: quant-opt %s --split-input-file --verify-diagnostics --qgraph-rotate=online=needed | FileCheck %s
// CHECK-NOT: rotat
// CHECK-NOT: Reshape

// RUN: not quant-opt %s --split-input-file --qgraph-rotate=online=maybe 2>&1 | FileCheck %s --check-prefix=MAYBE
// MAYBE: qgraph-rotate: online 'maybe' is not none or needed
// RUN: not quant-opt %s --split-input-file --qgraph-rotate="online=needed online-block=4" 2>&1 | FileCheck %s --check-prefix=SMALL
// SMALL: qgraph-rotate: online-block must be at least 8
// RUN: not quant-opt %s --split-input-file --qgraph-rotate="online=needed keep-float=(" 2>&1 | FileCheck %s --check-prefix=REGEX
// REGEX: qgraph-rotate: keep-float '(' is no regular expression

// The divisors of 49 * 2 from 8 on are 14, 49 and 98.

func.func @no_block(%x: tensor<?x98xf32>) -> tensor<?x512xf32> {
  %w = qgraph.constant dense<1.0> : tensor<512x98xf32>
  // expected-remark@+1 {{the input of 'fc' (qgraph.linear) is not rotated: an input of the model has them; nor while the model runs: K = 98 has no blocks of 8 to 128 with a Hadamard matrix whose product is at most a quarter of those with 512 columns}}
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x98xf32>, tensor<512x98xf32>) -> tensor<?x512xf32>
  return %y : tensor<?x512xf32>
}

// -----

// 64 channels have a Hadamard matrix, but 8 of 31 columns are more than a quarter.

func.func @few_columns(%x: tensor<?x64xf32>) -> tensor<?x31xf32> {
  %w = qgraph.constant dense<1.0> : tensor<31x64xf32>
  // expected-remark@+1 {{nor while the model runs: K = 64 has no blocks of 8 to 128 with a Hadamard matrix whose product is at most a quarter of those with 31 columns}}
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x64xf32>, tensor<31x64xf32>) -> tensor<?x31xf32>
  return %y : tensor<?x31xf32>
}

// -----

func.func @quantized_weight(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c = qgraph.constant dense<1> : tensor<64x64xsi8>
  %s = qgraph.constant dense<1.0> : tensor<64x1xf32>
  %w = qgraph.dequantize %c scale %s {block = array<i64: 1, 0>} : (tensor<64x64xsi8>, tensor<64x1xf32>) -> tensor<64x64xf32>
  // expected-remark@+1 {{nor while the model runs: its weight is quantized already}}
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

func.func @quantized_input(%x: tensor<?x64xsi8>) -> tensor<?x64xf32> {
  %w = qgraph.constant dense<1.0> : tensor<64x64xf32>
  %s = qgraph.constant dense<1.0> : tensor<1x1xf32>
  %d = qgraph.dequantize %x scale %s {block = array<i64: 0, 0>} : (tensor<?x64xsi8>, tensor<1x1xf32>) -> tensor<?x64xf32>
  // expected-remark@+1 {{nor while the model runs: its input is quantized already}}
  %y = qgraph.linear %d, %w {name = "fc"} : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

func.func @computed_weight(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>) -> tensor<?x64xf32> {
  // expected-remark@+1 {{nor while the model runs: its weight is known only while the model runs}}
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

func.func @observed(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = qgraph.constant dense<1.0> : tensor<64x64xf32>
  %o = qgraph.observe "fc/input" %x : tensor<?x64xf32>
  // expected-remark@+1 {{nor while the model runs: its input is observed: rotations come before calibration sites}}
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

func.func @sixteen_bits(%x: tensor<?x64xf16>) -> tensor<?x64xf16> {
  %w = qgraph.constant dense<1.0> : tensor<64x64xf16>
  // expected-remark@+1 {{nor while the model runs: its input is not f32}}
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x64xf16>, tensor<64x64xf16>) -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}
