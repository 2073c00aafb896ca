/**
 * Who still needs the memory of gradients on their way. A gradient that one operation's vjp made and that the operations
 * before it have used up is seen by nobody, if all of them are the library's own; then its array serves again.
 */

import { currentInterpreter, eager } from '../ops/apply.ts';
import { addOp } from '../ops/elementwise.ts';
import type { RecordedOp } from '../ops/op.ts';
import { isDense } from '../tensor/shape.ts';
import { giveSpare, renewSpares } from '../tensor/spare.ts';
import { type Storage, storagesMade } from '../tensor/storage.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { isJoint } from './joint.ts';

/** Counts the gradients on each storage, during one backward pass that is not recorded. */
export class Holders {
  readonly #counts = new Map<Storage, number>();
  /** What functions of users have seen and may keep. */
  readonly #seen = new Set<Storage>();
  /** Storages made before are not ours. */
  readonly #first: number = storagesMade();
  readonly #isActive: boolean;

  constructor(isRecorded: boolean) {
    this.#isActive = !isRecorded && currentInterpreter() === eager;
    if (this.#isActive) renewSpares();
  }

  /** Counts one more gradient on its storage. */
  hold(g: Tensor): void {
    if (this.#isActive) this.#counts.set(g.storage, (this.#counts.get(g.storage) ?? 0) + 1);
  }

  /** Notes what `op` was given, or gave: if its vjp is not the library's own, somebody may keep it. */
  show(op: RecordedOp, g: Tensor): void {
    if (this.#isActive && isJoint(op.vjp)) this.#seen.add(g.storage);
  }

  /** One gradient less; the storage of the last one is free. */
  release(g: Tensor): void {
    if (!this.#isActive) return;
    const { storage } = g;
    const left = this.#counts.get(storage)! - 1;
    if (left > 0) this.#counts.set(storage, left);
    else {
      this.#counts.delete(storage);
      if (this.#isOwn(storage)) giveSpare(storage.data);
    }
  }

  /** `total` + `part` in the place of `total`, or null if somebody else may see that. */
  addInPlace(total: Tensor, part: Tensor): Tensor | null {
    const { storage } = total;
    if (!this.#isActive || this.#counts.get(storage) !== 1 || storage === part.storage || !this.#isOwn(storage))
      return null;
    if (!isDense(total) || total.offset !== 0 || total.size !== storage.length || total.dtype !== part.dtype)
      return null;
    addOp.compute([total, part], undefined, total, storage.data);
    return total;
  }

  #isOwn(storage: Storage): boolean {
    return storage.serial >= this.#first && !storage.isExternal && !this.#seen.has(storage);
  }
}
