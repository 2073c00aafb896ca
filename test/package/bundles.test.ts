/** Bundlers take the package as it is, and leave out what a program does not use. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundlers, withEsbuild } from './bundlers.ts';
import { type Consumer, makeConsumer, root } from './consumer.ts';
import { core, small, training } from './programs.ts';

let consumer: Consumer;
beforeAll(() => {
  consumer = makeConsumer();
});
afterAll(() => consumer?.remove());

/** Runs a bundle where no package can be found. */
function run(name: string, code: string): string {
  const path = join(consumer.folder, `${name}.bundle.mjs`);
  writeFileSync(path, code);
  return execFileSync(process.execPath, [path], { cwd: '/', encoding: 'utf8' });
}

const gzipped = (code: string): number => gzipSync(code, { level: 9 }).length;

describe.each(bundlers)('%s', (bundler, bundle) => {
  it('bundles a training program that gives the same loss as unbundled', async () => {
    const loss = run(`${bundler}-train`, await bundle(consumer, `${bundler}-train`, training, false));
    expect(loss).toBe(consumer.run('train.mjs', training));
  });

  it('keeps the methods of tensors in a program that uses nothing else', async () => {
    for (const [name, program] of Object.entries({ small, core }))
      expect(run(`${bundler}-${name}`, await bundle(consumer, `${bundler}-${name}`, program, true))).toBe(
        '0.0000 5.4366\n',
      );
  });

  // webpack leaves that to the minifier, behind which the names are gone.
  it.skipIf(bundler === 'webpack')('leaves out what a program does not use', async () => {
    const defined = async (name: string, program: string, unused: readonly string[]): Promise<string[]> => {
      const code = await bundle(consumer, `${bundler}-${name}`, program, false);
      return unused.filter((one) => new RegExp(`\\b(class|function|const|let|var) ${one}\\b`).test(code));
    };
    const unused = ['Conv2d', 'Adam', 'CosineAnnealingLR', 'MaxPool2d', 'huberLoss', 'convolve', 'planForward'];
    expect(await defined('shaken', small, unused)).toEqual([]);
    expect(await defined('shaken-core', core, [...unused, 'matmul', 'FunctionBuilder', 'encodeModule'])).toEqual([]);
    // What is looked for does exist under these names.
    expect(await defined('unshaken', "export * from 'typedgrad';", unused)).toEqual(unused);
  });
});

describe('the size of a bundle', () => {
  const budget = JSON.parse(readFileSync(join(root, 'test/package/budget.json'), 'utf8')) as Record<string, number>;

  it.each([
    ['whole', "export * from 'typedgrad';"],
    ['training', training],
    ['small', small],
    ['core', core],
    ['all of core', "export * from 'typedgrad/core';"],
  ])('stays within the budget, minified and gzipped: %s', async (name, code) => {
    const size = gzipped(await withEsbuild(consumer, `size-${name}`, code, true));
    console.log(`bundle ${name}: ${size} bytes minified and gzipped, of at most ${budget[name]}`);
    expect(size).toBeLessThanOrEqual(budget[name]!);
  });

  it('counts nothing that only typedgrad/io needs', async () => {
    const invalidZip = 'invalid length/literal';
    expect(await withEsbuild(consumer, 'npz', "export { decodeNpz } from 'typedgrad/io';", true)).toContain(invalidZip);
    expect(await withEsbuild(consumer, 'no-npz', "export * from 'typedgrad';", true)).not.toContain(invalidZip);
  });

  it('is that of real programs', () => {
    expect(consumer.run('small.mjs', small)).toBe('0.0000 5.4366\n');
    expect(consumer.run('core.mjs', core)).toBe('0.0000 5.4366\n');
  });
});
