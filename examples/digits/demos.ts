import {
  Adam,
  bceWithLogitsLoss,
  Conv1d,
  Conv2d,
  Conv3d,
  compile,
  crossEntropy,
  Dense,
  Flatten,
  Generator,
  MaxPool3d,
  manualSeed,
  noGrad,
  ReLU,
  Sequential,
  summary,
  Tensor,
} from 'typedgrad';

type Say = (line?: string) => void;

/** Three problems small enough to look at every number; each takes seconds. */
export function runDemo(kind: '1d' | '2d' | '3d', seed: number, say: Say): void {
  manualSeed(seed);
  const chance = new Generator(seed);
  if (kind === '1d') rowDemo(chance, say);
  else if (kind === '2d') pictureDemo(chance, say);
  else volumeDemo(chance, say);
}

/** `count` arrays of bits, each bit 1 with the given probability. */
function randomBits(count: number, shape: readonly number[], probability: number, chance: Generator): Tensor {
  const size = count * shape.reduce((a, b) => a * b, 1);
  return Tensor.from(
    Float32Array.from({ length: size }, () => (chance.uniform() < probability ? 1 : 0)),
    [count, 1, ...shape],
  );
}

/** 1 where a bit is 1 and all bits around it are 0; what lies outside counts as 0. `x` is `[count, 1, height, width]`. */
function isolated(x: Tensor): Tensor {
  const [count = 0, , height = 0, width = 0] = x.shape;
  const bits = x.toTypedArray();
  const out = new Float32Array(bits.length);
  for (let n = 0; n < count; n++) {
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        let around = 0;
        for (let r = Math.max(0, row - 1); r <= Math.min(height - 1, row + 1); r++) {
          for (let c = Math.max(0, column - 1); c <= Math.min(width - 1, column + 1); c++) {
            around += bits[(n * height + r) * width + c] as number;
          }
        }
        const at = (n * height + row) * width + column;
        out[at] = bits[at] === 1 && around === 1 ? 1 : 0;
      }
    }
  }
  return Tensor.from(out, x.shape);
}

/** Minimises by Adam over fresh batches; tells the loss five times. */
function learn<Y>(
  model: Sequential | Conv1d | Conv2d,
  steps: number,
  lr: number,
  say: Say,
  lossOf: (prediction: Tensor, y: Y) => Tensor,
  batch: () => { x: Tensor; y: Y },
): void {
  const optimizer = new Adam(model.parameters(), { lr });
  const stepOn = compile((x: Tensor, y: Y) => {
    const loss = lossOf(model.forward(x), y);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  });
  for (let step = 0; step <= steps; step++) {
    const { x, y } = batch();
    const loss = stepOn(x, y);
    if (step % Math.ceil(steps / 5) === 0) say(`  step ${String(step).padStart(4)}  loss ${loss.item().toFixed(4)}`);
  }
}

/** The share of positions where "score above 0" agrees with the truth, and of truths that were found. */
function detection(scores: Tensor, truth: Tensor): { right: number; found: number } {
  const [s, t] = [scores.toTypedArray(), truth.toTypedArray()];
  let [right, found, ones] = [0, 0, 0];
  for (let i = 0; i < t.length; i++) {
    const said = (s[i] as number) > 0 ? 1 : 0;
    if (said === t[i]) right++;
    if (t[i] === 1) ones++;
    if (t[i] === 1 && said === 1) found++;
  }
  return { right: right / t.length, found: found / Math.max(1, ones) };
}

const signedNumber = (value: number): string => value.toFixed(2).padStart(7);

function rowDemo(chance: Generator, say: Say): void {
  const width = 24;
  const batch = (count: number): { x: Tensor; y: Tensor } => {
    const x = randomBits(count, [width], 0.4, chance);
    return { x, y: isolated(x.unsqueeze(2)).squeeze(2) };
  };
  say('1-D: learn the filter that finds an isolated 1 in a row of bits');
  say('A filter of 3 weights and a bias slides over the row; where its answer is above 0, it says "isolated".\n');
  const model = new Conv1d(1, 1, 3, { padding: 1 });
  learn(model, 300, 0.1, say, bceWithLogitsLoss, () => batch(32));
  const { weight, bias } = model.stateDict() as { weight: Tensor; bias: Tensor };
  say(`\nlearned filter ${[...weight.toTypedArray()].map(signedNumber).join(' ')}   bias ${signedNumber(bias.item())}`);
  const middle = weight.toTypedArray()[1] as number;
  const scaled = [...weight.toTypedArray(), bias.item()].map((value) => signedNumber(value / Math.abs(middle)));
  say(`in proportion  ${scaled.slice(0, 3).join(' ')}   bias ${scaled[3]}`);
  say('by hand        '.concat([-1, 1, -1].map(signedNumber).join(' '), '   bias ', signedNumber(-0.5)));
  const fresh = batch(1000);
  const answer = noGrad(() => model.forward(fresh.x));
  const bits = (x: Tensor): string => [...x.toTypedArray()].map((value) => (value > 0 ? '1' : '·')).join(' ');
  say(`\na row    ${bits(fresh.x.select(0, 0))}`);
  say(`answers  ${bits(answer.select(0, 0))}`);
  say(`truth    ${bits(fresh.y.select(0, 0))}\n`);
  const { right, found } = detection(answer, fresh.y);
  say(`right at ${percent(right)} of the places of 1000 new rows; found ${percent(found)} of the isolated 1s`);
}

