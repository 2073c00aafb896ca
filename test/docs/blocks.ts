/** Finds the TypeScript blocks of docstrings and of Markdown files. */

/** A fenced block of code and where it stands. */
export interface Block {
  /** The file, relative to the repository. */
  readonly path: string;
  /** The line of the block's first line of code, from 1. */
  readonly line: number;
  readonly code: string;
  /** False for a block marked `no-run`, which is type-checked only. */
  readonly run: boolean;
  /** The source that the block quotes, marked `from=path`. */
  readonly from?: string;
}

/** Every ```ts block of a Markdown text; ```ts no-run is kept but not run; other languages are left out. */
export function blocksOfMarkdown(path: string, text: string, firstLine = 1): Block[] {
  const blocks: Block[] = [];
  let open: { fence: string; info: string; start: number; lines: string[] } | undefined;
  text.split('\n').forEach((line, i) => {
    const fence = /^\s*(`{3,})(.*)$/.exec(line);
    if (open === undefined) {
      if (fence) open = { fence: fence[1]!, info: fence[2]!.trim(), start: i + 1, lines: [] };
      return;
    }
    if (fence?.[1] !== open.fence || fence[2]!.trim() !== '') {
      open.lines.push(line);
      return;
    }
    const [language, ...flags] = open.info.split(/\s+/);
    if (language === 'ts' || language === 'typescript') {
      const unknown = flags.filter((flag) => flag !== 'no-run' && !flag.startsWith('from='));
      if (unknown.length > 0)
        throw new Error(`${path}:${firstLine + i}: unknown mark on a code block: ${unknown.join(' ')}`);
      const from = flags.find((flag) => flag.startsWith('from='))?.slice('from='.length);
      const place = { path, line: firstLine + open.start, code: open.lines.join('\n') };
      blocks.push({ ...place, run: !flags.includes('no-run'), ...(from === undefined ? {} : { from }) });
    }
    open = undefined;
  });
  if (open !== undefined) throw new Error(`${path}:${firstLine + open.start}: a code block that never ends`);
  return blocks;
}

/** Every ```ts block of the docstrings of a source file. */
export function blocksOfSource(path: string, text: string): Block[] {
  const blocks: Block[] = [];
  for (const comment of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    const line = text.slice(0, comment.index).split('\n').length;
    const body = comment[0]
      .replace(/\*\/$/, '')
      .split('\n')
      .map((part) => part.replace(/^\s*\/?\*+ ?/, ''))
      .join('\n');
    blocks.push(...blocksOfMarkdown(path, body, line));
  }
  return blocks;
}

/** Whether `source` holds what a block quotes: all of it but its imports, wherever the lines break. */
export function quotes(block: Block, source: string): boolean {
  const squeeze = (text: string): string => text.replace(/\s+/g, ' ').trim();
  const parts = block.code
    .replace(/^import .*$/gm, '')
    .split(/\n\s*\n/)
    .map(squeeze);
  return parts.every((part) => squeeze(source).includes(part));
}
