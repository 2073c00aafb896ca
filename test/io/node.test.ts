import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Dense, FormatError, Sequential, tensor } from '../../src/index.ts';
import { encodeNpz } from '../../src/io/index.ts';
import { loadNpy, loadNpz, loadSafetensors, saveNpy, saveNpz, saveSafetensors } from '../../src/io/node/index.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'typedgrad-io-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('saves and loads a model', async () => {
  const [a, b] = [new Sequential(new Dense(3, 2)), new Sequential(new Dense(3, 2))];
  const path = join(folder, 'model.safetensors');
  await saveSafetensors(path, a.stateDict(), { note: 'first' });
  b.loadStateDict(await loadSafetensors(path));
  expect(b.parameters().map((p) => p.toArray())).toEqual(a.parameters().map((p) => p.toArray()));
});

it('saves and loads arrays by path and by URL, leaving nothing else behind', async () => {
  const url = pathToFileURL(join(folder, 'x.npy'));
  await saveNpy(url, tensor([1, 2]));
  expect((await loadNpy(join(folder, 'x.npy'))).toArray()).toEqual([1, 2]);
  await saveNpz(join(folder, 'x.npz'), { x: tensor([3]) });
  expect((await loadNpz(join(folder, 'x.npz'))).x!.toArray()).toEqual([3]);
  expect((await readdir(folder)).sort()).toEqual(['x.npy', 'x.npz']);
});

it('keeps the old file when it cannot write the new one', async () => {
  await expect(saveNpy(join(folder, 'none', 'x.npy'), tensor([1]))).rejects.toThrow(/ENOENT/);
  await writeFile(join(folder, 'bad.npy'), 'x');
  await expect(loadNpy(join(folder, 'bad.npy'))).rejects.toThrow(FormatError);
  expect(await readFile(join(folder, 'bad.npy'), 'utf8')).toBe('x');
});

it('writes the same archive in every time zone', () => {
  const before = process.env.TZ;
  const hours = new Set<number>();
  const archives = new Set<string>();
  try {
    for (const zone of Intl.supportedValuesOf('timeZone')) {
      process.env.TZ = zone;
      hours.add(new Date(0).getHours());
      archives.add(encodeNpz({ x: tensor([1]) }).join());
    }
  } finally {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  }
  expect(hours.size).toBeGreaterThan(20);
  expect(archives.size).toBe(1);
});
