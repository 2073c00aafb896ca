/** The example of a worker, as it runs: bundled, because not every Node runs TypeScript. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

it('trains in a worker while the thread that asked is free', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'typedgrad-example-'));
  try {
    const entryPoints = ['main', 'tasks'].map((name) => `examples/worker/${name}.ts`);
    const options = { bundle: true, platform: 'node', format: 'esm', outExtension: { '.js': '.mjs' } } as const;
    await build({ entryPoints, outdir: folder, logLevel: 'error', ...options });
    const main = join(folder, 'main.mjs');
    writeFileSync(main, readFileSync(main, 'utf8').replace('./tasks.ts', './tasks.mjs'));
    const { stdout, stderr } = spawnSync(process.execPath, [main, '300', '2'], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const lines = stdout.trim().split('\n');
    expect(lines).toEqual([
      expect.stringMatching(/^epoch 1: loss \d\.\d{3}$/),
      expect.stringMatching(/^epoch 2: loss \d\.\d{3}$/),
      expect.stringMatching(/^meanwhile this thread was free \d+ times$/),
      expect.stringMatching(/^\d+ of 500 digits read correctly$/),
    ]);
    expect(Number(/free (\d+)/.exec(stdout)![1])).toBeGreaterThan(3);
    expect(Number(/(\d+) of/.exec(stdout)![1])).toBeGreaterThan(200);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
