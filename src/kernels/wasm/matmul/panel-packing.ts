/** Packing both operands of a large product (see panels.ts), in the order in which they are read. */
import { type FunctionBuilder, i32, type Local, op } from '../assembler/assembler.ts';
import { type Blocks, eachBlock, eachTiles, PANEL, rowsBefore } from './blocks.ts';
import { packFunction } from './packing.ts';
import { digit, eachSize, type MatmulSpec, offset, type TaskParams, toBatch } from './spec.ts';
import type { Functions } from './tile.ts';

/** Panels of one unit's columns, all along the sum: [block of k][panel][k][8]. */
export function emitPackB(
  f: FunctionBuilder,
  functions: Functions,
  spec: MatmulSpec,
  s: Blocks,
  p: TaskParams,
  step: number,
): void {
  const { b } = spec;
  const column = digit(f, p.unit, s.packed.count);
  offset(f, p.shared, p.unit, step);
  toBatch(f, spec, p, p.unit);
  offset(f, p.b, column, s.packed.size * b.column);
  const pack = (width: number) =>
    packFunction(functions, 'panel', { width, pitch: PANEL, item: b.column, step: b.row });
  const [from, to, first] = [f.local('i32', 'from'), f.local('i32', 'to'), f.let(i32(0), 'first')];
  if (column !== null) f.set(first, op('i32.mul', column, i32(s.packed.size)));
  const bytes = (depth: Local<'i32'>, floats: number) => op('i32.mul', depth, i32(4 * floats));
  eachSize(f, column, s.packed, (width) =>
    eachBlock(f, s, (depth) => {
      f.set(from, p.b);
      f.set(to, op('i32.add', p.shared, op('i32.mul', first, bytes(depth, 1))));
      f.repeat(Math.floor(width / PANEL), () => {
        f.call(pack(PANEL), from, to, depth);
        f.advance(from, 4 * PANEL * b.column);
        f.advance(to, bytes(depth, PANEL));
      });
      if (width % PANEL > 0) f.call(pack(width % PANEL), from, to, depth);
      f.advance(p.b, bytes(depth, b.row));
      f.advance(p.shared, bytes(depth, PANEL * s.panels));
    }),
  );
}

/** Tiles of one unit's rows, all along the sum: [block of k][tile][k][rows of the tile]. */
export function emitPackA(
  f: FunctionBuilder,
  functions: Functions,
  spec: MatmulSpec,
  s: Blocks,
  p: TaskParams,
  step: number,
): void {
  const { a, m } = spec;
  const row = f.let(digit(f, p.unit, s.rows.count) ?? i32(0), 'row');
  offset(f, p.shared, p.unit, step);
  toBatch(f, spec, p, p.unit);
  const rows = rowsBefore(f, s, row);
  f.advance(p.a, op('i32.mul', rows, i32(4 * a.row)));
  const [from, to] = [f.local('i32', 'from'), f.local('i32', 'to')];
  const bytes = (depth: Local<'i32'>, floats: number) => op('i32.mul', depth, i32(4 * floats));
  eachTiles(f, s, row, (tiles) =>
    eachBlock(f, s, (depth) => {
      f.set(from, p.a);
      f.set(to, op('i32.add', p.shared, op('i32.mul', rows, bytes(depth, 1))));
      for (const width of new Set(tiles)) {
        const packing = { width, pitch: width, item: a.row, step: a.column };
        f.repeat(tiles.filter((t) => t === width).length, () => {
          f.call(packFunction(functions, 'rows', packing), from, to, depth);
          f.advance(from, 4 * width * a.row);
          f.advance(to, bytes(depth, width));
        });
      }
      f.advance(p.a, bytes(depth, a.column));
      f.advance(p.shared, bytes(depth, m));
    }),
  );
}
