"""Elementwise operations, broadcasting, comparisons, special values and the gradients at kinks."""

import torch

from cases import distinct, given, leaf, plain

PAIRS = [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 1, 3), (4, 1)), ((), (2, 2)), ((2, 2), ()), ((1,), (2, 3)),
         ((2, 3, 4), (2, 3, 4)), ((1, 3, 1), (2, 1, 4)), ((0, 3), (1, 3)), ((), ()), ((2, 1, 2, 1, 3), (3, 1, 2, 1)),
         ((4, 1), (1, 5)), ((1, 1, 1, 1), (2,))]
INF, NAN = float('inf'), float('nan')
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, INF, -INF, NAN, 3.5, 1e4, -1e4, 1e-6, 2.5, 1.5, -0.5]

# name: (torch function, low, high) of smooth functions of one tensor.
UNARY = {
    'neg': (torch.neg, -2, 2), 'abs': (torch.abs, -2, 2), 'exp': (torch.exp, -3, 3), 'log': (torch.log, 0.01, 5),
    'sqrt': (torch.sqrt, 0.01, 5), 'rsqrt': (torch.rsqrt, 0.05, 5), 'square': (torch.square, -3, 3),
    'sin': (torch.sin, -6, 6), 'cos': (torch.cos, -6, 6), 'erf': (torch.erf, -3, 3), 'tanh': (torch.tanh, -4, 4),
    'sigmoid': (torch.sigmoid, -6, 6), 'sign': (torch.sign, -2, 2), 'floor': (torch.floor, -5, 5),
    'ceil': (torch.ceil, -5, 5), 'round': (torch.round, -5, 5), 'log1p': (torch.log1p, -0.9, 4),
    'expm1': (torch.expm1, -3, 3), 'reciprocal': (torch.reciprocal, 0.25, 4),
}
BINARY = {'add': torch.add, 'sub': torch.sub, 'mul': torch.mul, 'div': torch.div, 'maximum': torch.maximum,
          'minimum': torch.minimum}
COMPARE = {'eq': torch.eq, 'ne': torch.ne, 'lt': torch.lt, 'le': torch.le, 'gt': torch.gt, 'ge': torch.ge}


def unary(book):
    for name, (f, low, high) in UNARY.items():
        for shape in ((5,), (2, 3), (), (2, 1, 4), (0,), (2, 2, 2, 2)):
            x = leaf(*shape, low=low, high=high)
            book.add(name, [x], {}, f(x), scale='element')
        for shape in ((7,), (3, 5)):
            x = leaf(*shape, low=low, high=high, full=True)
            book.add(name, [x], {}, f(x), scale='element')
        special = [s for s in SPECIAL if not (name in ('sign',) and s != s)]
        x = given(special, grad=False)
        if name not in ('sin', 'cos'):
            book.add(name, [x], {}, f(x), scale='element', tol32=1e-5)
    wide = given([-40.0, -20.0, -10.0, -5.0, 5.0, 10.0, 20.0, 40.0])
    for name in ('exp', 'tanh', 'sigmoid', 'erf', 'sin', 'cos'):
        book.add(name, [wide], {}, UNARY[name][0](wide), scale='element', only64=name in ('exp', 'sigmoid', 'erf'))
    halves = given([-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 4503599627370497.5], grad=False)
    book.add('round', [halves], {}, torch.round(halves), only64=True)
    tiny = given([1e-12, -1e-12, 1e-9, 1e-5])
    for name in ('log1p', 'expm1', 'erf', 'sin', 'tanh'):
        book.add(name, [tiny], {}, UNARY[name][0](tiny), scale='element')
    x = given(SPECIAL, grad=False)
    book.add('isNaN', [x], {}, torch.isnan(x).double())


def binary(book):
    for name, f in BINARY.items():
        for i, (a_shape, b_shape) in enumerate(PAIRS):
            full = i % 4 == 3
            a, b = leaf(*a_shape, full=full), leaf(*b_shape, full=full)
            if name == 'div':
                b = (b.detach().abs() + 0.25).requires_grad_(True)
            if name in ('maximum', 'minimum'):  # Ties are the library's own rule: keep them out.
                a = (a.detach() + 1 / 4096).requires_grad_(True)
            book.add(name, [a, b], {}, f(a, b), scale='element' if a_shape == b_shape else 'tensor')
        x = leaf(2, 3, low=0.25)
        book.add(name, [x, 1.53125], {}, f(x, torch.tensor(1.53125)), scale='element')
        x = plain(3)
        y = plain(3)
        y[1] = NAN
        x[2] = INF
        book.add(name, [x, y], {}, f(x, y))
    for a, b in (([NAN, 1.0, NAN], [1.0, NAN, NAN]), ([INF, -INF, 0.0], [-INF, -INF, 3.0])):
        a, b = given(a, grad=False), given(b, grad=False)
        for name in ('maximum', 'minimum', 'add', 'mul'):
            book.add(name, [a, b], {}, BINARY[name](a, b))
    a, b = given([1.0, -1.0, 0.0, -2.0], grad=False), given([0.0, 0.0, 0.0, INF], grad=False)
    book.add('div', [a, b], {}, a / b)
    for name, f in COMPARE.items():
        for a_shape, b_shape in PAIRS[:10]:
            a, b = plain(*a_shape).round(), plain(*b_shape).round()
            book.add(name, [a, b], {}, f(a, b).double())
        a = plain(2, 3).round()
        book.add(name, [a, 1], {}, f(a, 1).double())
        a, b = given([NAN, 1.0, INF, -INF, 0.0], grad=False), given([NAN, NAN, INF, INF, -0.0], grad=False)
        book.add(name, [a, b], {}, f(a, b).double())


