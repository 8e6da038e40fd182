// Float weights behind a QuantizeLinear become stored ones; a Clip of an activation's codes one of
// the activation.

// RUN: quant-opt %s --split-input-file --verify-diagnostics --convert-fake-quant | FileCheck %s
// RUN: quant-opt %s --split-input-file --convert-fake-quant --convert-onnx-to-qgraph --qgraph-fuse-quantized 2>/dev/null | FileCheck %s --check-prefix=FUSED

// A scale a row. 0.5 / 0.25 = 2; 0.625 / 0.25 = 2.5 rounds to 2, 0.875 / 0.25 = 3.5 to 4; 100 is
// saturated, then clipped to the narrow range.

// CHECK-LABEL: @channel
// CHECK: %[[W:.*]] = qgraph.constant dense<{{\[}}[2, 2], [4, 127], [-127, 0]]> : tensor<3x2xsi8>
// CHECK-NOT: QuantizeLinear
// CHECK-NOT: Clip
// CHECK: %[[D:.*]] = onnx.node "DequantizeLinear"(%[[W]],
// CHECK: onnx.node "Gemm"(%{{.*}}, %[[D]])
// FUSED-LABEL: @channel
// FUSED: qgraph.linear
func.func @channel(%x: tensor<?x2xf32>) -> tensor<?x3xf32> {
  %w = qgraph.constant dense<[[0.5, 0.625], [0.875, 100.0], [-500.0, 0.1]]> : tensor<3x2xf32>
  %s = qgraph.constant dense<[0.25, 0.25, 2.0]> : tensor<3xf32>
  %z = qgraph.constant dense<0> : tensor<3xsi8>
  %lo = qgraph.constant dense<-127> : tensor<si8>
  %hi = qgraph.constant dense<127> : tensor<si8>
  %q = onnx.node "QuantizeLinear"(%w, %s, %z) {node_attributes = {axis = 0 : si64}, version = 21 : i64} : (tensor<3x2xf32>, tensor<3xf32>, tensor<3xsi8>) -> tensor<3x2xsi8>
  %c = onnx.node "Clip"(%q, %lo, %hi) {version = 13 : i64} : (tensor<3x2xsi8>, tensor<si8>, tensor<si8>) -> tensor<3x2xsi8>
  %d = onnx.node "DequantizeLinear"(%c, %s, %z) {node_attributes = {axis = 0 : si64}, version = 21 : i64} : (tensor<3x2xsi8>, tensor<3xf32>, tensor<3xsi8>) -> tensor<3x2xf32>
  %y = onnx.node "Gemm"(%x, %d) {node_attributes = {transB = 1 : si64}, version = 13 : i64} : (tensor<?x2xf32>, tensor<3x2xf32>) -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}

// -----

// PyTorch writes an Identity where two share a constant.

// CHECK-LABEL: @identity
// CHECK: qgraph.constant dense<{{\[}}5, 3]> : tensor<2xui8>
func.func @identity() -> tensor<2xui8> {
  %w = qgraph.constant dense<[1.0, 0.0]> : tensor<2xf32>
  %s = qgraph.constant dense<0.5> : tensor<f32>
  %z = qgraph.constant dense<3> : tensor<ui8>
  %i = onnx.node "Identity"(%z) {version = 21 : i64} : (tensor<ui8>) -> tensor<ui8>
  %q = onnx.node "QuantizeLinear"(%w, %s, %i) {version = 21 : i64} : (tensor<2xf32>, tensor<f32>, tensor<ui8>) -> tensor<2xui8>
  return %q : tensor<2xui8>
}

// -----

// One scale, a zero point, ui8: 1.5 + 3; -10 saturates at 0. With quantized activations the layer
// sums integers.

