"""Networks of torch.nn: convolutional topologies, recurrent ones, a detector."""

import torch
from torch import nn

from .model import Model, integers, model


def norm(channels):
    """Batch normalization with statistics and gains as of a trained network."""
    layer = nn.BatchNorm2d(channels)
    nn.init.normal_(layer.running_mean, std=0.2)
    nn.init.uniform_(layer.running_var, 0.5, 1.5)
    nn.init.uniform_(layer.weight, 0.5, 1.5)
    nn.init.normal_(layer.bias, std=0.2)
    return layer


def conv(inputs, outputs, size, activation=nn.ReLU, **options):
    layers = [nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False, **options)]
    layers.append(norm(outputs))
    return nn.Sequential(*layers, *([activation()] if activation else []))


class Inverted(nn.Module):
    def __init__(self, inputs, outputs, stride, factor):
        super().__init__()
        inner = inputs * factor
        expand = [conv(inputs, inner, 1, nn.ReLU6)] if factor != 1 else []
        self.body = nn.Sequential(
            *expand,
            conv(inner, inner, 3, nn.ReLU6, stride=stride, groups=inner),
            conv(inner, outputs, 1, None),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


@model
def mobilenet_v2():
    """Of a quarter of the width, its 17 blocks whole."""
    blocks, inputs = [conv(3, 8, 3, nn.ReLU6, stride=2)], 8
    table = [(1, 4, 1, 1), (6, 6, 2, 2), (6, 8, 3, 2), (6, 16, 4, 2), (6, 24, 3, 1),
             (6, 40, 3, 2), (6, 80, 1, 1)]
    for factor, outputs, count, stride in table:
        for i in range(count):
            blocks.append(Inverted(inputs, outputs, stride if i == 0 else 1, factor))
            inputs = outputs
    head = [conv(inputs, 320, 1, nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    module = nn.Sequential(*blocks, *head, nn.Dropout(0.2), nn.Linear(320, 10))
    return Model(
        module,
        lambda batch, size: {"image": torch.randn(batch, 3, size, size + 32)},
        [dict(batch=2, size=64), dict(batch=1, size=96)],
        {"image": {0: "batch", 2: "height", 3: "width"}},
        ["logits"],
    )


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.body = nn.Sequential(
            conv(inputs, width, 1), conv(width, width, 3, stride=stride),
            conv(width, 4 * width, 1, None),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != 4 * width:
            self.shortcut = conv(inputs, 4 * width, 1, None, stride=stride)

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


@model
def resnet50():
    """Of an eighth of the width, its 16 blocks whole."""
    layers, inputs = [conv(3, 8, 7, stride=2), nn.MaxPool2d(3, 2, 1)], 8
    for i, count in enumerate((3, 4, 6, 3)):
        for j in range(count):
            layers.append(Bottleneck(inputs, 8 << i, 2 if i and not j else 1))
            inputs = 32 << i
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10)]
    return Model(
        nn.Sequential(*layers, *head),
        lambda batch, size: {"image": torch.randn(batch, 3, size, size)},
        [dict(batch=2, size=64), dict(batch=1, size=96)],
        {"image": {0: "batch", 2: "height", 3: "width"}},
        ["logits"],
    )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        double = lambda i, o: nn.Sequential(conv(i, o, 3), conv(o, o, 3))
        self.down1, self.down2, self.bottom = double(3, 8), double(8, 16), double(16, 32)
        self.up2, self.up1 = nn.ConvTranspose2d(32, 16, 2, 2), nn.Upsample(scale_factor=2, mode="bilinear")
        self.join2, self.join1 = double(32, 16), double(24, 8)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(nn.functional.max_pool2d(a, 2))
        c = self.bottom(nn.functional.max_pool2d(b, 2))
        d = self.join2(torch.cat([self.up2(c), b], 1))
        return self.last(self.join1(torch.cat([self.up1(d), a], 1)))


@model
def unet():
    return Model(
        UNet(),
        lambda batch, size: {"image": torch.randn(batch, 3, size, size)},
        [dict(batch=2, size=32), dict(batch=1, size=48)],
        {"image": {0: "batch", 2: "height", 3: "width"}},
        ["classes"],
    )


class Tagger(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.cell = cell(16, 24, num_layers=2, batch_first=True, bidirectional=True)
        self.last = nn.Linear(48, 9)

    def forward(self, ids):
        hidden, state = self.cell(self.embed(ids))
        state = state[0] if isinstance(state, tuple) else state
        return self.last(hidden), state


def tagger(cell):
    return Model(
        Tagger(cell),
        lambda batch, length: {"ids": integers(100, batch, length)},
        [dict(batch=2, length=8), dict(batch=3, length=17)],
        {"ids": {0: "batch", 1: "length"}},
        ["tags", "state"],
    )


@model
def lstm():
    return tagger(nn.LSTM)


@model
def gru():
    return tagger(nn.GRU)


@torch.library.custom_op("exporters::suppress", mutates_args=())
def suppress(boxes: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """ONNX's NonMaxSuppression: [selected, 3] of batch, class and box."""
    selected = []
    for batch in range(scores.shape[0]):
        for kind in range(scores.shape[1]):
            kept = []
            for box in scores[batch, kind].argsort(descending=True).tolist():
                if scores[batch, kind, box] <= SCORE or len(kept) == MOST:
                    break
                corners = boxes[batch, [box, *kept]]
                low = torch.maximum(corners[:1, :2], corners[1:, :2])
                high = torch.minimum(corners[:1, 2:], corners[1:, 2:])
                both = (high - low).clamp(min=0).prod(1)
                areas = (corners[:, 2:] - corners[:, :2]).prod(1)
                if (both <= OVERLAP * (areas[0] + areas[1:] - both)).all():
                    kept.append(box)
            selected += [(batch, kind, box) for box in kept]
    return torch.tensor(selected, dtype=torch.int64).reshape(-1, 3)


MOST, OVERLAP, SCORE = 5, 0.4, 0.3


@suppress.register_fake
def _(boxes, scores):
    return boxes.new_empty((torch.library.get_ctx().new_dynamic_size(), 3), dtype=torch.int64)


def traced_suppress(graph, boxes, scores):
    numbers = [torch.tensor([MOST]), torch.tensor([OVERLAP]), torch.tensor([SCORE])]
    constants = [graph.op("Constant", value_t=number) for number in numbers]
    return graph.op("NonMaxSuppression", boxes, scores, *constants)


torch.onnx.register_custom_op_symbolic("exporters::suppress", traced_suppress, 11)


def translations():
    """How torch.onnx's newer exporter writes the operators of this file."""
    from onnxscript import opset18 as op

    def suppressed(boxes, scores):
        return op.NonMaxSuppression(
            boxes, scores, op.Constant(value_ints=[MOST]), op.Constant(value_floats=[OVERLAP]),
            op.Constant(value_floats=[SCORE]),
        )

    return {torch.ops.exporters.suppress.default: suppressed}


class Detector(nn.Module):
    """Boxes and scores of a grid of anchors, the best of which are kept."""

    def __init__(self, classes=3):
        super().__init__()
        self.classes = classes
        self.body = nn.Sequential(conv(3, 8, 3, stride=2), conv(8, 16, 3, nn.SiLU, stride=2))
        self.boxes = nn.Conv2d(16, 4, 1)
        self.scores = nn.Conv2d(16, classes, 1)

    def forward(self, image):
        features = self.body(image)
        rows = torch.arange(features.shape[2]).view(-1, 1) + 0.5
        columns = torch.arange(features.shape[3]).view(1, -1) + 0.5
        left, top, right, bottom = self.boxes(features).exp().unbind(1)
        corners = torch.stack([columns - left, rows - top, columns + right, rows + bottom], -1)
        corners = corners.flatten(1, 2)
        scores = self.scores(features).sigmoid().flatten(2)
        selected = suppress(corners, scores)
        batch, kind, box = selected.unbind(1)
        return corners[batch, box], scores[batch, kind, box], kind, batch


@model
def detector():
    return Model(
        Detector(),
        lambda batch, size: {"image": torch.randn(batch, 3, size, size + 8)},
        [dict(batch=2, size=16), dict(batch=1, size=24)],
        {"image": {0: "batch", 2: "height", 3: "width"}},
        ["boxes", "scores", "classes", "images"],
    )
