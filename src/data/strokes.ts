import type { Knot, Stroke } from './pen.ts';
import type { Stream } from './stream.ts';

/**
 * How people write the ten digits: for each, a few habits (one pen stroke or two, open or closed, with or without a
 * flag, a bar, a loop or a foot), each a list of points to pass through with ranges instead of numbers.
 * The box is about 0 to 1 both ways, y down; width, slant, bend and thickness come later (`digits.ts`).
 */
export function digitStrokes(digit: number, chance: Stream): Stroke[] {
  const write = WRITERS[digit] as (chance: Stream) => Stroke[];
  const shake = chance.between(0.01, 0.035);
  return write(chance).map((stroke) => stroke.map((knot) => shaken(knot, shake, chance)));
}

const shaken = ([x, y, corner]: Knot, spread: number, chance: Stream): Knot => [
  x + chance.normal(spread),
  y + chance.normal(spread),
  corner ?? false,
];

const WRITERS: readonly ((chance: Stream) => Stroke[])[] = [zero, one, two, three, four, five, six, seven, eight, nine];

/** cos and sin of every 30 degrees, written out: the last bit of Math.cos is not the same in every engine. */
const HALF_SQRT_3 = Math.sqrt(3) / 2;
const CLOCK: readonly (readonly [number, number])[] = [
  [0, -1],
  [0.5, -HALF_SQRT_3],
  [HALF_SQRT_3, -0.5],
  [1, 0],
  [HALF_SQRT_3, 0.5],
  [0.5, HALF_SQRT_3],
  [0, 1],
  [-0.5, HALF_SQRT_3],
  [-HALF_SQRT_3, 0.5],
  [-1, 0],
  [-HALF_SQRT_3, -0.5],
  [-0.5, -HALF_SQRT_3],
];

/** Part of an ellipse by the hours of a clock, counter-clockwise: from 12 over 9 and 6 back is `turn(…, 0, 12)`. */
function turn(cx: number, cy: number, rx: number, ry: number, fromHour: number, hours: number): Knot[] {
  return Array.from({ length: hours + 1 }, (_, i): Knot => {
    const [x, y] = CLOCK[(((fromHour - i) % 12) + 12) % 12] as readonly [number, number];
    return [cx + rx * x, cy + ry * y];
  });
}

function zero(c: Stream): Stroke[] {
  const start = Math.floor(c.between(-2, 3));
  const width = c.between(0.24, 0.5);
  const hours = c.chance(0.2) ? 11 : c.chance(0.3) ? 13 : 12;
  const ring = turn(0.5, 0.5, width, 0.5, start, hours);
  const mirrored = c.chance(0.15);
  const open = hours === 12 ? 0 : c.between(-0.05, 0.08);
  const points = ring.map(([x, y], i): Knot => {
    // The ends of the ring need not meet: drift outwards or inwards along the way.
    const drift = (open * i) / hours;
    return [mirrored ? 1 - x + drift : x + drift, y - drift / 2];
  });
  if (hours === 12) points[12] = [...(points[0] as Knot)] as unknown as Knot;
  return [points];
}

function one(c: Stream): Stroke[] {
  const curve = c.normal(0.025);
  const stem: Knot[] = [
    [0.5, 0],
    [0.5 + curve, 0.5],
    [0.5, 1],
  ];
  if (c.chance(0.72)) return [stem];
  const flag: Knot = [c.between(0.22, 0.42), c.between(0.1, 0.3)];
  const flagged: Knot[] = [flag, [0.5, 0, true], ...stem.slice(1)];
  if (c.chance(0.5)) return [flagged];
  const foot = c.between(0.12, 0.32);
  return [
    flagged,
    [
      [0.5 - foot, 1],
      [0.5 + foot * c.between(0.7, 1.2), 1 + c.normal(0.015)],
    ],
  ];
}

