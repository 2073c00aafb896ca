import { Presets, SingleBar } from 'cli-progress';

/** What a training step tells. */
export interface StepReport {
  readonly epoch: number;
  /** Smoothed over the last steps, as the eye wants it. */
  readonly loss: number;
  readonly accuracy: number;
  /** Digits seen since the start. */
  readonly seen: number;
}

export interface Progress {
  step(report: StepReport): void;
  /** A line of its own, above the bar. */
  note(line: string): void;
  stop(): void;
}

/** A bar on a terminal, plain lines elsewhere (a file, a pipe, a build log). */
export function makeProgress(epochs: number, total: number, stream: NodeJS.WriteStream = process.stdout): Progress {
  return stream.isTTY ? barProgress(epochs, total, stream) : lineProgress(epochs, total, stream);
}

function barProgress(epochs: number, total: number, stream: NodeJS.WriteStream): Progress {
  const bar = new SingleBar(
    {
      format: 'epoch {epoch}/{epochs} {bar} loss {loss}  accuracy {accuracy}  {speed} images/s  {left} left',
      barsize: 12,
      stream,
      hideCursor: true,
      gracefulExit: false,
      clearOnComplete: false,
    },
    Presets.shades_classic,
  );
  const speed = new Speed(total);
  bar.start(total, 0, { epoch: 1, epochs, loss: '-', accuracy: '-', speed: '-', left: '-' });
  return {
    step: ({ epoch, loss, accuracy, seen }) => {
      const { rate, left } = speed.at(seen);
      const payload = { epoch, epochs, loss: loss.toFixed(4), accuracy: accuracy.toFixed(3) };
      bar.update(seen, { ...payload, speed: rate.toFixed(0), left: duration(left) });
    },
    note: (line) => {
      stream.write(`\r\x1b[K${line}\n`);
      bar.render();
    },
    stop: () => bar.stop(),
  };
}

/** About ten lines per epoch. */
function lineProgress(epochs: number, total: number, stream: NodeJS.WriteStream): Progress {
  const speed = new Speed(total);
  const every = total / Math.max(1, epochs) / 10;
  let due = every;
  return {
    step: ({ epoch, loss, accuracy, seen }) => {
      if (seen < due && seen < total) return;
      due = seen + every;
      const { rate, left } = speed.at(seen);
      stream.write(
        `epoch ${epoch}/${epochs}  ${Math.floor((100 * seen) / total)}%  loss ${loss.toFixed(4)}  ` +
          `accuracy ${accuracy.toFixed(3)}  ${rate.toFixed(0)} images/s  ${duration(left)} left\n`,
      );
    },
    note: (line) => {
      stream.write(`${line}\n`);
    },
    stop: () => {},
  };
}

class Speed {
  readonly #start = performance.now();
  readonly #total: number;

  constructor(total: number) {
    this.#total = total;
  }

  at(seen: number): { rate: number; left: number } {
    const rate = seen / Math.max(1e-3, (performance.now() - this.#start) / 1000);
    return { rate, left: (this.#total - seen) / rate };
  }
}

/** Seconds as a person says them: 42 s, 3 min 5 s. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
