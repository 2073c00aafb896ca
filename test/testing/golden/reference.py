"""Cases for test/testing/reference.test.ts from PyTorch in float64.

    python3 test/testing/golden/reference.py > test/testing/golden/reference.json
"""
import json
import random
import sys

import torch
import torch.nn.functional as F

random.seed(7)
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


def integers(shape):
    return torch.tensor([float(random.randint(-4, 4)) for _ in range(int(torch.Size(shape).numel()))], dtype=torch.float64).reshape(shape)


def plain(t):
    if not torch.is_tensor(t):
        return t
    values = ["-Infinity" if v == float("-inf") else int(v) if v == int(v) else v for v in t.flatten().tolist()]
    return {"shape": list(t.shape), "data": values}


def case(operation, inputs, options, outputs):
    return {"operation": operation, "inputs": [plain(t) for t in inputs], "options": {k: plain(v) for k, v in options.items()}, "outputs": [plain(t) for t in outputs]}


def each(rank, low, high):
    return [random.randint(low, high) for _ in range(rank)]


def conv(rank):
    groups, kernel, dilation = random.choice([1, 1, 2, 3]), each(rank, 1, 3), each(rank, 1, 2)
    mode = random.choice(["zeros", "zeros", "reflect", "replicate", "circular"])
    same = random.random() < 0.3
    stride = [1] * rank if same else each(rank, 1, 3)
    reach = [d * (k - 1) for k, d in zip(kernel, dilation)]
    pairs = [(r // 2, r - r // 2) for r in reach] if same else [(random.randint(0, 2), random.randint(0, 2)) for _ in range(rank)]
    size = [max(1, r + 1 - sum(p), max(p) + 1) + random.randint(0, 2) for r, p in zip(reach, pairs)]
    x = integers([random.choice([0, 1, 2]), groups * random.choice([1, 2]), *size])
    w = integers([groups * random.choice([1, 2]), x.shape[1] // groups, *kernel])
    bias = integers([w.shape[0]])
    flat = [n for p in reversed(pairs) for n in p]
    padded = F.pad(x, flat) if mode == "zeros" else F.pad(x, flat, mode=mode) if x.shape[0] else F.pad(x, flat)
    y = CONV[rank](padded, w, bias, stride, 0, dilation, groups)
    if same and mode == "zeros":
        assert torch.equal(y, CONV[rank](x, w, bias, 1, "same", dilation, groups))
    padding = "same" if same else pairs
    return case("conv", [x, w], dict(bias=bias, stride=stride, padding=padding, dilation=dilation, groups=groups, paddingMode=mode), [y])


def conv_transpose(rank):
    groups, kernel, stride, dilation = random.choice([1, 2, 3]), each(rank, 1, 3), each(rank, 1, 3), each(rank, 1, 2)
    padding = [random.randint(0, (k - 1) * d) for k, d in zip(kernel, dilation)]
    extra = [random.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation)]
    size = [max(1, -(-(2 * p + 1 - (k - 1) * d - 1 - e) // s) + 1) + random.randint(0, 2) for p, k, d, e, s in zip(padding, kernel, dilation, extra, stride)]
    x = integers([random.choice([1, 2]), groups * random.choice([1, 2]), *size])
    w = integers([x.shape[1], random.choice([1, 2]), *kernel])
    bias = integers([w.shape[1] * groups])
    y = TRANSPOSE[rank](x, w, bias, stride, padding, extra, groups, dilation)
    return case("convTranspose", [x, w], dict(bias=bias, stride=stride, padding=padding, outputPadding=extra, dilation=dilation, groups=groups), [y])


def max_pool(rank):
    kernel, stride, dilation = each(rank, 1, 3), each(rank, 1, 3), each(rank, 1, 2)
    padding, ceil = [random.randint(0, k // 2) for k in kernel], random.random() < 0.5
    size = [max(1, d * (k - 1) + 1 - 2 * p) + random.randint(0, 3) for k, d, p in zip(kernel, dilation, padding)]
    x = integers([random.choice([1, 2]), 2, *size])
    y, i = MAX[rank](x, kernel, stride, padding, dilation, ceil_mode=ceil, return_indices=True)
    i = torch.where(y == float("-inf"), torch.full_like(i, -1), i)
    return case("maxPoolWithIndices", [x, kernel], dict(stride=stride, padding=padding, dilation=dilation, ceilMode=ceil), [y, i])


def avg_pool(rank):
    kernel, stride = each(rank, 1, 3), each(rank, 1, 3)
    padding, ceil, count = [random.randint(0, k // 2) for k in kernel], random.random() < 0.5, random.random() < 0.5
    # avg_pool3d wants the window to fit without the padding.
    size = [max(1, k - (2 * p if rank < 3 else 0)) + random.randint(0, 3) for k, p in zip(kernel, padding)]
    x = integers([random.choice([1, 2]), 2, *size])
    options = dict(stride=stride, padding=padding, ceilMode=ceil, countIncludePad=count)
    if rank > 1 and random.random() < 0.3:
        options["divisorOverride"] = 3
    y = AVG[rank](x, kernel, stride, padding, ceil, count, *([3] if "divisorOverride" in options else []))
    return case("avgPool", [x, kernel], options, [y])


def adaptive(rank):
    x, size = integers([1, 2, *each(rank, 1, 5)]), each(rank, 1, 4)
    if random.random() < 0.5:
        return case("adaptiveAvgPool", [x, size], {}, [ADAPTIVE_AVG[rank](x, size)])
    return case("adaptiveMaxPool", [x, size], {}, [ADAPTIVE_MAX[rank](x, size)])


def linear(_):
    x, w, bias = integers([2, 3, 4]), integers([5, 4]), integers([5])
    return case("linear", [x, w], dict(bias=bias), [F.linear(x, w, bias)])


plan = [(conv, 40), (conv_transpose, 25), (max_pool, 25), (avg_pool, 25), (adaptive, 10), (linear, 1)]
cases = [make(rank) for make, count in plan for rank in (1, 2, 3) for _ in range(count if rank < 3 else count // 2)]
sys.stdout.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
