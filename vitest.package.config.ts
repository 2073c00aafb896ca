import { defineConfig } from 'vitest/config';

/** The published package, packed and installed as a user would: needs `npm run build` first. */
export default defineConfig({
  test: {
    name: 'package',
    include: ['test/package/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
