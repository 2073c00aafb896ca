/**
 * Moving floats inside kernel memory: strided copies over four axes, the sum of lanes, and a test for numbers that are
 * not finite. One module for all shapes.
 */
import {
  type Expr,
  FunctionBuilder,
  f32,
  f32x4,
  i32,
  type Local,
  lane,
  load,
  op,
  shuffle,
} from '../assembler/assembler.ts';
import type { KernelCache, KernelFunction } from './cache.ts';
import { transpose4 } from './transpose.ts';

export interface LayoutKernels {
  /** copy(source, target, n0, n1, n2, n3, s0, s1, s2, s3, t0, t1, t2, t3): counts, then byte strides. */
  readonly copy: KernelFunction;
  /**
   * sumLanes(source, target, count, parts, distance): target[i] = the sum of the four lanes of vector i, over all
   * parts, which lie `distance` bytes apart.
   */
  readonly sumLanes: KernelFunction;
  /** finite(source, count): 1 if no element is NaN or infinite. */
  readonly finite: KernelFunction;
}

export function layoutKernels(cache: Pick<KernelCache, 'get'>): LayoutKernels {
  return cache.get('layout', () => Object.values(PARTS).flatMap((part) => part())) as unknown as LayoutKernels;
}

const PARTS: Readonly<Record<keyof LayoutKernels, () => FunctionBuilder[]>> = {
  copy: copyFunctions,
  sumLanes: () => [sumLanesFunction()],
  finite: () => [finiteFunction()],
};

/** A module of one of the kernels alone, and its key: programs use one or two, and their first call pays for each. */
export function layoutModule(name: keyof LayoutKernels): [key: string, build: () => FunctionBuilder[]] {
  return [`layout ${name}`, PARTS[name]];
}

/** A row whose elements are neighbours on both sides: vectors, the last one overlapping the one before. */
function rowCopy(): FunctionBuilder {
  const f = new FunctionBuilder('rowCopy', { exported: false });
  const [from, to, count] = [f.param('i32', 'from'), f.param('i32', 'to'), f.param('i32', 'count')];
  f.if(
    op('i32.ge_u', count, i32(4)),
    () => {
      const end = f.let(op('i32.add', from, op('i32.shl', op('i32.sub', count, i32(4)), i32(2))), 'end');
      const last = f.let(op('i32.add', to, op('i32.shl', op('i32.sub', count, i32(4)), i32(2))), 'last');
      f.while(from, end, 16, () => {
        f.store('v128.store', to, load('v128.load', from));
        f.advance(to, 16);
      });
      f.store('v128.store', last, load('v128.load', end));
    },
    () => {
      const end = f.let(op('i32.add', from, op('i32.shl', count, i32(2))), 'end');
      f.while(from, end, 4, () => {
        f.store('f32.store', to, load('f32.load', from));
        f.advance(to, 4);
      });
    },
  );
  return f;
}

type Five = [Local<'i32'>, Local<'i32'>, Local<'i32'>, Local<'i32'>, Local<'i32'>];

function rowOf(name: string): { f: FunctionBuilder; params: Five } {
  const f = new FunctionBuilder(name, { exported: false });
  return { f, params: ['from', 'to', 'count', 's', 't'].map((n) => f.param('i32', n)) as Five };
}

/** Any strides: element by element. */
function stridedCopy(): FunctionBuilder {
  const {
    f,
    params: [from, to, count, s, t],
  } = rowOf('stridedCopy');
  const i = f.let(i32(0), 'i');
  f.while(i, count, 1, () => {
    f.store('f32.store', to, load('f32.load', from));
    f.advance(from, s);
    f.advance(to, t);
  });
  return f;
}

/** Every second element of the source, to neighbours: four from two vectors (the last vector may read on behind). */
function gatherTwo(rest: FunctionBuilder): FunctionBuilder {
  const {
    f,
    params: [from, to, count, s, t],
  } = rowOf('gatherTwo');
  const end = f.let(op('i32.add', to, op('i32.shl', op('i32.and', count, i32(-4)), i32(2))), 'end');
  f.while(to, end, 16, () => {
    f.store('v128.store', to, shuffle(load('v128.load', from), load('v128.load', from, 16), [0, 2, 4, 6]));
    f.advance(from, 32);
  });
  f.call(rest, from, to, op('i32.and', count, i32(3)), s, t);
  return f;
}

/** Neighbours of the source to elements that lie apart: four stores of a lane each per vector. */
function scatterFour(rest: FunctionBuilder): FunctionBuilder {
  const {
    f,
    params: [from, to, count, s, t],
  } = rowOf('scatterFour');
  const end = f.let(op('i32.add', from, op('i32.shl', op('i32.and', count, i32(-4)), i32(2))), 'end');
  const vector = f.local('v128', 'vector');
  f.while(from, end, 16, () => {
    f.set(vector, load('v128.load', from));
    for (let l = 0; l < 4; l++) {
      f.storeLane('v128.store32_lane', l, to, vector);
      f.advance(to, t);
    }
  });
  f.call(rest, from, to, op('i32.and', count, i32(3)), s, t);
  return f;
}

