// RUN: quant-opt %s --qgraph-quantize-weights="cost-model=false set='(*name)fc=si4;(*name)a%%3Bb%%20c=si3;(*name)embed=f16;fc=si4'" 2>&1 | FileCheck %s
// RUN: quant-opt %s --qgraph-quantize-weights="cost-model=false set='(*name)fc=f8E4M3FN,granularity=tensor'" 2>&1 | FileCheck %s --check-prefix=TENSOR
// RUN: not quant-opt %s --qgraph-quantize-weights="set='(*name)fc=si4;(*name)f=si8;(*name)c=si8'" 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: quant-opt %s --qgraph-quantize-weights="set='(*name)f=si8' require-match=false" 2>/dev/null | FileCheck %s --check-prefix=UNMATCHED
// RUN: not quant-opt %s --qgraph-quantize-weights="set='(*name)fc=si4' keep-float=fc" 2>&1 | FileCheck %s --check-prefix=KEEP
// RUN: not quant-opt %s --qgraph-quantize-weights="set='(*name)fc=si4,group-size=4;fc=si4,group-size=2'" 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not quant-opt %s --qgraph-quantize-weights="set='(*name)fc=float;^fc=si4'" 2>&1 | FileCheck %s --check-prefix=FLOAT
// RUN: not quant-opt %s --qgraph-quantize-weights="set='(*name)embed=nf4'" 2>&1 | FileCheck %s --check-prefix=TABLE
// RUN: not quant-opt %s --qgraph-quantize-weights="set='(*name)=si4'" 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not quant-opt %s --qgraph-quantize-weights="set='(*name)a%%3=si4'" 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not quant-opt %s --qgraph-quantize-weights="set='fc=nf4,granularity=tensor'" 2>&1 | FileCheck %s --check-prefix=WORDS

// A name is just that name: no part of another, no weight's of a layer that has a name, whatever
// characters it has. It is an embedding's too, and comes before any regular expression.

// CHECK: tensor<4x8xf16>
// CHECK: tensor<2x8xsi4>
// CHECK: name = "fc"
// CHECK: tensor<2x8xsi4>
// CHECK: name = "fc/2"
// CHECK: tensor<2x8xsi3>
// CHECK: name = "a;b c"

// TENSOR: qgraph.dequantize {{.*}}block = array<i64: 0, 0>} : (tensor<2x8xf8E4M3FN>

// MISSING: error: the model has no 'f', 'c' among the layers that can be quantized; there are 'fc', 'fc/2', 'a;b c', 'embed'
// UNMATCHED: qgraph.unmatched = ["set '(*name)f'"]
// KEEP: error: 'fc' (qgraph.linear) is to be si4 by its name and float by keep-float 'fc': leave out one of the two
// GROUP: error: 'fc' (qgraph.linear) is to be si4 by its name and of other groups by set 'fc'
// FLOAT: error: 'fc' (qgraph.linear) is to be float by its name and si4 by set '^fc'
// TABLE: error: 'embed' (qgraph.embedding): 'nf4': tables are si2 ... si8, f16, bf16 or float
// EMPTY: set: '(*name){{.*}}' is not (*name)NAME with %XX for bytes
// WORDS: set: for 'fc', nf4 has groups along a row, and no scales that rows share
func.func @f(%i: tensor<?xsi64>) -> (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) {
  %t = qgraph.constant dense<1.0> : tensor<4x8xf32>
  %c = qgraph.constant dense<1.0> : tensor<2x8xf32>
  %x = qgraph.embedding %t, %i {name = "embed"} : (tensor<4x8xf32>, tensor<?xsi64>) -> tensor<?x8xf32>
  %0 = qgraph.linear %x, %c {name = "fc"} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
  %1 = qgraph.linear %x, %c {name = "fc/2"} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
  %2 = qgraph.linear %x, %c {name = "a;b c"} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
  return %0, %1, %2 : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>
}
