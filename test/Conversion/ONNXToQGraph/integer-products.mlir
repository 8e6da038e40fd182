// Products of integers, and weights that are stored as integers.

// RUN: quant-opt %s --convert-onnx-to-qgraph --canonicalize --cse --split-input-file --weights-out %t.safetensors | FileCheck %s

// The sum itself; a zero point of 0 is none.

// CHECK-LABEL: func.func @sum
// CHECK:         %[[W:.*]] = qgraph.constant dense<{{\[\[}}1, 3, 5], [2, 4, 6]]> : tensor<2x3xsi8>
// CHECK:         qgraph.quantized_linear %arg0 scale %{{[^ ]*}}, %[[W]] scale %{{[^ ]*}} {
// CHECK-SAME:      -> tensor<?x2xsi32>
func.func @sum(%x: tensor<?x3xui8>) -> tensor<*xsi32> {
  %w = qgraph.constant dense<[[1, 2], [3, 4], [5, 6]]> : tensor<3x2xsi8>
  %z = qgraph.constant dense<0> : tensor<ui8>
  %0 = onnx.node "MatMulInteger"(%x, %w, %z) {version = 10 : i64} : (tensor<?x3xui8>, tensor<3x2xsi8>, tensor<ui8>) -> tensor<*xsi32>
  return %0 : tensor<*xsi32>
}

// -----

// What dynamic quantizers write: the scales of both sides are the layer's.

