//===- LayerFormats.cpp - Formats that a user gives to layers -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Quantize/LayerFormats.h"

#include "quantc/Support/Errors.h"

#include "llvm/ADT/SmallVector.h"

#include <tuple>

using namespace llvm;

namespace quantc {

Expected<LayerPattern> LayerPattern::create(StringRef text) {
  LayerPattern pattern;
  pattern.text = text.str();
  pattern.regex = std::make_shared<Regex>(text);
  std::string problem;
  if (!pattern.regex->isValid(problem))
    return make_error<UsageError>("'" + text +
                                  "' is no regular expression: " + problem);
  return pattern;
}

Expected<std::optional<numerics::Format>>
parseLayerFormatName(StringRef name, bool withUnsigned) {
  if (name == "float")
    return std::nullopt;
  std::optional<numerics::Format> format =
      numerics::parseFormat({name.data(), name.size()});
  if (format) {
    const numerics::FormatInfo &row = numerics::info(*format);
    if (row.isInteger && row.bits >= 2 && row.bits <= 8 &&
        (row.isSigned || withUnsigned))
      return format;
  }
  return make_error<UsageError>("format '" + name + "' is not si2 ... si8" +
                                (withUnsigned ? ", ui2 ... ui8" : "") +
                                " or float");
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
  Expected<std::optional<numerics::Format>> format =
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
    int64_t size;
    if (!word.consume_front("group-size=") || word.getAsInteger(10, size) ||
        size < 0)
      return fail("'" + word + "': what may follow the format is group-size=N");
    made.groupSize = size;
  }
  return made;
}

} // namespace quantc
