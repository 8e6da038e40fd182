// RUN: quant-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: func.func @constants
func.func @constants() {
  // CHECK: qgraph.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
  %0 = qgraph.constant dense<[1.0, 2.0]> : tensor<2xf32>
  // CHECK: qgraph.constant #qgraph.weight<"model.safetensors", "fc.weight"> : tensor<384x384xsi4>
  %1 = qgraph.constant #qgraph.weight<"model.safetensors", "fc.weight"> : tensor<384x384xsi4>
  return
}

// CHECK-LABEL: func.func @quantization
func.func @quantization(%x: tensor<?x64xf32>, %s: tensor<?x2xf32>, %z: tensor<?x2xui8>,
                        %o: tensor<?x2xf16>, %c: tensor<16xf32>) {
  // CHECK: %[[Q:.*]] = qgraph.quantize %{{.*}} scale %{{.*}} zero_point %{{.*}} {block = array<i64: 1, 32>} : (tensor<?x64xf32>, tensor<?x2xf32>, tensor<?x2xui8>) -> tensor<?x64xui8>
  %0 = qgraph.quantize %x scale %s zero_point %z {block = array<i64: 1, 32>}
     : (tensor<?x64xf32>, tensor<?x2xf32>, tensor<?x2xui8>) -> tensor<?x64xui8>
  // CHECK: qgraph.quantize %{{.*}} scale %{{.*}} offset %{{.*}} codebook %{{.*}} {block = array<i64: 1, 32>} : {{.*}} -> tensor<?x64xui4>
  %1 = qgraph.quantize %x scale %s offset %o codebook %c {block = array<i64: 1, 32>}
     : (tensor<?x64xf32>, tensor<?x2xf32>, tensor<?x2xf16>, tensor<16xf32>) -> tensor<?x64xui4>
  // CHECK: qgraph.quantize {{.*}} {block = array<i64: 1, 32>, precision = f16, saturate = false} : {{.*}} -> tensor<?x64xf8E4M3FN>
  %2 = qgraph.quantize %x scale %s {block = array<i64: 1, 32>, saturate = false, precision = f16}
     : (tensor<?x64xf32>, tensor<?x2xf32>) -> tensor<?x64xf8E4M3FN>
  // CHECK: qgraph.dequantize %[[Q]] scale %{{.*}} zero_point %{{.*}} {block = array<i64: 1, 32>} : (tensor<?x64xui8>, tensor<?x2xf32>, tensor<?x2xui8>) -> tensor<?x64xf32>
  %3 = qgraph.dequantize %0 scale %s zero_point %z {block = array<i64: 1, 32>}
     : (tensor<?x64xui8>, tensor<?x2xf32>, tensor<?x2xui8>) -> tensor<?x64xf32>
  // CHECK: qgraph.dequantize %{{.*}} scale %{{.*}} offset %{{.*}} codebook %{{.*}}
  %4 = qgraph.dequantize %1 scale %s offset %o codebook %c {block = array<i64: 1, 32>}
     : (tensor<?x64xui4>, tensor<?x2xf32>, tensor<?x2xf16>, tensor<16xf32>) -> tensor<?x64xf32>
  // CHECK: qgraph.choose_params symmetric %{{.*}} {block = array<i64: 1, 0>, clip = array<f32: -1.000000e+00, 1.000000e+00>, clip_ratio = 5.000000e-01 : f32, stored = si8} : tensor<?x64xf32> -> tensor<?x1xf32>
  %5 = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8, clip_ratio = 0.5 : f32, clip = array<f32: -1.0, 1.0>}
     : tensor<?x64xf32> -> tensor<?x1xf32>
  // CHECK: qgraph.choose_params asymmetric %{{.*}} {block = array<i64: 0, 0>, stored = ui8} : tensor<?x64xf32> -> tensor<1x1xf32>, tensor<1x1xui8>
  %6, %7 = qgraph.choose_params asymmetric %x {block = array<i64: 0, 0>, stored = ui8}
     : tensor<?x64xf32> -> tensor<1x1xf32>, tensor<1x1xui8>
  // CHECK: qgraph.choose_params asymmetric_offset %{{.*}} {block = array<i64: 1, 32>, stored = ui4} : tensor<?x64xf32> -> tensor<?x2xf16> offset tensor<?x2xf32>
  %co, %oo = qgraph.choose_params asymmetric_offset %x {block = array<i64: 1, 32>, stored = ui4}
     : tensor<?x64xf32> -> tensor<?x2xf16> offset tensor<?x2xf32>
  // CHECK: qgraph.choose_params power_of_two %{{.*}} {block = array<i64: 1, 32>, stored = f4E2M1FN} : tensor<?x64xf32> -> tensor<?x2xf8E8M0FNU>
  %cp = qgraph.choose_params power_of_two %x {block = array<i64: 1, 32>, stored = f4E2M1FN} : tensor<?x64xf32> -> tensor<?x2xf8E8M0FNU>
  // CHECK: qgraph.choose_params mean_abs %{{.*}} {block = array<i64: 0, 0>, stored = ui1} : tensor<?x64xf32> -> tensor<1x1xf32>
  %cm = qgraph.choose_params mean_abs %x {block = array<i64: 0, 0>, stored = ui1} : tensor<?x64xf32> -> tensor<1x1xf32>
  // CHECK: qgraph.observe "fc1/input" %{{.*}} : tensor<?x64xf32>
  %8 = qgraph.observe "fc1/input" %x : tensor<?x64xf32>
  // CHECK: qgraph.reinterpret %{{.*}} : tensor<?x64xf8E4M3FN> to tensor<?x64xi8>
  %9 = qgraph.reinterpret %2 : tensor<?x64xf8E4M3FN> to tensor<?x64xi8>
  // CHECK: qgraph.element %{{.*}}[1] : tensor<3xsi64>
  %10 = qgraph.constant dense<[1, 2, 3]> : tensor<3xsi64>
  %11 = qgraph.element %10[1] : tensor<3xsi64>
  return
}

