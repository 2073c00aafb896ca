/**
 * The bugs that can be planted in one place of a source: slips of the kind that people make in numerical code.
 *
 * Each rule looks at one node of the syntax tree and gives the texts that could stand in its place. Types, messages of
 * errors and imports are left alone: what is measured is whether the suite holds the mathematics.
 */

import ts from 'typescript';

/** What kind of slip it is. */
export type Operator =
  | 'arithmetic'
  | 'comparison'
  | 'logic'
  | 'condition'
  | 'constant'
  | 'statement removed'
  | 'arguments swapped'
  | 'function exchanged'
  | 'operation dropped';

/** A text that could stand in place of a node. */
export interface Slip {
  readonly operator: Operator;
  readonly text: string;
}

const ARITHMETIC: Readonly<Record<string, string>> = {
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '*',
  '**': '*',
  '+=': '-=',
  '-=': '+=',
  '*=': '/=',
  '/=': '*=',
  '++': '--',
  '--': '++',
};

/** The neighbour at the boundary first, then the opposite. */
const COMPARISON: Readonly<Record<string, readonly string[]>> = {
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
};

const EXCHANGED: Readonly<Record<string, string>> = {
  add: 'sub',
  sub: 'add',
  mul: 'div',
  div: 'mul',
  max: 'min',
  min: 'max',
  floor: 'ceil',
  ceil: 'floor',
  some: 'every',
  every: 'some',
  maximum: 'minimum',
  minimum: 'maximum',
};

/** Functions and methods that may be forgotten: f(a, b) becomes a, and a.f(b) becomes a. */
const DROPPED = new Set(
  (
    'add sub mul div neg exp log log1p expm1 sqrt rsqrt square pow abs sign maximum minimum sum mean cumsum floor ceil ' +
    'round reshape broadcastTo unsqueeze squeeze permute transpose flatten flip detach clone where max min toReversed slice'
  ).split(' '),
);

/** Of these, the order of two arguments does not matter. */
const COMMUTATIVE = new Set(['max', 'min', 'add', 'mul', 'maximum', 'minimum', 'sameShape', 'eq', 'ne']);

/** The slips possible at a node, apart from those inside of it. */
export function slipsAt(node: ts.Node, source: ts.SourceFile): Slip[] {
  const text = (n: ts.Node): string => n.getText(source);
  if (ts.isBinaryExpression(node)) return binarySlips(node, text);
  if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) return [...unarySlips(node, text)];
  if (ts.isNumericLiteral(node)) return constants(Number(node.text));
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [{ operator: 'constant', text: 'false' }];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [{ operator: 'constant', text: 'true' }];
  if (ts.isCallExpression(node)) return callSlips(node, text);
  return [];
}

/** The slips of an expression in its role of a condition. */
export function conditionSlips(node: ts.Expression): Slip[] {
  const { parent } = node;
  const isTest =
    (ts.isIfStatement(parent) && parent.expression === node) ||
    (ts.isConditionalExpression(parent) && parent.condition === node);
  if (isTest) return ['true', 'false'].map((text) => ({ operator: 'condition', text }));
  const isLoopTest =
    (ts.isForStatement(parent) && parent.condition === node) ||
    (ts.isWhileStatement(parent) && parent.expression === node);
  return isLoopTest ? [{ operator: 'condition', text: 'false' }] : [];
}

/** Whether a statement can be forgotten without a name or a result going missing. */
export function isRemovable(node: ts.Node): node is ts.Statement {
  if (ts.isThrowStatement(node) || ts.isContinueStatement(node) || ts.isBreakStatement(node)) return true;
  if (ts.isReturnStatement(node)) return node.expression === undefined;
  return ts.isExpressionStatement(node) && !ts.isStringLiteral(node.expression);
}

type Text = (n: ts.Node) => string;

function binarySlips({ left, right, operatorToken }: ts.BinaryExpression, text: Text): Slip[] {
  const operator = text(operatorToken);
  const [a, b] = [text(left), text(right)];
  if (operator === '+' && (isText(left) || isText(right))) return [];
  if (operator === '&&' || operator === '||') {
    return [{ operator: 'logic', text: `(${a}) ${operator === '&&' ? '||' : '&&'} (${b})` }];
  }
  if (operator === '??') return [a, b].map((one) => ({ operator: 'logic', text: one }));
  const compared = COMPARISON[operator];
  if (compared) return compared.map((other) => ({ operator: 'comparison', text: `${a} ${other} ${b}` }));
  const other = ARITHMETIC[operator];
  return other ? [{ operator: 'arithmetic', text: `${a} ${other} ${b}` }] : [];
}

function isText(node: ts.Expression): boolean {
  return (
    ts.isStringLiteralLike(node) || ts.isTemplateExpression(node) || (ts.isBinaryExpression(node) && isText(node.left))
  );
}

function* unarySlips(node: ts.PrefixUnaryExpression | ts.PostfixUnaryExpression, text: Text): Generator<Slip> {
  const operand = text(node.operand);
  const { operator } = node;
  if (operator === ts.SyntaxKind.MinusToken) yield { operator: 'arithmetic', text: operand };
  if (operator === ts.SyntaxKind.ExclamationToken) yield { operator: 'logic', text: operand };
  const sign =
    operator === ts.SyntaxKind.PlusPlusToken ? '--' : operator === ts.SyntaxKind.MinusMinusToken ? '++' : null;
  if (sign) yield { operator: 'arithmetic', text: ts.isPrefixUnaryExpression(node) ? sign + operand : operand + sign };
}

/** One more, and for 1 one less too; of fractions, a slip in the fourth digit. */
function constants(value: number): Slip[] {
  const others = !Number.isInteger(value) ? [value * 1.001] : value === 1 ? [2, 0] : [value + 1];
  return others.filter((other) => other !== value).map((other) => ({ operator: 'constant', text: String(other) }));
}

function callSlips(node: ts.CallExpression, text: Text): Slip[] {
  const { expression: callee, arguments: args } = node;
  const method = ts.isPropertyAccessExpression(callee) ? callee : null;
  const name = method ? method.name.text : ts.isIdentifier(callee) ? callee.text : '';
  const slips: Slip[] = [];
  const rest = args.map(text);
  if (!COMMUTATIVE.has(name) && !args.some((arg) => ts.isSpreadElement(arg) || ts.isFunctionLike(arg))) {
    for (let i = 1; i < rest.length; i++) {
      if (rest[i] === rest[i - 1]) continue;
      const swapped = rest.toSpliced(i - 1, 2, rest[i]!, rest[i - 1]!);
      slips.push({ operator: 'arguments swapped', text: `${text(callee)}(${swapped.join(', ')})` });
    }
  }
  if (ts.isExpressionStatement(node.parent)) return slips;
  const isMath = method !== null && text(method.expression) === 'Math';
  const other = method && EXCHANGED[name];
  if (other)
    slips.push({ operator: 'function exchanged', text: `${text(method.expression)}.${other}(${rest.join(', ')})` });
  const kept = method && !isMath ? text(method.expression) : rest[0];
  if (DROPPED.has(name) && kept && !kept.startsWith('...')) slips.push({ operator: 'operation dropped', text: kept });
  return slips;
}
