"""Every loss with every option; extreme logits; targets with spatial axes."""

import itertools

import torch
import torch.nn.functional as F

from cases import given, labels, leaf, plain

REDUCTIONS = (None, 'mean', 'sum', 'none')
INF = float('inf')


def named(**options):
    return {k: v for k, v in options.items() if v is not None}


def soft(*shape):
    """Probabilities along axis 1, not quite on the grid."""
    return torch.softmax(plain(*shape), 1 if len(shape) > 1 else 0)


def cross_entropy(book):
    shapes = [((3, 4), (3,)), ((2, 3, 4), (2, 4)), ((2, 3, 2, 2), (2, 2, 2)), ((2, 2, 2, 1, 2), (2, 2, 1, 2)), ((4,), ()),
              ((1, 5), (1,)), ((5, 1), (5,))]
    for (shape, target_shape), reduction, weighted, smoothing, ignore in itertools.product(
            shapes, REDUCTIONS, (False, True), (None, 0.1), (None, 1, -1)):
        classes = shape[1] if len(shape) > 1 else shape[0]
        if ignore is not None and (classes < 3 or shape == (4,) or reduction is None):
            continue
        x, target = leaf(*shape, low=-3, high=3), labels(*target_shape, classes=classes)
        w = plain(classes, low=0.25, high=2) if weighted else None
        if ignore is not None:
            target.view(-1)[0] = ignore
            target.view(-1)[-1] = (ignore + 2) % classes
        y = F.cross_entropy(x, target, w, ignore_index=-100 if ignore is None else ignore, reduction=reduction or 'mean',
                            label_smoothing=smoothing or 0.0)
        book.add('crossEntropy', [x, target],
                 named(weight=w, reduction=reduction, labelSmoothing=smoothing, ignoreIndex=ignore), y)
        if smoothing is None:
            book.add('nllLoss', [x, target], named(weight=w, reduction=reduction, ignoreIndex=ignore),
                     F.nll_loss(x, target, w, ignore_index=-100 if ignore is None else ignore, reduction=reduction or 'mean'))
    for shape, reduction, weighted, smoothing in itertools.product(
            ((3, 4), (2, 3, 2), (2, 3, 2, 2), (4,)), REDUCTIONS, (False, True), (None, 0.2)):
        x, target = leaf(*shape, low=-3, high=3), soft(*shape)
        w = plain(shape[1] if len(shape) > 1 else shape[0], low=0.25, high=2) if weighted else None
        y = F.cross_entropy(x, target, w, reduction=reduction or 'mean', label_smoothing=smoothing or 0.0)
        book.add('crossEntropy', [x, target], named(weight=w, reduction=reduction, labelSmoothing=smoothing), y)
    for logits, target in (([1e4, -1e4, 0.0], 0), ([1e4, -1e4, 0.0], 1), ([-1e4, -1e4, -1e4], 2), ([1e4, 1e4, 1e4], 0)):
        for smoothing in (None, 0.1):
            x, t = given([logits]), torch.tensor([target])
            y = F.cross_entropy(x, t, label_smoothing=smoothing or 0.0)
            book.add('crossEntropy', [x, t], named(labelSmoothing=smoothing), y)
    x, target = given([[1e4, -1e4, 3.0]]), torch.tensor([[0.2, 0.3, 0.5]])
    book.add('crossEntropy', [x, target], {}, F.cross_entropy(x, target))
    x, target = leaf(3, 4, full=True), torch.tensor([-100, 2, 1])
    book.add('crossEntropy', [x, target], {}, F.cross_entropy(x, target))


def regression(book):
    for shape, reduction, full in itertools.product(((4,), (2, 3), (2, 1, 3), ()), REDUCTIONS, (False, True)):
        def both():
            return leaf(*shape, full=full), leaf(*shape, full=full)
        def loss(name, f, **options):
            x, t = both()
            book.add(name, [x, t], named(reduction=reduction, **options), f(x, t, reduction or 'mean'))
        loss('mseLoss', lambda x, t, r: F.mse_loss(x, t, reduction=r))
        loss('l1Loss', lambda x, t, r: F.l1_loss(x, t, reduction=r))
        for beta in (None, 0.5, 2):
            loss('smoothL1Loss', lambda x, t, r: F.smooth_l1_loss(x, t, reduction=r, beta=beta or 1.0), beta=beta)
        for delta in (None, 0.5, 2):
            loss('huberLoss', lambda x, t, r: F.huber_loss(x, t, reduction=r, delta=delta or 1.0), delta=delta)
    x, t = given([0.0, 1.0, -1.0, 2.5]), given([0.0, 0.0, 0.0, 2.5])
    for name, f in (('l1Loss', F.l1_loss), ('smoothL1Loss', F.smooth_l1_loss), ('huberLoss', F.huber_loss), ('mseLoss', F.mse_loss)):
        book.add(name, [x, t], {}, f(x, t), order=1)
    x, t = given([1e4, -1e4]), given([-1e4, 1e4])
    for name, f in (('mseLoss', F.mse_loss), ('l1Loss', F.l1_loss), ('smoothL1Loss', F.smooth_l1_loss), ('huberLoss', F.huber_loss)):
        book.add(name, [x, t], {}, f(x, t))


