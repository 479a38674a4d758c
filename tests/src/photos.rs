//! The real photos of the imaging crate's test data.

use anyhow::{Context as _, Result};

/// The bytes of one of them.
pub fn photo(name: &str) -> Result<Vec<u8>> {
    let path = crate::stack::root().join("crates/photo-imaging/testdata").join(name);
    std::fs::read(&path).with_context(|| path.display().to_string())
}

/// The first `percent` % of its bytes.
pub fn cut(name: &str, percent: usize) -> Result<Vec<u8>> {
    let mut bytes = photo(name)?;
    bytes.truncate(bytes.len() * percent / 100);
    Ok(bytes)
}
