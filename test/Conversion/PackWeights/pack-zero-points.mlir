// What panels hold beside weights with zero points, and for inputs that have some. One panel of
// k = 16: 256 bytes of si8 (128 of si4), 64 of scales, 16 of zero points, 64 of sums, 64 of biases.

// RUN: quant-opt %s --split-input-file --verify-diagnostics --qgraph-pack-weights --weights-out %t.safetensors | FileCheck %s

// A ui8 input is lowered by 128, so the sums of the weights are needed.

// CHECK-LABEL: func.func @unsigned_input
// CHECK:         qkernel.linear %arg0 scale %arg1 zero_point %arg2, %{{.*}} {column_sums, format = "si8"
// CHECK-SAME:      tensor<448xui8>
module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
func.func @unsigned_input(%x: tensor<?x16xui8>, %s: tensor<1x1xf32>, %z: tensor<1x1xui8>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<1> : tensor<2x16xsi8>
  %t = qgraph.constant dense<1.0> : tensor<1x1xf32>
  %y = qgraph.quantized_linear %x scale %s zero_point %z, %w scale %t {input_block = array<i64: 0, 0>, weight_block = array<i64: 0, 0>}
    : (tensor<?x16xui8>, tensor<1x1xf32>, tensor<1x1xui8>, tensor<2x16xsi8>, tensor<1x1xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
}

// -----

// ui8 weights with a zero point of 128 are si8.

// CHECK-LABEL: func.func @middle
// CHECK:         qkernel.linear %arg0 scale %arg1, %{{.*}} {format = "si8"
// CHECK-SAME:      tensor<384xui8>
module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
func.func @middle(%x: tensor<?x16xsi8>, %s: tensor<?x1xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<1> : tensor<2x16xui8>
  %t = qgraph.constant dense<1.0> : tensor<1x1xf32>
  %z = qgraph.constant dense<128> : tensor<1x1xui8>
  %y = qgraph.quantized_linear %x scale %s, %w scale %t zero_point %z {input_block = array<i64: 1, 0>, weight_block = array<i64: 0, 0>}
    : (tensor<?x16xsi8>, tensor<?x1xf32>, tensor<2x16xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
}

// -----

// Other zero points of 4 bits stay beside the weights, which stay of 4 bits; 2 bits fit without.

// CHECK-LABEL: func.func @nibbles
// CHECK:         qkernel.linear %arg0 scale %arg1, %{{.*}} {format = "si4"{{.*}}, weight_zero_points}
// CHECK-SAME:      tensor<272xui8>
// CHECK:         qkernel.linear %arg0 scale %arg1, %{{.*}} {format = "si4"
// CHECK-NOT:     weight_zero_points
// CHECK-SAME:      tensor<256xui8>
module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
func.func @nibbles(%x: tensor<?x16xsi8>, %s: tensor<?x1xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %w = qgraph.constant dense<1> : tensor<2x16xui4>
  %t = qgraph.constant dense<1.0> : tensor<2x1xf32>
  %z = qgraph.constant dense<[[3], [8]]> : tensor<2x1xui4>
  %y = qgraph.quantized_linear %x scale %s, %w scale %t zero_point %z {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>}
    : (tensor<?x16xsi8>, tensor<?x1xf32>, tensor<2x16xui4>, tensor<2x1xf32>, tensor<2x1xui4>) -> tensor<?x2xf32>
  %w2 = qgraph.constant dense<1> : tensor<2x16xui2>
  %z2 = qgraph.constant dense<[[3], [0]]> : tensor<2x1xui2>
  %y2 = qgraph.quantized_linear %x scale %s, %w2 scale %t zero_point %z2 {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>}
    : (tensor<?x16xsi8>, tensor<?x1xf32>, tensor<2x16xui2>, tensor<2x1xf32>, tensor<2x1xui2>) -> tensor<?x2xf32>
  return %y, %y2 : tensor<?x2xf32>, tensor<?x2xf32>
}
}

// -----

// A weight beside a float input stays as it is stored.

// CHECK-LABEL: func.func @float_input
// CHECK-NOT:     qgraph.dequantize
// CHECK:         qkernel.linear %arg0, %{{.*}} {format = "si8"
// CHECK-SAME:      (tensor<?x16xf32>, tensor<384xui8>) -> tensor<?x2xf32>
module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
func.func @float_input(%x: tensor<?x16xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<1> : tensor<2x16xsi8>
  %t = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %wf = qgraph.dequantize %w scale %t {block = array<i64: 0, 0>} : (tensor<2x16xsi8>, tensor<1x1xf32>) -> tensor<2x16xf32>
  %y = qgraph.linear %x, %wf : (tensor<?x16xf32>, tensor<2x16xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
}

// -----

// What no layer reads stored is dequantized now: a weight that panels cannot hold, a bias.

// CHECK-LABEL: func.func @evaluated
// CHECK-NOT:     qgraph.dequantize
// CHECK:         qkernel.linear %arg0, %{{.*}} {format = "f32"
module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
func.func @evaluated(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<[[1, 2], [3, 4]]> : tensor<2x2xsi16>
  %t = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %b = qgraph.constant dense<[100000, -7]> : tensor<2xsi32>
  %u = qgraph.constant dense<0.25> : tensor<1xf32>
  %wf = qgraph.dequantize %w scale %t {block = array<i64: 0, 0>} : (tensor<2x2xsi16>, tensor<1x1xf32>) -> tensor<2x2xf32>
  %bf = qgraph.dequantize %b scale %u {block = array<i64: 0>} : (tensor<2xsi32>, tensor<1xf32>) -> tensor<2xf32>
  // expected-remark@+1 {{'fc' (qgraph.linear) has its weight of 'si16' unpacked to 'f32' at compile time: panels cannot hold it}}
  %y = qgraph.linear %x, %wf bias %bf {name = "fc"} : (tensor<?x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
}
