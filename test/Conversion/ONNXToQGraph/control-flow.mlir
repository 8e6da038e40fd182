// RUN: quant-opt %s --convert-onnx-to-qgraph --split-input-file | FileCheck %s

// A condition that is data: both branches, what they capture as it is. The
// dimension that both have is the result's; the other is asked of it.

// CHECK-LABEL: func.func @branches
// CHECK-SAME:  (%[[C:.*]]: tensor<i1>, %[[X:.*]]: tensor<?x4xf32>)
// CHECK: %[[E:.*]] = qgraph.element %[[C]][0]
// CHECK: %[[R:.*]] = qgraph.if
// CHECK:   %[[A:.*]] = onnx.node "Concat"(%[[X]], %[[X]])
// CHECK:   qgraph.yield %[[A]] : tensor<?x4xf32>
// CHECK: else
// CHECK:   qgraph.yield %[[X]] : tensor<?x4xf32>
// CHECK: : tensor<?x4xf32>
// CHECK: %[[D:.*]] = tensor.dim %[[R]], %{{.*}} : tensor<?x4xf32>
// CHECK: onnx.node "Relu"(%[[R]]) dims(%[[D]])
func.func @branches(%c: tensor<i1>, %x: tensor<?x4xf32>) -> !onnx.unknown {
  %0 = onnx.node "If"(%c) subgraphs {
    %1 = onnx.node "Concat"(%x, %x) {version = 13 : i64, node_attributes = {axis = 0 : si64}} : (tensor<?x4xf32>, tensor<?x4xf32>) -> !onnx.unknown
    onnx.return %1 : !onnx.unknown
  }, {
    onnx.return %x : tensor<?x4xf32>
  } {version = 19 : i64, subgraph_names = ["then_branch", "else_branch"]} : (tensor<i1>) -> !onnx.unknown
  %2 = onnx.node "Relu"(%0) {version = 14 : i64} : (!onnx.unknown) -> !onnx.unknown
  return %2 : !onnx.unknown
}

// -----

// A condition that is known: the branch stands in its place.

// CHECK-LABEL: func.func @known
// CHECK-NOT: qgraph.if
// CHECK: onnx.node "Abs"
// CHECK-NOT: "Neg"
func.func @known(%x: tensor<2xf32>) -> !onnx.unknown {
  %c = qgraph.constant dense<false> : tensor<i1>
  %0 = onnx.node "If"(%c) subgraphs {
    %1 = onnx.node "Neg"(%x) {version = 13 : i64} : (tensor<2xf32>) -> !onnx.unknown
    onnx.return %1 : !onnx.unknown
  }, {
    %1 = onnx.node "Abs"(%x) {version = 13 : i64} : (tensor<2xf32>) -> !onnx.unknown
    onnx.return %1 : !onnx.unknown
  } {version = 19 : i64, subgraph_names = ["then_branch", "else_branch"]} : (tensor<i1>) -> !onnx.unknown
  return %0 : !onnx.unknown
}

// -----

// What stays is known in the body, and what grows is asked of the argument. The
// pieces are as many as there are iterations.

