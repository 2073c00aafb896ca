import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { playwright } from '@vitest/browser-playwright';
import type { Plugin } from 'vite';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import type { BrowserConfigOptions } from 'vitest/node';
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

/** Those whose code differs where memory cannot be shared. */
const withoutIsolation = suites.filter((path) => /^test.(browser|kernels|compile|threads|conformance)\b/.test(path));

/** Those of operations, whose kernels must then be the ones in TypeScript. */
const withoutWebAssembly = suites.filter((path) => /^test.(browser|kernels.js|ops|autograd|testing)\b/.test(path));

/** Answers with these headers, before the pages of the tests are answered. */
const answering = (name: string, headers: Readonly<Record<string, string>>): Plugin => ({
  name,
  enforce: 'pre',
  configureServer({ middlewares }) {
    middlewares.use((_, response, next) => {
      for (const [header, value] of Object.entries(headers)) response.setHeader(header, value);
      next();
    });
  },
});

/** A page that is cross-origin isolated may share memory with threads. */
const isolation = answering('cross-origin isolation', {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
});

/** In a page with this policy neither strings nor WebAssembly may become code. */
const policy = answering('content security policy', {
  'Content-Security-Policy': "script-src 'self' 'unsafe-inline'",
});

const browser = (): BrowserConfigOptions => ({
  enabled: true,
  headless: true,
  screenshotFailures: false,
  provider: playwright({
    launchOptions: { args: chromiumArgs, ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }) },
  }),
  instances: [{ browser: 'chromium' }],
});

const project = (name: string, include: string[], plugins: Plugin[] = []): TestProjectInlineConfiguration => ({
  plugins,
  resolve: { alias },
  optimizeDeps: { include: ['fast-check'] },
  test: {
    name,
    include,
    testTimeout: 60_000,
    env: { ISOLATED: String(plugins.includes(isolation)), POLICY: String(plugins.includes(policy)) },
    browser: browser(),
  },
});

export default defineConfig({
  test: {
    projects: [
      project('isolated page', suites, [isolation]),
      project('page', withoutIsolation),
      project('page without WebAssembly', withoutWebAssembly, [policy]),
    ],
  },
});
