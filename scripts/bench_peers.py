#!/usr/bin/env python3
"""The same networks in PyTorch and ONNX Runtime, for `tmpose bench` to run beside its own.

Started by `tmpose bench`, which sends one JSON request a line and reads one JSON answer a line:
  {"load": CONFIG, "device": "cpu" | "gpu", "batch": B, "threads": T}
      -> {"peers": ["PyTorch 2.9.0", ...], "parameters": P, "macs": M}
  {"detector": CONFIG, "device": "cpu" | "gpu", "batch": 1, "threads": T}
      -> as for "load", of the person detector's network
  {"train": CONFIG, "from": "features" | "pictures", "loss": {...}, "schedule": {...}, device, batch, threads}
      -> {"peers": ["PyTorch 2.9.0"], "parameters": P}
  {"train_detector": CONFIG, "schedule": {...}, device, batch, threads}
      -> as for "train", of the person detector's network; its loss is a simple one with fixed targets
  {"run": 0, "kept": [indices of kept tokens]}
      -> {"ms": {stage: milliseconds, ...}}
CONFIG is the model configuration of a weight file, loss and schedule are sections of a training's settings.
`tmpose bench` compares P (trained numbers) and M (multiply-accumulates of a person with all tokens) with its own.

Weights and data are random: only the time counts. Tokens are selected before the embedding, the last layer computes
only the keypoint queries. For inference, whatever lies between two linear maps is folded into one of them.
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

# The same precision as ours.
torch.backends.cudnn.allow_tf32 = False
torch.backends.cuda.matmul.allow_tf32 = False


def conv(i, o, k=1, s=1, groups=1, bias=True):
    return nn.Conv2d(i, o, k, s, k // 2, groups=groups, bias=bias)


class ConvBn(nn.Sequential):
    def __init__(self, i, o, k=1, s=1):
        super().__init__(conv(i, o, k, s, bias=False), nn.BatchNorm2d(o))


class Separable(nn.Sequential):
    def __init__(self, i, o, s=1):
        super().__init__(conv(i, i, 3, s, i), conv(i, o))


def fold(module):
    """Batch norms into the convolutions before them, biases between two convolutions into the second."""
    for name, child in module.named_children():
        if isinstance(child, ConvBn):
            setattr(module, name, nn.utils.fusion.fuse_conv_bn_eval(*child))
        elif isinstance(child, Separable):
            # The second one's values are random with and without it.
            child[0].bias = None
        else:
            fold(child)


def up(x, factor, mode="nearest"):
    corners = True if mode == "bilinear" else None
    return F.interpolate(x, scale_factor=factor, mode=mode, align_corners=corners)


class Bottleneck(nn.Module):
    def __init__(self, i):
        super().__init__()
        self.a, self.b, self.c = ConvBn(i, 64), ConvBn(64, 64, 3), ConvBn(64, 256)
        self.down = ConvBn(i, 256) if i != 256 else nn.Identity()

    def forward(self, x):
        return F.relu(self.c(F.relu(self.b(F.relu(self.a(x))))) + self.down(x))


class Stem(nn.Sequential):
    def __init__(self):
        super().__init__(
            ConvBn(3, 64, 3, 2), nn.ReLU(), ConvBn(64, 64, 3, 2), nn.ReLU(),
            Bottleneck(64), Bottleneck(256), Bottleneck(256), Bottleneck(256),
        )


class Basic(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.a, self.b = ConvBn(c, c, 3), ConvBn(c, c, 3)

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
            return nn.Sequential(ConvBn(widths[j], widths[i]), nn.Upsample(scale_factor=2 ** (j - i)))
        steps = []
        for k in range(i - j - 1):
            steps += [ConvBn(widths[j], widths[j], 3, 2), nn.ReLU()]
        return nn.Sequential(*steps, ConvBn(widths[j], widths[i], 3, 2))

    def forward(self, xs):
        xs = [branch(x) for branch, x in zip(self.branches, xs)]
        return [F.relu(sum(path(x) for path, x in zip(row, xs))) for row in self.fuse]


class HrNet(nn.Module):
    """The first three stages of HRNet."""

    def __init__(self, width):
        super().__init__()
        c = width
        self.stem = Stem()
        self.t1 = nn.ModuleList([ConvBn(256, c, 3), ConvBn(256, 2 * c, 3, 2)])
        self.stage2 = HrModule([c, 2 * c], 2)
        self.t2 = ConvBn(2 * c, 4 * c, 3, 2)
        self.stage3 = nn.ModuleList([HrModule([c, 2 * c, 4 * c], 3 if m < 3 else 1) for m in range(4)])

    def forward(self, x):
        x = self.stem(x)
        xs = self.stage2([F.relu(t(x)) for t in self.t1])
        xs = [*xs, F.relu(self.t2(xs[1]))]
        for module in self.stage3:
            xs = module(xs)
        return xs[0]


def interleave(a, b):
    n, c, h, w = a.shape
    return torch.stack([a, b], 2).reshape(n, 2 * c, h, w)


class Shuffle(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.enter, self.leave = conv(c // 2, c // 2), Separable(c // 2, c // 2)

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
            steps.append(Separable(w[j], w[i] if k == i else w[j], 2))
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
            total = total if below is None else total + up(below, 2)
            if i == 0:
                # The other branches receive the finest one with all that was added to it.
                xs = [total, *xs[1:]]
            out.append(F.relu(total))
        return out


class LiteHrNet(nn.Module):
    """PP-TinyPose up to its feature."""

    def __init__(self):
        super().__init__()
        w = LITE_WIDTHS
        self.conv, self.near = conv(3, 32, 3, 2), Separable(16, 16, 2)
        self.expand, self.far = conv(16, 32), Separable(32, 16, 2)
        self.t1 = nn.ModuleList([Separable(32, w[0]), Separable(32, w[1], 2)])
        self.stages = nn.ModuleList([nn.ModuleList([LiteModule(n) for _ in range(m)])
                                     for n, m in [(2, 2), (3, 4), (4, 2)]])
        self.links = nn.ModuleList([Separable(w[1], w[2], 2), Separable(w[2], w[3], 2)])
        self.gather = nn.ModuleList([Separable(w[i], w[i - 1]) for i in (3, 2, 1)])

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


class TinyPose(nn.Module):
    """PP-TinyPose: its feature and, behind it, its 17 heatmaps."""

    def __init__(self):
        super().__init__()
        self.features, self.hidden = LiteHrNet(), Separable(LITE_WIDTHS[0], LITE_WIDTHS[0])
        self.heatmaps = conv(LITE_WIDTHS[0], 17)

    def forward(self, x):
        f = self.features(x)
        return torch.cat([f, self.heatmaps(F.relu(self.hidden(f)))], 1)


BACKBONES = {"hr-net": HrNet, "stem": Stem, "tiny-pose": TinyPose}


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["dim"]
        self.heads, self.scale = c["heads"], c["attention_scale"]
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.proj = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, d * c["mlp_ratio"]), nn.Linear(d * c["mlp_ratio"], d)

    def split(self, x, parts):
        b, n, width = x.shape
        return x.reshape(b, n, parts, self.heads, width // parts // self.heads).permute(2, 0, 3, 1, 4)

    def forward(self, x, queries=None):
        b, _, d = x.shape
        y = self.n1(x)
        if queries is None:
            q, k, v = self.split(self.qkv(y), 3)
        else:
            w = self.qkv.weight
            q, = self.split(F.linear(y[:, :queries], w[:d]), 1)
            k, v = self.split(F.linear(y, w[d:]), 2)
            x = x[:, :queries]
        y = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        x = x + self.proj(y.transpose(1, 2).reshape(b, -1, d))
        return x + self.fc2(F.gelu(self.fc1(self.n2(x))))


class TmPose(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        kind = c["backbone"]
        name, sizes = (kind, {}) if isinstance(kind, str) else next(iter(kind.items()))
        self.net = BACKBONES[name](**sizes)
        d, j, channels = c["dim"], c["joints"], c["feature_channels"]
        self.norm = nn.BatchNorm2d(channels) if c["feature_norm"] else nn.Identity()
        self.patch = nn.Linear(c["patch"][0] * c["patch"][1] * channels, d)
        self.drawn = conv(channels, j) if c["feature_head"] else None
        self.keypoints = nn.Parameter(torch.randn(1, j, d))
        self.register_buffer("positions", torch.randn(c["grid"][0] * c["grid"][1], d))
        self.encoders = nn.ModuleList([nn.ModuleList([Layer(c) for _ in range(c["depth"])])
                                       for _ in range(c["transformers"])])
        wide, cells = d * c["transformers"], c["heatmap"][0] * c["heatmap"][1]
        hidden = c["head_hidden"]
        self.top = nn.Sequential(nn.LayerNorm(wide), nn.Linear(wide, hidden), nn.LayerNorm(hidden),
                                 nn.Linear(hidden, cells)) if hidden else nn.Sequential(
                                     nn.LayerNorm(wide), nn.Linear(wide, cells))

    def folded(self):
        """For inference."""
        self.eval()
        fold(self.net)
        # Into the two linear maps that read it, whose values are random with and without it.
        self.norm = nn.Identity()
        return self

    def backbone(self, x):
        return self.norm(self.net(x))

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

    def head(self, x, f):
        maps = self.top(x).reshape(x.shape[0], self.c["joints"], *self.c["heatmap"])
        return maps if self.drawn is None else maps + self.drawn(f)

    def from_feature(self, f, kept):
        return self.head(self.transformer(self.mask(f, kept), kept), f)

    def forward(self, x, kept):
        return self.from_feature(self.backbone(x), kept)


class ConvSilu(nn.Sequential):
    def __init__(self, i, o, k=1, s=1, groups=1):
        super().__init__(conv(i, o, k, s, groups), nn.SiLU())


def separable_silu(i, o, k=3, s=1):
    return nn.Sequential(ConvSilu(i, i, k, s, i), ConvSilu(i, o))


class DetectorBlock(nn.Module):
    def __init__(self, c, residual):
        super().__init__()
        self.layers, self.residual = nn.Sequential(separable_silu(c, c), separable_silu(c, c, 5)), residual

    def forward(self, x):
        return self.layers(x) + x if self.residual else self.layers(x)


class Csp(nn.Module):
    """Half of the channels through blocks, the other half around them; in the backbone with a gate."""

    def __init__(self, i, o, blocks, residual, gated):
        super().__init__()
        self.short, self.main = ConvSilu(i, o // 2), ConvSilu(i, o // 2)
        self.blocks = nn.Sequential(*[DetectorBlock(o // 2, residual) for _ in range(blocks)])
        self.gate, self.last = conv(o, o) if gated else None, ConvSilu(o, o)

    def forward(self, x):
        both = torch.cat([self.blocks(self.main(x)), self.short(x)], 1)
        if self.gate is not None:
            both = both * F.hardsigmoid(self.gate(both.mean((2, 3), keepdim=True)))
        return self.last(both)


class Pyramid(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.enter, self.leave = ConvSilu(c, c // 2), ConvSilu(2 * c, c)

    def forward(self, x):
        maps = [self.enter(x)]
        for _ in range(3):
            maps.append(F.max_pool2d(maps[-1], 5, 1, 2))
        return self.leave(torch.cat(maps, 1))


class DetectorHead(nn.Module):
    def __init__(self, c, layers, stride):
        super().__init__()
        row = lambda: [separable_silu(c, c) for _ in range(layers)]
        self.score, self.distance = nn.Sequential(*row(), conv(c, 1)), nn.Sequential(*row(), conv(c, 4))
        self.stride = stride

    def forward(self, x):
        return self.score(x), F.relu(self.distance(x) * self.stride)


class DetectorNet(nn.Module):
    """RTMDet with one class, as src/detect/net has it."""

    def __init__(self, c):
        super().__init__()
        stem, widths, half = c["stem"], c["widths"], c["stem"] // 2
        self.stem = nn.Sequential(ConvSilu(3, half, 3, 2), ConvSilu(half, half, 3), ConvSilu(half, stem, 3))
        self.stages, inputs = nn.ModuleList(), stem
        for i, (width, blocks) in enumerate(zip(widths, c["blocks"])):
            last = i + 1 == len(widths)
            self.stages.append(nn.Sequential(separable_silu(inputs, width, 3, 2),
                                             Pyramid(width) if last else nn.Identity(),
                                             Csp(width, width, blocks, not last, True)))
            inputs = width
        _, fine, middle, coarse = widths
        self.reduce = nn.ModuleList([ConvSilu(coarse, middle), ConvSilu(middle, fine)])
        self.top_down = nn.ModuleList([Csp(2 * w, w, 1, False, False) for w in (middle, fine)])
        self.down = nn.ModuleList([separable_silu(w, w, 3, 2) for w in (fine, middle)])
        self.bottom_up = nn.ModuleList([Csp(2 * i, o, 1, False, False)
                                        for i, o in ((fine, middle), (middle, coarse))])
        self.out = nn.ModuleList([separable_silu(w, c["head"]) for w in (fine, middle, coarse)])
        self.heads = nn.ModuleList([DetectorHead(c["head"], c["head_layers"], s) for s in (8, 16, 32)])

    def forward(self, x, _kept=None):
        x = self.stages[0](self.stem(x))
        fine = self.stages[1](x)
        middle = self.stages[2](fine)
        coarse = self.reduce[0](self.stages[3](middle))
        middle = self.reduce[1](self.top_down[0](torch.cat([up(coarse, 2), middle], 1)))
        fine = self.top_down[1](torch.cat([up(middle, 2), fine], 1))
        middle = self.bottom_up[0](torch.cat([self.down[0](fine), middle], 1))
        coarse = self.bottom_up[1](torch.cat([self.down[1](middle), coarse], 1))
        maps = [head(out(x)) for head, out, x in zip(self.heads, self.out, (fine, middle, coarse))]
        return [value for pair in maps for value in pair]


def trained_numbers(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_macs(model, images, kept):
    """Multiply-accumulates for a person; none where this PyTorch cannot count."""
    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel
        from torch.utils.flop_counter import FlopCounterMode
    except ImportError:
        return None
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(images[:1], kept)
    return counter.get_total_flops() // 2


def torch_name():
    return f"PyTorch {torch.__version__.split('+')[0]}"


class TorchPeer:
    def __init__(self, model, images, device):
        self.name = torch_name()
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
            stage("head", lambda: self.model.head(k, f).cpu())
            # Unbroken, as our own "network" is measured.
            stage("network", lambda: self.model(self.images, kept).cpu())
        return ms


class TorchDetector:
    """The detector's network has no stages of its own."""

    def __init__(self, model, images, device):
        self.name = torch_name()
        self.model, self.images, self.device = model, images.to(device), device

    def run(self, kept):
        with torch.inference_mode():
            start = time.perf_counter()
            for value in self.model(self.images):
                value.cpu()
        return {"network": 1000 * (time.perf_counter() - start)}


