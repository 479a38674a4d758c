//! Which blocks around a macroblock have levels: likelihoods go by it.

/// Of the macroblock above or on the left, the blocks next to this one that have levels that are not zero.
#[derive(Clone, Copy, Default)]
pub(crate) struct Filled {
    pub(crate) luma: [bool; 4],
    /// U, then V.
    pub(crate) chroma: [[bool; 2]; 2],
    pub(crate) second: bool,
}

impl Filled {
    /// Of a macroblock without levels. A second-order block is only had by those that are predicted as a whole.
    pub(crate) fn clear(&mut self, whole: bool) {
        let second = self.second && !whole;
        *self = Self { second, ..Self::default() };
    }
}
