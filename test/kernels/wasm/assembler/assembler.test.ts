import { describe, expect, it } from 'vitest';
import wabtInit from 'wabt';
import {
  type Expr,
  FunctionBuilder,
  f32,
  f32x4,
  f64,
  i32,
  i32x4,
  i64,
  importedFunction,
  invoke,
  lane,
  load,
  loadLane,
  op,
  plus,
  select,
  shuffle,
  type ValueType,
} from '../../../../src/kernels/wasm/assembler/assembler.ts';
import { encodeModule } from '../../../../src/kernels/wasm/assembler/encode.ts';
import { LANE, MEMORY, MEMORY_LANE, PLAIN } from '../../../../src/kernels/wasm/assembler/opcodes.ts';
import { moduleText } from '../../../../src/kernels/wasm/assembler/text.ts';

const FEATURES = {
  simd: true,
  threads: true,
  relaxed_simd: true,
  sat_float_to_int: true,
  bulk_memory: true,
  sign_extension: true,
  reference_types: true,
  multi_value: true,
};
const SHARED = { shared: true, maximum: 16 };
const PRIVATE = { shared: false, maximum: 16 };
const ZERO: Record<string, () => Expr> = {
  i: () => i32(0),
  l: () => i64(-1),
  f: () => f32(1.5),
  d: () => f64(-2.25),
  v: () => f32x4(1),
};
const wabt = await wabtInit();

/** Every instruction of one table, each leaving its effect by a drop or a store. */
function everyInstruction(): FunctionBuilder {
  const f = new FunctionBuilder('all');
  const add = (name: string, signature: string, immediates: number[]): void => {
    const [from = '', to = ''] = signature.split(':');
    const node = { name, args: [...from].map((l) => (ZERO[l] as () => Expr)()), immediates };
    if (to === '') f.emit(name, node.args, immediates);
    else f.drop({ ...node, type: 'i32' as ValueType });
  };
  for (const [s, table] of Object.entries(PLAIN)) for (const n of Object.keys(table)) add(n, s, []);
  for (const [s, table] of Object.entries(LANE)) for (const n of Object.keys(table)) add(n, s, [1]);
  for (const [s, table] of Object.entries(MEMORY)) for (const n of Object.keys(table)) add(n, s, [300]);
  for (const [s, table] of Object.entries(MEMORY_LANE)) for (const n of Object.keys(table)) add(n, s, [16, 1]);
  return f;
}

/** The bytes that wabt assembles from our text. */
function assembledByWabt(text: string): Uint8Array {
  const module = wabt.parseWat('kernel.wat', text, FEATURES);
  (module.validate as (features: object) => void)(FEATURES);
  return module.toBinary({}).buffer;
}

function factorial(): FunctionBuilder {
  const f = new FunctionBuilder('factorial', { result: 'i32' });
  const n = f.param('i32', 'n');
  const product = f.let(i32(1), 'product');
  f.block((leave) => {
    f.loop((again) => {
      leave(op('i32.le_s', n, i32(1)));
      f.set(product, op('i32.mul', product, n));
      f.advance(n, -1);
      again();
    });
  });
  f.return(product);
  return f;
}

function run(
  f: FunctionBuilder,
  ...more: FunctionBuilder[]
): { memory: WebAssembly.Memory; call: (...a: number[]) => number } {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 16 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(encodeModule([f, ...more], PRIVATE)), {
    env: { memory },
  });
  return { memory, call: instance.exports[f.name] as (...a: number[]) => number };
}

