/** Loads the library with its bugs planted, and the tests against it, in this process; nothing is written to disk. */

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import fc from 'fast-check';
import { createServer, createServerModuleRunner, type Plugin, type ViteDevServer } from 'vite';
import type { ModuleRunner } from 'vite/module-runner';
import { alias } from '../../vitest.alias.ts';
import { collect, standIn, type Unit } from './collect.ts';
import { instrument, type Mutant } from './instrument.ts';
import { switches } from './runtime.ts';

export const ROOT: string = join(import.meta.dirname, '../..');

/** The sources that bugs are planted in. */
const PLANTED = ['src/ops', 'src/kernels/js', 'src/autograd'];

/** The tests that are asked, by folder or file, apart from the golden cases. */
const TESTS = ['test/ops', 'test/kernels', 'test/autograd', 'test/testing/typedgrad.test.ts', 'test/conformance'];

interface GoldenCase {
  readonly fn: string;
}
interface Golden {
  FAMILIES: readonly string[];
  loadFamily(family: string): GoldenCase[];
}
interface Runner {
  VARIANTS: readonly string[];
  applies(c: GoldenCase, variant: string): boolean;
  runCase(c: GoldenCase, variant: string): { error: number; tolerance: number; message: string }[];
}

/** The instrumented library and the tests that use it. */
export class Library {
  readonly mutants: readonly Mutant[];
  readonly #server: ViteDevServer;
  readonly #runner: ModuleRunner;
  /** Listed once, so that a test keeps its place in the list however often all are loaded. */
  readonly #files: readonly string[] = TESTS.flatMap((folder) => filesIn(folder, '.test.ts'));
  #cases: [string, GoldenCase[]][] | null = null;

  private constructor(server: ViteDevServer, mutants: readonly Mutant[]) {
    this.#server = server;
    this.#runner = createServerModuleRunner(server.environments.ssr, { hmr: false });
    this.mutants = mutants;
  }

  /** `seed` is that of the properties in tests, which do not look for a smaller example once they fail. */
  static async open(seed: number): Promise<Library> {
    fc.configureGlobal({ seed, endOnFailure: true });
    const planted = plantAll();
    Object.assign(globalThis, { __mutation: switches, __vitest: standIn });
    const plugin: Plugin = {
      name: 'plant',
      enforce: 'pre',
      transform: (_, id) => {
        const code = planted.codes.get(relative(ROOT, id));
        return code === undefined ? null : { code, map: null };
      },
    };
    const server = await createServer({
      root: ROOT,
      configFile: false,
      appType: 'custom',
      logLevel: 'error',
      server: { middlewareMode: true, hmr: false, watch: null, ws: false },
      optimizeDeps: { noDiscovery: true },
      resolve: { alias: [...alias, { find: /^vitest$/, replacement: join(import.meta.dirname, 'vitest.ts') }] },
      plugins: [plugin],
    });
    return new Library(server, planted.mutants);
  }

  /** Evaluates library and tests anew, and collects the tests and golden cases. */
  async load(): Promise<Unit[]> {
    this.#runner.clearCache();
    const golden = await this.#goldenUnits();
    const units: Unit[] = [];
    for (const file of this.#files) {
      try {
        units.push(...(await collect(file, () => this.#import(file))));
      } catch (error) {
        units.push({ name: `${file} loads`, run: () => Promise.reject(error) });
      }
    }
    return [...units, ...golden];
  }

  async close(): Promise<void> {
    await this.#runner.close();
    await this.#server.close();
  }

  #import(file: string): Promise<Record<string, unknown>> {
    return this.#runner.import(`/${file}`);
  }

  async #goldenUnits(): Promise<Unit[]> {
    const runner = (await this.#import('test/golden/run.ts')) as unknown as Runner;
    if (this.#cases === null) {
      const { FAMILIES: families, loadFamily } = (await this.#import('test/golden/load.ts')) as unknown as Golden;
      this.#cases = families.map((family) => [family, loadFamily(family)]);
    }
    return this.#cases.flatMap(([family, cases]) =>
      cases.map((c, i) => ({
        name: `golden ${family} > ${c.fn} > ${i}`,
        run: async () => runGolden(runner, c),
      })),
    );
  }
}

function runGolden({ VARIANTS, applies, runCase }: Runner, c: GoldenCase): void {
  for (const variant of VARIANTS) {
    if (!applies(c, variant)) continue;
    for (const { error, tolerance, message } of runCase(c, variant)) {
      if (!(error <= tolerance)) throw new Error(`${variant}: ${message}`);
    }
  }
}

function plantAll(): { codes: Map<string, string>; mutants: Mutant[] } {
  const codes = new Map<string, string>();
  const mutants: Mutant[] = [];
  for (const folder of PLANTED) {
    for (const file of filesIn(folder, '.ts')) {
      const planted = instrument(file, readFileSync(join(ROOT, file), 'utf8'), mutants.length);
      codes.set(file, planted.code);
      mutants.push(...planted.mutants);
    }
  }
  return { codes, mutants };
}

function filesIn(folder: string, ending: string): string[] {
  if (folder.endsWith(ending)) return [folder];
  const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(folder, name));
}
