//! Levels of the whole picture, kept until the probabilities they are written with are known.

use crate::cost;
use crate::probabilities::{DEFAULT, KEPT};
use crate::quantize::{Levels, used};
use crate::writer::{Bits, BoolWriter, EVEN};

/// By what a block holds, by band, by how large the coefficient before was, and by branch of the tree: RFC 6386, 13.3.
pub(crate) type Probabilities = [[[[u8; 11]; 3]; 8]; 4];

/// What a block of coefficients holds: RFC 6386, 13.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plane {
    /// Luma whose first coefficients are in a second-order block.
    LumaWithoutFirst = 0,
    Second = 1,
    Chroma = 2,
    Luma = 3,
}

impl Plane {
    const ALL: [Self; 4] = [Self::LumaWithoutFirst, Self::Second, Self::Chroma, Self::Luma];

    /// The first coefficient that is coded.
    const fn first(self) -> usize {
        matches!(self, Self::LumaWithoutFirst) as usize
    }
}

/// The band of a coefficient.
pub(crate) const BANDS: [u8; 17] = [0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 7];

/// Classes of levels that take different ways through the tree: 0, 1, 2, 3, 4, 5-6, 7-10, 11-18, 19-34, 35-66, more, the end.
const CLASSES: usize = 12;
const END: usize = 11;
/// Levels from here on are of one class.
const LARGE: usize = 67;

const CLASS: [u8; LARGE + 1] = {
    let mut classes = [0; LARGE + 1];
    let mut level = 0;
    while level <= LARGE {
        classes[level] = match level {
            0 => 0,
            1 => 1,
            2 => 2,
            3 => 3,
            4 => 4,
            5..=6 => 5,
            7..=10 => 6,
            11..=18 => 7,
            19..=34 => 8,
            35..=66 => 9,
            _ => 10,
        };
        level += 1;
    }
    classes
};

/// After a zero there is no question whether the block ends: such coefficients are counted apart.
const AFTER_ZERO: usize = 3;
const CONTEXTS: usize = 4;

/// Blocks of levels in the order of the file.
pub(crate) struct Tokens {
    /// A head, then the levels from the first that is coded to the last that is not zero.
    stream: Vec<i16>,
    counts: Box<[[[[u32; CLASSES]; CONTEXTS]; 8]; 4]>,
}

impl Tokens {
    pub(crate) fn with_capacity(levels: usize) -> Self {
        Self { stream: Vec::with_capacity(levels), counts: Box::new([[[[0; CLASSES]; CONTEXTS]; 8]; 4]) }
    }

    /// Adds a block. `before` is how many of the blocks above and on the left have levels that are not zero.
    /// Says whether this one has.
    #[inline(always)]
    pub(crate) fn add(&mut self, plane: Plane, before: u8, levels: &Levels) -> bool {
        let first = plane.first();
        let end = used(levels);
        let counts = &mut self.counts[plane as usize];
        // The head: the plane, the context, the end; each has its bits.
        let mut context = usize::from(before.min(2));
        #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
        let head = ((plane as usize) << 8 | context << 6 | end) as i16;
        self.stream.push(head);
        if end <= first {
            counts[first][context][END] += 1;
            return false;
        }
        let start = self.stream.len();
        self.stream.extend_from_slice(levels);
        if first == 1 {
            self.stream.copy_within(start + 1.., start);
        }
        self.stream.truncate(start + end - first);
        for n in first..end {
            let amount = usize::from(levels[n & 15].unsigned_abs()).min(LARGE);
            counts[usize::from(BANDS[n & 15]) & 7][context][usize::from(CLASS[amount])] += 1;
            context = if amount == 0 { AFTER_ZERO } else { amount.min(2) };
        }
        if end < 16 {
            counts[usize::from(BANDS[end & 15]) & 7][context & 3][END] += 1;
        }
        true
    }

    /// The probabilities that make the file smallest.
    pub(crate) fn probabilities(&self) -> Box<Probabilities> {
        let mut probabilities = Box::new(DEFAULT);
        for plane in 0..4 {
            for band in 0..8 {
                for context in 0..3 {
                    let counts = &self.counts[plane][band];
                    let branches = branches(
                        &counts[context],
                        if context == 0 { &counts[AFTER_ZERO] } else { &[0; CLASSES] },
                    );
                    for (branch, (no, yes)) in branches.into_iter().enumerate() {
                        let kept = KEPT[plane][band][context][branch];
                        let probability = &mut probabilities[plane][band][context][branch];
                        let better = likelihood(no, yes);
                        let bits = |p: u8| {
                            no * u64::from(cost::of_bit(false, p)) + yes * u64::from(cost::of_bit(true, p))
                        };
                        let old = bits(*probability) + u64::from(cost::of_bit(false, kept));
                        let new = bits(better) + u64::from(cost::of_bit(true, kept)) + 8 * 256;
                        if new < old {
                            *probability = better;
                        }
                    }
                }
            }
        }
        probabilities
    }

