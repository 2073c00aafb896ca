/**
 * Work in a worker, so that a page (or a server) stays responsive while it trains: a worker offers tasks by `serve`,
 * others ask for them by `connect`. Tensors go along, progress comes back as it happens, and a signal cancels.
 *
 * docs/threads.md shows both sides.
 *
 * @packageDocumentation
 */

import '../autograd/index.ts';
import { OptionError, ThreadError } from '../errors.ts';
import { type Message, pack, packError, protocol, readMessage, unpack, unpackError } from './message.ts';
import { type NodeWorker, type PageWorker, type Port, parentPort, portOf } from './port.ts';

export type { NodeWorker, PageWorker } from './port.ts';

/** What a task hears and says while it works. */
export interface Job<P = unknown> {
  /** Aborted when whoever asked cancels; `fit` takes it as it is. The task decides what it gives then. */
  readonly signal: AbortSignal;
  /** Sends a value to `onProgress` of whoever asked. */
  report(progress: P): void;
}

/** Something that a worker does. Values may hold tensors, in arrays and plain objects. */
// biome-ignore lint/suspicious/noExplicitAny: each task has types of its own
export type Task = (input: any, job: Job<any>) => unknown;

/** The tasks of a worker, by name. */
export type Tasks = Readonly<Record<string, Task>>;

/** What a task takes. */
export type InputOf<T extends Task> = Parameters<T>[0];
/** What a task gives in the end. */
export type OutputOf<T extends Task> = Awaited<ReturnType<T>>;
/** What a task reports. */
export type ProgressOf<T extends Task> = Parameters<T> extends [unknown, Job<infer P>] ? P : unknown;

/** How a task is asked for. */
export interface AskOptions<T extends Task> {
  /** Hears what the task reports, in order. */
  readonly onProgress?: (progress: ProgressOf<T>) => void;
  /** Aborts the signal of the task. */
  readonly signal?: AbortSignal;
}

/** Asks a worker for a task. */
export type Ask<T extends Tasks> = <N extends keyof T & string>(
  task: N,
  input: InputOf<T[N]>,
  options?: AskOptions<T[N]>,
) => Promise<OutputOf<T[N]>>;

type Sent = Message extends infer M ? (M extends Message ? Omit<M, 'typedgrad'> : never) : never;

function post(port: Port, message: Sent, transfer: ArrayBuffer[] = []): void {
  port.send({ ...message, typedgrad: protocol }, transfer);
}

/** Sends a value with its tensors. */
function postValue(port: Port, id: number, kind: 'progress' | 'result', value: unknown): void {
  const { packed, transfer } = pack(value);
  post(port, { kind, id, value: packed }, transfer);
}

/**
 * Offers tasks to whoever made this worker; to be called once, when the worker's module is loaded. Several tasks may be
 * at work at a time. Works in a page's module and classic workers and in those of `node:worker_threads`.
 *
 * @throws OptionError outside of a worker.
 * @example
 * ```ts no-run
 * import { Adam, Dense, fit, mseLoss, type StateDict, type Tensor } from 'typedgrad';
 * import { type Job, serve } from 'typedgrad/worker';
 *
 * const tasks = {
 *   async train({ x, y }: { x: Tensor; y: Tensor }, { report, signal }: Job<number>): Promise<StateDict> {
 *     const model = new Dense(1, 1);
 *     const callbacks = { onEpochEnd: ({ loss }: { loss: number }) => report(loss) };
 *     const optimizer = new Adam(model.parameters());
 *     await fit(model, [[x, y]], { loss: mseLoss, optimizer, epochs: 1000, callbacks, signal });
 *     return model.stateDict();
 *   },
 * };
 * export type Tasks = typeof tasks;
 * serve(tasks);
 * ```
 */
