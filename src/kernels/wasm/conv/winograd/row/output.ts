/** Out of the transformed domain: the sums of a tile, four outputs to a vector, to four neighbouring results of each. */
import {
  type Expr,
  FunctionBuilder,
  f32x4,
  i32,
  type Local,
  load,
  loadLane,
  op,
  select,
} from '../../../assembler/assembler.ts';
import { transpose4 } from '../../../memory/transpose.ts';
import { type Chain, ChainEmitter, operandPointers } from '../../chain.ts';
import { multiplyAdd, positivePart, vectorAt } from '../../tile.ts';
import { type RowAlgorithm, TILE } from './algorithm.ts';
import { rowTiles } from './geometry.ts';
import { mapped } from './transform.ts';

type V = Expr<'v128'>;
type I = Local<'i32'>;

export interface RowOutput {
  readonly algorithm: RowAlgorithm;
  /** Outputs of a panel. */
  readonly outputs: number;
  readonly rows: number;
  readonly width: number;
  /** Floats from image to image. */
  readonly image: number;
  /** Floats of the sums from tile to tile and from position to position. */
  readonly pitch: number;
  readonly position: number;
  readonly chunkRows: number;
  readonly chunkTiles: number;
  readonly bias: boolean;
  readonly relu: boolean;
  /** Elementwise functions behind that. */
  readonly chain?: Chain;
  readonly fma: boolean;
}

/** So many floats from an address on, the other lanes zero. */
function lanesAt(at: I, floats: number, lanes: number): V {
  if (lanes === 4) return vectorAt(at, floats);
  let vector: V = f32x4(0);
  for (let l = 0; l < lanes; l++) vector = loadLane('v128.load32_lane', l, at, vector, 4 * (floats + l));
  return vector;
}

/** Four outputs of a panel, or what there is of them. */
interface Four {
  /** How many, and the first of them. */
  readonly lanes: number;
  readonly first: number;
  readonly bias: V;
  readonly chains: readonly ChainEmitter[];
}

/** The results of a tile: `width` columns of each of four outputs. */
function emitTile(f: FunctionBuilder, o: RowOutput, four: Four, m: I, y: I, width: number, check: Local<'v128'>): void {
  const doubled = mapped(f, o.algorithm.output, (i) => vectorAt(m, i * o.position + four.first));
  const columns = [0, 1, 2, 3].map((j) => {
    const half = f32x4(0.5);
    const sum = o.bias ? multiplyAdd(o.fma, doubled(j), half, four.bias) : op('f32x4.mul', doubled(j), half);
    const kept = f.let(sum, 'y');
    f.set(check, multiplyAdd(o.fma, kept, f32x4(0), check));
    return o.relu ? positivePart(kept) : kept;
  });
  const rows = transpose4(f, columns);
  for (let l = 0; l < four.lanes; l++) {
    const floats = (four.first + l) * o.rows * o.width;
    const row = rows[l] as V;
    const value = four.chains[l]?.emit(row, y, floats) ?? row;
    if (width === TILE) f.store('v128.store', y, value, 4 * floats);
    else {
      const part = f.let(value, 'row');
      for (let j = 0; j < width; j++) f.storeLane('v128.store32_lane', j, y, part, 4 * (floats + j));
    }
  }
}

/**
 * output(m, y, bias, flag, images, row0, tile0, ...operands): the panel's outputs, `y` at the first of them of the chunk's first
 * image.
 */
export function rowOutputFunction(name: string, o: RowOutput): FunctionBuilder {
  const f = new FunctionBuilder(name, { exported: false });
  const [m, y, biasAt, flag] = ['m', 'y', 'bias', 'flag'].map((n) => f.param('i32', n)) as [I, I, I, I];
  const [images, row0, tile0] = ['images', 'row0', 'tile0'].map((n) => f.param('i32', n)) as [I, I, I];
  const operands = operandPointers(f, o.chain);
  const check = f.let(load('v128.load', flag), 'check');
  const fours = Array.from({ length: Math.ceil(o.outputs / 4) }, (_, v): Four => {
    const [first, lanes] = [4 * v, Math.min(4, o.outputs - 4 * v)];
    const { chain } = o;
    const chains = chain ? Array.from({ length: lanes }, () => new ChainEmitter(f, chain, operands, o.fma)) : [];
    chains.forEach((emitter, l) => emitter.begin(first + l));
    return { lanes, first, bias: o.bias ? f.let(lanesAt(biasAt, first, lanes), 'bias') : f32x4(0), chains };
  });
  const [whole, rest] = [Math.floor(o.width / TILE), o.width % TILE];
  const least = (value: Expr<'i32'>, most: number): I => {
    const kept = f.let(value, 'least');
    return f.let(select(kept, i32(most), op('i32.lt_s', kept, i32(most))), 'least');
  };
  const lastTile = least(op('i32.add', tile0, i32(o.chunkTiles)), rowTiles(o.width));
  const lastRow = least(op('i32.add', row0, i32(o.chunkRows)), o.rows);
  const body = (at: I, width: number): void => {
    for (const four of fours) emitTile(f, o, four, m, at, width, check);
    f.advance(m, 4 * o.pitch);
    f.advance(at, 4 * TILE);
  };
  const image = f.let(i32(0), 'image');
  f.advance(y, op('i32.mul', tile0, i32(4 * TILE)));
  f.while(image, images, 1, () => {
    const row = f.let(row0, 'row');
    f.while(row, lastRow, 1, () => {
      const at = f.let(op('i32.add', y, op('i32.mul', row, i32(4 * o.width))), 'at');
      const tile = f.let(tile0, 'tile');
      const full =
        rest === 0 ? lastTile : f.let(select(lastTile, i32(whole), op('i32.lt_u', lastTile, i32(whole))), 'full');
      f.while(tile, full, 1, () => body(at, TILE));
      if (rest > 0) f.if(op('i32.lt_u', tile, lastTile), () => body(at, rest));
    });
    f.advance(y, 4 * o.image);
  });
  f.store('v128.store', flag, check);
  return f;
}
