//===- CalibrationDataTest.cpp - Samples in every form --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The files are written here by hand; those that NumPy and ONNX write are in
// test/python/test_calibration.py.
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/CalibrationData.h"

#include "TemporaryDirectory.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CRC.h"
#include "llvm/Support/Endian.h"

#include <cmath>
#include <cstring>
#include <random>
#include <zlib.h>

using namespace llvm;
using namespace quantc;

namespace {

constexpr int64_t kSamples = 3, kWidth = 5;
const WeightType kInput{"f32", {-1, kWidth}}, kIds{"si64", {-1}};

template <typename T>
std::string bytesOf(ArrayRef<T> values) {
  return std::string(reinterpret_cast<const char *>(values.data()),
                     values.size() * sizeof(T));
}

template <typename T>
std::string little(T value) {
  std::string bytes(sizeof(T), '\0');
  support::endian::write<T>(bytes.data(), value, endianness::little);
  return bytes;
}

std::string npy(StringRef descr, StringRef shape, StringRef data,
                bool columnMajor = false) {
  std::string header =
      ("{'descr': '" + descr + "', 'fortran_order': " +
       (columnMajor ? "True" : "False") + ", 'shape': " + shape + ", }")
          .str();
  header.resize(117, ' ');
  header += '\n';
  return "\x93NUMPY" + std::string("\x01\x00", 2) +
         little<uint16_t>(header.size()) + header + data.str();
}

/// Deflate without zlib's header.
std::string deflated(StringRef text) {
  z_stream stream = {};
  EXPECT_EQ(
      deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
      Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(text.data()));
  stream.avail_in = text.size();
  stream.next_out = reinterpret_cast<Bytef *>(out.data());
  stream.avail_out = out.size();
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

using Members = std::vector<std::pair<std::string, std::string>>;

std::string zip(const Members &members, bool deflates) {
  std::string file, directory;
  for (const auto &[name, text] : members) {
    std::string packed = deflates ? deflated(text) : text;
    std::string both =
        little<uint16_t>(20) + little<uint16_t>(0) +
        little<uint16_t>(deflates ? 8 : 0) + little<uint32_t>(0) +
        little<uint32_t>(crc32(arrayRefFromStringRef(text))) +
        little<uint32_t>(packed.size()) + little<uint32_t>(text.size()) +
        little<uint16_t>(name.size()) + little<uint16_t>(0);
    directory += "PK\x01\x02" + little<uint16_t>(20) + both +
                 std::string(10, '\0') + little<uint32_t>(file.size()) + name;
    file += "PK\x03\x04" + both + name + packed;
  }
  size_t at = file.size();
  return file + directory + "PK\x05\x06" + little<uint32_t>(0) +
         little<uint16_t>(members.size()) + little<uint16_t>(members.size()) +
         little<uint32_t>(directory.size()) + little<uint32_t>(at) +
         little<uint16_t>(0);
}

/// A TensorProto with raw_data; extents below 128.
std::string pb(ArrayRef<int64_t> shape, int type, StringRef name,
               StringRef data) {
  std::string text;
  for (int64_t extent : shape)
    text += {'\x08', static_cast<char>(extent)};
  text += {'\x10', static_cast<char>(type)};
  text += {'\x42', static_cast<char>(name.size())};
  text += name;
  text += {'\x4a', static_cast<char>(data.size())};
  return text + data.str();
}

/// A folder with one input `x`, kSamples by kWidth floats, and one `ids`, an
/// integer a sample.
class CalibrationDataTest : public ::testing::Test {
protected:
  CalibrationDataTest() {
    for (int i = 0; i < kSamples * kWidth; ++i)
      x.push_back(0.5f * i - 2);
    ids = {7, -8, 9};
  }

  Expected<CalibrationData> open(StringRef name) {
    return CalibrationData::open(directory.path(name), {"x", "ids"}, &context);
  }

  std::string npyX() { return npy("<f4", "(3, 5)", bytesOf(ArrayRef(x))); }
  std::string npyIds() { return npy("<i8", "(3,)", bytesOf(ArrayRef(ids))); }
  /// Column-major.
  std::string npyFortran() {
    std::vector<float> columns;
    for (int64_t i = 0; i < kWidth; ++i)
      for (int64_t s = 0; s < kSamples; ++s)
        columns.push_back(x[s * kWidth + i]);
    return npy("<f4", "(3, 5)", bytesOf(ArrayRef(columns)), true);
  }

  void folder(StringRef name) {
    ASSERT_FALSE(sys::fs::create_directories(directory.path(name)));
  }
  std::string pbX(int64_t sample) {
    return pb({1, kWidth}, 1, "",
              bytesOf(ArrayRef(x).slice(sample * kWidth, kWidth)));
  }
  std::string pbIds(int64_t sample) {
    return pb({1}, 7, "ids", bytesOf(ArrayRef(ids).slice(sample, 1)));
  }
  void writeSets() {
    for (int64_t i = 0; i < kSamples; ++i) {
      // Not in the order of the alphabet.
      std::string set = "sets/test_data_set_" + std::to_string(i + 8);
      folder(set);
      directory.write(set + "/input_0.pb", pbX(i));
      directory.write(set + "/input_1.pb", pbIds(i));
      directory.write(set + "/output_0.pb", "not read");
    }
  }

  void expectSamples(StringRef name) {
    Expected<CalibrationData> data = open(name);
    ASSERT_TRUE(bool(data)) << toString(data.takeError());
    ASSERT_EQ(data->samples(), kSamples);
    for (int64_t i = 0; i < kSamples; ++i) {
      TensorView found = cantFail(data->get("x", i, kInput));
      EXPECT_EQ(found.type.str(), "1x5xf32");
      EXPECT_EQ(reinterpret_cast<uintptr_t>(found.bytes.data()) % 4, 0u);
      EXPECT_EQ(StringRef(found.bytes.data(), found.bytes.size()).str(),
                bytesOf(ArrayRef(x).slice(i * kWidth, kWidth)));
      TensorView id = cantFail(data->get("ids", i, kIds));
      EXPECT_EQ(StringRef(id.bytes.data(), id.bytes.size()).str(),
                bytesOf(ArrayRef(ids).slice(i, 1)));
      // The first is still there.
      EXPECT_EQ(std::memcmp(found.bytes.data(), &x[i * kWidth],
                            kWidth * sizeof(float)),
                0);
    }
  }

  std::string errorOf(StringRef name) {
    return message(open(name).takeError());
  }

  TemporaryDirectory directory;
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  std::vector<float> x;
  std::vector<int64_t> ids;
};

TEST_F(CalibrationDataTest, EveryForm) {
  directory.write("stored.npz",
                  zip({{"x.npy", npyX()}, {"ids.npy", npyIds()}}, false));
  expectSamples("stored.npz");
  // Elements at odd addresses.
  directory.write("odd.npz", zip({{"a.npy", npy("|u1", "(3,)", "abc")},
                                  {"x.npy", npyX()},
                                  {"ids.npy", npyIds()}},
                                 false));
  expectSamples("odd.npz");
  directory.write("deflated.npz",
                  zip({{"x.npy", npyFortran()}, {"ids.npy", npyIds()}}, true));
  expectSamples("deflated.npz");
  folder("npys");
  directory.write("npys/x.npy", npyFortran());
  directory.write("npys/ids.npy", npyIds());
  expectSamples("npys");
  writeSets();
  expectSamples("sets");
}

TEST_F(CalibrationDataTest, OneSetOfTestData) {
  folder("one");
  directory.write("one/input_0.pb", pbX(1));
  Expected<CalibrationData> data = open("one");
  ASSERT_TRUE(bool(data)) << toString(data.takeError());
  EXPECT_EQ(data->samples(), 1);
  EXPECT_EQ(cantFail(data->get("x", 0, kInput)).bytes.size(), 20u);
  // What nothing asks for may be missing.
  EXPECT_EQ(message(data->get("ids", 0, kIds).takeError()),
            "'" + directory.path("one/input_1.pb") +
                "' is missing: input 'ids', which the model needs");
}

TEST_F(CalibrationDataTest, ElementsThatNumPyLacks) {
  uint16_t bits[] = {0x3f80, 0xc000, 0x7f80};
  directory.write(
      "b.npz",
      zip({{"x.npy", npy("<u2", "(3, 1)", bytesOf(ArrayRef(bits)))}}, false));
  CalibrationData data = cantFail(open("b.npz"));
  WeightType input{"bf16", {-1, 1}};
  EXPECT_EQ(cantFail(data.get("x", 1, input)).type.str(), "1x1xbf16");
  EXPECT_EQ(message(data.get("x", 2, input).takeError()),
            directory.path("b.npz") +
                ": sample 2 of 'x' has a value that is infinite; leave the "
                "sample out or mend it");
  EXPECT_NE(message(data.get("x", 0, WeightType{"f16", {-1, 1}}).takeError()),
            "");
}

TEST_F(CalibrationDataTest, Errors) {
  EXPECT_NE(errorOf("nowhere").find("nowhere"), std::string::npos);
  folder("empty");
  EXPECT_EQ(errorOf("empty"), directory.path("empty") +
                                  ": the folder has neither NAME.npy nor "
                                  "test_data_set_N nor input_0.pb");
  writeSets();
  directory.write("sets/x.npy", npyX());
  EXPECT_EQ(errorOf("sets"), directory.path("sets") +
                                 ": the folder has both .npy files and test "
                                 "data; put them apart");
  directory.write("alone", npyX());
  EXPECT_NE(errorOf("alone").find("is an array without a name"),
            std::string::npos);
  std::string file = zip({{"x.npy", npyX()}}, false);
  file[file.find("(3, 5)") + 90] ^= 1;
  directory.write("bad.npz", file);
  EXPECT_EQ(errorOf("bad.npz"), "'x' of '" + directory.path("bad.npz") +
                                    "' is damaged: its checksum is wrong; copy "
                                    "or write the file again");
}

TEST_F(CalibrationDataTest, ErrorsOfTestData) {
  folder("s/test_data_set_0");
  folder("s/test_data_set_1");
  directory.write("s/test_data_set_0/input_0.pb", pbX(0));
  EXPECT_NE(errorOf("s").find("test_data_set_1/input_0.pb"), std::string::npos);
  directory.write("s/test_data_set_1/input_0.pb", pbX(1));
  directory.write("s/test_data_set_1/input_1.pb", pbIds(1));
  EXPECT_EQ(errorOf("s"),
            directory.path("s") +
                ": 'test_data_set_0' has 1 inputs and 'test_data_set_1' has 2");
  directory.write("s/test_data_set_0/input_1.pb", pbIds(1));
  EXPECT_EQ(errorOf("s"), "");
  directory.write("s/test_data_set_1/input_2.pb", pbIds(1));
  EXPECT_EQ(errorOf("s"), "'" + directory.path("s/test_data_set_1/input_2.pb") +
                              "': the model has only 2 inputs");
  directory.write("s/test_data_set_0/input_0.pb", pbIds(1));
  EXPECT_EQ(errorOf("s"), "'" + directory.path("s/test_data_set_0/input_0.pb") +
                              "' is named 'ids', but input 0 of the model is "
                              "'x'");
  float nan[] = {1, NAN};
  directory.write("s/test_data_set_0/input_0.pb",
                  pb({1, 2}, 1, "x", bytesOf(ArrayRef(nan))));
  EXPECT_NE(errorOf("s").find("sample 0 of 'x' has a value that is NaN"),
            std::string::npos);
}

/// Opens what became of a file, and reads it all.
class Mutations : public CalibrationDataTest {
protected:
  /// How many of `count` mutations of the file `changed` of the data `name` are
  /// refused. Whatever is taken consists of finite values.
  int refused(StringRef name, StringRef changed, int count = 400) {
    std::string whole = directory.read(changed);
    EXPECT_EQ(errorOf(name), "");
    int errors = 0;
    std::mt19937 random(1);
    for (int i = 0; i < count; ++i) {
      std::string text = whole;
      size_t at = random() % text.size();
      switch (i % 4) {
      case 0:
        text.resize(at);
        break;
      case 1:
        text[at] ^= 1 << random() % 8;
        break;
      case 2:
        text[at] = "\x00\x7f\x80\xff"[random() % 4];
        break;
      default:
        for (size_t end = std::min(text.size(), at + 4); at < end; ++at)
          text[at] = static_cast<char>(random());
      }
      directory.write(changed, text);
      Expected<CalibrationData> data = open(name);
      if (!data) {
        std::string why = message(data.takeError());
        EXPECT_NE(why.find(directory.path(name)), std::string::npos) << why;
        ++errors;
        continue;
      }
      for (int64_t sample = 0; sample < data->samples(); ++sample)
        errors += !read(*data, sample);
    }
    directory.write(changed, whole);
    return errors;
  }

  static bool read(CalibrationData &data, int64_t sample) {
    Expected<TensorView> view = data.get("x", sample, kInput);
    if (!view) {
      EXPECT_NE(message(view.takeError()), "");
      return false;
    }
    for (size_t at = 0; at < view->bytes.size(); at += sizeof(float)) {
      float value;
      std::memcpy(&value, view->bytes.data() + at, sizeof value);
      EXPECT_TRUE(std::isfinite(value));
    }
    return true;
  }
};

TEST_F(Mutations, OfNpz) {
  for (bool deflates : {false, true}) {
    directory.write("m.npz",
                    zip({{"x.npy", npyX()}, {"ids.npy", npyIds()}}, deflates));
    // All but those of fields that do not matter.
    EXPECT_GT(refused("m.npz", "m.npz"), 300);
  }
}

TEST_F(Mutations, OfNpy) {
  folder("npys");
  directory.write("npys/x.npy", npyX());
  // Blanks in the header, and other numbers, are as good.
  EXPECT_GT(refused("npys", "npys/x.npy"), 120);
  directory.write("npys/x.npy", npyFortran());
  EXPECT_GT(refused("npys", "npys/x.npy"), 120);
}

TEST_F(Mutations, OfTestData) {
  writeSets();
  EXPECT_GT(refused("sets", "sets/test_data_set_9/input_0.pb"), 150);
}

TEST_F(Mutations, OfSafetensors) {
  std::string data = bytesOf(ArrayRef(x));
  std::string header = "{\"x\":{\"dtype\":\"F32\",\"shape\":[3,5],"
                       "\"data_offsets\":[0,60]}}";
  header.resize(64, ' ');
  directory.write("m", little<uint64_t>(header.size()) + header + data);
  EXPECT_GT(refused("m", "m"), 200);
}

} // namespace
