/** Options as a layer's description shows them: `, { stride: 2 }`, or nothing if there are none. */
export function showOptions(options: object): string {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return '';
  return `, { ${entries.map(([key, value]) => `${key}: ${JSON.stringify(value)?.replaceAll(',', ', ').replaceAll('"', "'")}`).join(', ')} }`;
}
