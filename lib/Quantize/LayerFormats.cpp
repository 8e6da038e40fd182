//===- LayerFormats.cpp - Formats that a user gives to layers -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Quantize/LayerFormats.h"

#include "quantc/Support/Errors.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

#include <tuple>

using namespace llvm;

namespace quantc {

static constexpr StringLiteral kExactly("(*name)");

/// Replaces `%XX` by the byte; none where what follows a `%` is no such digits.
static std::optional<std::string> decodeName(StringRef text) {
  std::string name;
  while (!text.empty()) {
    char c = text.front();
    uint8_t code;
    text = text.drop_front();
    if (c == '%') {
      if (text.size() < 2 || text.take_front(2).getAsInteger(16, code) ||
          !isHexDigit(text[0]))
        return std::nullopt;
      c = static_cast<char>(code);
      text = text.drop_front(2);
    }
    name += c;
  }
  return name;
}

std::string LayerPattern::exactly(StringRef name) {
  std::string text = kExactly.str();
  for (char c : name) {
    if (isAlnum(c) || StringRef("_-./:").contains(c))
      text += c;
    else
      text += "%" + toHex(StringRef(&c, 1));
  }
  return text;
}

Expected<LayerPattern> LayerPattern::create(StringRef text) {
  LayerPattern pattern;
  pattern.text = text.str();
  if (text.consume_front(kExactly)) {
    pattern.name = decodeName(text);
    if (!pattern.name || pattern.name->empty())
      return make_error<UsageError>("'" + pattern.text +
                                    "' is not (*name)NAME with %XX for bytes");
    return pattern;
  }
  pattern.regex = std::make_shared<Regex>(text);
  std::string problem;
  if (!pattern.regex->isValid(problem))
    return make_error<UsageError>("'" + text +
                                  "' is no regular expression: " + problem);
  return pattern;
}

bool LayerPattern::matches(StringRef layer, StringRef weight) const {
  if (name)
    return exactLayerName(layer, weight) == *name;
  return regex->match(layer) || regex->match(weight);
}

StringRef exactLayerName(StringRef layer, StringRef weight) {
  return layer.empty() ? weight.split('@').first : layer;
}

/// The formats of layers that are no plain integers.
static constexpr StringLiteral kOthers[] = {
    "f16",  "bf16", "f8E4M3FN", "f8E5M2", "nf4",   "fp4",
    "q4_0", "q4_1", "q5_0",     "q5_1",   "q8_0",  "q4_k",
    "q5_k", "q6_k", "mxfp4",    "nvfp4",  "binary"};

Expected<std::optional<numerics::WeightFormat>>
parseLayerFormatName(StringRef name, bool withUnsigned) {
  if (name == "float")
    return std::nullopt;
  std::optional<numerics::WeightFormat> format =
      numerics::parseWeightFormat({name.data(), name.size()});
  if (format) {
    const numerics::FormatInfo &row = numerics::info(format->stored);
    if (format->isPlainInteger()
            ? row.bits >= 2 && (row.isSigned || withUnsigned)
            : is_contained(kOthers, name))
      return format;
  }
  return make_error<UsageError>("format '" + name + "' is not si2 ... si8" +
                                (withUnsigned ? ", ui2 ... ui8, " : ", ") +
                                join(ArrayRef(kOthers), ", ") + " or float");
}

std::string whyNotBlock(const numerics::WeightFormat &format,
                        ScaleBlock block) {
  std::string name(format.name);
  if (!format.hasScale)
    return name + " has no scales that groups could share";
  if (format.groupSize && block[0] != 1)
    return name + " has groups along a row, and no scales that rows share";
  if (format.groupIsFixed && block[1] != *format.groupSize)
    return name + " has groups of " + std::to_string(*format.groupSize) +
           ", not of " + std::to_string(block[1]);
  return {};
}

/// Reads what may follow a format: what shares a scale.
static std::optional<ScaleBlock> parseBlock(StringRef word) {
  if (word == "granularity=tensor")
    return ScaleBlock{0, 0};
  if (word == "granularity=channel")
    return ScaleBlock{1, 0};
  ScaleBlock block{1, 0};
  if (word.consume_front("block=")) {
    auto [rows, columns] = word.split('x');
    if (rows.getAsInteger(10, block[0]) || columns.getAsInteger(10, block[1]) ||
        block[0] < 0 || block[1] < 0)
      return std::nullopt;
    return block;
  }
  if (!word.consume_front("group-size=") || word.getAsInteger(10, block[1]) ||
      block[1] < 0)
    return std::nullopt;
  return block;
}

Expected<LayerFormat> parseLayerFormat(StringRef entry, bool withUnsigned) {
  StringRef text, value;
  std::tie(text, value) = entry.split('=');
  if (text.empty() || value.empty())
    return make_error<UsageError>("'" + entry +
                                  "' is not REGEX=FORMAT[,group-size=N]");
  Expected<LayerPattern> pattern = LayerPattern::create(text);
  if (!pattern)
    return pattern.takeError();
  SmallVector<StringRef> words;
  value.split(words, ',');
  auto fail = [&](const Twine &why) {
    return make_error<UsageError>("for '" + text + "', " + why);
  };
  Expected<std::optional<numerics::WeightFormat>> format =
      parseLayerFormatName(words[0], withUnsigned);
  if (!format) {
    std::string why = toString(format.takeError());
    return fail(why + (value.count('=') > words.size() - 1
                           ? "; a regular expression may not hold '=' here: "
                             "write '.' for it"
                           : ""));
  }
  LayerFormat made{std::move(*pattern), *format, std::nullopt};
  for (StringRef word : ArrayRef(words).drop_front()) {
    if (made.block)
      return fail("'" + word + "' says once more what shares a scale");
    made.block = parseBlock(word);
    if (!made.block)
      return fail("'" + word +
                  "': what may follow the format is group-size=N, block=RxC, "
                  "granularity=channel or granularity=tensor");
  }
  if (made.block && made.format)
    if (std::string why = whyNotBlock(*made.format, *made.block); !why.empty())
      return fail(why);
  return made;
}

Expected<std::vector<LayerFormat>> parseLayerFormats(StringRef entries,
                                                     bool withUnsigned) {
  std::vector<LayerFormat> formats;
  SmallVector<StringRef> texts;
  entries.split(texts, ';', -1, /*KeepEmpty=*/false);
  for (StringRef text : texts) {
    Expected<LayerFormat> made = parseLayerFormat(text.trim(), withUnsigned);
    if (!made)
      return made.takeError();
    formats.push_back(std::move(*made));
  }
  return formats;
}

} // namespace quantc
