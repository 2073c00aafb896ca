import { escapeXml } from './pictures.ts';

/** A figure of the report: what to look at, and how to read it. */
export interface Figure {
  /** File name without its ending. */
  readonly name: string;
  readonly title: string;
  readonly caption: string;
  readonly svg: string;
}

export interface Facts {
  readonly accuracy: number;
  readonly judged: number;
  readonly interrupted: boolean;
  /** Name and value, as in "optimizer: adam". */
  readonly settings: readonly (readonly [string, string])[];
  /** The table of layers, as `summary` prints it. */
  readonly summary: string;
}

const STYLE = `
:root { color-scheme: light dark; --paper: #f8fafc; --card: #ffffff; --text: #1e293b; --soft: #64748b; --line: #e2e8f0; --accent: #2563eb; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #0b1120; --card: #131c2e; --text: #e2e8f0; --soft: #94a3b8; --line: #263348; --accent: #60a5fa; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--text); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 880px; margin: 0 auto; padding: 40px 20px 80px; }
h1 { font-size: 1.7rem; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 1.15rem; margin: 0 0 4px; }
p { margin: 0 0 14px; color: var(--soft); max-width: 68ch; }
.result { font-size: 3.4rem; font-weight: 650; color: var(--accent); line-height: 1.1; margin: 22px 0 0; font-variant-numeric: tabular-nums; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 22px 24px; margin-top: 22px; }
figure { margin: 0; overflow-x: auto; }
figure svg { max-width: 100%; height: auto; display: block; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); gap: 12px 20px; margin: 0; }
dt { color: var(--soft); font-size: 0.8rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
pre { overflow-x: auto; margin: 18px 0 0; font: 13px/1.5 ui-monospace, monospace; color: var(--text); }
.note { color: var(--accent); }
`;

/** One page that shows everything, with nothing to load. */
export function reportPage(facts: Facts, figures: readonly Figure[]): string {
  const settings = facts.settings.map(
    ([name, value]) => `<div><dt>${escapeXml(name)}</dt><dd>${escapeXml(value)}</dd></div>`,
  );
  const sections = figures.map(
    ({ title, caption, svg }) =>
      `<section><h2>${escapeXml(title)}</h2><p>${escapeXml(caption)}</p><figure>${svg}</figure></section>`,
  );
  const interrupted = facts.interrupted
    ? '<p class="note">The run was interrupted: this is what it had learned by then.</p>'
    : '';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A network learns digits: ${(100 * facts.accuracy).toFixed(1)} %</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>A convolutional network learned to read digits</h1>
<div class="result">${(100 * facts.accuracy).toFixed(2)} %</div>
<p>right on ${facts.judged.toLocaleString('en')} digits that it had not seen while learning</p>
${interrupted}
<section><h2>The run</h2><dl>${settings.join('')}</dl><pre>${escapeXml(facts.summary)}</pre></section>
${sections.join('\n')}
</main>
</body>
</html>
`;
}