function pictureDemo(chance: Generator, say: Say): void {
  const side = 12;
  const batch = (count: number): { x: Tensor; y: Tensor } => {
    const x = randomBits(count, [side, side], 0.15, chance);
    return { x, y: isolated(x) };
  };
  say('2-D: learn to find isolated pixels in binary pictures');
  say('A filter of 3 × 3 weights and a bias; an isolated pixel has no neighbour on any of its eight sides.\n');
  const model = new Conv2d(1, 1, 3, { padding: 1 });
  learn(model, 300, 0.1, say, bceWithLogitsLoss, () => batch(16));
  const { weight, bias } = model.stateDict() as { weight: Tensor; bias: Tensor };
  const rows = weight.reshape([3, 3]).toArray() as number[][];
  say('\nlearned filter');
  for (const row of rows) say(`  ${row.map(signedNumber).join(' ')}`);
  say(`  bias ${signedNumber(bias.item())}\n`);
  const fresh = batch(500);
  const answer = noGrad(() => model.forward(fresh.x));
  say('a picture                   what it found');
  const before = bitRows(fresh.x.select(0, 0).select(0, 0));
  const after = bitRows(answer.select(0, 0).select(0, 0));
  for (const [i, row] of before.entries()) say(`${row}    ${after[i]}`);
  const { right, found } = detection(answer, fresh.y);
  say(`\nright at ${percent(right)} of the pixels of 500 new pictures; found ${percent(found)} of the isolated ones`);
}

const bitRows = (x: Tensor): string[] =>
  (x.toArray() as number[][]).map((row) => row.map((value) => (value > 0 ? '█ ' : '· ')).join(''));

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

const SIDE = 8;

/** A ball (kind 0) or a hollow shell (kind 1) somewhere in a volume of 8 × 8 × 8, with a little noise. */
function drawVolume(kind: number, out: Float32Array, chance: Generator): void {
  const radius = chance.uniform(2.3, 3.4);
  const [z0, y0, x0] = [0, 0, 0].map(() => 3.5 + chance.uniform(-0.8, 0.8)) as [number, number, number];
  for (let z = 0, at = 0; z < SIDE; z++) {
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++, at++) {
        const distance = Math.sqrt((z - z0) ** 2 + (y - y0) ** 2 + (x - x0) ** 2);
        const inside = distance <= radius && (kind === 0 || distance > radius - 1.1);
        out[at] = (inside ? 1 : 0) + chance.normal(0, 0.1);
      }
    }
  }
}

function drawVolumes(count: number, chance: Generator): { x: Tensor; labels: Int32Array } {
  const size = SIDE ** 3;
  const values = new Float32Array(count * size);
  const labels = Int32Array.from({ length: count }, () => (chance.uniform() < 0.5 ? 0 : 1));
  for (const [i, kind] of labels.entries()) drawVolume(kind, values.subarray(i * size, (i + 1) * size), chance);
  return { x: Tensor.from(values, [count, 1, SIDE, SIDE, SIDE]), labels };
}

function volumeDemo(chance: Generator, say: Say): void {
  say('3-D: tell balls from hollow shells in volumes of 8 × 8 × 8\n');
  const model = new Sequential(new Conv3d(1, 4, 3), new ReLU(), new MaxPool3d(2), new Flatten(), new Dense(4 * 27, 2));
  say(String(summary(model, [1, 1, SIDE, SIDE, SIDE])));
  say();
  learn(model, 80, 0.01, say, crossEntropy, () => {
    const { x, labels } = drawVolumes(16, chance);
    return { x, y: labels };
  });
  const fresh = drawVolumes(200, chance);
  const answers = noGrad(() => model.forward(fresh.x).argMax(1).toTypedArray());
  const right = fresh.labels.filter((label, i) => answers[i] === label).length;
  say('\nslices through the middle of some new volumes');
  const shown = [...new Set([fresh.labels.indexOf(0), fresh.labels.indexOf(1), 2, 3])].slice(0, 3);
  const slices = shown.map((i) =>
    bitRows(
      fresh.x
        .select(0, i)
        .select(0, 0)
        .select(0, SIDE / 2)
        .sub(0.5),
    ),
  );
  for (let row = 0; row < SIDE; row++) say(slices.map((slice) => slice[row]).join('   '));
  say(shown.map((i) => KINDS[answers[i] as number]?.padEnd(2 * SIDE)).join('   '));
  say(`\nright on ${percent(right / fresh.labels.length)} of 200 new volumes`);
}

const KINDS = ['a ball', 'a shell'];
