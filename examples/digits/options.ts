import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

/** The losses that the command offers; each has its rule in `losses.ts`. */
export const LOSSES = ['crossEntropy', 'mse', 'bce', 'hinge'] as const;
export type LossName = (typeof LOSSES)[number];

/** The optimizers that the command offers, with the learning rate that suits each. */
export const LEARNING_RATES = { sgd: 0.05, adam: 0.004 } as const;
export type OptimizerName = keyof typeof LEARNING_RATES;

export interface TrainOptions {
  /** A folder with MNIST's four IDX files; undefined: digits that the project draws itself. */
  readonly data: string | undefined;
  readonly epochs: number;
  /** A folder like `data`, whose test digits the trained network is judged by as well. */
  readonly judge: string | undefined;
  /** At most this many training digits; undefined: all there are. */
  readonly limit: number | undefined;
  readonly batchSize: number;
  readonly lr: number;
  readonly seed: number;
  readonly optimizer: OptimizerName;
  readonly loss: LossName;
  readonly out: string;
  /** Run operation by operation instead of compiling the training step. */
  readonly eager: boolean;
  readonly demo: '1d' | '2d' | '3d' | undefined;
}

/** A mistake of the person at the keyboard: told in one line, exit code 1, no stack trace. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}

/** Epochs unless told otherwise: the drawn digits are fewer than MNIST's 60,000. */
const EPOCHS = { synthetic: 3, mnist: 1 };

/**
 * Reads the command line.
 *
 * @returns the options, or the text to print for `--help`
 * @throws UsageError for every wrong value, with the value and what is allowed
 */
export function parseArguments(args: readonly string[]): TrainOptions | { help: string } {
  let output = '';
  const command = makeCommand((text) => {
    output += text;
  });
  try {
    command.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { help: output };
    throw new UsageError(`${error.message.replace(/^error: /, '')} (see --help)`);
  }
  const given = command.opts<Omit<TrainOptions, 'epochs' | 'lr'> & { epochs?: number; lr?: number }>();
  return {
    data: given.data,
    judge: given.judge,
    limit: given.limit,
    batchSize: given.batchSize,
    seed: given.seed,
    optimizer: given.optimizer,
    loss: given.loss,
    out: given.out,
    eager: given.eager ?? false,
    demo: given.demo,
    epochs: given.epochs ?? (given.data === undefined ? EPOCHS.synthetic : EPOCHS.mnist),
    lr: given.lr ?? LEARNING_RATES[given.optimizer],
  };
}

function makeCommand(write: (text: string) => void): Command {
  const rates = Object.entries(LEARNING_RATES).map(([name, rate]) => `${rate} for ${name}`);
  return new Command('npm run train --')
    .description(
      'Trains a small convolutional network on pictures of digits, judges it on digits it has not seen, ' +
        'and writes what it learned into a folder: open report.html there.',
    )
    .option(
      '--data <dir>',
      "folder with MNIST's four IDX files, gzipped or not (default: digits drawn by the project)",
      text,
    )
    .option('--judge <dir>', 'judge by the test digits of this folder too, for example drawn digits by MNIST', text)
    .option('--epochs <n>', 'times to go through the training digits (default: 3, with --data 1)', whole(0))
    .option(
      '--limit <n>',
      'train on this many digits, and judge by at most as many (default: 15000 drawn ones, with --data all)',
      whole(1),
    )
    .option('--batch-size <n>', 'digits per step', whole(1), 64)
    .option(
      '--lr <rate>',
      `learning rate at the start; it falls to 0 along a line (default: ${rates.join(', ')})`,
      positive,
    )
    .option('--seed <n>', 'the same seed gives the same losses, bit for bit', whole(0), 0)
    .addOption(
      new Option('--optimizer <name>', 'how to step; sgd has a momentum of 0.9')
        .choices(Object.keys(LEARNING_RATES))
        .default('sgd'),
    )
    .addOption(new Option('--loss <name>', 'what to minimise').choices(LOSSES).default('crossEntropy'))
    .option('--out <dir>', 'where to write the report', text, 'out')
    .option('--eager', 'run operation by operation instead of compiling the training step')
    .addOption(
      new Option('--demo <kind>', 'seconds-long demonstrations: a filter in a row, in a picture, in a volume').choices([
        '1d',
        '2d',
        '3d',
      ]),
    )
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: write, writeErr: () => {} });
}

function text(value: string): string {
  if (value.trim() === '') throw new InvalidArgumentError('It must not be empty.');
  return value;
}

const whole =
  (least: number) =>
  (value: string): number => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || !Number.isSafeInteger(number) || number < least) {
      throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
    }
    return number;
  };

function positive(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number) || number <= 0) {
    throw new InvalidArgumentError('It must be a number above 0.');
  }
  return number;
}
