/** Pages that load the package or a bundle, in a browser. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import type { Consumer } from './consumer.ts';

/** A page and what it loads. */
export interface Site {
  /** Answered with everything. */
  readonly headers: Readonly<Record<string, string>>;
  /** Modules by their path; the page loads `/program.js`. They may import the package by its name. */
  readonly scripts: Readonly<Record<string, string>>;
}

/** Imports of the package, as a page without a bundler writes them. */
const plain = (code: string): string =>
  code.replace(/'typedgrad(\/[a-z/]+)?'/g, (_, entry = '') => `'/dist${entry}/index.js'`);

function serve(consumer: Consumer, { headers, scripts }: Site): Promise<Server> {
  const server = createServer(({ url = '/' }, response) => {
    const answer = (type: string, text: string | Buffer): unknown =>
      response.writeHead(200, { ...headers, 'content-type': type }).end(text);
    if (url === '/') answer('text/html', '<!doctype html><script type="module" src="/program.js"></script>');
    else if (scripts[url] !== undefined) answer('text/javascript', plain(scripts[url]));
    else if (consumer.files.includes(url.slice(1))) {
      answer('text/javascript', readFileSync(join(consumer.installed, url)));
    } else response.writeHead(404).end();
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

/** What a page prints first, and what goes wrong. */
export async function visit(
  browser: Browser,
  consumer: Consumer,
  site: Site,
): Promise<{ printed: string; errors: string[] }> {
  const server = await serve(consumer, site);
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    const isPrint = (message: { type(): string }): boolean => message.type() === 'log';
    const message = page.waitForEvent('console', { predicate: isPrint, timeout: 60_000 });
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const printed = (await message).text();
    await page.close();
    return { printed, errors };
  } finally {
    server.close();
  }
}
