import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { alias } from './vitest.alias.ts';

/** Whatever the run finds, the same seed finds again: TYPEDGRAD_SEED=… npm run test:deep. */
const seed = process.env.TYPEDGRAD_SEED ?? String(Math.floor(Math.random() * 2 ** 31));
process.env.TYPEDGRAD_SEED = seed;
console.log(`seed ${seed}; to run the same again: TYPEDGRAD_SEED=${seed} npm run test:deep`);

const deeper = fileURLToPath(new URL('./test/deep/fast-check.ts', import.meta.url));

export default defineConfig({
  resolve: { alias: [...alias, { find: /^fast-check$/, replacement: deeper }] },
  test: {
    name: 'deep',
    include: ['test/**/*.test.ts'],
    exclude: ['test/package/**', 'test/browser/**', 'test/docs/**', 'test/examples/**'],
    env: { TYPEDGRAD_DEEP: '1', TYPEDGRAD_SEED: seed },
    testTimeout: 600_000,
  },
});
