/** The bundlers that users have, each as a function from a program to one file. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import { rollup } from 'rollup';
import { build as viteBuild } from 'vite';
import webpack from 'webpack';
import type { Consumer } from './consumer.ts';

/** Bundles a program that is written into the consumer's project. */
export type Bundler = (consumer: Consumer, name: string, code: string, minify: boolean) => Promise<string>;

export const withEsbuild: Bundler = async (consumer, name, code, minify) => {
  const result = await esbuild.build({
    entryPoints: [consumer.write(`${name}.js`, code)],
    bundle: true,
    minify,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    logLevel: 'error',
  });
  return result.outputFiles[0]!.text;
};

export const withRollup: Bundler = async (consumer, name, code) => {
  const { sideEffects = true } = JSON.parse(readFileSync(join(consumer.installed, 'package.json'), 'utf8'));
  const bundle = await rollup({
    input: consumer.write(`${name}.js`, code),
    plugins: [
      {
        name: 'installed package',
        resolveId(source) {
          const entry = consumer.manifest.exports[source.replace(/^typedgrad/, '.')];
          if (!source.startsWith('typedgrad') || typeof entry !== 'object') return null;
          return { id: join(consumer.installed, entry.import.default), moduleSideEffects: sideEffects !== false };
        },
      },
    ],
    onwarn(warning) {
      throw new Error(warning.message);
    },
  });
  const { output } = await bundle.generate({ format: 'es' });
  return output[0].code;
};

export const withVite: Bundler = async (consumer, name, code, minify) => {
  const result = await viteBuild({
    root: consumer.folder,
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify,
      lib: { entry: consumer.write(`${name}.js`, code), formats: ['es'], fileName: name },
    },
  });
  const [first] = [result].flat();
  if (first === undefined || !('output' in first)) throw new Error('vite wrote no bundle');
  return first.output[0].code;
};

export const withWebpack: Bundler = (consumer, name, code, minify) => {
  const folder = mkdtempSync(join(consumer.folder, 'webpack-'));
  const configuration: webpack.Configuration = {
    mode: 'production',
    context: consumer.folder,
    entry: consumer.write(`${name}.js`, code),
    target: ['web', 'es2022'],
    optimization: { minimize: minify },
    output: { path: folder, filename: 'bundle.js' },
  };
  return new Promise((resolve, reject) => {
    webpack(configuration, (error, stats) => {
      if (error || stats === undefined || stats.hasErrors()) reject(error ?? new Error(stats?.toString()));
      else resolve(readFileSync(join(folder, 'bundle.js'), 'utf8'));
    });
  });
};

/** All of them, by name. */
export const bundlers: readonly (readonly [string, Bundler])[] = [
  ['esbuild', withEsbuild],
  ['rollup', withRollup],
  ['vite', withVite],
  ['webpack', withWebpack],
];
