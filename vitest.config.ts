import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { alias } from './vitest.alias.ts';

/** What a suite says that changes its process for those after it, or that measures the process. */
const leavesTraces =
  /resetModules|resetBackend|forceFeatures|setThreads|stub(Global|Env)|process\.env\.\w+ = |heapUsed/;

const include = 'test/**/*.test.ts';
// These need a built package or a browser, and have configurations of their own.
const exclude = ['test/package/**', 'test/browser/**'];
const apart = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join('test', name).replaceAll('\\', '/'))
  .filter((path) => leavesTraces.test(readFileSync(path, 'utf8')));

export default defineConfig({
  resolve: { alias },
  test: {
    testTimeout: 30_000,
    projects: [
      // Most suites share a process with others, and so load the library once; a third of the whole time was loading.
      {
        extends: true,
        test: {
          name: 'node',
          include: [include],
          exclude: [...exclude, ...apart],
          isolate: false,
          setupFiles: ['test/setup.ts'],
        },
      },
      { extends: true, test: { name: 'apart', include: apart, exclude } },
    ],
  },
});
