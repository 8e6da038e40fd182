// Weights, scales and bias of a layer become one stream of panels, in the target's layout.

// RUN: mkdir -p %t
// RUN: %python %S/../../Inputs/make_weights.py %t/w.safetensors fc=20x64xf32
// RUN: sed s/UNSIGNED/true/ %s > %t/in.mlir
// RUN: sed s/UNSIGNED/false/ %s > %t/signed.mlir

// RUN: quant-opt %t/in.mlir --qgraph-pack-weights -o %t/f32.mlir
// RUN: FileCheck %s --check-prefix=F32 < %t/f32.mlir
// RUN: %python %S/Inputs/check_panels.py %t/f32.mlir.safetensors %t/w.safetensors f32 0 true \
// RUN:   | FileCheck %s --check-prefix=NUMBERS

// RUN: quant-opt %t/in.mlir -o %t/int8q.mlir \
// RUN:   --qgraph-quantize-weights=cost-model=false --qgraph-quantize-activations --qgraph-fuse-quantized
// RUN: quant-opt %t/int8q.mlir --qgraph-pack-weights -o %t/int8.mlir
// RUN: FileCheck %s --check-prefix=INT8 < %t/int8.mlir
// RUN: %python %S/Inputs/check_panels.py %t/int8.mlir.safetensors %t/int8q.mlir.safetensors si8 0 true \
// RUN:   | FileCheck %s --check-prefix=NUMBERS

// RUN: quant-opt %t/signed.mlir -o %t/int4q.mlir \
// RUN:   --qgraph-quantize-weights="cost-model=false format=si4 granularity=group scheme=signed_scale scale-type=f16" \
// RUN:   --qgraph-quantize-activations=granularity=group --qgraph-fuse-quantized
// RUN: quant-opt %t/int4q.mlir --qgraph-pack-weights -o %t/int4.mlir
// RUN: FileCheck %s --check-prefix=INT4 < %t/int4.mlir
// RUN: %python %S/Inputs/check_panels.py %t/int4.mlir.safetensors %t/int4q.mlir.safetensors si4 32 false \
// RUN:   | FileCheck %s --check-prefix=NUMBERS

// NUMBERS: weights equal
// NUMBERS: bias equal
// NUMBERS: left over: 0

// 2 panels * 65 rows of 64 bytes.
// F32: %[[P:.*]] = qgraph.constant #qgraph.weight<"f32.mlir.safetensors", "fc@pack"> : tensor<8320xui8>
// F32: qkernel.linear %arg0, %[[P]] epilogue(%arg1)
// F32-SAME: {epilogue = [#qgraph.step<"Add", operand = 0>], format = "f32", group = 0 : i64, input_group = 0 : i64, k = 64 : i64, n = 20 : i64, name = "fc1"}
// F32-SAME: (tensor<?x64xf32>, tensor<8320xui8>, tensor<?x20xf32>) -> tensor<?x20xf32>

// INT8: qgraph.constant #qgraph.weight<"int8.mlir.safetensors", "fc@quantize-weights@pack"> : tensor<2304xui8>
// INT8: qkernel.linear %{{.*}} scale %{{.*}}, %{{.*}} epilogue(%arg1)
// INT8-SAME: format = "si8", group = 0 : i64, input_group = 0 : i64
// INT8-SAME: (tensor<?x64xsi8>, tensor<?x1xf32>, tensor<2304xui8>, tensor<?x20xf32>) -> tensor<?x20xf32>

// INT4: qkernel.linear
// INT4-SAME: format = "si4", group = 32 : i64, input_group = 32 : i64
// INT4-SAME: scale_type = f16
// INT4-SAME: (tensor<?x64xsi8>, tensor<?x2xf32>, tensor<1280xui8>, tensor<?x20xf32>) -> tensor<?x20xf32>

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = UNSIGNED>} {
func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x20xf32>) -> tensor<?x20xf32> {
  %w = qgraph.constant #qgraph.weight<"w.safetensors", "fc"> : tensor<20x64xf32>
  %b = qgraph.constant dense<[0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 15.5, 16.5, 17.5, 18.5, 19.5]> : tensor<20xf32>
  %y = qgraph.linear %x, %w bias %b epilogue(%r) {epilogue = [#qgraph.step<"Add", operand = 0>], name = "fc1"}
       : (tensor<?x64xf32>, tensor<20x64xf32>, tensor<20xf32>, tensor<?x20xf32>) -> tensor<?x20xf32>
  return %y : tensor<?x20xf32>
}
}
