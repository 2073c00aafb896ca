import { existsSync } from 'node:fs';
import { defineConfig } from 'tsup';
import { pure } from './scripts/pure.ts';

/** Every entry of package.json's `exports`, by its path under src and dist. */
const entries = ['index', 'core/index', 'data/index', 'io/index', 'io/node/index', 'testing/index', 'worker/index'];

export default defineConfig({
  entry: Object.fromEntries(
    entries.filter((name) => existsSync(`src/${name}.ts`)).map((name) => [name, `src/${name}.ts`]),
  ),
  format: ['esm', 'cjs'],
  // One copy of every class: what two entries share becomes a chunk that both import, in ESM and in CJS.
  splitting: true,
  platform: 'neutral',
  target: 'es2022',
  external: [/^node:/, 'fast-check'],
  removeNodeProtocol: false,
  // CommonJS chunks by Rollup: the other way lowers syntax that Node has, and slows loops down.
  treeshake: true,
  esbuildPlugins: [pure],
  clean: true,
  // tsup hands the declaration bundler a `baseUrl`, which TypeScript 6 calls deprecated.
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
});
