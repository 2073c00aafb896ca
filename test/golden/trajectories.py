#!/usr/bin/python3
"""Makes data/layers, data/schedules and data/trajectories: modules with their initial shapes, learning rates step by
step, and whole training runs (losses of every step and final weights) in float64.

    /usr/bin/python3 test/golden/trajectories.py
"""

import math
import warnings

import torch
import torch.nn.functional as F

from cases import Book, plain
from models import layer, optimizer, schedule, state_of

LAYER_CASES = [
    (['Dense', [12, 10]], (3, 12)), (['Dense', [12, 8], {'bias': False}], (2, 12)), (['Dense', [3, 2]], (2, 4, 3)),
    (['Conv1d', [3, 8, 5]], (2, 3, 9)), (['Conv1d', [4, 8, 3], {'groups': 2, 'bias': False, 'stride': 2}], (1, 4, 7)),
    (['Conv1d', [2, 4, 2], {'padding': 'same', 'paddingMode': 'circular'}], (2, 2, 6)),
    (['Conv2d', [3, 8, 3], {'padding': 1}], (2, 3, 4, 4)), (['Conv2d', [2, 4, [3, 2]], {'dilation': [1, 2], 'stride': [2, 1]}], (1, 2, 7, 6)),
    (['Conv2d', [2, 4, 3], {'padding': 1, 'paddingMode': 'reflect'}], (1, 2, 4, 5)),
    (['Conv2d', [2, 4, 3], {'padding': [1, 2], 'paddingMode': 'replicate', 'groups': 2}], (1, 2, 4, 5)),
    (['Conv3d', [2, 3, 2]], (1, 2, 3, 3, 3)), (['Conv3d', [1, 4, [1, 3, 2]], {'padding': 1}], (1, 1, 2, 3, 3)),
    (['ConvTranspose1d', [3, 4, 3], {'stride': 2, 'outputPadding': 1}], (2, 3, 4)),
    (['ConvTranspose2d', [4, 6, 3], {'stride': 2, 'padding': 1, 'groups': 2}], (1, 4, 3, 3)),
    (['ConvTranspose3d', [2, 2, 2], {'bias': False, 'dilation': 2}], (1, 2, 2, 2, 2)),
    (['MaxPool1d', [2]], (1, 2, 7)), (['MaxPool2d', [3], {'stride': 2, 'padding': 1}], (1, 2, 6, 5)),
    (['MaxPool2d', [2], {'ceilMode': True}], (1, 2, 5, 5)), (['MaxPool3d', [2]], (1, 1, 4, 4, 4)), (['AvgPool1d', [2]], (1, 2, 7)),
    (['AvgPool2d', [2], {'padding': 1, 'countIncludePad': False}], (1, 2, 4, 4)), (['AvgPool3d', [2]], (1, 1, 4, 4, 4)),
    (['AdaptiveAvgPool1d', [3]], (1, 2, 7)), (['AdaptiveAvgPool2d', [1]], (2, 3, 4, 5)), (['AdaptiveAvgPool3d', [2]], (1, 1, 3, 4, 5)),
    (['Flatten', []], (2, 3, 4)), (['ReLU', []], (2, 3)), (['Sigmoid', []], (2, 3)), (['Tanh', []], (2, 3)),
    (['LeakyReLU', [], {'negativeSlope': 0.2}], (2, 3)), (['ELU', [], {'alpha': 0.5}], (2, 3)), (['GELU', []], (2, 3)),
    (['GELU', [], {'approximate': 'tanh'}], (2, 3)), (['SiLU', []], (2, 3)), (['Softplus', []], (2, 3)), (['Hardswish', []], (2, 3)),
    (['BatchNorm1d', [4]], (5, 4)), (['BatchNorm1d', [3]], (2, 3, 5)), (['BatchNorm2d', [3], {'momentum': 0.3, 'eps': 1e-3}], (2, 3, 2, 3)),
    (['BatchNorm2d', [2], {'momentum': None}], (3, 2, 2, 2)), (['BatchNorm2d', [2], {'affine': False}], (3, 2, 2, 2)),
    (['BatchNorm2d', [2], {'trackRunningStats': False}], (3, 2, 2, 2)), (['BatchNorm3d', [2]], (2, 2, 2, 2, 2)),
    (['LayerNorm', [6]], (2, 6)), (['LayerNorm', [[3, 4]], {'eps': 1e-3}], (2, 3, 4)), (['GroupNorm', [2, 4]], (2, 4, 3)),
    (['GroupNorm', [3, 6], {'eps': 1e-3}], (2, 6, 2, 2)),
    (['Residual', [['Conv2d', [2, 2, 3], {'padding': 1}], ['ReLU', []]]], (1, 2, 4, 4)),
    (['Sequential', [['Dense', [4, 5]], ['Sequential', [['ReLU', []], ['Dense', [5, 2]]]]]], (3, 4)),
    (['Dense', [200, 100]], None), (['Conv2d', [16, 32, 3]], None), (['Conv1d', [32, 32, 5], {'groups': 4}], None),
    (['Conv3d', [8, 16, 3]], None), (['ConvTranspose2d', [16, 32, 3]], None), (['ConvTranspose1d', [16, 32, 5], {'groups': 2}], None),
]


