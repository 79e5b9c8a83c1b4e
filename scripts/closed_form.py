"""The closed-form numbers that stand for weights and inputs in the reference fixtures, as tests/common/closed_form.rs
has them: FNV-1a of a tensor's name starts a SplitMix64 sequence, whose top 24 bits become a number in [-1, 1).

Needs numpy; onnx for networks only.
"""

import math

import numpy as np

MASK = (1 << 64) - 1


def fnv1a(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def closed_form(name, shape, amp, center=0.0):
    with np.errstate(over="ignore"):
        i = np.arange(1, math.prod(shape) + 1, dtype=np.uint64)
        z = np.uint64(fnv1a(name)) + i * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    t = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    value = np.float32(amp) * t
    return (value if center == 0 else np.float32(center) + value).reshape(shape)


def closed_form_model(path, prefix, gain):
    """The ONNX graph with its convolutions' initializers replaced: `<prefix>.<i>.weight` and `<prefix>.<i>.bias`, i
    counting the convolutions in graph order. `gain` keeps a signal from fading."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    shapes = {t.name: tuple(t.dims) for t in graph.initializer}
    new, index = {}, 0
    for node in graph.node:
        if node.op_type == "Conv":
            weight, bias = node.input[1], node.input[2]
            amp = gain * np.sqrt(3.0 / np.prod(shapes[weight][1:]))
            new[weight] = closed_form(f"{prefix}.{index}.weight", shapes[weight], amp)
            new[bias] = closed_form(f"{prefix}.{index}.bias", shapes[bias], 0.1)
            index += 1
    for tensor in graph.initializer:
        if tensor.name in new:
            tensor.CopyFrom(onnx.numpy_helper.from_array(new[tensor.name], tensor.name))
    return model
