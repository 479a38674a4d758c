//! Huffman tables made for one picture: the procedure of ITU-T T.81, annex K.2.

/// Lengths of codes, by symbol, are at most this.
const LONGEST: usize = 16;

/// How often each symbol occurs.
#[derive(Clone)]
pub(super) struct Histogram([u32; 256]);

/// A table as the file lists it, and the codes.
pub(super) struct Table {
    /// How many codes there are of each length, from one bit on.
    pub(super) counts: [u8; LONGEST],
    /// In the order of their codes.
    pub(super) symbols: Vec<u8>,
    /// Code and length of each symbol.
    codes: [(u16, u8); 256],
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self([0; 256])
    }

    pub(super) fn count(&mut self, symbol: u8) {
        self.0[usize::from(symbol)] += 1;
    }

    /// The best table whose codes are at most 16 bits long, none of them all ones.
    pub(super) fn table(&self) -> Table {
        let mut per_length = self.lengths();
        limit(&mut per_length);
        // The longest code is given to nobody: it would be all ones.
        if let Some(last) = per_length.iter().rposition(|&n| n > 0) {
            per_length[last] -= 1;
        }
        let mut symbols: Vec<u8> = (0..=255).filter(|&s| self.0[usize::from(s)] > 0).collect();
        symbols.sort_by_key(|&s| std::cmp::Reverse(self.0[usize::from(s)]));
        let mut counts = [0; LONGEST];
        for (count, n) in counts.iter_mut().zip(&per_length[1..]) {
            *count = u8::try_from(*n).unwrap_or(u8::MAX);
        }
        let mut codes = [(0, 0); 256];
        let (mut code, mut next) = (0_u16, symbols.iter());
        for (length, &count) in (1..).zip(&counts) {
            for symbol in next.by_ref().take(usize::from(count)) {
                codes[usize::from(*symbol)] = (code, length);
                code += 1;
            }
            code <<= 1;
        }
        Table { counts, symbols, codes }
    }

    /// How many codes Huffman's tree has of each length, one symbol that never occurs included.
    fn lengths(&self) -> [u32; 257] {
        let mut weight: Vec<u64> = self.0.iter().map(|&n| u64::from(n)).collect();
        weight.push(1);
        // Leaves that share a tree are chained.
        let mut chain = [None; 257];
        let mut length = [0_usize; 257];
        loop {
            let mut least = (0..257).filter(|&i| weight[i] > 0).collect::<Vec<_>>();
            if least.len() < 2 {
                break;
            }
            // Of equal weights the higher symbol goes first, so that the one that never occurs gets the longest code.
            least.sort_by_key(|&i| (weight[i], std::cmp::Reverse(i)));
            let (a, b) = (least[0], least[1]);
            weight[a] += weight[b];
            weight[b] = 0;
            let mut at = a;
            length[at] += 1;
            while let Some(next) = chain[at] {
                at = next;
                length[at] += 1;
            }
            chain[at] = Some(b);
            let mut at = Some(b);
            while let Some(leaf) = at {
                length[leaf] += 1;
                at = chain[leaf];
            }
        }
        let mut per_length = [0; 257];
        for leaf in length {
            per_length[leaf] += u32::from(leaf > 0);
        }
        per_length
    }
}

/// Shortens codes of more than 16 bits: a pair of them loses a bit, and a shorter code is split for the one left over.
fn limit(per_length: &mut [u32; 257]) {
    for length in (LONGEST + 1..257).rev() {
        while per_length[length] > 0 {
            let Some(shorter) = (1..length - 1).rev().find(|&l| per_length[l] > 0) else { return };
            per_length[length] -= 2;
            per_length[length - 1] += 1;
            per_length[shorter + 1] += 2;
            per_length[shorter] -= 1;
        }
    }
}

impl Table {
    /// Code and length; a length of 0 is a symbol that does not occur.
    pub(super) fn code(&self, symbol: u8) -> (u16, u8) {
        self.codes[usize::from(symbol)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(counts: &[u32]) -> Table {
        let mut histogram = Histogram::new();
        histogram.0[..counts.len()].copy_from_slice(counts);
        let table = histogram.table();
        let used: Vec<u8> = (0..=255).filter(|&s| histogram.0[usize::from(s)] > 0).collect();
        let mut listed = table.symbols.clone();
        listed.sort_unstable();
        assert_eq!(listed, used);
        assert_eq!(table.counts.iter().map(|&n| usize::from(n)).sum::<usize>(), used.len());
        let codes: Vec<(u16, u8)> = used.iter().map(|&s| table.code(s)).collect();
        for (i, &(code, length)) in codes.iter().enumerate() {
            assert!((1..=16).contains(&length));
            assert!(u32::from(code) + 1 < 1 << length, "all ones");
            for &(other, longer) in &codes[i + 1..] {
                let shift = longer.abs_diff(length);
                let prefix = if longer >= length { other >> shift == code } else { code >> shift == other };
                assert!(!prefix, "one code begins another");
            }
        }
        table
    }

    #[test]
    fn frequent_symbols_get_short_codes() {
        let table = check(&[1000, 10, 10, 1, 500]);
        assert_eq!([0, 4, 1].map(|s| table.code(s).1), [1, 2, 3]);
        check(&[5]);
        assert!(check(&[]).symbols.is_empty());
    }

    #[test]
    fn codes_stay_within_16_bits_however_uneven_the_counts() {
        let mut fibonacci = vec![1_u32, 1];
        while fibonacci.len() < 40 {
            fibonacci.push(fibonacci[fibonacci.len() - 1] + fibonacci[fibonacci.len() - 2]);
        }
        check(&fibonacci);
        check(&[1; 256]);
    }

    proptest! {
        #[test]
        fn any_counts_make_a_prefix_code(counts in proptest::collection::vec(0_u32..100_000, 0..256)) {
            check(&counts);
        }
    }
}
