// RUN: rm -rf %t && mkdir %t
// RUN: %python %S/../Inputs/make_weights.py %t/w.safetensors unnamed@pass=2x80xf32
// RUN: cp %s %t/in.mlir
// RUN: quant-opt %t/in.mlir --qgraph-record-layers | FileCheck %s
// RUN: quant-opt %t/in.mlir --qgraph-quantize-weights="cost-model=false embedding-format=f16 granularity=group group-size=8 set='(*name)float=nf4;(*name)unnamed=mxfp4'" --qgraph-record-layers -o %t/out.mlir 2>/dev/null && FileCheck %s --input-file=%t/out.mlir --check-prefix=BOOK
// RUN: quant-opt %t/in.mlir --qgraph-quantize-weights="cost-model=false format=q4_1 embedding-format=float" \
// RUN:   --qgraph-split-offsets --qgraph-quantize-activations=granularity=group --qgraph-record-layers -o %t/out.mlir 2>/dev/null && FileCheck %s --input-file=%t/out.mlir --check-prefix=OFFSET

// What layers are stored and read as, by the names that set takes. Those without a name have their
// weight's; parts are none of the model's.

// CHECK: qgraph.layers = [
// CHECK-SAME: {activations = "float", format = "float", name = "float", scales = "", scheme = "symmetric", shape = array<i64: 2, 8>}
// CHECK-SAME: {activations = "float", format = "float", name = "unnamed", scales = "", scheme = "symmetric", shape = array<i64: 2, 80>}
// CHECK-SAME: {activations = "si8 token", format = "si4", name = "group", scales = "group 4", scheme = "asymmetric", shape = array<i64: 2, 8>}
// CHECK-SAME: {activations = "si8 group 4", format = "si8", name = "channel", scales = "channel", scheme = "symmetric", shape = array<i64: 2, 12>}
// CHECK-SAME: {activations = "ui8 tensor static", format = "f8E4M3FN", name = "tensor", scales = "tensor", scheme = "symmetric", shape = array<i64: 2, 8>}
// CHECK-SAME: {activations = "float", format = "f16", name = "half", scales = "", scheme = "symmetric", shape = array<i64: 2, 8>}
// CHECK-SAME: {activations = "float", format = "float", name = "table", scales = "", scheme = "symmetric", shape = array<i64: 4, 8>}
// CHECK-SAME: ]

// The groups of mxfp4 are its own.
// BOOK: qgraph.layers = [
// BOOK-SAME: format = "nf4", name = "float", scales = "channel"
// BOOK-SAME: format = "mxfp4", name = "unnamed", scales = "group 32"
// BOOK-SAME: format = "f16", name = "table", scales = ""

// The codes alone would be plain ones once the offsets are apart.
// OFFSET: qgraph.layers = [
// OFFSET-SAME: activations = "si8 token", format = "q4_1", name = "float", scales = "channel", scheme = "asymmetric"

module {
  func.func @main(%x: tensor<?x8xf32>, %z: tensor<?x80xf32>, %i: tensor<?xsi64>, %r: tensor<2x8xf32>)
      -> (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>,
          tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x8xf32>) {
    %w = qgraph.constant dense<1.0> : tensor<2x8xf32>
    %a = qgraph.linear %x, %w {name = "float"} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
    %u = qgraph.constant #qgraph.weight<"w.safetensors", "unnamed@pass"> : tensor<2x80xf32>
    %b = qgraph.linear %z, %u : (tensor<?x80xf32>, tensor<2x80xf32>) -> tensor<?x2xf32>

    %s1 = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8} : tensor<?x8xf32> -> tensor<?x1xf32>
    %q1 = qgraph.quantize %x scale %s1 {block = array<i64: 1, 0>} : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xsi8>
    %x1 = qgraph.dequantize %q1 scale %s1 {block = array<i64: 1, 0>} : (tensor<?x8xsi8>, tensor<?x1xf32>) -> tensor<?x8xf32>
    %w4 = qgraph.constant dense<1> : tensor<2x8xsi4>
    %g4 = qgraph.constant dense<1.0> : tensor<2x2xf32>
    %z4 = qgraph.constant dense<1> : tensor<2x2xsi4>
    %d4 = qgraph.dequantize %w4 scale %g4 zero_point %z4 {block = array<i64: 1, 4>} : (tensor<2x8xsi4>, tensor<2x2xf32>, tensor<2x2xsi4>) -> tensor<2x8xf32>
    %c = qgraph.linear %x1, %d4 {name = "group"} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>

    // Of the columns that are left of 12.
    %s2 = qgraph.choose_params symmetric %x {block = array<i64: 1, 4>, stored = si8} : tensor<?x8xf32> -> tensor<?x2xf32>
    %q2 = qgraph.quantize %x scale %s2 {block = array<i64: 1, 4>} : (tensor<?x8xf32>, tensor<?x2xf32>) -> tensor<?x8xsi8>
    %x2 = qgraph.dequantize %q2 scale %s2 {block = array<i64: 1, 4>} : (tensor<?x8xsi8>, tensor<?x2xf32>) -> tensor<?x8xf32>
    %w8 = qgraph.constant dense<1> : tensor<2x8xsi8>
    %g8 = qgraph.constant dense<1.0> : tensor<2x1xf32>
    %d8 = qgraph.dequantize %w8 scale %g8 {block = array<i64: 1, 0>} : (tensor<2x8xsi8>, tensor<2x1xf32>) -> tensor<2x8xf32>
    %d = qgraph.linear %x2, %d8 {name = "channel", qgraph.columns = 12 : i64} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
    %p = qgraph.linear %x, %w {name = "part", qgraph.part} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>

    %one = qgraph.constant dense<1.0> : tensor<1x1xf32>
    %zero = qgraph.constant dense<3> : tensor<1x1xui8>
    %q3 = qgraph.quantize %x scale %one zero_point %zero {block = array<i64: 0, 0>} : (tensor<?x8xf32>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x8xui8>
    %x3 = qgraph.dequantize %q3 scale %one zero_point %zero {block = array<i64: 0, 0>} : (tensor<?x8xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x8xf32>
    %wf = qgraph.constant dense<1.0> : tensor<2x8xf8E4M3FN>
    %df = qgraph.dequantize %wf scale %one {block = array<i64: 0, 0>} : (tensor<2x8xf8E4M3FN>, tensor<1x1xf32>) -> tensor<2x8xf32>
    %e = qgraph.linear %x3, %df {name = "tensor"} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
    %wh = qgraph.constant dense<1.0> : tensor<2x8xf16>
    %dh = qgraph.dequantize %wh scale %one {block = array<i64: 0, 0>} : (tensor<2x8xf16>, tensor<1x1xf32>) -> tensor<2x8xf32>
    %h = qgraph.linear %x, %dh {name = "half"} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>

    // A product of activations is none of them.
    %n = qgraph.linear %x, %r {name = "computed"} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
    %t = qgraph.constant dense<1.0> : tensor<4x8xf32>
    %f = qgraph.embedding %t, %i {name = "table"} : (tensor<4x8xf32>, tensor<?xsi64>) -> tensor<?x8xf32>
    return %a, %b, %c, %d, %p, %e, %h, %n, %f : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x8xf32>
  }
}
