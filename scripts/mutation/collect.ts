/**
 * Stands in place of `vitest` where tests are collected to be run one by one: `describe`, `it` and the hooks write down
 * what there is to run; `expect` and `vi` are vitest's own.
 */

import { expect, vi } from 'vitest';

/** One test, with the hooks around it. */
export interface Unit {
  readonly name: string;
  run(): Promise<void>;
}

type Fn = (...args: unknown[]) => unknown;
type Hook = 'beforeAll' | 'afterAll' | 'beforeEach' | 'afterEach';
type Hooks = Record<Hook, Fn[]>;
type Declare = (name: unknown, fn: Fn) => void;

interface Suite {
  readonly name: string;
  readonly hooks: Hooks;
  /** Whether beforeAll is due; it runs again before each test, and afterAll after it. */
  readonly outer: Suite | null;
}

let suite: Suite = makeSuite('', null);
let units: Unit[] = [];

function makeSuite(name: string, outer: Suite | null): Suite {
  return { name, outer, hooks: { beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] } };
}

/** The tests that `load` declares, which are named after `file`. */
export async function collect(file: string, load: () => Promise<unknown>): Promise<Unit[]> {
  units = [];
  suite = makeSuite(file, null);
  await load();
  return units;
}

function chain(from: Suite): Suite[] {
  return from.outer ? [...chain(from.outer), from] : [from];
}

const declareSuite: Declare = (name, fn) => {
  const outer = suite;
  suite = makeSuite(String(name), outer);
  fn();
  suite = outer;
};

const declareTest: Declare = (name, fn) => {
  const suites = chain(suite);
  const all = (...hooks: Hook[]): Fn[] => suites.flatMap((one) => hooks.flatMap((hook) => one.hooks[hook]));
  units.push({
    name: [...suites.map((one) => one.name), String(name)].join(' > '),
    async run() {
      try {
        for (const hook of all('beforeAll', 'beforeEach')) await hook();
        await fn();
      } finally {
        for (const hook of all('afterEach', 'afterAll').reverse()) await hook();
      }
    },
  });
};

const skip: Declare = () => {};

/** With `each`, `skip`, `skipIf` and `runIf`. */
function variants(declare: Declare): object {
  const each =
    (rows: readonly unknown[]): Declare =>
    (name, fn) => {
      for (const [i, row] of rows.entries()) {
        declare(`${String(name)} [${i}]`, () => (Array.isArray(row) ? fn(...row) : fn(row)));
      }
    };
  const skipIf = (condition: unknown): Declare => (condition ? skip : (variants(declare) as Declare));
  return Object.assign((name: unknown, fn: Fn) => declare(name, fn), {
    each,
    skip,
    skipIf,
    runIf: (condition: unknown) => skipIf(!condition),
  });
}

const hook =
  (name: Hook) =>
  (fn: Fn): void => {
    suite.hooks[name].push(fn);
  };

/** What the tests import as `vitest`. */
export const standIn: object = {
  expect,
  vi,
  describe: variants(declareSuite),
  it: variants(declareTest),
  test: variants(declareTest),
  beforeAll: hook('beforeAll'),
  afterAll: hook('afterAll'),
  beforeEach: hook('beforeEach'),
  afterEach: hook('afterEach'),
};