def initial(module):
    """Name: [shape, bound of the uniform distribution], or [shape, value] of a constant one."""
    found = {}
    for name, t in module.state_dict().items():
        values = t.double()
        constant = t.numel() > 0 and bool((values == values.reshape(-1)[0]).all()) and t.numel() != 1 or name.endswith('tracked')
        owner = module.get_submodule(name.rpartition('.')[0])
        if constant:
            found[name] = {'shape': list(t.shape), 'value': values.reshape(-1)[0].item()}
        else:
            fan = torch.nn.init._calculate_fan_in_and_fan_out(owner.weight)[0]
            assert values.abs().max() <= 1 / math.sqrt(fan)
            found[name] = {'shape': list(t.shape), 'bound': 1 / math.sqrt(fan)}
    return found


def layers():
    book = Book('layers')
    for spec, shape in LAYER_CASES:
        module = layer(spec)
        case = {'layer': spec, 'initial': initial(module)}
        if shape is not None:
            case['state'] = state_of(module)
            case['batches'] = [plain(*shape) for _ in range(2)]
            case['training'] = [module(x).detach() for x in case['batches']]
            case['after'] = state_of(module)
            module.eval()
            case['evaluation'] = module(case['batches'][0]).detach()
        book.put(case)
    book.write()


SGD = {'name': 'SGD', 'options': {'lr': 0.1}}
MOMENTUM = {'name': 'SGD', 'options': {'lr': 0.1, 'momentum': 0.9}}
ADAM = {'name': 'Adam', 'options': {'lr': 0.1}}
GROUPS = {'name': 'SGD', 'options': {'lr': 0.5}, 'groups': [{'names': ['0.weight'], 'lr': 0.1}, {'names': ['0.bias']}]}
BOTH = {'name': 'SGD', 'options': {'lr': 0.5, 'momentum': 0.8}, 'groups': [{'names': ['0.weight'], 'lr': 0.1}, {'names': ['0.bias']}]}
PLATEAU = [1.0, 0.9, 0.95, 0.95, 0.9, 0.91, 0.92, 0.5, 0.50004, 0.49999, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.2, 0.3, 0.3]
SCHEDULE_CASES = [
    ('StepLR', {'stepSize': 3}), ('StepLR', {'stepSize': 4, 'gamma': 0.5}), ('StepLR', {'stepSize': 1, 'gamma': 0.9}),
    ('MultiStepLR', {'milestones': [2, 5, 11]}), ('MultiStepLR', {'milestones': [1, 3, 3, 8], 'gamma': 0.5}),
    ('ExponentialLR', {'gamma': 0.9}), ('CosineAnnealingLR', {'tMax': 10}), ('CosineAnnealingLR', {'tMax': 7, 'etaMin': 0.01}),
    ('CosineAnnealingWarmRestarts', {'t0': 4}), ('CosineAnnealingWarmRestarts', {'t0': 3, 'tMult': 2, 'etaMin': 0.005}),
    ('CosineAnnealingWarmRestarts', {'t0': 1, 'tMult': 3}), ('LinearLR', {}), ('LinearLR', {'startFactor': 0.1, 'totalIters': 8}),
    ('LinearLR', {'startFactor': 1.0, 'endFactor': 0.2, 'totalIters': 6}), ('OneCycleLR', {'maxLr': 1.0, 'totalSteps': 25}),
    ('OneCycleLR', {'maxLr': 0.5, 'totalSteps': 25, 'pctStart': 0.5, 'annealStrategy': 'linear', 'divFactor': 10, 'finalDivFactor': 100}),
    ('OneCycleLR', {'maxLr': 0.5, 'totalSteps': 30, 'threePhase': True}),
    ('OneCycleLR', {'maxLr': 0.5, 'totalSteps': 30, 'baseMomentum': 0.8, 'maxMomentum': 0.9, 'threePhase': True, 'pctStart': 0.25}),
    ('OneCycleLR', {'maxLr': 0.5, 'totalSteps': 22, 'cycleMomentum': False}),
    ('OneCycleLR', {'maxLr': 0.5, 'epochs': 5, 'stepsPerEpoch': 5}),
    ('ReduceLROnPlateau', {}), ('ReduceLROnPlateau', {'patience': 2}), ('ReduceLROnPlateau', {'patience': 1, 'factor': 0.5, 'cooldown': 2}),
    ('ReduceLROnPlateau', {'patience': 0, 'minLr': 0.001}), ('ReduceLROnPlateau', {'mode': 'max', 'patience': 1}),
    ('ReduceLROnPlateau', {'patience': 1, 'threshold': 0.01, 'thresholdMode': 'abs'}),
    ('ReduceLROnPlateau', {'mode': 'max', 'patience': 1, 'threshold': 0.05, 'thresholdMode': 'abs', 'factor': 0.3}),
    ('ReduceLROnPlateau', {'patience': 0, 'eps': 1e-3, 'factor': 0.3}),
]
PER_GROUP = [('OneCycleLR', {'maxLr': [0.5, 1.0], 'totalSteps': 20}), ('ReduceLROnPlateau', {'patience': 0, 'minLr': [0.01, 0.2]})]


