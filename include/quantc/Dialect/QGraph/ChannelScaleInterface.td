//===- ChannelScaleInterface.td - Factors on channels -------*- tablegen -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QGRAPH_CHANNELSCALEINTERFACE_TD
#define QUANTC_DIALECT_QGRAPH_CHANNELSCALEINTERFACE_TD

include "mlir/IR/OpBase.td"

def QGraph_ChannelScaleOpInterface : OpInterface<"ChannelScaleOpInterface"> {
  let cppNamespace = "::quantc::qgraph";
  let description = [{
    What becomes of factors on the channels of an operand or result (see
    ChannelScale.h): constants *absorb* them, other operands and results are
    *passed* them, or the op *blocks* them and says why. An answer may bind
    factors to be positive, or to be equal: a tensor that is passed several maps
    has equal factors where they meet, which is how the value heads that several
    query heads share, and the pairs of channels that a rotary embedding mixes,
    come to share theirs.

    Where an op does not have the interface, factors end.
  }];
  let methods = [
    InterfaceMethod<[{
      The ways to have the factors `map` at `end`. `map` is free nowhere that
      matters; what it says is what is known so far, and the op is asked again
      when more is.
    }], "::quantc::qgraph::ChannelAnswers", "getChannelAnswers",
        (ins "::quantc::qgraph::ChannelEnd":$end,
             "const ::quantc::qgraph::ChannelMap &":$map)>
  ];
}

#endif // QUANTC_DIALECT_QGRAPH_CHANNELSCALEINTERFACE_TD
