//===- LayerRoles.h - What a layer does in a transformer --------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Some layers are worth more bits than others. Which ones they are is read from
// the graph, never from names.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_LAYERROLES_H
#define QUANTC_LIB_QUANTIZE_LAYERROLES_H

#include "mlir/IR/BuiltinOps.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Numerics/WeightFormats.h"

#include <optional>
#include <vector>

namespace quantc::qgraph {

enum class LayerRole {
  Other,
  Values, ///< makes an attention's values, whose errors no softmax dampens
  Fused,  ///< makes queries or keys as well as values
  Down,   ///< writes what an activation or a gate gives to a residual stream
  Output, ///< gives results of the model: no layer reads what it makes
};

/// A role, and the how-manyth of how many layers has it.
struct LayerPlace {
  LayerRole role = LayerRole::Other;
  int64_t index = 0, count = 0;
};

/// The roles of a module's linear layers. Without an attention all are Other.
class LayerRoles {
public:
  LayerRoles() = default;
  explicit LayerRoles(mlir::ModuleOp module);

  LayerPlace lookup(mlir::Operation *layer) const {
    return places.lookup(layer);
  }

private:
  void place(llvm::ArrayRef<mlir::Operation *> layers, LayerRole role);

  llvm::DenseMap<mlir::Operation *, LayerPlace> places;
};

/// A format for the layers of a role, all of them or those in some places.
struct MixRule {
  enum class Where {
    All,
    First,       ///< index < first
    FirstEighth, ///< index < count / 8
    /// llama.cpp's use_more_bits: the first and the last eighth, and every
    /// third between them.
    MoreBits,
  };
  LayerRole role;
  Where where = Where::All;
  int64_t first = 0;
  std::optional<numerics::WeightFormat> format; ///< none: float

  bool holds(const LayerPlace &place) const;
};

/// Reads `ROLE[@WHERE]=FORMAT[,...]`: roles are `values`, `fused`, `down` and
/// `output`, places `first-N`, `first-eighth` and `more-bits`. An error lists
/// what there is.
llvm::Expected<std::vector<MixRule>> parseMix(llvm::StringRef text,
                                              bool withUnsigned);

} // namespace quantc::qgraph

#endif // QUANTC_LIB_QUANTIZE_LAYERROLES_H
