import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UsageError } from './options.ts';

/**
 * The folder that a run writes to. Tried out before training starts: a minute of training must not end in "permission
 * denied".
 */
export class OutFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
    const probe = join(this.path, `.probe-${process.pid}`);
    try {
      mkdirSync(this.path, { recursive: true });
      writeFileSync(probe, '');
      rmSync(probe);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new UsageError(`--out: cannot write into '${path}' (${code ?? (error as Error).message})`);
    }
  }

  write(name: string, content: string | Uint8Array): void {
    try {
      writeFileSync(join(this.path, name), content);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new UsageError(`--out: cannot write '${join(this.path, name)}' (${code ?? (error as Error).message})`);
    }
  }
}
