// biome-ignore-all lint/correctness/noPrecisionLoss: the coefficients stand as they were published
/** Scalar functions that JavaScript's Math lacks or defines differently. */

/** Rounds halves to the even neighbour and keeps the sign of zero, as IEEE 754 roundToIntegralTiesToEven. */
export function roundEven(v: number): number {
  const size = Math.abs(v);
  // From 2^52 on doubles are whole; below, adding 2^52 leaves no bits for the fraction, and the sum rounds to even.
  const rounded = size < 2 ** 52 ? size + 2 ** 52 - 2 ** 52 : size;
  return v < 0 || Object.is(v, -0) ? -rounded : rounded;
}

/** C's pow: 1 to any power is 1, even to NaN, and so is -1 to an infinite power, where Math.pow gives NaN. */
export function power(base: number, exponent: number): number {
  if (base === 1 || (base === -1 && Math.abs(exponent) === Number.POSITIVE_INFINITY)) return 1;
  return base ** exponent;
}

/**
 * The error function, to about 1e-16 relative.
 * Source: W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969), 631–637:
 * erf(x) = x·R(x²) up to 0.46875, erfc(x) = exp(-x²)·R(x) up to 4, erfc(x) = exp(-x²)/x·(1/√π + R(1/x²)/x²) beyond.
 */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size <= 0.46875) return erfNearZero(x);
  // erfc(6) = 2e-17 is below half a unit in the last place of 1.
  const value = size < 4 ? 1 - erfcMiddle(size) : size < 6 ? 1 - erfcTail(size) : size >= 6 ? 1 : Number.NaN;
  return x < 0 ? -value : value;
}

function erfNearZero(x: number): number {
  const z = x * x;
  let p = 1.85777706184603153e-1 * z + 3.1611237438705656;
  p = (p * z + 113.864154151050156) * z + 377.485237685302021;
  p = p * z + 3209.37758913846947;
  let q = z + 23.6012909523441209;
  q = (q * z + 244.024637934444173) * z + 1282.61652607737228;
  q = q * z + 2844.23683343917062;
  return (x * p) / q;
}

function erfcMiddle(x: number): number {
  let p = 2.15311535474403846e-8 * x + 0.564188496988670089;
  p = (p * x + 8.88314979438837594) * x + 66.1191906371416295;
  p = (p * x + 298.635138197400131) * x + 881.95222124176909;
  p = (p * x + 1712.04761263407058) * x + 2051.07837782607147;
  p = p * x + 1230.33935479799725;
  let q = x + 15.7449261107098347;
  q = (q * x + 117.693950891312499) * x + 537.181101862009858;
  q = (q * x + 1621.38957456669019) * x + 3290.79923573345963;
  q = (q * x + 4362.61909014324716) * x + 3439.36767414372164;
  q = q * x + 1230.33935480374942;
  return (Math.exp(-x * x) * p) / q;
}

function erfcTail(x: number): number {
  const z = 1 / (x * x);
  let p = 1.63153871373020978e-2 * z + 0.305326634961232344;
  p = (p * z + 0.360344899949804439) * z + 0.125781726111229246;
  p = (p * z + 1.60837851487422766e-2) * z + 6.58749161529837803e-4;
  let q = z + 2.56852019228982242;
  q = (q * z + 1.87295284992346725) * z + 0.527905102951428412;
  q = (q * z + 6.05183413124413191e-2) * z + 2.33520497626869185e-3;
  return (Math.exp(-x * x) / x) * (1 / Math.sqrt(Math.PI) - (z * p) / q);
}
