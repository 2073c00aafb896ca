/** Runs a block of documentation as a complete program and checks every `// →` in it. */
import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import ts from 'typescript';
import type { Block } from './blocks.ts';
import { matches, renderings } from './compare.ts';

const require = createRequire(import.meta.url);
const entries: Record<string, () => Promise<unknown>> = {
  typedgrad: () => import('typedgrad'),
  'typedgrad/core': () => import('typedgrad/core'),
  'typedgrad/data': () => import('typedgrad/data'),
  'typedgrad/io': () => import('typedgrad/io'),
  'typedgrad/io/node': () => import('typedgrad/io/node'),
  'typedgrad/testing': () => import('typedgrad/testing'),
  'typedgrad/worker': () => import('typedgrad/worker'),
};

interface Claim {
  /** Of the statement, from 1 within the block. */
  readonly line: number;
  readonly expected: string;
}

/**
 * The text after `// →` behind a statement: the rest of its line, and the comment lines below that are indented by two
 * spaces or more; or, where nothing follows the arrow, all comment lines below.
 */
function claimAfter(lines: readonly string[], lastLine: number): string | undefined {
  const own = /\/\/ →(.*)$/.exec(lines[lastLine]!);
  const below = own === null ? /^\s*\/\/ →(.*)$/.exec(lines[lastLine + 1] ?? '') : null;
  const first = own ?? below;
  if (first === null) return undefined;
  const text = [first[1]!.trim()];
  const continued = text[0] === '' ? /^\s*\/\/(?! →)(.*)$/ : /^\s*\/\/ {2,}(.*)$/;
  for (let i = lastLine + (own === null ? 2 : 1); i < lines.length; i++) {
    const more = continued.exec(lines[i]!);
    if (more === null) break;
    text.push(more[1]!);
  }
  return text.join('\n').trim();
}

/** What a statement with a claim shows: an expression, or the name that it declares. */
function shown(statement: ts.Statement, file: ts.SourceFile): { before: string; value: string } | undefined {
  if (ts.isExpressionStatement(statement)) return { before: '', value: statement.expression.getText(file) };
  if (!ts.isVariableStatement(statement)) return undefined;
  const [declaration, second] = statement.declarationList.declarations;
  if (declaration === undefined || second !== undefined || !ts.isIdentifier(declaration.name)) return undefined;
  return { before: `${statement.getText(file)}\n`, value: declaration.name.text };
}

/** The block with every claim turned into a call of `check`, still TypeScript. */
function instrument(block: Block): { code: string; claims: Claim[] } {
  const file = ts.createSourceFile('block.ts', block.code, ts.ScriptTarget.ES2022, true);
  const lines = block.code.split('\n');
  const claims: Claim[] = [];
  let code = '';
  for (const statement of file.statements) {
    const last = file.getLineAndCharacterOfPosition(statement.getEnd()).line;
    const expected = claimAfter(lines, last);
    if (expected === undefined) {
      code += `${statement.getText(file)}\n`;
      continue;
    }
    const at = `${block.path}:${block.line + last}`;
    const target = shown(statement, file);
    if (target === undefined) throw new Error(`${at}: '// →' must follow an expression or the declaration of one name`);
    if (/^[\s…]*$/.test(expected)) throw new Error(`${at}: '// →' says nothing`);
    code += `${target.before}await __check(${claims.length}, async () => (${target.value}));\n`;
    claims.push({ line: last + 1, expected });
  }
  const written = lines.filter((line) => line.includes('// →')).length;
  if (written !== claims.length) {
    throw new Error(
      `${block.path}:${block.line}: ${written} comments '// →', of which ${claims.length} follow a statement at top level`,
    );
  }
  return { code, claims };
}

/** Fails with the block's place, the claim and the value unless they agree. */
function verify(block: Block, claim: Claim, texts: readonly string[]): void {
  if (texts.some((text) => matches(text, claim.expected))) return;
  const at = `${block.path}:${block.line + claim.line - 1}`;
  throw new Error(`${at}: the comment says\n${claim.expected}\nbut the value is\n${texts[0]}`);
}

/** `throws Name` or `throws Name: message`, where the message may be abridged with `…`. */
async function verifyThrow(block: Block, claim: Claim, run: () => Promise<unknown>): Promise<void> {
  const thrown = await run().then(
    (value) => ({ text: `no error, but ${inspect(value)}` }),
    (error: unknown) =>
      error instanceof Error
        ? { text: `throws ${error.name}: ${error.message}`, name: error.name }
        : { text: inspect(error) },
  );
  const wanted = claim.expected.includes(':') ? claim.expected : `${claim.expected}: …`;
  if (!matches(thrown.text, wanted)) verify(block, claim, [thrown.text]);
}

/** Runs a block; resolves to the number of claims that were checked, and throws where one is wrong. */
export async function runBlock(block: Block): Promise<number> {
  const { code, claims } = instrument(block);
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true },
  });
  const modules = new Map<string, unknown>();
  for (const [name, load] of Object.entries(entries)) {
    if (new RegExp(`['"]${name}['"]`).test(code)) modules.set(name, await load());
  }
  let printed: string[] = [];
  let checked = 0;
  const log = (...args: unknown[]): void => void printed.push(args.map((arg) => renderings(arg)[0]).join(' '));
  const logger = { ...console, log, info: log, table: log };
  const check = async (index: number, run: () => Promise<unknown>): Promise<void> => {
    const claim = claims[index]!;
    printed = [];
    if (claim.expected.startsWith('throws ')) await verifyThrow(block, claim, run);
    else {
      const value = await run();
      verify(block, claim, value === undefined && printed.length > 0 ? [printed.join('\n')] : renderings(value));
    }
    checked += 1;
  };
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  const program = new AsyncFunction('require', 'exports', 'console', '__check', outputText);
  await program((name: string) => modules.get(name) ?? require(name), {}, logger, check);
  if (checked !== claims.length) throw new Error(`${block.path}:${block.line}: checked ${checked} of ${claims.length}`);
  return checked;
}
