// RUN: quant-opt %s --qgraph-quantize-weights="cost-model=false format=si8 set='fc2=si4,group-size=4;out=si4'" | FileCheck %s
// RUN: quant-opt %s --qgraph-quantize-weights="set='fc2=si4,group-size=4;out=si4'" 2>/dev/null | FileCheck %s --check-prefix=COST

// The cost model has no say where a format was asked for.

// COST-DAG: dense<1.000000e+00> : tensor<2x8xf32>
// COST-DAG: dense<{{.*}}> : tensor<2x8xsi4>
// COST-DAG: block = array<i64: 1, 4>
// COST-DAG: block = array<i64: 1, 0>

// The name of the layer or of its weight selects the format.

// CHECK: qgraph.constant dense<{{.*}}> : tensor<2x8xsi8>
// CHECK: block = array<i64: 1, 0>
// CHECK: name = "fc1"
// CHECK: qgraph.constant dense<{{.*}}> : tensor<2x8xsi4>
// CHECK: block = array<i64: 1, 4>
// CHECK: name = "fc2"
// CHECK: qgraph.constant dense<{{.*}}> : tensor<2x8xsi4>
// CHECK: block = array<i64: 1, 0>
// CHECK: name = "layer/out"
func.func @f(%x: tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<2x8xf32>
  %a = qgraph.linear %x, %w {name = "fc1"} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
  %b = qgraph.linear %x, %w {name = "fc2"} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
  %c = qgraph.linear %x, %w {name = "layer/out"} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
  return %a, %b, %c : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>
}
