"""PyTorch on as many threads as BENCH_THREADS says, by the protocol of protocol.ts: one JSON object per line on standard input and output."""

import json
import os
import sys
import time

import numpy
import torch
import torch.nn.functional as F

THREADS = int(os.environ["BENCH_THREADS"])

torch.set_num_threads(THREADS)
torch.set_num_interop_threads(1)

CONVOLUTIONS = [F.conv1d, F.conv2d, F.conv3d]
MAX_POOLS = [F.max_pool1d, F.max_pool2d, F.max_pool3d]


def read(source):
    return torch.from_numpy(numpy.fromfile(source["file"], numpy.float32).reshape(source["shape"]))


def blas():
    """The file name of the BLAS library in use: the reference one makes PyTorch's matmul twenty times slower."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        files = {line.split()[-1].rsplit("/", 1)[-1] for line in maps if ".so" in line}
    return ", ".join(sorted(f for f in files if "blas" in f or "mkl_rt" in f)) or "of its own"


def info():
    torch.mm(torch.ones(8, 8), torch.ones(8, 8))
    return {"name": "PyTorch", "detail": f"{torch.__version__}, {THREADS} thread{'s' if THREADS > 1 else ''}, oneDNN {torch.backends.mkldnn.is_available()}, BLAS {blas()}"}


def forward(layers, x, weights, training):
    for layer in layers:
        x = apply_layer(layer, x, weights, training)
    return x


def apply_layer(layer, x, weights, training):
    kind, rank = layer["type"], x.dim() - 3
    if kind == "conv":
        weight = next(weights)
        bias = next(weights) if layer["bias"] else None
        return CONVOLUTIONS[rank](x, weight, bias, layer["stride"], layer["padding"], 1, layer["groups"])
    if kind == "batchNorm":
        scale, shift, mean, var = (next(weights) for _ in range(4))
        return F.batch_norm(x, mean, var, scale, shift, training)
    if kind == "relu":
        return F.relu(x)
    if kind == "relu6":
        return F.relu6(x)
    if kind == "maxPool":
        return MAX_POOLS[rank](x, layer["kernel"], layer["stride"], layer["padding"])
    if kind == "globalAvgPool":
        return x.mean(tuple(range(2, x.dim())))
    if kind == "flatten":
        return x.flatten(1)
    if kind == "dense":
        return F.linear(x, next(weights), next(weights))
    if kind == "residual":
        body = forward(layer["body"], x, weights, training)
        return body + forward(layer["shortcut"], x, weights, training)
    raise ValueError(f"unknown layer {kind}")


def is_trained(layers):
    """For each weight in order: whether the optimizer changes it."""
    for layer in layers:
        if layer["type"] == "conv":
            yield from [True] * (2 if layer["bias"] else 1)
        elif layer["type"] == "batchNorm":
            yield from [True, True, False, False]
        elif layer["type"] == "dense":
            yield from [True, True]
        elif layer["type"] == "residual":
            yield from is_trained(layer["body"] + layer["shortcut"])


def prepare_conv(task):
    x, w, g = read(task["x"]), read(task["w"]), read(task["g"])
    conv = CONVOLUTIONS[x.dim() - 3]
    arguments = (None, task["stride"], task["padding"], 1, task["groups"])
    if task["direction"] == "forward":
        return evaluated(lambda: conv(x, w, *arguments))
    of = x if task["direction"] == "input gradient" else w
    of.requires_grad_()
    y = conv(x, w, *arguments)
    result = []

    def run():
        result[:] = torch.autograd.grad(y, of, g, retain_graph=True)

    return run, lambda: result


def evaluated(function):
    result = []

    def run():
        with torch.no_grad():
            result[:] = [function()]

    return run, lambda: result


def prepare_train(task):
    layers, weights = task["layers"], [read(w) for w in task["weights"]]
    trained = [w.requires_grad_() for w, yes in zip(weights, is_trained(layers)) if yes]
    optimizer = torch.optim.SGD(trained, lr=task["lr"], momentum=task["momentum"])
    x, labels = read(task["x"]), torch.from_numpy(numpy.fromfile(task["labels"]["file"], numpy.int32)).long()
    result = []

    def run():
        loss = F.cross_entropy(forward(layers, x, iter(weights), True), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        result[:] = [torch.tensor(loss.item())]

    return run, lambda: result + trained


def prepare(task):
    kind = task["kind"]
    if kind == "conv":
        return prepare_conv(task)
    if kind == "train":
        return prepare_train(task)
    if kind == "matmul":
        a, b = read(task["a"]), read(task["b"])
        left = a.t() if task["transposeA"] else a
        right = b.t() if task["transposeB"] else b
        return evaluated(lambda: left @ right)
    if kind == "maxPool":
        x = read(task["x"])
        return evaluated(lambda: MAX_POOLS[x.dim() - 3](x, task["kernel"], task["stride"]))
    x, weights = read(task["x"]), [read(w) for w in task["weights"]]
    return evaluated(lambda: forward(task["layers"], x, iter(weights), False))


def times(run, calls, warm):
    for _ in range(warm):
        run()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(calls):
        run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": 1000 * wall / calls, "cpu": 1000 * cpu / calls}


def write(outputs, prefix):
    files = []
    for i, output in enumerate(outputs):
        files.append(f"{prefix}-{i}")
        output.detach().contiguous().numpy().astype(numpy.float32).tofile(files[-1])
    return files


def answer(request, state):
    op = request["op"]
    if op == "info":
        return {"ok": True, "info": info()}
    if op == "prepare":
        state["run"], state["outputs"] = prepare(request["task"])
        return {"ok": True}
    if op == "run":
        return {"ok": True, "times": times(state["run"], request["calls"], request["warm"])}
    if op == "outputs":
        return {"ok": True, "files": write(state["outputs"](), request["prefix"])}
    state.clear()
    return {"ok": True}


def main():
    state = {}
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line), state)
        except Exception as error:  # every failure is an answer: the other libraries go on
            reply = {"ok": False, "error": str(error).split("\n", maxsplit=1)[0]}
        print(json.dumps(reply), flush=True)


main()
