// Operators of com.microsoft end where those of ONNX do that they are made of.

// RUN: quant-opt %s --convert-onnx-to-qgraph --canonicalize --cse --qgraph-fuse-epilogue --split-input-file | FileCheck %s

// A feed-forward part: activations are part of the layer, and so is the sum that is normalized.

// CHECK-LABEL: func.func @feed_forward
// CHECK-NOT:     onnx.node
// CHECK:         %[[A:.*]] = qgraph.linear %arg0, %{{.*}} epilogue(%{{.*}}) {epilogue = [#qgraph.step<"Add", operand = 0>, #qgraph.step<"Gelu", attributes = {approximate = "none"}>]
// CHECK-NEXT:    %[[B:.*]] = qgraph.linear %[[A]], %{{.*}} epilogue(%arg0, %{{.*}}) {epilogue = [#qgraph.step<"Add", operand = 0>, #qgraph.step<"Add", operand = 1>]
// CHECK-NEXT:    %[[Y:.*]] = qgraph.norm layer %[[B]] weight %{{.*}} {epsilon = 9.99999996E-13 : f32
// CHECK-NEXT:    return %[[Y]]
func.func @feed_forward(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %v = qgraph.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %b = qgraph.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %c = qgraph.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %none = onnx.none
  %0 = onnx.node "MatMul"(%x, %w) {version = 13 : i64} : (tensor<?x2xf32>, tensor<2x3xf32>) -> tensor<*xf32>
  %1 = onnx.node "BiasGelu"(%0, %b) {domain = "com.microsoft", version = 1 : i64} : (tensor<*xf32>, tensor<3xf32>) -> tensor<*xf32>
  %2 = onnx.node "FusedMatMul"(%1, %v) {domain = "com.microsoft", version = 1 : i64, node_attributes = {transB = 1 : si64}}
    : (tensor<*xf32>, tensor<2x3xf32>) -> tensor<*xf32>
  %3:4 = onnx.node "SkipLayerNormalization"(%2, %x, %c, %none, %c) {domain = "com.microsoft", version = 1 : i64}
    : (tensor<*xf32>, tensor<?x2xf32>, tensor<2xf32>, none, tensor<2xf32>) -> (tensor<*xf32>, none, none, none)
  return %3#0 : tensor<*xf32>
}

// -----

// The norm of the standard domain that ONNX has not.

// CHECK-LABEL: func.func @simplified
// CHECK:         %[[Y:.*]] = qgraph.norm rms %arg0 weight %{{.*}} {epsilon = 9.99999974E-6 : f32
// CHECK-NEXT:    return %[[Y]]
func.func @simplified(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %0 = onnx.node "SimplifiedLayerNormalization"(%x, %w) {version = 1 : i64} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// With a cache, causal: keys and values are joined, and what is joined are results.

// CHECK-LABEL: func.func @multi_head
// CHECK-NOT:     Softmax
// CHECK:         %[[K:.*]] = onnx.node "Concat"(%arg3, %{{.*}}) {{.*}}axis = 2
// CHECK:         %[[KT:.*]] = onnx.node "Transpose"(%[[K]])
// CHECK:         %[[V:.*]] = onnx.node "Concat"(%arg4, %{{.*}}) {{.*}}axis = 2
// CHECK:         %[[VT:.*]] = onnx.node "Transpose"(%[[V]])
// CHECK:         qgraph.attention %{{.*}}, %[[KT]], %[[VT]] {causal, name = {{.*}}, scale = 2.500000e-01 : f32}
// CHECK-NOT:     Softmax
// CHECK:         return %{{.*}}, %[[K]], %[[V]]
func.func @multi_head(%q: tensor<2x?x32xf32> {onnx.dims = ["", "s", ""]}, %k: tensor<2x?x32xf32> {onnx.dims = ["", "s", ""]},
                      %v: tensor<2x?x32xf32> {onnx.dims = ["", "s", ""]}, %pk: tensor<2x2x?x16xf32> {onnx.dims = ["", "", "p", ""]},
                      %pv: tensor<2x2x?x16xf32> {onnx.dims = ["", "", "p", ""]}) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>) {
  %none = onnx.none
  %0:3 = onnx.node "MultiHeadAttention"(%q, %k, %v, %none, %none, %none, %pk, %pv)
      {domain = "com.microsoft", version = 1 : i64, node_attributes = {num_heads = 2 : si64, unidirectional = 1 : si64}}
    : (tensor<2x?x32xf32>, tensor<2x?x32xf32>, tensor<2x?x32xf32>, none, none, none, tensor<2x2x?x16xf32>, tensor<2x2x?x16xf32>)
      -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>)
  return %0#0, %0#1, %0#2 : tensor<*xf32>, tensor<*xf32>, tensor<*xf32>
}

