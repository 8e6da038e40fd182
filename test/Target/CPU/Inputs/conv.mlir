// A convolution of each format and a depthwise one, for the assembly of the levels.
func.func @main(%x: tensor<1x14x14x64xf32>, %q: tensor<1x14x14x64xsi8>, %s: tensor<1x1x1x1xf32>, %z: tensor<1x1x1x1xsi8>, %pf: tensor<147712xui8>, %p8: tensor<37632xui8>, %pd: tensor<2560xui8>)
   -> (tensor<1x14x14x64xf32>, tensor<1x14x14x64xf32>, tensor<1x14x14x64xf32>) {
  %0 = qkernel.conv %x, %pf {format = "f32", n = 64, taps = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1} : (tensor<1x14x14x64xf32>, tensor<147712xui8>) -> tensor<1x14x14x64xf32>
  %1 = qkernel.conv %q scale %s zero_point %z, %p8 {format = "si8", n = 64, taps = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1} : (tensor<1x14x14x64xsi8>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xsi8>, tensor<37632xui8>) -> tensor<1x14x14x64xf32>
  %2 = qkernel.conv %x, %pd {format = "f32", n = 64, taps = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 64} : (tensor<1x14x14x64xf32>, tensor<2560xui8>) -> tensor<1x14x14x64xf32>
  return %0, %1, %2 : tensor<1x14x14x64xf32>, tensor<1x14x14x64xf32>, tensor<1x14x14x64xf32>
}
