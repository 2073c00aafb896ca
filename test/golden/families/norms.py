"""Batch, layer, group and instance normalisation; batch normalisation's running statistics as the call leaves them."""

import itertools

import torch
import torch.nn.functional as F

from cases import leaf, plain


def batch(book):
    shapes = [(4, 3), (2, 3, 4), (3, 2, 2, 3), (2, 2, 2, 2, 2), (1, 2, 5), (5, 1), (2, 3, 1, 1)]
    for i, (shape, affine, running, training) in enumerate(itertools.product(shapes, (True, False), (True, False), (True, False))):
        if not running and not training:
            continue
        for momentum, eps in ((None, None), (0.3, 1e-3)):
            c = shape[1]
            full = i % 3 == 2
            x = leaf(*shape, full=full)
            options = {'training': training}
            weight, bias, mean, var = None, None, None, None
            if affine:
                weight, bias = leaf(c, low=0.5, high=1.5), leaf(c)
                options.update(weight=weight, bias=bias)
            if running:
                mean, var = plain(c), plain(c, low=0.25, high=2)
                options.update(runningMean=mean.clone(), runningVar=var.clone())
            if momentum is not None:
                options.update(momentum=momentum, eps=eps)
            y = F.batch_norm(x, mean, var, weight, bias, training, momentum or 0.1, eps or 1e-5)
            after = {'runningMean': mean, 'runningVar': var} if running else None
            book.add('batchNorm', [x], options, y, after=after, tol32grad=2e-3)
    x = leaf(4, 2, 3)
    mean, var = plain(2), plain(2, low=0.5, high=2)
    weight = leaf(2)
    options = {'runningMean': mean.clone(), 'runningVar': var.clone(), 'weight': weight, 'training': True, 'momentum': 1}
    y = F.batch_norm(x, mean, var, weight, None, True, 1.0)
    book.add('batchNorm', [x], options, y, after={'runningMean': mean, 'runningVar': var}, tol32grad=2e-3)


def others(book):
    for shape, normalized in (((2, 5), [5]), ((2, 3, 4), [4]), ((2, 3, 4), [3, 4]), ((3, 4), [3, 4]), ((2, 2, 3, 2), [2, 3, 2]),
                              ((1, 6), [6])):
        for affine, eps, full in itertools.product((True, False), (None, 1e-2), (True, False)):
            x = leaf(*shape, full=full)
            options = {'weight': leaf(*normalized), 'bias': leaf(*normalized)} if affine else {}
            if eps:
                options['eps'] = eps
            y = F.layer_norm(x, normalized, options.get('weight'), options.get('bias'), eps or 1e-5)
            book.add('layerNorm', [x, normalized], options, y, tol32grad=2e-3)
    for shape, groups in (((2, 4), 2), ((2, 4, 3), 2), ((1, 6, 2, 2), 3), ((2, 4, 2, 2), 1), ((2, 3, 4), 3), ((2, 4, 2, 2, 2), 2)):
        for affine, eps, full in itertools.product((True, False), (None, 1e-2), (True, False)):
            c = shape[1]
            x = leaf(*shape, full=full)
            options = {'weight': leaf(c), 'bias': leaf(c)} if affine else {}
            if eps:
                options['eps'] = eps
            y = F.group_norm(x, groups, options.get('weight'), options.get('bias'), eps or 1e-5)
            book.add('groupNorm', [x, groups], options, y, tol32grad=2e-3)
    for shape in ((2, 3, 4), (1, 2, 3, 3), (2, 2, 2, 3, 2), (3, 1, 5)):
        for affine, eps, full in itertools.product((True, False), (None, 1e-2), (True, False)):
            c = shape[1]
            x = leaf(*shape, full=full)
            options = {'weight': leaf(c), 'bias': leaf(c)} if affine else {}
            if eps:
                options['eps'] = eps
            y = F.instance_norm(x, weight=options.get('weight'), bias=options.get('bias'), eps=eps or 1e-5)
            book.add('instanceNorm', [x], options, y, tol32grad=2e-3)


def fill(book):
    batch(book)
    others(book)
