"""Reductions over no, one or several axes. A maximum hands its gradient to the first largest element."""

import itertools
import math

import torch

from cases import distinct, given, leaf, plain

SHAPES = [(5,), (2, 3), (2, 3, 4), (2, 1, 3, 2), ()]
INF, NAN = float('inf'), float('nan')


def axes_of(rank):
    """None, every axis from both ends, every pair, and all of them, some written with negative numbers."""
    yield None
    for axis in range(rank):
        yield axis
        yield axis - rank
    for a, b in itertools.combinations(range(rank), 2):
        yield [a, b]
    if rank >= 3:
        yield [2, 0]
        yield [-1, 1]
        yield list(range(rank))


def dims(x, axis):
    if axis is None:
        return list(range(x.dim()))
    return [a % x.dim() for a in (axis if isinstance(axis, list) else [axis])]


def flattened(x, axis, keep):
    """x with the reduced axes flattened into a last one, and the function that shapes a result."""
    reduced = sorted(dims(x, axis))
    kept = [a for a in range(x.dim()) if a not in reduced]
    moved = x.permute(kept + reduced).reshape([x.shape[a] for a in kept] + [math.prod(x.shape[a] for a in reduced)])
    shape = [1 if a in reduced else x.shape[a] for a in range(x.dim())] if keep else [x.shape[a] for a in kept]
    return moved, lambda y: y.reshape(shape)


def by_index(f):
    """A maximum or minimum as the gather of its first position, so that ties follow the library's rule."""
    def reduce(x, axis, keep):
        moved, shaped = flattened(x, axis, keep)
        index = f(moved.detach(), -1)
        return shaped(moved.gather(-1, index.unsqueeze(-1)))
    return reduce


def by_flat(f):
    def reduce(x, axis, keep):
        moved, shaped = flattened(x, axis, keep)
        return shaped(f(moved))
    return reduce


def direct(f):
    return lambda x, axis, keep: f(x, dims(x, axis), keepdim=keep) if x.dim() else f(x)


SMOOTH = {'sum': direct(torch.sum), 'mean': direct(torch.mean), 'prod': by_flat(lambda m: torch.prod(m, -1)),
          'max': by_index(torch.argmax), 'min': by_index(torch.argmin), 'logSumExp': by_flat(lambda m: torch.logsumexp(m, -1)),
          'norm': by_flat(lambda m: torch.sqrt((m * m).sum(-1)))}
FLAGS = {'any': by_flat(lambda m: (m != 0).any(-1).double()), 'all': by_flat(lambda m: (m != 0).all(-1).double()),
         'argMax': by_flat(lambda m: torch.argmax(m, -1).double()), 'argMin': by_flat(lambda m: torch.argmin(m, -1).double())}


def arguments(x, axis, keep, i):
    if axis is None and not keep:
        return [x]
    return [x, axis, keep] if keep or i % 2 else [x, axis]


def grid(book):
    for shape in SHAPES:
        for i, (axis, keep) in enumerate(itertools.product(axes_of(len(shape)), (False, True))):
            if axis is None and keep:
                continue
            for name, f in SMOOTH.items():
                x = distinct(*shape) if name in ('max', 'min') else leaf(*shape, full=i % 5 == 4)
                # Over one or two elements the second gradient of a root of squares is 0: what is left is rounding.
                flags = {'tol32second': 0.1} if name == 'norm' else {}
                book.add(name, arguments(x, axis, keep, i), {}, f(x, axis, keep), **flags)
            if len(shape):
                for name in ('variance', 'std'):
                    x = leaf(*shape)
                    n = 1
                    for a in dims(x, axis):
                        n *= shape[a]
                    if n > 1:
                        f = torch.var if name == 'variance' else torch.std
                        y = f(x, dims(x, axis), unbiased=True, keepdim=keep)
                        book.add(name, arguments(x, axis, keep, i), {}, y, tol32second=0.1)
            for name, f in FLAGS.items():
                if name.startswith('arg') and isinstance(axis, list):
                    continue
                x = plain(*shape).round() if name in ('any', 'all') else distinct(*shape).detach()
                book.add(name, arguments(x, axis, keep, i), {}, f(x, axis, keep))


