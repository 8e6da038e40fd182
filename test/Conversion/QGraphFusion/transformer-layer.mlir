// A layer of BERT through all passes: what is left is three linear layers that take the bias,
// the activation and the residuals along, and between them rows: a norm with the
// quantization behind it.

// RUN: mkdir -p %t
// RUN: %python %S/../../Inputs/make_weights.py %t/w.safetensors out=64x64xf32 up=256x64xf32 down=64x256xf32
// RUN: quant-opt %s --weights-dir=%t -o %t/out.mlir --pass-pipeline="builtin.module(qgraph-quantize-weights,qgraph-quantize-activations,qgraph-fuse-quantized,qgraph-fuse-epilogue,qgraph-fuse-rows)"
// RUN: FileCheck %s --implicit-check-not=onnx.node --implicit-check-not=qgraph.dequantize < %t/out.mlir

// CHECK: %[[R0:.*]]:2 = qgraph.rows {
// CHECK: qgraph.choose_params symmetric %arg0
// CHECK: qgraph.quantize %arg0
// CHECK: qgraph.yield
// CHECK: %[[L0:.*]] = qgraph.quantized_linear %[[R0]]#1 scale %[[R0]]#0, {{.*}} epilogue(%arg1) {epilogue = [#qgraph.step<"Add", operand = 0>]
// CHECK: %[[R1:.*]]:3 = qgraph.rows {
// CHECK: qgraph.norm layer %[[L0]]
// CHECK: qgraph.choose_params
// CHECK: qgraph.quantize
// CHECK: qgraph.yield
// CHECK: %[[L1:.*]] = qgraph.quantized_linear %[[R1]]#2 scale %[[R1]]#1, {{.*}} {epilogue = [#qgraph.step<"Gelu">]
// CHECK: %[[R2:.*]]:2 = qgraph.rows {
// CHECK: qgraph.choose_params symmetric %[[L1]]
// CHECK: qgraph.quantize
// CHECK: qgraph.yield
// CHECK: %[[L2:.*]] = qgraph.quantized_linear %[[R2]]#1 scale %[[R2]]#0, {{.*}} epilogue(%[[R1]]#0) {epilogue = [#qgraph.step<"Add", operand = 0>]
// CHECK: %[[N:.*]] = qgraph.norm layer %[[L2]]
// CHECK: return %[[N]]
func.func @layer(%a: tensor<?x?x64xf32> {onnx.dims = ["batch", "seq", ""]}, %r: tensor<?x?x64xf32> {onnx.dims = ["batch", "seq", ""]}) -> tensor<?x?x64xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %a, %c0 : tensor<?x?x64xf32>
  %s = tensor.dim %a, %c1 : tensor<?x?x64xf32>
  %wo = qgraph.constant #qgraph.weight<"w.safetensors", "out"> : tensor<64x64xf32>
  %wu = qgraph.constant #qgraph.weight<"w.safetensors", "up"> : tensor<256x64xf32>
  %wd = qgraph.constant #qgraph.weight<"w.safetensors", "down"> : tensor<64x256xf32>
  %0 = qgraph.linear %a, %wo : (tensor<?x?x64xf32>, tensor<64x64xf32>) -> tensor<?x?x64xf32>
  %1 = onnx.node "Add"(%0, %r) dims(%b, %s) {version = 14 : i64} : (tensor<?x?x64xf32>, tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  %2 = qgraph.norm layer %1 {epsilon = 1.0e-12 : f32} : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  %3 = qgraph.linear %2, %wu : (tensor<?x?x64xf32>, tensor<256x64xf32>) -> tensor<?x?x256xf32>
  %4 = onnx.node "Gelu"(%3) dims(%b, %s) {version = 20 : i64} : (tensor<?x?x256xf32>) -> tensor<?x?x256xf32>
  %5 = qgraph.linear %4, %wd : (tensor<?x?x256xf32>, tensor<64x256xf32>) -> tensor<?x?x64xf32>
  %6 = onnx.node "Add"(%5, %2) dims(%b, %s) {version = 14 : i64} : (tensor<?x?x64xf32>, tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  %7 = qgraph.norm layer %6 {epsilon = 1.0e-12 : f32} : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  return %7 : tensor<?x?x64xf32>
}
