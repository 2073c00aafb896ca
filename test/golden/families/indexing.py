"""Gathering, scattering, joining, splitting, padding, rolling."""

import itertools

import torch
import torch.nn.functional as F

from cases import labels, leaf

MODES = {'constant': 'constant', 'reflect': 'reflect', 'replicate': 'replicate', 'circular': 'circular'}


def gathers(book):
    for shape in ((5,), (3, 4), (2, 3, 4)):
        for axis in range(len(shape)):
            for size in (1, 3, 6):
                index_shape = [size if a == axis else n for a, n in enumerate(shape)]
                index = labels(*index_shape, classes=shape[axis])
                x = leaf(*shape)
                at = axis if size != 3 else axis - len(shape)
                book.add('gather', [x, at, index], {}, x.gather(axis, index))
                x, src = leaf(*shape), leaf(*index_shape)
                book.add('scatterAdd', [x, at, index, src], {}, x.scatter_add(axis, index, src))
                x, index = leaf(*shape), labels(size, classes=shape[axis])
                book.add('indexSelect', [x, at, index], {}, x.index_select(axis, index))
    x, index = leaf(3, 4), labels(2, 3, classes=3)
    book.add('gather', [x, 0, index], {}, x.gather(0, index))
    x, src = leaf(3, 4), leaf(2, 3)
    book.add('scatterAdd', [x, 0, index, src], {}, x.scatter_add(0, index, src))


def lines(book):
    for shape in ((5,), (3, 4), (2, 3, 4), (2, 0), (1, 3)):
        for axis in range(len(shape)):
            x = leaf(*shape)
            book.add('cumsum', [x, axis], {}, torch.cumsum(x, axis))
            x = leaf(*shape, full=True)
            book.add('cumsum', [x, axis - len(shape)], {}, torch.cumsum(x, axis))
            for shift in (1, -1, 2, 7, 0, -9):
                x = leaf(*shape)
                book.add('roll', [x, shift, axis], {}, torch.roll(x, shift, axis))
    for shifts, axes in (([1, 2], [0, 1]), ([-1, 3], [1, 2]), ([1, 1, -1], [0, 2, 1])):
        x = leaf(2, 3, 4)
        book.add('roll', [x, shifts, axes], {}, torch.roll(x, shifts, axes))
    for shape in ((3, 3), (2, 4), (4, 2), (2, 3, 4), (1, 1)):
        for diagonal in (0, 1, -1, 2, -3, 5):
            for name, f in (('tril', torch.tril), ('triu', torch.triu)):
                x = leaf(*shape)
                book.add(name, [x, diagonal] if diagonal else [x], {}, f(x, diagonal))


def joins(book):
    for sizes, axis in itertools.product(([2], [1, 3], [2, 1, 2], [0, 2]), (0, 1, 2, -1, -3)):
        shapes = [[n if a == axis % 3 else 2 for a in range(3)] for n in sizes]
        xs = [leaf(*s) for s in shapes]
        book.add('cat', [xs, axis], {}, torch.cat(xs, axis))
        x = leaf(*[sum(sizes) if a == axis % 3 else 2 for a in range(3)])
        book.add('split', [x, sizes, axis], {}, torch.split(x, sizes, axis))
    for count, axis in itertools.product((1, 2, 3), (0, 1, 2, -1, -2, -3)):
        xs = [leaf(2, 3) for _ in range(count)]
        book.add('stack', [xs, axis], {}, torch.stack(xs, axis))
    for size, axis in ((2, 0), (3, 0), (5, 1), (1, 1), (7, 1)):
        x = leaf(5, 7)
        book.add('split', [x, size, axis], {}, torch.split(x, size, axis))
    x, y = leaf(2, 3), leaf(2, 3)
    book.add('cat', [[x, y]], {}, torch.cat([x, y]))
    book.add('stack', [[x, y]], {}, torch.stack([x, y]))
    for shift in (3, -4):
        x = leaf(2, 3)
        book.add('roll', [x, shift], {}, torch.roll(x, shift))
    x = leaf(4)
    book.add('cat', [[x, x], 0], {}, torch.cat([x, x]), order=0)
    for classes in (1, 3, 5):
        for shape in ((4,), (2, 3), (0,)):
            index = labels(*shape, classes=classes)
            book.add('oneHot', [index, classes], {}, F.one_hot(index, classes).double())


def torch_pads(pads):
    return [n for pair in reversed(pads) for n in pair]


def pads(book):
    constant = [[[1, 2]], [[0, 1], [2, 0]], [[1, 1], [2, 2], [0, 1]], [[-1, 1]], [[-1, -1], [1, -2]], [[0, 0]],
                [[2, -3], [0, -1]], [[-1, 0], [0, 2], [3, -2]]]
    for spec, shape in itertools.product(constant, ((4,), (3, 4), (2, 3, 4))):
        if len(spec) > len(shape):
            continue
        for value in (None, 1.5, 'inf'):
            number = {None: 0.0, 'inf': float('-inf')}.get(value, value)
            options = {} if value is None else {'value': number}
            if value == 1.5:
                options['mode'] = 'constant'
            x = leaf(*shape)
            y = F.pad(x, torch_pads(spec), 'constant', number)
            if y.numel() and value != 'inf':
                book.add('pad', [x, spec], options, y)
            elif y.numel():
                book.add('pad', [x.detach(), spec], options, y.detach())
    around = [[[1, 2]], [[2, 0]], [[1, 1], [2, 1]], [[0, 2], [1, 0]], [[1, 0], [0, 1], [1, 1]], [[2, 2], [1, 1], [0, 2]],
              [[0, 0]]]
    for mode, spec in itertools.product(('reflect', 'replicate', 'circular'), around):
        k = len(spec)
        for size in (3, 4):
            x = leaf(2, 1, *[size + a for a in range(k)], full=size == 4)
            y = F.pad(x, torch_pads(spec), mode)
            book.add('pad', [x, spec], {'mode': mode}, y)
    x = leaf(1, 1, 2)
    book.add('pad', [x, [[3, 4]]], {'mode': 'replicate'}, F.pad(x, [3, 4], 'replicate'))
    x = leaf(1, 1, 3)
    book.add('pad', [x, [[3, 3]]], {'mode': 'circular'}, F.pad(x, [3, 3], 'circular'))
    x = leaf(1, 1, 3)
    book.add('pad', [x, [[2, 2]]], {'mode': 'reflect'}, F.pad(x, [2, 2], 'reflect'))


def fill(book):
    gathers(book)
    lines(book)
    joins(book)
    pads(book)