class OnnxPeer:
    def __init__(self, model, images, threads, kept=None):
        """`kept` are all the tokens, of a network that has tokens."""
        self.name = f"ONNX Runtime {onnxruntime.__version__}"
        self.images, self.tokens = images.numpy(), kept is not None
        data = io.BytesIO()
        shown = {"images": images} | ({"kept": kept} if self.tokens else {})
        torch.onnx.export(model, tuple(shown.values()), data, input_names=list(shown),
                          dynamic_axes={"kept": {0: "k"}} if self.tokens else None, opset_version=17, dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(data.getvalue(), options, providers=["CPUExecutionProvider"])

    def run(self, kept):
        import numpy
        inputs = {"images": self.images}
        if self.tokens:
            inputs["kept"] = numpy.array(kept, dtype=numpy.int64)
        start = time.perf_counter()
        self.session.run(None, inputs)
        return {"network": 1000 * (time.perf_counter() - start)}


class Trainee:
    """Training steps: forward pass, loss, backward pass, AdamW, average of the weights."""

    def __init__(self, model, s, device):
        self.name, self.device = torch_name(), device
        self.parameters = trained_numbers(model)
        self.model, self.limit = model.to(device), s["gradient_norm"]
        self.trained = [p for p in model.parameters() if p.requires_grad]
        matrices, others = ([p for p in self.trained if (p.dim() > 1) == wide] for wide in (True, False))
        groups = [{"params": matrices, "weight_decay": s["weight_decay"]}, {"params": others, "weight_decay": 0.0}]
        settings = {"lr": s["learning_rate"], "betas": s["betas"], "eps": s["epsilon"]}
        try:
            self.optimizer = torch.optim.AdamW(groups, fused=True, **settings)
        except RuntimeError:
            # Before 2.4 there is no fused one on a CPU.
            self.optimizer = torch.optim.AdamW(groups, foreach=True, **settings)
        self.keeps, self.average = s["ema"], [p.detach().clone() for p in self.trained]

    def run(self, kept):
        kept = torch.tensor(kept, dtype=torch.long, device=self.device)
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss_of(kept)
        loss.backward()
        if self.limit > 0:
            nn.utils.clip_grad_norm_(self.trained, self.limit)
        self.optimizer.step()
        if self.keeps > 0:
            torch._foreach_lerp_(self.average, [p.detach() for p in self.trained], 1 - self.keeps)
        loss.item()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return {"step": 1000 * (time.perf_counter() - start)}


class PoseTrainee(Trainee):
    """Of the pose network."""

    def __init__(self, request, device):
        config, self.loss_section = request["train"], request["loss"]
        self.from_feature = request["from"] == "features"
        model = TmPose(config).train()
        if self.from_feature:
            model.net.requires_grad_(False)
            model.norm.requires_grad_(False)
        super().__init__(model, request["schedule"], device)
        batch, (height, width) = request["batch"], config["input"]
        shape = (config["feature_channels"], height // 4, width // 4) if self.from_feature else (3, height, width)
        self.data = torch.randn(batch, *shape, device=device)
        self.joints = torch.rand(batch, config["joints"], 2, device=device) * torch.tensor(
            config["heatmap"], device=device)
        self.weights = torch.ones(batch, config["joints"], device=device)

    def profile(self, axis, size):
        """A Gaussian's values along an axis of the heatmap, for every joint."""
        away = torch.arange(size, device=self.device) - self.joints[..., axis, None]
        return torch.exp(-away.square() / (2 * self.loss_section["sigma"] ** 2))

    def loss(self, maps):
        """src/train/loss.rs in words of PyTorch."""
        s = self.loss_section
        b, j, h, w = maps.shape
        goal = self.profile(0, h)[..., :, None] * self.profile(1, w)[..., None, :]
        error = (maps - goal) * self.weights[..., None, None]
        total = s["mse"] * 0.5 * error.square().sum() / (b * j * h * w)
        if s["cross_entropy"] > 0:
            wanted = goal.flatten(2) / goal.sum((2, 3)).clamp_min(1e-6)[..., None]
            shares = F.log_softmax(s["temperature"] * maps.flatten(2), 2)
            entropy = -((wanted * shares).sum(2) * self.weights).sum()
            total = total + s["cross_entropy"] * entropy / self.weights.sum().clamp_min(1e-6)
        return total

    def loss_of(self, kept):
        run = self.model.from_feature if self.from_feature else self.model
        return self.loss(run(self.data, kept))


class DetectorTrainee(Trainee):
    """Of the person detector. Its targets are fixed: finding out which cell learns whom is not counted."""

    def __init__(self, request, device):
        config = request["train_detector"]
        super().__init__(DetectorNet(config).train(), request["schedule"], device)
        batch, side = request["batch"], config["input"]
        self.data = torch.randn(batch, 3, side, side, device=device)
        cells = sum((side // stride) ** 2 for stride in (8, 16, 32))
        self.quality = (torch.rand(batch, cells, device=device) - 0.9).clamp_min(0)
        self.reach = 50 * torch.rand(batch, cells, 4, device=device)

    def loss_of(self, _kept):
        maps = self.model(self.data)
        scores = torch.cat([m.flatten(1) for m in maps[::2]], 1)
        reach = torch.cat([m.flatten(2).transpose(1, 2) for m in maps[1::2]], 1)
        classes = F.binary_cross_entropy_with_logits(scores, self.quality)
        boxes = ((reach - self.reach).abs().sum(2) * self.quality).sum() / self.quality.sum().clamp_min(1)
        return classes + boxes


def device_of(request):
    """What PyTorch calls it; none where it is not there."""
    if request["device"] == "cpu":
        return "cpu"
    return "cuda" if torch.cuda.is_available() else None


def load(request):
    """The peers that run the network, and what says that it is the same one."""
    device, config = device_of(request), request["load"]
    if device is None:
        return [], {}
    model = TmPose(config)
    facts = {"parameters": trained_numbers(model)}
    model.folded()
    images, all_tokens = torch.randn(request["batch"], 3, *config["input"]), torch.arange(model.positions.shape[0])
    facts["macs"] = count_macs(model, images, all_tokens)
    peers = []
    if onnxruntime and device == "cpu":
        with torch.no_grad():
            peers.append(OnnxPeer(model, images, request["threads"], all_tokens))
    return [TorchPeer(model.to(device), images, device), *peers], facts


def load_detector(request):
    device, config = device_of(request), request["detector"]
    if device is None:
        return [], {}
    model = DetectorNet(config).eval()
    images = torch.randn(request["batch"], 3, config["input"], config["input"])
    facts = {"parameters": trained_numbers(model), "macs": count_macs(model, images, None)}
    peers = []
    if onnxruntime and device == "cpu":
        with torch.no_grad():
            peers.append(OnnxPeer(model, images, request["threads"]))
    return [TorchDetector(model.to(device), images, device), *peers], facts


def load_training(request):
    device = device_of(request)
    if device is None:
        return [], {}
    trainee = (DetectorTrainee if "train_detector" in request else PoseTrainee)(request, device)
    return [trainee], {"parameters": trainee.parameters}


def main():
    peers = []
    # Whatever a library prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        if "run" in request:
            answer = {"ms": peers[request["run"]].run(request["kept"])}
        else:
            torch.set_num_threads(request["threads"])
            # The old ones go before the new ones come.
            peers = []
            kinds = {"train": load_training, "train_detector": load_training, "detector": load_detector, "load": load}
            peers, facts = next(load for kind, load in kinds.items() if kind in request)(request)
            answer = {"peers": [peer.name for peer in peers], **facts}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
