#!/usr/bin/python3
"""Writes ONNX's own operator test cases (onnx.backend.test.case.node) to cases.jsonl.gz.

    apt install python3-onnx; /usr/bin/python3 test/golden/onnx/generate.py

Every case of the package is listed, one a line: its name, operators, attributes and the dtypes of its inputs and
outputs. The tensors are written where the operator is one of OPERATORS and all of them are numbers or truth values:
as base64 of their little-endian bytes.
"""

import base64
import gzip
import json
import os

import numpy as np

# onnx 1.12 was written for a NumPy that still had these names.
np.float, np.bool, np.int, np.object, np.str = float, np.bool_, int, object, str

import onnx  # noqa: E402
import onnx.backend.test.case.node as node_cases  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

OPERATORS = set('''
Abs Adagrad Adam Add ArgMax ArgMin AveragePool BatchNormalization Ceil Clip Concat Conv ConvTranspose Cos CumSum Div Dropout Elu Equal
Erf Exp Expand EyeLike Flatten Floor Gather GatherElements Gelu Gemm GlobalAveragePool GlobalMaxPool Greater
GreaterOrEqual GroupNormalization HardSwish Identity InstanceNormalization IsNaN LayerNormalization LeakyRelu Less
LessOrEqual Log LogSoftmax MatMul Max MaxPool Mean Min Momentum Mul Neg NegativeLogLikelihoodLoss OneHot Pad Pow Range Reciprocal
ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
Reshape Round Scatter ScatterElements Sigmoid Sign Sin Slice Softmax SoftmaxCrossEntropyLoss Softplus Split Sqrt Squeeze
Sub Sum Tanh Tile Transpose Trilu Unsqueeze Where
'''.split())
# Two 3-D poolings of 32×32×32 would be half of the file; the same operators are there in other sizes.
LARGEST = 100000


def attribute(a):
    value = helper.get_attribute_value(a)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value).tolist()
    if isinstance(value, (int, float)):
        return value
    return [v.decode() if isinstance(v, bytes) else v for v in value]


def tensor(x):
    x = np.asarray(x)
    little = np.ascontiguousarray(x, dtype=x.dtype.newbyteorder('<'))
    return {'s': list(x.shape), 't': str(x.dtype), 'b': base64.b64encode(little.tobytes()).decode()}


def dtype_of(x):
    return str(x.dtype) if isinstance(x, (np.ndarray, np.generic)) else type(x).__name__


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    lines = []
    np.random.seed(0)
    for case in node_cases.collect_testcases(None):
        nodes = case.model.graph.node
        inputs, outputs = case.data_sets[0]
        dtypes = sorted({dtype_of(x) for x in [*inputs, *outputs]})
        row = {'name': case.name, 'ops': sorted({n.op_type for n in nodes}), 'dtypes': dtypes,
               'opset': max(o.version for o in case.model.opset_import)}
        numeric = all(isinstance(x, (np.ndarray, np.generic)) and np.asarray(x).dtype.kind in 'fiub' for x in [*inputs, *outputs])
        size = sum(np.asarray(x).size for x in [*inputs, *outputs]) if numeric else 0
        row['size'] = size
        if len(nodes) == 1 and nodes[0].op_type in OPERATORS and numeric and size <= LARGEST:
            row['attributes'] = {a.name: attribute(a) for a in nodes[0].attribute}
            # A left-out optional input is an empty name.
            given = iter(inputs)
            row['inputs'] = [tensor(next(given)) if name else None for name in nodes[0].input]
            row['outputs'] = [tensor(x) for x in outputs]
        lines.append(json.dumps(row, separators=(',', ':')))
    path = os.path.join(here, 'cases.jsonl.gz')
    with open(path, 'wb') as raw, gzip.GzipFile('', 'wb', 9, raw, mtime=0) as file:
        file.write(('\n'.join(lines) + '\n').encode())
    print('onnx %s: %d cases, %d with tensors, %d bytes' % (
        onnx.__version__, len(lines), sum('"inputs"' in line for line in lines), os.path.getsize(path)))


if __name__ == '__main__':
    main()
