"""Cases of golden values: a call of the library, what PyTorch answers, and its gradients up to the third.

A case is written as the call of *our* function (name, positional arguments, options) together with the value
that PyTorch computed from the very same tensors:

    x, w = leaf(2, 3, 7), leaf(4, 3, 3)
    book.add('conv1d', [x, w], {'stride': 2}, F.conv1d(x, w, stride=2))

Every tensor among the arguments and options that requires a gradient gets one: for random v, u and w,

    grads  = d<v, y> / d inputs     second = d<u, grads> / d inputs     third = d<w, second> / d inputs

All in float64. Inputs lie on the grid k / 2048, so that they are the same numbers in float32, unless a case asks
for full precision.
"""

import gzip
import json
import math
import os

import torch

GRID = 2048
SCALES = (1, GRID, GRID * GRID, GRID * GRID * GRID)
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'data')

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def leaf(*shape, low=-2.0, high=2.0, full=False):
    """A differentiable input: uniform on the grid (or of full precision)."""
    return plain(*shape, low=low, high=high, full=full).requires_grad_(True)


def plain(*shape, low=-2.0, high=2.0, full=False):
    """An input that no gradient is asked for."""
    x = torch.empty(shape).uniform_(low, high)
    return x if full else (x * GRID).round() / GRID


def distinct(*shape, step=1.0 / 64):
    """A differentiable input without ties: a permutation of equally spaced values around zero."""
    n = math.prod(shape)
    return ((torch.randperm(n).double() - n // 2) * step).reshape(shape).requires_grad_(True)


def given(values, grad=True):
    """A differentiable input with the values given."""
    return torch.tensor(values, dtype=torch.float64).requires_grad_(grad)


def labels(*shape, classes):
    return torch.randint(0, classes, shape)


def number(value):
    if math.isnan(value):
        return '"NaN"'
    if math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    if value == 0:
        return '-0' if math.copysign(1, value) < 0 else '0'
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def encode_tensor(t):
    """{"s": shape, "d": values}, with "q" where every value is a whole number of 1/q, "i" for whole-number tensors."""
    flat = (torch.zeros(t.shape) if t._is_zerotensor() else t.detach()).reshape(-1)
    if not t.dtype.is_floating_point:
        values = ','.join(str(int(v)) for v in flat.tolist())
        return '{"s":%s,"i":1,"d":[%s]}' % (json.dumps(list(t.shape)), values)
    finite = bool(torch.isfinite(flat).all())
    for q in SCALES if finite else ():
        scaled = flat * q
        if bool((scaled == scaled.round()).all()) and bool((scaled.abs() < 2 ** 52).all()):
            break
    else:
        q, scaled = 1, flat
    scale = '' if q == 1 else '"q":%d,' % q
    return '{"s":%s,%s"d":[%s]}' % (
        json.dumps(list(t.shape), separators=(',', ':')), scale, ','.join(number(v) for v in scaled.tolist()))


def encode(value):
    if isinstance(value, torch.Tensor):
        return encode_tensor(value)
    if isinstance(value, dict):
        return '{%s}' % ','.join('%s:%s' % (json.dumps(k), encode(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return '[%s]' % ','.join(encode(v) for v in value)
    if isinstance(value, float):
        return number(value)
    return json.dumps(value)


def leaves_of(args, options):
    """(path, tensor) of every input that requires a gradient; a path is '0', '0/2' (in a list) or an option's name."""
    found = []
    for i, arg in enumerate(args):
        for path, t in ((str(i), arg),) if not isinstance(arg, list) else [
                ('%d/%d' % (i, j), item) for j, item in enumerate(arg)]:
            if isinstance(t, torch.Tensor) and t.requires_grad:
                found.append((path, t))
    for name, t in options.items():
        if isinstance(t, torch.Tensor) and t.requires_grad:
            found.append((name, t))
    return found


class Book:
    """The cases of one family, written to data/<family>.jsonl.gz, one case a line."""

    def __init__(self, family):
        self.family = family
        self.lines = []
        self.refused = []

    def add(self, fn, args, options, out, order=2, after=None, **flags):
        """
        fn: our name; args, options: our call; out: PyTorch's tensor or tuple of tensors;
        order: how many orders of gradients to record, up to 3; after: {option: tensor} as the call leaves it;
        flags: method=True (called as x.fn(...)), only64=True, dense=True (contiguous inputs only),
        scale='element', tol32/tol32grad/tol32second (relative errors allowed in float32).
        """
        outs = list(out) if isinstance(out, (tuple, list)) else [out]
        case = {'fn': fn, 'args': list(args)}
        if options:
            case['options'] = options
        case['out'] = [o.detach() if isinstance(o, torch.Tensor) else o for o in outs]
        case.update(flags)
        if after:
            case['after'] = after
        leaves = leaves_of(args, options)
        live = [o for o in outs if isinstance(o, torch.Tensor) and o.requires_grad]
        if order > 0 and leaves and live:
            self.differentiate(case, fn, leaves, outs, order)
        self.lines.append(encode(case))

    def differentiate(self, case, fn, leaves, outs, order):
        inputs = [t for _, t in leaves]
        weights = [plain(*o.shape, low=-1, high=1) if o.requires_grad else None for o in outs]
        total = sum((o * v).sum() for o, v in zip(outs, weights) if v is not None)
        grads = torch.autograd.grad(total, inputs, create_graph=order > 1, allow_unused=True, retain_graph=True)
        case['v'] = weights
        case['grads'] = {p: torch.zeros_like(t) if g is None else g.detach() for (p, t), g in zip(leaves, grads)}
        for level, (weight_name, name) in enumerate((('u', 'second'), ('w', 'third')), 2):
            if level > order:
                return
            us = [plain(*t.shape, low=-1, high=1) for t in inputs]
            terms = [(g * u).sum() for g, u in zip(grads, us) if g is not None and g.requires_grad]
            grads = [None] * len(inputs)
            if terms:
                try:
                    grads = torch.autograd.grad(sum(terms), inputs, create_graph=level < order, allow_unused=True)
                except RuntimeError as error:
                    self.refused.append('%s, order %d: %s' % (fn, level, str(error).split('\n')[0]))
                    return
            case[weight_name] = {p: u for (p, _), u in zip(leaves, us)}
            case[name] = {p: torch.zeros_like(t) if g is None else g.detach() for (p, t), g in zip(leaves, grads)}

    def put(self, case):
        """A case of another form than a call."""
        self.lines.append(encode(case))

    def write(self):
        os.makedirs(DATA, exist_ok=True)
        path = os.path.join(DATA, self.family + '.jsonl.gz')
        with open(path, 'wb') as raw, gzip.GzipFile('', 'wb', 9, raw, mtime=0) as file:
            file.write(('\n'.join(self.lines) + '\n').encode())
        print('%-16s %5d cases %8d bytes' % (self.family, len(self.lines), os.path.getsize(path)))
        for line in sorted(set(self.refused)):
            print('    PyTorch refuses', line[:120])
