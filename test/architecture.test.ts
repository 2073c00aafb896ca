/**
 * The rooms of `src` and the one direction in which they may import, read from the sources with the TypeScript
 * compiler. docs/map.md draws the same picture for people.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** What each room may import besides itself. A room that is not named here fails the test, so every new one is decided on. */
const allowed: Record<string, readonly string[]> = {
  errors: [],
  kernels: ['errors'],
  tensor: ['errors', 'kernels'],
  ops: ['errors', 'tensor', 'kernels'],
  autograd: ['errors', 'tensor', 'kernels', 'ops'],
  core: ['errors', 'tensor', 'kernels', 'ops', 'autograd'],
  threads: ['errors', 'kernels'],
  compile: ['errors', 'tensor', 'kernels', 'ops', 'autograd', 'threads'],
  layers: ['errors', 'tensor', 'kernels', 'ops', 'autograd'],
  optim: ['errors', 'tensor', 'kernels', 'ops', 'autograd', 'layers'],
  train: ['errors', 'tensor', 'kernels', 'ops', 'autograd', 'compile', 'layers', 'optim', 'data'],
  data: ['errors', 'tensor', 'ops', 'autograd'],
  io: ['errors', 'tensor', 'autograd'],
  testing: ['errors', 'tensor', 'ops', 'autograd'],
  worker: ['errors', 'tensor', 'autograd'],
  index: ['errors', 'tensor', 'kernels', 'ops', 'autograd', 'compile', 'layers', 'optim', 'train', 'threads'],
};

/** The only room that may use Node's own modules. */
const nodeRoom = 'io/node/';

/**
 * Packages that a room may import: an optional peer, and fflate, which the build copies into dist. Everything else is a
 * runtime dependency that the core must not have.
 */
const packages: Record<string, readonly string[]> = { testing: ['fast-check'], io: ['fflate'] };

interface SourceFile {
  readonly path: string;
  readonly text: string;
}

interface Import {
  readonly from: string;
  readonly to: string;
  readonly line: number;
}

const roomOf = (path: string): string => path.split('/')[0]!.replace(/\.ts$/, '');

const parsed = new WeakMap<SourceFile, ts.SourceFile>();

/** The syntax tree of a source, made once. */
function parse(source: SourceFile): ts.SourceFile {
  const tree = parsed.get(source) ?? ts.createSourceFile(source.path, source.text, ts.ScriptTarget.ES2022, true);
  parsed.set(source, tree);
  return tree;
}

const lineOf = (file: ts.SourceFile, node: ts.Node): number =>
  file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;

/** Static imports, re-exports, import types and dynamic imports, with relative ones resolved to paths under src. */
function importsOf(source: SourceFile): Import[] {
  const file = parse(source);
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const name = specifier.text;
    const to = name.startsWith('.') ? posix.join(posix.dirname(source.path), name) : name;
    found.push({ from: source.path, to, line: lineOf(file, specifier) });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0]);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Every import that breaks a rule, in words. */
function violations(sources: readonly SourceFile[]): string[] {
  const paths = new Set(sources.map(({ path }) => path));
  const problems: string[] = [];
  for (const { from, to, line } of sources.flatMap(importsOf)) {
    const room = roomOf(from);
    const at = `src/${from}:${line}`;
    const may = allowed[room];
    if (may === undefined) problems.push(`${at}: room ${room} has no place in the order of rooms`);
    else if (to.startsWith('node:')) {
      if (!from.startsWith(nodeRoom))
        problems.push(`${at}: imports ${to}; only src/${nodeRoom} may use Node's modules`);
    } else if (paths.has(to)) {
      if (roomOf(to) !== room && !may.includes(roomOf(to)))
        problems.push(`${at}: ${room} may not import ${roomOf(to)} (${to})`);
    } else if (to.startsWith('.') || to.includes('/') || to.endsWith('.ts'))
      problems.push(`${at}: ${to} does not exist under src`);
    else if (!packages[room]?.includes(to))
      problems.push(`${at}: imports the package ${to}; the core has no runtime dependency`);
  }
  return problems;
}

