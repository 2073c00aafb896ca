import { noGrad, softmax, type Tensor } from 'typedgrad';
import { confusionMatrix, learningCurve } from './charts.ts';
import type { History, Judgement } from './history.ts';
import type { NamedLayer } from './model.ts';
import { heat, ink, type Palette, type Plane, pictureSheet, type Row, signed, type Tile } from './pictures.ts';
import type { Figure } from './report.ts';
import type { Digits } from './source.ts';
import { toTensor } from './training.ts';

const MOST_MISTAKES = 32;

/** Everything the report shows, from what the run left behind. */
export async function makeFigures(run: {
  readonly layers: readonly NamedLayer[];
  readonly history: History;
  readonly judgement: Judgement;
  readonly digits: Digits;
}): Promise<Figure[]> {
  const { layers, history, judgement, digits } = run;
  const shown = exampleDigit(judgement, digits);
  return [
    {
      name: 'learning-curve',
      title: 'How it learned',
      caption:
        'Left, the loss that every step tried to lower. Right, the share of right answers: on the digits it learned from, ' +
        'and after each epoch on digits it never saw. A gap between the two would mean that it learns by heart.',
      svg: await learningCurve(history),
    },
    {
      name: 'filters',
      title: 'What the first layer looks for',
      caption:
        'Eight filters of 3 × 3 weights. Each one slides over the picture, multiplies and adds: ink under blue speaks ' +
        'for its pattern, ink under orange against it. Most become edges and strokes of one direction.',
      svg: filterBank(layers),
    },
    {
      name: 'feature-maps',
      title: `A ${digits.labels[shown]} on its way through the network`,
      caption:
        'What every layer makes of one test digit. Convolution answers where a pattern is (blue) or its opposite (orange), ' +
        'ReLU keeps the agreement, max pooling keeps the strongest answer of every 2 × 2 pixels.',
      svg: featureMaps(layers, digits, shown),
    },
    {
      name: 'confusion-matrix',
      title: 'What it takes for what',
      caption: 'One row per digit shown, one column per answer. Blue is right; orange is where it went wrong.',
      svg: await confusionMatrix(judgement),
    },
    {
      name: 'worst-mistakes',
      title: 'Its worst mistakes',
      caption:
        judgement.mistakes.length === 0
          ? 'There are none: every digit was read correctly.'
          : 'Wrong answers, starting with those that gave the truth the least chance. Would you have read them?',
      svg: worstMistakes(judgement, digits),
    },
  ];
}

/** The first digit that was read correctly, or the first at all. */
function exampleDigit({ mistakes, count }: Judgement, { labels }: Digits): number {
  const wrong = new Set(mistakes.map(({ index }) => index));
  const simple = new Set([2, 3, 5, 8]);
  const right = Array.from({ length: count }, (_, i) => i).filter((i) => !wrong.has(i));
  return right.find((i) => simple.has(labels[i] as number)) ?? right[0] ?? 0;
}

function filterBank(layers: readonly NamedLayer[]): string {
  const weight = layers[0]?.layer.stateDict().weight as Tensor;
  const most = largest(weight.toTypedArray());
  const tiles = planes(weight.detach().squeeze(1)).map((plane, i) => ({
    plane,
    palette: signed(most),
    label: `filter ${i + 1}`,
  }));
  return pictureSheet([{ heading: '', tiles, perLine: 8 }]);
}

function featureMaps(layers: readonly NamedLayer[], digits: Digits, index: number): string {
  const rows: Row[] = [{ heading: 'the picture', tiles: [digitTile(digits, index)], perLine: 8 }];
  noGrad(() => {
    let x = toTensor(digits, index, index + 1);
    for (const { name, layer } of layers) {
      x = layer.forward(x);
      if (x.rank !== 4) continue;
      const [, channels, height, width] = x.shape;
      const most = largest(x.toTypedArray());
      const palette = name.includes('convolution') ? signed(most) : heat(most);
      const tiles = planes(x.squeeze(0)).map((plane) => ({ plane, palette }));
      rows.push({
        heading: `${name}: ${channels} maps of ${height} × ${width}`,
        tiles,
        perLine: Math.max(8, tiles.length),
      });
    }
    rows.push({ heading: 'the answer', tiles: answerTiles(softmax(x, 1).toTypedArray()), perLine: 10 });
  });
  return pictureSheet(rows);
}

function answerTiles(probabilities: ArrayLike<number>): Tile[] {
  return Array.from({ length: 10 }, (_, digit) => ({
    plane: { width: 1, height: 1, values: [probabilities[digit] as number] },
    palette: heat(1),
    label: `${digit}: ${percent(probabilities[digit] as number)}`,
  }));
}

function worstMistakes({ mistakes }: Judgement, digits: Digits): string {
  const tiles = mistakes.slice(0, MOST_MISTAKES).map(({ index, truth, answer, sure }) => ({
    ...digitTile(digits, index),
    label: `${truth} as ${answer}, ${percent(sure)}`,
  }));
  const heading = tiles.length === 0 ? 'no mistakes' : '';
  return pictureSheet([{ heading, tiles, perLine: 8 }]);
}

function digitTile(digits: Digits, index: number): { plane: Plane; palette: Palette } {
  const area = digits.size * digits.size;
  const values = digits.pixels.subarray(index * area, (index + 1) * area);
  return { plane: { width: digits.size, height: digits.size, values }, palette: ink(255) };
}

/** The planes of a tensor `[channels, height, width]`. */
function planes(x: Tensor): Plane[] {
  const [channels = 0, height = 0, width = 0] = x.shape;
  const values = x.toTypedArray();
  const area = height * width;
  return Array.from({ length: channels }, (_, c) => ({
    width,
    height,
    values: values.subarray(c * area, (c + 1) * area),
  }));
}

function largest(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i] as number));
  return most;
}

const percent = (share: number): string => `${Math.round(100 * share)}%`;
