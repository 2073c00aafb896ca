/**
 * Draws the figures of docs/convolution.md into docs/figures.
 *
 *     npx tsx scripts/figures.ts
 *
 * A figure is a row of grids of cells (in one axis, grids of one row); arrows and labels between them. Cells that matter
 * for one output are marked, so each picture answers one question: where does this number come from?
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { reference } from '../src/testing/index.ts';

const CELL = 34;
const INK = '#1f2933';
const COLOURS = {
  plain: '#f4f6f8',
  padding: '#ffffff',
  window: '#ffd98e',
  output: '#9fd3c7',
  zero: '#ffffff',
  second: '#f3b0a9',
};
type Colour = keyof typeof COLOURS;

interface Cell {
  readonly text: string;
  readonly colour: Colour;
  /** Padding and the zeros between elements are drawn with a dashed border. */
  readonly dashed?: boolean;
}

type Grid = readonly (readonly Cell[])[];

const text = (x: number, y: number, content: string, size = 13, anchor = 'middle'): string =>
  `<text x="${x}" y="${y}" font-size="${size}" text-anchor="${anchor}" fill="${INK}">${content.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</text>`;

function drawCell(x: number, y: number, { text: content, colour, dashed }: Cell): string {
  const dash = dashed ? ' stroke-dasharray="3 3" stroke="#9aa5b1"' : ` stroke="${INK}"`;
  const box = `<rect x="${x}" y="${y}" width="${CELL}" height="${CELL}" fill="${COLOURS[colour]}"${dash}/>`;
  return box + text(x + CELL / 2, y + CELL / 2 + 5, content);
}

const drawGrid = (x: number, y: number, grid: Grid): string =>
  grid.flatMap((row, i) => row.map((cell, j) => drawCell(x + j * CELL, y + i * CELL, cell))).join('');

const widthOf = (grid: Grid): number => (grid[0]?.length ?? 0) * CELL;
const heightOf = (grid: Grid): number => grid.length * CELL;

/** A grid with a caption above it; a string stands between grids as an operator. */
type Part = string | { readonly caption: string; readonly grid: Grid };

const GAP = 16;
const CAPTION = 24;

/** One row of parts, centred on a line; returns its drawing and its size. */
function drawRow(parts: readonly Part[], x0: number, y0: number): { svg: string; width: number; height: number } {
  const tallest = Math.max(...parts.map((part) => (typeof part === 'string' ? 0 : heightOf(part.grid))));
  let x = x0;
  let svg = '';
  for (const part of parts) {
    if (typeof part === 'string') {
      const width = 14 + part.length * 8;
      svg += text(x + width / 2, y0 + CAPTION + tallest / 2 + 6, part, 18);
      x += width + GAP;
    } else {
      const y = y0 + CAPTION + (tallest - heightOf(part.grid)) / 2;
      // A caption may be wider than its grid.
      const width = Math.max(widthOf(part.grid), part.caption.length * 6.8);
      svg +=
        text(x + width / 2, y - 8, part.caption, 12) + drawGrid(x + (width - widthOf(part.grid)) / 2, y, part.grid);
      x += width + GAP;
    }
  }
  return { svg, width: x - GAP - x0, height: CAPTION + tallest };
}

