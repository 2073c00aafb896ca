import { fileURLToPath } from 'node:url';

const source = (path: string): string => fileURLToPath(new URL(`./src/${path}/index.ts`, import.meta.url));

/** Tests import the package by its public names and get the sources, so no build is needed first. */
export const alias: { find: RegExp; replacement: string }[] = [
  { find: /^typedgrad$/, replacement: source('.') },
  ...['core', 'data', 'io/node', 'io', 'testing', 'worker'].map((path) => ({
    find: new RegExp(`^typedgrad/${path}$`),
    replacement: source(path),
  })),
];
