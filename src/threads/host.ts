/** How a worker is started: by Node's worker_threads, or by a page's (or a worker's) `Worker`. */
import type { Start } from './layout.ts';
import { workerSource } from './source.ts';

/** A worker that was started. */
export interface Hand {
  /** Resolves once a page's worker has answered; in Node, whoever starts it looks into shared memory. */
  readonly answered: Promise<void>;
  /** Ends the thread, which was told to leave; resolves when it no longer touches memory, or never if that cannot be told. */
  stop(): Promise<unknown>;
}

/** What starts workers here. */
export interface Host {
  /** Whether a worker begins while the thread that starts it is blocked. */
  readonly isImmediate: boolean;
  /** How many threads the machine runs at once. */
  readonly cores: number;
  /** Starts a worker; `onLost` is told when it ends or fails without being stopped. @throws if workers are forbidden. */
  start(data: Start, onLost: (why: string) => void): Hand;
}

interface NodeWorker {
  on(event: 'error' | 'exit', listener: (what: unknown) => void): void;
  unref(): void;
  terminate(): Promise<unknown>;
}
interface NodeThreads {
  readonly Worker: new (source: string, options: object) => NodeWorker;
}
interface NodeSystem {
  availableParallelism(): number;
}
interface NodeProcess {
  getBuiltinModule?(name: 'worker_threads'): NodeThreads | undefined;
  getBuiltinModule?(name: 'os'): NodeSystem | undefined;
}

/** How long a page's worker may take to leave by itself, in milliseconds; a terminated one lives on for seconds. */
const LEAVE_WITHIN = 1000;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function nodeHost({ Worker }: NodeThreads, { availableParallelism }: NodeSystem): Host {
  return {
    isImmediate: true,
    cores: availableParallelism(),
    start(workerData, onLost) {
      let isStopped = false;
      const lost = (why: string): void => {
        if (!isStopped) onLost(why);
      };
      // Nothing of the process's own start (loaders, hooks, NODE_OPTIONS) is of use to a worker, and all of it takes time.
      const worker = new Worker(workerSource, { eval: true, workerData, execArgv: [], env: {}, name: 'typedgrad' });
      worker.on('error', (error) => lost(messageOf(error)));
      worker.on('exit', () => lost('its thread ended'));
      worker.unref();
      const stop = (): Promise<unknown> => {
        isStopped = true;
        return worker.terminate();
      };
      return { answered: Promise.resolve(), stop };
    },
  };
}

function pageHost(): Host {
  return {
    isImmediate: false,
    cores: globalThis.navigator?.hardwareConcurrency ?? 1,
    start(data, onLost) {
      const url = URL.createObjectURL(new Blob([workerSource], { type: 'text/javascript' }));
      const worker = new Worker(url, { name: 'typedgrad' });
      let isStopped = false;
      let left = (): void => {};
      const answered = new Promise<void>((resolve) => {
        const begun = (): void => {
          URL.revokeObjectURL(url);
          resolve();
        };
        worker.onmessage = ({ data }) => (data === 'ready' ? begun() : left());
        worker.onerror = (event) => {
          event.preventDefault();
          if (!isStopped) onLost(event.message || 'the page forbids workers made of a Blob (worker-src of its policy)');
          begun();
        };
      });
      worker.postMessage(data);
      const stop = (): Promise<void> => {
        isStopped = true;
        return new Promise((resolve) => {
          const end = (): void => worker.terminate();
          const timer = setTimeout(end, LEAVE_WITHIN);
          left = () => {
            clearTimeout(timer);
            end();
            resolve();
          };
        });
      };
      return { answered, stop };
    },
  };
}

/** What starts workers here, or why nothing does. */
export function findHost(): Host | string {
  const { process } = globalThis as { process?: NodeProcess };
  const [threads, system] = [process?.getBuiltinModule?.('worker_threads'), process?.getBuiltinModule?.('os')];
  if (threads !== undefined && system !== undefined) return nodeHost(threads, system);
  if (typeof Worker !== 'function' || typeof Blob !== 'function') return 'there is no Worker here';
  if (globalThis.crossOriginIsolated === false) {
    return 'the page is not cross-origin isolated (headers Cross-Origin-Opener-Policy and -Embedder-Policy)';
  }
  return pageHost();
}
