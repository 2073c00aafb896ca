/** A page loads the package as it is, by a plain module script and under a policy that forbids evaluating code. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chromiumArgs, chromiumPath } from './chromium.ts';
import { type Consumer, makeConsumer } from './consumer.ts';
import { training } from './programs.ts';

// No 'unsafe-eval', and no 'wasm-unsafe-eval': neither strings nor WebAssembly may become code.
const policy = "default-src 'self'; script-src 'self'";

/** Serves a page, the program as its script, and the installed package. */
function serve(consumer: Consumer, program: string): Promise<Server> {
  const server = createServer(({ url = '/' }, response) => {
    const script = { 'content-type': 'text/javascript' };
    if (url === '/') {
      response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': policy });
      response.end('<!doctype html><script type="module" src="/program.js"></script>');
    } else if (url === '/program.js') {
      response.writeHead(200, script).end(program.replace(/'typedgrad'/g, "'/dist/index.js'"));
    } else if (consumer.files.includes(url.slice(1))) {
      response.writeHead(200, script).end(readFileSync(join(consumer.installed, url)));
    } else response.writeHead(404).end();
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

describe.skipIf(chromiumPath === undefined)('a page with a strict Content-Security-Policy', () => {
  let consumer: Consumer;
  let browser: Browser;
  beforeAll(async () => {
    consumer = makeConsumer();
    browser = await chromium.launch({ executablePath: chromiumPath!, args: chromiumArgs });
  });
  afterAll(async () => {
    await browser?.close();
    consumer?.remove();
  });

  /** What the program prints, and what goes wrong. */
  async function visit(program: string): Promise<{ printed: string; errors: string[] }> {
    const server = await serve(consumer, program);
    try {
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      const message = page.waitForEvent('console', { timeout: 60_000 });
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      const printed = (await message).text();
      await page.close();
      return { printed, errors };
    } finally {
      server.close();
    }
  }

  it('trains a network to the loss that Node reaches', async () => {
    const { printed, errors } = await visit(training);
    expect(errors).toEqual([]);
    expect(Number(printed)).toBeCloseTo(Number(consumer.run('train.mjs', training)), 4);
  });

  it('does forbid evaluating code', async () => {
    const { printed } = await visit(
      "try { new Function('1')(); console.log('allowed'); } catch { console.log('forbidden'); }",
    );
    expect(printed).toBe('forbidden');
  });
});
