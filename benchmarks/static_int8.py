"""Static 8-bit models: how near quantc and ONNX Runtime come to the float model.

Sentence embeddings of MiniLM, calibrated on one half of sentences.txt and compared on the other;
the ResNet-50 topology with weights from a seed, on random images. Scales of activations come from
calibration, weights have one for each channel; ONNX Runtime with each of its ways to calibrate.
"""

import numpy as np
import onnx

import minilm
import vision

IMAGES = {"calibration": range(2, 10), "validation": range(20, 28)}
METHODS = ("MinMax", "Entropy", "Percentile")  # of ONNX Runtime
OBSERVERS = ("minmax", "percentile", "mse", "entropy")  # of quantc


def relative_error(found, reference):
    """|found - reference| / |reference|, over all elements."""
    return float(np.linalg.norm(found - reference) / np.linalg.norm(reference))


def write_test_data(folder, model, samples):
    """Samples, dicts of arrays, as ONNX's test data: each of its own shape."""
    names = [i.name for i in onnx.load(model, load_external_data=False).graph.input]
    for number, sample in enumerate(samples):
        place = folder / f"test_data_set_{number}"
        place.mkdir(parents=True, exist_ok=True)
        for i, name in enumerate(names):
            array = onnx.numpy_helper.from_array(sample[name], name)
            (place / f"input_{i}.pb").write_bytes(array.SerializeToString())
    return folder


class StaticInt8:
    """Rows (name, least or greatest figure, median) of both models; `folder` is for files."""

    def __init__(self, quantc, folder):
        self.quantc, self.folder = quantc, folder

    def compiled(self, model, name, recipe, calibration, samples):
        """The first output of each sample, of a library."""
        library = self.quantc.compile(
            model, self.folder / name, recipe=recipe, calibration=calibration,
            target="native:highest",
        )
        with self.quantc.load(library, threads=1) as loaded:
            return [next(iter(loaded(sample).values())) for sample in samples]

    def minilm(self):
        """The median and the least cosine of a sentence's embedding to the float model's."""
        model = minilm.onnx_file()
        rows = minilm.Tokenizer().tokens(
            (vision.pathlib.Path(__file__).parent / "sentences.txt").read_text().splitlines()
        )
        samples = [minilm.feeds([row]) for row in rows]
        calibration = write_test_data(self.folder / "minilm", model, samples[::2])
        samples = samples[1::2]
        session = minilm.ort_session(model, 1)
        reference = np.concatenate([session.run(None, sample)[0] for sample in samples])
        found = {}
        for recipe in ("w8a8-static", "w8a8-smoothquant"):
            vectors = np.concatenate(
                self.compiled(model, f"minilm-{recipe}", recipe, calibration, samples)
            )
            cosines = minilm.cosine(vectors, reference)
            found[f"quantc `{recipe}`"] = (float(np.median(cosines)), float(cosines.min()))
        return found

    def resnet50(self):
        """The relative error of the output to the float model's, on all images at once."""
        model = vision.float_file("resnet50", self.folder)
        images = {part: [{vision.INPUT: vision.image(seed)} for seed in seeds]
                  for part, seeds in IMAGES.items()}
        calibration = write_test_data(self.folder / "resnet50", model, images["calibration"])
        session = minilm.ort_session(model, 1)
        reference = np.concatenate([session.run(None, i)[0] for i in images["validation"]])
        found = {}
        for observer in OBSERVERS:
            recipe = f"w8a8-static:observer={observer}"
            outputs = self.compiled(
                model, f"resnet50-{observer}", recipe, calibration, images["validation"]
            )
            found[f"quantc `{recipe}`"] = relative_error(np.concatenate(outputs), reference)
        for method in METHODS:
            quantized = self.onnxruntime_file(model, method, images["calibration"])
            session = minilm.ort_session(quantized, 1)
            outputs = [session.run(None, i)[0] for i in images["validation"]]
            found[f"ONNX Runtime QDQ u8s8, {method}"] = relative_error(
                np.concatenate(outputs), reference
            )
        return found

    def onnxruntime_file(self, model, method, images):
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process

        class Images(quantization.CalibrationDataReader):
            def __init__(self):
                self.feeds = iter(images)

            def get_next(self):
                return next(self.feeds, None)

        prepared = self.folder / "resnet50-prepared.onnx"
        path = self.folder / f"resnet50-{method}.onnx"
        quant_pre_process(str(model), str(prepared))
        quantization.quantize_static(
            str(prepared), str(path), Images(), quant_format=quantization.QuantFormat.QDQ,
            per_channel=True, activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod[method],
        )
        return path
