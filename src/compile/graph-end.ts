/**
 * The results of a compiled function carry no graph of what it did, since nothing of that is kept. Where eager code's
 * would, they say so: they require a gradient as eager results do, and a backward pass that comes to them is an error
 * instead of a gradient that lacks a part.
 */

import { Node } from '../autograd/node.ts';
import { GradError } from '../errors.ts';
import type { RecordedOp } from '../ops/op.ts';
import { fromStorage } from '../tensor/creation.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What eager code's result would carry: nothing, a graph to go back through, or one that a backward pass has used up. */
export type GraphEnd = 'none' | 'open' | 'used';

/** What the result of a traced function carries. */
export function graphEndOf(x: Tensor): GraphEnd {
  if (x.node === null) return 'none';
  return (x.node as Node).isReleased ? 'used' : 'open';
}

const compiledOp: RecordedOp = {
  name: 'compile',
  vjp() {
    throw new GradError(
      'backward: no gradient flows into a compiled function from outside; call backward within the function, compile one ' +
        'that does all of it, or detach() its result where the gradient shall end',
    );
  },
};

/** What a gradient is on its way to when it comes to a compiled function. */
let inside: Tensor | null = null;

function insideOf(): Tensor {
  if (inside === null) {
    inside = fromStorage(new Float32Array(1), []);
    inside.requiresGrad = true;
  }
  return inside;
}

/** Lets a result of a program end the graph as that of eager code would go on. */
export function endGraph(result: Tensor, end: GraphEnd): void {
  if (end === 'none') return;
  const node = new Node(compiledOp, [insideOf()], undefined, result);
  if (end === 'used') node.release();
  result.node = node;
}