function two(c: Stream): Stroke[] {
  const reach = c.between(0.05, 0.2);
  const right = c.between(0.78, 0.95);
  const head: Knot[] = [
    [reach, c.between(0.14, 0.34)],
    [c.between(0.2, 0.32), c.between(0.03, 0.08)],
    [c.between(0.45, 0.6), 0],
    [right, c.between(0.16, 0.28)],
    [c.between(0.66, 0.82), c.between(0.45, 0.55)],
  ];
  if (c.chance(0.2)) head.shift();
  const end: Knot = [c.between(0.9, 1.2), c.between(0.8, 1.02)];
  const habit = c.uniform();
  if (habit < 0.42) {
    // A corner at the foot, then a straight or wavy base.
    const dip = c.normal(0.03);
    return [[...head, [c.between(0.35, 0.5), 0.72], [c.between(0, 0.14), 0.96, true], [0.5, 0.95 + dip], end]];
  }
  if (habit < 0.88) {
    // A loop at the foot: down to the left, around and out through the stem.
    const size = c.between(0.06, 0.16);
    const foot: Knot[] = [
      [c.between(0.36, 0.46), 0.8],
      [0.18, 0.97],
      [0.18 - size, 0.95 - size],
      [0.2, 0.86 - size],
      [c.between(0.42, 0.52), 0.86],
      [c.between(0.68, 0.78), c.between(0.95, 1.02)],
    ];
    return [[...head, ...foot, end]];
  }
  // A round foot, one wave.
  return [[...head, [0.3, 0.78], [0.1, 0.92], [0.28, 0.92], [0.6, 0.98], end]];
}

function three(c: Stream): Stroke[] {
  const waist = c.between(0.4, 0.52);
  const middle: Knot = [c.between(0.25, 0.55), waist, c.chance(0.75)];
  const upper = c.between(0.72, 0.9);
  const lower = c.between(0.8, 1);
  const bowl: Knot[] = [
    [c.between(0.6, 0.72), waist + 0.06],
    [lower, c.between(0.68, 0.78)],
    [c.between(0.55, 0.7), 0.96],
    [c.between(0.3, 0.42), 1],
    [c.between(0, 0.15), c.between(0.82, 0.98)],
  ];
  if (c.chance(0.08)) {
    const flat = c.between(0.0, 0.08);
    return [[[c.between(0.05, 0.15), flat], [c.between(0.75, 0.9), 0, true], middle, ...bowl]];
  }
  const head: Knot[] = [
    [c.between(0.02, 0.2), c.between(0.06, 0.22)],
    [c.between(0.35, 0.52), 0],
    [upper, c.between(0.12, 0.22)],
    [c.between(0.6, 0.72), waist - 0.1],
  ];
  if (c.chance(0.2)) {
    // A small loop at the waist.
    const loop: Knot[] = [
      [0.42, waist],
      [0.32, waist + 0.03],
      [0.4, waist + 0.07],
    ];
    return [[...head, ...loop, ...bowl]];
  }
  return [[...head, middle, ...bowl]];
}

