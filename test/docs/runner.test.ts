/** The checks of documentation examples are themselves checked: a wrong value, a wrong type or a vain comment must fail. */
import { describe, expect, it } from 'vitest';
import { type Block, blocksOfMarkdown, blocksOfSource, quotes } from './blocks.ts';
import { matches } from './compare.ts';
import { runBlock } from './run.ts';

const block = (code: string): Block => ({ path: 'page.md', line: 1, code, run: true });

describe('a block that is right', () => {
  it.each([
    ['a number', '1 + 1; // → 2', 1],
    ['a string, quoted or not', "'a' + 'b'; // → ab\n'a'; // → 'a'", 2],
    ['an array, wrapped', '[[1, 2], [3, 4]]; // → [[1, 2],\n//    [3, 4]]', 1],
    ['a typed array', 'new Float32Array([0.5, 2]); // → Float32Array(2) [0.5, 2]', 1],
    ['an object', '({ a: [1] }); // → { a: [1] }', 1],
    ['a value on the lines below', '[1,\n 2].map(String).join();\n// →\n// 1,2', 1],
    ['an object with its own text', "new URL('https://a.b/c'); // → https://a.b/c", 1],
    ['what is printed', "console.log('loss', 0.25); // → loss 0.25", 1],
    ['a declared name', 'const a: number = 3; // → 3', 1],
    ['a promise', 'await Promise.resolve(3); // → 3', 1],
    [
      'an error',
      "import { ShapeError } from 'typedgrad';\n(() => { throw new ShapeError('x is [2]'); })(); // → throws ShapeError: x is …",
      1,
    ],
    ['digits', '1 / 3; // → 0.333', 1],
    ['nothing claimed', 'const a = 1;\nvoid a;', 0],
  ])('passes: %s', async (_, code, claims) => {
    expect(await runBlock(block(code))).toBe(claims);
  });
});

describe('a block that is wrong', () => {
  it.each([
    ['a number', '1 + 1; // → 3', 'the value is\n2'],
    ['an array', '[1, 2]; // → [1, 3]', 'the value is'],
    ['a shape', '[[1, 2]]; // → [1, 2]', 'the value is'],
    ['a sign', '-1; // → 1', 'the value is\n-1'],
    ['too many digits', '1 / 3; // → 0.3334', 'the value is'],
    ['the second line of several', '[1, 2].join("\\n");\n// →\n// 1\n// 3', 'the value is'],
    ['what is printed', 'console.log(1); // → 2', 'the value is\n1'],
    ['an error that does not come', '1; // → throws TypeError', 'no error'],
    ['another error', 'null!.x; // → throws ShapeError', 'throws TypeError'],
    ['a value inside of a function', 'function f() {\n  1; // → 1\n}\nf();', 'at top level'],
    ['a claim on a statement without a value', 'for (const a of [1]) void a; // → 1', 'must follow'],
    ['a claim of nothing', '1; // → …', 'says nothing'],
    ['a program that throws', "throw new Error('broken');", 'broken'],
  ])('fails: %s', async (_, code, message) => {
    await expect(runBlock(block(code))).rejects.toThrow(message);
  });
});

describe('the search for blocks', () => {
  it('takes ts blocks of Markdown with their lines and marks', () => {
    const text = 'a\n```ts\n1;\n```\n```bash\nls\n```\n```ts no-run\n2;\n```\n';
    expect(blocksOfMarkdown('p.md', text)).toEqual([
      { path: 'p.md', line: 3, code: '1;', run: true },
      { path: 'p.md', line: 9, code: '2;', run: false },
    ]);
  });

  it('rejects an unknown mark and a block without an end', () => {
    expect(() => blocksOfMarkdown('p.md', '```ts norun\n```')).toThrow('unknown mark');
    expect(() => blocksOfMarkdown('p.md', '```ts\n1;')).toThrow('never ends');
  });

  it('takes the blocks of docstrings, without their stars', () => {
    const text =
      'const a = 1;\n/**\n * Adds.\n *\n * @example\n * ```ts\n * if (a) {\n *   1;\n * }\n * ```\n */\nexport {};';
    expect(blocksOfSource('a.ts', text)).toEqual([{ path: 'a.ts', line: 7, code: 'if (a) {\n  1;\n}', run: true }]);
  });
});

describe('a quotation', () => {
  const source = 'const a = 1;\nconst b =\n  2;\nconst c = 3;\n';
  const quotation = (code: string): Block => blocksOfMarkdown('p.md', `\`\`\`ts from=a.ts\n${code}\n\`\`\``)[0]!;

  it('holds parts of the source, in other line breaks and with imports of its own', () => {
    expect(quotation('1;').from).toBe('a.ts');
    expect(quotes(quotation("import x from 'x';\n\nconst a = 1;\n\nconst c = 3;"), source)).toBe(true);
    expect(quotes(quotation('const b = 2;'), source)).toBe(true);
  });

  it('fails when the source has changed', () => {
    expect(quotes(quotation('const a = 1;\n\nconst b = 3;'), source)).toBe(false);
  });
});

describe('the comparison', () => {
  it('ignores how a result is wrapped, but not its words', () => {
    expect(matches('[ 1, 2 ]', '[1,\n 2]')).toBe(true);
    expect(matches('tensor a b', 'tensor ab')).toBe(false);
  });

  it('takes numbers to the digits written, from three decimals on', () => {
    expect(matches('0.33333334', '0.333')).toBe(true);
    expect(matches('0.3336', '0.333')).toBe(false);
    expect(matches('0.30000001192092896', '0.3')).toBe(true);
    expect(matches('0.34', '0.3')).toBe(false);
    expect(matches('12', '1')).toBe(false);
  });

  it('lets … stand for anything, in its place', () => {
    expect(matches('Tensor [1, 2, 3] float32', 'Tensor [1, … 3] …')).toBe(true);
    expect(matches('Tensor [1, 2, 4] float32', 'Tensor [1, … 3] …')).toBe(false);
  });
});
