#!/usr/bin/env python3
"""The first tmpose-t (4 layers, no feature head) as the beginning of the second (6 layers, feature head).

    grow_tmpose_t.py OLD.safetensors NEW.safetensors OUT.safetensors

OLD: weights of the first form (weights/tmpose-t-coco17.safetensors up to commit eda703e). NEW: any weights of the
second form that began from PP-TinyPose with a frozen backbone, e.g. after `tmpose train --steps 1`; it gives the
backbone and the norm of its feature. In OUT the heatmaps are the mean of what PP-TinyPose draws and what OLD draws:
the two added layers pass their input on unchanged (their last matrices are zero), and both heads count half.
"""

import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

OLD_CHANNELS, CELLS, EPSILON, SHARE = 40, 12, 1e-5, 0.5
ADDED_LAYERS = (4, 5)


def read(path):
    with safe_open(path, "np") as f:
        return {name: f.get_tensor(name) for name in f.keys()}, dict(f.metadata())


def wide(x):
    return x.astype(np.float32)


def main(old_path, new_path, out_path):
    old, _ = read(old_path)
    out, header = read(new_path)
    like = {name: value.dtype for name, value in out.items()}
    mean, spread = out["feature_norm.running_mean"], np.sqrt(out["feature_norm.running_var"] + EPSILON)
    old_mean, old_spread = old["feature_norm.running_mean"], np.sqrt(old["feature_norm.running_var"] + EPSILON)

    # The tokenizer reads features that are normalised by other statistics, and does not know the heatmaps yet.
    weight = wide(old["patch.weight"]).reshape(CELLS, OLD_CHANNELS, -1)
    grown = np.zeros((CELLS, len(mean), weight.shape[2]), np.float32)
    grown[:, :OLD_CHANNELS] = weight * (spread[:OLD_CHANNELS] / old_spread)[None, :, None]
    out["patch.weight"] = grown.reshape(-1, weight.shape[2])
    moved = np.einsum("pcd,c->d", weight, (mean[:OLD_CHANNELS] - old_mean) / old_spread)
    out["patch.bias"] = old["patch.bias"] + moved

    for name in out:
        if name.startswith("encoders.0.layers."):
            layer, part = name.split(".", 4)[3:]
            if int(layer) not in ADDED_LAYERS:
                out[name] = old[name]
            elif part.startswith(("proj.", "fc2.")):
                out[name] = np.zeros_like(out[name])
        elif name.startswith("head.") or name == "keypoint_token":
            out[name] = old[name]
    for name in ("head.fc2.weight", "head.fc2.bias"):
        out[name] = wide(out[name]) * SHARE

    joints = len(mean) - OLD_CHANNELS
    direct = np.zeros((len(mean), joints), np.float32)
    direct[OLD_CHANNELS:] = np.diag(spread[OLD_CHANNELS:]) * (1 - SHARE)
    out["feature_head.weight"] = direct
    out["feature_head.bias"] = mean[OLD_CHANNELS:] * (1 - SHARE)
    save_file({name: value.astype(like[name]) for name, value in out.items()}, out_path, metadata=header)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
