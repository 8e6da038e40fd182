// RUN: quant-opt %s --lower-to-kernels --verify-diagnostics

func.func @main(%x: tensor<?x64xsi8>, %s: tensor<?x4xf32>, %t: tensor<?x2xf32>, %p: tensor<9984xui8>, %e: tensor<?x1xf32>, %f: tensor<?x64xf32>, %pf: tensor<4160xui8>) -> (tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>) {
  // expected-error @+1 {{cannot be compiled: the scale groups of input and weight differ}}
  %0 = qkernel.linear %x scale %t, %p {format = "si4", group = 16, input_group = 32, k = 64, n = 16} : (tensor<?x64xsi8>, tensor<?x2xf32>, tensor<9984xui8>) -> tensor<?x16xf32>
  // expected-error @+1 {{cannot be compiled: its groups of 12 are no multiple of 8, the values of K in a vector}}
  %1 = qkernel.linear %x scale %s, %p {format = "si4", group = 12, input_group = 0, k = 64, n = 16} : (tensor<?x64xsi8>, tensor<?x4xf32>, tensor<9984xui8>) -> tensor<?x16xf32>
  // expected-error @+1 {{cannot be compiled: epilogue step 'Mul' has a second operand that is no scalar, no row and not of the result's shape}}
  %2 = qkernel.linear %f, %pf epilogue(%e) {format = "f32", group = 0, input_group = 0, k = 64, n = 16, epilogue = [#qgraph.step<"Mul", operand = 0>]} : (tensor<?x64xf32>, tensor<4160xui8>, tensor<?x1xf32>) -> tensor<?x16xf32>
  return %0, %1, %2 : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
}
