"""Writes test/io/npy.golden.json: files as NumPy and the safetensors layout have them, in base64. Run with Python and NumPy."""

import base64
import io
import json
import os
import struct

import numpy as np


def text(raw):
    return base64.b64encode(raw).decode()


def npy(array, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=version)
    return text(out.getvalue())


def entry(array, **more):
    return {'file': npy(array, **more), 'shape': list(array.shape), 'values': np.asarray(array, dtype=float).ravel().tolist()}


def npz(save, **arrays):
    out = io.BytesIO()
    save(out, **arrays)
    return text(out.getvalue())


rng = np.random.default_rng(1)
grid = np.arange(24).reshape(2, 3, 4) - 5
cases = {
    **{f'{kind}{np.dtype(kind).itemsize}': entry(grid.astype(kind)) for kind in ['<f8', '<f4', '<f2', '<i8', '<i4', '<i2', 'i1', '>f8', '>f4', '>i2']},
    **{kind: entry(np.abs(grid).astype(kind)) for kind in ['u1', '<u2', '<u4', '<u8']},
    'bool': entry(grid > 3),
    'fortran': entry(np.asfortranarray(grid.astype('<f4'))),
    'scalar': entry(np.float64(2.5).reshape(())),
    'empty': entry(np.zeros((3, 0), '<f4')),
    'vector': entry(np.array([1.5, -2.25], '<f4')),
    'version 2': entry(grid.astype('<f4'), version=(2, 0)),
    'version 3': entry(grid.astype('<f4'), version=(3, 0)),
    'halves': entry(np.array([65504, 6.1e-5, 6e-8, -1.5, 1 / 3], '<f2')),
}
many = {'a': rng.standard_normal((40, 30)).astype('<f4'), 'b/c': np.tile(np.arange(50.0), 20), 'empty': np.zeros((0, 2), '<f4')}
archive = {name: {'shape': list(x.shape), 'sum': float(x.astype(float).sum()), 'last': float(x.ravel()[-1]) if x.size else None} for name, x in many.items()}
golden = {
    'npy': cases,
    'rejected': {name: npy(x) for name, x in {
        'complex': np.zeros(2, 'c8'), 'text': np.array(['ab']), 'record': np.zeros(2, [('x', '<f4')]),
    }.items()},
    'npz': {'stored': npz(np.savez, **many), 'compressed': npz(np.savez_compressed, **many), 'content': archive},
}
with open(os.path.join(os.path.dirname(__file__), 'npy.golden.json'), 'w') as f:
    json.dump(golden, f, indent=1)