// CHECK-LABEL: func.func @loop
// CHECK-SAME:  (%[[M:.*]]: tensor<si64>, %[[X:.*]]: tensor<2x3xf32>, %[[Y:.*]]: tensor<1x3xf32>)
// CHECK: %[[L:.*]]:3 = qgraph.loop %{{.*}} while %{{.*}} init(%[[X]], %[[Y]] : tensor<2x3xf32>, tensor<1x3xf32>)
// CHECK: ^bb0(%[[I:.*]]: index, %[[A:.*]]: tensor<2x3xf32>, %[[B:.*]]: tensor<?x3xf32>):
// CHECK:   %[[D:.*]] = tensor.dim %[[B]]
// CHECK:   %[[P:.*]] = onnx.node "Add"(%[[A]], %[[A]]) {{.*}} -> tensor<2x3xf32>
// CHECK:   %[[S:.*]] = arith.addi
// CHECK:   %[[Q:.*]] = onnx.node "Concat"(%[[B]], %[[A]]) dims(%[[S]])
// CHECK:   qgraph.yield %{{.*}}, %[[P]], %[[Q]], %[[P]] : index, tensor<2x3xf32>, tensor<?x3xf32>, tensor<2x3xf32>
// CHECK: : tensor<2x3xf32>, tensor<?x3xf32>, tensor<?x2x3xf32>
func.func @loop(%m: tensor<si64>, %x: tensor<2x3xf32>, %y: tensor<1x3xf32>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown) {
  %none = onnx.none
  %0:3 = onnx.node "Loop"(%m, %none, %x, %y) subgraphs {
  ^bb0(%i: tensor<si64>, %c: tensor<i1>, %a: !onnx.unknown, %b: !onnx.unknown):
    %1 = onnx.node "Add"(%a, %a) {version = 14 : i64} : (!onnx.unknown, !onnx.unknown) -> !onnx.unknown
    %2 = onnx.node "Concat"(%b, %a) {version = 13 : i64, node_attributes = {axis = 0 : si64}} : (!onnx.unknown, !onnx.unknown) -> !onnx.unknown
    onnx.return %c, %1, %2, %1 : tensor<i1>, !onnx.unknown, !onnx.unknown, !onnx.unknown
  } {version = 19 : i64, subgraph_names = ["body"]} : (tensor<si64>, none, tensor<2x3xf32>, tensor<1x3xf32>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown)
  return %0#0, %0#1, %0#2 : !onnx.unknown, !onnx.unknown, !onnx.unknown
}

// -----

// A scan is a loop over slices; its length is that of what is scanned.

// CHECK-LABEL: func.func @scan
// CHECK-SAME:  (%[[S:.*]]: tensor<3xf32>, %[[X:.*]]: tensor<5x3xf32>)
// CHECK: qgraph.loop %c5 while %c1 init(%[[S]] : tensor<3xf32>)
// CHECK: ^bb0(%[[I:.*]]: index, %[[A:.*]]: tensor<3xf32>):
// CHECK:   tensor.from_elements
// CHECK:   %[[R:.*]] = onnx.node "Gather"(%[[X]], %{{.*}}) {{.*}} -> tensor<3xf32>
// CHECK:   onnx.node "Add"(%[[A]], %[[R]])
// CHECK: : tensor<3xf32>, tensor<5x3xf32>
func.func @scan(%s: tensor<3xf32>, %x: tensor<5x3xf32>) -> (!onnx.unknown, !onnx.unknown) {
  %0:2 = onnx.node "Scan"(%s, %x) subgraphs {
  ^bb0(%a: !onnx.unknown, %b: !onnx.unknown):
    %1 = onnx.node "Add"(%a, %b) {version = 14 : i64} : (!onnx.unknown, !onnx.unknown) -> !onnx.unknown
    onnx.return %1, %1 : !onnx.unknown, !onnx.unknown
  } {version = 19 : i64, subgraph_names = ["body"], node_attributes = {num_scan_inputs = 1 : si64}} : (tensor<3xf32>, tensor<5x3xf32>) -> (!onnx.unknown, !onnx.unknown)
  return %0#0, %0#1 : !onnx.unknown, !onnx.unknown
}

// -----

// What must hold inside a branch is required there.

// CHECK-LABEL: func.func @required
// CHECK: qgraph.if
// CHECK:   qgraph.require %{{.*}}, %{{.*}} or_one, "node (Add): dimensions of %a and %b do not broadcast"
// CHECK:   onnx.node "Add"
// CHECK: else
// CHECK-NOT: qgraph.require
func.func @required(%c: tensor<i1>, %x: tensor<?xf32>, %y: tensor<?xf32>) -> !onnx.unknown {
  %0 = onnx.node "If"(%c) subgraphs {
    %1 = onnx.node "Add"(%x, %y) {version = 14 : i64} : (tensor<?xf32>, tensor<?xf32>) -> !onnx.unknown
    onnx.return %1 : !onnx.unknown
  }, {
    onnx.return %x : tensor<?xf32>
  } {version = 19 : i64, subgraph_names = ["then_branch", "else_branch"]} : (tensor<i1>) -> !onnx.unknown
  return %0 : !onnx.unknown
}
