"""Reference for the person detector: RTMDet-nano's published graph, run by ONNX Runtime.

With closed-form weights (closed_form.py, names `detector.<i>.weight` and `detector.<i>.bias`), so that the reference
holds no trained number and no weights need to be shipped. With the trained ones: for the check that runs only where
the published file is at hand.

usage: make_detector_reference.py rtmdet_nano_person_320.onnx tests/fixtures/detector_reference.safetensors
needs: numpy, onnx, onnxruntime, safetensors
"""

import sys

import numpy as np
import onnx
import onnxruntime
from closed_form import closed_form, closed_form_model
from safetensors.numpy import save_file

SIDE = 320
STRIDES = [8, 16, 32]
PICTURE = (500, 333)  # width, height
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
GAIN = 1.5  # keeps a signal through SiLU from fading
SETTINGS = {"closed form": (0.5, 0.6, 20), "trained": (0.02, 0.6, 20)}  # least score, IoU, most


def picture():
    width, height = PICTURE
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((x * x // 90 + 3 * y + 80 * c) % 256).astype(np.float64)


def shrunken(line, to):
    """Each of `to` values is the mean of what it covers along the first axis."""
    size = len(line)
    edges = np.arange(to + 1) * (size / to)
    cells = np.arange(size)
    low = np.maximum(edges[:-1, None], cells[None])
    high = np.minimum(edges[1:, None], cells[None] + 1)
    weights = np.maximum(high - low, 0)
    return np.tensordot(weights / weights.sum(1, keepdims=True), line, 1)


def square(img):
    """The picture at the top left of the network's square, normalised, and the scales of x and y."""
    height, width = img.shape[:2]
    scale = SIDE / max(width, height)
    w, h = (max(1, int(side * scale + 0.5)) for side in (width, height))
    small = shrunken(shrunken(img, h).transpose(1, 0, 2), w).transpose(1, 0, 2)
    full = np.full((SIDE, SIDE, 3), 114.0)
    full[:h, :w] = small
    return ((full / 255 - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32), (w / width, h / height)


def boxes(outputs, scales, settings):
    least, iou_limit, most = settings
    width, height = PICTURE
    found = []
    for out, stride in zip(outputs, STRIDES):
        rows, columns = np.mgrid[: out.shape[1], : out.shape[2]] * stride
        score = 1 / (1 + np.exp(-out[0, ..., 0].astype(np.float64)))
        d = np.maximum(out[0, ..., 1:], 0)
        corners = [columns - d[..., 0], rows - d[..., 1], columns + d[..., 2], rows + d[..., 3]]
        limits = [width, height, width, height]
        corners = [np.clip(v / scales[i % 2], 0, limits[i]) for i, v in enumerate(corners)]
        all_of = np.stack(corners + [score], -1).reshape(-1, 5)
        found.append(all_of[all_of[:, 4] >= least])
    found = np.concatenate(found)
    found = found[(found[:, 2] > found[:, 0]) & (found[:, 3] > found[:, 1])]
    found = found[np.argsort(-found[:, 4])]
    kept = []
    for one in found:
        if len(kept) == most:
            break
        if all(iou(one, other) <= iou_limit for other in kept):
            kept.append(one)
    kept = np.array(kept).reshape(-1, 5)
    kept[:, 2:4] -= kept[:, :2]
    return kept.astype(np.float32)


def iou(a, b):
    sides = [max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in range(2)]
    common = sides[0] * sides[1]
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return common / (area(a) + area(b) - common)


def reference(model, name, bgr):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    run = lambda images: session.run(None, {"images": np.ascontiguousarray(images)})
    order = slice(None, None, -1) if bgr else slice(None)
    noise = closed_form("input.320x320", (1, 3, SIDE, SIDE), 2.0)
    out = {}
    for value, stride in zip(run(noise[:, order]), STRIDES):
        step = max(1, value.shape[1] // 8)
        out[f"level{stride}.sample"] = np.ascontiguousarray(value[0, ::step, ::step])
        out[f"level{stride}.largest"] = np.abs(value).reshape(-1, 5).max(0)
        print(name, stride, value.mean((0, 1, 2)), value.std((0, 1, 2)))
    images, scales = square(picture())
    out["boxes"] = boxes(run(images[:, order]), scales, SETTINGS[name])
    print(out["boxes"])
    return out


if __name__ == "__main__":
    source, target = sys.argv[1:]
    save_file(reference(closed_form_model(source, "detector", GAIN), "closed form", False), target)
    save_file(reference(onnx.load(source), "trained", True), target.replace(".safetensors", "_trained.safetensors"))
