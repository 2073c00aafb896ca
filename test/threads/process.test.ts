/** Threads in processes of their own: ES modules and CommonJS, minified, without permission, idle, several teams at once. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'typedgrad-threads-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const contents = `
export { backend, runProgram, setThreads } from './src/threads/index.ts';
export { countsOf, handmade } from './test/threads/programs.ts';`;

/** Bundles of what programs below import, as users' tools may make them. */
const bundles: Record<string, BuildOptions> = {
  'all.mjs': { format: 'esm' },
  'all.cjs': { format: 'cjs' },
  'small.mjs': { format: 'esm', minify: true },
  'named.mjs': { format: 'esm', keepNames: true, minifySyntax: true },
};

beforeAll(async () => {
  for (const [name, options] of Object.entries(bundles)) {
    const stdin = { contents, resolveDir: process.cwd(), loader: 'ts' } as const;
    await build({ stdin, bundle: true, outfile: join(folder, name), logLevel: 'error', ...options });
  }
});

/** What a program prints as JSON; it fails if the process does not end by itself. */
function run(program: string, { from = 'all.mjs', flags = [] as string[], env = {} } = {}): unknown {
  const isModule = from.endsWith('.mjs');
  const names = '{ backend, countsOf, handmade, runProgram, setThreads }';
  const load = isModule ? `import ${names} from './${from}';` : `const ${names} = require('./${from}');`;
  const path = join(folder, `program${Math.random()}.${isModule ? 'mjs' : 'cjs'}`);
  writeFileSync(path, `${load}\n${program}`);
  const { stdout, stderr, error } = spawnSync(process.execPath, [...flags, path], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...process.env, ...env },
  });
  if (error) throw new Error(`${error.message}\n${stderr}`);
  try {
    return JSON.parse(stdout);
  } catch {
    throw new Error(`${stdout}\n${stderr}`);
  }
}

const counting = `
setThreads(3);
const program = handmade({ rounds: 10, segments: 2 });
runProgram(program.code, program.conductor, () => {});
console.log(JSON.stringify([backend().threads, ...countsOf(program, 4)]));`;

describe('a process with threads', () => {
  it.each(Object.keys(bundles))('has them at once and ends by itself: %s', (from) => {
    expect(run(counting, { from })).toEqual([3, 20, 20, 20, 0]);
  });

  it('passes on none of its options to workers', () => {
    writeFileSync(join(folder, 'hook.cjs'), "if (!require('node:worker_threads').isMainThread) process.exit(1);");
    const env = { NODE_OPTIONS: `--require ${join(folder, 'hook.cjs')}` };
    expect(run(counting, { env })).toEqual([3, 20, 20, 20, 0]);
  });

  it('uses no processor time while it has nothing to do', () => {
    const idle = `
      ${counting.replace(/console.*/, '')}
      setTimeout(() => {
        const before = process.cpuUsage();
        setTimeout(() => {
          const { user, system } = process.cpuUsage(before);
          console.log(JSON.stringify((user + system) / 1000));
        }, 1000);
      }, 300);`;
    expect(run(idle)).toBeLessThan(40);
  });

  it('runs on one thread and says why where the permission for workers is missing', () => {
    const permission = Number(process.versions.node.split('.')[0]) >= 24 ? '--permission' : '--experimental-permission';
    const program = counting.replace('backend().threads', 'backend().threads, backend().reasons.threads');
    expect(run(program, { flags: [permission, '--allow-fs-read=*'] })).toEqual([
      1,
      expect.stringMatching(/^a worker cannot be started: Access to this API has been restricted/),
      ...[20, 0, 0, 0],
    ]);
  });

  it('runs on one thread and says why with the kernels in TypeScript', () => {
    const program = 'setThreads(2); console.log(JSON.stringify([backend().threads, backend().reasons.threads]));';
    expect(run(program, { env: { TYPEDGRAD_BACKEND: 'js' } })).toEqual([
      1,
      'threads run WebAssembly, which is not in use: TYPEDGRAD_BACKEND=js forbids it',
    ]);
  });

  it('can have a team in each of its own workers too, all at once', () => {
    const realms = `
      import { Worker, isMainThread, parentPort } from 'node:worker_threads';
      setThreads(2);
      const results = [];
      const work = (rounds) => {
        const programs = [handmade({ rounds }), handmade({ rounds })];
        for (let i = 0; i < 20; i++) for (const { code, conductor } of programs) runProgram(code, conductor, () => {});
        return programs.flatMap((program) => countsOf(program, 3));
      };
      if (isMainThread) {
        const workers = [1, 2].map(() => new Worker(new URL(import.meta.url)));
        const answers = workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)));
        const own = [work(50)];
        for (let i = 0; i < 3; i++) { await new Promise(setImmediate); own.push(work(50)); }
        console.log(JSON.stringify([...own, ...await Promise.all(answers)]));
      } else parentPort.postMessage(work(50));`;
    expect(run(realms)).toEqual(new Array(6).fill([1000, 1000, 0, 1000, 1000, 0]));
  });
});