    /// Writes all blocks.
    pub(crate) fn write(&self, probabilities: &Probabilities, writer: &mut BoolWriter) {
        let mut stream = self.stream.as_slice();
        while let Some((&head, rest)) = stream.split_first() {
            let head = usize::from(head.unsigned_abs());
            let plane = (head >> 8) & 3;
            let (context, end, first) = ((head >> 6) & 3, head & 63, Plane::ALL[plane].first());
            let Some((levels, rest)) = rest.split_at_checked(end.saturating_sub(first)) else { return };
            write_block(&probabilities[plane], context, first, levels, writer);
            stream = rest;
        }
    }
}

/// How often each branch of the tree was not taken, and was.
fn branches(counts: &[u32; CLASSES], after_zero: &[u32; CLASSES]) -> [(u64, u64); 11] {
    let sum = |classes: std::ops::RangeInclusive<usize>| {
        classes.map(|class| u64::from(counts[class]) + u64::from(after_zero[class])).sum::<u64>()
    };
    let not_ended = counts[..END].iter().map(|&count| u64::from(count)).sum();
    [
        (u64::from(counts[END]), not_ended),
        (sum(0..=0), sum(1..=10)),
        (sum(1..=1), sum(2..=10)),
        (sum(2..=4), sum(5..=10)),
        (sum(2..=2), sum(3..=4)),
        (sum(3..=3), sum(4..=4)),
        (sum(5..=6), sum(7..=10)),
        (sum(5..=5), sum(6..=6)),
        (sum(7..=8), sum(9..=10)),
        (sum(7..=7), sum(8..=8)),
        (sum(9..=9), sum(10..=10)),
    ]
}

/// How likely false is, in 1/256, at least 1.
pub(crate) fn likelihood(no: u64, yes: u64) -> u8 {
    if yes == 0 {
        return 255;
    }
    u8::try_from((255 - yes * 255 / (no + yes)).max(1)).unwrap_or(255)
}

/// The bits after the tree of the largest classes: RFC 6386, 13.2.
pub(crate) const EXTRA: [(u32, &[u8]); 4] = [
    (11, &[173, 148, 140]),
    (19, &[176, 155, 140, 135]),
    (35, &[180, 157, 141, 134, 130]),
    (67, &[254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129]),
];

/// One block, from the coefficient `first` on; the last level is not zero.
#[inline(always)]
fn write_block(
    probabilities: &[[[u8; 11]; 3]; 8],
    context: usize,
    first: usize,
    levels: &[i16],
    writer: &mut BoolWriter,
) {
    let mut n = first;
    let mut p = &probabilities[first & 7][context.min(2)];
    writer.put(!levels.is_empty(), p[0]);
    for (i, &level) in levels.iter().enumerate() {
        n += 1;
        let next = &probabilities[usize::from(BANDS[n & 15]) & 7];
        write_level(p, level, writer);
        p = &next[usize::from(level.unsigned_abs().min(2))];
        if level != 0 && n < 16 {
            writer.put(i + 1 < levels.len(), p[0]);
        }
    }
}

/// One level, after the question whether the block ends.
#[inline(always)]
pub(crate) fn write_level(p: &[u8; 11], level: i16, writer: &mut impl Bits) {
    let amount = u32::from(level.unsigned_abs());
    writer.put(amount != 0, p[1]);
    if amount == 0 {
        return;
    }
    writer.put(amount > 1, p[2]);
    if amount > 1 {
        write_large(p, amount, writer);
    }
    writer.put(level < 0, EVEN);
}

/// An amount of 2 or more.
fn write_large(p: &[u8; 11], amount: u32, writer: &mut impl Bits) {
    writer.put(amount > 4, p[3]);
    if amount <= 4 {
        writer.put(amount != 2, p[4]);
        if amount != 2 {
            writer.put(amount == 4, p[5]);
        }
        return;
    }
    writer.put(amount > 10, p[6]);
    if amount <= 10 {
        writer.put(amount > 6, p[7]);
        if amount <= 6 {
            writer.put(amount == 6, 159);
        } else {
            writer.put(amount >= 9, 165);
            writer.put(amount.is_multiple_of(2), 145);
        }
        return;
    }
    let category = usize::from(amount >= 19) + usize::from(amount >= 35) + usize::from(amount >= 67);
    writer.put(category >= 2, p[8]);
    writer.put(category & 1 != 0, if category >= 2 { p[10] } else { p[9] });
    let (least, extra) = EXTRA[category];
    let above = amount - least;
    for (&probability, shift) in extra.iter().zip((0..extra.len()).rev()) {
        writer.put((above >> shift) & 1 != 0, probability);
    }
}