def powers(book):
    for i, (a_shape, b_shape) in enumerate(PAIRS):
        a, b = leaf(*a_shape, low=0.25, high=3, full=i % 4 == 3), leaf(*b_shape, full=i % 4 == 3)
        book.add('pow', [a, b], {}, torch.pow(a, b), scale='element' if a_shape == b_shape else 'tensor')
    for exponent in (2, 3, 0.5, -1, -2, 1, 0, 1.75):
        x = leaf(2, 3, low=0.25, high=3)
        book.add('pow', [x, exponent], {}, torch.pow(x, exponent), scale='element')
    for exponent in (2, 3, -1, -3, 1, 0):
        x = leaf(6, low=-3, high=-0.25)
        book.add('pow', [x, exponent], {}, torch.pow(x, exponent), scale='element')
    for exponent in (2, 3, 1, 0):
        x = given([0.0, 1.0, -1.0, 0.0])
        book.add('pow', [x, exponent], {}, torch.pow(x, exponent), order=1)
    x = given(SPECIAL, grad=False)
    for exponent in (2, 0, -1, 0.5, 3):
        # A tensor of exponents: with the number 0.5 PyTorch takes the root, which differs from IEEE's pow at -Infinity.
        book.add('pow', [x, exponent], {}, torch.pow(x, torch.full_like(x, exponent)), scale='element')


def choices(book):
    for low, high in ((-1, 1), (0, 0.5), (-0.3, 2.5), (-5, 5), (1, 1)):
        x = leaf(3, 4)
        x = (x.detach() + 1 / 4096).requires_grad_(True)
        book.add('clamp', [x, low, high], {}, torch.clamp(x, low, high), scale='element')
    x = given([NAN, INF, -INF, 0.0, 5.0, -5.0], grad=False)
    book.add('clamp', [x, -1, 1], {}, torch.clamp(x, -1, 1))
    for c_shape, a_shape, b_shape in (((2, 3), (2, 3), (2, 3)), ((3,), (2, 3), (2, 1)), ((2, 1), (3,), (2, 3)),
                                      ((2, 3), (), (3,)), ((2, 1, 2), (3, 1), (2,)), ((), (2,), (2,)), ((0,), (0,), ())):
        c = (plain(*c_shape) > 0).double()
        a, b = leaf(*a_shape), leaf(*b_shape)
        book.add('where', [c, a, b], {}, torch.where(c != 0, a, b))
    c = given([1.0, 0.0, 1.0], grad=False)
    a, b = given([1.0, NAN, 3.0], grad=False), given([NAN, 2.0, 4.0], grad=False)
    book.add('where', [c, a, b], {}, torch.where(c != 0, a, b))


def kinks(book):
    """Where the derivative jumps, the value that PyTorch takes."""
    x = given([0.0, -0.0, 1.0, -1.0])
    book.add('abs', [x], {}, torch.abs(x))
    book.add('sign', [x], {}, torch.sign(x))
    x = given([-1.0, 1.0, 0.0, -2.0, 2.0])
    book.add('clamp', [x, -1, 1], {}, torch.clamp(x, -1, 1))
    x = given([0.0, 1.0])
    book.add('sqrt', [x], {}, torch.sqrt(x), order=1)
    book.add('square', [x], {}, torch.square(x))


def fill(book):
    unary(book)
    binary(book)
    powers(book)
    choices(book)
    kinks(book)
    for low, high in ((None, 0.5), (-0.5, None)):
        x = leaf(3, 4, full=True)
        book.add('clamp', [x, low, high], {}, torch.clamp(x, low, high))
    for low_shape, high_shape in (((3, 4), (3, 4)), ((4,), (3, 1)), ((), ())):
        x, low, high = leaf(3, 4, full=True), leaf(*low_shape, low=-1, high=-0.25), leaf(*high_shape, low=0.25, high=1)
        book.add('clamp', [x, low, high], {}, torch.clamp(x, low, high))
    c, x = (plain(2, 3) > 0).double(), leaf(2, 3)
    book.add('where', [c, x, 0.5], {}, torch.where(c != 0, x, torch.tensor(0.5)))
    book.add('where', [c, -1.5, x], {}, torch.where(c != 0, torch.tensor(-1.5), x))
    x = leaf(2, 3, low=0.25)
    for name, f in BINARY.items():
        book.add(name, [1.53125, x], {}, f(torch.tensor(1.53125), x))
    x = distinct(3, 4)
    book.add('maximum', [x, 0.0078125], {}, torch.maximum(x, torch.tensor(0.0078125)))
