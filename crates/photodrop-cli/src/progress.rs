//! Bars on a terminal; nothing where nobody looks.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How much of a body is handed over at once, in bytes: the bar moves so often.
const CHUNK_BYTES: usize = 64 * 1024;

const FILE_STYLE: &str = "{prefix:30!} {bar:24} {decimal_bytes:>10} / {decimal_total_bytes:<10} {msg}";
const TOTAL_STYLE: &str = "{prefix:30!} {bar:24} {decimal_bytes:>10} / {decimal_total_bytes:<10} {decimal_bytes_per_sec}, {eta} left";
const COUNT_STYLE: &str = "{spinner} {prefix} {pos} {msg} {elapsed}";

/// A bar for each file, and one for all of them. On what is no terminal nothing is drawn.
#[derive(Debug)]
pub(crate) struct Progress {
    bars: MultiProgress,
    total: ProgressBar,
}

/// The progress of one file. Its bar is drawn while something happens to the file: many files may be waiting.
#[derive(Clone, Debug)]
pub(crate) struct FileProgress {
    name: String,
    size_bytes: u64,
    sent_bytes: Arc<AtomicU64>,
    bar: Arc<Mutex<Option<ProgressBar>>>,
    bars: MultiProgress,
    total: ProgressBar,
}

impl Progress {
    /// Bars for `files` files of `size_bytes` together.
    pub(crate) fn new(files: usize, size_bytes: u64) -> Self {
        let bars = MultiProgress::new();
        let total = bars.add(styled(ProgressBar::new(size_bytes), TOTAL_STYLE));
        total.set_prefix(format!("{files} file{}", if files == 1 { "" } else { "s" }));
        total.enable_steady_tick(Duration::from_millis(200));
        Self { bars, total }
    }

    /// The progress of one file.
    pub(crate) fn file(&self, name: &str, size_bytes: u64) -> FileProgress {
        FileProgress {
            name: crate::output::plain(name),
            size_bytes,
            sent_bytes: Arc::default(),
            bar: Arc::default(),
            bars: self.bars.clone(),
            total: self.total.clone(),
        }
    }

    /// Prints without a bar in the way.
    pub(crate) fn aside(&self, print: impl FnOnce()) {
        self.bars.suspend(print);
    }

    /// Removes the bars.
    pub(crate) fn finish(&self) {
        self.total.finish_and_clear();
    }
}

impl FileProgress {
    /// Says what is going on, on the file's bar.
    pub(crate) fn say(&self, text: &'static str) {
        self.shown().set_message(text);
    }

    /// Removes the bar until there is something to say.
    pub(crate) fn hide(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }

    /// Does something that writes to the terminal, with the bars out of the way.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        self.bars.suspend(write);
    }

    /// Bytes that need not be sent.
    pub(crate) fn skip(&self, bytes: u64) {
        self.forward(bytes);
    }

    /// The file is done with, whatever became of it.
    pub(crate) fn finish(&self) {
        self.total.inc(self.size_bytes.saturating_sub(self.sent_bytes.load(Ordering::Relaxed)));
        self.hide();
    }

    fn forward(&self, bytes: u64) {
        // A bar that is drawn now begins with what was sent before.
        let bar = self.shown();
        self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
        bar.inc(bytes);
        self.total.inc(bytes);
    }

    fn back(&self, bytes: u64) {
        let bar = self.shown();
        self.sent_bytes.fetch_sub(bytes, Ordering::Relaxed);
        bar.dec(bytes);
        self.total.dec(bytes);
    }

    fn shown(&self) -> ProgressBar {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        let draw = || {
            let bar = styled(ProgressBar::new(self.size_bytes), FILE_STYLE);
            bar.set_position(self.sent_bytes.load(Ordering::Relaxed));
            let bar = self.bars.insert_before(&self.total, bar);
            bar.set_prefix(self.name.clone());
            bar
        };
        bar.get_or_insert_with(draw).clone()
    }

    /// One transfer of some of the file's bytes.
    pub(crate) fn transfer(&self, bytes: Bytes) -> Transfer {
        Transfer { bytes, progress: self.clone(), sent: Arc::default() }
    }
}

/// Bytes that are sent, perhaps several times over.
#[derive(Debug)]
pub(crate) struct Transfer {
    bytes: Bytes,
    progress: FileProgress,
    sent: Arc<AtomicU64>,
}

impl Transfer {
    /// A body for the next attempt: what an earlier one had sent is taken back from the bars.
    pub(crate) fn body(&self) -> reqwest::Body {
        let before = self.sent.swap(0, Ordering::Relaxed);
        self.progress.back(before);
        reqwest::Body::wrap(Counted {
            left: self.bytes.clone(),
            progress: self.progress.clone(),
            sent: Arc::clone(&self.sent),
        })
    }
}

/// A body of known length that moves the bars while it is read.
struct Counted {
    left: Bytes,
    progress: FileProgress,
    sent: Arc<AtomicU64>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let count = CHUNK_BYTES.min(self.left.len());
        let chunk = self.left.split_to(count);
        self.sent.fetch_add(count as u64, Ordering::Relaxed);
        self.progress.forward(count as u64);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

/// A line that counts what nobody knows the end of.
pub(crate) fn counter(name: &str) -> ProgressBar {
    let bar = styled(ProgressBar::no_length(), COUNT_STYLE);
    bar.set_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("━╸─")),
        // A template of ours that is wrong costs the looks, not the upload; the test below holds them.
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_drawn() {
        for template in [FILE_STYLE, TOTAL_STYLE, COUNT_STYLE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn an_attempt_that_broke_off_is_taken_back() {
        let progress = Progress::new(1, 200_000);
        let file = progress.file("a.jpg", 200_000);
        let transfer = file.transfer(Bytes::from(vec![0; 200_000]));
        let mut body = Box::pin(Counted {
            left: transfer.bytes.clone(),
            progress: file.clone(),
            sent: Arc::clone(&transfer.sent),
        });
        assert_eq!(body.size_hint().exact(), Some(200_000));
        let mut context = Context::from_waker(std::task::Waker::noop());
        for _ in 0..2 {
            assert!(body.as_mut().poll_frame(&mut context).is_ready());
        }
        assert_eq!((file.shown().position(), progress.total.position()), (131_072, 131_072));
        // A bar that was hidden is drawn as far as the file is.
        file.hide();
        assert_eq!(file.shown().position(), 131_072);
        let _again = transfer.body();
        assert_eq!((file.shown().position(), progress.total.position()), (0, 0));
        while let Poll::Ready(Some(_)) = body.as_mut().poll_frame(&mut context) {}
        assert!(body.is_end_stream());
    }
}