// CHECK-LABEL: @tensor
// CHECK: qgraph.constant dense<{{\[}}[5, 0], [255, 3]]> : tensor<2x2xui8>
// FUSED-LABEL: @tensor
// FUSED: qgraph.quantized_linear
func.func @tensor(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<[[0.75, -10.0], [1000.0, 0.0]]> : tensor<2x2xf32>
  %s = qgraph.constant dense<0.5> : tensor<f32>
  %z = qgraph.constant dense<3> : tensor<ui8>
  %a = onnx.node "QuantizeLinear"(%x, %s, %z) {version = 21 : i64} : (tensor<?x2xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x2xui8>
  %b = onnx.node "DequantizeLinear"(%a, %s, %z) {version = 21 : i64} : (tensor<?x2xui8>, tensor<f32>, tensor<ui8>) -> tensor<?x2xf32>
  %q = onnx.node "QuantizeLinear"(%w, %s, %z) {version = 21 : i64} : (tensor<2x2xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x2xui8>
  %d = onnx.node "DequantizeLinear"(%q, %s, %z) {version = 21 : i64} : (tensor<2x2xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x2xf32>
  %y = onnx.node "MatMul"(%b, %d) {version = 13 : i64} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// Blocks along axis 1, the last one short; a type given by output_dtype alone.

// CHECK-LABEL: @blocks
// CHECK: qgraph.constant dense<{{\[}}[2, -8, 7]]> : tensor<1x3xsi4>
func.func @blocks() -> tensor<1x3xsi4> {
  %w = qgraph.constant dense<[[1.0, -8.0, 7.0]]> : tensor<1x3xf32>
  %s = qgraph.constant dense<[[0.5, 1.0]]> : tensor<1x2xf32>
  %none = onnx.none
  %q = onnx.node "QuantizeLinear"(%w, %s, %none) {node_attributes = {axis = 1 : si64, block_size = 2 : si64, output_dtype = 22 : si64}, version = 21 : i64} : (tensor<1x3xf32>, tensor<1x2xf32>, none) -> tensor<1x3xsi4>
  return %q : tensor<1x3xsi4>
}

// -----

// 7 bits of 8: 0 ... 127 with zero point 10 and scale 0.5 is -5 ... 58.5.

// CHECK-LABEL: @activation
// CHECK-DAG: %[[LO:.*]] = qgraph.constant dense<-5.000000e+00> : tensor<f32>
// CHECK-DAG: %[[HI:.*]] = qgraph.constant dense<5.850000e+01> : tensor<f32>
// CHECK: %[[C:.*]] = onnx.node "Clip"(%arg0, %[[LO]], %[[HI]]) {{.*}} -> tensor<?x2xf32>
// CHECK: %[[Q:.*]] = onnx.node "QuantizeLinear"(%[[C]],
// CHECK: return %[[Q]]
func.func @activation(%x: tensor<?x2xf32>) -> tensor<?x2xui8> {
  %s = qgraph.constant dense<0.5> : tensor<f32>
  %z = qgraph.constant dense<10> : tensor<ui8>
  %none = onnx.none
  %hi = qgraph.constant dense<127> : tensor<ui8>
  %a = onnx.node "QuantizeLinear"(%x, %s, %z) {version = 21 : i64} : (tensor<?x2xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x2xui8>
  %c = onnx.node "Clip"(%a, %none, %hi) {version = 13 : i64} : (tensor<?x2xui8>, none, tensor<ui8>) -> tensor<?x2xui8>
  return %c : tensor<?x2xui8>
}

// -----

// Codes that others read too stay; a Clip of numbers is none of codes.

// CHECK-LABEL: @others
// CHECK: onnx.node "QuantizeLinear"(%arg0,
// CHECK-NEXT: onnx.node "Clip"
// CHECK: onnx.node "Clip"
func.func @others(%x: tensor<2xf32>) -> (tensor<2xui8>, tensor<2xui8>, tensor<2xf32>) {
  %s = qgraph.constant dense<0.5> : tensor<f32>
  %z = qgraph.constant dense<10> : tensor<ui8>
  %one = qgraph.constant dense<1.0> : tensor<f32>
  %a = onnx.node "QuantizeLinear"(%x, %s, %z) {version = 21 : i64} : (tensor<2xf32>, tensor<f32>, tensor<ui8>) -> tensor<2xui8>
  %c = onnx.node "Clip"(%a, %z) {version = 13 : i64} : (tensor<2xui8>, tensor<ui8>) -> tensor<2xui8>
  %d = onnx.node "Clip"(%x, %one) {version = 13 : i64} : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  return %a, %c, %d : tensor<2xui8>, tensor<2xui8>, tensor<2xf32>
}

// -----

// A scale that is computed while the model runs.

// CHECK-LABEL: @computed
// CHECK: onnx.node "QuantizeLinear"
func.func @computed(%s: tensor<f32>) -> tensor<2xui8> {
  %w = qgraph.constant dense<1.0> : tensor<2xf32>
  %z = qgraph.constant dense<10> : tensor<ui8>
  // expected-remark@+1 {{'wq' (onnx.node "QuantizeLinear") of a constant stays in the model: its scale comes from argument #0 and is no constant of floats}}
  %a = onnx.node "QuantizeLinear"(%w, %s, %z) {name = "wq", version = 21 : i64} : (tensor<2xf32>, tensor<f32>, tensor<ui8>) -> tensor<2xui8>
  return %a : tensor<2xui8>
}
