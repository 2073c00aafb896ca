"""Pooling: maxima with indices, averages, adaptive windows; NaN, -Infinity, negative values and ties."""

import itertools
import random
import zlib

import torch
import torch.nn.functional as F

from cases import distinct, given, leaf, plain

MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
INF, NAN = float('inf'), float('nan')


def fits(size, kernel, padding, dilation):
    return all(s + 2 * p >= d * (k - 1) + 1 and p <= k // 2 for s, k, p, d in zip(size, kernel, padding, dilation))


def alone(size, kernel, stride, padding, dilation, out):
    """Whether some window covers padding alone, where PyTorch's index lies outside of the input."""
    for s, k, t, p, d, o in zip(size, kernel, stride, padding, dilation, out):
        for i in range(o):
            if not any(0 <= i * t - p + j * d < s for j in range(k)):
                return True
    return False


def simple(values):
    return values[0] if len(set(values)) == 1 else values


def compact(**named):
    return {k: v for k, v in named.items() if v is not None}


def add_max(book, x, kernel, stride=None, padding=None, dilation=None, ceil=None, indices=True, order=2):
    rank = x.dim() - 2
    y, index = MAX[rank](x, kernel, stride, padding or 0, dilation or 1, bool(ceil), return_indices=True)
    options = compact(stride=stride, padding=padding, dilation=dilation, ceilMode=ceil)
    book.add('maxPool%dd' % rank, [x, kernel], options, y, order=order)
    if indices:
        book.add('maxPool%ddWithIndices' % rank, [x, kernel], options, (y, index.double()), order=1)


def by_definition(x, kernel, stride, padding, dilation, out):
    """Max pooling over one spatial axis by its definition, so that windows of padding alone are well defined."""
    rows = []
    for i in range(out):
        inside = [i * stride - padding + j * dilation for j in range(kernel)]
        inside = [j for j in inside if 0 <= j < x.shape[2]]
        rows.append(x[:, :, inside].max(dim=2).values if inside else torch.full(x.shape[:2], -INF))
    return torch.stack(rows, 2)


def max_special(book):
    for rank, size in ((1, (6,)), (2, (4, 5)), (3, (3, 4, 3))):
        kernel = [2] * rank
        shape = (1, 2) + size
        for fill in (-1.0, -INF, 0.0, 3.0):  # Ties: the first of the window wins.
            x = torch.full(shape, fill).requires_grad_(True)
            add_max(book, x, 2, stride=1, order=1)
            add_max(book, x, 2, stride=2, padding=1, order=1)
        x = (plain(*shape, low=-3, high=-1)).requires_grad_(True)
        add_max(book, x, kernel, padding=1)
        x = plain(*shape).round().requires_grad_(True)
        add_max(book, x, 3 if rank < 3 else 2, stride=1, padding=1)
        for value in (NAN, INF):
            x = distinct(*shape).detach()
            x[(0, 1) + tuple(s // 2 for s in size)] = value
            add_max(book, x.requires_grad_(True), 2, stride=1, order=1)
        x = distinct(*shape).detach()
        x.view(2, -1)[0, :] = NAN
        add_max(book, x, 2, stride=2, indices=False)
    for size, kernel, stride, padding, dilation, out in ((2, 2, 1, 1, 4, 0), (3, 2, 2, 1, 4, 1), (2, 2, 2, 1, 3, 1),
                                                        (3, 3, 1, 1, 2, 1), (1, 2, 1, 1, 2, 1)):
        out = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        if out > 0:
            x = distinct(1, 2, size)
            y = by_definition(x, kernel, stride, padding, dilation, out)
            book.add('maxPool1d', [x, kernel], {'stride': stride, 'padding': padding, 'dilation': dilation}, y)


def grids(book):
    for rank, size in ((1, (7,)), (2, (5, 6)), (3, (4, 3, 5))):
        for kernel, stride, padding, ceil in itertools.product((1, 2, 3), (None, 1, 2, 3), (None, 1), (None, True)):
            if padding and kernel == 1:
                continue
            if rank == 3 and (stride == 1 or kernel == 1) and ceil:
                continue
            x = distinct(1, 2, *size)
            add_max(book, x, kernel, stride, padding, None, ceil, indices=stride is None)
            for include in (None, False):
                x = leaf(1, 2, *size)
                y = AVG[rank](x, kernel, stride, padding or 0, bool(ceil), include is None)
                book.add('avgPool%dd' % rank, [x, kernel],
                         compact(stride=stride, padding=padding, ceilMode=ceil, countIncludePad=include), y)
        if rank > 1:
            for divisor, ceil, padding in itertools.product((1, 3, 7), (None, True), (None, 1)):
                x = leaf(2, 1, *size)
                y = AVG[rank](x, 2, None, padding or 0, bool(ceil), True, divisor)
                book.add('avgPool%dd' % rank, [x, 2], compact(padding=padding, ceilMode=ceil, divisorOverride=divisor), y)


def random_pools(book):
    rng = random.Random(zlib.crc32(b'pool'))
    for rank, count in ((1, 110), (2, 110), (3, 50)):
        made = 0
        while made < count:
            kernel = [rng.randint(1, 4) for _ in range(rank)]
            stride = [rng.randint(1, 4) for _ in range(rank)]
            padding = [rng.randint(0, k // 2) for k in kernel]
            dilation = [rng.randint(1, 3) for _ in range(rank)]
            ceil = rng.random() < 0.5
            size = [rng.randint(1, 8 if rank < 3 else 5) for _ in range(rank)]
            shape = (rng.choice([1, 1, 2]), rng.choice([1, 2]), *size)
            if torch.Size(shape).numel() > 120 or not fits(size, kernel, padding, dilation):
                continue
            x = distinct(*shape)
            out = MAX[rank](x, kernel, stride, padding, dilation, ceil).shape[2:]
            if not alone(size, kernel, stride, padding, dilation, out):
                add_max(book, x, simple(kernel), simple(stride), simple(padding), simple(dilation), ceil)
            if fits(size, kernel, padding, [1] * rank) and all(s >= k for s, k in zip(size, kernel)):
                include = rng.random() < 0.5
                x = leaf(*shape, full=made % 5 == 4)
                y = AVG[rank](x, kernel, stride, padding, ceil, include)
                book.add('avgPool%dd' % rank, [x, simple(kernel)],
                         {'stride': simple(stride), 'padding': simple(padding), 'ceilMode': ceil, 'countIncludePad': include}, y)
            made += 1


def adaptive(book):
    plans = {1: ((7,), (1, 2, 3, 5, 7, 9)), 2: ((5, 7), (1, 2, 3, [2, 3], [5, 1], [7, 4])),
             3: ((3, 4, 5), (1, 2, [1, 2, 3], [3, 4, 5], [2, 1, 4], [4, 5, 2]))}
    for rank, (size, targets) in plans.items():
        for target, n in itertools.product(targets, (1, 2)):
            x = leaf(n, 2, *size, full=n == 2)
            book.add('adaptiveAvgPool%dd' % rank, [x, target], {}, ADAPTIVE_AVG[rank](x, target))
            x = distinct(n, 2, *size)
            y = ADAPTIVE_MAX[rank](x, target)
            try:
                book.add('adaptiveMaxPool%dd' % rank, [x, target], {}, y)
            except RuntimeError:
                book.add('adaptiveMaxPool%dd' % rank, [x, target], {}, y, order=1)
    for target in ([None, 3], [2, None]):
        x = leaf(1, 2, 4, 5)
        book.add('adaptiveAvgPool2d', [x, target], {}, F.adaptive_avg_pool2d(x, target))
        x = distinct(1, 2, 4, 5)
        book.add('adaptiveMaxPool2d', [x, target], {}, F.adaptive_max_pool2d(x, target))
    for rank in (1, 2, 3):
        x = given([[[-1.0, -INF, -3.0, -2.0]]]).detach().reshape(1, 1, *([1] * (rank - 1)), 4).requires_grad_(True)
        book.add('adaptiveMaxPool%dd' % rank, [x, [1] * (rank - 1) + [2]], {}, ADAPTIVE_MAX[rank](x, [1] * (rank - 1) + [2]), order=1)


def fill(book):
    grids(book)
    max_special(book)
    random_pools(book)
    adaptive(book)
