// RUN: quant-opt %s --lower-to-kernels --verify-diagnostics --split-input-file
// RUN: quant-opt %s --lower-to-kernels=plain=true --verify-diagnostics --split-input-file

// All that cannot be compiled is reported at once, the ONNX node named.
func.func @main(%x: tensor<4x8xf32>, %q: tensor<1x3x2x8xf16>) -> (tensor<4x8xf32>, tensor<1x3x2x8xf16>, tensor<4x8xf32>) {
  // expected-error @+2 {{cannot be compiled: }}
  // expected-note @+1 {{ONNX node 'a', my.domain.Fancy version 3}}
  %0 = onnx.node "Fancy"(%x) {name = "a", domain = "my.domain", version = 3 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  // expected-error @+1 {{cannot be compiled: no loop writes elements of type f16}}
  %1 = qgraph.attention %q, %q, %q {scale = 1.0 : f32} : (tensor<1x3x2x8xf16>, tensor<1x3x2x8xf16>, tensor<1x3x2x8xf16>) -> tensor<1x3x2x8xf16>
  // expected-error @+2 {{cannot be compiled: }}
  // expected-note @+1 {{ONNX node '', ai.onnx.NoSuch version 1}}
  %2 = onnx.node "NoSuch"(%0) {version = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0, %1, %2 : tensor<4x8xf32>, tensor<1x3x2x8xf16>, tensor<4x8xf32>
}

// -----

// expected-error @+1 {{a schedule is made from one block of operations}}
func.func @blocks(%x: tensor<4xf32>) -> tensor<4xf32> {
  cf.br ^next
^next:
  return %x : tensor<4xf32>
}
