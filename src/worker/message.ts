/** What goes from thread to thread: values in which tensors are written as arrays that change hands without a copy. */
import * as errors from '../errors.ts';
import { fromStorage } from '../tensor/creation.ts';
import { Tensor } from '../tensor/tensor.ts';

/** How an error is sent. */
export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
}

/** What is sent; `typedgrad` tells it from a program's own messages. */
export type Message = { readonly typedgrad: string; readonly id: number } & (
  | { readonly kind: 'hello' | 'ready' | 'cancel' }
  | { readonly kind: 'request'; readonly task: string; readonly value: unknown }
  | { readonly kind: 'progress' | 'result'; readonly value: unknown }
  | { readonly kind: 'error'; readonly error: SentError }
);

/** The form of messages; both sides must be of one version. */
export const protocol = 'worker 1';

/** A message, if that is what an event brought. */
export function readMessage(data: unknown): Message | null {
  return (data as Partial<Message> | null)?.typedgrad === protocol ? (data as Message) : null;
}

interface SentTensor {
  readonly typedgradTensor: Tensor['data'];
  readonly shape: readonly number[];
  readonly requiresGrad: boolean;
}

/** Whether a value is an object without a class of its own, into which tensors are looked for. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function map(value: unknown, change: (value: unknown) => unknown): unknown {
  const changed = change(value);
  if (changed !== value) return changed;
  if (Array.isArray(value)) return value.map((item) => map(item, change));
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, map(item, change)]));
}

/** A value as it is sent, and the buffers that are handed over with it: copies, so the tensors stay whole. */
export function pack(value: unknown): { readonly packed: unknown; readonly transfer: ArrayBuffer[] } {
  const transfer: ArrayBuffer[] = [];
  const packed = map(value, (item) => {
    if (!(item instanceof Tensor)) return item;
    const dense = item.detach().contiguous();
    const size = dense.shape.reduce((a, b) => a * b, 1);
    const typedgradTensor = dense.data.slice(dense.offset, dense.offset + size);
    transfer.push(typedgradTensor.buffer as ArrayBuffer);
    return { typedgradTensor, shape: [...item.shape], requiresGrad: item.requiresGrad } satisfies SentTensor;
  });
  return { packed, transfer };
}

/** What was packed. */
export function unpack(value: unknown): unknown {
  return map(value, (item) => {
    const { typedgradTensor: data, shape, requiresGrad } = (isPlain(item) ? item : {}) as Partial<SentTensor>;
    if (data === undefined) return item;
    const tensor = fromStorage(data, shape!);
    tensor.requiresGrad = requiresGrad!;
    return tensor;
  });
}

export function packError(error: unknown): SentError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined };
  return { name: error.name, message: error.message, stack: error.stack };
}

/** An error of the class that it had, as far as it is one of ours. */
export function unpackError({ name, message, stack }: SentError): Error {
  const Class = (errors as Record<string, new (message: string) => Error>)[name] ?? Error;
  const error = new Class(message);
  if (error.name !== name) error.name = name;
  if (stack !== undefined) error.stack = stack;
  return error;
}