def read_groups(optim):
    rows = []
    for group in optim.param_groups:
        row = {'lr': float(group['lr'])}
        if 'momentum' in group:
            row['momentum'] = float(group['momentum'])
        if 'betas' in group:
            row['betas'] = [float(b) for b in group['betas']]
        rows.append(row)
    return rows


def follow(name, options, spec):
    optim = optimizer(spec, layer(['Sequential', [['Dense', [2, 1]]]]))
    steps = 20 if name != 'OneCycleLR' else options.get('totalSteps', 25) - 1
    plan = schedule({'name': name, 'options': options}, optim)
    rows = [read_groups(optim)]
    for i in range(steps):
        optim.step()
        if name == 'ReduceLROnPlateau':
            plan.step(PLATEAU[i])
        else:
            plan.step()
        rows.append(read_groups(optim))
    case = {'schedule': name, 'options': options, 'optimizer': spec, 'rows': rows}
    if name == 'ReduceLROnPlateau':
        case['metrics'] = PLATEAU[:steps]
    return case


def schedules():
    book = Book('schedules')
    for name, options in SCHEDULE_CASES:
        for spec in (SGD, MOMENTUM, ADAM, GROUPS, BOTH):
            if name == 'OneCycleLR' and options.get('cycleMomentum', True) and spec in (SGD, GROUPS):
                continue  # PyTorch asks for momentum there.
            book.put(follow(name, options, spec))
    for name, options in PER_GROUP:
        book.put(follow(name, options, BOTH))
    book.write()


# No bias before a norm of single channels: its gradient is 0 but for rounding, which Adam would blow up.
DENSE = (['Sequential', [['Dense', [4, 6]], ['Tanh', []], ['Dense', [6, 3]]]], (8, 4), 3)
CONV1 = (['Sequential', [['Conv1d', [2, 3, 3], {'padding': 1, 'bias': False}], ['BatchNorm1d', [3]], ['ReLU', []], ['MaxPool1d', [2]], ['Flatten', []],
                         ['Dense', [9, 3]]]], (6, 2, 6), 3)
CONV2 = (['Sequential', [['Conv2d', [1, 3, 3], {'padding': 1, 'bias': False}], ['BatchNorm2d', [3]], ['ReLU', []], ['MaxPool2d', [2]],
                         ['Conv2d', [3, 4, 2], {'stride': 2, 'groups': 1}], ['ELU', []], ['Flatten', []], ['Dense', [4, 3]]]], (6, 1, 5, 5), 3)
