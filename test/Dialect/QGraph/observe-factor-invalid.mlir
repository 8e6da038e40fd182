// RUN: quant-opt %s --split-input-file --verify-diagnostics -o /dev/null

func.func @three(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  // expected-error@+1 {{has a factor 'tensor<3xf32>', but it must be constant elements of f32, one for each of the 2 channels of 'tensor<?x2xf32>'}}
  %0 = qgraph.observe "a" %x {factor = dense<1.0> : tensor<3xf32>} : tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// -----

func.func @integers(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  // expected-error@+1 {{must be constant elements of f32}}
  %0 = qgraph.observe "a" %x {factor = dense<1> : tensor<2xi32>} : tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}
