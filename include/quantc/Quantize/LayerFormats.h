//===- LayerFormats.h - Formats that a user gives to layers -----*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The values of the options keep-float and set of qgraph-quantize-weights, for
// the pass and for who wants to know that they are right before it runs.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_QUANTIZE_LAYERFORMATS_H
#define QUANTC_QUANTIZE_LAYERFORMATS_H

#include "quantc/Numerics/WeightFormats.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/Regex.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace quantc {

/// A regular expression (POSIX extended) over the names of layers, or
/// `(*name)NAME`: the layers that are called just that, those without a name by
/// that of their weight. `%XX` in NAME is a byte in hexadecimal digits. No
/// regular expression begins with `(*`.
class LayerPattern {
public:
  /// Errors: UsageError with what is wrong with the expression.
  static llvm::Expected<LayerPattern> create(llvm::StringRef text);

  /// The text `(*name)...` for layers of this name, of characters that need no
  /// quotes in the text of a pipeline nor in an entry of `set`.
  static std::string exactly(llvm::StringRef name);

  /// Whether it matches: an expression anywhere in the layer's name or in its
  /// weight's.
  bool matches(llvm::StringRef layer, llvm::StringRef weight) const;

  /// The one name that it stands for; none of an expression.
  const std::optional<std::string> &getName() const { return name; }
  llvm::StringRef getText() const { return text; }

private:
  std::string text;
  std::optional<std::string> name;
  std::shared_ptr<llvm::Regex> regex; // passes are copied; null with a name
};

/// The name by which a layer is asked for exactly: its own, else its weight's
/// without what passes have appended to it (`@pass`).
llvm::StringRef exactLayerName(llvm::StringRef layer, llvm::StringRef weight);

/// What shares a scale of a weight [N, K]: rows and columns, 0 for all of them.
using ScaleBlock = std::array<int64_t, 2>;

/// One entry of `set`, `PATTERN=FORMAT[,BLOCK]`. BLOCK is `group-size=N` ([1,
/// N], 0: all of K), `granularity=tensor`, `granularity=channel` or
/// `block=RxC`.
struct LayerFormat {
  LayerPattern pattern;
  std::optional<numerics::WeightFormat> format; ///< none: float
  std::optional<ScaleBlock> block; ///< none: what others have that are not set
};

/// Reads `float` (no format), the name of an integer type of 2 to 8 bits
/// (`withUnsigned`: with or without a sign), or of another format that weights
/// may have (Numerics/WeightFormats.h). Errors: UsageError, which lists them.
llvm::Expected<std::optional<numerics::WeightFormat>>
parseLayerFormatName(llvm::StringRef name, bool withUnsigned);

/// Why a format cannot have scales for blocks like this, or empty.
std::string whyNotBlock(const numerics::WeightFormat &format, ScaleBlock block);

/// Reads one entry. Errors: UsageError.
llvm::Expected<LayerFormat> parseLayerFormat(llvm::StringRef entry,
                                             bool withUnsigned);

/// Reads entries with `;` between them.
llvm::Expected<std::vector<LayerFormat>>
parseLayerFormats(llvm::StringRef entries, bool withUnsigned);

} // namespace quantc

#endif // QUANTC_QUANTIZE_LAYERFORMATS_H
