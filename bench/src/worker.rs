//! photodrop's side: a line of JSON in, one photo through, a line of JSON out. `sharp.mjs` is sharp's.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use photo_imaging::{Fit, Limits, OutputFormat, RenderOptions, VariantSpec, probe};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::machine;

/// One photo to be made into these files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// `None` asks for versions and the memory of an idle process.
    pub(crate) photo: Option<PathBuf>,
    /// How sharp is to go about it; photodrop has one way.
    pub(crate) way: String,
    pub(crate) outputs: Vec<Output>,
    /// A folder for the files, `0.webp`, `1.jpeg` …
    pub(crate) save: Option<PathBuf>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Output {
    pub(crate) side: u32,
    pub(crate) format: String,
    pub(crate) quality: u8,
    /// libwebp's method; JPEG has none. `None` is photodrop's own choice.
    pub(crate) effort: Option<u8>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reply {
    #[serde(default)]
    pub(crate) cpu_us: u64,
    #[serde(default)]
    pub(crate) wall_us: u64,
    pub(crate) peak_kib: u64,
    #[serde(default)]
    pub(crate) bytes: Vec<usize>,
    /// In order; photodrop's alone.
    #[serde(default)]
    pub(crate) stages_us: Option<Vec<(String, u64)>>,
    #[serde(default)]
    pub(crate) versions: BTreeMap<String, String>,
}

pub(crate) fn serve(requests: impl BufRead, mut replies: impl Write) -> Result<(), Error> {
    for line in requests.lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let reply = answer(&request)?;
        serde_json::to_writer(&mut replies, &reply)?;
        replies.write_all(b"\n")?;
        replies.flush()?;
    }
    Ok(())
}

fn answer(request: &Request) -> Result<Reply, Error> {
    let Some(path) = &request.photo else {
        let versions = BTreeMap::from([("photodrop".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
        return Ok(Reply { peak_kib: machine::peak_kib()?, versions, ..Reply::default() });
    };
    let bytes = std::fs::read(path).map_err(Error::file(path))?;
    let options = options(&request.outputs)?;
    let fail = |error: photo_imaging::ImagingError| Error::photo(&path.display().to_string(), &error);

    let cpu_before = machine::cpu_us()?;
    let start = Instant::now();
    let probed = probe(&bytes, &Limits::default()).map_err(fail)?;
    let probe_time = start.elapsed();
    let (rendered, times) = probed.render_timed(&options).map_err(fail)?;
    let wall = start.elapsed();
    let cpu_us = machine::cpu_us()? - cpu_before;

    let mut stages = vec![
        ("probe".to_owned(), probe_time),
        ("decode".to_owned(), times.decode),
        ("reduce".to_owned(), times.reduce),
        ("colour".to_owned(), times.color),
        ("resize".to_owned(), times.resize),
        ("placeholder".to_owned(), times.placeholder),
    ];
    for (output, time) in request.outputs.iter().zip(times.encode) {
        stages.push((format!("{} {}", output.format, output.side), time));
    }
    if let Some(folder) = &request.save {
        for (index, (variant, output)) in rendered.variants.iter().zip(&request.outputs).enumerate() {
            let file = folder.join(format!("{index}.{}", output.format));
            std::fs::write(&file, &variant.bytes).map_err(Error::file(&file))?;
        }
    }
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Ok(Reply {
        cpu_us,
        wall_us: micros(wall),
        peak_kib: machine::peak_kib()?,
        bytes: rendered.variants.iter().map(|v| v.bytes.len()).collect(),
        stages_us: Some(stages.into_iter().map(|(name, time)| (name, micros(time))).collect()),
        versions: BTreeMap::new(),
    })
}

fn options(outputs: &[Output]) -> Result<RenderOptions, Error> {
    let variants = outputs.iter().map(|output| {
        let format = if output.format == "webp" { OutputFormat::WebP } else { OutputFormat::Jpeg };
        let fit = Fit::Inside { longest_side: output.side };
        VariantSpec::new(output.side.to_string(), fit, format, output.quality)
    });
    let variants = variants.collect::<Result<Vec<_>, _>>().map_err(|e| Error::Usage(e.to_string()))?;
    let mut options = RenderOptions::new(variants);
    if let Some(effort) = outputs.iter().find_map(|o| o.effort) {
        options.webp_method = effort;
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_goes_through_and_its_files_are_saved() {
        let photo =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/photo-imaging/testdata/orientation-6.jpg");
        let folder = std::env::temp_dir().join(format!("photodrop-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let output =
            |format: &str| Output { side: 160, format: format.to_owned(), quality: 80, effort: None };
        let request = Request {
            photo: Some(photo.into()),
            way: String::new(),
            outputs: vec![output("webp"), output("jpeg")],
            save: Some(folder.clone()),
        };
        let mut line = serde_json::to_vec(&request).unwrap();
        line.push(b'\n');
        let mut out = Vec::new();
        serve(line.as_slice(), &mut out).unwrap();
        let reply: Reply = serde_json::from_slice(&out).unwrap();
        let files = ["0.webp", "1.jpeg"].map(|name| std::fs::read(folder.join(name)).unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(reply.bytes, files.each_ref().map(Vec::len));
        assert!(files[0].starts_with(b"RIFF") && files[1].starts_with(&[0xff, 0xd8]));
        assert!(reply.peak_kib > 0 && reply.wall_us > 0);
        let stages: Vec<_> = reply.stages_us.unwrap().into_iter().map(|(name, _)| name).collect();
        let expected =
            ["probe", "decode", "reduce", "colour", "resize", "placeholder", "webp 160", "jpeg 160"];
        assert_eq!(stages, expected);
    }
}
