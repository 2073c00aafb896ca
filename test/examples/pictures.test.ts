import fc from 'fast-check';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { confusionMatrix, learningCurve, standalone } from '../../examples/digits/charts.ts';
import { type History, judge, smooth } from '../../examples/digits/history.ts';
import { encodePng, escapeXml, heat, ink, pictureSheet, signed } from '../../examples/digits/pictures.ts';
import { reportPage } from '../../examples/digits/report.ts';
import { elements } from './xml.ts';

describe('the XML check of these tests', () => {
  it('accepts what is well-formed and rejects what is not', () => {
    expect(elements('<svg a="1"><g/><text b="x" c="y">&#38;</text></svg>')).toEqual(['svg', 'g', 'text']);
    for (const wrong of [
      '<a>',
      '<a></b>',
      '</a>',
      '<a b=1/>',
      '<a>&</a>',
      '<a b="1" b="2"/>',
      '<a b="&"/>',
      '<a <b/>',
    ]) {
      expect(() => elements(wrong), wrong).toThrow();
    }
  });
});

describe('encodePng', () => {
  it('shows every value as a square of its colour', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 25, maxLength: 25 }),
        (width, height, zoom, values) => {
          const png = PNG.sync.read(Buffer.from(encodePng({ width, height, values }, ink(255), zoom)));
          expect([png.width, png.height]).toEqual([width * zoom, height * zoom]);
          for (let y = 0; y < png.height; y++) {
            for (let x = 0; x < png.width; x++) {
              const value = 255 - (values[Math.floor(y / zoom) * width + Math.floor(x / zoom)] as number);
              const at = 4 * (y * png.width + x);
              expect([...png.data.subarray(at, at + 4)]).toEqual([value, value, value, 255]);
            }
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('keeps colours in range for every number, NaN and infinities too', () => {
    const palettes = [ink(255), ink(0), signed(1), signed(0), heat(2), heat(0)];
    fc.assert(
      fc.property(fc.double(), fc.constantFrom(...palettes), (value, palette) => {
        for (const part of palette(value)) {
          expect(Number.isInteger(part) && part >= 0 && part <= 255, `${part}`).toBe(true);
        }
      }),
    );
  });

  it('tells weights below zero from weights above', () => {
    const [below, zero, above] = [-1, 0, 1].map(signed(1)) as unknown as [number[], number[], number[]];
    expect(zero).toEqual([255, 255, 255]);
    expect((below[0] as number) > (below[2] as number)).toBe(true);
    expect((above[2] as number) > (above[0] as number)).toBe(true);
  });
});

describe('pictureSheet', () => {
  const tile = (label?: string) => ({
    plane: { width: 2, height: 3, values: [1, 2, 3, 4, 5, 6] },
    palette: heat(6),
    ...(label === undefined ? {} : { label }),
  });

  it('is a well-formed SVG with one embedded PNG per picture, whatever the labels hold', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 20 }), fc.integer({ min: 1, max: 16 }), (labels, perLine) => {
        const svg = pictureSheet([{ heading: labels.join(' '), tiles: labels.map(tile), perLine }]);
        expect(elements(svg).filter((name) => name === 'image')).toHaveLength(labels.length);
        for (const [, data] of svg.matchAll(/href="data:image\/png;base64,([^"]+)"/g)) {
          expect(PNG.sync.read(Buffer.from(data as string, 'base64')).width).toBeGreaterThan(1);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('keeps all pictures inside of its width and height', () => {
    const svg = pictureSheet([{ heading: 'maps', tiles: Array.from({ length: 19 }, () => tile('x')), perLine: 8 }]);
    const [width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.slice(1).map(Number) as [number, number];
    const places = [...svg.matchAll(/<image x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g)];
    expect(places).toHaveLength(19);
    expect(new Set(places.map(([, x, y]) => `${x} ${y}`)).size).toBe(19);
    for (const [x, y, w, h] of places.map((place) => place.slice(1).map(Number) as [number, number, number, number])) {
      expect(x + w).toBeLessThanOrEqual(width);
      expect(y + h).toBeLessThanOrEqual(height);
    }
  });

  it('escapes text so that it reads back the same', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const back = escapeXml(text).replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
        expect(back).toBe(text);
        expect(escapeXml(text)).not.toMatch(/[<>"']/);
      }),
    );
  });
});

const history = (steps: number): History => ({
  steps: Array.from({ length: steps }, (_, i) => ({ seen: 64 * (i + 1), epoch: 1, loss: 2 / (i + 1), accuracy: 0.5 })),
  tests: steps === 0 ? [] : [{ seen: 64 * steps, accuracy: 0.9 }],
});