describe('assembler', () => {
  it('encodes every instruction of its tables as an independent assembler does', () => {
    const f = everyInstruction();
    const bytes = encodeModule([f], SHARED);
    expect(Buffer.from(assembledByWabt(moduleText([f], SHARED))).equals(Buffer.from(bytes))).toBe(true);
  });

  it('makes modules that the engine accepts', () => {
    expect(WebAssembly.validate(encodeModule([factorial()], PRIVATE))).toBe(true);
    const wrong = new FunctionBuilder('wrong');
    wrong.emit('i32.add', [i32(1)]);
    expect(WebAssembly.validate(encodeModule([wrong], PRIVATE))).toBe(false);
  });

  it('refuses an instruction that it does not know', () => {
    const f = new FunctionBuilder('unknown');
    f.emit('f32x4.tan');
    expect(() => encodeModule([f], PRIVATE)).toThrow(/f32x4\.tan/);
  });

  it('branches out of blocks and back to loops', () => {
    const { call } = run(factorial());
    expect([0, 1, 2, 5, 10].map((n) => call(n))).toEqual([1, 1, 2, 120, 3628800]);
  });

  it.each([0, 1, 63, 64, 127, 128, -1, -64, -65, 8191, -8192, 2147483647, -2147483648])(
    'encodes the constant %i',
    (value) => {
      const f = new FunctionBuilder('constant', { result: 'i32' });
      f.return(i32(value));
      expect(run(f).call()).toBe(value);
    },
  );

  it('counts rounds, tests before the first, and calls functions of the module', () => {
    const bump = new FunctionBuilder('bump', { exported: false });
    const at = bump.param('i32', 'at');
    bump.store('i32.store', at, op('i32.add', load('i32.load', at), i32(1)));
    const f = new FunctionBuilder('count');
    const limit = f.param('i32', 'limit');
    f.repeat(7, () => f.call(bump, i32(64)));
    f.repeat(1, () => f.call(bump, i32(68)));
    f.repeat(0, () => f.call(bump, i32(72)));
    const i = f.let(i32(0), 'i');
    f.while(i, limit, 4, () => f.call(bump, i32(76)));
    f.if(
      op('i32.gt_s', limit, i32(5)),
      () => f.call(bump, i32(80)),
      () => f.call(bump, i32(84)),
    );
    const { memory, call } = run(f, bump);
    call(10);
    expect([...new Int32Array(memory.buffer, 64, 6)]).toEqual([7, 1, 0, 3, 1, 0]);
    call(0);
    expect([...new Int32Array(memory.buffer, 64, 6)]).toEqual([14, 2, 0, 3, 1, 1]);
  });

  it('calls imported functions and uses what they give', () => {
    const twice = importedFunction('twice', ['i32', 'i32'], 'i32');
    const note = importedFunction('note', ['f32']);
    const f = new FunctionBuilder('ask', { result: 'i32' });
    const n = f.param('i32', 'n');
    f.call(note, f32(1.5));
    f.return(op('i32.add', invoke(twice, 'i32', n, i32(3)), i32(1)));
    const functions = [f, twice, note];
    const bytes = encodeModule(functions, PRIVATE);
    expect(Buffer.from(assembledByWabt(moduleText(functions, PRIVATE))).equals(Buffer.from(bytes))).toBe(true);
    const noted: number[] = [];
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 16 });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory, twice: (a: number, b: number) => 2 * a * b, note: (x: number) => noted.push(x) },
    });
    expect((exports.ask as (n: number) => number)(5)).toBe(31);
    expect(noted).toEqual([1.5]);
    expect(Object.keys(exports)).toEqual(['ask']);
  });

  it('shuffles, selects and addresses lanes as the specification says', () => {
    const f = new FunctionBuilder('lanes', { result: 'f32' });
    const p = f.param('i32', 'p');
    const a = f.let(load('v128.load', p), 'a');
    const b = f.let(op('f32x4.convert_i32x4_s', i32x4(10, 20, 30, 40)), 'b');
    f.store('v128.store', p, shuffle(a, b, [3, 0, 7, 4]), 16);
    f.store('v128.store', p, loadLane('v128.load32_lane', 2, p, b, 4), 32);
    f.storeLane('v128.store32_lane', 1, plus(p, 48), b, 4);
    f.store('v128.store', p, select(a, b, i32(0)), 64);
    f.return(lane('f32x4.extract_lane', 3, a));
    const { memory, call } = run(f);
    new Float32Array(memory.buffer).set([1, 2, 3, 4], 32);
    expect(call(128)).toBe(4);
    const floats = [...new Float32Array(memory.buffer, 128, 20)];
    expect(floats.slice(4)).toEqual([4, 1, 40, 10, 10, 20, 2, 40, 0, 20, 0, 0, 10, 20, 30, 40]);
  });

  it('prints text that reads back to the same bytes, control flow and names included', () => {
    const functions = [factorial()];
    const text = moduleText(functions, PRIVATE);
    expect(text).toContain('(local.set $product_1 (i32.mul (local.get $product_1) (local.get $n_0)))');
    expect(Buffer.from(assembledByWabt(text)).equals(Buffer.from(encodeModule(functions, PRIVATE)))).toBe(true);
  });
});
