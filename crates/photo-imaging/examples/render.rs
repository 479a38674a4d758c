//! Renders a photo into a folder, to look at what comes out: `cargo run -p photo-imaging --example render -- FILE FOLDER`.

use std::error::Error;
use std::path::PathBuf;

use photo_imaging::{Animation, Fit, Limits, OutputFormat, RenderOptions, VariantSpec, probe};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(file), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("a photo and a folder are expected".into());
    };
    let folder = PathBuf::from(folder);
    let bytes = std::fs::read(file)?;
    let photo = probe(&bytes, &Limits::default())?;
    std::fs::write(folder.join(format!("original.{}", photo.format())), photo.sanitize()?)?;
    let sizes = [
        ("small", Fit::Inside { longest_side: 160 }),
        ("square", Fit::Cover { width: 96, height: 96 }),
        ("card", Fit::Contain { width: 160, height: 90 }),
    ];
    let mut variants = Vec::new();
    for (name, fit) in sizes {
        for format in [OutputFormat::Jpeg, OutputFormat::WebP, OutputFormat::Avif] {
            variants.push(VariantSpec::new(name, fit, format, 80)?);
        }
    }
    let options = RenderOptions { animation: Animation::Keep, ..RenderOptions::new(variants) };
    for variant in photo.render(&options)?.variants {
        std::fs::write(folder.join(format!("{}.{}", variant.name, variant.format)), &variant.bytes)?;
    }
    Ok(())
}
