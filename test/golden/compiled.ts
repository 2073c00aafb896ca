/** Golden cases through `compile`: value and gradient in one program, called twice. */

import { compile, type DType, grad, type Tensor } from '../../src/index.ts';
import type { Case } from './load.ts';
import { Call, type Finding, inner, measureInto } from './run.ts';

/** The inputs that become arguments; what the call changes in place stays captured. */
function argumentsOf(c: Case, call: Call): { paths: string[]; tensors: Tensor[] } {
  const paths = [...call.inputs.keys()].filter((path) => !(path in (c.after ?? {})));
  return { paths, tensors: paths.map((path) => call.inputs.get(path)!.x.detach()) };
}

/** The findings of one case, compiled; of the second call, so that what the first leaves behind would show. */
export function runCompiled(c: Case, dtype: DType = 'float32'): Finding[] {
  const call = new Call(c, dtype);
  const { paths, tensors } = argumentsOf(c, call);
  const originals = paths.map((path) => call.inputs.get(path)!.x);
  const wanted = Object.keys(c.grads ?? {});
  const argnums = wanted.map((path) => paths.indexOf(path));
  const forward = (xs: readonly Tensor[]): Tensor[] => call.run(new Map(originals.map((x, i) => [x, xs[i]!])));
  const program = compile((...xs: Tensor[]): Tensor[] => {
    if (wanted.length === 0) return forward(xs);
    let outs: Tensor[] = [];
    const scalar = (...ys: Tensor[]): Tensor => {
      outs = forward(ys);
      return inner(outs, c.v!, dtype)!;
    };
    const grads = grad(scalar, { argnums })(...xs);
    return [...outs.map((y) => y.detach()), ...grads];
  });
  const findings: Finding[] = [];
  const measure = measureInto(findings, c, dtype);
  if (!c.after) program(...tensors);
  const results = program(...tensors);
  c.out.forEach((expected, i) => {
    measure('forward', `result ${i}`, results[i]!, expected);
  });
  wanted.forEach((path, i) => {
    measure('gradient', `input ${path}`, results[c.out.length + i]!, c.grads![path]!);
  });
  for (const [name, expected] of Object.entries(c.after ?? {})) {
    measure('forward', `${name} afterwards`, call.inputs.get(name)!.x, expected);
  }
  program.dispose();
  return findings;
}
