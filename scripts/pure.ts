/**
 * Marks every call that initialises a module's constants as free of side effects, so that bundlers can leave out what a
 * program does not use. `test/architecture.test.ts` holds the sources to what makes this true: at load, modules only
 * define names.
 */
import { readFileSync } from 'node:fs';
import type { Plugin } from 'esbuild';
import ts from 'typescript';

const mark = '/* @__PURE__ */ ';

/** The text of a module with its load-time calls marked. */
export function markPure(path: string, text: string): string {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
  const positions: number[] = [];
  const visit = (node: ts.Node): void => {
    // What stands in a function runs when that is called, not at load.
    if (ts.isFunctionLike(node) || (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node))) return;
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) positions.push(node.getStart(file));
    ts.forEachChild(node, visit);
  };
  for (const statement of file.statements) {
    if (ts.isVariableStatement(statement) || ts.isClassDeclaration(statement)) visit(statement);
  }
  // From the end, so that earlier positions stay right; a chain of calls starts at one position and needs one mark.
  return [...new Set(positions)]
    .sort((a, b) => b - a)
    .reduce((marked, at) => marked.slice(0, at) + mark + marked.slice(at), text);
}

/** The same for all files of src that esbuild loads. */
export const pure: Plugin = {
  name: 'pure',
  setup(build) {
    build.onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => ({
      contents: markPure(path, readFileSync(path, 'utf8')),
      loader: 'ts',
    }));
  },
};
