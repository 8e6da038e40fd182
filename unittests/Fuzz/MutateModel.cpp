//===- MutateModel.cpp - Small changes of ONNX models ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MutateModel.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <limits>
#include <string>
#include <vector>

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace quantc::fuzz {
namespace {

class Mutator {
public:
  Mutator(onnx::ModelProto &model, std::mt19937_64 &random)
      : model(model), random(random) {}

  void run() {
    for (unsigned count = 1 + below(4); count; --count) {
      // A change may remove messages.
      messages.clear();
      names.clear();
      collect(model);
      mutate(*messages[below(messages.size())]);
    }
  }

private:
  size_t below(size_t bound) { return bound ? random() % bound : 0; }

  void collect(Message &message) {
    messages.push_back(&message);
    const Reflection *reflection = message.GetReflection();
    std::vector<const FieldDescriptor *> fields;
    reflection->ListFields(message, &fields);
    for (const FieldDescriptor *field : fields) {
      bool repeated = field->is_repeated();
      int size = repeated ? reflection->FieldSize(message, field) : 1;
      for (int i = 0; i < size; ++i) {
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
          collect(*(repeated
                        ? reflection->MutableRepeatedMessage(&message, field, i)
                        : reflection->MutableMessage(&message, field)));
        else if (field->type() == FieldDescriptor::TYPE_STRING ||
                 field->name() == "input" || field->name() == "output")
          names.push_back(repeated
                              ? reflection->GetRepeatedString(message, field, i)
                              : reflection->GetString(message, field));
      }
    }
  }

  int64_t integer() {
    constexpr int64_t kLimits[] = {0,
                                   1,
                                   -1,
                                   2,
                                   3,
                                   -2,
                                   7,
                                   64,
                                   1 << 16,
                                   std::numeric_limits<int32_t>::max(),
                                   std::numeric_limits<int32_t>::min(),
                                   int64_t(1) << 32,
                                   int64_t(1) << 40,
                                   int64_t(1) << 62,
                                   std::numeric_limits<int64_t>::max(),
                                   std::numeric_limits<int64_t>::min()};
    return below(2) ? kLimits[below(std::size(kLimits))]
                    : int64_t(below(40)) - 8;
  }

  double real() {
    constexpr double kLimits[] = {0,    -0.0,  1,     -1,   0.5, 1e-30,
                                  1e30, 1e300, -1e30, 1e19, 2,   3};
    switch (below(8)) {
    case 0:
      return std::numeric_limits<double>::quiet_NaN();
    case 1:
      return std::numeric_limits<double>::infinity();
    default:
      return kLimits[below(std::size(kLimits))];
    }
  }

  std::string text(std::string old) {
    switch (below(8)) {
    case 0:
      return "";
    case 1:
      return old + "0";
    case 2:
      if (!old.empty())
        old[below(old.size())] = char(random());
      return old;
    case 3: // of tensors: other sizes
      return old.substr(0, below(old.size() + 1));
    default:
      return names.empty() ? old : names[below(names.size())];
    }
  }

  void mutate(Message &message) {
    const Descriptor *descriptor = message.GetDescriptor();
    const Reflection *reflection = message.GetReflection();
    std::vector<const FieldDescriptor *> fields;
    reflection->ListFields(message, &fields);
    // Mostly what is there; now and then what is not.
    const FieldDescriptor *field =
        fields.empty() || below(8) == 0
            ? descriptor->field(int(below(descriptor->field_count())))
            : fields[below(fields.size())];
    if (field->is_repeated())
      mutateRepeated(message, *reflection, field);
    else if (below(8) == 0)
      reflection->ClearField(&message, field);
    else
      setSingular(message, *reflection, field);
  }

  void setSingular(Message &message, const Reflection &reflection,
                   const FieldDescriptor *field) {
    switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetInt32(&message, field, int32_t(integer()));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetInt64(&message, field, integer());
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(&message, field, uint32_t(integer()));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.SetUInt64(&message, field, uint64_t(integer()));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection.SetFloat(&message, field, float(real()));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.SetDouble(&message, field, real());
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(&message, field, below(2));
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.SetEnumValue(&message, field, anyOf(field));
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetString(&message, field,
                                  text(reflection.GetString(message, field)));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      // Another message of its type. To set a member of a `oneof` deletes the
      // one that was set, which that message may be part of.
      if (const Message *other = messageLike(field->message_type())) {
        std::string bytes = copyOf(*other);
        reflection.MutableMessage(&message, field)
            ->ParsePartialFromString(bytes);
      }
      return;
    }
  }

  int anyOf(const FieldDescriptor *field) {
    const EnumDescriptor *type = field->enum_type();
    return below(8) ? type->value(int(below(type->value_count())))->number()
                    : int(integer());
  }

  const Message *messageLike(const Descriptor *type) {
    for (unsigned attempt = 0; attempt < 16; ++attempt) {
      const Message *candidate = messages[below(messages.size())];
      if (candidate->GetDescriptor() == type)
        return candidate;
    }
    return nullptr;
  }

  /// The bytes of a message; none of a large one, for models are not to grow
  /// without bound.
  static std::string copyOf(const Message &message) {
    return message.ByteSizeLong() > 4096 ? std::string()
                                         : message.SerializePartialAsString();
  }

  void mutateRepeated(Message &message, const Reflection &reflection,
                      const FieldDescriptor *field) {
    int size = reflection.FieldSize(message, field);
    switch (below(4)) {
    case 0:
      if (size > 1)
        reflection.SwapElements(&message, field, int(below(size)),
                                int(below(size)));
      return;
    case 1:
      if (size) {
        reflection.SwapElements(&message, field, int(below(size)), size - 1);
        reflection.RemoveLast(&message, field);
      }
      return;
    case 2:
      return addElement(message, reflection, field, size);
    default:
      if (size)
        setElement(message, reflection, field, int(below(size)));
    }
  }

  void addElement(Message &message, const Reflection &reflection,
                  const FieldDescriptor *field, int size) {
    switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.AddInt32(&message, field, int32_t(integer()));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.AddInt64(&message, field, integer());
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.AddUInt64(&message, field, uint64_t(integer()));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection.AddFloat(&message, field, float(real()));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.AddDouble(&message, field, real());
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.AddString(&message, field, text("x"));
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Message *other =
          size
              ? &reflection.GetRepeatedMessage(message, field, int(below(size)))
              : messageLike(field->message_type());
      if (!other)
        return;
      std::string bytes = copyOf(*other);
      reflection.AddMessage(&message, field)->ParsePartialFromString(bytes);
      return;
    }
    default:
      return;
    }
  }

  void setElement(Message &message, const Reflection &reflection,
                  const FieldDescriptor *field, int i) {
    switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetRepeatedInt32(&message, field, i,
                                         int32_t(integer()));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetRepeatedInt64(&message, field, i, integer());
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection.SetRepeatedFloat(&message, field, i, float(real()));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.SetRepeatedDouble(&message, field, i, real());
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetRepeatedString(
          &message, field, i,
          text(reflection.GetRepeatedString(message, field, i)));
    default:
      return;
    }
  }

  onnx::ModelProto &model;
  std::mt19937_64 &random;
  std::vector<Message *> messages;
  std::vector<std::string> names;
};

} // namespace

void mutateModel(onnx::ModelProto &model, std::mt19937_64 &random) {
  Mutator(model, random).run();
}

} // namespace quantc::fuzz
