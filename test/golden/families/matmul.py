"""Matrix products of every combination of ranks, with broadcast batch axes."""

import torch
import torch.nn.functional as F

from cases import leaf, plain

PAIRS = [((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((1, 3), (3, 1)), ((2, 1), (1, 2)),
         ((2, 2, 3), (3, 2)), ((2, 3), (4, 3, 2)), ((2, 2, 3), (2, 3, 2)), ((2, 2, 3), (3,)), ((3,), (2, 3, 2)),
         ((2, 1, 2, 3), (3, 3, 2)), ((1, 2, 3), (4, 3, 1)), ((2, 3, 1, 2), (1, 3, 2, 2)), ((1, 2, 2), (3, 1, 2, 2)),
         ((2, 1, 1, 3), (1, 2, 3, 1)), ((5, 7), (7, 6)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3), (3, 0)),
         ((0, 2, 3), (3, 2)), ((1,), (1,)), ((17, 9), (9, 5)), ((4, 16), (16, 4))]


def fill(book):
    for a_shape, b_shape in PAIRS:
        for full in (False, True):
            a, b = leaf(*a_shape, full=full), leaf(*b_shape, full=full)
            book.add('matmul', [a, b], {}, torch.matmul(a, b))
    for x_shape in ((3,), (2, 3), (2, 4, 3), (0, 3), (1, 3), (2, 1, 2, 3)):
        for with_bias in (False, True):
            for out in (1, 4):
                x, w = leaf(*x_shape, full=out == 1), leaf(out, 3, full=out == 1)
                b = leaf(out) if with_bias else None
                book.add('linear', [x, w], {'bias': b} if with_bias else {}, F.linear(x, w, b))
    a, b = plain(2, 3), plain(3, 2)
    a[0, 1] = float('nan')
    b[2, 1] = float('inf')
    book.add('matmul', [a, b], {}, a @ b)
