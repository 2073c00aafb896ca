"""Activations with their options, softmax and logSoftmax over every axis and at extreme logits, dropout's sure cases."""

import torch
import torch.nn.functional as F

from cases import given, leaf, plain

WIDE = [-100.0, -30.0, -10.0, -4.5, -3.5, -1.0, -0.25, 0.25, 1.0, 2.5, 3.5, 10.0, 30.0, 100.0]
SHAPES = [(6,), (2, 3), (), (2, 2, 3), (0,)]


def hardswish(x):
    """As a composition, since PyTorch's own has no second derivative."""
    return x * torch.clamp(x + 3, 0, 6) / 6


ACTIVATIONS = [
    ('relu', {}, F.relu), ('leakyRelu', {}, F.leaky_relu), ('leakyRelu', {'negativeSlope': 0.25}, lambda x: F.leaky_relu(x, 0.25)),
    ('elu', {}, F.elu), ('elu', {'alpha': 1.5}, lambda x: F.elu(x, 1.5)), ('gelu', {}, F.gelu),
    ('gelu', {'approximate': 'tanh'}, lambda x: F.gelu(x, approximate='tanh')), ('gelu', {'approximate': 'none'}, F.gelu),
    ('sigmoid', {}, torch.sigmoid), ('tanh', {}, torch.tanh), ('softplus', {}, F.softplus),
    ('softplus', {'beta': 2}, lambda x: F.softplus(x, beta=2)),
    ('softplus', {'beta': 0.5, 'threshold': 1}, lambda x: F.softplus(x, beta=0.5, threshold=1)),
    ('silu', {}, F.silu), ('hardswish', {}, hardswish),
]
CUSPS = [('relu', {}, F.relu), ('leakyRelu', {}, F.leaky_relu), ('elu', {}, F.elu), ('hardswish', {}, F.hardswish)]


def fill(book):
    for name, options, f in ACTIVATIONS:
        for shape in SHAPES:
            for full in (False, True):
                x = leaf(*shape, low=-4, high=4, full=full)
                book.add(name, [x], options, f(x))
        x = given(WIDE)
        book.add(name, [x], options, f(x))
        if name not in ('gelu', 'silu', 'hardswish'):
            x = given([float('inf'), float('-inf'), float('nan'), 1.0], grad=False)
            book.add(name, [x], options, f(x))
    for name, options, f in CUSPS:
        x = given([0.0, -3.0, 3.0, -0.0])
        book.add(name, [x], options, f(x), order=1)
    for name, f in (('softmax', torch.softmax), ('logSoftmax', torch.log_softmax)):
        for shape in ((5,), (2, 3), (2, 3, 4), (1, 1), (2, 3, 2, 2), (3, 0)):
            for axis in range(-len(shape), len(shape)):
                x = leaf(*shape, low=-3, high=3, full=axis < 0)
                if x.numel() or shape[axis]:
                    book.add(name, [x, axis], {}, f(x, axis))
        for logits in ([1e4, -1e4, 0.0], [1e4, 1e4 - 1, -1e4], [-1e4, -1e4, -1e4], [1e4, 9999.0, 9998.0], [0.0, -745.0, 700.0],
                       [88.0, 89.0, 90.0], [1e4]):
            x = given([logits, logits[::-1]])
            book.add(name, [x, 1], {}, f(x, 1))
        x = given([float('-inf'), 0.0, 1.0], grad=False)
        book.add(name, [x, 0], {}, f(x, 0))
        x = given([float('nan'), 0.0, 1.0], grad=False)
        book.add(name, [x, 0], {}, f(x, 0))
    for options in ({'p': 0.5, 'training': False}, {'p': 0, 'training': True}, {'p': 1, 'training': True}):
        x = leaf(2, 3)
        book.add('dropout', [x], options, F.dropout(x, **options))
