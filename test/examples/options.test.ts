import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseArguments, UsageError } from '../../examples/digits/options.ts';
import { OutFolder } from '../../examples/digits/output.ts';
import { duration, makeProgress } from '../../examples/digits/progress.ts';
import { drawDigits, readFolder } from '../../examples/digits/source.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'typedgrad-'));
});
afterEach(() => {
  chmodSync(folder, 0o755);
  rmSync(folder, { recursive: true });
});

/** An IDX file of bytes. */
function idx(shape: readonly number[], values: readonly number[]): Uint8Array {
  const sizes = shape.flatMap((size) => [size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255]);
  return Uint8Array.of(0, 0, 8, shape.length, ...sizes, ...values);
}

function writeMnist(files: { images?: Uint8Array; labels?: Uint8Array } = {}, gzipped = false): void {
  const pixels = Array.from({ length: 3 * 64 }, (_, i) => i % 256);
  const images = files.images ?? idx([3, 8, 8], pixels);
  const labels = files.labels ?? idx([3], [4, 0, 9]);
  const put = (name: string, bytes: Uint8Array): void =>
    writeFileSync(join(folder, gzipped ? `${name}.gz` : name), gzipped ? gzipSync(bytes) : bytes);
  put('train-images-idx3-ubyte', images);
  put('train-labels-idx1-ubyte', labels);
  put('t10k-images-idx3-ubyte', idx([3, 8, 8], pixels));
  put('t10k-labels-idx1-ubyte', idx([3], [1, 2, 3]));
}

describe('parseArguments', () => {
  it('has a default for everything', () => {
    expect(parseArguments([])).toEqual({
      data: undefined,
      judge: undefined,
      epochs: 3,
      limit: undefined,
      batchSize: 64,
      lr: 0.05,
      seed: 0,
      optimizer: 'sgd',
      loss: 'crossEntropy',
      out: 'out',
      eager: false,
      demo: undefined,
    });
  });

  it('reads every option, and suits epochs and learning rate to the others', () => {
    expect(
      parseArguments(
        '--data d --judge j --limit 9 --batch-size 8 --seed 7 --optimizer adam --loss mse --out o --eager'.split(' '),
      ),
    ).toEqual({
      data: 'd',
      judge: 'j',
      epochs: 1,
      limit: 9,
      batchSize: 8,
      lr: 0.004,
      seed: 7,
      optimizer: 'adam',
      loss: 'mse',
      out: 'o',
      eager: true,
      demo: undefined,
    });
    expect(parseArguments(['--epochs', '0', '--lr', '1e-3', '--demo', '2d'])).toMatchObject({
      epochs: 0,
      lr: 0.001,
      demo: '2d',
    });
  });

  it('prints help that names every option', () => {
    const parsed = parseArguments(['--help']);
    const help = 'help' in parsed ? parsed.help : '';
    for (const option of [
      'data',
      'judge',
      'epochs',
      'limit',
      'batch-size',
      'lr',
      'seed',
      'optimizer',
      'loss',
      'out',
      'demo',
      'help',
    ]) {
      expect(help).toContain(`--${option}`);
    }
  });

  it.each([
    [['--epochs', '-1'], "'-1' is invalid"],
    [['--epochs', '1.5'], 'whole number of at least 0'],
    [['--epochs', ''], 'whole number'],
    [['--limit', '0'], 'at least 1'],
    [['--batch-size', '0'], 'at least 1'],
    [['--batch-size', '1e3'], 'whole number'],
    [['--seed', '9007199254740993'], 'whole number'],
    [['--lr', '0'], 'above 0'],
    [['--lr', 'fast'], "'fast' is invalid"],
    [['--lr', 'Infinity'], 'above 0'],
    [['--optimizer', 'adamw'], 'Allowed choices are sgd, adam'],
    [['--loss', 'zero'], 'Allowed choices are crossEntropy, mse, bce, hinge'],
    [['--demo', '4d'], 'Allowed choices are 1d, 2d, 3d'],
    [['--out', ' '], 'must not be empty'],
    [['--epoch', '3'], "unknown option '--epoch'"],
    [['--out'], 'argument missing'],
    [['extra'], 'too many arguments'],
  ])('rejects %j and says why', (args, reason) => {
    expect(() => parseArguments(args)).toThrow(UsageError);
    expect(() => parseArguments(args)).toThrow(reason);
  });
});

