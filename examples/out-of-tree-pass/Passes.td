#ifndef FLOAT_LAYERS_PASSES
#define FLOAT_LAYERS_PASSES

include "mlir/Pass/PassBase.td"

def FloatLayers : Pass<"example-float-layers"> {
  let summary = "remark on each linear layer that is still computed in float";
  let description = [{
    Looks at every `qgraph.linear` whose weight holds at least `min-elements`
    values, all in float, and says what it would weigh in 4 bits.
  }];
  let options = [Option<"minElements", "min-elements", "int64_t", "1",
                        "leave smaller weights alone">];
  let statistics = [Statistic<"numFound", "num-found", "layers found">];
}

#endif
