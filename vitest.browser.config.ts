import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { chromiumArgs, chromiumPath } from './test/package/chromium.ts';
import { alias } from './vitest.alias.ts';

/** Whether a test needs Node: by a module of Node's, `process` or `Buffer`, or a helper that does. */
function needsNode(path: string, seen: Set<string> = new Set()): boolean {
  if (seen.has(path)) return false;
  seen.add(path);
  const text = readFileSync(path, 'utf8');
  if (/['"]node:|\b(process|Buffer)\./.test(text)) return true;
  const helpers = [...text.matchAll(/from '(\.[^']*\.ts)'/g)].map(([, name]) => join(dirname(path), name!));
  return helpers.some((helper) => !helper.startsWith('src') && needsNode(helper, seen));
}

/** Suites that load modules anew with parts of the engine taken away, which a page cannot. */
const reloading = ['test/kernels/wasm/features.test.ts', 'test/core/core.test.ts'];

/** All suites that can run in a page: those of test/browser, and every other that does not need Node. */
const suites = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts') && !/^(package|scripts|examples)\b/.test(name))
  .map((name) => join('test', name))
  .filter((path) => !needsNode(path) && !reloading.includes(path));

export default defineConfig({
  resolve: { alias },
  optimizeDeps: { include: ['fast-check'] },
  test: {
    name: 'browser',
    include: suites,
    testTimeout: 60_000,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({
        launchOptions: { args: chromiumArgs, ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }) },
      }),
      instances: [{ browser: 'chromium' }],
    },
  },
});
