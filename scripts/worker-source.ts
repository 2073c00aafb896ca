/**
 * Writes src/threads/source.ts: the program of src/threads/worker.ts as a string, so that a worker can be started
 * without a file, whatever bundles the library. Run it by `npm run worker-source` after a change there; a test notices
 * when it was forgotten.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** The text of src/threads/source.ts. */
export async function workerSourceFile(): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: "import { begin } from './src/threads/worker.ts'; begin();", resolveDir: root, loader: 'ts' },
    bundle: true,
    minify: true,
    charset: 'ascii',
    format: 'iife',
    target: 'es2022',
    // In a string, a template looks like a mistake.
    supported: { 'template-literal': false },
    write: false,
    logLevel: 'error',
  });
  const code = outputFiles[0]!.text.trim().replace(/[\\']/g, '\\$&').replace(/\n/g, '\\n');
  return `/** The program of \`worker.ts\`, made by \`npm run worker-source\`. */
export const workerSource: string =
  '${code}';
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(join(root, 'src/threads/source.ts'), await workerSourceFile());
}
