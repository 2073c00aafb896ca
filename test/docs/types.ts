/** Type-checks blocks of documentation as a user's strict compiler would. */
import { dirname, join } from 'node:path';
import ts from 'typescript';
import type { Block } from './blocks.ts';

/** Problems of all blocks, each as `path:line: message`. */
export function typeErrors(root: string, blocks: readonly Block[]): string[] {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  // Examples leave results unused, and declare no types for export.
  Object.assign(options, { noUnusedLocals: false, declaration: false });
  // A block stands beside its page, so that its relative imports are those of the page.
  const virtual = new Map(
    blocks.map((block, i) => [join(root, dirname(block.path), `documentation-block-${i}.ts`), block]),
  );
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists } = host;
  host.fileExists = (name) => virtual.has(name) || fileExists.call(host, name);
  host.readFile = (name) => {
    const block = virtual.get(name);
    // `export {}` gives every block a scope of its own and allows `await` at its top level.
    return block === undefined ? readFile.call(host, name) : `${block.code}\nexport {};\n`;
  };
  const getSourceFile = host.getSourceFile;
  host.getSourceFile = (name, target, ...rest) =>
    virtual.has(name)
      ? ts.createSourceFile(name, host.readFile(name)!, target, true)
      : getSourceFile.call(host, name, target, ...rest);
  const program = ts.createProgram([...virtual.keys()], options, host);
  return [...virtual].flatMap(([name, block]) => {
    const file = program.getSourceFile(name);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map((problem) => {
      const line = file?.getLineAndCharacterOfPosition(problem.start ?? 0).line ?? 0;
      return `${block.path}:${block.line + line}: ${ts.flattenDiagnosticMessageText(problem.messageText, '\n')}`;
    });
  });
}
