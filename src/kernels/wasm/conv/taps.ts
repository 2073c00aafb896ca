/**
 * The kernel behind convolution and its input gradient: sums of shifted rows.
 *
 *   y[o][i] = Σ_c Σ_t w[o·wOutput + c·wChannel + t.w] · x[c·xChannel + t.x + i]      for i = 0 … length - 1
 *
 * The planner (rows.ts) lays x out so that every tap of a filter, whatever its stride, dilation and axes, is a
 * constant distance `t.x` from the output's own flat position; weights are read where they lie, by their strides.
 * All sizes and distances are in floats. Exported: `run(x, w, y, bias, table, segments, xSegment, ySegment, ...operands)`,
 * addresses and segment distances in bytes; a segment is one such row (of a plane, of an image). The operands are those of
 * the epilogue's chain.
 */
import { type Expr, FunctionBuilder, f32x4, i32, type Local, load, op } from '../assembler/assembler.ts';
import { advanceOperands, type Chain, ChainEmitter, chainKey, operandPointers } from './chain.ts';
import { emitPlane, type PlanePlan } from './depthwise.ts';
import {
  type Coverage,
  cover,
  covered,
  positivePart,
  splatAt,
  splitOutputs,
  Tile,
  tileVectors,
  vectorAt,
} from './tile.ts';

/** One tap of the filter: where its x lies from the output's position, and its weight from the filter's first. */
export interface Tap {
  readonly x: number;
  readonly w: number;
}

/** What happens to a finished sum before it is stored. */
export interface Epilogue {
  /** Starts from bias[o] instead of 0. */
  readonly bias?: boolean;
  /** Starts from what y holds (sums split over several calls). */
  readonly accumulate?: boolean;
  /** max(y, 0); NaN stays NaN and -0 becomes 0. */
  readonly relu?: boolean;
  /** Elementwise functions behind all that. */
  readonly chain?: Chain;
}

export interface TapKernel {
  readonly channels: number;
  readonly xChannel: number;
  readonly taps: readonly Tap[];
  readonly wChannel: number;
  readonly outputs: number;
  readonly wOutput: number;
  readonly yOutput: number;
  readonly length: number;
  /** Rows of one call, `x` and `y` floats apart, all for one tile of outputs before the next; 1 row if absent. */
  readonly rows?: { readonly count: number; readonly x: number; readonly y: number };
  readonly fma: boolean;
  /** Nothing is written behind `length` (see `canBeExact`). */
  readonly exact?: boolean;
  readonly epilogue?: Epilogue;
  /** One input and one output, both planes as they lie, in place of all that is said of rows and taps. */
  readonly plane?: PlanePlan;
}

/** More taps than this are looped over by a table of offsets instead of being unrolled. */
export const UNROLLED_TAPS = 64;
/** Steps per round of the channel loop: enough to hide its counter, few enough to compile fast. */
const STEPS = 8;

/** Floats of a row that are written: `length` rounded up to whole tiles, over all tile kinds. */
export function writtenLength(length: number, outputs: number, fma: boolean): number {
  const vectors = Math.ceil(length / 4);
  return Math.max(...splitOutputs(outputs, fma).map((q) => 4 * covered(cover(vectors, tileVectors(q, fma)))), 0);
}

/**
 * Whether rows can be written without anything behind their end: the last tile then ends with the row and begins within the
 * tile before it.
 */
export function canBeExact(length: number, outputs: number, fma: boolean): boolean {
  return splitOutputs(outputs, fma).every((q) => {
    const { vectors, count, tail } = cover(Math.ceil(length / 4), tileVectors(q, fma));
    return 4 * (vectors * count + tail) === length || count + tail > 1;
  });
}

/** The table that `run` reads when the taps are too many to unroll: byte offsets (x, w) of each. */
export function tapTable(kernel: TapKernel): number[] {
  return kernel.taps.length > UNROLLED_TAPS ? kernel.taps.flatMap((t) => [4 * t.x, 4 * t.w]) : [];
}

interface Pointers {
  readonly x: Local<'i32'>;
  readonly w: Local<'i32'>;
  readonly y: Local<'i32'>;
  readonly bias: Local<'i32'>;
  readonly table: Local<'i32'>;
}

function pointers(f: FunctionBuilder): Pointers {
  const [x, w, y] = [f.param('i32', 'x'), f.param('i32', 'w'), f.param('i32', 'y')];
  return { x, w, y, bias: f.param('i32', 'bias'), table: f.param('i32', 'table') };
}

