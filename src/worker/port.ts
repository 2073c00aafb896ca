/** Messages between a thread and its workers, alike in Node and in a page. */

/** A page's `Worker`, as far as it is used here. */
export interface PageWorker {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'error', listener: (event: { readonly message?: string }) => void): void;
}

/** A `Worker` of `node:worker_threads`, as far as it is used here. */
export interface NodeWorker {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  on(event: 'message', listener: (data: unknown) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'exit', listener: (code: number) => void): unknown;
}

/** One side of a conversation. */
export interface Port {
  send(message: unknown, transfer?: ArrayBuffer[]): void;
  onMessage(listener: (data: unknown) => void): void;
  /** Called with the reason when the other side has ended, or, where that cannot be told, had an error that nobody caught. */
  onEnd(listener: (why: string, isCertain: boolean) => void): void;
}

const isNode = (worker: PageWorker | NodeWorker): worker is NodeWorker => 'on' in worker;

/** The side of whoever made a worker. */
export function portOf(worker: PageWorker | NodeWorker): Port {
  const send = (message: unknown, transfer: ArrayBuffer[] = []): void => worker.postMessage(message, transfer);
  if (isNode(worker)) {
    return {
      send,
      onMessage: (listener) => worker.on('message', listener),
      onEnd(listener) {
        worker.on('error', (error: Error) => listener(error.message, true));
        worker.on('exit', () => listener('it ended', true));
      },
    };
  }
  return {
    send,
    onMessage: (listener) => worker.addEventListener('message', ({ data }) => listener(data)),
    onEnd: (listener) =>
      worker.addEventListener('error', ({ message }) => listener(message || 'it could not be loaded', false)),
  };
}

/** What is used here of the global objects of Node and of a page's worker. */
interface Realm extends Partial<PageWorker> {
  readonly process?: { getBuiltinModule?(name: string): { readonly parentPort: NodeWorker | null } };
  readonly document?: unknown;
}

/** The side of a worker, or null if this thread is none. */
export function parentPort(): Port | null {
  const realm = globalThis as Realm;
  const node = realm.process?.getBuiltinModule?.('worker_threads').parentPort;
  if (node) return portOf(node);
  if (realm.document !== undefined || realm.postMessage === undefined || realm.addEventListener === undefined)
    return null;
  return portOf(realm as PageWorker);
}