CONV3 = (['Sequential', [['Conv3d', [1, 2, 2], {'bias': False}], ['GroupNorm', [2, 2]], ['SiLU', []], ['AvgPool3d', [2]], ['Flatten', []],
                         ['Dense', [2, 2]]]], (4, 1, 3, 3, 4), 2)
RESIDUAL = (['Sequential', [['Residual', [['Conv2d', [2, 2, 3], {'padding': 'same', 'paddingMode': 'reflect'}], ['GELU', []]]],
                            ['AdaptiveAvgPool2d', [1]], ['Flatten', []], ['LayerNorm', [2]], ['Dense', [2, 2]]]], (4, 2, 4, 4), 2)
UP = (['Sequential', [['ConvTranspose1d', [2, 3, 3], {'stride': 2}], ['Sigmoid', []], ['Flatten', []], ['Dense', [21, 2]]]], (4, 2, 3), 2)
MODELS = {'dense': DENSE, 'conv1d': CONV1, 'conv2d': CONV2, 'conv3d': CONV3, 'residual': RESIDUAL, 'transposed': UP}

OPTIMIZERS = [
    ('SGD', {'lr': 0.1}), ('SGD', {'lr': 0.1, 'momentum': 0.9}), ('SGD', {'lr': 0.1, 'momentum': 0.9, 'nesterov': True}),
    ('SGD', {'lr': 0.05, 'momentum': 0.8, 'dampening': 0.5}), ('SGD', {'lr': 0.05, 'weightDecay': 0.1}),
    ('SGD', {'lr': 0.05, 'momentum': 0.9, 'weightDecay': 0.01, 'nesterov': True}),
    ('SGD', {'lr': 0.05, 'momentum': 0.7, 'dampening': 0.3, 'weightDecay': 0.02}),
    ('Adam', {'lr': 0.02}), ('Adam', {'lr': 0.02, 'betas': [0.8, 0.95], 'eps': 1e-4}), ('Adam', {'lr': 0.02, 'weightDecay': 0.1}),
    ('Adam', {'lr': 0.02, 'amsgrad': True}), ('Adam', {'lr': 0.02, 'amsgrad': True, 'weightDecay': 0.05, 'betas': [0.5, 0.6]}),
    ('Adam', {}), ('AdamW', {'lr': 0.02}), ('AdamW', {'lr': 0.02, 'weightDecay': 0.3}), ('AdamW', {}),
    ('AdamW', {'lr': 0.02, 'amsgrad': True, 'betas': [0.5, 0.6], 'eps': 1e-3}),
    ('RMSprop', {'lr': 0.01}), ('RMSprop', {'lr': 0.01, 'alpha': 0.8, 'eps': 1e-4}), ('RMSprop', {'lr': 0.01, 'centered': True}),
    ('RMSprop', {'lr': 0.01, 'momentum': 0.9}), ('RMSprop', {'lr': 0.01, 'momentum': 0.5, 'centered': True, 'weightDecay': 0.1}),
    ('RMSprop', {}), ('Adagrad', {'lr': 0.1}), ('Adagrad', {'lr': 0.1, 'lrDecay': 0.1}), ('Adagrad', {}),
    ('Adagrad', {'lr': 0.1, 'initialAccumulatorValue': 0.5, 'weightDecay': 0.1, 'eps': 1e-3}),
]
PER_STEP = [('StepLR', {'stepSize': 4, 'gamma': 0.5}), ('MultiStepLR', {'milestones': [3, 6]}), ('ExponentialLR', {'gamma': 0.9}),
            ('CosineAnnealingLR', {'tMax': 8, 'etaMin': 0.001}), ('CosineAnnealingWarmRestarts', {'t0': 3, 'tMult': 2}),
            ('OneCycleLR', {'maxLr': 0.2, 'totalSteps': 13}), ('LinearLR', {'startFactor': 0.2, 'totalIters': 5}),
            ('ReduceLROnPlateau', {'patience': 0, 'factor': 0.5, 'threshold': 0.1})]


