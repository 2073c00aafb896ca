import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { syntheticDigits } from '../../src/data/digits.ts';
import { OptionError } from '../../src/errors.ts';

const picture = (pixels: Uint8Array, i: number, area = 784): Uint8Array => pixels.subarray(i * area, (i + 1) * area);
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('syntheticDigits', () => {
  it('gives float pictures from 0 to 1, their bytes and their labels', () => {
    const { images, labels, pixels } = syntheticDigits({ count: 30 });
    expect(images.shape).toEqual([30, 1, 28, 28]);
    expect(images.dtype).toBe('float32');
    expect(images.data).toEqual(Float32Array.from(pixels, (value) => value / 255));
    expect(labels).toBeInstanceOf(Int32Array);
    expect(Math.max(...pixels)).toBeGreaterThan(200);
  });

  it('shows each digit once in every ten pictures, in an order that varies', () => {
    const { labels } = syntheticDigits({ count: 200, seed: 3 });
    const orders = new Set<string>();
    for (let i = 0; i < 200; i += 10) {
      const ten = [...labels.subarray(i, i + 10)];
      orders.add(ten.join(''));
      expect(ten.sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
    expect(orders.size).toBe(20);
  });

  it('draws the same bytes on every machine', () => {
    // Recorded once; arithmetic and Generator are exact, so another engine or processor must reproduce it.
    const { pixels, labels } = syntheticDigits({ count: 100, seed: 7 });
    expect([...labels.subarray(0, 10)].join('')).toMatchInlineSnapshot(`"5982403176"`);
    expect(digest(pixels)).toMatchInlineSnapshot(`"45a06a54365df41102fc2044ecc46d37b1b1d63584b2041cd7ed146990b2e6f3"`);
  });

  it('starts a longer set with the shorter one', () => {
    fc.assert(
      fc.property(fc.nat({ max: 25 }), fc.nat({ max: 25 }), fc.nat(), (a, b, seed) => {
        const [short, long] = [Math.min(a, b), Math.max(a, b)];
        const few = syntheticDigits({ count: short, seed });
        const many = syntheticDigits({ count: long, seed });
        expect(many.pixels.subarray(0, few.pixels.length)).toEqual(few.pixels);
        expect(many.labels.subarray(0, short)).toEqual(few.labels);
      }),
      { numRuns: 10 },
    );
  });

  it('never draws the same picture twice: not within a split, not across splits, not for another seed', () => {
    const sets = [
      syntheticDigits({ count: 300 }),
      syntheticDigits({ count: 300, split: 'test' }),
      syntheticDigits({ count: 300, seed: 1 }),
    ];
    const seen = new Set(
      sets.flatMap(({ pixels }) => Array.from({ length: 300 }, (_, i) => digest(picture(pixels, i)))),
    );
    expect(seen.size).toBe(900);
  });

  it('gives both splits at once, the same as one by one', () => {
    const { train, test } = syntheticDigits({ train: 20, test: 10, seed: 5 });
    const alone = [syntheticDigits({ count: 20, seed: 5 }), syntheticDigits({ count: 10, seed: 5, split: 'test' })];
    for (const [i, set] of [train, test].entries()) {
      expect(set.pixels).toEqual(alone[i]?.pixels);
      expect(set.labels).toEqual(alone[i]?.labels);
      expect(set.images.toArray()).toEqual(alone[i]?.images.toArray());
    }
  });

  it('centres the ink by mass, leaves the border white, and fills a plausible part of the picture', () => {
    const { pixels } = syntheticDigits({ count: 400, seed: 2 });
    for (let i = 0; i < 400; i++) {
      let [mass, mx, my, border] = [0, 0, 0, 0];
      for (const [at, value] of picture(pixels, i).entries()) {
        const [row, column] = [Math.floor(at / 28), at % 28];
        mass += value;
        mx += value * (column + 0.5);
        my += value * (row + 0.5);
        if (row === 0 || row === 27 || column === 0 || column === 27) border += value;
      }
      expect(Math.abs(mx / mass - 14)).toBeLessThan(1);
      expect(Math.abs(my / mass - 14)).toBeLessThan(1);
      expect(border / mass).toBeLessThan(0.05);
      expect(mass / 255).toBeGreaterThan(15);
      expect(mass / 255).toBeLessThan(300);
    }
  });

  it('varies the hand: no class is one template', () => {
    const { pixels, labels } = syntheticDigits({ count: 500, seed: 4 });
    for (let digit = 0; digit < 10; digit++) {
      const ink: number[] = [];
      const mean = new Float64Array(784);
      for (const [i, label] of labels.entries()) {
        if (label !== digit) continue;
        const one = picture(pixels, i);
        ink.push(one.reduce((a, b) => a + b, 0) / 255);
        for (let p = 0; p < 784; p++) mean[p] = (mean[p] as number) + (one[p] as number) / 255 / 50;
      }
      ink.sort((a, b) => a - b);
      expect((ink[44] as number) / (ink[5] as number)).toBeGreaterThan(1.3);
      // Where 50 digits of one class agree, the mean is near 0 or 1; in between they differ.
      const unsure = mean.filter((value) => value > 0.15 && value < 0.85).length;
      expect(unsure).toBeGreaterThan(80);
    }
  });

  it('scales to other sizes', () => {
    const { images, pixels } = syntheticDigits({ count: 10, size: 56 });
    expect(images.shape).toEqual([10, 1, 56, 56]);
    const small = syntheticDigits({ count: 10 }).pixels;
    const ratio = pixels.reduce((a, b) => a + b, 0) / small.reduce((a, b) => a + b, 0);
    expect(ratio).toBeGreaterThan(3.6);
    expect(ratio).toBeLessThan(4.4);
  });

  it('rejects what it cannot draw, with the value', () => {
    expect(() => syntheticDigits({ count: -1 })).toThrow('count must be a whole number of at least 0, but is -1');
    expect(() => syntheticDigits({ count: 1.5 })).toThrow(OptionError);
    expect(() => syntheticDigits({ seed: 0.5 })).toThrow('seed');
    expect(() => syntheticDigits({ size: 11 })).toThrow('at least 12');
    expect(() => syntheticDigits({ size: 225 })).toThrow('at most 224, but is 225');
    expect(() => syntheticDigits({ split: 'validation' as 'test' })).toThrow("'train', 'test'");
    expect(() => syntheticDigits({ digits: 3 } as object)).toThrow("unknown option 'digits'");
    expect(() => syntheticDigits({ train: 10, count: 10 } as { train: number })).toThrow("unknown option 'count'");
    expect(syntheticDigits({ count: 0 }).images.shape).toEqual([0, 1, 28, 28]);
  });
});
