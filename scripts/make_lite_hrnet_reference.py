"""Reference for the small backbone: the published graph, run by ONNX Runtime with closed-form weights.

The weights are those of closed_form.py under the names `lite_hrnet.<i>.weight` and `lite_hrnet.<i>.bias`, so the
reference holds no trained number and no weights need to be shipped.

usage: make_lite_hrnet_reference.py pp_tinypose_256x192.onnx tests/fixtures/lite_hrnet_reference.safetensors
needs: numpy, onnx, onnxruntime, safetensors
"""

import sys

import numpy as np
import onnx
import onnxruntime
from closed_form import closed_form, closed_form_model
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
    save_file(summary(run(closed_form_model(source, "lite_hrnet", 1.0), image)), target)
    # The trained weights, for the check that runs only where the published file is at hand.
    save_file(summary(run(onnx.load(source), image)), target.replace(".safetensors", "_trained.safetensors"))
