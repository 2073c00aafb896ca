/** Networks as people build them: their training is compiled to the last step, and comes to what eager training does. */

import { describe, expect, test } from 'vitest';
import * as tg from '../../src/index.ts';
import { compile, manualSeed, Sequential, type Tensor } from '../../src/index.ts';
import { normals } from './helpers.ts';

type Labels = Int32Array;
type Loss = (x: Tensor, y: Labels) => Tensor;

/** A network: what is trained, and its loss. */
interface Network {
  readonly layers: readonly { parameters(): Tensor[] }[];
  readonly loss: Loss;
  readonly x: readonly number[];
  readonly classes: number;
}

const same = { padding: 1 };
const conv = (from: number, to: number, kernel = 3, options: object = {}): tg.Conv2d =>
  new tg.Conv2d(from, to, kernel, options);
const spatialMean = (x: Tensor): Tensor => x.mean([2, 3]);

const networks: Readonly<Record<string, () => Network>> = {
  'a U-Net': () => {
    const block = (from: number, to: number): Sequential =>
      new Sequential(conv(from, to, 3, same), new tg.BatchNorm2d(to), new tg.ReLU());
    const up = (from: number, to: number): tg.ConvTranspose2d => new tg.ConvTranspose2d(from, to, 2, { stride: 2 });
    const [d1, d2, middle, u2, u1] = [block(2, 4), block(4, 8), block(8, 12), block(16, 8), block(8, 4)];
    const [up2, up1, out] = [up(12, 8), up(8, 4), conv(4, 3, 1)];
    const forward = (x: Tensor): Tensor => {
      const a = d1.forward(x);
      const b = d2.forward(tg.maxPool2d(a, 2));
      const c = middle.forward(tg.maxPool2d(b, 2));
      const d = u2.forward(tg.cat([up2.forward(c), b], 1));
      return out.forward(u1.forward(tg.cat([up1.forward(d), a], 1)));
    };
    const layers = [d1, d2, middle, u2, u1, up2, up1, out];
    return { layers, loss: (x, y) => tg.crossEntropy(spatialMean(forward(x)), y), x: [3, 2, 12, 12], classes: 3 };
  },
  'densely connected blocks': () => {
    const convs = [0, 1, 2].map((i) => conv(4 + 4 * i, 4, 3, same));
    const head = new tg.Dense(16, 5);
    const forward = (x: Tensor): Tensor => convs.reduce((h, layer) => tg.cat([h, tg.relu(layer.forward(h))], 1), x);
    const loss: Loss = (x, y) => tg.crossEntropy(head.forward(spatialMean(forward(x))), y);
    return { layers: [...convs, head], loss, x: [4, 4, 8, 9], classes: 5 };
  },
  'branches, average and overlapping max pooling': () => {
    const [a, b1, b2, c, head] = [
      conv(8, 4, 1),
      conv(8, 4, 1),
      conv(4, 6, 5, { padding: 2 }),
      conv(8, 3, 1),
      new tg.Dense(13, 5),
    ];
    const forward = (x: Tensor): Tensor => {
      const pooled = tg.maxPool2d(x, 3, { stride: 1, padding: 1 });
      return tg.cat(
        [a, b2, c].map((layer, i) => tg.relu(layer.forward([x, tg.relu(b1.forward(x)), pooled][i]!))),
        1,
      );
    };
    const loss: Loss = (x, y) =>
      tg.crossEntropy(
        head.forward(tg.avgPool2d(tg.avgPool2d(forward(x), 3, { stride: 2, padding: 1 }), 4).flatten(1)),
        y,
      );
    return { layers: [a, b1, b2, c, head], loss, x: [4, 8, 7, 8], classes: 5 };
  },
  'a block of attention': () => {
    const [heads, width, places] = [2, 8, 6];
    const [q, k, v, o, f1, f2, head] = [8, 8, 8, 8, 16, 8, 4].map((to, i) => new tg.Dense(i === 5 ? 16 : 8, to)) as [
      tg.Dense,
      tg.Dense,
      tg.Dense,
      tg.Dense,
      tg.Dense,
      tg.Dense,
      tg.Dense,
    ];
    const norms = [new tg.LayerNorm([width]), new tg.LayerNorm([width])] as const;
    const split = (x: Tensor): Tensor => x.reshape([-1, places, heads, width / heads]).permute([0, 2, 1, 3]);
    const forward = (x: Tensor): Tensor => {
      const n = norms[0].forward(x);
      const scores = tg.matmul(split(q.forward(n)), split(k.forward(n)).transpose(2, 3)).mul(0.5);
      const mixed = tg.matmul(tg.softmax(scores, 3), split(v.forward(n)));
      const h = x.add(o.forward(mixed.permute([0, 2, 1, 3]).reshape([-1, places, width])));
      return h.add(f2.forward(tg.gelu(f1.forward(norms[1].forward(h)))));
    };
    const loss: Loss = (x, y) => tg.crossEntropy(head.forward(forward(x).mean(1)), y, { labelSmoothing: 0.1 });
    return { layers: [q, k, v, o, f1, f2, head, ...norms], loss, x: [4, places, width], classes: 4 };
  },
  'a recurrent network, unrolled': () => {
    const [wx, wh, head] = [new tg.Dense(5, 8), new tg.Dense(8, 8), new tg.Dense(8, 3)];
    const loss: Loss = (x, y) => {
      let h = tg.zeros([4, 8]);
      for (let t = 0; t < 6; t++) h = tg.tanh(wx.forward(x.select(1, t)).add(wh.forward(h)));
      return tg.crossEntropy(head.forward(h), y);
    };
    return { layers: [wx, wh, head], loss, x: [4, 6, 5], classes: 3 };
  },
  'a variational autoencoder': () => {
    const [e, mean, spread, d] = [new tg.Dense(20, 12), new tg.Dense(12, 3), new tg.Dense(12, 3), new tg.Dense(3, 20)];
    const loss: Loss = (x) => {
      const h = tg.relu(e.forward(x));
      const [m, s] = [mean.forward(h), spread.forward(h)];
      const z = m.add(
        s
          .mul(0.5)
          .exp()
          .mul(tg.randn([6, 3])),
      );
      const rest = s.add(1).sub(m.square()).sub(s.exp()).sum().mul(-0.5);
      return tg.bceWithLogitsLoss(d.forward(z), x.sigmoid(), { reduction: 'sum' }).add(rest).div(6);
    };
    return { layers: [e, mean, spread, d], loss, x: [6, 20], classes: 1 };
  },
  'dropout and padding by reflection': () => {
    const [c, n, head] = [
      conv(2, 8, 3, { padding: 1, paddingMode: 'reflect' }),
      new tg.GroupNorm(2, 8),
      new tg.Dense(8, 4),
    ];
    const loss: Loss = (x, y) => {
      const h = tg.dropout(tg.silu(n.forward(c.forward(x))), { p: 0.3 });
      return tg.crossEntropy(
        head.forward(
          tg.dropout(
            spatialMean(
              tg.pad(h, [
                [1, 0],
                [0, 2],
              ]),
            ),
            { p: 0.5 },
          ),
        ),
        y,
      );
    };
    return { layers: [c, n, head], loss, x: [4, 2, 6, 7], classes: 4 };
  },
  'an autoencoder of strided convolutions': () => {
    const half = { stride: 2, padding: 1 };
    const [e1, e2] = [conv(3, 6, 4, half), conv(6, 8, 4, half)];
    const [d1, d2] = [new tg.ConvTranspose2d(8, 6, 4, half), new tg.ConvTranspose2d(6, 3, 4, half)];
    const forward = (x: Tensor): Tensor => [e1, e2, d1].reduce<Tensor>((h, layer) => tg.leakyRelu(layer.forward(h)), x);
    const loss: Loss = (x) => tg.mseLoss(tg.sigmoid(d2.forward(forward(x))), x.sigmoid());
    return { layers: [e1, e2, d1, d2], loss, x: [3, 3, 12, 8], classes: 1 };
  },
  'a critic with a penalty on its gradient': () => {
    const [c, head] = [conv(1, 6, 3, { stride: 2, padding: 1 }), new tg.Dense(6 * 16, 1)];
    const critic = (x: Tensor): Tensor => head.forward(tg.leakyRelu(c.forward(x)).flatten(1));
    const slope = tg.grad((x: Tensor) => critic(x).sum());
    const loss: Loss = (x) => slope(x).flatten(1).norm(1).sub(1).square().mean().add(critic(x).mean());
    return { layers: [c, head], loss, x: [4, 1, 8, 8], classes: 1 };
  },
};

