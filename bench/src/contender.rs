//! Who is compared, and the processes that do the work.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use photo_imaging::RenderOptions;

use crate::error::Error;
use crate::worker::{Output, Reply, Request};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Sharp,
    Photodrop,
}

/// One tool used in one way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) tool: Tool,
    pub(crate) way: &'static str,
    /// libwebp's method; `None` is what the tool ships with.
    pub(crate) effort: Option<u8>,
}

/// sharp's default in its best way: what photodrop's goals are held against.
pub(crate) const SHARP: usize = 0;
/// sharp at the effort that photodrop ships with.
pub(crate) const SHARP_EQUAL: usize = 1;
/// photodrop as it ships.
pub(crate) const PHOTODROP: usize = 4;
/// photodrop at sharp's default effort.
pub(crate) const PHOTODROP_EQUAL: usize = 5;

/// sharp without its fast reduction while it decodes.
pub(crate) const SHARP_SHARPEST: usize = 6;
/// So many, the first, are measured; of those behind them only bytes and quality count.
pub(crate) const MEASURED: usize = SHARP_SHARPEST;

/// sharp's default.
pub(crate) const SHARP_EFFORT: u8 = 4;

/// In the order in which each round runs them.
pub(crate) const CONTENDERS: [Contender; 7] = [
    Contender { name: "sharp cascade", tool: Tool::Sharp, way: "cascade", effort: Some(SHARP_EFFORT) },
    Contender {
        name: "sharp cascade, photodrop's effort",
        tool: Tool::Sharp,
        way: "cascade",
        effort: Some(RenderOptions::DEFAULT_WEBP_METHOD),
    },
    Contender { name: "sharp separate", tool: Tool::Sharp, way: "separate", effort: Some(SHARP_EFFORT) },
    Contender { name: "sharp clone", tool: Tool::Sharp, way: "clone", effort: Some(SHARP_EFFORT) },
    Contender { name: "photodrop", tool: Tool::Photodrop, way: "render", effort: None },
    Contender {
        name: "photodrop, sharp's effort",
        tool: Tool::Photodrop,
        way: "render",
        effort: Some(SHARP_EFFORT),
    },
    Contender {
        name: "sharp cascade, no fast shrink",
        tool: Tool::Sharp,
        way: "sharpest",
        effort: Some(SHARP_EFFORT),
    },
];

/// The longest sides of the variants, large to small.
pub(crate) const SIDES: [u32; 3] = [1280, 480, 160];

impl Contender {
    pub(crate) fn request(&self, photo: &Path, save: Option<PathBuf>) -> Request {
        let outputs = SIDES.iter().flat_map(|&side| {
            ["webp", "jpeg"].map(|format| Output {
                side,
                format: format.to_owned(),
                quality: 80,
                effort: self.effort,
            })
        });
        Request { photo: Some(photo.to_owned()), way: self.way.to_owned(), outputs: outputs.collect(), save }
    }
}

/// A running worker. It ends when it is dropped: its input is closed.
pub(crate) struct Worker {
    tool: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// `sharp_worker` is the path of `sharp.mjs`.
    pub(crate) fn start(tool: Tool, sharp_worker: &Path) -> Result<Self, Error> {
        let (tool, mut command) = match tool {
            Tool::Sharp => {
                let mut node = Command::new("node");
                node.arg(sharp_worker);
                ("sharp", node)
            }
            Tool::Photodrop => {
                let mut own = Command::new(std::env::current_exe()?);
                own.arg("worker");
                ("photodrop", own)
            }
        };
        let failed = |what: &str| Error::Worker { tool: tool.to_owned(), what: what.to_owned() };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| failed(&format!("does not start: {e}")))?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or_else(|| failed("has no output"))?;
        Ok(Self { tool, child, input, output: BufReader::new(output) })
    }

    pub(crate) fn ask(&mut self, request: &Request) -> Result<Reply, Error> {
        let died = || Error::Worker { tool: self.tool.to_owned(), what: "ended; see above".to_owned() };
        let input = self.input.as_mut().ok_or_else(died)?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        input.write_all(&line)?;
        input.flush()?;
        let mut answer = String::new();
        if self.output.read_line(&mut answer)? == 0 {
            return Err(died());
        }
        Ok(serde_json::from_str(&answer)?)
    }

    /// Versions, and the memory of a process that has done nothing yet.
    pub(crate) fn introduce(&mut self) -> Result<Reply, Error> {
        self.ask(&Request { photo: None, way: String::new(), outputs: Vec::new(), save: None })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.input.take());
        // Nothing hangs on how it ended.
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_indices_name_what_they_say() {
        assert_eq!(CONTENDERS[SHARP].name, "sharp cascade");
        assert_eq!(CONTENDERS[SHARP_EQUAL].effort, Some(RenderOptions::DEFAULT_WEBP_METHOD));
        assert_eq!((CONTENDERS[PHOTODROP].tool, CONTENDERS[PHOTODROP].effort), (Tool::Photodrop, None));
        assert_eq!(CONTENDERS[PHOTODROP_EQUAL].effort, CONTENDERS[SHARP].effort);
        assert_eq!(CONTENDERS[SHARP_SHARPEST].way, "sharpest");
    }

    #[test]
    fn large_outputs_come_first_as_a_cascade_needs_it() {
        let request = CONTENDERS[SHARP].request(Path::new("x"), None);
        let sides: Vec<_> = request.outputs.iter().map(|o| o.side).collect();
        assert_eq!(sides, [1280, 1280, 480, 480, 160, 160]);
    }
}
