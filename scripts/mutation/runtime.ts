/** The switches in the instrumented sources, which find them as `globalThis.__mutation`. */

/** A loop in the library turned more often than it could without a bug. */
export class EndlessLoop extends Error {}

let active = -1;
let passed: Uint8Array | null = null;
let turns = 0;
let allowed = Number.POSITIVE_INFINITY;

export const switches: { bug(id: number): boolean; turn(): void } = {
  bug(id) {
    if (passed !== null) passed[id] = 1;
    return id === active;
  },
  turn() {
    if (++turns > allowed) throw new EndlessLoop(`more than ${allowed} turns`);
  },
};

/** Notes which of the first `count` switches `fn` passes, and how many turns its loops take. */
export async function watched(count: number, fn: () => unknown): Promise<{ passed: Uint8Array; turns: number }> {
  const seen = new Uint8Array(count);
  turns = 0;
  passed = seen;
  try {
    await fn();
  } finally {
    passed = null;
  }
  return { passed: seen, turns };
}

/** Runs `fn` with one bug switched on, or none (-1), and with so many turns of loops allowed. */
export async function withBug(id: number, turnsAllowed: number, fn: () => unknown): Promise<void> {
  active = id;
  turns = 0;
  allowed = turnsAllowed;
  try {
    await fn();
  } finally {
    active = -1;
    allowed = Number.POSITIVE_INFINITY;
  }
}