def train(model, optim_spec, steps=10, plan_spec=None, clip=None, loss='crossEntropy', loss_options=None, frozen=None):
    """One run: two batches in turn; a schedule steps after every optimizer step; some parameters may join in late."""
    spec, shape, classes = MODELS[model]
    module = layer(spec)
    case = {'model': model, 'layers': spec, 'optimizer': optim_spec, 'steps': steps, 'state': state_of(module), 'loss': loss}
    case.update({k: v for k, v in {'schedule': plan_spec, 'clip': clip, 'lossOptions': loss_options,
                                     'frozen': frozen}.items() if v})
    optim = optimizer(optim_spec, module)
    plan = schedule(plan_spec, optim) if plan_spec else None
    batches = [plain(*shape) for _ in range(2)]
    targets = [torch.randint(0, classes, shape[:1]) if loss == 'crossEntropy' else plain(shape[0], classes) for _ in range(2)]
    losses, rates, totals = [], [], []
    for i in range(steps):
        optim.zero_grad(set_to_none=True)
        for name in (frozen or {}).get('names', ()):
            module.get_parameter(name).requires_grad_(i >= frozen['until'])
        prediction = module(batches[i % 2])
        target = targets[i % 2]
        smoothing = (loss_options or {}).get('labelSmoothing', 0.0)
        value = F.cross_entropy(prediction, target, label_smoothing=smoothing) if loss == 'crossEntropy' else F.mse_loss(prediction, target)
        value.backward()
        if clip and 'norm' in clip:
            totals.append(torch.nn.utils.clip_grad_norm_(module.parameters(), clip['norm'], clip.get('normType', 2)).item())
        if clip and 'value' in clip:
            torch.nn.utils.clip_grad_value_(module.parameters(), clip['value'])
        rates.append(optim.param_groups[0]['lr'])
        optim.step()
        losses.append(value.item())
        if plan_spec and plan_spec['name'] == 'ReduceLROnPlateau':
            plan.step(value.item())
        elif plan:
            plan.step()
    module.eval()
    case.update(batches=batches, targets=targets, losses=losses, rates=rates, final=state_of(module),
                evaluation=module(batches[0]).detach())
    if totals:
        case['totals'] = totals
    return case


def trajectories():
    book = Book('trajectories')
    for name, options in OPTIMIZERS:
        for model in ('dense', 'conv2d'):
            book.put(train(model, {'name': name, 'options': options}, 15 if model == 'dense' else 10))
    for name in ('SGD', 'Adam', 'AdamW', 'RMSprop', 'Adagrad'):
        options = {'lr': 0.03}
        for model in ('conv1d', 'conv3d', 'residual', 'transposed'):
            book.put(train(model, {'name': name, 'options': options}, 12))
        for clip in ({'norm': 0.1}, {'norm': 1.0, 'normType': 1}, {'norm': 0.05, 'normType': float('inf')}, {'value': 0.02}, {'norm': 100}):
            book.put(train('conv1d', {'name': name, 'options': options}, 8, clip=clip))
        groups = [{'names': ['0.weight', '2.weight'], 'lr': 0.1, 'weightDecay': 0.05}, {'names': ['2.bias', '0.bias']}]
        book.put(train('dense', {'name': name, 'options': options, 'groups': groups}, 12))
        partly = [{'names': ['2.weight', '2.bias'], 'lr': 0.1}]
        book.put(train('dense', {'name': name, 'options': options, 'groups': partly}, 6))
        late = dict(options, momentum=0.9, dampening=0.5, weightDecay=0.1) if name == 'SGD' else options
        book.put(train('dense', {'name': name, 'options': late}, 8, frozen={'names': ['0.weight', '2.bias'], 'until': 3}))
        for plan, plan_options in PER_STEP:
            spec = {'name': name, 'options': dict(options, momentum=0.5) if name in ('SGD', 'RMSprop') else options}
            if plan == 'OneCycleLR' and name == 'Adagrad':
                plan_options = dict(plan_options, cycleMomentum=False)
            book.put(train('dense', spec, 12, {'name': plan, 'options': plan_options}))
    book.put(train('conv2d', {'name': 'Adam', 'options': {'lr': 0.01}}, 30, loss='mseLoss'))
    book.put(train('dense', {'name': 'SGD', 'options': {'lr': 0.1, 'momentum': 0.9}}, 30, loss_options={'labelSmoothing': 0.1}))
    book.put(train('conv3d', {'name': 'SGD', 'options': {'lr': 0.05, 'momentum': 0.9}}, 30, loss='mseLoss'))
    book.write()


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    torch.manual_seed(7)
    layers()
    schedules()
    trajectories()
