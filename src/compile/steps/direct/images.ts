/** Images on the way into and out of their padded forms. */

import {
  type Expr,
  type FunctionBuilder,
  i32,
  type Local,
  op,
  plus,
} from '../../../kernels/wasm/assembler/assembler.ts';
import { placeAt, type Task } from '../../../kernels/wasm/conductor.ts';
import { pieceSizes } from '../../../kernels/wasm/conv/parts.ts';
import type { Piece } from '../../../kernels/wasm/conv/rows.ts';
import { layoutModule } from '../../../kernels/wasm/memory/layout.ts';
import { sizeOf } from '../../../tensor/shape.ts';
import type { GraphNode, View } from '../../graph.ts';
import { emitUnpool } from '../pool.ts';
import type { StepContext } from '../step.ts';

type Address = Expr<'i32'>;

/** Emits the packing of `count` images, `channels` of each, from image `first` and channel `channel` on. */
export type Fill = (f: FunctionBuilder, first: Address, channel: Address, count: number, to: Address) => void;

/** Where packed images go: floats from image to image, plane to plane, row to row, and where the first begins. */
export interface Target {
  readonly image: number;
  readonly channel: number;
  readonly rows: readonly [number, number];
  readonly pieces: readonly Piece[];
}

/** Emits copies between dense images and padded ones. */
export class ImageCopies {
  readonly #context: StepContext;

  constructor(context: StepContext) {
    this.#context = context;
  }

  /** Emits copies of `count` images' pieces; images lie so many floats apart. */
  copy(
    f: FunctionBuilder,
    pieces: readonly Piece[],
    count: number,
    channels: number,
    from: { readonly at: Address; readonly image: number; readonly channel: number },
    to: { readonly at: Address; readonly image: number; readonly channel: number },
  ): void {
    const copy = this.#context.imported(...layoutModule('copy'), 'copy');
    const [source, target] = [f.let(from.at, 'source'), f.let(to.at, 'target')];
    f.repeat(count, () => {
      for (const piece of pieces) {
        const sizes = pieceSizes(piece, channels, from.channel, to.channel);
        f.call(copy, plus(source, 4 * piece.from), plus(target, 4 * piece.to), ...sizes.map(i32));
      }
      f.advance(source, 4 * from.image);
      f.advance(target, 4 * to.image);
    });
  }

  /** Packs a view, `channels` channels of each image. */
  packing(view: View, channels: number, { image, channel, pieces }: Target): Fill {
    const size = sizeOf(view.shape.slice(2));
    const imageSize = sizeOf(view.shape.slice(1));
    const base = this.#context.address(view);
    return (f, first, from, count, to) => {
      const at = placeAt(base, [first, 4 * imageSize], [from, 4 * size]);
      this.copy(f, pieces, count, channels, { at, image: imageSize, channel: size }, { at: to, image, channel });
    };
  }

  /** Packs a gradient that comes out of a max pooling, spreading it. */
  #spreading(spread: GraphNode, channels: number, { image, channel, rows, pieces }: Target): Fill {
    const layout = { planes: channels, imageStride: image, planeStride: channel, rowStrides: rows };
    return (f, first, from, count, to) => {
      const at = plus(to, 4 * pieces[0]!.to);
      emitUnpool(f, spread, { ...layout, images: count }, [first, from], at, this.#context);
    };
  }

  /** Packs a view, or the gradient that comes out of a max pooling. */
  filling(view: View, spread: GraphNode | null, channels: number, target: Target): Fill {
    return spread === null ? this.packing(view, channels, target) : this.#spreading(spread, channels, target);
  }
}

/** The task over blocks of `together` images, the last of which may be smaller, each in `parts` parts. */
export function imageBlocks(
  images: number,
  together: number,
  parts: number,
  emit: (f: FunctionBuilder, first: Local<'i32'>, count: number, part: Address, thread: Address) => void,
): Task {
  const blocks = Math.ceil(images / together);
  const rest = images % together;
  return {
    units: blocks * parts,
    emit(f, unit, thread) {
      const block = parts === 1 ? unit : f.let(op('i32.div_u', unit, i32(parts)), 'block');
      const part = parts === 1 ? i32(0) : f.let(op('i32.rem_u', unit, i32(parts)), 'part');
      const first = f.let(op('i32.mul', block, i32(together)), 'first');
      if (rest === 0) emit(f, first, together, part, thread);
      else {
        f.if(
          op('i32.eq', block, i32(blocks - 1)),
          () => emit(f, first, rest, part, thread),
          () => emit(f, first, together, part, thread),
        );
      }
    },
  };
}

/** The address of a kernel's table of numbers, 0 for an empty one. */
export function tableAddress(values: readonly number[], context: StepContext): number {
  if (values.length === 0) return 0;
  const region = context.scratch(values.length);
  const view = region.view('float32', 0, values.length);
  new Int32Array(view.buffer as ArrayBuffer, view.byteOffset, values.length).set(values);
  return region.address;
}
