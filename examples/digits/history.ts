/** What a run leaves behind for the charts: plain numbers, no tensors. */
export interface History {
  /** Loss and share of right answers of every step. */
  readonly steps: { readonly seen: number; readonly epoch: number; readonly loss: number; readonly accuracy: number }[];
  /** Test accuracy after every epoch. */
  readonly tests: { readonly seen: number; readonly accuracy: number }[];
}

/** How the network judged the test digits. */
export interface Judgement {
  readonly accuracy: number;
  readonly count: number;
  /** `confusion[truth][answer]`: how often. */
  readonly confusion: readonly (readonly number[])[];
  /** Wrong answers, the most surprised first. */
  readonly mistakes: readonly Mistake[];
}

export interface Mistake {
  readonly index: number;
  readonly truth: number;
  readonly answer: number;
  /** How sure the network was of its answer, 0 to 1. */
  readonly sure: number;
}

/** Judges probabilities `[count, 10]` (row-major) against the truth. */
export function judge(probabilities: ArrayLike<number>, labels: ArrayLike<number>): Judgement {
  const confusion = Array.from({ length: 10 }, () => new Array<number>(10).fill(0));
  const mistakes: (Mistake & { truthShare: number })[] = [];
  for (let index = 0; index < labels.length; index++) {
    const row = Array.from({ length: 10 }, (_, digit) => probabilities[10 * index + digit] as number);
    const truth = labels[index] as number;
    // A network that diverged answers NaN: count it as 0, wrong unless the truth is 0, rather than fail.
    const answer = Math.max(0, row.indexOf(Math.max(...row)));
    (confusion[truth] as number[])[answer] = ((confusion[truth] as number[])[answer] as number) + 1;
    if (answer !== truth) {
      mistakes.push({ index, truth, answer, sure: row[answer] as number, truthShare: row[truth] as number });
    }
  }
  mistakes.sort((a, b) => a.truthShare - b.truthShare || a.index - b.index);
  const right = labels.length - mistakes.length;
  return { accuracy: labels.length === 0 ? 0 : right / labels.length, count: labels.length, confusion, mistakes };
}

/** Averages that forget: each value counts `1 - keep`, the past `keep`; started without a pull towards 0. */
export function smooth(values: readonly number[], keep: number): number[] {
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    sum = keep * sum + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return sum / weight;
  });
}
