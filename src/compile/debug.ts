/**
 * What compiling tells on the console, by the environment variable TYPEDGRAD_DEBUG: 1 each trace and how long it took,
 * 2 also the graph, 3 also the graph after every pass, 4 also the steps and the memory plan.
 */

/** The level asked for; 0 where there is no environment, as in browsers. */
export function debugLevel(): number {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return Number(process?.env?.TYPEDGRAD_DEBUG ?? 0) || 0;
}

/** Prints `text()` if the level is at least `level`. */
export function debug(level: number, text: () => string): void {
  // biome-ignore lint/suspicious/noConsole: printing is what this is asked for
  if (debugLevel() >= level) console.log(text());
}
