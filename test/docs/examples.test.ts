/** Every example of the documentation runs, and shows what it says it shows. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Block, blocksOfMarkdown, blocksOfSource, quotes } from './blocks.ts';
import { runBlock } from './run.ts';
import { typeErrors } from './types.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const filesUnder = (folder: string, ending: string, recursive: boolean): string[] =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive, encoding: 'utf8' })
        .filter((name) => name.endsWith(ending) && !name.startsWith('api'))
        .map((name) => join(folder, name))
        .sort()
    : [];
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const blocks: Block[] = [
  ...['README.md', ...filesUnder('docs', '.md', false)].flatMap((path) => blocksOfMarkdown(path, read(path))),
  ...filesUnder('src', '.ts', true).flatMap((path) => blocksOfSource(path, read(path))),
];

describe('the examples of the documentation', { timeout: 120_000 }, () => {
  it.each(blocks.filter(({ run }) => run).map((block) => [`${block.path}:${block.line}`, block] as const))(
    'run and show what they say: %s',
    async (_, block) => {
      await runBlock(block);
    },
  );

  it('quote sources as they are', () => {
    const quoting = blocks.filter(({ from }) => from !== undefined);
    const wrong = quoting.filter((block) => !quotes(block, read(block.from!)));
    expect(wrong.map(({ path, line, from }) => `${path}:${line} is not in ${from}`)).toEqual([]);
  });

  it('have no type errors, which would be found, each at its own line', () => {
    const code = 'const a = 1;\nconst b: string = a;\nconst c: number = await Promise.resolve(1);\nvoid c;';
    const wrong: Block = { path: 'page.md', line: 10, code, run: false };
    expect(typeErrors(root, [...blocks, wrong])).toEqual([
      "page.md:11: Type 'number' is not assignable to type 'string'.",
    ]);
  });
});
