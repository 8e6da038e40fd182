// RUN: quant-opt %s --canonicalize | FileCheck %s

// A block that covers its dimension is written 0.
// CHECK-LABEL: func.func @block
func.func @block(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>, %q: tensor<4x8xsi8>, %d: tensor<?x8xf32>, %ds: tensor<?x1xf32>)
    -> (tensor<4x8xsi8>, tensor<4x8xf32>, tensor<4x1xf32>, tensor<?x8xsi8>, tensor<4x4xf32>) {
  // CHECK: qgraph.quantize {{.*}} {block = array<i64: 1, 0>}
  %0 = qgraph.quantize %x scale %s {block = array<i64: 1, 8>} : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xsi8>
  // CHECK: qgraph.dequantize {{.*}} {block = array<i64: 1, 0>}
  %1 = qgraph.dequantize %q scale %s {block = array<i64: 1, 100>} : (tensor<4x8xsi8>, tensor<4x1xf32>) -> tensor<4x8xf32>
  // CHECK: qgraph.choose_params symmetric {{.*}} {block = array<i64: 1, 0>
  %2 = qgraph.choose_params symmetric %x {block = array<i64: 1, 8>, stored = si8} : tensor<4x8xf32> -> tensor<4x1xf32>
  // A dynamic dimension keeps its block.
  // CHECK: qgraph.quantize {{.*}} {block = array<i64: 64, 0>}
  %3 = qgraph.quantize %d scale %ds {block = array<i64: 64, 8>} : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xsi8>
  // CHECK: qgraph.quantized_linear {{.*}} {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>}
  %4 = qgraph.quantized_linear %q scale %s, %q scale %s {input_block = array<i64: 1, 8>, weight_block = array<i64: 1, 9>}
     : (tensor<4x8xsi8>, tensor<4x1xf32>, tensor<4x8xsi8>, tensor<4x1xf32>) -> tensor<4x4xf32>
  return %0, %1, %2, %3, %4 : tensor<4x8xsi8>, tensor<4x8xf32>, tensor<4x1xf32>, tensor<?x8xsi8>, tensor<4x4xf32>
}