describe('readFolder', () => {
  it('reads plain and gzipped files alike', () => {
    writeMnist();
    const plain = readFolder(folder, undefined);
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    writeMnist({}, true);
    expect(readFolder(folder, undefined)).toEqual(plain);
    expect([...plain.train.labels]).toEqual([4, 0, 9]);
    expect(plain.train).toMatchObject({ count: 3, size: 8 });
    expect(plain.train.pixels[65]).toBe(65);
  });

  it('takes no more than the limit', () => {
    writeMnist();
    const { train, test } = readFolder(folder, 2);
    expect([train.count, train.labels.length, train.pixels.length]).toEqual([2, 2, 128]);
    expect(test.count).toBe(2);
  });

  it('says which file is wrong, and how', () => {
    const failing = (files: { images?: Uint8Array; labels?: Uint8Array }, reason: RegExp): void => {
      writeMnist(files);
      expect(() => readFolder(folder, undefined)).toThrow(UsageError);
      expect(() => readFolder(folder, undefined)).toThrow(reason);
    };
    expect(() => readFolder(join(folder, 'none'), undefined)).toThrow('there is no folder');
    expect(() => readFolder(folder, undefined)).toThrow(
      'neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz',
    );
    failing({ images: idx([3, 8, 8], [1, 2]) }, /train-images-idx3-ubyte: readIdx: the file is cut off/);
    failing({ images: idx([3, 64], new Array(192).fill(0)) }, /expected square pictures .* found \[3, 64\]/);
    failing({ labels: idx([2], [1, 2]) }, /expected 3 labels .* found \[2\]/);
    failing({ labels: idx([3], [1, 2, 10]) }, /label 10 at 2 is not a digit/);
    failing({ images: idx([0, 8, 8], []), labels: idx([0], []) }, /holds no pictures/);
    writeMnist();
    writeFileSync(join(folder, 'train-images-idx3-ubyte'), Uint8Array.of(0x1f, 0x8b, 8, 0, 1));
    expect(() => readFolder(folder, undefined)).toThrow(/train-images-idx3-ubyte: .*(end of file|incorrect|header)/);
  });
});

describe('drawDigits', () => {
  it('draws as many digits as the limit says, and no more test digits than that', () => {
    const { train, test } = drawDigits(30, 1);
    expect([train.count, test.count]).toEqual([30, 30]);
    expect(train.pixels).not.toEqual(test.pixels);
    expect(() => drawDigits(1e9, 0)).toThrow('at most 250000');
  });
});

describe('OutFolder', () => {
  it('makes the folder with its parents and leaves nothing else in it', () => {
    const out = new OutFolder(join(folder, 'a', 'b'));
    expect(readdirSync(join(folder, 'a', 'b'))).toEqual([]);
    out.write('x.txt', 'hello');
    expect(existsSync(join(folder, 'a', 'b', 'x.txt'))).toBe(true);
  });

  it('says before any work that it cannot be written to', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => new OutFolder(join(folder, 'file'))).toThrow(UsageError);
    expect(() => new OutFolder(join(folder, 'file', 'below'))).toThrow(/--out: cannot write into .*ENOTDIR/);
    if (process.getuid?.() === 0) return; // root may write anywhere
    chmodSync(folder, 0o555);
    expect(() => new OutFolder(join(folder, 'out'))).toThrow(/EACCES/);
  });
});

describe('makeProgress', () => {
  const record = (isTTY: boolean): { text: () => string; stream: NodeJS.WriteStream } => {
    let text = '';
    const stream = {
      isTTY,
      columns: 120,
      write(part: string) {
        text += part;
        return true;
      },
      cursorTo() {},
      clearLine() {},
    };
    return { text: () => text, stream: stream as unknown as NodeJS.WriteStream };
  };

  it('prints about ten plain lines per epoch where there is no terminal', () => {
    const { text, stream } = record(false);
    const progress = makeProgress(2, 2000, stream);
    for (let seen = 10; seen <= 2000; seen += 10) {
      progress.step({ epoch: Math.ceil(seen / 1000), loss: 0.5, accuracy: 0.75, seen });
    }
    progress.note('a note');
    progress.stop();
    const lines = text().trimEnd().split('\n');
    expect(lines).toHaveLength(21);
    expect(lines[0]).toMatch(/^epoch 1\/2 {2}5% {2}loss 0\.5000 {2}accuracy 0\.750 {2}\d+ images\/s {2}\d+ s left$/);
    expect(lines.at(-2)).toMatch(/^epoch 2\/2 {2}100%/);
    expect(text()).not.toContain('\x1b');
  });

  it('draws a bar with loss, accuracy, speed and time left on a terminal', () => {
    const { text, stream } = record(true);
    const progress = makeProgress(1, 100, stream);
    progress.step({ epoch: 1, loss: 0.25, accuracy: 0.9, seen: 50 });
    progress.stop();
    expect(text()).toMatch(/epoch 1\/1 .*loss 0\.2500 {2}accuracy 0\.900 {2}\d+ images\/s {2}\d+ s left/);
  });

  it('says durations as a person does', () => {
    expect([0.4, 42, 59.6, 185].map(duration)).toEqual(['0 s', '42 s', '1 min 0 s', '3 min 5 s']);
    expect(duration(Number.NaN)).toBe('-');
  });
});