function four(c: Stream): Stroke[] {
  const bar = c.between(0.42, 0.66);
  const stemX = c.between(0.62, 0.82);
  const over = c.between(0.02, 0.28);
  const rise = c.normal(0.05);
  const stemTop = c.between(-0.1, 0.28);
  const lean = c.between(-0.02, 0.1);
  const habit = c.uniform();
  const stem: Stroke = [
    [stemX + lean, stemTop],
    [stemX + c.normal(0.015), 0.55],
    [stemX - lean, 1],
  ];
  if (habit < 0.5) {
    // Open: down, a corner, across; then the stem.
    const left = c.between(0.02, 0.2);
    return [
      [
        [left + c.between(0, 0.2), 0],
        [left + c.between(0, 0.04), bar * 0.6],
        [left - 0.02, bar, true],
        [stemX + over, bar - rise],
      ],
      stem,
    ];
  }
  if (habit < 0.75) {
    // Open and round: a bowl that runs into the stem.
    const left = c.between(0.02, 0.2);
    return [
      [
        [left + c.between(-0.02, 0.14), 0],
        [left, bar * 0.6],
        [left + 0.12, bar],
        [(left + stemX) / 2 + 0.08, bar + c.normal(0.03)],
        [stemX + c.between(-0.02, over), bar - c.between(0, 0.18)],
      ],
      stem,
    ];
  }
  // Closed: from the top down to the left, across; the stem from the same top.
  const top: Knot = [stemX + c.normal(0.03), 0];
  return [
    [
      top,
      [c.between(0.25, 0.42), bar * c.between(0.4, 0.6)],
      [c.between(-0.05, 0.1), bar, true],
      [stemX + over, bar - rise * 0.5],
    ],
    [[top[0] + c.normal(0.02), c.between(-0.02, 0.05)], [stemX, 0.5], [stemX - lean, 1]],
  ];
}

function five(c: Stream): Stroke[] {
  const left = c.between(0.15, 0.38);
  const neck = c.between(0.36, 0.5);
  const bowl: Knot[] = [
    [c.between(0.45, 0.62), neck - c.between(0, 0.06)],
    [c.between(0.78, 0.95), c.between(0.58, 0.72)],
    [c.between(0.5, 0.68), 0.95],
    [c.between(0.22, 0.36), 1],
    [c.between(-0.05, 0.12), c.between(0.82, 0.98)],
  ];
  const end = c.between(0.75, 1.15);
  const slope = c.between(-0.1, 0.05);
  const habit = c.uniform();
  if (habit < 0.4) {
    // Two strokes: the body, then the bar, which may miss its corner.
    const gap = c.between(-0.05, 0.08);
    return [
      [[left, 0.02], [left - 0.05, neck, true], ...bowl],
      [
        [left + gap, c.normal(0.03)],
        [end, slope],
      ],
    ];
  }
  if (habit < 0.8) {
    // One stroke with corners.
    return [[[end, slope], [left, 0, true], [left - c.between(0, 0.1), neck, c.chance(0.7)], ...bowl]];
  }
  // One stroke without corners, nearly an S.
  return [[[end, slope], [(end + left) / 2, 0], [left, 0.08], [left - 0.06, neck * 0.7], [left + 0.06, neck], ...bowl]];
}

function six(c: Stream): Stroke[] {
  const loopTop = c.between(0.45, 0.64);
  const loopRight = c.between(0.6, 0.95);
  const startX = c.between(0.4, 0.95);
  const left = c.between(0, 0.12);
  const curl = c.between(0, 0.1);
  const middle = (left + loopRight) / 2;
  return [
    [
      [startX, curl * c.uniform()],
      [startX * 0.55 + left * 0.45, c.between(0.12, 0.24)],
      [left + c.between(0.02, 0.1), c.between(0.4, 0.52)],
      [left, c.between(0.7, 0.78)],
      [left + (middle - left) * 0.4, 0.95],
      [middle + 0.03, 1],
      [loopRight, (loopTop + 1) / 2 + c.normal(0.03)],
      [middle + 0.06, loopTop],
      [left + c.between(0.08, 0.2), loopTop + c.between(0.08, 0.2)],
      [left + c.between(-0.02, 0.12), c.between(0.78, 0.88)],
    ],
  ];
}

