// RUN: quant-opt %s --convert-onnx-to-qgraph --split-input-file | FileCheck %s

// Elements that are known one by one: nothing is left of the sequence.

// CHECK-LABEL: func.func @known
// CHECK-SAME:  (%[[X:.*]]: tensor<2xf32>, %[[Y:.*]]: tensor<3xf32>) -> tensor<5xf32>
// CHECK-NOT: Sequence
// CHECK: onnx.node "Concat"(%[[Y]], %[[X]])
func.func @known(%x: tensor<2xf32>, %y: tensor<3xf32>) -> !onnx.unknown {
  %first = qgraph.constant dense<0> : tensor<si64>
  %0 = onnx.node "SequenceConstruct"(%x) {version = 11 : i64} : (tensor<2xf32>) -> !onnx.unknown
  %1 = onnx.node "SequenceInsert"(%0, %y, %first) {version = 11 : i64} : (!onnx.unknown, tensor<3xf32>, tensor<si64>) -> !onnx.unknown
  %2 = onnx.node "ConcatFromSequence"(%1) {version = 11 : i64, node_attributes = {axis = 0 : si64}} : (!onnx.unknown) -> !onnx.unknown
  return %2 : !onnx.unknown
}

// -----

// An input: its data, and a table of rank, place and dimensions. An element is
// the part of the data that its row says.

// CHECK-LABEL: func.func @input
// CHECK-SAME:  (%[[D:.*]]: tensor<?xf32> {onnx.dims = [""], onnx.name = "s.data", onnx.type = !onnx.sequence<tensor<?xf32>>}
// CHECK-SAME:  %[[T:.*]]: tensor<?x10xsi64> {
// CHECK-SAME:  -> (tensor<?xf32>, tensor<si64>)
// CHECK: %[[R:.*]] = onnx.node "Slice"(%[[T]], %{{.*}}) {{.*}} -> tensor<1x10xsi64>
// CHECK: %[[RANK:.*]] = qgraph.element %[[R]][0]
// CHECK: qgraph.require %{{.*}}, %c1, "node (SequenceAt): the element has %a dimensions, expected %b"
// CHECK: onnx.node "Slice"(%[[D]], %{{.*}}) dims(
// CHECK: qgraph.require %{{.*}}, "node (SequenceAt): position %a is outside of the sequence"
func.func @input(%s: !onnx.sequence<tensor<?xf32>> {onnx.name = "s"}, %i: tensor<si64>) -> (!onnx.unknown, !onnx.unknown) {
  %0 = onnx.node "SequenceAt"(%s, %i) {version = 11 : i64} : (!onnx.sequence<tensor<?xf32>>, tensor<si64>) -> !onnx.unknown
  %1 = onnx.node "SequenceLength"(%s) {version = 11 : i64} : (!onnx.sequence<tensor<?xf32>>) -> !onnx.unknown
  return %0, %1 : !onnx.unknown, !onnx.unknown
}

// -----

// An optional has a flag beside its content, also as a result.

// CHECK-LABEL: func.func @optional
// CHECK-SAME:  (%[[F:.*]]: tensor<si64> {{{.*}}onnx.type = !onnx.optional<tensor<2xf32>>}, %[[V:.*]]: tensor<?xf32>
// CHECK: qgraph.element %[[F]][0]
// CHECK: return %{{.*}} : tensor<i1>
func.func @optional(%o: !onnx.optional<tensor<2xf32>> {onnx.name = "o"}) -> !onnx.unknown {
  %0 = onnx.node "OptionalHasElement"(%o) {version = 18 : i64} : (!onnx.optional<tensor<2xf32>>) -> !onnx.unknown
  return %0 : !onnx.unknown
}
