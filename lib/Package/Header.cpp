//===- Header.cpp - PREFIX.h ----------------------------------------------===//

#include "quantc/Package/Package.h"

#include "quantc/dlpack.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace quantc {
namespace {

std::string identifier(StringRef text) {
  std::string result;
  for (char c : text)
    result += isAlnum(c) || c == '_' ? c : '_';
  if (result.empty() || isDigit(result[0]))
    result.insert(0, "_");
  return result;
}

/// A name in a comment: what could end the comment is replaced.
std::string comment(StringRef text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    bool ends = text[i] == '/' && i > 0 && text[i - 1] == '*';
    bool begins = text[i] == '*' && i > 0 && text[i - 1] == '/';
    result += ends || begins || !isPrint(text[i]) ? '_' : text[i];
  }
  return result;
}

std::string typeText(const PackageTensor &tensor) {
  auto sized = [&](StringRef stem) {
    return (stem + Twine(tensor.bits)).str();
  };
  switch (tensor.code) {
  case kDLInt:
    return sized("int");
  case kDLUInt:
    return sized("uint");
  case kDLFloat:
    return sized("float");
  case kDLBfloat:
    return sized("bfloat");
  case kDLComplex:
    return sized("complex");
  case kDLBool:
    return "bool";
  default:
    return "DLPack type code " + itostr(tensor.code);
  }
}

std::string describe(const PackageEntry &entry, const PackageTensor &tensor) {
  std::string text = typeText(tensor);
  if (tensor.hasRank) {
    text += "[";
    ListSeparator comma;
    for (int64_t dim : tensor.dims) {
      text += comma;
      if (dim >= 0)
        text += itostr(dim);
      else if (tensor.isSequence || tensor.isOptional)
        text += "?";
      else
        text += comment(entry.symbols[-1 - dim].name);
    }
    text += "]";
  }
  if (tensor.isSequence)
    text = "sequence of " + text;
  if (tensor.isOptional)
    text = "optional " + text;
  return comment(tensor.name) + " : " + text;
}

class Writer {
public:
  Writer(raw_ostream &os, StringRef name) : os(os), name(name) {}

  void entry(const PackageEntry &entry) {
    os << "\n/* Entry \"" << comment(entry.name) << "\"\n *\n";
    list("inputs", entry, entry.inputs);
    list("outputs", entry, entry.outputs);
    for (const PackageSymbol &symbol : entry.symbols) {
      os << " *   " << comment(symbol.name) << " >= " << symbol.min;
      if (symbol.max != std::numeric_limits<int64_t>::max())
        os << " and <= " << symbol.max;
      os << '\n';
    }
    os << " */\nenum {\n";
    numbers(entry, "INPUT", entry.inputs);
    numbers(entry, "OUTPUT", entry.outputs);
    os << "};\n";
  }

private:
  void list(StringRef what, const PackageEntry &entry,
            ArrayRef<PackageTensor> tensors) {
    os << " * " << what << ":\n";
    for (const PackageTensor &tensor : tensors)
      os << " *   " << describe(entry, tensor) << '\n';
  }

  /// NAME_INPUT_X = 0, ..., NAME_INPUTS = how many; an entry other than the
  /// first has its own name in between.
  void numbers(const PackageEntry &entry, StringRef what,
               ArrayRef<PackageTensor> tensors) {
    std::string stem = name.upper() + "_";
    if (!first(entry))
      stem += StringRef(identifier(entry.name)).upper() + "_";
    stem += what;
    for (auto [i, tensor] : enumerate(tensors)) {
      std::string full =
          stem + "_" + StringRef(identifier(tensor.name)).ltrim('_').upper();
      // Two names can become one identifier.
      if (!used.insert(full).second)
        full += "_" + utostr(i);
      used.insert(full);
      os << "  " << full << " = " << i << ",\n";
    }
    os << "  " << stem << "S = " << tensors.size()
       << (what == "INPUT" ? ",\n" : "\n");
  }

  bool first(const PackageEntry &entry) {
    if (!firstEntry)
      firstEntry = &entry;
    return firstEntry == &entry;
  }

  raw_ostream &os;
  StringRef name;
  const PackageEntry *firstEntry = nullptr;
  StringSet<> used;
};

} // namespace

std::string modelIdentifier(StringRef prefix) {
  return identifier(sys::path::filename(prefix));
}

std::string headerText(const PackageInput &input, StringRef prefix) {
  std::string name = modelIdentifier(prefix), text;
  std::string guard = StringRef(name).upper() + "_H";
  raw_string_ostream os(text);
  os << "/* A model compiled by quantc. C99; link "
     << comment(sys::path::filename(prefix)) << ".so.\n *\n"
     << " *   quantc_error error;\n"
     << " *   quantc_session *s = quantc_open(" << name
     << "_model(), NULL, &error);\n"
     << " */\n#ifndef " << guard << "\n#define " << guard << "\n\n"
     << "#include \"quantc/runtime.h\"\n\n"
     << "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
     << "quantc_model *" << name << "_model(void);\n";
  Writer writer(os, name);
  for (const PackageEntry &entry : input.entries)
    writer.entry(entry);
  os << "\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* " << guard << " */\n";
  return text;
}

Expected<std::pair<int64_t, int64_t>> dlpackType(StringRef element) {
  using Type = std::pair<int64_t, int64_t>;
  Type type = StringSwitch<Type>(element)
                  .Case("i1", {kDLBool, 8})
                  .Case("f16", {kDLFloat, 16})
                  .Case("f32", {kDLFloat, 32})
                  .Case("f64", {kDLFloat, 64})
                  .Case("bf16", {kDLBfloat, 16})
                  .Case("f8E3M4", {kDLFloat8_e3m4, 8})
                  .Case("f8E4M3", {kDLFloat8_e4m3, 8})
                  .Case("f8E4M3FN", {kDLFloat8_e4m3fn, 8})
                  .Case("f8E4M3FNUZ", {kDLFloat8_e4m3fnuz, 8})
                  .Case("f8E5M2", {kDLFloat8_e5m2, 8})
                  .Case("f8E5M2FNUZ", {kDLFloat8_e5m2fnuz, 8})
                  .Case("f8E8M0FNU", {kDLFloat8_e8m0fnu, 8})
                  .Case("f6E2M3FN", {kDLFloat6_e2m3fn, 6})
                  .Case("f6E3M2FN", {kDLFloat6_e3m2fn, 6})
                  .Case("f4E2M1FN", {kDLFloat4_e2m1fn, 4})
                  .Default({-1, 0});
  if (type.first >= 0)
    return type;
  StringRef digits = element;
  int64_t bits = 0;
  bool isSigned = digits.consume_front("si");
  if ((isSigned || digits.consume_front("ui")) &&
      !digits.getAsInteger(10, bits) && bits > 0 && bits <= 64)
    return Type{isSigned ? kDLInt : kDLUInt, bits};
  return createStringError("values of type '%s' cannot cross the C interface: "
                           "DLPack has no such type",
                           element.str().c_str());
}

} // namespace quantc
