// Weights beside float inputs that are no integers: panels hold their codes. One panel of k = 16:
// 128 bytes of 4 bits, 256 of 8, 512 of 16; 64 of scales (32 of f16), as many of offsets, 64 of biases.

// RUN: quant-opt %s --split-input-file --verify-diagnostics --qgraph-pack-weights --weights-out %t.safetensors | FileCheck %s

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
// CHECK-LABEL: func.func @halves
// CHECK:         qkernel.linear %arg0, %{{.*}} {format = "f16", group = 0 : i64{{.*}}tensor<640xui8>
func.func @halves(%x: tensor<?x16xf32>) -> tensor<?x2xf32> {
  %q = qgraph.constant dense<1.0> : tensor<2x16xf16>
  %s = qgraph.constant dense<1.0> : tensor<1x1xf32>
  %w = qgraph.dequantize %q scale %s {block = array<i64: 0, 0>} : (tensor<2x16xf16>, tensor<1x1xf32>) -> tensor<2x16xf32>
  %y = qgraph.linear %x, %w : (tensor<?x16xf32>, tensor<2x16xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @small_floats
// CHECK:         qkernel.linear %arg0, %{{.*}} {format = "f8E4M3FN"{{.*}}tensor<384xui8>
// CHECK:         qkernel.linear %arg0, %{{.*}} {format = "f4E2M1FN", group = 8 : i64{{.*}}scale_type = f16}{{.*}}tensor<256xui8>
func.func @small_floats(%x: tensor<?x16xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %q = qgraph.constant dense<1.0> : tensor<2x16xf8E4M3FN>
  %s = qgraph.constant dense<1.0> : tensor<2x1xf32>
  %w = qgraph.dequantize %q scale %s {block = array<i64: 1, 0>} : (tensor<2x16xf8E4M3FN>, tensor<2x1xf32>) -> tensor<2x16xf32>
  %y = qgraph.linear %x, %w : (tensor<?x16xf32>, tensor<2x16xf32>) -> tensor<?x2xf32>
  %p = qgraph.constant dense<1.0> : tensor<2x16xf4E2M1FN>
  %t = qgraph.constant dense<1.0> : tensor<2x2xf16>
  %v = qgraph.dequantize %p scale %t {block = array<i64: 1, 8>} : (tensor<2x16xf4E2M1FN>, tensor<2x2xf16>) -> tensor<2x16xf32>
  %z = qgraph.linear %x, %v : (tensor<?x16xf32>, tensor<2x16xf32>) -> tensor<?x2xf32>
  return %y, %z : tensor<?x2xf32>, tensor<?x2xf32>
}

// The scales of a codebook's indices are computed here; a codebook of 3 goes on with its last.

// CHECK-LABEL: func.func @codebook
// CHECK:         qkernel.linear %arg0, %{{.*}} {codebook = array<f32: -1.000000e+00, 0.000000e+00, 1.000000e+00, 1.000000e+00, {{.*}}>, format = "ui4"{{.*}}tensor<256xui8>
func.func @codebook(%x: tensor<?x16xf32>) -> tensor<?x2xf32> {
  %q = qgraph.constant dense<2> : tensor<2x16xui2>
  %c = qgraph.constant dense<1.0> : tensor<2x1xf8E4M3FN>
  %t = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %b = qgraph.constant dense<[-1.0, 0.0, 1.0]> : tensor<3xf32>
  %s = qgraph.dequantize %c scale %t offset %t {block = array<i64: 0, 0>} : (tensor<2x1xf8E4M3FN>, tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<2x1xf32>
  %w = qgraph.dequantize %q scale %s codebook %b {block = array<i64: 1, 0>} : (tensor<2x16xui2>, tensor<2x1xf32>, tensor<3xf32>) -> tensor<2x16xf32>
  %y = qgraph.linear %x, %w : (tensor<?x16xf32>, tensor<2x16xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @offsets
// CHECK:         qkernel.linear %arg0, %{{.*}} {format = "si8", group = 8 : i64{{.*}}scale_type = f16, weight_offsets}{{.*}}tensor<448xui8>
func.func @offsets(%x: tensor<?x16xf32>) -> tensor<?x2xf32> {
  %q = qgraph.constant dense<2> : tensor<2x16xui5>
  %s = qgraph.constant dense<1.0> : tensor<2x2xf16>
  %w = qgraph.dequantize %q scale %s offset %s {block = array<i64: 1, 8>} : (tensor<2x16xui5>, tensor<2x2xf16>, tensor<2x2xf16>) -> tensor<2x16xf32>
  %y = qgraph.linear %x, %w : (tensor<?x16xf32>, tensor<2x16xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// What panels cannot hold is dequantized.

// CHECK-LABEL: func.func @large_codebook
// CHECK:         qkernel.linear %arg0, %{{.*}} {format = "f32"
func.func @large_codebook(%x: tensor<?x16xf32>) -> tensor<?x2xf32> {
  %q = qgraph.constant dense<2> : tensor<2x16xui5>
  %b = qgraph.constant dense<0.5> : tensor<32xf32>
  %s = qgraph.constant dense<1.0> : tensor<2x1xf32>
  %w = qgraph.dequantize %q scale %s codebook %b {block = array<i64: 1, 0>} : (tensor<2x16xui5>, tensor<2x1xf32>, tensor<32xf32>) -> tensor<2x16xf32>
  // expected-remark@+1 {{has its weight of 'ui5' unpacked to 'f32' at compile time: panels cannot hold it}}
  %y = qgraph.linear %x, %w : (tensor<?x16xf32>, tensor<2x16xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
}

// -----

// Scales that are stored themselves are dequantized into f16 if that loses nothing; with offsets
// both must.

// CHECK-LABEL: @half_scales
// CHECK: qkernel.linear {{.*}} scale_type = f16, weight_offsets
module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
func.func @half_scales(%x: tensor<?x16xf32>) -> tensor<?x2xf32> {
  %q = qgraph.constant dense<2> : tensor<2x16xui4>
  %c = qgraph.constant dense<63> : tensor<2x2xui6>
  %d = qgraph.constant dense<0.5> : tensor<2x1xf16>
  %e = qgraph.constant dense<-0.25> : tensor<2x1xf16>
  %s = qgraph.dequantize %c scale %d {block = array<i64: 1, 0>} : (tensor<2x2xui6>, tensor<2x1xf16>) -> tensor<2x2xf32>
  %o = qgraph.dequantize %c scale %e {block = array<i64: 1, 0>} : (tensor<2x2xui6>, tensor<2x1xf16>) -> tensor<2x2xf32>
  %w = qgraph.dequantize %q scale %s offset %o {block = array<i64: 1, 8>} : (tensor<2x16xui4>, tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x16xf32>
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x16xf32>, tensor<2x16xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
}

// -----

// 63 times 0.50048828125 has 17 significant bits.

// CHECK-LABEL: @not_halves
// CHECK: qkernel.linear
// CHECK-NOT: scale_type
module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
func.func @not_halves(%x: tensor<?x16xf32>) -> tensor<?x2xf32> {
  %q = qgraph.constant dense<2> : tensor<2x16xui4>
  %c = qgraph.constant dense<63> : tensor<2x2xui6>
  %d = qgraph.constant dense<0.5> : tensor<2x1xf16>
  %e = qgraph.constant dense<-0.50048828125> : tensor<2x1xf16>
  %s = qgraph.dequantize %c scale %d {block = array<i64: 1, 0>} : (tensor<2x2xui6>, tensor<2x1xf16>) -> tensor<2x2xf32>
  %o = qgraph.dequantize %c scale %e {block = array<i64: 1, 0>} : (tensor<2x2xui6>, tensor<2x1xf16>) -> tensor<2x2xf32>
  %w = qgraph.dequantize %q scale %s offset %o {block = array<i64: 1, 8>} : (tensor<2x16xui4>, tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x16xf32>
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x16xf32>, tensor<2x16xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
}
