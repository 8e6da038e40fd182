// RUN: quant-opt %s --verify-roundtrip | FileCheck %s
// RUN: quant-opt %s --canonicalize | FileCheck %s --check-prefix=FOLD

// CHECK-LABEL: func.func @conv
func.func @conv(%x: tensor<?x?x9x4xf32>, %w: tensor<6x3x3x2xf32>, %b: tensor<6xf32>, %n: index) -> tensor<?x?x5x6xf32> {
  // CHECK: qgraph.conv %{{.*}}, %{{.*}} bias %{{.*}} dims(%{{.*}}) {dilations = array<i64: 1, 1>, epilogue = [#qgraph.step<"Relu">], groups = 2 : i64, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : (tensor<?x?x9x4xf32>, tensor<6x3x3x2xf32>, tensor<6xf32>, index) -> tensor<?x?x5x6xf32>
  %0 = qgraph.conv %x, %w bias %b dims(%n) {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 2 : i64, epilogue = [#qgraph.step<"Relu">]}
     : (tensor<?x?x9x4xf32>, tensor<6x3x3x2xf32>, tensor<6xf32>, index) -> tensor<?x?x5x6xf32>
  return %0 : tensor<?x?x5x6xf32>
}

// A block that covers its dimension is 0.

// CHECK-LABEL: func.func @quantized_conv
// FOLD-LABEL: func.func @quantized_conv
func.func @quantized_conv(%x: tensor<1x5x3xsi8>, %s: tensor<1x1x1xf32>, %z: tensor<1x1x1xsi8>, %w: tensor<4x3x3xsi8>, %t: tensor<4x1x1xf32>, %r: tensor<1x5x4xsi8>, %u: tensor<1xf32>, %v: tensor<1xsi8>) -> tensor<1x5x4xsi8> {
  // CHECK: qgraph.quantized_conv %{{.*}} scale %{{.*}} zero_point %{{.*}}, %{{.*}} scale %{{.*}} epilogue(%{{.*}}, %{{.*}}, %{{.*}}) {{.*}}epilogue = [#qgraph.step<"QuantizeDequantize", scale = 1>, #qgraph.step<"Add", operand = 0, scale = 1, zero_point = 2>, #qgraph.step<"Quantize", scale = 1, zero_point = 2>], input_block = array<i64: 1, 5, 0>
  // FOLD: input_block = array<i64: 0, 0, 0>{{.*}}weight_block = array<i64: 1, 0, 0>
  %0 = qgraph.quantized_conv %x scale %s zero_point %z, %w scale %t epilogue(%r, %u, %v)
       {input_block = array<i64: 1, 5, 0>, weight_block = array<i64: 1, 3, 3>, strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 1, 1>,
        epilogue = [#qgraph.step<"QuantizeDequantize", scale = 1>, #qgraph.step<"Add", operand = 0, scale = 1, zero_point = 2>, #qgraph.step<"Quantize", scale = 1, zero_point = 2>]}
     : (tensor<1x5x3xsi8>, tensor<1x1x1xf32>, tensor<1x1x1xsi8>, tensor<4x3x3xsi8>, tensor<4x1x1xf32>, tensor<1x5x4xsi8>, tensor<1xf32>, tensor<1xsi8>) -> tensor<1x5x4xsi8>
  return %0 : tensor<1x5x4xsi8>
}
