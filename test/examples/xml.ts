/**
 * The names of the elements of an XML text, in order. Throws where a tag is left open or closed twice, an attribute is
 * repeated or unquoted, or a bare `&` or `<` stands in the text.
 */
export function elements(xml: string): string[] {
  const names: string[] = [];
  const open: string[] = [];
  let at = 0;
  while (at < xml.length) {
    const start = xml.indexOf('<', at);
    checkText(xml.slice(at, start < 0 ? xml.length : start));
    if (start < 0) break;
    const tag = /^<(\/?)([A-Za-z][\w:.-]*)((?:\s+[\w:.-]+\s*=\s*"[^"<]*")*)\s*(\/?)>/.exec(xml.slice(start));
    if (tag === null) throw new Error(`not a tag: ${xml.slice(start, start + 80)}`);
    const [all, closing, name, attributes, alone] = tag as unknown as [string, string, string, string, string];
    checkAttributes(attributes);
    if (closing === '/') {
      const expected = open.pop();
      if (expected !== name) throw new Error(`</${name}> closes <${expected}>`);
    } else {
      names.push(name);
      if (alone === '') open.push(name);
    }
    at = start + all.length;
  }
  if (open.length > 0) throw new Error(`left open: ${open.join(', ')}`);
  return names;
}

function checkText(text: string): void {
  if (/&(?!#\d+;|#x[\da-f]+;|(?:amp|lt|gt|quot|apos);)/i.test(text))
    throw new Error(`a bare & in ${text.slice(0, 80)}`);
}

function checkAttributes(attributes: string): void {
  checkText(attributes);
  const names = [...attributes.matchAll(/([\w:.-]+)\s*=/g)].map(([, name]) => name);
  const quoted = attributes.replaceAll(/"[^"]*"/g, '""');
  const real = [...quoted.matchAll(/([\w:.-]+)\s*=/g)].map(([, name]) => name);
  if (new Set(real).size !== real.length) throw new Error(`an attribute twice in ${attributes}`);
  if (names.length < real.length) throw new Error(`unreadable attributes: ${attributes}`);
}
