/** The libraries, each in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Info, Reply, Request } from './protocol.ts';

export interface Participant {
  readonly name: string;
  readonly file: string;
  readonly argument?: string;
}

/** typedgrad's own two first: the others are measured against them. */
export const PARTICIPANTS: readonly Participant[] = [
  { name: 'typedgrad', file: 'typedgrad.ts' },
  { name: 'typedgrad compiled', file: 'typedgrad.ts', argument: 'compiled' },
  { name: 'PyTorch', file: 'pytorch.py' },
  { name: 'onnxruntime-node', file: 'onnxruntime.ts', argument: 'node' },
  { name: 'onnxruntime-web', file: 'onnxruntime.ts', argument: 'web' },
  { name: 'tfjs wasm', file: 'tfjs.ts', argument: 'wasm' },
  { name: 'tfjs cpu', file: 'tfjs.ts', argument: 'cpu' },
  { name: 'jax-js', file: 'jax.ts' },
];

export interface Settings {
  readonly python: string;
  /** A folder with the BLAS library that PyTorch shall load, or undefined for the system's. */
  readonly blas: string | undefined;
  readonly threads: number;
}

/** No library may start threads of its own accord. */
function threadVariables(threads: number): Record<string, string> {
  const names = ['BENCH_THREADS', 'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'];
  return Object.fromEntries(names.map((name) => [name, String(threads)]));
}

/**
 * PyTorch keeps the memory it frees. By default glibc gives it back after every step or not, depending on the sizes seen
 * before: the training step of the smallest network took 12 ms as the first case of a run and 7 ms as a later one.
 */
const KEEP_MEMORY = {
  MALLOC_TOP_PAD_: '268435456',
  MALLOC_MMAP_THRESHOLD_: '1073741824',
  MALLOC_TRIM_THRESHOLD_: '4294967296',
};

export class PeerProcess {
  readonly participant: Participant;
  private readonly child: ChildProcess;
  private readonly lines: Interface;
  private readonly waiting: { resolve(reply: Reply): void; reject(error: Error): void }[] = [];
  private errors = '';
  alive = true;

  constructor(participant: Participant, { python, blas, threads }: Settings) {
    this.participant = participant;
    const { file, argument } = participant;
    const path = fileURLToPath(new URL(file, import.meta.url));
    const isPython = file.endsWith('.py');
    const command = isPython ? python : process.execPath;
    // What lets this process read TypeScript (Node 20 needs a loader) lets that one, too.
    const flags = isPython ? [] : process.execArgv;
    const own = isPython ? { ...KEEP_MEMORY, ...(blas ? { LD_LIBRARY_PATH: blas } : {}) } : {};
    const env = { ...process.env, ...threadVariables(threads), ...own };
    this.child = spawn(command, [...flags, path, ...(argument ? [argument] : [])], { env });
    this.lines = createInterface({ input: this.child.stdout! });
    // Libraries greet and warn on standard output, too: only objects are answers.
    this.lines.on('line', (line) => {
      if (line.startsWith('{"ok"')) this.waiting.shift()?.resolve(JSON.parse(line) as Reply);
    });
    this.child.stderr!.on('data', (chunk: Buffer) => {
      this.errors = (this.errors + chunk.toString()).slice(-4000);
    });
    const end = (why: string): void => {
      this.alive = false;
      const said = this.errors.split('\n').filter((line) => /error|not found|no module/i.test(line));
      for (const { reject } of this.waiting.splice(0)) reject(new Error(said.at(-1)?.trim() ?? why));
    };
    this.child.on('error', (error) => end(error.message));
    this.child.on('exit', (code, signal) => end(`the process ended (${signal ?? code})`));
    this.child.stdin!.on('error', () => {});
  }

  /** Asks and waits, at most so many seconds: then the process is ended. */
  async ask(request: Request, seconds: number): Promise<Extract<Reply, { ok: true }>> {
    if (!this.alive) throw new Error('the process has ended');
    const answered = new Promise<Reply>((resolve, reject) => this.waiting.push({ resolve, reject }));
    this.child.stdin!.write(`${JSON.stringify(request)}\n`);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`more than ${seconds} s`)), 1000 * seconds);
    });
    try {
      const reply = await Promise.race([answered, late]);
      if (!reply.ok) throw new Error(reply.error);
      return reply;
    } catch (error) {
      if (timer && error instanceof Error && error.message.startsWith('more than')) this.end();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async info(): Promise<Info> {
    return (await this.ask({ op: 'info' }, 60)).info!;
  }

  end(): void {
    this.alive = false;
    this.child.kill('SIGKILL');
  }
}
