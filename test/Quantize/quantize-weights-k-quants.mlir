// K-quants: scales and offsets are integers that are dequantized themselves.

// RUN: mkdir -p %t
// RUN: %python %S/../Inputs/make_weights.py %t/w.safetensors fc=24x300xf32
// RUN: quant-opt %s --weights-dir=%t --qgraph-quantize-weights="cost-model=false format=q4_k" -o %t/q4.mlir
// RUN: FileCheck %s --check-prefix=Q4 < %t/q4.mlir
// RUN: quant-opt %s --weights-dir=%t --qgraph-quantize-weights="cost-model=false set=fc=q5_k" -o %t/q5.mlir
// RUN: FileCheck %s --check-prefix=Q5 < %t/q5.mlir
// RUN: quant-opt %s --weights-dir=%t --qgraph-quantize-weights="cost-model=false format=q6_k" -o %t/q6.mlir
// RUN: FileCheck %s --check-prefix=Q6 < %t/q6.mlir

// Any number of threads writes the same file.
// RUN: quant-opt %s --weights-dir=%t --mlir-disable-threading --qgraph-quantize-weights="cost-model=false format=q4_k" -o %t/one.mlir
// RUN: cmp %t/one.mlir.safetensors %t/q4.mlir.safetensors

// 10 groups of 32, the last of 12; 2 super-blocks, the last of 2 groups.
// Q4-LABEL: @linear
// Q4-DAG: %[[Q:.*]] = qgraph.constant #qgraph.weight<{{.*}}, "fc@quantize-weights"> : tensor<24x300xui4>
// Q4-DAG: %[[SC:.*]] = qgraph.constant #qgraph.weight<{{.*}}, "fc@quantize-weights.scale"> : tensor<24x10xui6>
// Q4-DAG: %[[M:.*]] = qgraph.constant #qgraph.weight<{{.*}}, "fc@quantize-weights.offset"> : tensor<24x10xui6>
// Q4-DAG: %[[D:.*]] = qgraph.constant {{.*}} : tensor<24x2xf16>
// Q4-DAG: %[[DMIN:.*]] = qgraph.constant {{.*}} : tensor<24x2xf16>
// Q4-DAG: %[[S:.*]] = qgraph.dequantize %[[SC]] scale %{{.*}} {block = array<i64: 1, 8>} : (tensor<24x10xui6>, tensor<24x2xf16>) -> tensor<24x10xf32>
// Q4-DAG: %[[O:.*]] = qgraph.dequantize %[[M]] scale %{{.*}} {block = array<i64: 1, 8>} : (tensor<24x10xui6>, tensor<24x2xf16>) -> tensor<24x10xf32>
// Q4: qgraph.dequantize %[[Q]] scale %[[S]] offset %[[O]] {block = array<i64: 1, 32>, qgraph.format = "q4_k"} : (tensor<24x300xui4>, tensor<24x10xf32>, tensor<24x10xf32>) -> tensor<24x300xf32>

// Q5-LABEL: @linear
// Q5: qgraph.dequantize {{.*}} offset {{.*}} {block = array<i64: 1, 32>, qgraph.format = "q5_k"} : (tensor<24x300xui5>

// 19 groups of 16, of which 16 share a scale; no offsets.
// Q6-LABEL: @linear
// Q6: %[[S:.*]] = qgraph.dequantize %{{.*}} scale %{{.*}} {block = array<i64: 1, 16>} : (tensor<24x19xsi8>, tensor<24x2xf16>) -> tensor<24x19xf32>
// Q6: qgraph.dequantize %{{.*}} scale %[[S]] {block = array<i64: 1, 16>, qgraph.format = "q6_k"} : (tensor<24x300xsi6>, tensor<24x19xf32>) -> tensor<24x300xf32>
func.func @linear(%x: tensor<?x300xf32>) -> tensor<?x24xf32> {
  %w = qgraph.constant #qgraph.weight<"w.safetensors", "fc"> : tensor<24x300xf32>
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x300xf32>, tensor<24x300xf32>) -> tensor<?x24xf32>
  return %y : tensor<?x24xf32>
}

// Values that the codes can say are said exactly: 63 / 64 q - 63 / 16 in the first row, of which
// 63 is the code of the scale and of the offset, d = 1 / 64 and dmin = 1 / 16; 63 / 128 q in the
// second, which has no offset.

// Q4-LABEL: @exact
// Q4-DAG: dense<{{\[}}[15, 0, 5, 10], [0, 3, 15, 8]]> : tensor<2x4xui4>
// Q4-DAG: dense<63> : tensor<2x1xui6>
// Q4-DAG: dense<{{\[}}[1.562500e-02], [7.812500e-03]]> : tensor<2x1xf16>
// Q4-DAG: dense<{{\[}}[63], [0]]> : tensor<2x1xui6>
// Q4-DAG: dense<{{\[}}[-6.250000e-02], [-0.000000e+00]]> : tensor<2x1xf16>
func.func @exact(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<[[10.828125, -3.9375, 0.984375, 5.90625], [0.0, 1.4765625, 7.3828125, 3.9375]]> : tensor<2x4xf32>
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
