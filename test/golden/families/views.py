"""Views: the library's methods against PyTorch's indexing."""

import torch

from cases import leaf

SLICES = [  # (shape, specs): an integer, None for all, or [start, stop, step] as in Python.
    ((6,), [[1, 4, 1]]), ((6,), [[None, None, 2]]), ((6,), [[-3, None, None]]), ((6,), [[None, None, -1]]),
    ((6,), [[4, 0, -2]]), ((6,), [2]), ((6,), [-1]), ((6,), [[5, 2, 1]]), ((6,), [[0, 100, 1]]), ((6,), [[-100, 3]]),
    ((3, 4), [1]), ((3, 4), [None, 2]), ((3, 4), [[1, None], [None, -1]]), ((3, 4), [[None, None, -1], [None, None, -2]]),
    ((3, 4), [-1, [3, None, -1]]), ((2, 3, 4), [None, 1, [0, 4, 3]]), ((2, 3, 4), [[1, 2], None, [None, None, 2]]),
    ((2, 3, 4), [0, 1, 2]), ((2, 3, 4), [None, [2, 0, -1]]), ((2, 3, 4), [[None, None, -1], 0, [None, 2]]),
]


def sliced(x, specs):
    """Python's indexing with negative steps, which PyTorch lacks, as index_select."""
    axis = 0
    for spec in specs:
        if isinstance(spec, int):
            x = x.select(axis, spec)
            continue
        if spec is not None:
            picks = list(range(x.shape[axis]))[slice(*spec)]
            x = x.index_select(axis, torch.tensor(picks, dtype=torch.int64))
        axis += 1
    return x


def fill(book):
    def add(name, args, out):
        book.add(name, args, {}, out, method=True, **({'dense': True} if name == 'view' else {}))

    for shape, specs in SLICES:
        x = leaf(*shape)
        add('slice', [x, *specs], sliced(x, specs))
    for shape, target in (((2, 6), [3, 4]), ((2, 6), [-1]), ((2, 6), [2, -1, 2]), ((), [1]), ((1,), []), ((0, 2), [0, 5])):
        x = leaf(*shape)
        add('reshape', [x, target], x.reshape(target))
        x = leaf(*shape)
        add('view', [x, target], x.reshape(target))
    for axes in ([0, 1, 2], [2, 1, 0], [1, 2, 0], [-1, 0, 1]):
        x = leaf(2, 3, 4)
        add('permute', [x, axes], x.permute(axes))
    for a, b in ((0, 1), (1, 2), (0, -1), (1, 1), (-2, -3)):
        x = leaf(2, 3, 4)
        add('transpose', [x, a, b], x.transpose(a, b))
    for axis, start, length in ((0, 0, 1), (1, 1, 2), (2, 0, 4), (-1, 2, 2), (1, 3, 0)):
        x = leaf(2, 3, 4)
        add('narrow', [x, axis, start, length], x.narrow(axis, start, length))
    for axis, index in ((0, 1), (1, -1), (2, 0), (-1, 3), (-2, 1)):
        x = leaf(2, 3, 4)
        add('select', [x, axis, index], x.select(axis, index))
    for axes in ([0], [1], [0, 2], [0, 1, 2], [-1], []):
        x = leaf(2, 3, 4)
        add('flip', [x, axes], x.flip(axes))
    for shape, target in (((3,), [2, 3]), ((1, 3), [4, 3]), ((2, 1), [2, 5]), ((1,), [0]), ((), [2, 2]), ((2, 1, 3), [4, 2, 2, 3])):
        x = leaf(*shape)
        add('expand', [x, target], x.expand(target))
    for shape, axis in (((1, 3, 1), None), ((1, 3, 1), 0), ((1, 3, 1), 2), ((1, 3, 1), -1), ((2, 3), None), ((1,), None)):
        x = leaf(*shape)
        add('squeeze', [x] if axis is None else [x, axis], x.squeeze() if axis is None else x.squeeze(axis))
    for axis in (0, 1, 2, -1, -3):
        x = leaf(2, 3)
        add('unsqueeze', [x, axis], x.unsqueeze(axis))
    for start in (None, 0, 1, 2, -1, -2):
        x = leaf(2, 3, 4)
        add('flatten', [x] if start is None else [x, start], x.flatten(start or 0))
    for shape, axis, size, step in (((7,), 0, 3, 1), ((7,), 0, 3, 2), ((7,), 0, 7, 1), ((2, 5), 1, 2, 3), ((5, 2), 0, 2, 1),
                                    ((2, 3, 5), -1, 3, 2), ((4, 3), -2, 1, 2), ((6,), 0, 2, 5)):
        x = leaf(*shape)
        add('unfold', [x, axis, size, step], x.unfold(axis, size, step))
    for shape, target in (((2, 1, 3), [-1, 4, -1]), ((3, 1), [2, -1, 2])):
        x = leaf(*shape)
        add('expand', [x, target], x.expand(target))
    x = leaf(2, 3, 4, 2)
    add('flatten', [x, 1, 2], x.flatten(1, 2))
    x = leaf(2, 3)
    add('clone', [x], x.clone())
    add('contiguous', [x], x.contiguous())