describe('charts', () => {
  it('are well-formed SVG, for no step, one step and thousands', async () => {
    for (const steps of [0, 1, 5000]) {
      const svg = await learningCurve(history(steps));
      expect(elements(svg)[0]).toBe('svg');
      expect(svg).not.toMatch(/NaN|undefined/);
      expect(svg.length).toBeLessThan(200_000);
      expect(elements(standalone(svg))[0]).toBe('svg');
    }
  });

  it('name their axes and series, and say nothing on the console', async () => {
    const said: unknown[] = [];
    const { warn, log } = console;
    console.warn = console.log = (...words: unknown[]) => said.push(words);
    const svg = await learningCurve(history(50)).finally(() => Object.assign(console, { warn, log }));
    for (const word of ['digits seen', 'loss', 'smoothed', 'in training', 'on test digits'])
      expect(svg).toContain(word);
    expect(said).toEqual([]);
  });

  it('print the counts of the confusion matrix', async () => {
    const probabilities = new Float32Array(30).fill(0.01);
    for (const [i, answer] of [3, 3, 7].entries()) probabilities[10 * i + answer] = 0.9;
    const svg = await confusionMatrix(judge(probabilities, [3, 3, 9]));
    elements(svg);
    const counts = [...svg.matchAll(/fill="currentColor"[^>]*>(\d+)<\/text>/g)].map(([, text]) => text);
    expect(counts).toContain('2');
    expect(counts).toContain('1');
    expect(svg).toContain('truth');
    expect(svg).toContain('answer');
  });
});

describe('judge', () => {
  it('counts right answers, confusions and mistakes consistently', () => {
    const digit = fc.integer({ min: 0, max: 9 });
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(digit, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 10, maxLength: 10 })),
        ),
        (cases) => {
          const labels = cases.map(([label]) => label);
          const judgement = judge(
            cases.flatMap(([, row]) => row),
            labels,
          );
          const right = cases.filter(([label, row]) => row.indexOf(Math.max(...row)) === label).length;
          expect(judgement.accuracy).toBe(cases.length === 0 ? 0 : right / cases.length);
          expect(judgement.mistakes).toHaveLength(cases.length - right);
          expect(judgement.confusion.flat().reduce((a, b) => a + b, 0)).toBe(cases.length);
          expect(judgement.confusion.reduce((sum, row, i) => sum + (row[i] as number), 0)).toBe(right);
        },
      ),
    );
  });

  it('puts the mistake that gave the truth the least chance first', () => {
    const rows = [0.3, 0.1, 0.2].flatMap((truth) => [truth, 0.6, ...new Array(8).fill(0)]);
    expect(judge(rows, [0, 0, 0]).mistakes.map(({ index }) => index)).toEqual([1, 2, 0]);
  });
});

describe('smooth', () => {
  it('leaves constants alone and stays within the values', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1 }), (values) => {
        for (const value of smooth(values, 0.9)) {
          expect(value).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9);
          expect(value).toBeLessThanOrEqual(Math.max(...values) + 1e-9);
        }
        for (const value of smooth(
          values.map(() => 3),
          0.9,
        ))
          expect(value).toBeCloseTo(3, 9);
      }),
    );
  });
});

describe('reportPage', () => {
  const facts = {
    accuracy: 0.9712,
    judged: 2000,
    interrupted: false,
    settings: [['loss', 'a <b> & "c"']],
    summary: 'x < y',
  } as const;

  it('shows everything in one file that loads nothing', () => {
    const figure = {
      name: 'a',
      title: 'Title & more',
      caption: '1 < 2',
      svg: '<svg xmlns="http://www.w3.org/2000/svg"/>',
    };
    const html = reportPage(facts, [figure]);
    expect(html).toContain('97.12 %');
    expect(html).toContain('2,000 digits');
    expect(html).toContain('Title &#38; more');
    expect(html).toContain('a &#60;b&#62;');
    expect(html).not.toMatch(/<script|<link|src="|url\(|@import|href="http/);
    expect(html).toContain('prefers-color-scheme: dark');
    expect(html).not.toContain('interrupted');
    elements(html.slice(html.indexOf('<main>'), html.indexOf('</main>') + 7));
  });

  it('says that a run was interrupted', () => {
    expect(reportPage({ ...facts, interrupted: true }, [])).toContain('interrupted');
  });
});
