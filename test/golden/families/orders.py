"""Third gradients of whatever is not linear, alone and in small programs."""

import torch
import torch.nn.functional as F

from cases import distinct, labels, leaf, plain


def functions(book):
    def add(name, args, out, **options):
        book.add(name, args, options, out, order=3)

    for name, f, low, high in (('exp', torch.exp, -2, 2), ('log', torch.log, 0.25, 3), ('sqrt', torch.sqrt, 0.25, 3),
                               ('rsqrt', torch.rsqrt, 0.25, 3), ('sin', torch.sin, -3, 3), ('cos', torch.cos, -3, 3),
                               ('erf', torch.erf, -2, 2), ('tanh', torch.tanh, -2, 2), ('sigmoid', torch.sigmoid, -3, 3),
                               ('square', torch.square, -2, 2), ('silu', F.silu, -3, 3), ('softplus', F.softplus, -3, 3),
                               ('reciprocal', torch.reciprocal, 0.25, 2), ('expm1', torch.expm1, -1, 1)):
        x = leaf(2, 3, low=low, high=high)
        y = x * torch.sigmoid(x) if name == 'silu' else torch.log(1 + torch.exp(x)) if name == 'softplus' else f(x)
        add(name, [x], y)
    x = leaf(5)
    add('gelu', [x], 0.5 * x * (1 + torch.erf(x / 2 ** 0.5)))
    for a_shape, b_shape in (((2, 3), (3,)), ((2, 1), (1, 3))):
        a, b = leaf(*a_shape), leaf(*b_shape, low=0.25)
        add('div', [a, b], a / b)
        a, b = leaf(*a_shape, low=0.25), leaf(*b_shape)
        add('pow', [a, b], torch.pow(a, b))
        add('mul', [a, b], a * b)
    for axis in (0, 1):
        x = leaf(3, 4)
        add('softmax', [x, axis], torch.softmax(x, axis))
        add('logSoftmax', [x, axis], torch.log_softmax(x, axis))
        x = leaf(3, 4)
        add('logSumExp', [x, axis], x.exp().sum(axis).log())
        add('norm', [x, axis], (x * x).sum(axis).sqrt())
        add('variance', [x, axis], x.var(axis))
        add('std', [x, axis], ((x - x.mean(axis, keepdim=True)) ** 2).sum(axis).div(x.shape[axis] - 1).sqrt())
        add('prod', [x, axis], x[0] * x[1] * x[2] if axis == 0 else x[:, 0] * x[:, 1] * x[:, 2] * x[:, 3])


def normalized(x, axes, eps=1e-5):
    centered = x - x.mean(axes, keepdim=True)
    return centered / ((centered * centered).mean(axes, keepdim=True) + eps).sqrt()


def norms_and_losses(book):
    """Written out, since PyTorch's own gradients end at the second."""
    x, w, b = leaf(3, 2, 2), leaf(2), leaf(2)
    y = normalized(x, [0, 2]) * w[:, None] + b[:, None]
    assert torch.allclose(y, F.batch_norm(x, None, None, w, b, True))
    book.add('batchNorm', [x], {'training': True, 'weight': w, 'bias': b}, y, order=3)
    x, w = leaf(2, 4), leaf(4)
    book.add('layerNorm', [x, [4]], {'weight': w}, normalized(x, [1]) * w, order=3)
    x = leaf(1, 4, 2)
    book.add('groupNorm', [x, 2], {}, normalized(x.reshape(1, 2, 4), [2]).reshape(1, 4, 2), order=3)
    x, t = leaf(3, 4), labels(3, classes=4)
    book.add('crossEntropy', [x, t], {}, F.cross_entropy(x, t), order=3)
    x, t = leaf(2, 3), plain(2, 3, low=0, high=1)
    y = (torch.log(1 + torch.exp(x)) - t * x).mean()
    book.add('bceWithLogitsLoss', [x, t], {}, y, order=3)
    x, t = leaf(2, 3, low=0.125, high=0.875), plain(2, 3, low=0, high=1)
    book.add('bceLoss', [x, t], {}, -(t * x.log() + (1 - t) * (1 - x).log()).mean(), order=3)
    x, t = leaf(4), leaf(4)
    book.add('mseLoss', [x, t], {}, ((x - t) ** 2).mean(), order=3)


def linear_maps(book):
    """Bilinear, so the third gradient is 0 but for what mixes the inputs: it must exist all the same."""
    a, b = leaf(2, 3), leaf(3, 2)
    book.add('matmul', [a, b], {}, a @ b, order=3)
    for name, f, size in (('conv1d', F.conv1d, (4,)), ('conv2d', F.conv2d, (3, 4)), ('conv3d', F.conv3d, (2, 3, 3))):
        x, w, bias = leaf(1, 2, *size), leaf(2, 2, *[2] * len(size)), leaf(2)
        book.add(name, [x, w], {'bias': bias, 'padding': 1, 'stride': 2}, f(x, w, bias, 2, 1), order=3)
    x = distinct(1, 1, 4, 4)
    book.add('maxPool2d', [x, 2], {}, F.max_pool2d(x, 2), order=3)


def fill(book):
    functions(book)
    norms_and_losses(book)
    linear_maps(book)