// A scalar has a scalar scale and no blocks; the last block may be short.
// CHECK-LABEL: func.func @block_shapes
func.func @block_shapes(%x: tensor<f32>, %s: tensor<f32>, %y: tensor<3x70xf32>, %t: tensor<2x3xf8E8M0FNU>) {
  // CHECK: qgraph.quantize %{{.*}} scale %{{.*}} {block = array<i64>} : (tensor<f32>, tensor<f32>) -> tensor<si8>
  %0 = qgraph.quantize %x scale %s {block = array<i64>} : (tensor<f32>, tensor<f32>) -> tensor<si8>
  // CHECK: qgraph.quantize %{{.*}} scale %{{.*}} {block = array<i64: 2, 32>}
  %1 = qgraph.quantize %y scale %t {block = array<i64: 2, 32>}
     : (tensor<3x70xf32>, tensor<2x3xf8E8M0FNU>) -> tensor<3x70xf4E2M1FN>
  return
}

// CHECK-LABEL: func.func @linear
func.func @linear(%x: tensor<2x?x8xf32>, %w: tensor<4x8xf32>, %b: tensor<4xf32>, %r: tensor<2x?x4xf32>) {
  // CHECK: qgraph.linear %{{.*}}, %{{.*}} : (tensor<2x?x8xf32>, tensor<4x8xf32>) -> tensor<2x?x4xf32>
  %0 = qgraph.linear %x, %w : (tensor<2x?x8xf32>, tensor<4x8xf32>) -> tensor<2x?x4xf32>
  // CHECK: qgraph.linear %{{.*}}, %{{.*}} bias %{{.*}} epilogue(%{{.*}}) {epilogue = [#qgraph.step<"Relu">, #qgraph.step<"Add", operand = 0>, #qgraph.step<"LeakyRelu", attributes = {alpha = 1.000000e-01 : f32}>], name = "fc"}
  %1 = qgraph.linear %x, %w bias %b epilogue(%r)
         {epilogue = [#qgraph.step<"Relu">, #qgraph.step<"Add", operand = 0>,
                      #qgraph.step<"LeakyRelu", attributes = {alpha = 0.1 : f32}>], name = "fc"}
     : (tensor<2x?x8xf32>, tensor<4x8xf32>, tensor<4xf32>, tensor<2x?x4xf32>) -> tensor<2x?x4xf32>
  return
}

// CHECK-LABEL: func.func @quantized_linear
func.func @quantized_linear(%x: tensor<?x64xui8>, %sx: tensor<?x2xf32>, %zx: tensor<?x2xui8>,
                            %w: tensor<8x64xsi4>, %sw: tensor<8x4xf16>, %zw: tensor<8x4xsi4>, %b: tensor<8xf32>) {
  // CHECK: qgraph.quantized_linear %{{.*}} scale %{{.*}} zero_point %{{.*}}, %{{.*}} scale %{{.*}} zero_point %{{.*}} bias %{{.*}} {input_block = array<i64: 1, 32>, weight_block = array<i64: 1, 16>}
  %0 = qgraph.quantized_linear %x scale %sx zero_point %zx, %w scale %sw zero_point %zw bias %b
         {input_block = array<i64: 1, 32>, weight_block = array<i64: 1, 16>}
     : (tensor<?x64xui8>, tensor<?x2xf32>, tensor<?x2xui8>, tensor<8x64xsi4>, tensor<8x4xf16>, tensor<8x4xsi4>, tensor<8xf32>) -> tensor<?x8xf32>
  return
}

// CHECK-LABEL: func.func @compute
func.func @compute(%a: tensor<2x1x4x8xf32>, %b: tensor<5x3x8xf32>, %t: tensor<100x16xsi8>, %i: tensor<?x?xsi64>,
                   %ts: tensor<100x1xf32>, %q: tensor<2x?x12x32xf32>, %k: tensor<2x?x4x32xf32>,
                   %v: tensor<2x?x4x64xf32>, %m: tensor<1x1x?x?xi1>, %g: tensor<8xf32>) {
  // CHECK: qgraph.matmul %{{.*}}, %{{.*}} {transpose_rhs} : (tensor<2x1x4x8xf32>, tensor<5x3x8xf32>) -> tensor<2x5x4x3xf32>
  %0 = qgraph.matmul %a, %b {transpose_rhs} : (tensor<2x1x4x8xf32>, tensor<5x3x8xf32>) -> tensor<2x5x4x3xf32>
  // CHECK: qgraph.embedding %{{.*}}, %{{.*}} scale %{{.*}} : (tensor<100x16xsi8>, tensor<?x?xsi64>, tensor<100x1xf32>) -> tensor<?x?x16xf32>
  %1 = qgraph.embedding %t, %i scale %ts : (tensor<100x16xsi8>, tensor<?x?xsi64>, tensor<100x1xf32>) -> tensor<?x?x16xf32>
  // CHECK: qgraph.norm layer %{{.*}} weight %{{.*}} bias %{{.*}} {epsilon = 9.99999974E-6 : f32}
  %2 = qgraph.norm layer %a weight %g bias %g {epsilon = 1.0e-5 : f32}
     : (tensor<2x1x4x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<2x1x4x8xf32>
  // CHECK: qgraph.norm rms %{{.*}} {epsilon
  %3 = qgraph.norm rms %a {epsilon = 1.0e-5 : f32} : (tensor<2x1x4x8xf32>) -> tensor<2x1x4x8xf32>
  // CHECK: qgraph.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} {causal, scale = 1.250000e-01 : f32}
  %4 = qgraph.attention %q, %k, %v mask %m {scale = 0.125 : f32, causal}
     : (tensor<2x?x12x32xf32>, tensor<2x?x4x32xf32>, tensor<2x?x4x64xf32>, tensor<1x1x?x?xi1>) -> tensor<2x?x12x64xf32>
  return
}

// CHECK-LABEL: func.func @rows
func.func @rows(%x: tensor<4x8xf32>) -> (tensor<4x1xf32>, tensor<4x8xsi8>) {
  // CHECK: %[[R:.*]]:2 = qgraph.rows {
  // CHECK:   %[[S:.*]] = qgraph.choose_params
  // CHECK:   %[[Q:.*]] = qgraph.quantize
  // CHECK:   qgraph.yield %[[S]], %[[Q]] : tensor<4x1xf32>, tensor<4x8xsi8>
  // CHECK: } {name = "norm"} : tensor<4x1xf32>, tensor<4x8xsi8>
  %s, %q = qgraph.rows {
    %0 = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8} : tensor<4x8xf32> -> tensor<4x1xf32>
    %1 = qgraph.quantize %x scale %0 {block = array<i64: 1, 0>} : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xsi8>
    qgraph.yield %0, %1 : tensor<4x1xf32>, tensor<4x8xsi8>
  } {name = "norm"} : tensor<4x1xf32>, tensor<4x8xsi8>
  return %s, %q : tensor<4x1xf32>, tensor<4x8xsi8>
}
