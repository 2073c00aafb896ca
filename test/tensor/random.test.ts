import { describe, expect, it } from 'vitest';
import {
  dropout,
  Generator,
  manualSeed,
  OptionError,
  ones,
  rand,
  randint,
  randn,
  randperm,
  type Tensor,
} from '../../src/index.ts';
import { normalOf, normalQuantile } from '../../src/kernels/js/normal.ts';

/** Philox's four words as `uniform` sees them: two numbers of 53 bits. */
const pair = ([a, b, c, d]: readonly number[]): number[] => [
  ((a! >>> 5) * 2 ** 26 + (b! >>> 6)) * 2 ** -53,
  ((c! >>> 5) * 2 ** 26 + (d! >>> 6)) * 2 ** -53,
];

/** Philox4x32-10 from its definition, by BigInt: an independent writing of it. */
function philox(counter: readonly bigint[], key: readonly bigint[]): number[] {
  let [c0, c1, c2, c3] = counter as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key as [bigint, bigint];
  const mask = 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const [p0, p1] = [0xd2511f53n * c0, 0xcd9e8d57n * c2];
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
    [k0, k1] = [(k0 + 0x9e3779b9n) & mask, (k1 + 0xbb67ae85n) & mask];
  }
  return [c0, c1, c2, c3].map(Number);
}

