//! The entropy-coded data of a scan: restart intervals, and how decoding finds back to them.

use crate::CodedPart;
use crate::bits::Bits;
use crate::error::Error;
use crate::loss::Outcome;
use crate::markers::{ends_scan, find_marker, is_restart};

/// Receives the parts of a picture, see [`crate::Jpeg::coded_parts`].
pub(crate) type Sink<'a, 's> = &'s mut dyn FnMut(CodedPart<'a>);

/// What is to be done with an MCU.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mcu {
    /// It is decoded.
    Next,
    /// Likewise, after a restart: predictions start anew.
    First,
    /// Its data have not come.
    Missing,
}

/// Reads the MCUs of a scan; in a scan of one component, those are its blocks.
pub(crate) struct EntropyReader<'a, 's> {
    pub(crate) bits: Bits<'a>,
    data: &'a [u8],
    /// MCUs between restart markers, 0 for none.
    interval: u32,
    until_restart: u32,
    next_restart: u8,
    /// Restart markers that are still to come.
    restarts_left: u64,
    /// Whether there are as many restart markers as the scan must have. Counted when a number is wrong.
    has_all_restarts: Option<bool>,
    /// Where the data of the interval begin.
    start: usize,
    /// Whether the rest of the interval is missing.
    is_lost: bool,
    /// Whether the rest of the scan is missing.
    is_over: bool,
    /// At the last row that began with data, if nothing was wrong before it.
    row_start: Option<Bits<'a>>,
    total: u64,
    missing: u64,
    fault: Option<&'static str>,
    is_garbled: bool,
    pub(crate) sink: Option<Sink<'a, 's>>,
}

impl<'a, 's> EntropyReader<'a, 's> {
    /// For a scan of `mcus`, in a row and in a column, whose data begin at `at`.
    pub(crate) fn new(
        data: &'a [u8],
        at: usize,
        interval: u32,
        mcus: (u32, u32),
        sink: Option<Sink<'a, 's>>,
    ) -> Self {
        let total = u64::from(mcus.0) * u64::from(mcus.1);
        let restarts = if interval == 0 { 0 } else { total.div_ceil(interval.into()).saturating_sub(1) };
        let bits = Bits::new(data, at);
        Self {
            bits,
            data,
            interval,
            until_restart: interval,
            next_restart: 0,
            restarts_left: restarts,
            has_all_restarts: None,
            start: at,
            is_lost: false,
            is_over: false,
            row_start: None,
            total,
            missing: 0,
            fault: None,
            is_garbled: false,
            sink,
        }
    }

    /// At the beginning of each row of MCUs. False if no more of the scan can come: `undone` MCUs are then missing.
    pub(crate) fn begin_row(
        &mut self,
        undone: u64,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        if should_stop() {
            return Err(Error::Stopped);
        }
        if !self.is_lost {
            self.row_start = self.fault.is_none().then_some(self.bits);
        }
        if self.is_over {
            self.missing += undone;
        }
        Ok(!self.is_over)
    }

    /// Before each MCU.
    #[inline(always)]
    pub(crate) fn next_mcu(&mut self) -> Mcu {
        let mut answer = Mcu::Next;
        if self.interval > 0 {
            if self.until_restart == 0 {
                self.restart();
                answer = Mcu::First;
            }
            self.until_restart -= 1;
        }
        if self.is_lost {
            self.missing += 1;
            return Mcu::Missing;
        }
        answer
    }

    /// After each MCU that was decoded: whether it used no more bits than there are.
    #[inline(always)]
    pub(crate) fn check(&mut self) {
        if self.bits.ran_out() && !self.is_lost {
            self.lose("a scan ends before its last block");
        }
    }

    /// After an MCU with invalid codes. All data up to the next restart marker are lost, because nothing says where the
    /// next code begins.
    #[cold]
    #[inline(never)]
    pub(crate) fn fail(&mut self, error: Error) {
        if self.bits.ran_out() {
            return self.check();
        }
        self.is_garbled = true;
        self.lose(if let Error::Corrupt(reason) = error { reason } else { "invalid codes" });
    }

    #[cold]
    #[inline(never)]
    fn lose(&mut self, reason: &'static str) {
        self.fault = self.fault.or(Some(reason));
        self.missing += 1;
        self.is_lost = true;
        self.is_over = self.interval == 0;
    }

