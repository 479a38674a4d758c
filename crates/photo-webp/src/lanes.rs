//! Interleaving of vectors, which `wide` does not have for lanes of 16 bits.

use wide::i16x8;

#[cfg(target_arch = "x86_64")]
mod native {
    use bytemuck::cast;
    use safe_arch as x86;
    use wide::i16x8;

    /// The lower lanes of both, by turns.
    #[inline(always)]
    pub(crate) fn low(a: i16x8, b: i16x8) -> i16x8 {
        cast(x86::unpack_low_i16_m128i(cast(a), cast(b)))
    }

    /// The upper lanes of both, by turns.
    #[inline(always)]
    pub(crate) fn high(a: i16x8, b: i16x8) -> i16x8 {
        cast(x86::unpack_high_i16_m128i(cast(a), cast(b)))
    }

    /// The lower halves of both.
    #[inline(always)]
    pub(crate) fn low_halves(a: i16x8, b: i16x8) -> i16x8 {
        cast(x86::unpack_low_i64_m128i(cast(a), cast(b)))
    }

    /// The upper halves of both.
    #[inline(always)]
    pub(crate) fn high_halves(a: i16x8, b: i16x8) -> i16x8 {
        cast(x86::unpack_high_i64_m128i(cast(a), cast(b)))
    }
}

/// The same for every machine; here only compared with.
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use wide::i16x8;

    #[inline(always)]
    pub(crate) fn low(a: i16x8, b: i16x8) -> i16x8 {
        let (a, b) = (a.to_array(), b.to_array());
        i16x8::new([a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3]])
    }

    #[inline(always)]
    pub(crate) fn high(a: i16x8, b: i16x8) -> i16x8 {
        let (a, b) = (a.to_array(), b.to_array());
        i16x8::new([a[4], b[4], a[5], b[5], a[6], b[6], a[7], b[7]])
    }

    #[inline(always)]
    pub(crate) fn low_halves(a: i16x8, b: i16x8) -> i16x8 {
        let (a, b) = (a.to_array(), b.to_array());
        i16x8::new([a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]])
    }

    #[inline(always)]
    pub(crate) fn high_halves(a: i16x8, b: i16x8) -> i16x8 {
        let (a, b) = (a.to_array(), b.to_array());
        i16x8::new([a[4], a[5], a[6], a[7], b[4], b[5], b[6], b[7]])
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use native::{high, high_halves, low, low_halves};
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use portable::{high, high_halves, low, low_halves};

/// The upper half first.
#[inline(always)]
pub(crate) fn swapped(a: i16x8) -> i16x8 {
    let [low, high]: [u64; 2] = bytemuck::cast(a);
    bytemuck::cast([high, low])
}

/// Two blocks a vector and a row of each, in the order of blocks, become four vectors: pixel 0 of all eight blocks, and so on.
#[inline(always)]
pub(crate) fn to_blocks(rows: [i16x8; 4]) -> [i16x8; 4] {
    let [a, b, c, d] = rows;
    let (even_ab, odd_ab, even_cd, odd_cd) = (low(a, b), high(a, b), low(c, d), high(c, d));
    let (ab01, ab23) = (low(even_ab, odd_ab), high(even_ab, odd_ab));
    let (cd01, cd23) = (low(even_cd, odd_cd), high(even_cd, odd_cd));
    [low_halves(ab01, cd01), high_halves(ab01, cd01), low_halves(ab23, cd23), high_halves(ab23, cd23)]
}

/// Undoes [`to_blocks`].
#[inline(always)]
pub(crate) fn to_rows(blocks: [i16x8; 4]) -> [i16x8; 4] {
    let [p0, p1, p2, p3] = blocks;
    // Blocks are in the order 0, 1, 2, 3 of a and b: left, right, left, right.
    let (even, odd) = (low(p0, p2), low(p1, p3));
    let (even_cd, odd_cd) = (high(p0, p2), high(p1, p3));
    [low(even, odd), high(even, odd), low(even_cd, odd_cd), high(even_cd, odd_cd)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_native_and_the_portable_ways_are_the_same() {
        let a = i16x8::new([0, 1, 2, 3, 4, 5, 6, 7]);
        let b = i16x8::new([10, 11, 12, 13, 14, 15, 16, -17]);
        assert_eq!(low(a, b), portable::low(a, b));
        assert_eq!(high(a, b), portable::high(a, b));
        assert_eq!(low_halves(a, b), portable::low_halves(a, b));
        assert_eq!(high_halves(a, b), portable::high_halves(a, b));
        assert_eq!(swapped(a).to_array(), [4, 5, 6, 7, 0, 1, 2, 3]);
    }

    #[test]
    fn rows_become_blocks_and_blocks_become_rows_again() {
        // Block b, pixel p is 10 b + p.
        let row = |b: i16| i16x8::new([0, 1, 2, 3, 10, 11, 12, 13]) + i16x8::splat(10 * b);
        let rows = [row(0), row(2), row(4), row(6)];
        let blocks = to_blocks(rows);
        for (pixel, lanes) in (0_i16..).zip(blocks) {
            assert_eq!(lanes.to_array(), [0, 10, 20, 30, 40, 50, 60, 70].map(|b| b + pixel));
        }
        assert_eq!(to_rows(blocks), rows);
    }
}
