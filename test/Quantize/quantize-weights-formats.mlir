// Formats that are more than an integer type, and what goes with each.

// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="cost-model=false format=f16 embedding-format=f16" | FileCheck %s --check-prefix=F16
// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="cost-model=false format=f8E5M2 granularity=tensor" | FileCheck %s --check-prefix=F8
// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="cost-model=false format=nf4 granularity=group group-size=4" | FileCheck %s --check-prefix=NF4
// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="cost-model=false format=q4_0" | FileCheck %s --check-prefix=Q40
// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="cost-model=false format=q5_1" | FileCheck %s --check-prefix=Q51
// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="cost-model=false set=fc=fp4" | FileCheck %s --check-prefix=SET

// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="cost-model=false format=mxfp4" | FileCheck %s --check-prefix=MX
// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="cost-model=false format=nvfp4" | FileCheck %s --check-prefix=NV
// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="cost-model=false format=binary" | FileCheck %s --check-prefix=BINARY

// The weight rounded, one scale of 1: 0.1 is the nearest of 11 bits.
// F16-LABEL: @linear
// F16-DAG: %[[Q:.*]] = qgraph.constant dense<{{\[}}[1.000000e+00, -2.000000e+00, 5.000000e-01, 2.500000e-01], [9.997550e-02, 1.999510e-01, 3.000490e-01, -3.999020e-01]]> : tensor<2x4xf16>
// F16-DAG: %[[S:.*]] = qgraph.constant dense<1.000000e+00> : tensor<1x1xf32>
// F16: qgraph.dequantize %[[Q]] scale %[[S]] {block = array<i64: 0, 0>} : (tensor<2x4xf16>, tensor<1x1xf32>) -> tensor<2x4xf32>

// One scale: 2 maps to 57344.
// F8-LABEL: @linear
// F8-DAG: qgraph.constant dense<{{\[}}[2.867200e+04, -5.734400e+04, 1.433600e+04, 7.168000e+03], {{.*}}> : tensor<2x4xf8E5M2>
// F8-DAG: qgraph.constant dense<3.48772337E-5> : tensor<1x1xf32>
// F8: {block = array<i64: 0, 0>} : (tensor<2x4xf8E5M2>, tensor<1x1xf32>) -> tensor<2x4xf32>

// Indices into the codebook: 0.5 is nearest to 0.4407 (12), -1 is 0, 0.25 nearest to 0.2461 (10)
// and 0.125 to 0.1609 (9). The scales 2 and 0.4 are 0.8 more and less than their mean.
// NF4-LABEL: @linear
// NF4-DAG: %[[Q:.*]] = qgraph.constant dense<{{\[}}[12, 0, 10, 9], [10, 12, 14, 0]]> : tensor<2x4xui4>
// NF4-DAG: %[[C:.*]] = qgraph.constant dense<{{\[}}[4.480000e+02], [-4.480000e+02]]> : tensor<2x1xf8E4M3FN>
// NF4-DAG: %[[CS:.*]] = qgraph.constant dense<0.00178571441> : tensor<1x1xf32>
// NF4-DAG: %[[MEAN:.*]] = qgraph.constant dense<1.200000e+00> : tensor<1x1xf32>
// NF4-DAG: %[[BOOK:.*]] = qgraph.constant dense<[-1.000000e+00, -0.6961928, {{.*}}, 1.000000e+00]> : tensor<16xf32>
// NF4-DAG: %[[S:.*]] = qgraph.dequantize %[[C]] scale %[[CS]] offset %[[MEAN]] {block = array<i64: 0, 0>} : (tensor<2x1xf8E4M3FN>, tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<2x1xf32>
// NF4: qgraph.dequantize %[[Q]] scale %[[S]] codebook %[[BOOK]] {block = array<i64: 1, 0>} : (tensor<2x4xui4>, tensor<2x1xf32>, tensor<16xf32>) -> tensor<2x4xf32>

// The value of greatest magnitude maps to -8: signs turn around in the first row.
// Q40-LABEL: @linear
// Q40-DAG: qgraph.constant dense<{{\[}}[4, -8, 2, 1], [2, 4, 6, -8]]> : tensor<2x4xsi4>
// Q40-DAG: qgraph.constant dense<{{\[}}[2.500000e-01], [4.998780e-02]]> : tensor<2x1xf16>
// Q40: {block = array<i64: 1, 32>, qgraph.format = "q4_0"} : (tensor<2x4xsi4>, tensor<2x1xf16>) -> tensor<2x4xf32>

