"""Checkpoints with the key names and shapes of published ones (docs/METHOD.md, "Names in published checkpoints"),
for the importer's tests.

small: every tensor is a strided view into one storage of 8,192 numbers, so a file with the full structure of
TMPose-B stays small: element [o, ...] of tensor `name` is ramp[(fnv1a(name) % 256) + o] for all of the
remaining indices (vectors: element o). A linear weight therefore shows whether it was transposed. Only
pos_embedding is stored in full, in half precision.
full: the closed-form weights of the fixtures (closed_form.py), for a comparison of heatmaps.

usage: make_pth_fixture.py small tests/fixtures        (tmpose_b_small.pth, ppt_s_small.pth, hrnet_w32_small.pth)
       make_pth_fixture.py full VARIANT FOLDER         (VARIANT: b, l_d6, l_d24, s, ppt_s)
needs: numpy, torch
"""

import math
import sys

import numpy as np
import torch
from closed_form import closed_form, fnv1a


def bn(name, n):
    yield f"{name}.weight", (n,)
    yield f"{name}.bias", (n,)
    yield f"{name}.running_mean", (n,)
    yield f"{name}.running_var", (n,)
    yield f"{name}.num_batches_tracked", ()


def conv_bn(conv, norm, shape):
    yield f"{conv}.weight", shape
    yield from bn(norm, shape[0])


def stem(p):
    yield from conv_bn(f"{p}conv1", f"{p}bn1", (64, 3, 3, 3))
    yield from conv_bn(f"{p}conv2", f"{p}bn2", (64, 64, 3, 3))
    for i in range(4):
        b = f"{p}layer1.{i}"
        yield from conv_bn(f"{b}.conv1", f"{b}.bn1", (64, 64 if i == 0 else 256, 1, 1))
        yield from conv_bn(f"{b}.conv2", f"{b}.bn2", (64, 64, 3, 3))
        yield from conv_bn(f"{b}.conv3", f"{b}.bn3", (256, 64, 1, 1))
        if i == 0:
            yield from conv_bn(f"{b}.downsample.0", f"{b}.downsample.1", (256, 64, 1, 1))


def stage(p, widths, outputs):
    for b, c in enumerate(widths):
        for k in range(4):
            for n in (1, 2):
                block = f"{p}branches.{b}.{k}"
                yield from conv_bn(f"{block}.conv{n}", f"{block}.bn{n}", (c, c, 3, 3))
    for i in range(outputs):
        for j in range(len(widths)):
            f = f"{p}fuse_layers.{i}.{j}"
            if j > i:
                yield from conv_bn(f"{f}.0", f"{f}.1", (widths[i], widths[j], 1, 1))
            for k in range(max(0, i - j)):
                last = k == i - j - 1
                shape = (widths[i] if last else widths[j], widths[j], 3, 3)
                yield from conv_bn(f"{f}.{k}.0", f"{f}.{k}.1", shape)


def hrnet(p, c, last_outputs=1):
    yield from stem(p)
    yield from conv_bn(f"{p}transition1.0.0", f"{p}transition1.0.1", (c, 256, 3, 3))
    yield from conv_bn(f"{p}transition1.1.0.0", f"{p}transition1.1.0.1", (2 * c, 256, 3, 3))
    yield from stage(f"{p}stage2.0.", [c, 2 * c], 2)
    yield from conv_bn(f"{p}transition2.2.0.0", f"{p}transition2.2.0.1", (4 * c, 2 * c, 3, 3))
    for m in range(4):
        yield from stage(f"{p}stage3.{m}.", [c, 2 * c, 4 * c], 3 if m < 3 else last_outputs)