/** The sum over channels and taps, into the tile's accumulators. */
function emitSum(f: FunctionBuilder, k: TapKernel, tile: Tile, at: Pointers): void {
  const x = f.let(at.x, 'xc');
  const w = f.let(at.w, 'wc');
  const step = (xb: Local<'i32'>, wb: Local<'i32'>, xo: number, wo: number): void =>
    tile.step(
      (p) => vectorAt(xb, xo + 4 * p),
      (q) => splatAt(wb, wo + q * k.wOutput),
    );
  if (k.taps.length > UNROLLED_TAPS) {
    f.repeat(k.channels, () => {
      const entry = f.let(at.table, 'entry');
      f.repeat(k.taps.length, () => {
        const xt = f.let(op('i32.add', x, load('i32.load', entry)), 'xt');
        const wt = f.let(op('i32.add', w, load('i32.load', entry, 4)), 'wt');
        step(xt, wt, 0, 0);
        f.advance(entry, 8);
      });
      f.advance(x, 4 * k.xChannel);
      f.advance(w, 4 * k.wChannel);
    });
    return;
  }
  const unroll = Math.min(k.channels, Math.max(1, Math.floor(STEPS / k.taps.length)));
  const channels = (count: number): void => {
    for (let c = 0; c < count; c++) for (const t of k.taps) step(x, w, c * k.xChannel + t.x, c * k.wChannel + t.w);
  };
  f.repeat(Math.floor(k.channels / unroll), () => {
    channels(unroll);
    f.advance(x, 4 * unroll * k.xChannel);
    f.advance(w, 4 * unroll * k.wChannel);
  });
  channels(k.channels % unroll);
}

function emitTile(f: FunctionBuilder, k: TapKernel, tile: Tile, at: Pointers, operands: readonly Local<'i32'>[]): void {
  const { bias, accumulate } = k.epilogue ?? {};
  const each = (visit: (acc: Local<'v128'>, p: number, q: number) => void): void =>
    tile.accumulators.forEach((acc, i) => visit(acc, i % tile.vectors, Math.floor(i / tile.vectors)));
  each((acc, p, q) => {
    const start = accumulate ? vectorAt(at.y, q * k.yOutput + 4 * p) : bias ? splatAt(at.bias, q) : f32x4(0);
    f.set(acc, start);
  });
  emitSum(f, k, tile, at);
  const end = endingOf(f, k, operands);
  each((acc, p, q) => end(acc, at.y, q * k.yOutput + 4 * p, p === 0 ? q : undefined));
}

/** What happens to a finished sum, which goes `floats` behind `y`; `first` is the output whose sums begin with it. */
type Ending = (sum: Expr<'v128'>, y: Local<'i32'>, floats: number, first?: number) => void;

function endingOf(f: FunctionBuilder, { epilogue, fma }: TapKernel, operands: readonly Local<'i32'>[]): Ending {
  const { relu, chain } = epilogue ?? {};
  const after = chain && new ChainEmitter(f, chain, operands, fma);
  return (sum, y, floats, first) => {
    if (first !== undefined) after?.begin(first);
    const positive = relu ? positivePart(sum) : sum;
    f.store('v128.store', y, after ? after.emit(positive, y, floats) : positive, 4 * floats);
  };
}

/**
 * Reads a word of each line of the cache that the weights of `outputs` outputs take, so that they come one after the other.
 * The tiles would wait for each of them, being at as many places as they have outputs: 1 × 1 filters over 7 × 7 places, whose
 * weights come from beyond the second-level cache, took up to 18 % longer. It costs 1 / (8 · vectors) where they are near.
 */
function touchWeights(f: FunctionBuilder, k: TapKernel, outputs: number, w: Local<'i32'>): void {
  const lines = Math.floor((outputs * k.wOutput) / 16);
  if (k.wOutput !== k.channels * k.wChannel || lines < 16 || k.length < 48) return;
  const line = f.let(w, 'line');
  f.repeat(lines, () => {
    f.drop(load('i32.load', line));
    f.advance(line, 64);
  });
}

