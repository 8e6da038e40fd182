// Weights of more than 64 elements are entries of a store: new ones beside the old, which
// never change; a tied weight is stored once. The numbers are checked against NumPy.

// RUN: mkdir -p %t
// RUN: %python %S/../Inputs/make_weights.py %t/w.safetensors fc=24x96xf32 half=9x70xf16 table=40x33xf32
// RUN: quant-opt %s --weights-dir=%t --qgraph-quantize-weights=cost-model=false -o %t/channel.mlir
// RUN: FileCheck %s < %t/channel.mlir
// RUN: %python %S/Inputs/check_weights.py %t/w.safetensors %t/channel.mlir.safetensors \
// RUN:   fc=si8:symmetric:96:f32 half=si8:symmetric:70:f32 table=si8:symmetric:33:f32 \
// RUN:   | FileCheck %s --check-prefix=NUMBERS

// RUN: quant-opt %s --weights-dir=%t -o %t/group.mlir \
// RUN:   --qgraph-quantize-weights="cost-model=false format=si4 granularity=group group-size=32 scheme=signed_scale scale-type=f16"
// RUN: %python %S/Inputs/check_weights.py %t/w.safetensors %t/group.mlir.safetensors \
// RUN:   fc=si4:signed_scale:32:f16 half=si4:signed_scale:32:f16 table=si8:symmetric:33:f32 \
// RUN:   | FileCheck %s --check-prefix=NUMBERS

// RUN: quant-opt %s --weights-dir=%t -o %t/asymmetric.mlir \
// RUN:   --qgraph-quantize-weights="cost-model=false format=ui4 granularity=group group-size=16 scheme=asymmetric"
// RUN: %python %S/Inputs/check_weights.py %t/w.safetensors %t/asymmetric.mlir.safetensors \
// RUN:   fc=ui4:asymmetric:16:f32 half=ui4:asymmetric:16:f32 \
// RUN:   | FileCheck %s --check-prefix=NUMBERS

// Any number of threads writes the same file.
// RUN: quant-opt %s --weights-dir=%t --mlir-disable-threading --qgraph-quantize-weights=cost-model=false -o %t/one.mlir
// RUN: cmp %t/one.mlir.safetensors %t/channel.mlir.safetensors

// NUMBERS: fc: codes equal, scales equal
// NUMBERS: half: codes equal, scales equal

// CHECK-LABEL: @layers
// CHECK: qgraph.constant #qgraph.weight<"channel.mlir.safetensors", "fc@quantize-weights"> : tensor<24x96xsi8>
// CHECK: qgraph.constant dense<{{.*}}> : tensor<24x1xf32>
// CHECK: #qgraph.weight<"channel.mlir.safetensors", "fc@quantize-weights"> : tensor<24x96xsi8>
// CHECK: #qgraph.weight<"channel.mlir.safetensors", "half@quantize-weights"> : tensor<9x70xsi8>
// CHECK: qgraph.dequantize {{.*}} -> tensor<9x70xf16>
// CHECK: #qgraph.weight<"channel.mlir.safetensors", "table@quantize-weights"> : tensor<40x33xsi8>
func.func @layers(%x: tensor<?x96xf32>, %h: tensor<?x70xf16>, %i: tensor<?xsi64>)
    -> (tensor<?x24xf32>, tensor<?x24xf32>, tensor<?x9xf16>, tensor<?x33xf32>) {
  %w = qgraph.constant #qgraph.weight<"w.safetensors", "fc"> : tensor<24x96xf32>
  %a = qgraph.linear %x, %w {name = "fc1"} : (tensor<?x96xf32>, tensor<24x96xf32>) -> tensor<?x24xf32>
  %b = qgraph.linear %x, %w {name = "fc2"} : (tensor<?x96xf32>, tensor<24x96xf32>) -> tensor<?x24xf32>
  %v = qgraph.constant #qgraph.weight<"w.safetensors", "half"> : tensor<9x70xf16>
  %c = qgraph.linear %h, %v {name = "fc3"} : (tensor<?x70xf16>, tensor<9x70xf16>) -> tensor<?x9xf16>
  %t = qgraph.constant #qgraph.weight<"w.safetensors", "table"> : tensor<40x33xf32>
  %d = qgraph.embedding %t, %i {name = "words"} : (tensor<40x33xf32>, tensor<?xsi64>) -> tensor<?x33xf32>
  return %a, %b, %c, %d : tensor<?x24xf32>, tensor<?x24xf32>, tensor<?x9xf16>, tensor<?x33xf32>
}
