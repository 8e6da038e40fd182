// RUN: not quant-opt %s --qgraph-quantize-weights="keep-float=head set='fc=si4;^embed=si8;table=float'" 2>&1 | FileCheck %s --check-prefix=ERROR
// RUN: quant-opt %s --qgraph-quantize-weights="keep-float=head set='fc=si4;^embed=si8;w2$=si8' require-match=false" | FileCheck %s
// RUN: quant-opt %s --qgraph-quantize-weights="keep-float=embed set='fc=si4'" | FileCheck %s --check-prefix=MATCHED

// What of keep-float and set matches no layer: set is not for embeddings.

// ERROR: error: keep-float 'head' matches no layer that can be quantized; there are 'fc1', 'fc2', 'embed'
// ERROR: error: set '^embed' matches no layer that can be quantized; there are 'fc1', 'fc2' (the embeddings 'embed' have keep-float only)
// ERROR: error: set 'table' matches no layer that can be quantized
// CHECK: module attributes {{.*}}qgraph.unmatched = ["keep-float 'head'", "set '^embed'", "set 'w2$'"]
// MATCHED-NOT: qgraph.unmatched
module {
  func.func @main(%i: tensor<?xsi64>) -> tensor<?x2xf32> {
    %t = qgraph.constant dense<1.0> : tensor<3x2xf32>
    %w = qgraph.constant dense<1.0> : tensor<2x2xf32>
    %e = qgraph.embedding %t, %i {name = "embed"} : (tensor<3x2xf32>, tensor<?xsi64>) -> tensor<?x2xf32>
    %x = qgraph.linear %e, %w {name = "fc1"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
    %y = qgraph.linear %x, %w {name = "fc2"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
    return %y : tensor<?x2xf32>
  }
}
