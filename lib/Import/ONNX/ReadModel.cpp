//===- ReadModel.cpp - The bytes of a model -------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ModelFile.h"

#include "onnx/defs/parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <limits>

using namespace llvm;

namespace quantc {

/// Messages in one another that are read: a level of subgraphs is three. What
/// `checkModel` finds too deep is refused with the node's name, but it has to
/// be read for that, which recurses.
static constexpr int kMaxMessageDepth = 4000;

/// The same of brackets in a text.
static constexpr unsigned kMaxBrackets = 500;

static bool isText(StringRef bytes) {
  return all_of(bytes.take_front(4096), [](char c) {
    return isPrint(c) || isSpace(c) || static_cast<unsigned char>(c) >= 0x80;
  });
}

/// What a file that is no ONNX model seems to be, and what to do with it.
static std::string describe(StringRef bytes) {
  if (bytes.starts_with("version https://git-lfs"))
    return "a Git LFS pointer and not the model itself; fetch it with `git lfs "
           "pull`";
  if (bytes.starts_with("PK\x03\x04"))
    return "a zip archive, as PyTorch's .pt and .pth files are; export the "
           "model with torch.onnx.export";
  if (bytes.starts_with("GGUF"))
    return "a GGUF file; only ONNX models are read here";
  if (bytes.starts_with("\x89HDF"))
    return "an HDF5 file, as Keras writes; export the model with tf2onnx";
  if (bytes.substr(4).starts_with("ORTM"))
    return "ONNX Runtime's own .ort format; use the ONNX file that it was made "
           "from";
  if (bytes.substr(4).starts_with("TFL3"))
    return "a TensorFlow Lite file; export the model with tf2onnx";
  if (bytes.starts_with("\x80\x02") || bytes.starts_with("\x80\x04"))
    return "a Python pickle; export the model with torch.onnx.export";
  if (bytes.starts_with("\x1f\x8b"))
    return "compressed with gzip; unpack it first";
  if (bytes.size() > 9 && bytes[8] == '{')
    return "a safetensors file, which has weights only; export the model to "
           "ONNX";
  if (bytes.starts_with("\x7f"
                        "ELF"))
    return "a program or library";
  if (bytes.ltrim().starts_with("<"))
    return "a web page or other text; was the download refused?";
  if (isText(bytes))
    return "a text file; a model in ONNX's text syntax has to be named "
           "*.onnxtxt";
  return "";
}

/// How deep brackets of all kinds stand in one another. ONNX's parser calls
/// itself for each of them.
static unsigned textNesting(StringRef text) {
  unsigned depth = 0, most = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quoted && c == '\\')
      ++i;
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && StringRef("{(<[").contains(c))
      most = std::max(most, ++depth);
    else if (!quoted && StringRef("})>]").contains(c) && depth)
      --depth;
  }
  return most;
}

static bool parseText(StringRef text, onnx::ModelProto &model,
                      std::string &error) {
  if (textNesting(text) > kMaxBrackets) {
    error = formatv("its brackets are nested more than {0} deep", kMaxBrackets);
    return false;
  }
  onnx::OnnxParser parser(std::string_view(text.data(), text.size()));
  onnx::Common::Status status = parser.Parse(model);
  if (!status.IsOK())
    error = "the text does not follow ONNX's syntax: " + status.ErrorMessage();
  else if (!parser.EndOfInput())
    error = "there is more text after the model";
  return error.empty();
}

static bool parseBinary(StringRef bytes, onnx::ModelProto &model,
                        std::string &error) {
  if (bytes.size() > size_t(std::numeric_limits<int>::max())) {
    error = formatv("it has {0} bytes, and protobuf ends at 2 GiB; save the "
                    "model with external data",
                    bytes.size());
    return false;
  }
  // Protobuf's own messages say nothing that ours do not.
  google::protobuf::LogSilencer silence;
  google::protobuf::io::CodedInputStream stream(
      reinterpret_cast<const uint8_t *>(bytes.data()), int(bytes.size()));
  stream.SetRecursionLimit(kMaxMessageDepth);
  bool parsed =
      model.ParseFromCodedStream(&stream) && stream.ConsumedEntireMessage();
  if (parsed && model.has_graph())
    return true;
  if (parsed && model.functions_size() > 0) {
    error = "it has functions, but no graph";
    return false;
  }
  std::string other = describe(bytes);
  if (!other.empty())
    error = "it is no ONNX model but seems to be " + other;
  else if (!parsed && bytes.front() == 8)
    // Field 1, ir_version, is what writers put first.
    error = formatv("it begins as an ONNX model does, but is cut off or "
                    "damaged (it has {0} bytes), or its subgraphs are nested "
                    "more than {1} deep; get the file again",
                    bytes.size(), kMaxMessageDepth / 3);
  else
    error = "it is no ONNX model";
  return false;
}

std::shared_ptr<const onnx::ModelProto> readModel(StringRef path,
                                                  std::string &error) {
  if (sys::fs::is_directory(path)) {
    error = "it is a folder; give the .onnx file in it";
    return nullptr;
  }
  Expected<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
  if (!file) {
    // The caller names the file.
    error = errorToErrorCode(file.takeError()).message();
    return nullptr;
  }
  StringRef bytes((*file)->bytes().data(), (*file)->bytes().size());
  if (bytes.empty()) {
    error = "it is empty";
    return nullptr;
  }
  auto model = std::make_shared<onnx::ModelProto>();
  bool good = path.ends_with(".onnxtxt") ? parseText(bytes, *model, error)
                                         : parseBinary(bytes, *model, error);
  return good ? model : nullptr;
}

} // namespace quantc