/** The losses of three steps, and the program if there is one. */
function train(make: () => Network, isCompiled: boolean): { losses: number[]; left: string[] } {
  manualSeed(1);
  const { layers, loss, x: shape, classes } = make();
  const optimizer = new tg.AdamW(
    layers.flatMap((layer) => layer.parameters()),
    { lr: 0.01 },
  );
  const eager = (x: Tensor, y: Labels): Tensor => {
    const result = loss(x, y);
    result.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return result;
  };
  const x = normals(3, ...shape);
  const y = Int32Array.from({ length: shape[0]! }, (_, i) => i % classes);
  const program = compile(eager);
  const step = isCompiled ? program : eager;
  const losses = [0, 1, 2].map(() => step(x, y).item());
  const steps = isCompiled ? program.report()[0]!.steps : [];
  return { losses, left: steps.filter((each) => each.eager !== null).map((each) => each.name) };
}

describe('training', () => {
  test.each(Object.keys(networks))('of %s', (name) => {
    const [compiled, eager] = [train(networks[name]!, true), train(networks[name]!, false)];
    expect(compiled.left).toEqual([]);
    for (const [i, loss] of eager.losses.entries()) {
      expect(Math.abs(compiled.losses[i]! - loss)).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(loss)));
    }
    expect(eager.losses[0]).not.toBe(eager.losses[2]);
  });
});