// Quantizing and back is rounding, not nothing.
// CHECK-LABEL: func.func @fake_quant
func.func @fake_quant(%x: tensor<4x8xf32>, %s: tensor<1x1xf32>) -> tensor<4x8xf32> {
  // CHECK: qgraph.quantize
  // CHECK: qgraph.dequantize
  %0 = qgraph.quantize %x scale %s {block = array<i64: 0, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>) -> tensor<4x8xsi8>
  %1 = qgraph.dequantize %0 scale %s {block = array<i64: 0, 0>} : (tensor<4x8xsi8>, tensor<1x1xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @values
func.func @values() -> (tensor<6xsi8>, tensor<4xf32>, tensor<4xui4>, tensor<4xf16>, tensor<2xf4E2M1FN>) {
  // Half to even, saturation.
  // CHECK-DAG: qgraph.constant dense<[0, 2, 2, -2, 127, -128]> : tensor<6xsi8>
  %x = qgraph.constant dense<[0.25, 0.75, 1.25, -0.75, 1000.0, -1000.0]> : tensor<6xf32>
  %s = qgraph.constant dense<0.5> : tensor<1xf32>
  %0 = qgraph.quantize %x scale %s {block = array<i64: 0>} : (tensor<6xf32>, tensor<1xf32>) -> tensor<6xsi8>
  // Two groups, each with its scale and zero point.
  // CHECK-DAG: qgraph.constant dense<[-5.000000e-01, 0.000000e+00, 4.000000e+00, 5.080000e+02]> : tensor<4xf32>
  %q = qgraph.constant dense<[127, 128, 2, 254]> : tensor<4xui8>
  %s2 = qgraph.constant dense<[0.5, 2.0]> : tensor<2xf32>
  %z2 = qgraph.constant dense<[128, 0]> : tensor<2xui8>
  %1 = qgraph.dequantize %q scale %s2 zero_point %z2 {block = array<i64: 2>}
     : (tensor<4xui8>, tensor<2xf32>, tensor<2xui8>) -> tensor<4xf32>
  // The nearest code; the lower index on a tie.
  // CHECK-DAG: qgraph.constant dense<[0, 0, 1, 2]> : tensor<4xui4>
  %c = qgraph.constant dense<[-1.0, 0.0, 1.0]> : tensor<3xf32>
  %y = qgraph.constant dense<[-3.0, -0.5, 0.25, 0.75]> : tensor<4xf32>
  %one = qgraph.constant dense<1.0> : tensor<1xf32>
  %2 = qgraph.quantize %y scale %one codebook %c {block = array<i64: 0>}
     : (tensor<4xf32>, tensor<1xf32>, tensor<3xf32>) -> tensor<4xui4>
  // CHECK-DAG: qgraph.constant dense<[1.000000e+00, 1.250000e+00, 1.500000e+00, 5.000000e-01]> : tensor<4xf16>
  %w = qgraph.constant dense<[0, 1, 2, -2]> : tensor<4xsi4>
  %quarter = qgraph.constant dense<0.25> : tensor<1xf16>
  %oneHalf = qgraph.constant dense<1.0> : tensor<1xf16>
  %3 = qgraph.dequantize %w scale %quarter offset %oneHalf {block = array<i64: 0>}
     : (tensor<4xsi4>, tensor<1xf16>, tensor<1xf16>) -> tensor<4xf16>
  // CHECK-DAG: qgraph.constant dense<[2.000000e+00, 6.000000e+00]> : tensor<2xf4E2M1FN>
  %f = qgraph.constant dense<[2.4, 100.0]> : tensor<2xf32>
  %4 = qgraph.quantize %f scale %one {block = array<i64: 0>} : (tensor<2xf32>, tensor<1xf32>) -> tensor<2xf4E2M1FN>
  // CHECK-NOT: qgraph.quantize
  // CHECK-NOT: qgraph.dequantize
  // CHECK: return
  return %0, %1, %2, %3, %4 : tensor<6xsi8>, tensor<4xf32>, tensor<4xui4>, tensor<4xf16>, tensor<2xf4E2M1FN>
}

// NaN and a scale of zero: the lower end, infinities the ends they point to.
// CHECK-LABEL: func.func @not_numbers
func.func @not_numbers() -> (tensor<4xui8>, tensor<4xui8>, tensor<2xf4E2M1FN>, tensor<2xui2>) {
  // CHECK-DAG: qgraph.constant dense<[0, 255, 0, 7]> : tensor<4xui8>
  %x = qgraph.constant dense<[0x7FC00000, 0x7F800000, 0xFF800000, 0.0]> : tensor<4xf32>
  %one = qgraph.constant dense<1.0> : tensor<1xf32>
  %z = qgraph.constant dense<7> : tensor<1xui8>
  %0 = qgraph.quantize %x scale %one zero_point %z {block = array<i64: 0>} : (tensor<4xf32>, tensor<1xf32>, tensor<1xui8>) -> tensor<4xui8>
  // 0 / 0 is a NaN too.
  // CHECK-DAG: qgraph.constant dense<[0, 255, 0, 0]> : tensor<4xui8>
  %zero = qgraph.constant dense<0.0> : tensor<1xf32>
  %1 = qgraph.quantize %x scale %zero zero_point %z {block = array<i64: 0>} : (tensor<4xf32>, tensor<1xf32>, tensor<1xui8>) -> tensor<4xui8>
  // CHECK-DAG: qgraph.constant dense<[0.000000e+00, 6.000000e+00]> : tensor<2xf4E2M1FN>
  %y = qgraph.constant dense<[0x7FC00000, 0x7F800000]> : tensor<2xf32>
  %2 = qgraph.quantize %y scale %one {block = array<i64: 0>} : (tensor<2xf32>, tensor<1xf32>) -> tensor<2xf4E2M1FN>
  // CHECK-DAG: qgraph.constant dense<[0, 2]> : tensor<2xui2>
  %c = qgraph.constant dense<[-1.0, 0.0, 1.0]> : tensor<3xf32>
  %3 = qgraph.quantize %y scale %one codebook %c {block = array<i64: 0>} : (tensor<2xf32>, tensor<1xf32>, tensor<3xf32>) -> tensor<2xui2>
  return %0, %1, %2, %3 : tensor<4xui8>, tensor<4xui8>, tensor<2xf4E2M1FN>, tensor<2xui2>
}

// Weights and what is larger than 64 elements are left to the passes.
// CHECK-LABEL: func.func @large
func.func @large() -> (tensor<4x8xsi8>, tensor<65xsi8>) {
  // CHECK-COUNT-2: qgraph.quantize
  %w = qgraph.constant #qgraph.weight<"model.safetensors", "w"> : tensor<4x8xf32>
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %0 = qgraph.quantize %w scale %s {block = array<i64: 0, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>) -> tensor<4x8xsi8>
  %x = qgraph.constant dense<1.0> : tensor<65xf32>
  %t = qgraph.constant dense<0.5> : tensor<1xf32>
  %1 = qgraph.quantize %x scale %t {block = array<i64: 0>} : (tensor<65xf32>, tensor<1xf32>) -> tensor<65xsi8>
  return %0, %1 : tensor<4x8xsi8>, tensor<65xsi8>
}

// CHECK-LABEL: func.func @reinterpret
// CHECK-SAME: %[[X:.*]]: tensor<4xsi8>
func.func @reinterpret(%x: tensor<4xsi8>) -> (tensor<4xsi8>, tensor<4xui8>, tensor<2xui8>, tensor<2xf8E4M3FN>) {
  // CHECK-DAG: %[[C:.*]] = qgraph.constant dense<[255, 1]> : tensor<2xui8>
  // CHECK-DAG: %[[F:.*]] = qgraph.constant dense<[1.000000e+00, -0.000000e+00]> : tensor<2xf8E4M3FN>
  // CHECK-DAG: %[[U:.*]] = qgraph.reinterpret %[[X]] : tensor<4xsi8> to tensor<4xui8>
  // CHECK: return %[[X]], %[[U]], %[[C]], %[[F]]
  %0 = qgraph.reinterpret %x : tensor<4xsi8> to tensor<4xi8>
  %1 = qgraph.reinterpret %0 : tensor<4xi8> to tensor<4xsi8>
  %2 = qgraph.reinterpret %0 : tensor<4xi8> to tensor<4xui8>
  %c = qgraph.constant dense<[-1, 1]> : tensor<2xsi8>
  %3 = qgraph.reinterpret %c : tensor<2xsi8> to tensor<2xui8>
  %i = qgraph.constant dense<[56, 128]> : tensor<2xui8>
  %4 = qgraph.reinterpret %i : tensor<2xui8> to tensor<2xf8E4M3FN>
  return %1, %2, %3, %4 : tensor<4xsi8>, tensor<4xui8>, tensor<2xui8>, tensor<2xf8E4M3FN>
}

// Equal constants are one; unused ones go.
// CHECK-LABEL: func.func @constant
func.func @constant() -> (tensor<2xf32>, tensor<2xf32>) {
  // CHECK: %[[C:.*]] = qgraph.constant dense<1.000000e+00> : tensor<2xf32>
  // CHECK-NEXT: return %[[C]], %[[C]]
  %0 = qgraph.constant dense<1.0> : tensor<2xf32>
  %1 = qgraph.constant dense<1.0> : tensor<2xf32>
  %2 = qgraph.constant dense<2.0> : tensor<2xf32>
  return %0, %1 : tensor<2xf32>, tensor<2xf32>
}

// An element of a constant is a number, by the sign of its type.
// CHECK-LABEL: func.func @element
func.func @element() -> (index, index) {
  // CHECK-DAG: %[[M:.*]] = arith.constant -1 : index
  // CHECK-DAG: %[[U:.*]] = arith.constant 255 : index
  // CHECK: return %[[M]], %[[U]]
  %0 = qgraph.constant dense<[3, -1]> : tensor<2xsi8>
  %1 = qgraph.element %0[1] : tensor<2xsi8>
  %2 = qgraph.constant dense<[3, 255]> : tensor<2xui8>
  %3 = qgraph.element %2[1] : tensor<2xui8>
  return %1, %3 : index, index
}