// The least value is the offset: (1 + 2) / 31 and so on.
// Q51-LABEL: @linear
// Q51-DAG: qgraph.constant dense<{{\[}}[31, 0, 26, 23], [22, 27, 31, 0]]> : tensor<2x4xui5>
// Q51-DAG: %[[D:.*]] = qgraph.constant dense<{{\[}}[9.680170e-02], [2.258300e-02]]> : tensor<2x1xf16>
// Q51-DAG: %[[M:.*]] = qgraph.constant dense<{{\[}}[-2.000000e+00], [-3.999020e-01]]> : tensor<2x1xf16>
// Q51: qgraph.dequantize %{{.*}} scale %[[D]] offset %[[M]] {block = array<i64: 1, 32>, qgraph.format = "q5_1"}

// 2 = 2^1, so 2^(1 - 2); 0.4 is 1.6 times 2^-2, so 2^-4: 0.4 / 0.0625 = 6.4 is 6, 1.6 is 1.5, 3.2 3, 4.8 4.
// MX-LABEL: @linear
// MX-DAG: qgraph.constant dense<{{\[}}[2.000000e+00, -4.000000e+00, 1.000000e+00, 5.000000e-01], [1.500000e+00, 3.000000e+00, 4.000000e+00, -6.000000e+00]]> : tensor<2x4xf4E2M1FN>
// MX-DAG: qgraph.constant dense<{{\[}}[5.000000e-01], [6.250000e-02]]> : tensor<2x1xf8E8M0FNU>
// MX: (tensor<2x4xf4E2M1FN>, tensor<2x1xf8E8M0FNU>) -> tensor<2x4xf32>

// Scales 2 / 6 and 0.4 / 6 in steps of 2 / 6 / 448: 448 and 89.6, of which 88 is the nearest.
// NV-LABEL: @linear
// NV-DAG: qgraph.constant dense<{{\[}}[4.480000e+02], [8.800000e+01]]> : tensor<2x1xf8E4M3FN>
// NV: qgraph.dequantize %{{.*}} scale %{{[^ ]*}} {block = array<i64: 0, 0>} : (tensor<2x1xf8E4M3FN>, tensor<1x1xf32>) -> tensor<2x1xf32>
// NV: (tensor<2x4xf4E2M1FN>, tensor<2x1xf32>) -> tensor<2x4xf32>

// BINARY-LABEL: @linear
// BINARY-DAG: qgraph.constant dense<{{\[}}[true, false, true, true], [true, true, true, false]]> : tensor<2x4xui1>
// BINARY-DAG: qgraph.constant dense<{{\[}}[9.375000e-01], [2.500000e-01]]> : tensor<2x1xf32>
// BINARY-DAG: qgraph.constant dense<[-1.000000e+00, 1.000000e+00]> : tensor<2xf32>

// SET-LABEL: @linear
// SET: codebook {{.*}} {block = array<i64: 1, 0>} : (tensor<2x4xui4>
func.func @linear(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<[[1.0, -2.0, 0.5, 0.25], [0.1, 0.2, 0.3, -0.4]]> : tensor<2x4xf32>
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// Tables are of integers or halves.

// F16-LABEL: @embedding
// F16: qgraph.dequantize {{.*}} {block = array<i64: 0, 0>} : (tensor<3x2xf16>, tensor<1x1xf32>) -> tensor<3x2xf32>
// Q40-LABEL: @embedding
// Q40: (tensor<3x2xsi8>, tensor<3x1xf32>) -> tensor<3x2xf32>
// SET-LABEL: @embedding
func.func @embedding(%i: tensor<?xsi64>, %x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %t = qgraph.constant dense<[[1.0, -2.0], [0.0, 0.0], [3.0, 4.0]]> : tensor<3x2xf32>
  %w = qgraph.constant dense<0.5> : tensor<2x2xf32>
  %y = qgraph.embedding %t, %i {name = "words"} : (tensor<3x2xf32>, tensor<?xsi64>) -> tensor<?x2xf32>
  %z = qgraph.linear %x, %w {name = "fc"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %y, %z : tensor<?x2xf32>, tensor<?x2xf32>
}