/** The rows for `outputs` outputs: tiles from left to right, row after row. */
export function rowFunction(k: TapKernel, outputs: number): FunctionBuilder {
  const f = new FunctionBuilder(`row_${outputs}`, { exported: false });
  const at = pointers(f);
  const operands = operandPointers(f, k.epilogue?.chain);
  const coverage: Coverage = cover(Math.ceil(k.length / 4), tileVectors(outputs, k.fma));
  const { vectors, count, tail } = coverage;
  const main = new Tile(f, vectors, outputs, k.fma);
  const last = tail > 0 ? new Tile(f, tail, outputs, k.fma) : main;
  const over = k.exact ? 4 * covered(coverage) - k.length : 0;
  const apart = tail > 0 || over > 0;
  touchWeights(f, k, outputs, at.w);
  f.repeat(k.rows?.count ?? 1, () => {
    const row = k.rows === undefined ? at : { ...at, x: f.let(at.x, 'xr'), y: f.let(at.y, 'yr') };
    f.repeat(apart && tail === 0 ? count - 1 : count, () => {
      emitTile(f, k, main, row, operands);
      f.advance(row.x, 16 * vectors);
      f.advance(row.y, 16 * vectors);
    });
    if (over > 0) for (const pointer of [row.x, row.y]) f.advance(pointer, -4 * over);
    if (apart) emitTile(f, k, last, row, operands);
    if (k.rows === undefined) return;
    f.advance(at.x, 4 * k.rows.x);
    f.advance(at.y, 4 * k.rows.y);
  });
  return f;
}

/** `run` for a plane as it lies. */
function planeFunction(k: TapKernel, plane: PlanePlan): FunctionBuilder {
  const f = new FunctionBuilder('run');
  const at = pointers(f);
  for (const name of ['segments', 'xSegment', 'ySegment']) f.param('i32', name);
  const { bias, chain } = k.epilogue ?? {};
  const end = endingOf(f, k, operandPointers(f, chain));
  emitPlane(f, plane, k.fma, at, bias ? f.let(splatAt(at.bias, 0)) : f32x4(0), (sums, y) => {
    sums.forEach((sum, r) => end(sum, y, r * plane.w.y, r === 0 ? 0 : undefined));
  });
  return f;
}

/** Builds the module's functions: one row function per kind of tile, and `run` over outputs and segments. */
export function tapFunctions(k: TapKernel): FunctionBuilder[] {
  if (k.plane !== undefined) return [planeFunction(k, k.plane)];
  const run = new FunctionBuilder('run');
  const at = pointers(run);
  const segments = run.param('i32', 'segments');
  const xSegment = run.param('i32', 'xSegment');
  const ySegment = run.param('i32', 'ySegment');
  const chain = k.epilogue?.chain;
  const operands = operandPointers(run, chain);
  const rows = new Map<number, FunctionBuilder>();
  const blocks = splitOutputs(k.outputs, k.fma);
  for (const q of blocks) if (!rows.has(q)) rows.set(q, rowFunction(k, q));
  const segment = run.let(i32(0), 'segment');
  run.while(segment, segments, 1, () => {
    const w = run.let(at.w, 'wo');
    const y = run.let(at.y, 'yo');
    const bias = run.let(at.bias, 'bo');
    const own = operands.map((operand) => run.let(operand, 'operand'));
    for (const [q, row] of rows) {
      run.repeat(blocks.filter((b) => b === q).length, () => {
        run.call(row, at.x, w, y, bias, at.table, ...own);
        run.advance(w, 4 * q * k.wOutput);
        run.advance(y, 4 * q * k.yOutput);
        run.advance(bias, 4 * q);
        advanceOperands(run, chain, own, q);
      });
    }
    run.set(at.x, op('i32.add', at.x, xSegment));
    run.set(at.y, op('i32.add', at.y, ySegment));
  });
  return [...rows.values(), run];
}

/** Everything that the code depends on, as the cache's key. */
export function tapKey(k: TapKernel): string {
  const { bias, accumulate, relu, chain } = k.epilogue ?? {};
  const taps = k.taps.length > UNROLLED_TAPS ? `#${k.taps.length}` : k.taps.map((t) => `${t.x}:${t.w}`).join(' ');
  const flags = `${bias ? 'b' : ''}${accumulate ? 'a' : ''}${relu ? 'r' : ''}${k.exact ? 'e' : ''}${k.fma ? 'f' : ''}`;
  const sizes = [
    k.channels,
    k.xChannel,
    k.wChannel,
    k.outputs,
    k.wOutput,
    k.yOutput,
    k.length,
    ...Object.values(k.rows ?? {}),
    k.plane && JSON.stringify(k.plane),
  ];
  return `taps ${sizes.join(',')} ${taps} ${flags}${chain ? ` ${chainKey(chain)}` : ''}`;
}
