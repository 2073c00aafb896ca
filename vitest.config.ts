import { defineConfig } from 'vitest/config';
import { alias } from './vitest.alias.ts';

export default defineConfig({
  resolve: { alias },
  test: {
    name: 'node',
    include: ['test/**/*.test.ts'],
    // These need a built package or a browser, and have configurations of their own.
    exclude: ['test/package/**', 'test/browser/**'],
    testTimeout: 30_000,
  },
});
