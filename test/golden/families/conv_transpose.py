"""Transposed convolutions, with output padding, groups and dilation."""

import random
import zlib

import torch
import torch.nn.functional as F

from cases import leaf

CONV = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def add(book, n, size, c, o, kernel, full=False, bias=True, stride=None, padding=None, output_padding=None, groups=None,
        dilation=None):
    rank = len(size)
    x, w = leaf(n, c, *size, full=full), leaf(c, o // (groups or 1), *kernel, full=full)
    b = leaf(o, full=full) if bias else None
    named = {'bias': b, 'stride': stride, 'padding': padding, 'outputPadding': output_padding, 'groups': groups,
             'dilation': dilation}
    y = CONV[rank](x, w, b, stride or 1, padding or 0, output_padding or 0, groups or 1, dilation or 1)
    book.add('convTranspose%dd' % rank, [x, w], {k: v for k, v in named.items() if v is not None}, y)


def fill(book):
    sizes = {1: (4,), 2: (3, 4), 3: (2, 3, 2)}
    for rank, size in sizes.items():
        kernel = (3,) * rank
        for bias in (True, False):
            add(book, 2, size, 2, 4, kernel, bias=bias)
        for stride in (2, 3):
            for padding in (0, 1):
                for output_padding in (0, 1, stride - 1):
                    add(book, 1, size, 2, 2, kernel, stride=stride, padding=padding, output_padding=output_padding)
        add(book, 1, size, 2, 2, kernel, dilation=2, output_padding=1)
        add(book, 1, size, 4, 4, kernel, groups=4)
        add(book, 1, size, 4, 6, kernel, groups=2, stride=2)
        add(book, 0, size, 2, 2, kernel)
        add(book, 1, size, 1, 1, (1,) * rank, stride=2)
        add(book, 1, (1,) * rank, 1, 2, (2,) * rank, stride=2)
    rng = random.Random(zlib.crc32(b'conv_transpose'))
    for rank, count in ((1, 150), (2, 150), (3, 80)):
        made = 0
        while made < count:
            kernel = [rng.randint(1, 3) for _ in range(rank)]
            groups = rng.choice([1, 1, 2, 3])
            stride = [rng.randint(1, 3) for _ in range(rank)]
            dilation = [rng.randint(1, 3) for _ in range(rank)]
            padding = [rng.randint(0, 2) for _ in range(rank)]
            extra = [rng.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation)]
            size = [rng.randint(1, 4 if rank == 1 else 3) for _ in range(rank)]
            out = [(s - 1) * t - 2 * p + d * (k - 1) + e + 1
                   for s, t, p, d, k, e in zip(size, stride, padding, dilation, kernel, extra)]
            if min(out) < 1 or torch.Size(out).numel() > 100:
                continue
            add(book, rng.choice([1, 1, 2]), size, groups * rng.randint(1, 2), groups * rng.randint(1, 2), kernel,
                full=made % 6 == 5, bias=rng.random() < 0.5, stride=stride[0] if rank == 1 else stride, padding=padding,
                output_padding=extra, groups=groups, dilation=dilation)
            made += 1
