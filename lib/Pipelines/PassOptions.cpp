//===- PassOptions.cpp - What a user says, as options of passes -----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PassOptions.h"

#include "quantc/Quantize/LayerFormats.h"
#include "quantc/Support/DimRange.h"
#include "quantc/Support/Errors.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace llvm;

namespace quantc {
namespace {

Error usage(StringRef option, StringRef value, const Twine &why) {
  return make_error<UsageError>(option + " '" + value + "': " + why);
}

/// Why the text of a pipeline cannot have `value` between quotes of one of the
/// two kinds; empty if it can. The parser counts braces also inside quotes, and
/// removes spaces next to them.
std::string whyNotQuotable(StringRef value) {
  if (value.contains('\'') && value.contains('"'))
    return "both kinds of quotation marks cannot be told a pass; write '.' for "
           "those of one kind";
  if (value != value.trim())
    return "a space at an end cannot be told a pass; write '[ ]' for it";
  int64_t depth = 0;
  for (char c : value) {
    depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    if (depth < 0)
      break;
  }
  if (depth != 0)
    return "braces that do not match cannot be told a pass; write '.' for one "
           "that is meant as a character";
  return "";
}

} // namespace

std::string passOption(StringRef name, StringRef value) {
  bool plain = all_of(value, [](char c) {
    return isAlnum(c) || StringRef("-_=.").contains(c);
  });
  StringRef quote = plain ? "" : value.contains('\'') ? "\"" : "'";
  return (name + "=" + quote + value + quote).str();
}

Expected<std::string> dimsOption(ArrayRef<std::string> dims) {
  StringSet<> names;
  for (StringRef text : dims) {
    Expected<DimRange> range = parseDimRange(text);
    if (!range)
      return range.takeError();
    if (!names.insert(range->name).second)
      return usage("--dim", text,
                   "dimension '" + range->name + "' is given twice");
    // The pass's option is a list, whose parser looks for brackets as well.
    if (StringRef(range->name).find_first_of(",'\"{}()[]") != StringRef::npos ||
        text != text.trim())
      return usage(
          "--dim", text,
          "a name with a comma, a quotation mark, a bracket or a space "
          "at an end cannot be told a pass; rename the dimension in "
          "the model");
  }
  if (dims.empty())
    return "";
  return passOption("dims", join(dims, ","));
}

Error checkFileOption(StringRef option, StringRef path) {
  if (std::string why = whyNotQuotable(path); !why.empty())
    return usage(option, path, why);
  return Error::success();
}

std::string fileOption(StringRef name, StringRef path) {
  return passOption(name, path);
}

std::vector<std::string> allEntries(const GraphOptions &options) {
  std::vector<std::string> entries = options.set;
  append_range(entries, options.setExactly);
  return entries;
}

Expected<std::string> layerOptions(const GraphOptions &options,
                                   bool withUnsigned) {
  std::string result;
  if (!options.keepFloat.empty()) {
    StringRef text = options.keepFloat;
    if (Error error = LayerPattern::create(text).takeError())
      return make_error<UsageError>("--keep-float " +
                                    toString(std::move(error)));
    if (std::string why = whyNotQuotable(text); !why.empty())
      return usage("--keep-float", text, why);
    result += " " + passOption("keep-float", text);
  }
  for (StringRef entry : options.set) {
    Expected<LayerFormat> format = parseLayerFormat(entry, withUnsigned);
    if (!format)
      return make_error<UsageError>("--set " + toString(format.takeError()));
    if (format->block && format->block->back() % 8 != 0)
      return usage("--set", entry,
                   "values along K that share a scale (group-size, the second "
                   "number of block) must be a multiple of 8, or 0 for all");
    if (entry.contains(';'))
      return usage("--set", entry,
                   "a ';' cannot be told a pass; write '.' for it");
    if (std::string why = whyNotQuotable(entry); !why.empty())
      return usage("--set", entry, why);
  }
  if (std::vector<std::string> all = allEntries(options); !all.empty()) {
    std::string entries = join(all, ";");
    // One entry may have the one kind of quotation marks, one the other.
    if (std::string why = whyNotQuotable(entries); !why.empty())
      return usage("--set", entries, why);
    result += " " + passOption("set", entries);
  }
  if (!options.requireMatch && !result.empty())
    result += " require-match=false";
  return result;
}

} // namespace quantc