function copyFunctions(): FunctionBuilder[] {
  const [dense, strided] = [rowCopy(), stridedCopy()];
  const [two, four] = [gatherTwo(strided), scatterFour(strided)];
  const f = new FunctionBuilder('copy');
  const [from, to] = [f.param('i32', 'from'), f.param('i32', 'to')];
  const axes = (name: string): Local<'i32'>[] => [0, 1, 2, 3].map((a) => f.param('i32', `${name}${a}`));
  const [n, s, t] = [axes('n'), axes('s'), axes('t')];
  const [count, s3, t3] = [n[3], s[3], t[3]] as [Local<'i32'>, Local<'i32'>, Local<'i32'>];
  const equal = (a: Expr<'i32'>, value: number): Expr<'i32'> => op('i32.eq', a, i32(value));
  const row = (source: Local<'i32'>, target: Local<'i32'>): void =>
    f.if(
      equal(t3, 4),
      () =>
        f.if(
          equal(s3, 4),
          () => f.call(dense, source, target, count),
          () =>
            f.if(
              equal(s3, 8),
              () => f.call(two, source, target, count, s3, t3),
              () => f.call(strided, source, target, count, s3, t3),
            ),
        ),
      () =>
        f.if(
          equal(s3, 4),
          () => f.call(four, source, target, count, s3, t3),
          () => f.call(strided, source, target, count, s3, t3),
        ),
    );
  const level = (a: number, source: Local<'i32'>, target: Local<'i32'>): void => {
    if (a === 3) {
      row(source, target);
      return;
    }
    const [i, x, y] = [f.let(i32(0), 'i'), f.let(source, 'x'), f.let(target, 'y')];
    f.while(i, n[a] as Local<'i32'>, 1, () => {
      level(a + 1, x, y);
      f.advance(x, s[a] as Local<'i32'>);
      f.advance(y, t[a] as Local<'i32'>);
    });
  };
  level(0, from, to);
  return [dense, strided, two, four, f];
}

function sumLanesFunction(): FunctionBuilder {
  const f = new FunctionBuilder('sumLanes');
  const [from, to, count] = [f.param('i32', 'from'), f.param('i32', 'to'), f.param('i32', 'count')];
  const [parts, distance] = [f.param('i32', 'parts'), f.param('i32', 'distance')];
  const sums = [0, 1, 2, 3].map(() => f.local('v128', 'sum'));
  const [i, part, p] = [f.let(i32(0), 'i'), f.local('i32', 'part'), f.local('i32', 'p')];
  // Groups of four; the last may write three floats into the slack behind the target.
  f.while(i, count, 4, () => {
    sums.forEach((sum, k) => f.set(sum, load('v128.load', from, 16 * k)));
    f.set(p, from);
    f.set(part, i32(1));
    f.while(part, parts, 1, () => {
      f.advance(p, distance);
      sums.forEach((sum, k) => f.set(sum, op('f32x4.add', sum, load('v128.load', p, 16 * k))));
    });
    const [a, b, c, d] = transpose4(f, sums) as [Expr<'v128'>, Expr<'v128'>, Expr<'v128'>, Expr<'v128'>];
    f.store('v128.store', to, op('f32x4.add', op('f32x4.add', a, b), op('f32x4.add', c, d)));
    f.advance(from, 64);
    f.advance(to, 16);
  });
  return f;
}

function finiteFunction(): FunctionBuilder {
  const f = new FunctionBuilder('finite', { result: 'i32' });
  const [from, count] = [f.param('i32', 'from'), f.param('i32', 'count')];
  const sum = f.let(f32x4(0), 'sum');
  const rest = f.let(f32(0), 'rest');
  const vectors = f.let(op('i32.add', from, op('i32.shl', op('i32.and', count, i32(-4)), i32(2))), 'vectors');
  const end = f.let(op('i32.add', from, op('i32.shl', count, i32(2))), 'end');
  // 0 · x is NaN for an infinite or undefined x, and NaN stays in a sum.
  f.while(from, vectors, 16, () =>
    f.set(sum, op('f32x4.add', sum, op('f32x4.mul', load('v128.load', from), f32x4(0)))),
  );
  f.while(from, end, 4, () => f.set(rest, op('f32.add', rest, op('f32.mul', load('f32.load', from), f32(0)))));
  for (let l = 0; l < 4; l++) f.set(rest, op('f32.add', rest, lane('f32x4.extract_lane', l, sum)));
  f.return(op('f32.eq', rest, rest));
  return f;
}
