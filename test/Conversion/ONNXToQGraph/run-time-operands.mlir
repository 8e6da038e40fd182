// Shapes, axes and starts that are inputs of the model: elements of the inputs,
// read before the run, and what must hold of them as `qgraph.require`.

// RUN: quant-opt %s --convert-onnx-to-qgraph --split-input-file --canonicalize --cse | FileCheck %s

// -1 and 0 are found at run time, and that the data fits.
// CHECK-LABEL: func.func @reshape
// CHECK-SAME:    (%[[X:.*]]: tensor<2x6xf32>, %[[S:.*]]: tensor<2xsi64>)
// CHECK-DAG:     qgraph.element %[[S]][0] : tensor<2xsi64>
// CHECK-DAG:     qgraph.element %[[S]][1] : tensor<2xsi64>
// CHECK:         %[[R:.*]] = onnx.node "Reshape"(%[[X]]) dims(%{{.*}}, %{{.*}}) {
// CHECK-SAME:      (tensor<2x6xf32>) -> tensor<?x?xf32>
// CHECK-DAG:     qgraph.require %{{.*}}, %{{.*}}, "node 'r' (Reshape): its shape has %a times -1"
// CHECK-DAG:     qgraph.require %{{.*}}, %{{.*}}, "node 'r' (Reshape): no tensor can have a dimension of %a"
// CHECK-DAG:     qgraph.require %{{.*}}, %{{.*}}, "node 'r' (Reshape): its data has %b elements, its shape %a"
// CHECK:         return %[[R]]
func.func @reshape(%x: tensor<2x6xf32>, %s: tensor<2xsi64>) -> tensor<*xf32> {
  %0 = onnx.node "Reshape"(%x, %s) {version = 14 : i64, name = "r"} : (tensor<2x6xf32>, tensor<2xsi64>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// What nodes compute from the elements is followed; the nodes are gone.
// CHECK-LABEL: func.func @followed
// CHECK-SAME:    (%[[X:.*]]: tensor<1xf32>, %[[A:.*]]: tensor<si32>)
// CHECK:         %[[E:.*]] = qgraph.element %[[A]][0] : tensor<si32>
// CHECK-NOT:     onnx.node "Add"
// CHECK:         %[[D:.*]] = arith.addi %[[E]], %c3
// CHECK:         onnx.node "Expand"(%[[X]]) dims(%[[D]]) {{.*}} -> tensor<?x4xf32>
func.func @followed(%x: tensor<1xf32>, %a: tensor<si32>) -> tensor<*xf32> {
  %three = qgraph.constant dense<3> : tensor<si32>
  %four = qgraph.constant dense<4> : tensor<1xsi64>
  %axes = qgraph.constant dense<0> : tensor<1xsi64>
  %0 = onnx.node "Add"(%a, %three) {version = 14 : i64} : (tensor<si32>, tensor<si32>) -> tensor<*xsi32>
  %1 = onnx.node "Cast"(%0) {version = 19 : i64, node_attributes = {to = 7 : si64}} : (tensor<*xsi32>) -> tensor<*xsi64>
  %2 = onnx.node "Unsqueeze"(%1, %axes) {version = 13 : i64} : (tensor<*xsi64>, tensor<1xsi64>) -> tensor<*xsi64>
  %3 = onnx.node "Concat"(%2, %four) {version = 13 : i64, node_attributes = {axis = 0 : si64}} : (tensor<*xsi64>, tensor<1xsi64>) -> tensor<*xsi64>
  %4 = onnx.node "Expand"(%x, %3) {version = 13 : i64} : (tensor<1xf32>, tensor<*xsi64>) -> tensor<*xf32>
  return %4 : tensor<*xf32>
}

// -----

// A small integer tensor that is data stays data.
// CHECK-LABEL: func.func @data
// CHECK-NOT:     qgraph.element
// CHECK:         onnx.node "Add"
func.func @data(%a: tensor<4xsi64>, %b: tensor<4xsi64>) -> tensor<*xsi64> {
  %0 = onnx.node "Add"(%a, %b) {version = 14 : i64} : (tensor<4xsi64>, tensor<4xsi64>) -> tensor<*xsi64>
  return %0 : tensor<*xsi64>
}

// -----

// The axes stay an operand; the dimensions of the result are chosen by them.
// CHECK-LABEL: func.func @reduce
// CHECK-SAME:    (%[[X:.*]]: tensor<3x5xf32>, %[[A:.*]]: tensor<1xsi64>)
// CHECK:         onnx.node "ReduceSum"(%[[X]], %[[A]]) dims(%[[D0:.*]], %[[D1:.*]]) {{.*}}keepdims = 1
// CHECK-SAME:      -> tensor<?x?xf32>
// CHECK:         onnx.node "Reshape"({{.*}} -> tensor<?xf32>
// CHECK:         qgraph.require {{.*}}"node (ReduceSum){{.*}}axis %a is out of range"
func.func @reduce(%x: tensor<3x5xf32>, %a: tensor<1xsi64>) -> tensor<*xf32> {
  %0 = onnx.node "ReduceSum"(%x, %a) {version = 13 : i64, node_attributes = {keepdims = 0 : si64}} : (tensor<3x5xf32>, tensor<1xsi64>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @cumsum
// CHECK:         onnx.node "CumSum"(%arg0, %arg1) dims(
// CHECK-NOT:     axis
// CHECK:         onnx.node "Trilu"(%{{.*}}, %arg1) dims(
func.func @cumsum(%x: tensor<?x3xf32>, %a: tensor<si64>) -> tensor<*xf32> {
  %0 = onnx.node "CumSum"(%x, %a) {version = 14 : i64} : (tensor<?x3xf32>, tensor<si64>) -> tensor<*xf32>
  %1 = onnx.node "Trilu"(%0, %a) {version = 14 : i64} : (tensor<*xf32>, tensor<si64>) -> tensor<*xf32>
  return %1 : tensor<*xf32>
}

// -----

// Starts, axes and steps: a start and a step for every dimension.
// CHECK-LABEL: func.func @slice
// CHECK:         %[[STARTS:.*]] = qgraph.reinterpret %{{.*}} : tensor<2xi64> to tensor<2xsi64>
// CHECK:         %[[STEPS:.*]] = qgraph.reinterpret %{{.*}} : tensor<2xi64> to tensor<2xsi64>
// CHECK:         onnx.node "Slice"(%arg0, %[[STARTS]], %{{.*}}, %{{.*}}, %[[STEPS]]) dims({{.*}}) {{.*}}axes = [0 : si64, 1 : si64]
// CHECK:         "node (Slice): a step is 0"
func.func @slice(%x: tensor<4x?xf32>, %s: tensor<1xsi64>, %e: tensor<1xsi64>, %a: tensor<1xsi64>, %t: tensor<1xsi64>) -> tensor<*xf32> {
  %0 = onnx.node "Slice"(%x, %s, %e, %a, %t) {version = 13 : i64} : (tensor<4x?xf32>, tensor<1xsi64>, tensor<1xsi64>, tensor<1xsi64>, tensor<1xsi64>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// The parts of a split must make the whole.
// CHECK-LABEL: func.func @split
// CHECK-DAG:     qgraph.require %{{.*}}, %{{.*}}, "node (Split): a part of %a elements"
// CHECK-DAG:     qgraph.require %{{.*}}, %{{.*}}, "node (Split): its parts
func.func @split(%x: tensor<7xf32>, %l: tensor<2xsi64>) -> (tensor<*xf32>, tensor<*xf32>) {
  %0:2 = onnx.node "Split"(%x, %l) {version = 18 : i64} : (tensor<7xf32>, tensor<2xsi64>) -> (tensor<*xf32>, tensor<*xf32>)
  return %0#0, %0#1 : tensor<*xf32>, tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @pad
// CHECK:         onnx.node "Pad"(%arg0, %{{.*}}) dims({{.*}}) {{.*}}mode = "edge"
// CHECK:         "node (Pad): its pads leave %a elements"
func.func @pad(%x: tensor<4xf32>, %p: tensor<2xsi64>) -> tensor<*xf32> {
  %0 = onnx.node "Pad"(%x, %p) {version = 13 : i64, node_attributes = {mode = "edge"}} : (tensor<4xf32>, tensor<2xsi64>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// Either side may be 1, and what is computed is checked too.
// CHECK-LABEL: func.func @broadcast
// CHECK:         qgraph.require %{{.*}}, %{{.*}} or_one, "node 'sum' (Add): dimensions of %a and %b do not broadcast"
func.func @broadcast(%x: tensor<?xf32> {onnx.dims = ["n"]}, %y: tensor<?xf32> {onnx.dims = ["m"]}) -> tensor<*xf32> {
  %0 = onnx.node "Concat"(%x, %y) {version = 13 : i64, node_attributes = {axis = 0 : si64}} : (tensor<?xf32>, tensor<?xf32>) -> tensor<*xf32>
  %1 = onnx.node "Add"(%0, %x) {version = 14 : i64, name = "sum"} : (tensor<*xf32>, tensor<?xf32>) -> tensor<*xf32>
  return %1 : tensor<*xf32>
}
