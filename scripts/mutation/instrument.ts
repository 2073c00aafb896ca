/**
 * Puts all planted bugs of a source into it at once, each behind a switch, so that one load of the library serves all
 * of them: `a + b` becomes `(__bug(7) ? (a - b) : (a + b))`. A switch also notes that it was passed, and each loop
 * counts its turns, so that a bug that makes it endless ends as an error.
 */

import ts from 'typescript';
import { conditionSlips, isRemovable, type Operator, slipsAt } from './operators.ts';

/** A bug that can be switched on. */
export interface Mutant {
  readonly id: number;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly operator: Operator;
  readonly before: string;
  readonly after: string;
  /** Whether it lies outside of all functions, so that it takes effect only while the module is loaded. */
  readonly atLoad: boolean;
}

/** The instrumented source, and its mutants numbered from `first` on. */
export function instrument(file: string, code: string, first: number): { code: string; mutants: Mutant[] } {
  const source = ts.createSourceFile(file, code, ts.ScriptTarget.ES2022, true);
  const mutants: Mutant[] = [];

  const plant = (node: ts.Node, operator: Operator, after: string): number => {
    const id = first + mutants.length;
    const { line, character } = source.getLineAndCharacterOfPosition(node.getStart(source));
    const atLoad = ts.findAncestor(node, ts.isFunctionLike) === undefined;
    mutants.push({
      id,
      file,
      line: line + 1,
      column: character + 1,
      operator,
      before: node.getText(source),
      after,
      atLoad,
    });
    return id;
  };

  /** The text of a node with what is inside of it instrumented. */
  const inside = (node: ts.Node): string => {
    let text = '';
    let at = node.getStart(source);
    ts.forEachChild(node, (child) => {
      const start = child.getStart(source);
      text += code.slice(at, start) + instrumented(child);
      at = child.getEnd();
    });
    return text + code.slice(at, node.getEnd());
  };

  const instrumented = (node: ts.Node): string => {
    if (isLeftAlone(node)) return node.getText(source);
    if (ts.isBlock(node) && ts.isIterationStatement(node.parent, false)) return `{ __turn(); ${inside(node).slice(1)}`;
    if (ts.isStatement(node)) return statement(node);
    if (!ts.isExpression(node) || !canWrap(node)) return inside(node);
    const slips = [...slipsAt(node, source), ...conditionSlips(node)];
    const switched = slips.map(({ operator, text }) => `__bug(${plant(node, operator, text)}) ? (${text}) : `);
    return switched.length ? `(${switched.join('')}(${inside(node)}))` : inside(node);
  };

  const statement = (node: ts.Statement): string => {
    const isBody = ts.isIterationStatement(node.parent, false) && node.parent.statement === node;
    const removal = isRemovable(node) ? `if (!__bug(${plant(node, 'statement removed', '')})) ` : '';
    const text = ts.isThrowStatement(node) ? node.getText(source) : inside(node);
    return isBody ? `{ __turn(); ${removal}${text} }` : removal ? `{ ${removal}${text} }` : text;
  };

  const body = ts.isSourceFile(source) ? inside(source) : '';
  return { code: `const { bug: __bug, turn: __turn } = globalThis.__mutation; ${body}`, mutants };
}

/** Types, imports, names and texts. */
function isLeftAlone(node: ts.Node): boolean {
  return (
    ts.isTypeNode(node) ||
    ts.isImportDeclaration(node) ||
    ts.isExportDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isTemplateExpression(node)
  );
}

/** Whether an expression may stand in parentheses with a switch: not the target of a write, a callee or part of a chain. */
function canWrap(node: ts.Expression): boolean {
  const { parent } = node;
  if ((ts.isPropertyAssignment(parent) || ts.isPropertyDeclaration(parent)) && parent.name === (node as ts.Node))
    return false;
  if (ts.isCallExpression(parent) && parent.expression === node) return false;
  const isLink =
    (ts.isPropertyAccessExpression(parent) || ts.isElementAccessExpression(parent)) && parent.expression === node;
  return !(isLink && (parent.flags & ts.NodeFlags.OptionalChain) !== 0);
}
