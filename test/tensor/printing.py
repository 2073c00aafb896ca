"""Writes test/tensor/printing.golden.json: how NumPy prints arrays. Run with Python and NumPy."""

import json
import os

import numpy as np

rows = {
    'whole': [1, 2, 3], 'mixed': [1.5, -2.25, 100], 'signs': [-1, 0, 1], 'negative zero': [-0.5, 0, 2], 'one': [5],
    'small': [1e-5, 1], 'large': [1e8, 1], 'wide': [1, 1234567], 'thirds': [1 / 3, 2 / 3, 10 / 3], 'tiny': [1e-30, 2e-30],
    'matrix': [[1, 2], [3, 4.5]], 'cube': [[[1, 2], [3, 4]], [[5, 6], [7, 8]]], 'empty': [],
    'matrix of columns': [[1, -10, 100], [0.25, 5, -6]], 'millions': [1234567, 7654321], 'long': list(range(40)),
    'tenths': [0.1, 0.2, 0.3], 'spread': [0.001, 1000], 'ratio': [0.001, 1.001], 'huge': [3e38, -1e38], 'scalar': 3, 'scalar part': 0.1,
    'scalar small': 1e-5, 'scalar third': 1 / 3, 'scalar product': 1.25e-7, 'scalar huge': 1.5e20, 'four axes': [[[[1], [2]]], [[[3], [4]]]],
}
special = {'not numbers': [np.nan, 1, np.inf], 'all infinite': [np.inf, -np.inf], 'half infinite': [0.5, -np.inf]}
ranges = {'1000': [1000], '1001': [1001], 'abridged matrix': [40, 30], 'abridged rows': [2000, 2], 'abridged cube': [11, 11, 11]}


def texts(dtype):
    return {
        'rows': {name: [value, str(np.array(value, dtype)[()])] for name, value in rows.items()},
        'special': {name: [[str(v) for v in value], str(np.array(value, dtype))] for name, value in special.items()},
        'ranges': {name: [shape, str(np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape))] for name, shape in ranges.items()},
    }


golden = {'float32': texts('float32'), 'float64': texts('float64')}
with open(os.path.join(os.path.dirname(__file__), 'printing.golden.json'), 'w') as f:
    json.dump(golden, f, indent=1)
