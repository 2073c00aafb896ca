"""Convolutions in 1, 2 and 3 dimensions: a grid of single options, and random configurations of all of them."""

import random
import zlib

import torch
import torch.nn.functional as F

from cases import leaf

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
MODE = {'zeros': 'constant', 'reflect': 'reflect', 'replicate': 'replicate', 'circular': 'circular'}


def per_axis(value, rank):
    return list(value) if isinstance(value, (list, tuple)) else [value] * rank


def pairs(padding, kernel, dilation, rank):
    """[[before, after], ...] of any way to write a padding, 'same' as PyTorch: the odd one goes after."""
    if padding == 'valid':
        return [[0, 0]] * rank
    if padding == 'same':
        totals = [d * (k - 1) for k, d in zip(kernel, per_axis(dilation, rank))]
        return [[t // 2, t - t // 2] for t in totals]
    return [p if isinstance(p, list) else [p, p] for p in per_axis(padding, rank)]


def answer(x, w, b, stride, padding, dilation, groups, mode):
    rank = x.dim() - 2
    around = pairs(padding, list(w.shape[2:]), dilation, rank)
    flat = [n for pair in reversed(around) for n in pair]
    return CONV[rank](F.pad(x, flat, MODE[mode]), w, b, stride, 0, dilation, groups)


def add(book, n, size, c, o, kernel, stride=None, padding=None, dilation=None, groups=None, mode=None, bias=True,
        full=False, order=2):
    rank = len(size)
    x, w = leaf(n, c, *size, full=full), leaf(o, c // (groups or 1), *kernel, full=full)
    b = leaf(o, full=full) if bias else None
    named = {'bias': b, 'stride': stride, 'padding': padding, 'dilation': dilation, 'groups': groups, 'paddingMode': mode}
    options = {k: v for k, v in named.items() if v is not None}
    y = answer(x, w, b, stride or 1, 0 if padding is None else padding, dilation or 1, groups or 1, mode or 'zeros')
    if not b is None and isinstance(padding, int) and mode is None:  # The same through PyTorch's own padding.
        own = CONV[rank](x, w, b, stride or 1, padding, dilation or 1, groups or 1)
        assert torch.equal(own, y) or torch.allclose(own, y, rtol=1e-12, atol=1e-12)
    book.add('conv%dd' % rank, [x, w], options, y, order=order)


def single_options(book):
    """One option away from the default, in every dimension."""
    sizes = {1: (8,), 2: (6, 5), 3: (4, 3, 5)}
    for rank, size in sizes.items():
        def one(kernel, **more):
            add(book, 2, size, 2, 4, kernel, **more)
        odd, even = (3,) * rank, (2,) * rank
        for bias in (True, False):
            one(odd, bias=bias)
        for stride in (2, 3, 4):
            one(odd, stride=stride)
            one(even, stride=stride)
        for padding in (0, 1, 2, 3, 'same', 'valid', list(range(1, rank + 1)), [[0, 1]] * rank, [[2, 0]] * rank):
            one(odd, padding=padding)
            one(even, padding=padding)
        for dilation in (2, 3):
            one(even, dilation=dilation, padding=1)
            one(even, dilation=dilation, padding='same')
        for groups in (1, 2):
            one(odd, groups=groups)
        for mode in ('zeros', 'reflect', 'replicate', 'circular'):
            for padding in (1, 2, 'same', [[1, 2]] * rank):
                one(even, padding=padding, mode=mode)
        one((1,) * rank)
        one((1,) * rank, stride=2, padding=1)
        one(size)
        one(tuple(s + 2 for s in size), padding=1)
        add(book, 0, size, 2, 4, odd, padding=1)
        add(book, 1, size, 1, 1, even)
        add(book, 1, size, 4, 4, even, groups=4)
        add(book, 1, size, 3, 6, even, groups=3, stride=2, dilation=2, padding=2)


def random_configuration(rng, rank):
    kernel = [rng.randint(1, 4 if rank < 3 else 3) for _ in range(rank)]
    groups = rng.choice([1, 1, 1, 2, 3])
    c, o = groups * rng.randint(1, 2), groups * rng.randint(1, 2)
    same = rng.random() < 0.1
    option = {'kernel': kernel, 'c': c, 'o': o, 'n': rng.choice([1, 1, 1, 2, 2, 0]), 'bias': rng.random() < 0.5}
    if groups > 1 or rng.random() < 0.3:
        option['groups'] = groups
    if not same and rng.random() < 0.7:
        option['stride'] = rng.randint(1, 3) if rng.random() < 0.5 else [rng.randint(1, 3) for _ in range(rank)]
    if rng.random() < 0.6:
        option['dilation'] = rng.randint(1, 3) if rng.random() < 0.5 else [rng.randint(1, 3) for _ in range(rank)]
    if same:
        option['padding'] = 'same'
    elif rng.random() < 0.8:
        option['padding'] = rng.choice([rng.randint(0, 2), [rng.randint(0, 3) for _ in range(rank)],
                                        [[rng.randint(0, 3), rng.randint(0, 3)] for _ in range(rank)]])
    if rng.random() < 0.35:
        option['mode'] = rng.choice(['reflect', 'replicate', 'circular', 'zeros'])
    return option


def fit(rng, option, rank):
    """Sizes that the padding mode allows, down to a kernel as large as the padded input, with room left over or not."""
    around = pairs(option.get('padding', 0), option['kernel'], option.get('dilation', 1), rank)
    dilation = per_axis(option.get('dilation', 1), rank)
    size = []
    for k, d, (before, after) in zip(option['kernel'], dilation, around):
        least = max(1, d * (k - 1) + 1 - before - after)
        if option.get('mode') == 'reflect':
            least = max(least, before + 1, after + 1)
        if option.get('mode') == 'circular':
            least = max(least, before, after)
        size.append(least + rng.choice([0, 0, 1, 2, 3, 4] if rank < 3 else [0, 0, 1, 2]))
    return size


def fill(book):
    single_options(book)
    rng = random.Random(zlib.crc32(b'conv'))
    for rank, count in ((1, 420), (2, 420), (3, 200)):
        made = 0
        while made < count:
            option = random_configuration(rng, rank)
            size = fit(rng, option, rank)
            area = torch.Size(size).numel() * option['c'] * max(option['n'], 1)
            if area > 160:
                continue
            if option['n'] == 0 and option.get('mode', 'zeros') != 'zeros':
                continue  # PyTorch does not pad an empty batch.
            add(book, option.pop('n'), size, option.pop('c'), option.pop('o'), option.pop('kernel'), full=made % 6 == 5,
                **option)
            made += 1