describe('Generator', () => {
  it('is Philox4x32-10: the published vectors hold for the definition, and the definition for the generator', () => {
    const f = 0xffffffffn;
    // Random123's kat_vectors, "philox4x32 10".
    expect(philox([0n, 0n, 0n, 0n], [0n, 0n])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    expect(philox([f, f, f, f], [f, f])).toEqual([0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
    expect(philox([0x243f6a88n, 0x85a308d3n, 0x13198a2en, 0x03707344n], [0xa4093822n, 0x299f31d0n])).toEqual([
      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
    ]);
    const zero = new Generator(0);
    expect([zero.uniform(), zero.uniform()]).toEqual(pair([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]));
    for (const seed of [1, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER]) {
      for (const block of [0, 1, 77, 2 ** 32 + 3]) {
        const generator = new Generator(seed);
        generator.position = 2 * block;
        const [low, high] = [BigInt(block) & f, BigInt(block) >> 32n];
        const key = [BigInt(seed) & f, BigInt(seed) >> 32n];
        expect([generator.uniform(), generator.uniform()]).toEqual(pair(philox([low, high, 0n, 0n], key)));
      }
    }
  });

  it('gives these numbers for ever', () => {
    const g = new Generator(2024);
    const drawn = [g.uniform(), g.uniform(-1, 1), g.normal(), g.normal(5, 2), g.integer(0, 1000), ...g.permutation(6)];
    expect(drawn).toEqual([
      0.6036898737293727, 0.9691974682151678, -0.39537194186626207, 7.539312515470446, 575, 2, 1, 5, 0, 3, 4,
    ]);
  });

  it('can be repeated and continued from any position', () => {
    const g = new Generator(9);
    const all = Array.from({ length: 9 }, () => g.uniform());
    g.position = 3;
    expect(g.uniform()).toBe(all[3]);
    expect(g.position).toBe(4);
    const other = new Generator(9);
    other.position = 7;
    expect([other.uniform(), other.uniform()]).toEqual(all.slice(7));
  });

  it('draws uniformly: counts of 20 bins by chi square, pairs uncorrelated', () => {
    const g = new Generator(11);
    const n = 40_000;
    const values = Array.from({ length: n }, () => g.uniform());
    const bins = new Array<number>(20).fill(0);
    for (const v of values) bins[Math.floor(v * 20)]!++;
    const chi = bins.reduce((sum, count) => sum + (count - n / 20) ** 2 / (n / 20), 0);
    expect(chi).toBeLessThan(43.8); // 99.9 % of chi square with 19 degrees of freedom
    const covariance = values.slice(1).reduce((sum, v, i) => sum + (v - 0.5) * (values[i]! - 0.5), 0) / n;
    expect(Math.abs(covariance * 12)).toBeLessThan(3.3 / Math.sqrt(n));
  });

  it('draws normal numbers with the moments of the distribution', () => {
    const g = new Generator(12);
    const values = Array.from({ length: 40_000 }, () => g.normal());
    const moment = (k: number): number => values.reduce((sum, v) => sum + v ** k, 0) / values.length;
    expect(moment(1)).toBeCloseTo(0, 1.5);
    expect(moment(2)).toBeCloseTo(1, 1.5);
    expect(Math.abs(moment(3))).toBeLessThan(0.06);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.15);
  });

  it('inverts the normal distribution to the last digits', () => {
    // Values of qnorm from R.
    for (const [p, z] of [
      [0.5, 0],
      [0.975, 1.959963984540054],
      [0.001, -3.090232306167813],
      [1e-10, -6.361340902404056],
      [1e-300, -37.0471],
    ] as const) {
      expect(Math.abs(normalQuantile(p) - z)).toBeLessThanOrEqual(
        p === 1e-300 ? 1e-4 : 2e-15 * Math.max(1, Math.abs(z)),
      );
    }
  });

  it('keeps the last number of a stream that there can be finite, as far from 1 as it can be', () => {
    expect(normalOf(1 - 2 ** -53)).toBe(-normalQuantile(2 ** -53));
    expect(normalOf(0)).toBe(normalQuantile(2 ** -54));
  });

  it('permutes without loss, every order about as often', () => {
    const g = new Generator(3);
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = [...g.permutation(3)].join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(['012', '021', '102', '120', '201', '210']);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(110);
  });

  it.each<[string, () => unknown]>([
    ['a negative seed', () => new Generator(-1)],
    ['a broken seed', () => new Generator(0.5)],
    [
      'a broken position',
      () => {
        new Generator(1).position = -1;
      },
    ],
    ['an empty range', () => new Generator(1).integer(3, 3)],
    ['a range too wide', () => new Generator(1).integer(0, 2 ** 33)],
    ['half a permutation', () => new Generator(1).permutation(1.5)],
    ['a generator that is none', () => rand([1], { generator: 5 as never })],
  ])('rejects %s', (_, make) => {
    expect(make).toThrow(OptionError);
  });
});

/** FNV-1a of the bytes. */
function hash(x: Tensor): number {
  const { buffer, byteOffset, byteLength } = x.toTypedArray();
  return new Uint8Array(buffer, byteOffset, byteLength).reduce(
    (h, byte) => Math.imul(h ^ byte, 0x01000193) >>> 0,
    0x811c9dc5,
  );
}

describe('random tensors', () => {
  // Written down when each number was drawn by a call of its own.
  it.each([
    [0, 0, 'float32', [3821973991, 3805760363, 2041848316, 562796321, 442059061]],
    [0, 0, 'float64', [3129742141, 2176991047, 993374865, 1914841204, 526507157]],
    [7, 5, 'float32', [3876716552, 2713135262, 2403474219, 2168310645, 551674821]],
    [7, 5, 'float64', [1032819725, 2703117297, 1153821295, 52891931, 953585635]],
    [2 ** 32 + 5, 3, 'float32', [1165118365, 2276510007, 2332778728, 102512050, 4127772069]],
    [2 ** 32 + 5, 3, 'float64', [4061509288, 1952567797, 4256594503, 3725296866, 4003738167]],
    [1, 2 ** 33 - 20, 'float32', [2208704765, 456182749, 2103986023, 1077436221, 3399208501]],
    [1, 2 ** 33 - 20, 'float64', [2753209541, 3535003026, 2754774945, 1294567327, 3633342181]],
    [Number.MAX_SAFE_INTEGER, 2 ** 40 + 1, 'float32', [2331200813, 1540048031, 4057433102, 1969258252, 3277735637]],
    [Number.MAX_SAFE_INTEGER, 2 ** 40 + 1, 'float64', [2250784194, 3210875746, 282534198, 3521663247, 3666845657]],
  ] as const)('of seed %d from position %d on in %s have these bits for ever', (seed, position, dtype, hashes) => {
    const n = 3001;
    const draws: ((options: { generator: Generator; dtype: typeof dtype }) => Tensor)[] = [
      (options) => rand(n, options),
      (options) => randn(n, options),
      (options) => randint(-5, 1000, n, options),
      (options) => randint(0, 2 ** 32, n, options),
      ({ generator }) => dropout(ones(n, { dtype }), { p: 0.3, generator }),
    ];
    const found = draws.map((draw) => {
      const generator = new Generator(seed);
      generator.position = position;
      const drawn = hash(draw({ generator, dtype }));
      expect(generator.position).toBe(position + n);
      return drawn;
    });
    expect(found).toEqual(hashes);
  });

  it('draw from the default stream, which manualSeed starts anew', () => {
    manualSeed(5);
    const first = randn([3]).toArray();
    expect(randn([3]).toArray()).not.toEqual(first);
    manualSeed(5);
    expect(randn([3]).toArray()).toEqual(first);
    expect(randn([3], { generator: new Generator(5) }).toArray()).toEqual(first);
  });

  it('lie in their ranges, in either dtype', () => {
    const generator = new Generator(1);
    for (const dtype of ['float32', 'float64'] as const) {
      const u = rand([5000], { generator, dtype });
      expect([u.dtype, u.min().item() >= 0, u.max().item() < 1]).toEqual([dtype, true, true]);
      const k = randint(-2, 3, [500], { generator, dtype });
      expect(new Set(k.toTypedArray())).toEqual(new Set([-2, -1, 0, 1, 2]));
      expect([...randperm(50, { generator, dtype }).toTypedArray()].sort((a, b) => a - b)).toEqual(
        Array.from({ length: 50 }, (_, i) => i),
      );
    }
  });
});
