/**
 * What every set of kernels provides. Kernels see typed arrays, offsets and strides, never a tensor; sizes, offsets
 * and strides are counted in elements. Shapes have been checked by the operation before a kernel is called.
 *
 * An input is `Strided`: any view, so strides may be zero or negative. An output `y` is a typed array of the same dtype as
 * the inputs, dense in row-major order, that the kernel fills; what it holds before does not matter, unless that is said. Sums are accumulated
 * in double precision and rounded once.
 */

/** The storage of a tensor. */
export type FloatArray = Float32Array | Float64Array;

/** A view on a typed array; a tensor is one. */
export interface Strided {
  readonly data: FloatArray;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

export type UnaryName =
  | 'neg'
  | 'abs'
  | 'exp'
  | 'log'
  | 'log1p'
  | 'expm1'
  | 'sqrt'
  | 'rsqrt'
  | 'square'
  | 'reciprocal'
  | 'sin'
  | 'cos'
  | 'tanh'
  | 'erf'
  | 'sign'
  | 'floor'
  | 'ceil'
  | 'round'
  | 'relu'
  | 'sigmoid'
  | 'softplus'
  | 'isNaN';

export type BinaryName =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'pow'
  | 'maximum'
  | 'reluGrad'
  | 'minimum'
  | 'eq'
  | 'ne'
  | 'lt'
  | 'le'
  | 'gt'
  | 'ge';

/** How windows lie over the spatial axes; every list has one entry per spatial axis. */
export interface WindowGeometry {
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  /** Zeros (for max pooling: minus infinities) before the first element of each spatial axis. Never negative. */
  readonly before: readonly number[];
}

/** A convolution's geometry; the padding after the last element follows from the sizes of x, w and y. */
export interface ConvGeometry extends WindowGeometry {
  readonly groups: number;
}

/** A pooling's geometry. */
export interface PoolGeometry extends WindowGeometry {
  readonly kernel: readonly number[];
}

/** What is made of each number of a stream: of u, a multiple of 2⁻⁵³ in [0, 1). */
export type Draw =
  /** u; in float32 its first 24 bits, since rounding could give 1. */
  | { readonly name: 'uniform' }
  /** low + (high - low) · u */
  | { readonly name: 'range'; readonly low: number; readonly high: number }
  /** mean + std · z, with z normal by the inverse of the distribution function. */
  | { readonly name: 'normal'; readonly mean: number; readonly std: number }
  /** low + ⌊(high - low) · u⌋ */
  | { readonly name: 'integer'; readonly low: number; readonly high: number }
  /** 0 where u < p, else `kept`. */
  | { readonly name: 'mask'; readonly p: number; readonly kept: number };

/** The kernels that operations call. `shape` arguments are shapes of dense outputs. */
export interface Kernels {
  /** y[i] is made of the number at `position` + i of the stream of `seed`; both are whole numbers below 2⁵³. The same bits on all kernels. */
  draw(what: Draw, seed: number, position: number, y: FloatArray): void;
  /** y = f(x), element by element. NaN propagates, also through `relu` and `sign`. `round` is to even. */
  unary(name: UnaryName, x: Strided, y: FloatArray): void;
  /** y = f(a, b); a and b both have y's shape (broadcasting is stride 0). Comparisons give 0 or 1; `maximum` and `minimum` propagate NaN; `reluGrad` is b ≤ 0 ? 0 : a. */
  binary(name: BinaryName, a: Strided, b: Strided, y: FloatArray): void;
  /** y = cond ≠ 0 ? a : b; all three have y's shape. */
  where(cond: Strided, a: Strided, b: Strided, y: FloatArray): void;
  /** y = x in row-major order; the dtypes may differ. */
  copy(x: Strided, y: FloatArray): void;
  /** target = x, written through target's strides; the shapes are equal and the two do not overlap. */
  assign(target: Strided, x: Strided): void;
  /** Sum over `axes` (ascending, distinct); y has the shape of the axes that are left. */
  sum(x: Strided, axes: readonly number[], y: FloatArray): void;
  /** Index along `axis` of the first largest (smallest) element; the first NaN wins. y has the shape of the axes that are left. */
  argExtreme(name: 'argMax' | 'argMin', x: Strided, axis: number, y: FloatArray): void;
  /** Running sum along `axis`. */
  cumsum(x: Strided, axis: number, y: FloatArray): void;
  /** y[i₀ … iₙ] = x[i₀ … index[i₀ … iₙ] … iₙ]; index has y's shape. */
  gather(x: Strided, axis: number, index: Strided, y: FloatArray): void;
  /** y[i₀ … index[i₀ … iₙ] … iₙ] += src[i₀ … iₙ]; y has shape `shape` and keeps what it holds. */
  scatterAdd(src: Strided, axis: number, index: Strided, shape: readonly number[], y: FloatArray): void;
  /** y [...B, M, N] = a [...B, M, K] · b [...B, K, N], with the same batch axes B (broadcasting is stride 0). */
  matmul(a: Strided, b: Strided, y: FloatArray): void;
  /**
   * Cross-correlation: y [N, O, ...P] = x [N, C, ...S] ⋆ w [O, C/groups, ...K], 1 to 3 spatial axes; `shape` is y's.
   * y[n, o, p] = bias[o] + Σ_{c, k} x[n, group(o)·C/groups + c, p·stride + k·dilation - before] · w[o, c, k], x being zero
   * outside of S, and bias [O] if absent.
   */
  conv(
    x: Strided,
    w: Strided,
    geometry: ConvGeometry,
    shape: readonly number[],
    y: FloatArray,
    bias?: Strided | undefined,
  ): void;
  /** The adjoint of `conv` in x: y [N, C, ...S] from g [N, O, ...P] and w; `shape` is y's. */
  convInputGrad(g: Strided, w: Strided, geometry: ConvGeometry, shape: readonly number[], y: FloatArray): void;
  /** The adjoint of `conv` in w: y [O, C/groups, ...K] from x and g; `shape` is y's. */
  convWeightGrad(x: Strided, g: Strided, geometry: ConvGeometry, shape: readonly number[], y: FloatArray): void;
  /** The largest element of each window over the spatial axes of x [N, C, ...S]; NaN wins; -Infinity for a window of padding alone. `shape` [N, C, ...P] is y's. */
  maxPool(x: Strided, geometry: PoolGeometry, shape: readonly number[], y: FloatArray): void;
  /**
   * y [N, C, ...S], x's shape and `shape`: zeros, with each element of g [N, C, ...P] added where x's window has its first
   * largest element (the first NaN); nowhere for a window of padding alone.
   */
  maxPoolSpread(g: Strided, x: Strided, geometry: PoolGeometry, shape: readonly number[], y: FloatArray): void;
  /** The adjoint of `maxPoolSpread` in g: y [N, C, ...P] reads v [N, C, ...S] where x's windows have their first largest element; 0 for a window of padding alone. */
  maxPoolPick(v: Strided, x: Strided, geometry: PoolGeometry, shape: readonly number[], y: FloatArray): void;
  /**
   * For each window over the spatial axes of x [N, C, ...S], the flat index into S of its first largest element; the first
   * NaN wins; -1 for a window that covers padding alone. `shape` [N, C, ...P] is y's.
   */
  maxPoolIndices(x: Strided, geometry: PoolGeometry, shape: readonly number[], y: FloatArray): void;
  /** The sum of each window over x [N, C, ...S], padding counting as zero; `shape` [N, C, ...P] is y's. */
  windowSum(x: Strided, geometry: PoolGeometry, shape: readonly number[], y: FloatArray): void;
  /** The adjoint of `windowSum`: y [N, C, ...S] from g [N, C, ...P]; `shape` is y's. */
  windowSpread(g: Strided, geometry: PoolGeometry, shape: readonly number[], y: FloatArray): void;
  /** y = exp(x) divided by its sum along `axis`. */
  softmax(x: Strided, axis: number, y: FloatArray): void;
  /** The logarithm of `softmax`, exact for large x. */
  logSoftmax(x: Strided, axis: number, y: FloatArray): void;
  /**
   * y = -log softmax(x) at the class that `labels` names along `axis`, 0 where it is `ignoreIndex`. `labels` has y's shape, which
   * is x's without the axis, and holds classes (or `ignoreIndex`) only.
   */
  crossEntropy(x: Strided, labels: Strided, axis: number, ignoreIndex: number, y: FloatArray): void;
  /** Its adjoint in x: y = g · (softmax(x) - 1 at the label), 0 where the label is `ignoreIndex`; g has the shape of `labels`. */
  crossEntropyGrad(x: Strided, labels: Strided, g: Strided, axis: number, ignoreIndex: number, y: FloatArray): void;
}