function figure(name: string, title: string, rows: readonly (readonly Part[])[]): void {
  let y = 14;
  let body = '';
  let width = 0;
  for (const row of rows) {
    const drawn = drawRow(row, 16, y);
    body += drawn.svg;
    width = Math.max(width, drawn.width);
    y += drawn.height + 18;
  }
  const size = `width="${Math.ceil(width + 32)}" height="${y}" viewBox="0 0 ${Math.ceil(width + 32)} ${y}"`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="system-ui, sans-serif" role="img" aria-label="${title}">
<title>${title}</title><rect width="100%" height="100%" fill="#ffffff"/>${body}</svg>\n`;
  writeFileSync(new URL(`../docs/figures/${name}.svg`, import.meta.url), svg);
}

/** Cells of one row of numbers; `marked` gives the colour of some. */
const row = (
  values: readonly (number | string)[],
  marked: Record<number, Colour> = {},
  usual: Colour = 'plain',
): Grid => [values.map((value, i) => ({ text: String(value).replace('-', '−'), colour: marked[i] ?? usual }))];

/** A row whose zeros at `zeros` are padding, or lie between elements. */
const rowWithZeros = (
  values: readonly number[],
  zeros: readonly number[],
  marked: Record<number, Colour> = {},
): Grid => [
  values.map((value, i) => ({
    text: String(value).replace('-', '−'),
    colour: marked[i] ?? (zeros.includes(i) ? 'zero' : 'plain'),
    dashed: zeros.includes(i),
  })),
];

const at = (colour: Colour, ...indices: number[]): Record<number, Colour> =>
  Object.fromEntries(indices.map((i) => [i, colour]));

/** The numbers come from the reference, so that no picture can be wrong. */
const conv = (
  x: readonly number[],
  w: readonly number[],
  options: Parameters<typeof reference.conv>[2] = {},
): number[] => [...reference.conv([[[...x]]], [[[...w]]], options).data];

const X = [0, 0, 1, 1, 1, 0, 1, 0, 0, 0];
const W = [-1, 1, -1];

function oneAxis(): void {
  figure('convolution', 'A window of three elements slides over a row of ten', [
    [{ caption: 'x, S = 10', grid: row(X, at('window', 5, 6, 7)) }],
    [
      { caption: 'w, K = 3', grid: row(W, at('window', 0, 1, 2)) },
      '→',
      { caption: 'y, P = 10 − 3 + 1 = 8', grid: row(conv(X, W), at('output', 5)) },
    ],
  ]);
  const padded = [0, ...X.slice(0, 6), 0];
  figure('padding', 'One zero before and after keeps the size', [
    [{ caption: 'x with padding 1, S + 2 = 8', grid: rowWithZeros(padded, [0, 7], at('window', 0, 1, 2)) }],
    [
      { caption: 'w', grid: row(W, at('window', 0, 1, 2)) },
      '→',
      { caption: 'y, P = 6', grid: row(conv(X.slice(0, 6), W, { padding: 1 }), at('output', 0)) },
    ],
  ]);
  figure('stride', 'Stride 2 keeps every second window; one element is left over', [
    [{ caption: 'x, S = 8', grid: row(X.slice(0, 8), { ...at('window', 2, 3, 4), 7: 'padding' }) }],
    [
      { caption: 'w, stride 2', grid: row(W, at('window', 0, 1, 2)) },
      '→',
      {
        caption: 'y, P = floor((8 − 3) / 2) + 1 = 3',
        grid: row(conv(X.slice(0, 8), W, { stride: 2 }), at('output', 1)),
      },
    ],
  ]);
  figure('dilation', 'Dilation 2 lets the taps lie two apart', [
    [{ caption: 'x, S = 8', grid: row(X.slice(0, 8), at('window', 2, 4, 6)) }],
    [
      { caption: 'w, reach 2·(3 − 1) + 1 = 5', grid: rowWithZeros([-1, 0, 1, 0, -1], [1, 3], at('window', 0, 2, 4)) },
      '→',
      { caption: 'y, P = 8 − 5 + 1 = 4', grid: row(conv(X.slice(0, 8), W, { dilation: 2 }), at('output', 2)) },
    ],
  ]);
}

function modes(): void {
  const x = [1, 2, 3, 4];
  const shown = (mode: 'constant' | 'reflect' | 'replicate' | 'circular'): Grid =>
    rowWithZeros([...reference.pad(x, [[2, 2]], { mode }).data], [0, 1, 6, 7]);
  figure('padding-modes', 'Two elements of padding in each mode', [
    [{ caption: 'zeros', grid: shown('constant') }, ' ', { caption: 'reflect', grid: shown('reflect') }],
    [{ caption: 'replicate', grid: shown('replicate') }, ' ', { caption: 'circular', grid: shown('circular') }],
  ]);
}

function twoAxes(): void {
  const x = [
    [1, 0, 1, 0, 0],
    [1, 0, 1, 0, 1],
    [1, 1, 1, 0, 0],
    [1, 0, 1, 0, 1],
    [1, 0, 1, 0, 1],
  ];
  const w = [
    [-1, -1, -1],
    [-1, 1, -1],
    [-1, -1, -1],
  ];
  const y = reference.conv([[x]], [[w]]);
  const grid = (values: readonly (readonly number[])[], inside: (i: number, j: number) => Colour): Grid =>
    values.map((line, i) => line.map((value, j) => ({ text: String(value).replace('-', '−'), colour: inside(i, j) })));
  const rows = [0, 1, 2].map((i) => [...y.data.slice(i * 3, i * 3 + 3)]);
  figure('two-axes', 'A 3 by 3 window over a 5 by 5 picture', [
    [
      { caption: 'x, 5 × 5', grid: grid(x, (i, j) => (i >= 1 && i < 4 && j >= 2 ? 'window' : 'plain')) },
      '⋆',
      { caption: 'w, 3 × 3', grid: grid(w, () => 'window') },
      '=',
      { caption: 'y, 3 × 3', grid: grid(rows, (i, j) => (i === 1 && j === 2 ? 'output' : 'plain')) },
    ],
  ]);
}

function groups(): void {
  const channels = (names: readonly string[], colours: readonly Colour[]): Grid =>
    names.map((name, i) => [{ text: name, colour: colours[i] as Colour }]);
  const filled: Grid = [0, 1, 2, 3].map((o) =>
    [0, 1, 2, 3].map((c) => {
      const inside = Math.floor(o / 2) === Math.floor(c / 2);
      return { text: inside ? 'w' : '0', colour: inside ? (o < 2 ? 'window' : 'second') : 'zero', dashed: !inside };
    }),
  );
  figure('groups', 'Two groups are a block-diagonal filter', [
    [
      { caption: 'filters [4, 2, K], as [4, 4, K]', grid: filled },
      '⋆',
      { caption: 'x, 4 channels', grid: channels(['x₀', 'x₁', 'x₂', 'x₃'], ['window', 'window', 'second', 'second']) },
      '=',
      { caption: 'y, 4 channels', grid: channels(['y₀', 'y₁', 'y₂', 'y₃'], ['window', 'window', 'second', 'second']) },
    ],
  ]);
}

function transposed(): void {
  const x = [1, 2, 3];
  const w = [1, 10, 100];
  const y = reference.convTranspose([[x]], [[w]], { stride: 2 });
  figure('transposed', 'Each element lays its filter into the output, two places further each time', [
    [{ caption: 'x, S = 3', grid: row(x, at('window', 1)) }, '·', { caption: 'w, K = 3', grid: row(w) }],
    [{ caption: '1 · w at 0', grid: rowWithZeros([1, 10, 100, 0, 0, 0, 0], [3, 4, 5, 6]) }],
    [{ caption: '2 · w at 2', grid: rowWithZeros([0, 0, 2, 20, 200, 0, 0], [0, 1, 5, 6], at('window', 2, 3, 4)) }],
    [{ caption: '3 · w at 4', grid: rowWithZeros([0, 0, 0, 0, 3, 30, 300], [0, 1, 2, 3]) }],
    [{ caption: 'sum: y, P = (3 − 1)·2 + 3 = 7', grid: row([...y.data], at('output', 2, 3, 4)) }],
  ]);
  figure('zero-stuffing', 'The same as a convolution over x with zeros between its elements', [
    [
      {
        caption: 'x with 1 zero between and 2 around',
        grid: rowWithZeros([0, 0, 1, 0, 2, 0, 3, 0, 0], [0, 1, 3, 5, 7, 8], at('window', 2, 4)),
      },
    ],
    [
      { caption: 'w flipped', grid: row(w.toReversed(), at('window', 0, 2)) },
      '→',
      { caption: 'y', grid: row([...y.data], at('output', 2)) },
    ],
  ]);
}

function matrix(): void {
  const w = ['a', 'b', 'c'];
  const cells: Grid = [0, 1, 2].map((i) =>
    [0, 1, 2, 3, 4].map((j) => {
      const tap = w[j - i];
      return { text: tap ?? '0', colour: tap === undefined ? 'zero' : 'window', dashed: tap === undefined };
    }),
  );
  const column = (letter: string, n: number, colour: Colour): Grid =>
    Array.from({ length: n }, (_, i) => [{ text: `${letter}${'₀₁₂₃₄'[i]}`, colour }]);
  figure('matrix', 'Convolution as a Toeplitz matrix', [
    [
      { caption: 'T(w), 3 × 5', grid: cells },
      '·',
      { caption: 'x', grid: column('x', 5, 'plain') },
      '=',
      { caption: 'y', grid: column('y', 3, 'output') },
    ],
  ]);
}

mkdirSync(new URL('../docs/figures', import.meta.url), { recursive: true });
oneAxis();
modes();
twoAxes();
groups();
transposed();
matrix();
