/**
 * The instructions that the assembler knows, by their names in the WebAssembly specification (core 3.0 with relaxed
 * SIMD and threads), grouped by signature: operand types, a colon, the result. Letters: i = i32, l = i64, f = f32,
 * d = f64, v = v128. Codes above 0xff carry their prefix byte (0xfc, 0xfd, 0xfe) above the lowest 12 bits.
 */

/** Instructions without immediates. */
// biome-ignore format: a table
export const PLAIN = {
  'ii:i': {
    'i32.eq': 0x46, 'i32.ne': 0x47, 'i32.lt_s': 0x48, 'i32.lt_u': 0x49, 'i32.gt_s': 0x4a, 'i32.gt_u': 0x4b,
    'i32.le_s': 0x4c, 'i32.le_u': 0x4d, 'i32.ge_s': 0x4e, 'i32.ge_u': 0x4f, 'i32.add': 0x6a, 'i32.sub': 0x6b,
    'i32.mul': 0x6c, 'i32.div_s': 0x6d, 'i32.div_u': 0x6e, 'i32.rem_s': 0x6f, 'i32.rem_u': 0x70, 'i32.and': 0x71,
    'i32.or': 0x72, 'i32.xor': 0x73, 'i32.shl': 0x74, 'i32.shr_s': 0x75, 'i32.shr_u': 0x76,
  },
  'i:i': { 'i32.eqz': 0x45 },
  'ff:i': { 'f32.eq': 0x5b, 'f32.ne': 0x5c, 'f32.lt': 0x5d, 'f32.gt': 0x5e, 'f32.le': 0x5f, 'f32.ge': 0x60 },
  'ff:f': {
    'f32.add': 0x92, 'f32.sub': 0x93, 'f32.mul': 0x94, 'f32.div': 0x95, 'f32.min': 0x96, 'f32.max': 0x97,
    'f32.copysign': 0x98,
  },
  'f:f': {
    'f32.abs': 0x8b, 'f32.neg': 0x8c, 'f32.ceil': 0x8d, 'f32.floor': 0x8e, 'f32.trunc': 0x8f, 'f32.nearest': 0x90,
    'f32.sqrt': 0x91,
  },
  'dd:d': { 'f64.add': 0xa0, 'f64.sub': 0xa1, 'f64.mul': 0xa2, 'f64.div': 0xa3, 'f64.min': 0xa4, 'f64.max': 0xa5 },
  'd:d': { 'f64.abs': 0x99, 'f64.neg': 0x9a, 'f64.ceil': 0x9b, 'f64.sqrt': 0x9f },
  'll:l': {
    'i64.add': 0x7c, 'i64.sub': 0x7d, 'i64.mul': 0x7e, 'i64.and': 0x83, 'i64.or': 0x84, 'i64.shl': 0x86, 'i64.shr_s': 0x87,
    'i64.shr_u': 0x88,
  },
  'i:l': { 'i64.extend_i32_u': 0xad },
  'l:i': { 'i32.wrap_i64': 0xa7 },
  'l:d': { 'f64.convert_i64_s': 0xb9 },
  'd:l': { 'i64.trunc_sat_f64_s': 0xfc006 },
  'i:d': { 'f64.convert_i32_u': 0xb8 },
  'd:f': { 'f32.demote_f64': 0xb6 },
  'f:d': { 'f64.promote_f32': 0xbb },
  'i:f': { 'f32.convert_i32_s': 0xb2, 'f32.convert_i32_u': 0xb3, 'f32.reinterpret_i32': 0xbe },
  'f:i': { 'i32.trunc_f32_s': 0xa8, 'i32.reinterpret_f32': 0xbc, 'i32.trunc_sat_f32_s': 0xfc000 },
  'i:v': { 'i32x4.splat': 0xfd011 },
  'f:v': { 'f32x4.splat': 0xfd013 },
  'd:v': { 'f64x2.splat': 0xfd014 },
  'v:i': { 'v128.any_true': 0xfd053, 'i32x4.all_true': 0xfd0a3, 'i32x4.bitmask': 0xfd0a4 },
  'v:v': {
    'v128.not': 0xfd04d, 'f32x4.ceil': 0xfd067, 'f32x4.floor': 0xfd068, 'f32x4.trunc': 0xfd069, 'f32x4.nearest': 0xfd06a,
    'f32x4.abs': 0xfd0e0, 'f32x4.neg': 0xfd0e1, 'f32x4.sqrt': 0xfd0e3, 'i32x4.abs': 0xfd0a0, 'i32x4.neg': 0xfd0a1,
    'f64x2.abs': 0xfd0ec, 'f64x2.neg': 0xfd0ed, 'f64x2.sqrt': 0xfd0ef, 'f32x4.demote_f64x2_zero': 0xfd05e,
    'f64x2.promote_low_f32x4': 0xfd05f, 'i32x4.trunc_sat_f32x4_s': 0xfd0f8, 'i32x4.trunc_sat_f32x4_u': 0xfd0f9,
    'f32x4.convert_i32x4_s': 0xfd0fa, 'f32x4.convert_i32x4_u': 0xfd0fb,
    'f64x2.nearest': 0xfd094, 'f64x2.floor': 0xfd075, 'f64x2.convert_low_i32x4_s': 0xfd0fe,
    'i32x4.trunc_sat_f64x2_s_zero': 0xfd0fc,
    'i32x4.extend_low_i16x8_u': 0xfd0a9, 'i16x8.extend_low_i8x16_u': 0xfd089,
  },
  'vi:v': { 'i32x4.shl': 0xfd0ab, 'i32x4.shr_s': 0xfd0ac, 'i32x4.shr_u': 0xfd0ad, 'i64x2.shl': 0xfd0cb, 'i64x2.shr_u': 0xfd0cd },
  'vv:v': {
    'i8x16.swizzle': 0xfd00e, 'v128.and': 0xfd04e, 'v128.andnot': 0xfd04f, 'v128.or': 0xfd050, 'v128.xor': 0xfd051,
    'i32x4.eq': 0xfd037, 'i32x4.ne': 0xfd038, 'i32x4.lt_s': 0xfd039, 'i32x4.lt_u': 0xfd03a, 'i32x4.gt_s': 0xfd03b,
    'i32x4.gt_u': 0xfd03c, 'i32x4.le_s': 0xfd03d, 'i32x4.ge_s': 0xfd03f,
    'f32x4.eq': 0xfd041, 'f32x4.ne': 0xfd042, 'f32x4.lt': 0xfd043, 'f32x4.gt': 0xfd044, 'f32x4.le': 0xfd045,
    'f32x4.ge': 0xfd046, 'f64x2.eq': 0xfd047, 'f64x2.ne': 0xfd048, 'f64x2.lt': 0xfd049, 'f64x2.gt': 0xfd04a,
    'f64x2.le': 0xfd04b, 'f64x2.ge': 0xfd04c,
    'i8x16.narrow_i16x8_u': 0xfd066, 'i16x8.narrow_i32x4_u': 0xfd086,
    'i64x2.add': 0xfd0ce, 'i64x2.sub': 0xfd0d1, 'i64x2.extmul_low_i32x4_u': 0xfd0de, 'i64x2.extmul_high_i32x4_u': 0xfd0df,
    'i32x4.add': 0xfd0ae, 'i32x4.sub': 0xfd0b1, 'i32x4.mul': 0xfd0b5, 'i32x4.min_s': 0xfd0b6, 'i32x4.max_s': 0xfd0b8,
    'f32x4.add': 0xfd0e4, 'f32x4.sub': 0xfd0e5, 'f32x4.mul': 0xfd0e6, 'f32x4.div': 0xfd0e7, 'f32x4.min': 0xfd0e8,
    'f32x4.max': 0xfd0e9, 'f32x4.pmin': 0xfd0ea, 'f32x4.pmax': 0xfd0eb,
    'f64x2.add': 0xfd0f0, 'f64x2.sub': 0xfd0f1, 'f64x2.mul': 0xfd0f2, 'f64x2.div': 0xfd0f3, 'f64x2.min': 0xfd0f4,
    'f64x2.max': 0xfd0f5, 'f64x2.pmin': 0xfd0f6, 'f64x2.pmax': 0xfd0f7,
  },
  'vvv:v': {
    'v128.bitselect': 0xfd052, 'f32x4.relaxed_madd': 0xfd105, 'f32x4.relaxed_nmadd': 0xfd106, 'f64x2.relaxed_madd': 0xfd107,
    'f64x2.relaxed_nmadd': 0xfd108, 'i32x4.relaxed_laneselect': 0xfd10b,
  },
} as const;