export function serve(tasks: Tasks): void {
  const port = parentPort();
  if (port === null) throw new OptionError('serve: this is no worker; call it in the module that a worker runs');
  const running = new Map<number, AbortController>();
  const start = async (id: number, name: string, input: unknown): Promise<void> => {
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const task = Object.hasOwn(tasks, name) ? tasks[name] : undefined;
      if (task === undefined) {
        throw new OptionError(`connect: the worker has no task '${name}', only ${Object.keys(tasks).join(', ')}`);
      }
      const report = (progress: unknown): void => postValue(port, id, 'progress', progress);
      postValue(port, id, 'result', await task(unpack(input), { signal: controller.signal, report }));
    } catch (error) {
      post(port, { kind: 'error', id, error: packError(error) });
    } finally {
      running.delete(id);
    }
  };
  port.onMessage((data) => {
    const message = readMessage(data);
    if (message?.kind === 'hello') post(port, { kind: 'ready', id: 0 });
    if (message?.kind === 'request') void start(message.id, message.task, message.value);
    if (message?.kind === 'cancel') running.get(message.id)?.abort();
  });
  post(port, { kind: 'ready', id: 0 });
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
  progress(value: unknown): void;
}

/**
 * Speaks with a worker that offers tasks by {@link serve}: gives a function that asks for one. What it is given is copied;
 * what the task gives is handed over without a copy. The worker stays the caller's, to be ended by `terminate()`.
 *
 * An error of the task becomes one of the same class here. When the worker ends, whatever was asked fails with a
 * {@link ThreadError}.
 *
 * @example
 * ```ts no-run
 * import { Dense, type StateDict, type Tensor, tensor } from 'typedgrad';
 * import { connect, type Job } from 'typedgrad/worker';
 *
 * // With `import type { Tasks } from './train.ts'` in place of this.
 * type Tasks = { train(input: { x: Tensor; y: Tensor }, job: Job<number>): Promise<StateDict> };
 *
 * const worker = new Worker(new URL('./train.ts', import.meta.url), { type: 'module' });
 * const ask = connect<Tasks>(worker);
 * const controller = new AbortController();
 * const state = await ask(
 *   'train',
 *   { x: tensor([[0], [1]]), y: tensor([[1], [3]]) },
 *   { onProgress: (loss) => console.log(loss), signal: controller.signal },
 * );
 * new Dense(1, 1).loadStateDict(state);
 * ```
 */
export function connect<T extends Tasks>(worker: PageWorker | NodeWorker): Ask<T> {
  const client = new Client(portOf(worker));
  return (task, input, options = {}) => client.ask(task, input, options) as Promise<never>;
}

class Client {
  readonly #port: Port;
  readonly #waiting = new Map<number, Waiting>();
  /** Requests that wait for the worker's module to be loaded; null once it is. */
  #early: (() => void)[] | null = [];
  #ended: string | null = null;
  #last = 0;

  constructor(port: Port) {
    this.#port = port;
    port.onMessage((data) => this.#hear(readMessage(data)));
    // An error that nobody caught does not end a page's worker, unless it is in loading its module.
    port.onEnd((why, isCertain) => {
      if (isCertain || this.#early !== null) this.#end(why);
    });
    // Whether the worker is ready already, when its own word came before there was anyone to hear it.
    post(port, { kind: 'hello', id: 0 });
  }

  ask(task: string, input: unknown, { onProgress, signal }: AskOptions<Task>): Promise<unknown> {
    const id = ++this.#last;
    const answer = new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, progress: (value) => onProgress?.(value as never) });
    });
    if (this.#ended !== null) this.#end(this.#ended);
    const cancel = (): void => post(this.#port, { kind: 'cancel', id });
    const send = (): void => {
      try {
        const { packed, transfer } = pack(input);
        post(this.#port, { kind: 'request', id, task, value: packed }, transfer);
      } catch (error) {
        this.#take(id)?.reject(error as Error);
      }
      if (signal?.aborted) cancel();
      else signal?.addEventListener('abort', cancel, { once: true });
    };
    if (this.#early === null) send();
    else this.#early.push(send);
    return answer.finally(() => signal?.removeEventListener('abort', cancel));
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #hear(message: Message | null): void {
    if (message === null) return;
    const { id } = message;
    if (message.kind === 'ready') {
      for (const send of this.#early ?? []) send();
      this.#early = null;
    } else if (message.kind === 'progress') this.#waiting.get(id)?.progress(unpack(message.value));
    else if (message.kind === 'result') this.#take(id)?.resolve(unpack(message.value));
    else if (message.kind === 'error') this.#take(id)?.reject(unpackError(message.error));
  }

  #end(why: string): void {
    this.#ended = why;
    const ids = [...this.#waiting.keys()];
    for (const id of ids) this.#take(id)?.reject(new ThreadError(`connect: the worker gives no answer: ${why}`));
  }
}
