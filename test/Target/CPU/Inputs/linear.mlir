// A layer of each packed format, for the assembly of the levels.
func.func @main(%x: tensor<?x256xf32>, %q: tensor<?x256xsi8>, %s: tensor<?x1xf32>, %sg: tensor<?x8xf32>, %pf: tensor<66560xui8>, %p8: tensor<16896xui8>, %p4: tensor<9728xui8>)
   -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %0 = qkernel.linear %x, %pf {format = "f32", group = 0, input_group = 0, k = 256, n = 64} : (tensor<?x256xf32>, tensor<66560xui8>) -> tensor<?x64xf32>
  %1 = qkernel.linear %q scale %s, %p8 {format = "si8", group = 0, input_group = 0, k = 256, n = 64} : (tensor<?x256xsi8>, tensor<?x1xf32>, tensor<16896xui8>) -> tensor<?x64xf32>
  %2 = qkernel.linear %q scale %sg, %p4 {format = "si4", group = 32, input_group = 32, k = 256, n = 64, scale_type = f16} : (tensor<?x256xsi8>, tensor<?x8xf32>, tensor<9728xui8>) -> tensor<?x64xf32>
  return %0, %1, %2 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}