def corrections(book):
    for name, f in (('variance', torch.var), ('std', torch.std)):
        for correction, axis, keep in itertools.product((0, 1, 2), (0, 1, [0, 2], [1, 2]), (False, True)):
            x = leaf(4, 3, 3)
            y = f(x, axis if isinstance(axis, list) else [axis], correction=correction, keepdim=keep)
            book.add(name, [x, axis, keep], {'correction': correction}, y)


def norms(book):
    for p, axis, keep in itertools.product((1, 2, 3, 0.5, float('inf'), float('-inf')), (None, 0, [0, 2], -1), (False, True)):
        if axis is None and keep:
            continue
        x = distinct(3, 2, 4)
        x = (x.detach() + 1 / 512).requires_grad_(True)  # Nothing at 0, no equal magnitudes.
        moved, shaped = flattened(x, axis, keep)
        size = moved.abs()
        y = {float('inf'): lambda: size.amax(-1), float('-inf'): lambda: size.amin(-1)}.get(p, lambda: size.pow(p).sum(-1) ** (1 / p))()
        assert torch.allclose(y, torch.linalg.vector_norm(moved, p, -1), rtol=1e-12)
        book.add('norm', [x, axis, keep], {'p': p}, shaped(y))
    x = given([[0.0, 0.0], [3.0, 4.0]])
    book.add('norm', [x, 1], {}, torch.norm(x, dim=1), order=1)


def special(book):
    for values in ([1.0, NAN, 3.0, NAN], [INF, 1.0, -INF, 2.0], [-INF, -INF, -INF, -INF], [-1.0, -3.0, -2.0, -7.0],
                   [INF, INF, 0.0, 1.0], [NAN, -INF, INF, 0.0]):
        x = given(values, grad=False)
        for name in ('sum', 'mean', 'prod', 'max', 'min', 'logSumExp', 'norm'):
            book.add(name, [x], {}, SMOOTH[name](x, None, False))
        for name, f in FLAGS.items():
            book.add(name, [x], {}, f(x, None, False))
        for name in ('max', 'min'):
            y = given(values)
            book.add(name, [y], {}, SMOOTH[name](y, 0, False), order=1)
    for values in ([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], [[0.0, -0.0, 0.0], [-1.0, -1.0, -3.0]]):
        for name in ('max', 'min', 'argMax', 'argMin'):
            for axis in (0, 1, None):
                x = given(values, grad=not name.startswith('arg'))
                f = SMOOTH.get(name) or FLAGS[name]
                book.add(name, [x] if axis is None else [x, axis], {}, f(x, axis, False))
    for values in ([2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [1.5, -2.0, 3.0]):
        x = given(values)  # Written out: PyTorch's second gradient of prod is 0 where two factors are.
        book.add('prod', [x], {}, x[0] * x[1] * x[2])
    for values in ([1e4, -1e4, 0.0], [1e4, 1e4, 1e4], [-1e4, -1e4, -9999.0]):
        x = given(values)
        book.add('logSumExp', [x], {}, torch.logsumexp(x, 0))
    for shape, axis in (((0,), None), ((0, 3), 0), ((3, 0), 1), ((0, 3), 1)):
        x = leaf(*shape)
        for name in ('sum', 'prod'):
            book.add(name, [x] if axis is None else [x, axis], {}, SMOOTH[name](x, axis, False))
    for shape, axis in (((1,), None), ((3, 1), 1), ((1, 2), 0)):
        x = plain(*shape)
        for name, f in (('variance', torch.var), ('std', torch.std)):
            y = f(x, dims(x, axis), correction=1)
            book.add(name, [x] if axis is None else [x, axis], {}, y)
    x = plain(0)
    book.add('mean', [x], {}, torch.mean(x))
    x = leaf(3, 0)
    book.add('any', [x.detach(), 1], {}, torch.zeros(3))
    book.add('all', [x.detach(), 1], {}, torch.ones(3))


def fill(book):
    grid(book)
    corrections(book)
    norms(book)
    special(book)