    /// Goes on behind the next restart marker, by the rules of libjpeg's `jpeg_resync_to_restart`. They go by the numbers of
    /// the markers. A wrong number alone costs nothing: with as many markers as there must be, their order counts.
    #[cold]
    #[inline(never)]
    fn restart(&mut self) {
        self.give();
        self.until_restart = self.interval;
        let expected = self.next_restart;
        self.next_restart = (expected + 1) & 7;
        let mut from = self.bits.at();
        let found = loop {
            match find_marker(self.data, from) {
                Some((at, code)) if is_restart(code) => {
                    let ahead = code.wrapping_sub(expected) & 7;
                    match ahead {
                        0 => break Some(at),
                        _ if self.has_all_restarts(at) => break Some(at),
                        // A later one: the data of this interval are missing. It is looked at again for the next.
                        1 | 2 => {
                            self.bits = Bits::new(self.data, at);
                            break None;
                        }
                        // An earlier one: its interval has been passed.
                        6 | 7 => from = at + 2,
                        // Too far away to tell.
                        _ => {
                            self.fault = self.fault.or(Some("restart markers are out of order"));
                            break Some(at);
                        }
                    }
                }
                Some((at, code)) if !ends_scan(code) => from = at + 2,
                end => {
                    self.is_over = true;
                    let at = end.map_or(self.data.len(), |(at, _)| at);
                    self.bits = Bits::new(self.data, at);
                    break None;
                }
            }
        };
        self.restarts_left = self.restarts_left.saturating_sub(1);
        self.is_lost = found.is_none();
        if let Some(mut at) = found {
            // Two equal restart markers in a row count as one.
            while self.data.get(at + 2..at + 4) == Some(&self.data[at..at + 2]) {
                at += 2;
            }
            self.start = at + 2;
            self.bits = Bits::new(self.data, self.start);
        } else {
            self.fault = self.fault.or(Some("a restart marker is missing"));
        }
    }

    /// Whether all restart markers are there, from the next one on, which is at `at`.
    fn has_all_restarts(&mut self, mut at: usize) -> bool {
        if let Some(answer) = self.has_all_restarts {
            return answer;
        }
        let mut count = 0;
        while let Some((found, code)) = find_marker(self.data, at) {
            if ends_scan(code) {
                break;
            }
            count += u64::from(is_restart(code));
            at = found + 2;
        }
        *self.has_all_restarts.insert(count == self.restarts_left)
    }

    /// The data of an interval that was decoded to its end.
    fn give(&mut self) {
        if let Some(sink) = self.sink.as_mut().filter(|_| !self.is_lost) {
            sink(CodedPart::Data(&self.data[self.start..self.bits.used_until()]));
        }
    }

    /// After the last MCU.
    pub(crate) fn finish(mut self) -> (Outcome, Option<Sink<'a, 's>>) {
        self.give();
        let outcome = Outcome {
            missing: self.missing,
            total: self.total,
            fault: self.fault,
            is_garbled: self.is_garbled,
            has_clean_end: self.is_over && self.row_start.is_some_and(Bits::is_at_end),
            at: self.bits.at(),
        };
        (outcome, self.sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markers::marker;

    /// A scan of 12 MCUs of one byte each, one a restart interval, with these markers. Gives the bytes of the MCUs.
    fn bytes_of(restarts: &[u8]) -> Vec<Option<u32>> {
        let mut data = vec![0x10];
        for (&number, byte) in restarts.iter().zip(0x11..) {
            data.extend([0xff, marker::RST0 | number, byte]);
        }
        data.extend([0xff, marker::EOI]);
        let mut reader = EntropyReader::new(&data, 0, 1, (12, 1), None);
        let mcu = |_| {
            if reader.next_mcu() == Mcu::Missing {
                return None;
            }
            reader.bits = reader.bits.refill();
            let byte = reader.bits.take(8);
            reader.check();
            Some(byte)
        };
        (0..12).map(mcu).collect()
    }

    fn whole() -> Vec<Option<u32>> {
        (0x10..0x1c).map(Some).collect()
    }

    #[test]
    fn wrong_restart_numbers_cost_nothing() {
        for numbers in [
            [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2],
            [0, 1, 2, 4, 4, 5, 6, 7, 0, 1, 2],
            [0, 1, 2, 2, 4, 5, 6, 7, 0, 1, 2],
            [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 4],
            [1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3],
            [0; 11],
        ] {
            assert_eq!(bytes_of(&numbers), whole(), "{numbers:?}");
        }
    }

    #[test]
    fn a_missing_restart_marker_costs_its_interval() {
        let mut expected: Vec<_> = (0x10..0x1b).map(Some).collect();
        expected.insert(3, None);
        assert_eq!(bytes_of(&[0, 1, 3, 4, 5, 6, 7, 0, 1, 2]), expected);
    }

    #[test]
    fn a_restart_marker_written_twice_is_one() {
        let data = [0x10, 0xff, 0xd0, 0xff, 0xd0, 0x20, 0xff, 0xd9];
        let mut reader = EntropyReader::new(&data, 0, 1, (2, 1), None);
        assert!(reader.next_mcu() == Mcu::Next && reader.next_mcu() == Mcu::First);
        reader.bits = reader.bits.refill();
        assert_eq!(reader.bits.take(8), 0x20);
        assert_eq!(reader.finish().0.missing, 0);
    }

    #[test]
    fn missing_restart_markers_cost_the_rest() {
        let mut expected = whole();
        expected[5..].fill(None);
        assert_eq!(bytes_of(&[0, 1, 2, 3]), expected);
    }
}
