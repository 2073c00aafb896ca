import { describe, expect, it } from 'vitest';
import { markPure } from '../../scripts/pure.ts';

const marked = (text: string): string => markPure('a.ts', text);

describe('marking load-time calls as pure', () => {
  it('marks the calls and constructions that initialise constants, nested ones too', () => {
    expect(marked('export const a = f(g(1), new Map());')).toBe(
      'export const a = /* @__PURE__ */ f(/* @__PURE__ */ g(1), /* @__PURE__ */ new Map());',
    );
    expect(marked('const a = { b: f() };')).toBe('const a = { b: /* @__PURE__ */ f() };');
  });

  it('marks a chain of calls once', () => {
    expect(marked('const a = [1].map(String).join();')).toBe('const a = /* @__PURE__ */ [1].map(String).join();');
  });

  it('marks static fields and base classes that are computed', () => {
    expect(marked('class A extends mix(B) { static c = f(); }')).toBe(
      'class A extends /* @__PURE__ */ mix(B) { static c = /* @__PURE__ */ f(); }',
    );
  });

  it('leaves functions, methods and load-time statements alone', () => {
    for (const text of [
      'const a = () => f();',
      'class A { b() { return f(); } }',
      'function a() { f(); }',
      'bind();',
    ]) {
      expect(marked(text)).toBe(text);
    }
  });
});
