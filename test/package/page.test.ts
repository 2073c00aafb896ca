/** A page loads the package as it is, by a plain module script and under a policy that forbids evaluating code. */
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chromiumArgs, chromiumPath } from './chromium.ts';
import { type Consumer, makeConsumer } from './consumer.ts';
import { visit } from './pages.ts';
import { training } from './programs.ts';

// No 'unsafe-eval', and no 'wasm-unsafe-eval': neither strings nor WebAssembly may become code.
const headers = { 'content-security-policy': "default-src 'self'; script-src 'self'" };

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

  it('trains a network to the loss that Node reaches', async () => {
    const { printed, errors } = await visit(browser, consumer, { headers, scripts: { '/program.js': training } });
    expect(errors).toEqual([]);
    expect(Number(printed)).toBeCloseTo(Number(consumer.run('train.mjs', training)), 4);
  });

  it('does forbid evaluating code', async () => {
    const program = "try { new Function('1')(); console.log('allowed'); } catch { console.log('forbidden'); }";
    const { printed } = await visit(browser, consumer, { headers, scripts: { '/program.js': program } });
    expect(printed).toBe('forbidden');
  });
});
