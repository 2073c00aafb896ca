/** The inner-loop peak: the register tile alone, on data in the first-level cache. */

import { FunctionBuilder, f32x4 } from '../../src/kernels/wasm/assembler/assembler.ts';
import { encodeModule } from '../../src/kernels/wasm/assembler/encode.ts';
import { splatAt, Tile, vectorAt } from '../../src/kernels/wasm/conv/tile.ts';
import { features } from '../../src/kernels/wasm/features.ts';
import type { Candidate } from './timing.ts';

const STEPS = 8;
const ROUNDS = 400;

/** The fastest tile of this engine over `STEPS` different operands, `ROUNDS` times. */
export function peakCandidate(fma: boolean = features().relaxed): Candidate {
  const [vectors, outputs] = fma ? [6, 2] : [5, 2];
  const f = new FunctionBuilder('run');
  const [x, w, y] = [f.param('i32', 'x'), f.param('i32', 'w'), f.param('i32', 'y')];
  const tile = new Tile(f, vectors, outputs, fma);
  for (const acc of tile.accumulators) f.set(acc, f32x4(0));
  f.repeat(ROUNDS, () => {
    for (let s = 0; s < STEPS; s++) {
      tile.step(
        (p) => vectorAt(x, 4 * (s * vectors + p)),
        (q) => splatAt(w, s * outputs + q),
      );
    }
  });
  tile.accumulators.forEach((acc, i) => f.store('v128.store', y, acc, 16 * i));
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const module = new WebAssembly.Module(encodeModule([f], { shared: false, maximum: 1 }));
  const run = new WebAssembly.Instance(module, { env: { memory } }).exports.run as (
    x: number,
    w: number,
    y: number,
  ) => void;
  return { name: 'peak', flops: ROUNDS * STEPS * vectors * outputs * 8, run: () => run(0, 4096, 8192) };
}
