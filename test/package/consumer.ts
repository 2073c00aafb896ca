/** The package as its users get it: packed, then installed into an empty project. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** package.json, as far as it is read here. */
export interface Manifest {
  readonly name: string;
  readonly exports: Record<string, string | Record<'import' | 'require', { types: string; default: string }>>;
}

/** A project that depends on typedgrad. */
export interface Consumer {
  readonly folder: string;
  /** The packed package. */
  readonly tarball: string;
  /** The files in it. */
  readonly files: readonly string[];
  /** The installed package. */
  readonly installed: string;
  readonly manifest: Manifest;
  /** Every entry, such as `typedgrad/io`. */
  readonly entries: readonly string[];
  /** Writes a file and runs it with Node; returns what it prints. */
  run(name: string, code: string): string;
  /** Writes a file of the project; returns its path. */
  write(name: string, text: string): string;
  remove(): void;
}

const command = (folder: string, file: string, ...args: string[]): string =>
  execFileSync(file, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Packs `dist` as it is and installs it without a network. */
export function makeConsumer(): Consumer {
  const folder = mkdtempSync(join(tmpdir(), 'typedgrad-consumer-'));
  const [packed] = JSON.parse(command(root, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', folder));
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  const tarball = join(folder, packed.filename);
  write('package.json', JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  command(folder, 'npm', 'install', '--offline', '--no-audit', '--no-fund', '--legacy-peer-deps', tarball);
  // The optional peer of typedgrad/testing, which a user of that entry installs too.
  symlinkSync(join(root, 'node_modules/fast-check'), join(folder, 'node_modules/fast-check'));
  const installed = join(folder, 'node_modules/typedgrad');
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Manifest;
  return {
    folder,
    tarball,
    files: packed.files.map(({ path }: { path: string }) => path),
    installed,
    manifest,
    entries: Object.keys(manifest.exports)
      .filter((path) => path !== './package.json')
      .map((path) => manifest.name + path.slice(1)),
    run: (name, code) => command(folder, process.execPath, write(name, code)),
    write,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
