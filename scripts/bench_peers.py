#!/usr/bin/env python3
"""The same networks in PyTorch and ONNX Runtime, for `tmpose bench` to run beside its own.

Started by `tmpose bench`, which sends one JSON request a line and reads one JSON answer a line:
  {"load": CONFIG, "device": "cpu" | "gpu", "batch": B, "threads": T}  -> {"peers": ["PyTorch 2.9.0", ...]}
  {"run": 0, "kept": [indices of kept tokens]}                         -> {"ms": {stage: milliseconds, ...}}
CONFIG is the model configuration of a weight file. Weights are random: only the time counts. Batch norms are
folded away, tokens are selected before the embedding, the last layer computes only the keypoint queries.
"""

import io
import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

try:
    import onnx  # noqa: F401  (the exporter needs it)
    import onnxruntime
except ImportError:
    onnxruntime = None

LITE_WIDTHS = [40, 80, 160, 320]


def conv(i, o, k=1, s=1, groups=1):
    return nn.Conv2d(i, o, k, s, k // 2, groups=groups)


def up(x, factor, mode="nearest"):
    corners = True if mode == "bilinear" else None
    return F.interpolate(x, scale_factor=factor, mode=mode, align_corners=corners)


class Bottleneck(nn.Module):
    def __init__(self, i):
        super().__init__()
        self.a, self.b, self.c = conv(i, 64), conv(64, 64, 3), conv(64, 256)
        self.down = conv(i, 256) if i != 256 else nn.Identity()

    def forward(self, x):
        return F.relu(self.c(F.relu(self.b(F.relu(self.a(x))))) + self.down(x))


class Stem(nn.Sequential):
    def __init__(self):
        super().__init__(
            conv(3, 64, 3, 2), nn.ReLU(), conv(64, 64, 3, 2), nn.ReLU(),
            Bottleneck(64), Bottleneck(256), Bottleneck(256), Bottleneck(256),
        )


class Basic(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.a, self.b = conv(c, c, 3), conv(c, c, 3)

    def forward(self, x):
        return F.relu(self.b(F.relu(self.a(x))) + x)


class HrModule(nn.Module):
    def __init__(self, widths, outputs):
        super().__init__()
        self.branches = nn.ModuleList([nn.Sequential(*[Basic(w) for _ in range(4)]) for w in widths])
        self.fuse = nn.ModuleList([nn.ModuleList([self.path(widths, i, j) for j in range(len(widths))])
                                   for i in range(outputs)])

    @staticmethod
    def path(widths, i, j):
        if i == j:
            return nn.Identity()
        if j > i:
            return nn.Sequential(conv(widths[j], widths[i]), nn.Upsample(scale_factor=2 ** (j - i)))
        steps = []
        for k in range(i - j - 1):
            steps += [conv(widths[j], widths[j], 3, 2), nn.ReLU()]
        return nn.Sequential(*steps, conv(widths[j], widths[i], 3, 2))

    def forward(self, xs):
        xs = [branch(x) for branch, x in zip(self.branches, xs)]
        return [F.relu(sum(path(x) for path, x in zip(row, xs))) for row in self.fuse]


class HrNet(nn.Module):
    """The first three stages of HRNet."""

    def __init__(self, c):
        super().__init__()
        self.stem = Stem()
        self.t1 = nn.ModuleList([conv(256, c, 3), conv(256, 2 * c, 3, 2)])
        self.stage2 = HrModule([c, 2 * c], 2)
        self.t2 = conv(2 * c, 4 * c, 3, 2)
        self.stage3 = nn.ModuleList([HrModule([c, 2 * c, 4 * c], 3 if m < 3 else 1) for m in range(4)])

    def forward(self, x):
        x = self.stem(x)
        xs = self.stage2([F.relu(t(x)) for t in self.t1])
        xs = [*xs, F.relu(self.t2(xs[1]))]
        for module in self.stage3:
            xs = module(xs)
        return xs[0]


def separable(i, o, s=1):
    return nn.Sequential(conv(i, i, 3, s, i), conv(i, o))


def interleave(a, b):
    n, c, h, w = a.shape
    return torch.stack([a, b], 2).reshape(n, 2 * c, h, w)


class Shuffle(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.enter, self.leave = conv(c // 2, c // 2), separable(c // 2, c // 2)

    def forward(self, x):
        keep, work = x.chunk(2, 1)
        return interleave(keep, F.relu(self.leave(F.relu(self.enter(work)))))


class LiteModule(nn.Module):
    def __init__(self, n):
        super().__init__()
        w = LITE_WIDTHS
        self.branches = nn.ModuleList([nn.Sequential(Shuffle(w[i]), Shuffle(w[i])) for i in range(n)])
        self.down = nn.ModuleList([nn.ModuleList([self.chain(j, i) for j in range(i)]) for i in range(n)])
        self.up = nn.ModuleList([nn.ModuleList([conv(w[j], w[i]) for j in range(i + 1, n)]) for i in range(n)])

    @staticmethod
    def chain(j, i):
        w, steps = LITE_WIDTHS, []
        for k in range(j + 1, i + 1):
            steps += [nn.ReLU()] if steps else []
            steps.append(separable(w[j], w[i] if k == i else w[j], 2))
        return nn.Sequential(*steps)

    def forward(self, xs):
        xs = [branch(x) for branch, x in zip(self.branches, xs)]
        out = []
        for i, x in enumerate(xs):
            total = x * 2 if i == 0 else x
            for chain, y in zip(self.down[i], xs):
                total = total + chain(y)
            below = None
            for link, y in reversed(list(zip(self.up[i], xs[i + 1:]))):
                below = link(y) if below is None else link(y) + up(below, 2)
            out.append(F.relu(total if below is None else total + up(below, 2)))
        return out


class LiteHrNet(nn.Module):
    """PP-TinyPose's backbone."""

    def __init__(self):
        super().__init__()
        w = LITE_WIDTHS
        self.conv, self.near = conv(3, 32, 3, 2), separable(16, 16, 2)
        self.expand, self.far = conv(16, 32), separable(32, 16, 2)
        self.t1 = nn.ModuleList([separable(32, w[0]), separable(32, w[1], 2)])
        self.stages = nn.ModuleList([nn.ModuleList([LiteModule(n) for _ in range(m)])
                                     for n, m in [(2, 2), (3, 4), (4, 2)]])
        self.links = nn.ModuleList([separable(w[1], w[2], 2), separable(w[2], w[3], 2)])
        self.gather = nn.ModuleList([separable(w[i], w[i - 1]) for i in (3, 2, 1)])

    def forward(self, x):
        a, b = F.relu(self.conv(x)).chunk(2, 1)
        x = interleave(F.relu(self.near(a)), F.relu(self.far(F.relu(self.expand(b)))))
        xs = [F.relu(t(x)) for t in self.t1]
        for s, stage in enumerate(self.stages):
            if s > 0:
                xs = [*xs, F.relu(self.links[s - 1](xs[-1]))]
            for module in stage:
                xs = module(xs)
        below = xs[3]
        for link, x in zip(self.gather, (xs[2], xs[1], xs[0])):
            below = x + up(F.relu(link(below)), 2, "bilinear")
        return below


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["dim"]
        self.heads, self.scale = c["heads"], c["attention_scale"]
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.proj = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, d * c["mlp_ratio"]), nn.Linear(d * c["mlp_ratio"], d)

    def forward(self, x, queries=None):
        b, n, d = x.shape
        q, k, v = self.qkv(self.n1(x)).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if queries is not None:
            q, x = q[:, :, :queries], x[:, :queries]
        y = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        x = x + self.proj(y.transpose(1, 2).reshape(b, -1, d))
        return x + self.fc2(F.gelu(self.fc1(self.n2(x))))


class TmPose(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        kind = c["backbone"]
        name = kind if isinstance(kind, str) else next(iter(kind))
        self.net = {"stem": Stem, "lite-hr-net": LiteHrNet}[name]() if isinstance(kind, str) else HrNet(
            kind[name]["width"])
        d, j = c["dim"], c["joints"]
        self.patch = nn.Linear(c["patch"][0] * c["patch"][1] * c["feature_channels"], d)
        self.keypoints = nn.Parameter(torch.randn(1, j, d))
        self.register_buffer("positions", torch.randn(c["grid"][0] * c["grid"][1], d))
        self.encoders = nn.ModuleList([nn.ModuleList([Layer(c) for _ in range(c["depth"])])
                                       for _ in range(c["transformers"])])
        wide, cells = d * c["transformers"], c["heatmap"][0] * c["heatmap"][1]
        hidden = c["head_hidden"]
        self.top = nn.Sequential(nn.LayerNorm(wide), nn.Linear(wide, hidden), nn.LayerNorm(hidden),
                                 nn.Linear(hidden, cells)) if hidden else nn.Sequential(
                                     nn.LayerNorm(wide), nn.Linear(wide, cells))

    def backbone(self, x):
        return self.net(x)

    def mask(self, f, kept):
        b, ch = f.shape[:2]
        (rows, cols), (h, w) = self.c["grid"], self.c["patch"]
        tokens = f.reshape(b, ch, rows, h, cols, w).permute(0, 2, 4, 3, 5, 1).reshape(b, rows * cols, h * w * ch)
        return self.patch(tokens[:, kept]) + self.positions[kept]

    def transformer(self, tokens, kept):
        b, joints = tokens.shape[0], self.c["joints"]
        places = F.pad(self.positions[kept], (0, 0, joints, 0))
        x = torch.cat([self.keypoints.expand(b, -1, -1), tokens], 1)
        outputs = []
        for e, layers in enumerate(self.encoders):
            for i, layer in enumerate(layers):
                x = x if i == 0 else x + places
                last = e + 1 == len(self.encoders) and i + 1 == len(layers)
                x = layer(x, joints if last else None)
            outputs.append(x[:, :joints])
        return torch.cat(outputs, 2)

    def head(self, x):
        return self.top(x).reshape(x.shape[0], self.c["joints"], *self.c["heatmap"])

    def forward(self, x, kept):
        return self.head(self.transformer(self.mask(self.backbone(x), kept), kept))


class TorchPeer:
    def __init__(self, model, images, device):
        self.name = f"PyTorch {torch.__version__.split('+')[0]}"
        self.model, self.images, self.device = model, images.to(device), device

    def run(self, kept):
        kept = torch.tensor(kept, device=self.device)
        ms = {}

        def stage(name, work):
            start = time.perf_counter()
            out = work()
            if self.device == "cuda":
                torch.cuda.synchronize()
            ms[name] = 1000 * (time.perf_counter() - start)
            return out

        with torch.inference_mode():
            f = stage("backbone", lambda: self.model.backbone(self.images))
            t = stage("mask", lambda: self.model.mask(f, kept))
            k = stage("transformer", lambda: self.model.transformer(t, kept))
            stage("head", lambda: self.model.head(k).cpu())
            # Unbroken, as our own "network" is measured.
            stage("network", lambda: self.model(self.images, kept).cpu())
        return ms


class OnnxPeer:
    def __init__(self, model, images, threads):
        self.name = f"ONNX Runtime {onnxruntime.__version__}"
        self.images = images.numpy()
        data = io.BytesIO()
        kept = torch.arange(model.positions.shape[0])
        torch.onnx.export(model, (images, kept), data, input_names=["images", "kept"], output_names=["maps"],
                          dynamic_axes={"kept": {0: "k"}}, opset_version=17, dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(data.getvalue(), options, providers=["CPUExecutionProvider"])

    def run(self, kept):
        import numpy
        inputs = {"images": self.images, "kept": numpy.array(kept, dtype=numpy.int64)}
        start = time.perf_counter()
        self.session.run(None, inputs)
        return {"network": 1000 * (time.perf_counter() - start)}


def load(request):
    torch.set_num_threads(request["threads"])
    config = request["load"]
    gpu = request["device"] == "gpu"
    if gpu and not torch.cuda.is_available():
        return []
    model = TmPose(config).eval()
    images = torch.randn(request["batch"], 3, *config["input"])
    peers = []
    if onnxruntime and not gpu:
        with torch.no_grad():
            peers.append(OnnxPeer(model, images, request["threads"]))
    device = "cuda" if gpu else "cpu"
    return [TorchPeer(model.to(device), images, device), *peers]


def main():
    peers = []
    # Whatever a library prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        if "load" in request:
            peers = load(request)
            answer = {"peers": [peer.name for peer in peers]}
        else:
            answer = {"ms": peers[request["run"]].run(request["kept"])}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