/** Instructions with a lane index. */
// biome-ignore format: a table
export const LANE = {
  'v:i': { 'i32x4.extract_lane': 0xfd01b },
  'v:f': { 'f32x4.extract_lane': 0xfd01f },
  'v:d': { 'f64x2.extract_lane': 0xfd021 },
  'vi:v': { 'i32x4.replace_lane': 0xfd01c },
  'vf:v': { 'f32x4.replace_lane': 0xfd020 },
  'vd:v': { 'f64x2.replace_lane': 0xfd022 },
} as const;

/** Instructions with a memory argument; the first operand is the address, in bytes. */
// biome-ignore format: a table
export const MEMORY = {
  'i:i': { 'i32.load': 0x28, 'i32.load8_u': 0x2d, 'i32.atomic.load': 0xfe010 },
  'i:f': { 'f32.load': 0x2a },
  'i:d': { 'f64.load': 0x2b },
  'i:v': {
    'v128.load': 0xfd000, 'v128.load32_splat': 0xfd009, 'v128.load64_splat': 0xfd00a, 'v128.load32_zero': 0xfd05c,
    'v128.load64_zero': 0xfd05d,
  },
  'ii:': { 'i32.store': 0x36, 'i32.store8': 0x3a, 'i32.atomic.store': 0xfe017 },
  'if:': { 'f32.store': 0x38 },
  'id:': { 'f64.store': 0x39 },
  'iv:': { 'v128.store': 0xfd00b },
  'ii:i': {
    'memory.atomic.notify': 0xfe000, 'i32.atomic.rmw.add': 0xfe01e, 'i32.atomic.rmw.sub': 0xfe025, 'i32.atomic.rmw.and': 0xfe02c,
    'i32.atomic.rmw.or': 0xfe033, 'i32.atomic.rmw.xchg': 0xfe041,
  },
  'iii:i': { 'i32.atomic.rmw.cmpxchg': 0xfe048 },
  'iil:i': { 'memory.atomic.wait32': 0xfe001 },
} as const;

/** Instructions with a memory argument and a lane index. */
// biome-ignore format: a table
export const MEMORY_LANE = {
  'iv:v': { 'v128.load32_lane': 0xfd056, 'v128.load64_lane': 0xfd057 },
  'iv:': { 'v128.store8_lane': 0xfd058, 'v128.store32_lane': 0xfd05a, 'v128.store64_lane': 0xfd05b },
} as const;

/** Base-2 logarithm of the natural alignment in bytes, which is what the memory argument states. */
export function naturalAlignment(name: string): number {
  if (name.includes('8_u') || name.includes('store8')) return 0;
  if (name.includes('32')) return 2;
  if (name.includes('64')) return 3;
  return name.startsWith('v128') ? 4 : 2;
}
