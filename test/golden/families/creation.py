"""Tensors made from numbers alone."""

import torch

WIDE = {'dtype': 'float64'}


def fill(book):
    def add(name, args, out):
        book.add(name, args, WIDE, out.double(), only64=True)

    for stop in (0, 1, 5, 2.5):
        add('arange', [stop], torch.arange(stop))
    for start, stop, step in ((1, 4, 1), (0, 1, 0.25), (5, 0, -1), (5, 0, -2), (-1, 1, 0.3), (0.5, 3.1, 0.7), (3, 3, 1)):
        add('arange', [start, stop, step], torch.arange(start, stop, step))
    add('arange', [2, 6], torch.arange(2, 6))
    for start, stop, count in ((0, 1, 5), (-1, 1, 7), (3, 3, 2), (2, -2, 4), (0, 1, 1), (0, 10, 11), (0.1, 0.7, 10)):
        add('linspace', [start, stop, count], torch.linspace(start, stop, count))
    for args in ((3,), (2, 3), (3, 2), (0,), (1, 4)):
        add('eye', list(args), torch.eye(*args))
    for shape in ([2, 3], [0], [], [1, 2, 3]):
        add('zeros', [shape], torch.zeros(shape))
        add('ones', [shape], torch.ones(shape))
        add('full', [shape, -1.5], torch.full(shape, -1.5))
