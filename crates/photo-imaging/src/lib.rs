//! Photos to thumbnails: bytes in, variants out. No I/O, no clock but for the deadline, no AWS.
//!
//! ```
//! use photo_imaging::{Fit, Limits, OutputFormat, RenderOptions, VariantSpec, probe};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let bytes = include_bytes!("../testdata/orientation-6.jpg");
//! let small = VariantSpec::new("small", Fit::Inside { longest_side: 160 }, OutputFormat::WebP, 80)?;
//! let rendered = probe(bytes, &Limits::for_lambda_memory(1769))?.render(&RenderOptions::new(vec![small]))?;
//! assert_eq!((rendered.variants[0].width, rendered.variants[0].height), (160, 108));
//! # Ok(())
//! # }
//! ```
//!
//! Everything that a photo's sender chooses is held against [`Limits`] from the header, before a pixel is decoded; every
//! decoder is memory-safe. What is wrong with a photo is an [`ImagingError`] with a stable code.

mod animation;
mod color;
mod damage;
mod decode;
mod encode;
mod error;
mod format;
mod gif;
mod icc;
mod ladder;
mod limits;
mod memory;
mod options;
mod orient;
mod placeholder;
mod plan;
mod planar;
mod pool;
mod probe;
mod profile;
mod range;
mod raster;
mod render;
mod resize;
mod sanitize;
mod strips;
mod timing;
mod transpose;

pub use damage::{Damage, DamagedPhotos};
pub use error::ImagingError;
pub use format::{Format, OutputFormat};
pub use limits::Limits;
pub use options::{Animation, Fit, InvalidVariant, RenderOptions, VariantSpec};
pub use probe::{Probed, probe};
pub use render::{Original, Rendered, Variant};
pub use timing::StageTimes;