/** A cycle of files as a list that ends where it began, or undefined. Type-only imports count: they tie rooms together too. */
function findCycle(sources: readonly SourceFile[]): string[] | undefined {
  const paths = new Set(sources.map(({ path }) => path));
  const edges = new Map(
    sources.map((s) => [
      s.path,
      importsOf(s)
        .map(({ to }) => to)
        .filter((to) => paths.has(to)),
    ]),
  );
  const done = new Set<string>();
  const stack: string[] = [];
  const visit = (path: string): string[] | undefined => {
    const seen = stack.indexOf(path);
    if (seen >= 0) return [...stack.slice(seen), path];
    if (done.has(path)) return undefined;
    stack.push(path);
    for (const next of edges.get(path) ?? []) {
      const cycle = visit(next);
      if (cycle !== undefined) return cycle;
    }
    stack.pop();
    done.add(path);
    return undefined;
  };
  for (const path of paths) {
    const cycle = visit(path);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** Syntax that a library for Node, browsers and strict Content-Security-Policies cannot have anywhere. */
function forbiddenSyntax(source: SourceFile): string[] {
  const file = parse(source);
  const problems: string[] = [];
  const report = (node: ts.Node, what: string): void =>
    void problems.push(`src/${source.path}:${lineOf(file, node)}: ${what}`);
  const globals = new Set(['globalThis', 'window', 'self', 'global']);
  const isAssignment = (node: ts.BinaryExpression): boolean =>
    node.operatorToken.kind >= ts.SyntaxKind.FirstAssignment && node.operatorToken.kind <= ts.SyntaxKind.LastAssignment;
  const visit = (node: ts.Node): void => {
    if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
      report(node, 'import.meta has no CommonJS form');
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      if (node.expression.text === 'require') report(node, 'require does not exist in ES modules');
      if (node.expression.text === 'eval') report(node, 'eval is forbidden by Content-Security-Policies');
    }
    if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'Function') {
      report(node, 'new Function is forbidden by Content-Security-Policies');
    }
    if (ts.isBinaryExpression(node) && isAssignment(node)) {
      const target = node.left;
      if (ts.isPropertyAccessExpression(target) || ts.isElementAccessExpression(target)) {
        const object = target.expression;
        if (ts.isIdentifier(object) && globals.has(object.text))
          report(node, `assigns to a property of ${object.text}`);
      }
    }
    if (ts.isModuleDeclaration(node) && node.name.getText(file) === 'global')
      report(node, 'declares into the global scope');
    ts.forEachChild(node, visit);
  };
  visit(file);
  return problems;
}

/** Statements that do something when the module is loaded, other than define names. */
function loadTimeEffects(source: SourceFile): string[] {
  const file = parse(source);
  return file.statements
    .filter(
      (node) =>
        !(
          ts.isImportDeclaration(node) ||
          ts.isExportDeclaration(node) ||
          ts.isVariableStatement(node) ||
          ts.isFunctionDeclaration(node) ||
          ts.isClassDeclaration(node) ||
          ts.isInterfaceDeclaration(node) ||
          ts.isTypeAliasDeclaration(node) ||
          ts.isModuleDeclaration(node)
        ),
    )
    .map((node) => `src/${source.path}:${lineOf(file, node)}: ${node.getText(file).split('\n')[0]}`);
}

/**
 * The files that act when they are loaded: they give the methods of Tensor their bodies, and let autograd listen to
 * operations, which keeps `tensor` from importing `ops` and `ops` from importing `autograd`; and they put WebAssembly
 * behind the families of kernels, which keeps it out of programs that have TypeScript kernels alone.
 */
const mayRunAtLoad = ['autograd/index.ts', 'core/index.ts', 'kernels/index.ts'];

const sources: SourceFile[] = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => {
    const full = join(entry.parentPath, entry.name);
    return { path: relative(join(root, 'src'), full).split(sep).join('/'), text: readFileSync(full, 'utf8') };
  });

