/** The published package does for a user what the sources do here. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Consumer, makeConsumer, root } from './consumer.ts';
import { training } from './programs.ts';

let consumer: Consumer;
beforeAll(() => {
  consumer = makeConsumer();
});
afterAll(() => consumer?.remove());

const read = (file: string): string => readFileSync(join(consumer.installed, file), 'utf8');

/** Whether code calls `eval` or `Function`; a method may have such a name. */
function evaluates(node: ts.Node): boolean {
  const called = ts.isCallExpression(node) || ts.isNewExpression(node) ? node.expression : undefined;
  if (called && ts.isIdentifier(called) && ['eval', 'Function'].includes(called.text)) return true;
  return ts.forEachChild(node, (child) => evaluates(child) || undefined) ?? false;
}

describe('the packed files', () => {
  it('are the build, the README, the licenses and the manifest', () => {
    const others = consumer.files.filter((file) => !/^dist\/.*\.(js|cjs|d\.ts|d\.cts)$/.test(file));
    expect(others.sort()).toEqual(['LICENSE', 'README.md', 'THIRD-PARTY-NOTICES.md', 'package.json']);
  });

  it('contain fflate and its license, so that typedgrad/io needs nothing else', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'node_modules/fflate/package.json'), 'utf8'));
    const license = readFileSync(join(root, 'node_modules/fflate/LICENSE'), 'utf8');
    const notices = read('THIRD-PARTY-NOTICES.md');
    expect(notices).toContain(`fflate ${manifest.version}`);
    expect(notices).toContain(license.trim());
    const code = consumer.files.filter((file) => /\.(js|cjs)$/.test(file));
    expect(code.filter((file) => /(from|import|require)\s*\(?\s*['"]fflate/.test(read(file)))).toEqual([]);
    const programs = [
      ["import { tensor } from 'typedgrad';", 'mjs'],
      ["const { tensor } = require('typedgrad');", 'cjs'],
    ] as const;
    for (const [load, kind] of programs) {
      const io = load.replace('{ tensor }', '{ decodeNpz, encodeNpz }').replace("'typedgrad'", "'typedgrad/io'");
      const code = `${load}\n${io}\nconsole.log(decodeNpz(encodeNpz({ a: tensor([3]) })).a.item());`;
      expect(consumer.run(`npz.${kind}`, code)).toBe('3\n');
    }
  });

  it('hold every file that an entry names', () => {
    const named = Object.values(consumer.manifest.exports).flatMap((entry) =>
      typeof entry === 'string'
        ? [entry]
        : [entry.import.types, entry.import.default, entry.require.types, entry.require.default],
    );
    expect(named.filter((file) => !existsSync(join(consumer.installed, file)))).toEqual([]);
  });

  it('evaluate no strings as code', () => {
    const evaluations = consumer.files
      .filter((file) => /\.(js|cjs)$/.test(file))
      .filter((file) => evaluates(ts.createSourceFile(file, read(file), ts.ScriptTarget.ES2022)));
    expect(evaluations).toEqual([]);
    expect(
      ['eval("1")', 'new Function("1")', 'Function("1")'].map((code) =>
        evaluates(ts.createSourceFile('a.js', code, ts.ScriptTarget.ES2022)),
      ),
    ).toEqual([true, true, true]);
  });

  it("name Node's modules in io/node alone", () => {
    const users = consumer.files.filter((file) => /\.(js|cjs)$/.test(file) && /['"]node:/.test(read(file)));
    expect(
      users.map((file) => file.replace(/\.(js|cjs)$/, '')).filter((file) => file !== 'dist/io/node/index'),
    ).toEqual([]);
  });

  it('have no problem that publint knows', async () => {
    const { messages } = await publint({ pkgDir: consumer.installed, level: 'warning', pack: false });
    expect(messages).toEqual([]);
  });

  it('have types that resolve for every kind of import', () => {
    const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    // `node10` knows no `exports`, so it has no subpaths; Node itself dropped it long ago.
    const out = execFileSync(process.execPath, [attw, consumer.tarball, '--format', 'json', '--profile', 'node16'], {
      encoding: 'utf8',
    });
    expect(JSON.parse(out).analysis.types).toBeTruthy();
  });
});

describe('Node', () => {
  it('imports every entry', () => {
    for (const [i, entry] of consumer.entries.entries()) {
      const names = consumer.run(
        `import-${i}.mjs`,
        `import * as all from '${entry}'; console.log(Object.keys(all).length);`,
      );
      expect(Number(names), entry).toBeGreaterThan(0);
    }
  });

  it('requires every entry, with the same names', () => {
    for (const [i, entry] of consumer.entries.entries()) {
      const esm = consumer.run(
        `names-${i}.mjs`,
        `import * as all from '${entry}'; console.log(Object.keys(all).sort().join());`,
      );
      const cjs = consumer.run(`names-${i}.cjs`, `console.log(Object.keys(require('${entry}')).sort().join());`);
      expect(cjs, entry).toBe(esm);
    }
  });

  it('gets one copy of every class, whichever entry it comes through', () => {
    const test = `
      const read = decodeNpy(encodeNpy(tensor([1, 2])));
      let error;
      try { decodeNpy(new Uint8Array(3)); } catch (thrown) { error = thrown; }
      console.log(read instanceof Tensor, read.mul(2).sum().item(), error instanceof FormatError, checkGrads === sameCheckGrads);`;
    const names = [
      ['{ Tensor, FormatError, tensor, checkGrads }', 'typedgrad'],
      ['{ decodeNpy, encodeNpy }', 'typedgrad/io'],
      ['{ checkGrads: sameCheckGrads }', 'typedgrad/testing'],
    ];
    const esm = names.map(([what, from]) => `import ${what!.replace(/: /g, ' as ')} from '${from}';`).join('\n');
    const cjs = names.map(([what, from]) => `const ${what} = require('${from}');`).join('\n');
    expect(consumer.run('identity.mjs', esm + test)).toBe('true 6 true true\n');
    expect(consumer.run('identity.cjs', cjs + test)).toBe('true 6 true true\n');
  });

  it('gives tensors their methods, whichever entry they come from', () => {
    const test = 'console.log(decodeNpy(Uint8Array.from(bytes)).mul(2).sum().item());';
    const bytes = consumer.run(
      'npy.mjs',
      "import { tensor } from 'typedgrad'; import { encodeNpy } from 'typedgrad/io'; console.log([...encodeNpy(tensor([1, 2]))].join());",
    );
    const esm = `import { decodeNpy } from 'typedgrad/io'; const bytes = [${bytes}]; ${test}`;
    const cjs = `const { decodeNpy } = require('typedgrad/io'); const bytes = [${bytes}]; ${test}`;
    expect(consumer.run('methods.mjs', esm)).toBe('6\n');
    expect(consumer.run('methods.cjs', cjs)).toBe('6\n');
  });

  it('trains alike from ESM and from CommonJS', () => {
    const cjs = training.replace(/import (\{[^}]*\}) from '([^']*)'/g, "const $1 = require('$2')");
    const loss = consumer.run('train.mjs', training);
    expect(Number(loss)).toBeLessThan(1);
    expect(consumer.run('train.cjs', cjs)).toBe(loss);
  });
});