def transformer(p, patch, joints, transformers, depth, heatmap, ppt=False):
    yield f"{p}keypoint_token", (1, joints, 192)
    yield f"{p}pos_embedding", (1, 256, 192)
    yield f"{p}patch_to_embedding.weight", (192, patch)
    yield f"{p}patch_to_embedding.bias", (192,)
    for t in range(transformers):
        number = "" if transformers == 1 else str(t + 1)
        for i in range(depth):
            layer = f"{p}transformer{number}.layers.{i}"
            attention = f"{layer}.0" if ppt else f"{layer}.0.fn"
            yield f"{attention}.norm.weight", (192,)
            yield f"{attention}.norm.bias", (192,)
            yield f"{attention}.fn.to_qkv.weight", (576, 192)
            yield f"{attention}.fn.to_out.0.weight", (192, 192)
            yield f"{attention}.fn.to_out.0.bias", (192,)
            yield f"{layer}.1.fn.norm.weight", (192,)
            yield f"{layer}.1.fn.norm.bias", (192,)
            yield f"{layer}.1.fn.fn.net.0.weight", (576, 192)
            yield f"{layer}.1.fn.fn.net.0.bias", (576,)
            yield f"{layer}.1.fn.fn.net.3.weight", (192, 576)
            yield f"{layer}.1.fn.fn.net.3.bias", (192,)
    width = 192 * transformers
    layers = [(width, heatmap // 8), (heatmap // 8, heatmap)] if transformers == 1 else [(width, heatmap)]
    for i, (a, b) in enumerate(layers):
        yield f"{p}mlp_head.{2 * i}.weight", (a,)
        yield f"{p}mlp_head.{2 * i}.bias", (a,)
        yield f"{p}mlp_head.{2 * i + 1}.weight", (b, a)
        yield f"{p}mlp_head.{2 * i + 1}.bias", (b,)


def tensors(variant):
    if variant == "b":
        yield from hrnet("pre_feature.", 32)
        yield from transformer("transformer.", 384, 17, 1, 12, 3072)
    elif variant in ("l_d6", "l_d24"):
        yield from hrnet("pre_feature.", 48)
        yield from transformer("transformer.", 576, 17, 3, 2 if variant == "l_d6" else 8, 3072)
    elif variant in ("s", "ppt_s"):
        yield from stem("features.")
        yield from transformer("features.", 3072, 17, 1, 12, 3072, ppt=variant == "ppt_s")
    elif variant == "hrnet_w32":
        yield from hrnet("", 32, last_outputs=3)
    else:
        sys.exit(f"unknown variant {variant}")


def positions():
    i = np.arange(96)
    omega = 10000.0 ** (2 * (i // 2) / 96)
    part = 2 * np.pi * np.arange(1, 17)[:, None] / (16 + 1e-6) / omega
    part = np.where(i % 2 == 0, np.sin(part), np.cos(part))
    rows = np.repeat(part[:, None], 16, 1)
    columns = np.repeat(part[None], 16, 0)
    return torch.tensor(np.concatenate([rows, columns], 2).reshape(1, 256, 192).astype(np.float32))


def generated(name, shape, center, amp):
    return torch.tensor(closed_form(name, shape, amp, center))


def weight(name, shape):
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name.endswith("pos_embedding"):
        return positions()
    if name.endswith("running_var"):
        rule = (1.0, 0.5)
    elif name.endswith("running_mean"):
        rule = (0.0, 0.1)
    elif name.endswith("keypoint_token"):
        rule = (0.0, 1.0)
    elif len(shape) in (2, 4):
        rule = (0.0, math.sqrt(3.0 / math.prod(shape[1:])))
    elif name.endswith("bias"):
        rule = (0.0, 0.1)
    elif ".branches." in name and name.endswith("bn2.weight") or name.endswith("bn3.weight") or ".fuse_layers." in name:
        rule = (0.3, 0.1)
    else:
        rule = (1.0, 0.2)
    return generated(name, shape, *rule)


def nested(state):
    """As training saved it: DataParallel's prefix, weights beside other state."""
    state = {f"module.{name}": tensor for name, tensor in state.items()}
    return {"epoch": 3, "model": "pose", "state_dict": state, "perf": 0.5, "optimizer": {"lr": 1e-4}}


def small(folder):
    ramp = generated("ramp", (8192,), 0.0, 1.0)
    counter = torch.tensor(0)
    for variant in ("b", "ppt_s", "hrnet_w32"):
        state = {}
        for name, shape in tensors(variant):
            if name.endswith("num_batches_tracked"):
                state[name] = counter
            elif name.endswith("pos_embedding"):
                if variant == "b":
                    state[name] = positions().half()
            else:
                first = 1 if name.endswith("keypoint_token") else 0
                strides = [1 if axis == first else 0 for axis in range(len(shape))]
                state[name] = ramp.as_strided(shape, strides, fnv1a(name) % 256)
        title = {"b": "tmpose_b", "ppt_s": "ppt_s", "hrnet_w32": "hrnet_w32"}[variant]
        torch.save(nested(state) if variant == "b" else state, f"{folder}/{title}_small.pth")


if __name__ == "__main__":
    if sys.argv[1] == "small":
        small(sys.argv[2])
    else:
        variant, folder = sys.argv[2:]
        state = {name: weight(name, shape) for name, shape in tensors(variant)}
        torch.save(nested(state), f"{folder}/{variant}_closed_form.pth")
