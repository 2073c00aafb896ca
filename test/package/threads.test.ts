/** Threads from the package as users have it: bundled by each bundler or not at all, in Node and in pages. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundlers } from './bundlers.ts';
import { chromiumArgs, chromiumPath } from './chromium.ts';
import { type Consumer, makeConsumer } from './consumer.ts';
import { type Site, visit } from './pages.ts';
import { threads as program } from './programs.ts';

let consumer: Consumer;
let browser: Browser | undefined;
const bundles = new Map<string, string>();

beforeAll(async () => {
  consumer = makeConsumer();
  if (chromiumPath !== undefined) {
    browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs });
  }
  for (const [name, bundle] of bundlers) bundles.set(name, await bundle(consumer, `${name}-threads`, program, true));
});
afterAll(async () => {
  await browser?.close();
  consumer?.remove();
});

const names = bundlers.map(([name]) => name);
const twoThreads = [2, '', true];

describe('in Node', () => {
  const run = (file: string, code: string): unknown => {
    const path = join(consumer.folder, file);
    writeFileSync(path, code);
    return JSON.parse(execFileSync(process.execPath, [path], { cwd: '/', encoding: 'utf8', timeout: 30_000 }));
  };

  it.each(names)('a minified bundle by %s has threads, and the same bits as with one', (name) => {
    expect(run(`${name}.bundle.mjs`, bundles.get(name)!)).toEqual(twoThreads);
  });

  it('so has the package itself, as an ES module and as CommonJS', () => {
    const cjs = program.replace(/import (\{[^}]*\}) from '([^']*)'/g, "const $1 = require('$2')");
    expect(run('threads.mjs', program)).toEqual(twoThreads);
    expect(run('threads.cjs', cjs)).toEqual(twoThreads);
  });
});

describe.skipIf(chromiumPath === undefined)('in a page', () => {
  const isolated = {
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
  };
  const load = async (scripts: Site['scripts'], headers: Site['headers']): Promise<unknown> => {
    const { printed, errors } = await visit(browser!, consumer, { headers, scripts });
    expect(errors).toEqual([]);
    return JSON.parse(printed);
  };

  it.each(names)('a minified bundle by %s has threads, and the same bits as with one', async (name) => {
    expect(await load({ '/program.js': bundles.get(name)! }, isolated)).toEqual(twoThreads);
  });

  it('so has a plain module script', async () => {
    expect(await load({ '/program.js': program }, isolated)).toEqual(twoThreads);
  });

  it('that is not isolated runs everything on one thread, and says why', async () => {
    const reason = expect.stringMatching(/cross-origin isolated/);
    expect(await load({ '/program.js': program }, {})).toEqual([1, reason, true]);
  });

  it('whose policy forbids workers made of a Blob runs everything on one thread, and says why', async () => {
    const policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
    const headers = { ...isolated, 'content-security-policy': policy };
    const reason = expect.stringMatching(/forbids workers/);
    expect(await load({ '/program.js': program }, headers)).toEqual([1, reason, true]);
  });

  it('may train in a worker, with threads of its own, while it stays responsive', async () => {
    const tasks = `
      import { Adam, backend, Dense, fit, mseLoss, setThreads } from 'typedgrad';
      import { serve } from 'typedgrad/worker';
      serve({
        async train({ x, y, epochs }, { report, signal }) {
          await setThreads(2);
          const model = new Dense(1, 1);
          const callbacks = { onEpochEnd: ({ epoch }) => report(epoch) };
          const optimizer = new Adam(model.parameters(), { lr: 0.1 });
          const { ended } = await fit(model, [[x, y]], { loss: mseLoss, optimizer, epochs, callbacks, signal });
          return { state: model.stateDict(), ended, threads: backend().threads };
        },
      });`;
    const page = `
      import { Dense, tensor } from 'typedgrad';
      import { connect } from 'typedgrad/worker';
      const ask = connect(new Worker('/tasks.js', { type: 'module' }));
      const [x, y] = [tensor([[0], [1], [2]]), tensor([[1], [3], [5]])];
      const seen = [];
      const { state, ended, threads } = await ask('train', { x, y, epochs: 300 }, { onProgress: (epoch) => seen.push(epoch) });
      const model = new Dense(1, 1);
      model.loadStateDict(state);
      const stop = new AbortController();
      const options = { onProgress: (epoch) => epoch > 5 && stop.abort(), signal: stop.signal };
      const cancelled = await ask('train', { x, y, epochs: 1000000 }, options);
      console.log(JSON.stringify([model.weight.item().toFixed(1), seen.length, ended, threads, cancelled.ended]));`;
    const got = await load({ '/program.js': page, '/tasks.js': tasks }, isolated);
    expect(got).toEqual(['2.0', 300, 'epochs', 2, 'signal']);
  });
});