function seven(c: Stream): Stroke[] {
  const right = c.between(0.75, 0.95);
  const foot = c.between(0.22, 0.6);
  const round = c.chance(0.25);
  const bar: Knot[] = [
    [c.between(0, 0.12), c.between(0.04, 0.14)],
    [0.45, c.between(0, 0.1)],
  ];
  if (c.chance(0.25)) bar.unshift([c.between(-0.02, 0.06), c.between(0.16, 0.32), true]);
  if (c.chance(0.2)) bar[0] = [0.02, c.between(0.1, 0.22)];
  const bend = c.between(-0.02, 0.14);
  const corner: Knot[] = round
    ? [
        [right - 0.04, 0.05],
        [right, 0.16],
      ]
    : [[right, c.between(0, 0.1), true]];
  const stem: Knot[] = [
    [(right + foot) / 2 - bend, 0.48],
    [foot, 1],
  ];
  const strokes: Stroke[] = [[...bar, ...corner, ...stem]];
  if (c.chance(0.14)) {
    const y = c.between(0.44, 0.58);
    strokes.push([
      [c.between(0.15, 0.35), y + c.normal(0.03)],
      [c.between(0.75, 0.95), y + c.normal(0.03)],
    ]);
  }
  return strokes;
}

function eight(c: Stream): Stroke[] {
  const waist = c.between(0.42, 0.55);
  const upper = c.between(0.22, 0.38);
  const lower = c.between(0.26, 0.46);
  if (c.chance(0.12)) {
    // Two rings, one on the other.
    return [
      turn(0.5, waist / 2, upper, waist / 2 + 0.02, 6, 12),
      turn(0.5, (1 + waist) / 2, lower, (1 - waist) / 2 + 0.02, 0, 12),
    ];
  }
  const shift = c.normal(0.03);
  const start = [0.5 + upper * c.between(0.7, 1.05), c.between(0.04, 0.2)] as const;
  const end: Knot = [start[0] + c.between(-0.12, 0.06), start[1] + c.between(-0.1, 0.1)];
  return [
    [
      [start[0], start[1]],
      [0.5 + shift, 0],
      [0.5 - upper, waist * 0.45],
      [0.5 - upper * 0.5, waist * 0.78],
      [0.5 + shift, waist],
      [0.5 + lower * 0.75, (1 + waist) / 2 - 0.12],
      [0.5 + lower, (1 + waist) / 2 + 0.06],
      [0.5 + shift, 1],
      [0.5 - lower, (1 + waist) / 2 + 0.06],
      [0.5 - lower * 0.7, (1 + waist) / 2 - 0.12],
      [0.5 + shift, waist + c.normal(0.02)],
      [0.5 + upper * 0.75, waist * 0.68],
      end,
    ],
  ];
}

function nine(c: Stream): Stroke[] {
  const loopBottom = c.between(0.4, 0.56);
  const right = c.between(0.75, 0.9);
  const left = c.between(0.02, 0.16);
  const middle = (left + right) / 2;
  const openTop = c.chance(0.15) ? c.between(0.05, 0.2) : 0;
  const loop: Knot[] = [
    [right - 0.02, c.between(0.08, 0.2)],
    [middle + 0.08, openTop > 0 ? 0.02 : 0],
    [left + 0.06, 0.12],
    [left, loopBottom * 0.65],
    [middle - 0.04, loopBottom],
    [right - 0.06, loopBottom * c.between(0.65, 0.8)],
  ];
  const join: Knot = [right + c.normal(0.02), c.between(0.04, 0.14), true];
  const foot = c.between(0.35, 0.85);
  const habit = c.uniform();
  if (habit < 0.55) {
    // Straight tail after a corner.
    return [[...loop, join, [(right + foot) / 2 + c.between(0, 0.08), 0.5], [foot, 1]]];
  }
  if (habit < 0.75) {
    // Curved tail, as a hook.
    const hook: Knot[] = [
      [right, 0.55],
      [right - 0.08, 0.85],
      [c.between(0.42, 0.55), 1],
      [c.between(0.05, 0.25), c.between(0.85, 0.97)],
    ];
    return [[...loop, join, ...hook]];
  }
  // One turn without a corner: the loop closes onto the tail.
  const smooth: Knot[] = [
    [right + 0.02, c.between(0.16, 0.24)],
    [(right * 2 + foot) / 3 + 0.02, 0.55],
    [foot, 1],
  ];
  return [[...loop, ...smooth]];
}