describe('TypeScript', () => {
  const program = `
import { type Tensor, conv2d, grad, tensor } from 'typedgrad';
import { DataLoader } from 'typedgrad/data';
import { decodeSafetensors } from 'typedgrad/io';
import { allClose } from 'typedgrad/testing';
const x: Tensor = tensor([[[[1, 2], [3, 4]]]], { dtype: 'float64', requiresGrad: true });
const y: Tensor = conv2d(x, x, { stride: 1, padding: 'same' });
const slope: Tensor = grad((z: Tensor) => z.mul(z).sum())(x);
export const results: unknown[] = [y.shape, slope, DataLoader, decodeSafetensors, allClose];
`;
  const wrong = `
import { conv2d, tensor } from 'typedgrad';
export const y = conv2d(tensor([1]), tensor([1]), { strid: 2 });
`;

  const problems = (
    name: string,
    text: string,
    module: ts.ModuleKind,
    moduleResolution: ts.ModuleResolutionKind,
  ): string[] => {
    const options: ts.CompilerOptions = {
      module,
      moduleResolution,
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noEmit: true,
      target: ts.ScriptTarget.ES2022,
      lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
      types: [],
      // The declarations themselves are checked too.
      skipLibCheck: false,
    };
    const checked = ts.createProgram([consumer.write(name, text)], options);
    return ts.getPreEmitDiagnostics(checked).map((problem) => {
      const file = problem.file?.fileName.replace(consumer.folder, '') ?? '';
      return `${file}: ${ts.flattenDiagnosticMessageText(problem.messageText, '\n')}`;
    });
  };

  it.each([
    ['node16, ES module', 'esm.mts', ts.ModuleKind.Node16, ts.ModuleResolutionKind.Node16],
    ['node16, CommonJS', 'cjs.cts', ts.ModuleKind.Node16, ts.ModuleResolutionKind.Node16],
    ['bundler', 'bundled.ts', ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
  ])('compiles a program that uses every entry: %s', (_, name, module, resolution) => {
    expect(problems(name, program, module, resolution).filter((text) => !text.includes('/fast-check/'))).toEqual([]);
  });

  it('rejects an option that does not exist', () => {
    const found = problems('wrong.mts', wrong, ts.ModuleKind.Node16, ts.ModuleResolutionKind.Node16);
    expect(found.join('\n')).toContain("'strid' does not exist");
  });
});
