"""Layers, optimizers and schedules built from the same description that the library's side reads."""

import re

import torch
from torch import nn

RENAMED = {'Dense': 'Linear'}
PYTORCH = {'t0': 'T_0', 'tMult': 'T_mult', 'tMax': 'T_max'}


def snake(options):
    """Our option names as PyTorch's."""
    return {PYTORCH.get(k) or re.sub('[A-Z]', lambda m: '_' + m[0].lower(), k): tuple(v) if k == 'betas' else v
            for k, v in options.items()}


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


CONTAINERS = {'Sequential': nn.Sequential, 'Residual': Residual}


def layer(spec):
    """['Conv2d', [1, 4, 3], {'padding': 1}], or ['Residual', [spec, ...]]."""
    name, args, options = (*spec, {})[:3]
    if name in CONTAINERS:
        return CONTAINERS[name](*[layer(s) for s in args])
    return getattr(nn, RENAMED.get(name, name))(*args, **snake(options))


def state_of(module):
    return {name: t.detach().clone().double() for name, t in module.state_dict().items()}


def optimizer(spec, module):
    """{'name', 'options', 'groups'?: [{'names': [...], options...}]}."""
    parameters = dict(module.named_parameters())
    groups = list(parameters.values())
    if 'groups' in spec:
        groups = [{'params': [parameters[n] for n in g['names']], **snake({k: v for k, v in g.items() if k != 'names'})}
                  for g in spec['groups']]
    return getattr(torch.optim, spec['name'])(groups, **snake(spec['options']))


def schedule(spec, optim):
    return getattr(torch.optim.lr_scheduler, spec['name'])(optim, **snake(spec['options']))
