import type { Generator } from '../tensor/random.ts';
import type { Knot, Stroke } from './pen.ts';

/**
 * How people write the ten digits: for each, a few habits (one pen stroke or two, open or closed, with or without a
 * flag, a bar, a loop or a foot), each a list of points to pass through with ranges instead of numbers.
 * The box is about 0 to 1 both ways, y down; width, slant, bend and thickness come later (`digits.ts`).
 */
export function digitStrokes(digit: number, chance: Generator): Stroke[] {
  const write = WRITERS[digit] as (chance: Generator) => Stroke[];
  const shake = chance.uniform(0.005, 0.04);
  return write(chance).map((stroke) => stroke.map((knot) => shaken(knot, shake, chance)));
}

const shaken = ([x, y, corner]: Knot, spread: number, chance: Generator): Knot => [
  x + chance.normal(0, spread),
  y + chance.normal(0, spread),
  corner ?? false,
];

const WRITERS: readonly ((chance: Generator) => Stroke[])[] = [
  zero,
  one,
  two,
  three,
  four,
  five,
  six,
  seven,
  eight,
  nine,
];

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

function zero(c: Generator): Stroke[] {
  const start = Math.floor(c.uniform(-2, 3));
  const width = c.uniform(0.22, 0.62);
  const hours = c.uniform() < 0.5 ? 12 : c.uniform() < 0.3 ? 11 : c.uniform() < 0.6 ? 13 : 14;
  const mirrored = c.uniform() < 0.12;
  // The ends of the ring need not meet: it drifts along the way, and may begin inside itself.
  const [driftX, driftY] = hours === 12 && c.uniform() < 0.6 ? [0, 0] : [c.normal(0, 0.1), c.normal(0, 0.07)];
  const ring = turn(0.5, 0.5, width, 0.5, start, hours).map(([x, y], i): Knot => {
    const along = i / hours;
    return [(mirrored ? 1 - x : x) + driftX * along, y + driftY * along];
  });
  if (hours > 11 && c.uniform() < 0.15) ring.unshift([0.5 + c.normal(0, 0.12), c.uniform(0.08, 0.25)]);
  return [ring];
}

function one(c: Generator): Stroke[] {
  const curve = c.normal(0, 0.025);
  const stem: Knot[] = [
    [0.5, 0],
    [0.5 + curve, 0.5],
    [0.5, 1],
  ];
  if (c.uniform() < 0.72) return [stem];
  const flag: Knot = [c.uniform(0.22, 0.42), c.uniform(0.1, 0.3)];
  const flagged: Knot[] = [flag, [0.5, 0, true], ...stem.slice(1)];
  if (c.uniform() < 0.5) return [flagged];
  const foot = c.uniform(0.12, 0.32);
  return [
    flagged,
    [
      [0.5 - foot, 1],
      [0.5 + foot * c.uniform(0.7, 1.2), 1 + c.normal(0, 0.015)],
    ],
  ];
}

function two(c: Generator): Stroke[] {
  const reach = c.uniform(0.05, 0.2);
  const right = c.uniform(0.78, 0.95);
  const head: Knot[] = [
    [reach, c.uniform(0.14, 0.34)],
    [c.uniform(0.2, 0.32), c.uniform(0.03, 0.08)],
    [c.uniform(0.45, 0.6), 0],
    [right, c.uniform(0.16, 0.28)],
    [c.uniform(0.66, 0.82), c.uniform(0.45, 0.55)],
  ];
  if (c.uniform() < 0.2) head.shift();
  const end: [number, number] = [c.uniform(0.65, 1.25), c.uniform(0.8, 1.02)];
  const habit = c.uniform();
  if (habit < 0.42) {
    // A corner at the foot, then a straight or wavy base.
    const dip = c.normal(0, 0.03);
    return [[...head, [c.uniform(0.35, 0.5), 0.72], [c.uniform(0, 0.14), 0.96, true], [0.5, 0.95 + dip], end]];
  }
  if (habit < 0.88) {
    // A loop at the foot: down to the left, around and out through the stem.
    const left = c.uniform(-0.12, 0.12);
    const height = c.uniform(0.06, 0.28);
    const base = c.uniform(0.86, 1);
    const foot: Knot[] = [
      [c.uniform(0.36, 0.5), c.uniform(0.68, 0.8)],
      [left + c.uniform(0.14, 0.22), base],
      [left, base - height * 0.4],
      [left + c.uniform(0.14, 0.24), base - height],
      [c.uniform(0.38, 0.52), base - height * c.uniform(0.1, 0.5)],
      [c.uniform(0.64, 0.78), base + c.normal(0, 0.03)],
    ];
    end[1] = base - c.uniform(-0.06, 0.25);
    return [[...head, ...foot, end]];
  }
  // A round foot, one wave.
  return [[...head, [0.3, 0.78], [0.1, 0.92], [0.28, 0.92], [0.6, 0.98], end]];
}

