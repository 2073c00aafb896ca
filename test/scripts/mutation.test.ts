/** The planting of bugs: what is planted where, and that nothing changes while none is switched on. */
import { describe, expect, it } from 'vitest';
import { instrument } from '../../scripts/mutation/instrument.ts';
import { switches, watched, withBug } from '../../scripts/mutation/runtime.ts';

/** The value of an instrumented program, which has to be JavaScript, with one bug switched on. */
async function resultOf(code: string, id: number): Promise<unknown> {
  Object.assign(globalThis, { __mutation: switches });
  const run = new Function(`${instrument('program.ts', code, 0).code}; return f();`) as () => unknown;
  let value: unknown;
  await withBug(id, 1000, () => {
    value = run();
  });
  return value;
}

const slips = (code: string): string[] =>
  instrument('program.ts', code, 0).mutants.map(({ operator, after }) => `${operator}: ${after}`);

describe('planted bugs', () => {
  it.each([
    ['a + b', ['arithmetic: a - b']],
    ["'size ' + b", []],
    ['a <= b', ['comparison: a < b', 'comparison: a > b']],
    ['a && b', ['logic: (a) || (b)']],
    ['a ?? b', ['logic: a', 'logic: b']],
    ['2', ['constant: 3']],
    ['1', ['constant: 2', 'constant: 0']],
    ['0.5', ['constant: 0.5005']],
    ['a.sub(b)', ['function exchanged: a.add(b)', 'operation dropped: a']],
    ['f(a, b)', ['arguments swapped: f(b, a)']],
    ['Math.max(a, b)', ['function exchanged: Math.min(a, b)', 'operation dropped: a']],
    ['a ? b : c', ['condition: true', 'condition: false']],
  ])('in %s', (expression, expected) => {
    expect(slips(`const f = (a, b, c) => ${expression};`)).toEqual(expected);
  });

  it('leave types, imports, messages and thrown errors alone', () => {
    const code = `import { a } from 'x'; type T = 1 | 2; const s = \`\${1 + 2}\`; function f(): 3 { throw new Error(s + 1); }`;
    expect(slips(code)).toEqual(['statement removed: ']);
  });

  const program = `
    function f() {
      let sum = 0;
      for (let i = 0; i < 4; i++) if (i !== 2) sum += i * 10;
      const list = [sum, -sum];
      list.reverse();
      return { list, text: list?.length > 1 ? 'two' : 'one' };
    }`;

  it('change nothing while they are off, and each of them something, once switched on', async () => {
    const { mutants } = instrument('program.ts', program, 0);
    const right = await resultOf(program, -1);
    expect(right).toEqual({ list: [-40, 40], text: 'two' });
    const same: string[] = [];
    for (const { id, before, after } of mutants) {
      const value = await resultOf(program, id).catch((error: Error) => error.message);
      if (JSON.stringify(value) === JSON.stringify(right)) same.push(`${before} → ${after}`);
    }
    // The first leaves out adding 0, and the others choose the branch that is chosen anyway.
    expect(same).toEqual(['0 → 1', 'list?.length > 1 → list?.length >= 1', 'list?.length > 1 → true', '1 → 0']);
  });

  it('that make a loop endless end as an error', async () => {
    const { mutants } = instrument('program.ts', program, 0);
    const endless = mutants.find(({ after }) => after === 'i--')!;
    await expect(resultOf(program, endless.id)).rejects.toThrow('more than 1000 turns');
  });

  it('are noted when their place is passed', async () => {
    const { code, mutants } = instrument('program.ts', 'function f(a) { return a ? 1 + 2 : 3 * 4; }', 0);
    Object.assign(globalThis, { __mutation: switches });
    const run = new Function(`${code}; return f(true);`);
    const { passed } = await watched(mutants.length, () => run());
    const seen = mutants.filter(({ id }) => passed[id] === 1).map(({ before }) => before);
    expect(new Set(seen)).toEqual(new Set(['a', '1 + 2', '1', '2']));
  });
});