// -----

// Without a cache there is only the triangle.

// CHECK-LABEL: func.func @prompt
// CHECK:         qgraph.attention %{{.*}}, %{{.*}}, %{{.*}} {causal, name = {{.*}}, scale = 2.500000e-01 : f32}
// CHECK-SAME:      (tensor<?x?x4x16xf32>, tensor<?x?x2x16xf32>, tensor<?x?x2x16xf32>) -> tensor<?x?x4x16xf32>
func.func @prompt(%q: tensor<?x?x128xf32> {onnx.dims = ["b", "s", ""]}, %l: tensor<?xsi32> {onnx.dims = ["b"]}, %t: tensor<si32>) -> tensor<*xf32> {
  %none = onnx.none
  %0:3 = onnx.node "GroupQueryAttention"(%q, %none, %none, %none, %none, %l, %t)
      {domain = "com.microsoft", version = 1 : i64, node_attributes = {num_heads = 4 : si64, kv_num_heads = 2 : si64}}
    : (tensor<?x?x128xf32>, none, none, none, none, tensor<?xsi32>, tensor<si32>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>)
  return %0#0 : tensor<*xf32>
}

// -----

// With a cache new keys are written to their places, and a mask says what each query sees.

// CHECK-LABEL: func.func @decode
// CHECK-NOT:     Softmax
// CHECK:         %[[K:.*]] = onnx.node "TensorScatter"
// CHECK:         %[[V:.*]] = onnx.node "TensorScatter"
// CHECK:         %[[M:.*]] = onnx.node "LessOrEqual"{{.*}} -> tensor<?x1x?x?xi1>
// CHECK:         qgraph.attention %{{.*}}, %{{.*}}, %{{.*}} mask %[[M]] {name = {{.*}}, scale = 2.500000e-01 : f32}
// CHECK-NOT:     Softmax
// CHECK:         return %{{.*}}, %[[K]], %[[V]]
func.func @decode(%q: tensor<?x?x128xf32> {onnx.dims = ["b", "s", ""]}, %l: tensor<?xsi32> {onnx.dims = ["b"]}, %t: tensor<si32>,
                  %pk: tensor<?x2x?x16xf32> {onnx.dims = ["b", "", "p", ""]}, %pv: tensor<?x2x?x16xf32> {onnx.dims = ["b", "", "p", ""]})
    -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>) {
  %none = onnx.none
  %0:3 = onnx.node "GroupQueryAttention"(%q, %none, %none, %pk, %pv, %l, %t)
      {domain = "com.microsoft", version = 1 : i64, node_attributes = {num_heads = 4 : si64, kv_num_heads = 2 : si64}}
    : (tensor<?x?x128xf32>, none, none, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?xsi32>, tensor<si32>)
      -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>)
  return %0#0, %0#1, %0#2 : tensor<*xf32>, tensor<*xf32>, tensor<*xf32>
}

// -----

// Projections as one layer.

// CHECK-LABEL: func.func @projections
// CHECK:         %[[P:.*]] = qgraph.linear %arg0
// CHECK-COUNT-3: onnx.node "Slice"(%[[P]])
// CHECK:         qgraph.attention
func.func @projections(%x: tensor<?x?x2xf32>) -> tensor<*xf32> {
  %w = qgraph.constant dense<1.0> : tensor<2x12xf32>
  %0 = onnx.node "Attention"(%x, %w) {domain = "com.microsoft", version = 1 : i64, node_attributes = {num_heads = 2 : si64}}
    : (tensor<?x?x2xf32>, tensor<2x12xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}
