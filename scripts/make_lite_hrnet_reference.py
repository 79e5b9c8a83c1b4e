"""Reference for the small backbone: the published graph, run by ONNX Runtime with closed-form weights.

Every convolution's initializers are replaced by the generator of the fixtures (FNV-1a + SplitMix64, see
tests/lite_hrnet.rs) under the names `lite_hrnet.<i>.weight` and `lite_hrnet.<i>.bias`, i counting the
convolutions in graph order, so the reference holds no trained number and no weights need to be shipped.

usage: make_lite_hrnet_reference.py pp_tinypose_256x192.onnx tests/fixtures/lite_hrnet_reference.safetensors
needs: numpy, onnx, onnxruntime, safetensors
"""

import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from safetensors.numpy import save_file

END = "tmp_78"
TAPS = {  # our name: tensor of the graph (before a rectifier where the graph shows no other name)
    "stem": "reshape2_1.tmp_0",
    "stage2.0": "relu_14.tmp_0",
    "stage2.1": "relu_24.tmp_0",
    "stage3.3": "relu_87.tmp_0",
    "stage4.1.0": "relu_132.tmp_0",
    "stage4.1.3": "relu_139.tmp_0",
    "feature": END,
}


def closed_form(name, shape, amp):
    h = np.uint64(0xCBF29CE484222325)
    with np.errstate(over="ignore"):
        for byte in name.encode():
            h = (h ^ np.uint64(byte)) * np.uint64(0x100000001B3)
        i = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64)
        z = h + i * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    t = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    return (np.float32(amp) * t).reshape(shape)


def closed_form_model(path):
    model = onnx.load(path)
    graph = model.graph
    shapes = {t.name: tuple(t.dims) for t in graph.initializer}
    new, index = {}, 0
    for node in graph.node:
        if node.op_type == "Conv":
            weight, bias = node.input[1], node.input[2]
            amp = np.sqrt(3.0 / np.prod(shapes[weight][1:]))
            new[weight] = closed_form(f"lite_hrnet.{index}.weight", shapes[weight], amp)
            new[bias] = closed_form(f"lite_hrnet.{index}.bias", shapes[bias], 0.1)
            index += 1
    for tensor in graph.initializer:
        if tensor.name in new:
            tensor.CopyFrom(numpy_helper.from_array(new[tensor.name], tensor.name))
    return model


def run(model, image):
    graph = model.graph
    del graph.output[:]
    for name in TAPS.values():
        graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(TAPS, session.run(list(TAPS.values()), {"image": image})))


def summary(taps):
    out = {}
    for name, value in taps.items():
        rows, columns = max(1, value.shape[2] // 8), max(1, value.shape[3] // 8)
        out[f"{name}.sample"] = np.ascontiguousarray(value[0, ::4, ::rows, ::columns])
        wide = value.astype(np.float64)
        out[f"{name}.stat"] = np.array([wide.mean(), wide.std(ddof=1), np.abs(wide).max()])
        print(name, value.shape, out[f"{name}.stat"])
    return out


if __name__ == "__main__":
    source, target = sys.argv[1:]
    image = closed_form("input.256x192", (1, 3, 256, 192), 2.0)
    save_file(summary(run(closed_form_model(source), image)), target)
    # The trained weights, for the check that runs only where the published file is at hand.
    save_file(summary(run(onnx.load(source), image)), target.replace(".safetensors", "_trained.safetensors"))
