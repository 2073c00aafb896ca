import { None, parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { type History, type Judgement, smooth } from './history.ts';

/** Readable on white and on black alike. */
export const COLORS = { train: '#3b82f6', test: '#f97316', faint: '#94a3b8' };

/** Text and lines take the colour of the page they are shown on. */
const CONFIG = {
  background: 'transparent',
  font: 'system-ui, sans-serif',
  view: { stroke: 'transparent' },
  axis: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    titleFontWeight: 'normal',
    tickColor: 'currentColor',
    domainColor: 'currentColor',
    gridColor: 'currentColor',
    gridOpacity: 0.12,
    domainOpacity: 0.4,
    tickOpacity: 0.4,
  },
  legend: { labelColor: 'currentColor', titleColor: 'currentColor', orient: 'top', title: null },
  title: { color: 'currentColor', anchor: 'start', fontWeight: 'normal' },
} as const;

/** An SVG of a vega-lite chart, without a word on the console. */
async function draw(spec: object): Promise<string> {
  const full = { $schema: 'https://vega.github.io/schema/vega-lite/v6.json', ...spec, config: CONFIG } as TopLevelSpec;
  const view = new View(parse(compile(full).spec), { renderer: 'none', logLevel: None });
  const svg = await view.toSVG();
  view.finalize();
  return svg;
}

/** At most this many steps are drawn: more make the file large, not the picture clearer. */
const MOST_POINTS = 400;

/** Loss of every step, and accuracy in training and on the test digits, over the digits seen. */
export function learningCurve(history: History): Promise<string> {
  const { steps, tests } = history;
  const losses = smooth(
    steps.map(({ loss }) => loss),
    0.95,
  );
  const shares = smooth(
    steps.map(({ accuracy }) => accuracy),
    0.95,
  );
  const every = Math.max(1, Math.ceil(steps.length / MOST_POINTS));
  const kept = steps.map((step, i) => ({ ...step, smoothLoss: losses[i], smoothAccuracy: shares[i] }));
  const points = kept.filter((_, i) => i % every === 0 || i === kept.length - 1);
  const x = { field: 'seen', type: 'quantitative', title: 'digits seen', axis: { tickCount: 6 } };
  const loss = series(x, { 'of each step': COLORS.faint, smoothed: COLORS.train });
  const right = series(x, { 'in training': COLORS.train, 'on test digits': COLORS.test });
  const panel = { width: 340, height: 220, data: { values: points } };
  return draw({
    hconcat: [
      {
        title: 'loss',
        ...panel,
        layer: [
          loss('loss', 'of each step', { type: 'point', filled: true, size: 12, opacity: 0.5 }),
          loss('smoothLoss', 'smoothed', { type: 'line', strokeWidth: 2 }),
        ],
      },
      {
        title: 'share of right answers',
        ...panel,
        layer: [
          right('smoothAccuracy', 'in training', { type: 'line', strokeWidth: 2 }),
          {
            data: { values: tests },
            ...right('accuracy', 'on test digits', { type: 'line', strokeWidth: 2, point: { size: 50 } }),
          },
        ],
      },
    ],
    resolve: { scale: { color: 'independent' } },
  });
}

/** Makes the layers of one panel; every one of them is told all names and colours, or they would quarrel. */
function series(x: object, colors: Readonly<Record<string, string>>) {
  const scale = { domain: Object.keys(colors), range: Object.values(colors) };
  return (field: string, name: string, mark: object): object => {
    const y = { field, type: 'quantitative', title: null, scale: { zero: false } };
    return { mark, encoding: { x, y, color: { datum: name, scale } } };
  };
}

/** Truth against answer: on the diagonal what was right, in blue; beside it what was confused, in orange. */
export function confusionMatrix({ confusion }: Judgement): Promise<string> {
  const cells = confusion.flatMap((row, truth) => {
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((count, answer) => ({ truth, answer, count, share: total === 0 ? 0 : count / total }));
  });
  const axis = { grid: false, domain: false, ticks: false, labelAngle: 0 };
  return draw({
    width: 380,
    height: 380,
    data: { values: cells.filter(({ count }) => count > 0) },
    encoding: {
      x: {
        field: 'answer',
        type: 'ordinal',
        title: 'answer',
        scale: { domain: DIGITS },
        axis: { ...axis, orient: 'top' },
      },
      y: { field: 'truth', type: 'ordinal', title: 'truth', scale: { domain: DIGITS }, axis },
    },
    layer: [
      {
        mark: { type: 'rect', cornerRadius: 3 },
        encoding: {
          color: {
            condition: { test: 'datum.truth === datum.answer', value: COLORS.train },
            value: COLORS.test,
          },
          // The square root lifts a confusion of one in a hundred out of the paper.
          opacity: {
            field: 'share',
            type: 'quantitative',
            legend: null,
            scale: { type: 'sqrt', domain: [0, 1], range: [0.08, 0.85] },
          },
        },
      },
      { mark: { type: 'text', fontSize: 11, color: 'currentColor' }, encoding: { text: { field: 'count' } } },
    ],
  });
}

const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** A file of its own has no page to take a colour from: dark on white. */
export function standalone(svg: string): string {
  return svg.replace('<svg ', '<svg style="color:#1e293b;background:#ffffff" ');
}