function three(c: Generator): Stroke[] {
  const waist = c.uniform(0.4, 0.52);
  const middle: Knot = [c.uniform(0.25, 0.55), waist, c.uniform() < 0.75];
  const upper = c.uniform(0.72, 0.9);
  const lower = c.uniform(0.8, 1);
  const bowl: Knot[] = [
    [c.uniform(0.6, 0.72), waist + 0.06],
    [lower, c.uniform(0.68, 0.78)],
    [c.uniform(0.55, 0.7), 0.96],
    [c.uniform(0.3, 0.42), 1],
    [c.uniform(0, 0.15), c.uniform(0.82, 0.98)],
  ];
  if (c.uniform() < 0.08) {
    const flat = c.uniform(0.0, 0.08);
    return [[[c.uniform(0.05, 0.15), flat], [c.uniform(0.75, 0.9), 0, true], middle, ...bowl]];
  }
  const head: Knot[] = [
    [c.uniform(0.02, 0.2), c.uniform(0.06, 0.22)],
    [c.uniform(0.35, 0.52), 0],
    [upper, c.uniform(0.12, 0.22)],
    [c.uniform(0.6, 0.72), waist - 0.1],
  ];
  if (c.uniform() < 0.2) {
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

function four(c: Generator): Stroke[] {
  const bar = c.uniform(0.42, 0.66);
  const stemX = c.uniform(0.62, 0.82);
  const over = c.uniform(0.02, 0.28);
  const rise = c.normal(0, 0.05);
  const stemTop = c.uniform(-0.1, 0.28);
  const lean = c.uniform(-0.02, 0.1);
  const habit = c.uniform();
  const stem: Stroke = [
    [stemX + lean, stemTop],
    [stemX + c.normal(0, 0.015), 0.55],
    [stemX - lean, 1],
  ];
  if (habit < 0.5) {
    // Open: down, a corner, across; then the stem.
    const left = c.uniform(0.02, 0.2);
    return [
      [
        [left + c.uniform(0, 0.2), 0],
        [left + c.uniform(0, 0.04), bar * 0.6],
        [left - 0.02, bar, true],
        [stemX + over, bar - rise],
      ],
      stem,
    ];
  }
  if (habit < 0.75) {
    // Open and round: a bowl that runs into the stem.
    const left = c.uniform(0.02, 0.2);
    return [
      [
        [left + c.uniform(-0.02, 0.14), 0],
        [left, bar * 0.6],
        [left + 0.12, bar],
        [(left + stemX) / 2 + 0.08, bar + c.normal(0, 0.03)],
        [stemX + c.uniform(-0.02, over), bar - c.uniform(0, 0.18)],
      ],
      stem,
    ];
  }
  // Closed: from the top down to the left, across; the stem from the same top.
  const top: Knot = [stemX + c.normal(0, 0.03), 0];
  return [
    [
      top,
      [c.uniform(0.25, 0.42), bar * c.uniform(0.4, 0.6)],
      [c.uniform(-0.05, 0.1), bar, true],
      [stemX + over, bar - rise * 0.5],
    ],
    [
      [top[0] + c.normal(0, 0.02), c.uniform(-0.02, 0.05)],
      [stemX, 0.5],
      [stemX - lean, 1],
    ],
  ];
}

function five(c: Generator): Stroke[] {
  const left = c.uniform(0.15, 0.42);
  const neck = c.uniform(0.32, 0.5);
  const wide = c.uniform(0.66, 0.98);
  const bowl: Knot[] = [
    [left + (wide - left) * c.uniform(0.35, 0.6), neck - c.uniform(-0.03, 0.08)],
    [wide, c.uniform(0.58, 0.74)],
    [wide - c.uniform(0.15, 0.3), 0.95],
    [c.uniform(0.22, 0.36), 1],
    [c.uniform(-0.08, 0.16), c.uniform(0.7, 0.98)],
  ];
  const end = left + c.uniform(0.2, 1);
  const slope = c.uniform(-0.16, 0.06);
  const habit = c.uniform();
  if (habit < 0.4) {
    // Two strokes: the body, then the bar, which may miss its corner.
    const gap = c.uniform(-0.05, 0.08);
    return [
      [[left, 0.02], [left - 0.05, neck, true], ...bowl],
      [
        [left + gap, c.normal(0, 0.03)],
        [end, slope],
      ],
    ];
  }
  if (habit < 0.8) {
    // One stroke with corners.
    return [[[end, slope], [left, 0, true], [left - c.uniform(0, 0.1), neck, c.uniform() < 0.7], ...bowl]];
  }
  // One stroke without corners, nearly an S.
  return [[[end, slope], [(end + left) / 2, 0], [left, 0.08], [left - 0.06, neck * 0.7], [left + 0.06, neck], ...bowl]];
}

function six(c: Generator): Stroke[] {
  const loopTop = c.uniform(0.4, 0.72);
  const left = c.uniform(0, 0.2);
  const loopRight = left + c.uniform(0.35, 0.85);
  const startX = left + c.uniform(0.15, 0.7);
  const curl = c.uniform(0, 0.12);
  const bow = c.uniform(0.4, 0.65);
  const middle = (left + loopRight) / 2;
  return [
    [
      [startX, curl * c.uniform()],
      [startX * (1 - bow) + left * bow, c.uniform(0.14, 0.26)],
      [left + c.uniform(0.0, 0.1), c.uniform(0.4, 0.52)],
      [left, c.uniform(0.68, 0.8)],
      [left + (middle - left) * 0.4, 0.95],
      [middle + 0.03, 1],
      [loopRight, (loopTop + 1) / 2 + c.normal(0, 0.04)],
      [middle + c.uniform(0, 0.12), loopTop],
      [left + c.uniform(0.06, 0.22), loopTop + c.uniform(0.08, 0.2)],
      [left + c.uniform(-0.04, 0.14), c.uniform(0.8, 0.94)],
    ],
  ];
}

function seven(c: Generator): Stroke[] {
  const right = c.uniform(0.65, 0.98);
  const foot = c.uniform(0.15, 0.75);
  const round = c.uniform() < 0.3;
  const bar: Knot[] = [
    [c.uniform(0, 0.12), c.uniform(0.04, 0.14)],
    [0.45, c.uniform(0, 0.1)],
  ];
  if (c.uniform() < 0.25) bar.unshift([c.uniform(-0.02, 0.06), c.uniform(0.16, 0.32), true]);
  if (c.uniform() < 0.25) bar[0] = [c.uniform(0, 0.1), c.uniform(0.12, 0.3)];
  const bend = c.uniform(-0.04, 0.16);
  const corner: Knot[] = round
    ? [
        [right - 0.04, 0.05],
        [right, 0.16],
      ]
    : [[right, c.uniform(0, 0.1), true]];
  const stem: Knot[] = [
    [(right + foot) / 2 - bend, 0.48],
    [foot, 1],
  ];
  const strokes: Stroke[] = [[...bar, ...corner, ...stem]];
  if (c.uniform() < 0.18) {
    const y = c.uniform(0.44, 0.58);
    strokes.push([
      [c.uniform(0.15, 0.35), y + c.normal(0, 0.03)],
      [c.uniform(0.75, 0.95), y + c.normal(0, 0.03)],
    ]);
  }
  return strokes;
}

function eight(c: Generator): Stroke[] {
  const waist = c.uniform(0.34, 0.62);
  const upper = c.uniform(0.1, 0.42);
  const lower = c.uniform(0.16, 0.46);
  if (c.uniform() < 0.12) {
    // Two rings, one on the other.
    return [
      turn(0.5, waist / 2, upper, waist / 2 + 0.02, 6, 12),
      turn(0.5, (1 + waist) / 2, lower, (1 - waist) / 2 + 0.02, 0, 12),
    ];
  }
  const shift = c.normal(0, 0.04);
  const lean = c.normal(0, 0.06);
  const start = [0.5 + upper * c.uniform(0.5, 1.2), c.uniform(0, 0.24)] as const;
  const end: Knot = [start[0] + c.uniform(-0.16, 0.12), start[1] + c.uniform(-0.14, 0.12)];
  const belly = (1 + waist) / 2 + c.uniform(-0.02, 0.1);
  const top = waist * c.uniform(0.3, 0.5);
  const tight = c.uniform(0.3, 0.8);
  const down: Knot[] = [
    [start[0], start[1]],
    [0.5 + shift + lean, 0],
    [0.5 - upper + lean, top],
    [0.5 - upper * 0.5, waist * 0.8],
    [0.5 + shift, waist],
    [0.5 + lower * tight, (waist + belly) / 2],
    [0.5 + lower - lean, belly],
    [0.5 + shift - lean, 1],
    [0.5 - lower - lean, belly],
  ];
  // Back up: through the waist with a bend, or in one straight line.
  const up: Knot[] =
    c.uniform() < 0.35
      ? [[0.5 + c.normal(0, 0.04), waist + c.normal(0, 0.04)]]
      : [
          [0.5 - lower * tight, (waist + belly) / 2],
          [0.5 + shift, waist + c.normal(0, 0.02)],
          [0.5 + upper * 0.75, waist * 0.68],
        ];
  return [[...down, ...up, end]];
}

function nine(c: Generator): Stroke[] {
  const loopBottom = c.uniform(0.36, 0.6);
  const right = c.uniform(0.6, 0.95);
  const left = c.uniform(-0.05, 0.16);
  const middle = (left + right) / 2;
  const start: Knot = [right - c.uniform(-0.02, 0.22), c.uniform(0.0, 0.3)];
  const loop: Knot[] = [
    start,
    [middle + 0.08, c.uniform(0, 0.06)],
    [left + 0.06, c.uniform(0.12, 0.18)],
    [left, loopBottom * c.uniform(0.6, 0.85)],
    [middle - c.uniform(0, 0.14), loopBottom],
    [right - c.uniform(0.04, 0.14), loopBottom * c.uniform(0.6, 0.85)],
  ];
  // Left out, the loop gets a point where it was round.
  if (c.uniform() < 0.35) loop.splice(c.uniform() < 0.5 ? 2 : 1, 1);
  const join: Knot = [right + c.normal(0, 0.03), c.uniform(-0.08, 0.2), true];
  const foot = c.uniform(0.3, 0.9);
  const habit = c.uniform();
  if (habit < 0.5) {
    // Straight tail after a corner.
    return [[...loop, join, [(right + foot) / 2 + c.uniform(-0.02, 0.1), 0.55], [foot, 1]]];
  }
  if (habit < 0.72) {
    // Curved tail, as a hook.
    const hook: Knot[] = [
      [right, 0.55],
      [right - 0.08, 0.85],
      [c.uniform(0.36, 0.55), 1],
      [c.uniform(0, 0.25), c.uniform(0.82, 0.97)],
    ];
    return [[...loop, join, ...hook]];
  }
  // One turn without a corner: the loop closes onto the tail.
  const smooth: Knot[] = [
    [right + 0.02, c.uniform(0.14, 0.26)],
    [(right * 2 + foot) / 3 + 0.02, 0.55],
    [foot, 1],
  ];
  return [[...loop, ...smooth]];
}