describe('the rooms of src', () => {
  it('import in one direction only, and nothing from outside', () => {
    expect(sources.length).toBeGreaterThan(1);
    expect(violations(sources)).toEqual([]);
  });

  it('hold no cycle of files', () => {
    expect(findCycle(sources)?.join(' → ')).toBeUndefined();
  });

  it('use nothing that a browser, CommonJS or a strict Content-Security-Policy lacks', () => {
    expect(sources.flatMap(forbiddenSyntax)).toEqual([]);
  });

  it('do nothing at load except define names', () => {
    expect(sources.filter(({ path }) => !mayRunAtLoad.includes(path)).flatMap(loadTimeEffects)).toEqual([]);
  });

  it('need no runtime dependency', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(Object.keys(manifest.dependencies ?? {})).toEqual([]);
    expect(Object.keys(manifest.optionalDependencies ?? {})).toEqual([]);
    const optional = Object.entries(manifest.peerDependenciesMeta as Record<string, { optional?: boolean }>);
    expect(Object.keys(manifest.peerDependencies)).toEqual(
      optional.filter(([, m]) => m.optional).map(([name]) => name),
    );
  });
});

describe('the checks above', () => {
  const file = (path: string, text: string): SourceFile => ({ path, text });

  it.each([
    ['an upward edge', file('tensor/a.ts', "import { b } from '../ops/b.ts';"), 'tensor may not import ops'],
    ['an upward re-export', file('tensor/a.ts', "export * from '../ops/b.ts';"), 'tensor may not import ops'],
    ['an upward type', file('tensor/a.ts', "type B = import('../ops/b.ts').B;"), 'tensor may not import ops'],
    ['a sibling', file('autograd/a.ts', "import type { L } from '../layers/l.ts';"), 'autograd may not import layers'],
    [
      'a tensor in kernels',
      file('kernels/a.ts', "import { t } from '../tensor/t.ts';"),
      'kernels may not import tensor',
    ],
    ["Node's modules", file('io/a.ts', "import { readFile } from 'node:fs/promises';"), "may use Node's modules"],
    ['a package', file('tensor/a.ts', "const x = await import('lodash');"), 'no runtime dependency'],
    ['fflate outside of io', file('data/a.ts', "import { gunzipSync } from 'fflate';"), 'no runtime dependency'],
    ['an unknown room', file('attic/a.ts', "import { t } from '../tensor/t.ts';"), 'has no place'],
    ['a missing file', file('ops/a.ts', "import { t } from './nowhere.ts';"), 'does not exist'],
  ])('reject %s', (_, bad, message) => {
    const others = ['ops/b.ts', 'layers/l.ts', 'tensor/t.ts'].map((path) => file(path, 'export {};'));
    expect(violations([...others, bad]).join('\n')).toContain(message);
  });

  it('accept a downward edge, the packages of testing and io, and Node in its room', () => {
    const good = [
      file('tensor/t.ts', 'export const t = 1;'),
      file('ops/a.ts', "import { t } from '../tensor/t.ts';"),
      file('testing/a.ts', "import fc from 'fast-check';"),
      file('io/a.ts', "import { zipSync } from 'fflate';"),
      file('io/node/a.ts', "import { readFile } from 'node:fs/promises';"),
    ];
    expect(violations(good)).toEqual([]);
    expect(findCycle(good)).toBeUndefined();
  });

  it('find a cycle', () => {
    const cycle = ['a', 'b', 'c'].map((name, i, all) => file(`ops/${name}.ts`, `import './${all[(i + 1) % 3]}.ts';`));
    expect(findCycle(cycle)).toEqual(['ops/a.ts', 'ops/b.ts', 'ops/c.ts', 'ops/a.ts']);
  });

  it.each([
    'const here = import.meta.url;',
    "const fs = require('fs');",
    "eval('1');",
    "new Function('return 1');",
    'globalThis.typedgrad = 1;',
    "window['tensor'] = 1;",
    'declare global { interface Array<T> { x: T } }',
  ])('reject %s', (text) => {
    expect(forbiddenSyntax(file('ops/a.ts', text))).toHaveLength(1);
  });

  it('find what runs at load', () => {
    const text = 'const a = 1; console.log(a); for (const x of []) a(x); export { a };';
    expect(loadTimeEffects(file('ops/a.ts', text))).toHaveLength(2);
  });
});