def binary(book):
    for shape, reduction, weighted in itertools.product(((4,), (2, 3), (2, 1, 2)), REDUCTIONS, (False, True)):
        w = plain(shape[-1], low=0.25, high=2) if weighted else None
        x, t = leaf(*shape, low=0.125, high=0.875), plain(*shape, low=0, high=1)
        book.add('bceLoss', [x, t], named(reduction=reduction, weight=w), F.binary_cross_entropy(x, t, w, reduction=reduction or 'mean'))
        hard = plain(*shape, low=0, high=1).round()
        book.add('bceLoss', [x, hard], named(reduction=reduction, weight=w), F.binary_cross_entropy(x, hard, w, reduction=reduction or 'mean'))
        for positive in (False, True):
            p = plain(shape[-1], low=0.25, high=3) if positive else None
            x = leaf(*shape, low=-4, high=4)
            y = F.binary_cross_entropy_with_logits(x, t, w, reduction=reduction or 'mean', pos_weight=p)
            book.add('bceWithLogitsLoss', [x, t], named(reduction=reduction, weight=w, posWeight=p), y)
    x, t = given([1e4, -1e4, 1e4, -1e4, 50.0]), given([1.0, 1.0, 0.0, 0.0, 0.5], grad=False)
    for reduction in ('mean', 'none'):
        book.add('bceWithLogitsLoss', [x, t], {'reduction': reduction},
                 F.binary_cross_entropy_with_logits(x, t, reduction=reduction))
    p = plain(2, low=0.5, high=2)
    x, t = given([[1e4, -1e4], [-1e4, 1e4]]), given([[1.0, 1.0], [0.0, 0.0]], grad=False)
    book.add('bceWithLogitsLoss', [x, t], {'posWeight': p}, F.binary_cross_entropy_with_logits(x, t, pos_weight=p))
    x, t = given([0.0, 1.0, 0.0, 1.0]), given([0.0, 1.0, 1.0, 0.0], grad=False)
    book.add('bceLoss', [x, t], {'reduction': 'none'}, F.binary_cross_entropy(x, t, reduction='none'), order=0)


def divergence(book):
    for shape, reduction, log in itertools.product(((2, 3), (2, 2, 2), (3,)), REDUCTIONS + ('batchmean',), (None, True)):
        x = (leaf(*shape, low=-4, high=-0.25))
        t = plain(*shape, low=-4, high=-0.25) if log else soft(*shape)
        t = t.detach().requires_grad_(True)
        y = F.kl_div(x, t, reduction=reduction or 'mean', log_target=bool(log))
        book.add('klDivLoss', [x, t], named(reduction=reduction, logTarget=log), y)
    x, t = leaf(3, low=-3, high=-1), given([0.0, 1.0, 0.0], grad=False)
    book.add('klDivLoss', [x, t], {'reduction': 'sum'}, F.kl_div(x, t, reduction='sum'))
    for shape, reduction, full, eps in itertools.product(((4,), (2, 3)), REDUCTIONS, (None, True), (None, 0.5)):
        x, t, var = leaf(*shape), leaf(*shape), leaf(*shape, low=0.25, high=2)
        y = F.gaussian_nll_loss(x, t, var, full=bool(full), eps=eps or 1e-6, reduction=reduction or 'mean')
        book.add('gaussianNllLoss', [x, t, var], named(reduction=reduction, full=full, eps=eps), y)
    x, t, var = leaf(2, 3), leaf(2, 3), leaf(2, 1, low=0.25, high=2)
    book.add('gaussianNllLoss', [x, t, var], {}, F.gaussian_nll_loss(x, t, var))


def reduced(y, reduction):
    return {'none': lambda: y, 'sum': y.sum}.get(reduction, y.mean)()


def margins(book):
    for shape, reduction in itertools.product(((5,), (2, 3)), REDUCTIONS):
        x, sign = leaf(*shape), plain(*shape).sign()
        # Not in PyTorch: max(0, 1 - target · prediction), its binary hinge.
        book.add('hingeLoss', [x, sign], named(reduction=reduction), reduced(F.relu(1 - sign * x), reduction))
        for margin in (None, 0.5):
            x = leaf(*shape)
            y = F.hinge_embedding_loss(x, sign, margin or 1.0, reduction=reduction or 'mean')
            book.add('hingeEmbeddingLoss', [x, sign], named(reduction=reduction, margin=margin), y)
    for n, reduction, p, margin, weighted in itertools.product((None, 1, 3), REDUCTIONS, (None, 2), (None, 0.5), (False, True)):
        x = leaf(*([4] if n is None else [n, 4]))
        t = labels(*([] if n is None else [n]), classes=4)
        w = plain(4, low=0.25, high=2) if weighted else None
        y = F.multi_margin_loss(x, t, p or 1, margin or 1.0, w, reduction=reduction or 'mean')
        rows, index = x.reshape(-1, 4), t.reshape(-1, 1)
        gap = F.relu((margin or 1.0) - rows.gather(1, index) + rows) ** (p or 1)
        gap = gap * (w[index] if weighted else 1.0)
        own = (gap.masked_fill(F.one_hot(index[:, 0], 4).bool(), 0.0)).sum(1) / 4
        own = reduced(own.reshape(t.shape), reduction)
        assert torch.allclose(own, y, rtol=1e-13), 'the composition (PyTorch has no second derivative) agrees'
        book.add('multiMarginLoss', [x, t], named(reduction=reduction, p=p, margin=margin, weight=w), own)


def fill(book):
    cross_entropy(book)
    regression(book)
    binary(book)
    divergence(book)
    margins(book)
