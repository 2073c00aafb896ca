/** Arithmetic of sizes. */

/** The product of all numbers; 1 for none. */
export const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);
