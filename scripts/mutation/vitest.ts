/** The module that tests get for `vitest`; see collect.ts, which lives outside of the modules that are loaded anew. */

// biome-ignore lint/suspicious/noExplicitAny: handed over from another module graph
const { describe, it, test, expect, vi, beforeAll, afterAll, beforeEach, afterEach } = (globalThis as any).__vitest;

export { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test, vi };
