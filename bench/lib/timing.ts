/** Timing by rounds that alternate between all candidates, so that a shared machine's moods fall on each alike. */

export interface Candidate {
  readonly name: string;
  /** Floating-point operations of one call (0: only the time is of interest). */
  readonly flops: number;
  readonly run: () => void;
}

export interface Measurement {
  readonly name: string;
  /** Milliseconds of one call: median, and the quartiles as the spread. */
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly gflops: number;
  /** GFLOP/s over the first candidate's in the same round: the median of all rounds. */
  readonly ratio: number;
}

const now = (): number => performance.now();

/** Runs until the engine's optimising compiler has taken over: some calls and some milliseconds, then a pause. */
async function warmUp({ run }: Candidate, milliseconds: number): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const end = now() + milliseconds / 3;
    do run();
    while (now() < end);
    // The compiler works in another thread: let it finish.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function callsPer(candidate: Candidate, milliseconds: number): number {
  const start = now();
  candidate.run();
  candidate.run();
  return Math.max(1, Math.round((2 * milliseconds) / Math.max(now() - start, 1e-4)));
}

export interface TimingOptions {
  readonly rounds?: number;
  readonly warmUp?: number;
  /**
   * Milliseconds of one sample, the same for every candidate: longer than a time slice of a shared machine, so that what
   * other work takes away is taken from all alike.
   */
  readonly sample?: number;
}

export async function measure(candidates: readonly Candidate[], options: TimingOptions = {}): Promise<Measurement[]> {
  const { rounds = 11, sample = 20 } = options;
  for (const candidate of candidates) await warmUp(candidate, options.warmUp ?? 60);
  const calls = candidates.map((c) => callsPer(c, sample));
  const samples: number[][] = candidates.map(() => []);
  for (let round = 0; round < rounds; round++) {
    candidates.forEach(({ run }, i) => {
      const count = calls[i] as number;
      const start = now();
      for (let c = 0; c < count; c++) run();
      (samples[i] as number[]).push((now() - start) / count);
    });
  }
  const speed = (i: number, round: number): number =>
    (candidates[i] as Candidate).flops / (samples[i]?.[round] as number);
  return candidates.map(({ name, flops }, i) => {
    const sorted = [...(samples[i] as number[])].sort((a, b) => a - b);
    const ratios = sorted.map((_, round) => speed(i, round) / speed(0, round)).sort((a, b) => a - b);
    const at = (list: readonly number[], q: number): number => list[Math.round(q * (list.length - 1))] as number;
    return {
      name,
      median: at(sorted, 0.5),
      low: at(sorted, 0.25),
      high: at(sorted, 0.75),
      gflops: flops / at(sorted, 0.5) / 1e6,
      ratio: at(ratios, 0.5),
    };
  });
}