// CHECK-LABEL: func.func @dynamic
// CHECK-DAG:     %[[S:.*]] = qgraph.constant dense<{{\[\[}}5.000000e-01], [2.500000e-01]]> : tensor<2x1xf32>
// CHECK-DAG:     %[[Z:.*]] = qgraph.constant dense<7> : tensor<2x1xui8>
// CHECK:         %[[SX:.*]], %[[ZX:.*]] = qgraph.choose_params asymmetric %arg0
// CHECK:         %[[Q:.*]] = qgraph.quantize %arg0 scale %[[SX]] zero_point %[[ZX]]
// CHECK:         %[[Y:.*]] = qgraph.quantized_linear %[[Q]] scale %[[SX]] zero_point %[[ZX]], %{{[^ ]*}} scale %[[S]] zero_point %[[Z]]
// CHECK-SAME:      {input_block = array<i64: 0, 0>, name = "fc", weight_block = array<i64: 1, 0>}
// CHECK-NEXT:    return %[[Y]]
func.func @dynamic(%x: tensor<?x3xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<[[1, 2], [3, 4], [5, 6]]> : tensor<3x2xui8>
  %sw = qgraph.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %zw = qgraph.constant dense<7> : tensor<ui8>
  %0:3 = onnx.node "DynamicQuantizeLinear"(%x) {version = 11 : i64} : (tensor<?x3xf32>) -> (tensor<*xui8>, tensor<*xf32>, tensor<*xui8>)
  %s = onnx.node "Mul"(%0#1, %sw) {version = 14 : i64} : (tensor<*xf32>, tensor<2xf32>) -> tensor<*xf32>
  %1 = onnx.node "MatMulInteger"(%0#0, %w, %0#2, %zw) {name = "fc", version = 10 : i64} : (tensor<*xui8>, tensor<3x2xui8>, tensor<*xui8>, tensor<ui8>) -> tensor<*xsi32>
  %2 = onnx.node "Cast"(%1) {version = 13 : i64, node_attributes = {to = 1 : si64}} : (tensor<*xsi32>) -> tensor<*xf32>
  %3 = onnx.node "Mul"(%2, %s) {version = 14 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %3 : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @qlinear
// CHECK:         %[[Y:.*]] = qgraph.quantized_linear %arg0 scale %{{[^ ]*}} zero_point %{{[^ ]*}}, %{{[^ ]*}} scale
// CHECK-SAME:      -> tensor<?x2xf32>
// CHECK:         qgraph.quantize %[[Y]] scale %{{[^ ]*}} zero_point
// CHECK-SAME:      -> tensor<?x2xui8>
func.func @qlinear(%x: tensor<?x3xui8>) -> tensor<*xui8> {
  %w = qgraph.constant dense<[[1, 2], [3, 4], [5, 6]]> : tensor<3x2xsi8>
  %s = qgraph.constant dense<0.5> : tensor<f16>
  %z = qgraph.constant dense<3> : tensor<ui8>
  %zw = qgraph.constant dense<0> : tensor<si8>
  %0 = onnx.node "QLinearMatMul"(%x, %s, %z, %w, %s, %zw, %s, %z) {version = 21 : i64}
    : (tensor<?x3xui8>, tensor<f16>, tensor<ui8>, tensor<3x2xsi8>, tensor<f16>, tensor<si8>, tensor<f16>, tensor<ui8>) -> tensor<*xui8>
  return %0 : tensor<*xui8>
}

// -----

// A scale for each row of the result: ONNX's own kernel.

// CHECK-LABEL: func.func @rows
// CHECK:         onnx.node "QLinearMatMul"
func.func @rows(%x: tensor<2x3xui8>) -> tensor<*xui8> {
  %w = qgraph.constant dense<[[1, 2], [3, 4], [5, 6]]> : tensor<3x2xsi8>
  %s = qgraph.constant dense<0.5> : tensor<f32>
  %z = qgraph.constant dense<3> : tensor<ui8>
  %zw = qgraph.constant dense<0> : tensor<si8>
  %sy = qgraph.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %zy = qgraph.constant dense<[1, 2]> : tensor<2xui8>
  %0 = onnx.node "QLinearMatMul"(%x, %s, %z, %w, %s, %zw, %sy, %zy) {version = 21 : i64}
    : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>, tensor<3x2xsi8>, tensor<f32>, tensor<si8>, tensor<2xf32>, tensor<2xui8>) -> tensor<*xui8>
  return %0 : tensor<*xui8>
}

// -----

// Where both sides are computed it is a product of two activations.

// CHECK-LABEL: func.func @computed
// CHECK-DAG:     %[[S:.*]] = qgraph.constant dense<5.000000e-01> : tensor<1x1xf32>
// CHECK-DAG:     %[[Z:.*]] = qgraph.constant dense<3> : tensor<1x1xui8>
// CHECK:         %[[Y:.*]] = qgraph.quantized_matmul %arg0 scale %[[S]] zero_point %[[Z]], %arg1 scale %[[S]] : {{.*}} -> tensor<?x2xf32>
// CHECK:         qgraph.quantize %[[Y]]
func.func @computed(%x: tensor<?x3xui8>, %w: tensor<3x2xsi8>) -> tensor<*xui8> {
  %s = qgraph.constant dense<0.5> : tensor<f32>
  %z = qgraph.constant dense<3> : tensor<ui8>
  %zw = qgraph.constant dense<0> : tensor<si8>
  %0 = onnx.node "QLinearMatMul"(%x, %s, %z, %w, %s, %zw, %s, %z) {version = 21 : i64}
    : (tensor<?x3xui8>, tensor<f32>, tensor<ui8>, tensor<3x2xsi8>, tensor<f32>, tensor<si8>, tensor<f32>, tensor<ui8>) -> tensor<*xui8>
  return %0 : tensor<*xui8>
}

// -----

// The sum alone; a zero point for each row, of the rank of the operand, and one for each column, [N].

// CHECK-LABEL: func.func @parameters
// CHECK:         %[[ZB:.*]] = onnx.node "Reshape"(%arg3) {{.*}} -> tensor<1x2xsi8>
// CHECK:         qgraph.quantized_matmul %arg0 scale %{{[^ ]*}} zero_point %arg2, %arg1 scale %{{[^ ]*}} zero_point %[[ZB]] :
// CHECK-SAME:      (tensor<4x?x3xui8>, tensor<4x?x1xf32>, tensor<4x?x1xui8>, tensor<3x2xsi8>, tensor<1x2xf32>, tensor<1x2xsi8>) -> tensor<4x?x2xsi32>
func.func @parameters(%x: tensor<4x?x3xui8> {onnx.dims = ["", "M", ""]}, %w: tensor<3x2xsi8>, %zx: tensor<4x?x1xui8> {onnx.dims = ["", "M", ""]}, %zw: tensor<2xsi8>) -> tensor<*xsi32> {
  %0 = onnx.node "MatMulInteger"(%x, %w, %zx, %zw) {version = 10 : i64} : (tensor<4x?x3xui8>, tensor<3x2xsi8>, tensor<4x?x1xui8>, tensor<2xsi8>) -> tensor<*xsi32>
  return %0 : tensor<*xsi32>
}

// -----

// What dynamic quantizers write of two computed factors.

// CHECK-LABEL: func.func @scores
// CHECK:         %[[SA:.*]], %[[ZA:.*]] = qgraph.choose_params asymmetric %arg0
// CHECK:         %[[SB:.*]], %[[ZB:.*]] = qgraph.choose_params asymmetric %arg1
// CHECK:         %[[Y:.*]] = qgraph.quantized_matmul %{{.*}} scale %[[SA]] zero_point %[[ZA]], %{{.*}} scale %[[SB]] zero_point %[[ZB]] {name = "scores"} : {{.*}} -> tensor<?x2xf32>
// CHECK-NEXT:    return %[[Y]]
func.func @scores(%a: tensor<?x3xf32>, %b: tensor<3x2xf32>) -> tensor<*xf32> {
  %0:3 = onnx.node "DynamicQuantizeLinear"(%a) {version = 11 : i64} : (tensor<?x3xf32>) -> (tensor<*xui8>, tensor<*xf32>, tensor<*xui8>)
  %1:3 = onnx.node "DynamicQuantizeLinear"(%b) {version = 11 : i64} : (tensor<3x2xf32>) -> (tensor<*xui8>, tensor<*xf32>, tensor<*xui8>)
  %s = onnx.node "Mul"(%0#1, %1#1) {version = 14 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %2 = onnx.node "MatMulInteger"(%0#0, %1#0, %0#2, %1#2) {name = "scores", version = 10 : i64} : (tensor<*xui8>, tensor<*xui8>, tensor<*xui8>, tensor<*xui8>) -> tensor<*xsi32>
  %3 = onnx.node "Cast"(%2) {version = 13 : i64, node_attributes = {to = 1 : si64}} : (tensor<*xsi32>) -> tensor<*xf32>
  %4 = onnx.node "Mul"(%3, %s) {version = 14 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %4 : tensor<*xf32>
}

// -----

// Integers with a Cast, a Sub and a Mul are dequantized: here the transposed weight of a layer. (More
// elements than are folded.)

// CHECK-LABEL: func.func @stored
// CHECK:         %[[W:.*]] = qgraph.dequantize %{{[^ ]*}} scale %{{[^ ]*}} zero_point %{{[^ ]*}} {block = array<i64: 1, 0>}
// CHECK-SAME:      (tensor<2x40xsi8>, tensor<2x1xf32>, tensor<2x1xsi8>) -> tensor<2x40xf32>
// CHECK:         qgraph.linear %arg0, %[[W]]
func.func @stored(%x: tensor<?x40xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<5> : tensor<2x40xsi8>
  %s = qgraph.constant dense<[[0.5], [0.25]]> : tensor<2x1xf32>
  %z = qgraph.constant dense<[[3.0], [-4.0]]> : tensor<2x1xf32>
  %0 = onnx.node "Cast"(%w) {version = 13 : i64, node_attributes = {to = 1 : si64}} : (tensor<2x40xsi8>) -> tensor<*xf32>
  %1 = onnx.node "Sub"(%0, %z) {version = 14 : i64} : (tensor<*xf32>, tensor<2x1xf32>) -> tensor<*xf32>
  %2 = onnx.node "Mul"(%1, %s) {version = 14 : i64} : (tensor<*xf32>, tensor<2x1xf32>) -> tensor<*xf32>
  %3 = onnx.node "Transpose"(%2) {version = 13 : i64, node_attributes = {perm = [1 : si64, 0 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  %4 = onnx.node "MatMul"(%x, %3) {version = 13 : i64} : (tensor<?x40xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %4 : tensor<*xf32>
}

// -----

// Groups along K: a scale for each of [N, G, B], merged.

// CHECK-LABEL: func.func @groups
// CHECK:         %[[W:.*]] = qgraph.dequantize %{{[^ ]*}} scale %{{[^ ]*}} {block = array<i64: 1, 20>}
// CHECK-SAME:      (tensor<2x80xsi8>, tensor<2x4xf32>) -> tensor<2x80xf32>
// CHECK:         qgraph.linear %arg0, %[[W]]
func.func @groups(%x: tensor<?x80xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<5> : tensor<2x4x20xsi8>
  %s = qgraph.constant dense<0.5> : tensor<2x4x1xf32>
  %shape = qgraph.constant dense<[2, 80]> : tensor<2xsi64>
  %0 = onnx.node "Cast"(%w) {version = 13 : i64, node_attributes = {to = 1 : si64}} : (tensor<2x4x20xsi8>) -> tensor<*xf32>
  %1 = onnx.node "Mul"(%0, %s) {version = 14 : i64} : (tensor<*xf32>, tensor<2x4x1xf32>) -> tensor<*xf32>
  %2 = onnx.node "Reshape"(%1, %shape) {version = 13 : i64} : (tensor<*xf32>, tensor<2xsi64>) -> tensor<*xf32>
  %3 = onnx.node "Transpose"(%2) {version = 13 : i64, node_attributes = {perm = [1 : si64, 0 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  %4 = onnx.node "MatMul"(%x, %3) {version = 13 : i64} : (tensor<?x80xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %4 : tensor<*xf32>
}

// -----

// Blocks of 4 bits, packed: the constant is the file's bytes. Zero points are unpacked, those of none
// are 8; floats that are no whole numbers are offsets.

// CHECK-LABEL: func.func @n_bits
// CHECK-DAG:     %[[M:.*]] = qgraph.constant dense<8> : tensor<3x2xui4>
// CHECK-DAG:     %[[O:.*]] = qgraph.constant dense<{{\[\[}}-7.500000e-01, -5.000000e-01], [-7.500000e-01, -5.000000e-01], [-7.500000e-01, -5.000000e-01]]> : tensor<3x2xf32>
// CHECK:         %[[W:.*]] = qgraph.dequantize %{{[^ ]*}} scale %{{[^ ]*}} zero_point %[[M]] {block = array<i64: 1, 16>}
// CHECK-SAME:      (tensor<3x32xui4>, tensor<3x2xf32>, tensor<3x2xui4>) -> tensor<3x32xf32>
// CHECK:         qgraph.linear %arg0, %[[W]]
// CHECK:         qgraph.dequantize %{{[^ ]*}} scale %{{[^ ]*}} offset %[[O]]
func.func @n_bits(%x: tensor<?x32xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %w = qgraph.constant dense<33> : tensor<3x2x8xui8>
  %s = qgraph.constant dense<[[0.5, 0.25], [0.5, 0.25], [0.5, 0.25]]> : tensor<3x2xf32>
  %z = qgraph.constant dense<[[1.5, 2.0], [1.5, 2.0], [1.5, 2.0]]> : tensor<3x2xf32>
  %0 = onnx.node "MatMulNBits"(%x, %w, %s) {domain = "com.microsoft", version = 1 : i64, node_attributes = {K = 32 : si64, N = 3 : si64, bits = 4 : si64, block_size = 16 : si64}}
    : (tensor<?x32xf32>, tensor<3x2x8xui8>, tensor<3x2xf32>) -> tensor<*xf32>
  %1 = onnx.node "MatMulNBits"(%x, %w, %s, %z) {domain = "com.microsoft", version = 1 : i64, node_attributes = {K = 32 : si64, N = 3 : si64, accuracy_level = 4 : si64, bits = 4 : si64, block_size = 16 : si64}}
    : (tensor<?x32xf32>, tensor<3x2x8xui8>, tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<*xf32>
  return %0, %1 : tensor<*xf32>, tensor<*xf32>
}

// -----

// Accuracy level 4: the input is rounded in the same blocks.

// CHECK-LABEL: func.func @n_bits_rounded
// CHECK:         %[[S:.*]] = qgraph.choose_params symmetric %arg0 {block = array<i64: 1, 16>, stored = si8} : tensor<?x32xf32> -> tensor<?x2xf32>
// CHECK:         %[[Q:.*]] = qgraph.quantize %arg0 scale %[[S]] {block = array<i64: 1, 16>}
// CHECK:         %[[X:.*]] = qgraph.dequantize %[[Q]] scale %[[S]] {block = array<i64: 1, 16>}
// CHECK:         qgraph.linear %[[X]], %{{.*}} bias
func.func @n_bits_rounded(%x: tensor<?x32xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<33> : tensor<3x2x8xui8>
  %s = qgraph.constant dense<[[0.5, 0.25], [0.5, 0.25], [0.5, 0.25]]> : tensor<3x2xf32>
  %b = qgraph.constant dense<1.0> : tensor<3xf32>
  %n = onnx.none
  %0 = onnx.node "MatMulNBits"(%x, %w, %s, %n, %n, %b) {domain = "com.microsoft", version = 1 : i64, node_attributes = {K = 32 : si64, N = 3 : si64, accuracy_level = 4 : si64, bits = 4 : si64, block_size = 16 : si64}}
    : (tensor<?x32xf32>, tensor<3x2x8xui8>, tensor<3x2xf32>, none, none, tensor<3xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}
