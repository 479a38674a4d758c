//! Scans of progressive files (ITU-T T.81, annex G), and the picture when all of them are read.

use crate::bits::Bits;
use crate::coefficients::{Coefficients, NOWHERE};
use crate::decode::{Decoder, Scan, Selected};
use crate::error::Error;
use crate::huffman::{HAS_VALUE, LOOK, Table};
use crate::idct::transform;
use crate::picture::{Plane, Strip};
use crate::tables::{NO_TABLE, factors};

/// Decodes a scan whose data starts at `at` and gives the place of the marker behind it.
pub(crate) fn scan(
    decoder: &mut Decoder<'_>,
    scan: &Scan,
    at: usize,
    should_stop: &mut dyn FnMut() -> bool,
) -> Result<usize, Error> {
    let ((first, last), (before, after)) = (scan.band, scan.missing_bits);
    let alone = scan.components.len() == 1;
    let right_band = if first == 0 { last == 0 } else { last >= first && last < 64 && alone };
    if !right_band || after > 13 || (before > 0 && before != after + 1) {
        return Err(Error::Corrupt("a scan that cannot be"));
    }
    for selected in &scan.components {
        let coefficients = &mut decoder.coefficients[selected.index];
        coefficients.advance(scan.band, scan.missing_bits)?;
        if coefficients.quantisation.is_none() {
            let number = decoder.frame.components[selected.index].quantisation;
            let table = decoder.tables.quantisation[usize::from(number)];
            coefficients.quantisation = Some(table.ok_or(NO_TABLE)?);
        }
    }
    let walk = Walk {
        bits: Bits::new(decoder.bytes, at),
        interval: decoder.tables.restart_interval,
        until_restart: decoder.tables.restart_interval,
        restarts: 0,
    };
    match scan.components[..] {
        [only] if first > 0 => {
            let frame = decoder.frame;
            let blocks = frame.blocks(&frame.components[only.index]);
            decoder.tables.build_ac(only.ac, false)?;
            let table = decoder.tables.ac(only.ac)?;
            let coefficients = &mut decoder.coefficients[only.index];
            let band = Band { table, first: first.into(), last: last.into(), shift: after.into() };
            if before == 0 {
                band.begin(walk, coefficients, blocks, should_stop)
            } else {
                band.refine(walk, coefficients, blocks, should_stop)
            }
        }
        _ => dc(decoder, &scan.components, walk, before > 0, after.into(), should_stop),
    }
}

/// The bits and the restart markers among them.
struct Walk<'a> {
    bits: Bits<'a>,
    interval: u32,
    until_restart: u32,
    restarts: u8,
}

impl Walk<'_> {
    /// Before each unit; true if a restart marker was there.
    #[inline(always)]
    fn unit(&mut self) -> Result<bool, Error> {
        if self.interval == 0 {
            return Ok(false);
        }
        let restart = self.until_restart == 0;
        if restart {
            self.bits = self.bits.restart(self.restarts)?;
            self.restarts = self.restarts.wrapping_add(1);
            self.until_restart = self.interval;
        }
        self.until_restart -= 1;
        Ok(restart)
    }

    /// At the beginning of each row of units.
    fn check(&self, should_stop: &mut dyn FnMut() -> bool) -> Result<(), Error> {
        if should_stop() {
            return Err(Error::Stopped);
        }
        if self.bits.ran_out() { Err(Error::Corrupt("a scan ends before its last block")) } else { Ok(()) }
    }
}

/// The first coefficients of all blocks, or one more bit of each.
fn dc(
    decoder: &mut Decoder<'_>,
    selected: &[Selected],
    mut walk: Walk<'_>,
    refine: bool,
    shift: u32,
    should_stop: &mut dyn FnMut() -> bool,
) -> Result<usize, Error> {
    let frame = decoder.frame;
    let (across, down) = match selected {
        [only] => frame.blocks(&frame.components[only.index]),
        _ => (frame.mcus_across, frame.mcus_down),
    };
    if !refine {
        for selected in selected {
            decoder.tables.build_dc(selected.dc)?;
        }
    }
    let mut previous = [0_i32; 4];
    for unit_y in 0..down as usize {
        walk.check(should_stop)?;
        for unit_x in 0..across as usize {
            if walk.unit()? {
                previous = [0; 4];
            }
            for &Selected { index, dc, .. } in selected {
                let component = &frame.components[index];
                let (h, v) =
                    if selected.len() == 1 { (1, 1) } else { (component.h as usize, component.v as usize) };
                let coefficients = &mut decoder.coefficients[index];
                for (y, x) in (0..v).flat_map(|y| (0..h).map(move |x| (y, x))) {
                    let block = (unit_y * v + y) * coefficients.across + unit_x * h + x;
                    let value = &mut coefficients.values[block * coefficients.kept];
                    walk.bits = walk.bits.refill();
                    if refine {
                        *value |= i16::from(walk.bits.take(1) == 1) << shift;
                        continue;
                    }
                    let table = decoder.tables.dc(dc)?;
                    previous[index] = previous[index].wrapping_add(table.difference(&mut walk.bits)?);
                    // Wraps for files that no encoder writes.
                    #[expect(clippy::cast_possible_truncation)]
                    let wrapped = (previous[index] << shift) as i16;
                    *value = wrapped;
                }
            }
        }
    }
    walk.bits.finish()
}

/// A band of AC coefficients.
struct Band<'a> {
    table: &'a Table,
    first: usize,
    last: usize,
    /// Bits that are missing after the scan.
    shift: u32,
}

impl Band<'_> {
    /// The first scan of a band.
    fn begin(
        &self,
        mut walk: Walk<'_>,
        coefficients: &mut Coefficients,
        (across, down): (u32, u32),
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<usize, Error> {
        let mut empty_blocks = 0_u32;
        let places = coefficients.places;
        let kept = coefficients.kept;
        for y in 0..down as usize {
            walk.check(should_stop)?;
            let row = y * coefficients.across;
            for block in row..row + across as usize {
                if walk.unit()? {
                    empty_blocks = 0;
                }
                if empty_blocks > 0 {
                    empty_blocks -= 1;
                    continue;
                }
                let values = &mut coefficients.values[block * kept..(block + 1) * kept];
                let mut nonzero = 0_u64;
                let mut bits = walk.bits;
                let mut k = self.first;
                while k <= self.last {
                    bits = bits.refill();
                    let entry = self.table.codes[bits.peek::<LOOK>()];
                    let value = if entry & HAS_VALUE != 0 {
                        bits.skip(entry & 63);
                        k += (entry >> 8 & 15) as usize;
                        entry.cast_signed() >> 16
                    } else {
                        let (length, symbol) = self.table.code(entry, &bits)?;
                        bits.skip(length);
                        let (run, size) = (symbol >> 4, symbol & 15);
                        if size == 0 {
                            if run < 15 {
                                empty_blocks = run_of_blocks(&mut bits, run) - 1;
                                break;
                            }
                            k += 16;
                            continue;
                        }
                        k += usize::from(run);
                        bits.take_signed(size.into())
                    };
                    if k > self.last {
                        return Err(TOO_MANY);
                    }
                    nonzero |= 1 << (k & 63);
                    let place = places[k & 63];
                    if place != NOWHERE {
                        // Wraps for files that no encoder writes.
                        #[expect(clippy::cast_possible_truncation)]
                        let wrapped = (value << self.shift) as i16;
                        values[usize::from(place)] = wrapped;
                    }
                    k += 1;
                }
                if k > self.last + 1 {
                    return Err(TOO_MANY);
                }
                walk.bits = bits;
                coefficients.nonzero[block] |= nonzero;
            }
        }
        end(&walk, empty_blocks)
    }

    /// One more bit of every coefficient of the band: of those that were zero, where they stop being so, and of the
    /// others a bit each, in between.
    fn refine(
        &self,
        mut walk: Walk<'_>,
        coefficients: &mut Coefficients,
        (across, down): (u32, u32),
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<usize, Error> {
        let mut empty_blocks = 0_u32;
        let places = coefficients.places;
        let wanted = coefficients.wanted;
        let kept = coefficients.kept;
        let within = (u64::MAX >> (63 - self.last)) & (u64::MAX << self.first);
        // 1 to 8192.
        let step = 1_i16 << self.shift;
        for y in 0..down as usize {
            walk.check(should_stop)?;
            let row = y * coefficients.across;
            for block in row..row + across as usize {
                if walk.unit()? {
                    empty_blocks = 0;
                }
                let mut nonzero = coefficients.nonzero[block];
                // The part of the band that is still to be passed.
                let mut rest = within;
                if empty_blocks > 0 && nonzero & rest == 0 {
                    empty_blocks -= 1;
                    continue;
                }
                let values = &mut coefficients.values[block * kept..(block + 1) * kept];
                let mut bits = walk.bits;
                while empty_blocks == 0 && rest != 0 {
                    bits = bits.refill();
                    let entry = self.table.codes[bits.peek::<LOOK>()];
                    let (run, value) = if entry & HAS_VALUE != 0 {
                        bits.skip(entry & 63);
                        ((entry >> 8 & 15), entry.cast_signed() >> 16)
                    } else {
                        let (length, symbol) = self.table.code(entry, &bits)?;
                        bits.skip(length);
                        match (symbol >> 4, symbol & 15) {
                            (15, 0) => (15, 0),
                            (run, 0) => {
                                empty_blocks = run_of_blocks(&mut bits, run);
                                break;
                            }
                            (run, size) => (u32::from(run), bits.take_signed(size.into())),
                        }
                    };
                    if !(-1..=1).contains(&value) {
                        return Err(Error::Corrupt("a refinement of more than one bit"));
                    }
                    // `run` zeros are passed, the next one is the place.
                    let mut zeros = !nonzero & rest;
                    for _ in 0..run {
                        zeros &= zeros.wrapping_sub(1);
                    }
                    if zeros == 0 {
                        return Err(TOO_MANY);
                    }
                    let place = zeros & zeros.wrapping_neg();
                    bits = correct(bits, nonzero & rest & (place - 1), wanted, &places, values, step);
                    rest &= !(place | (place - 1));
                    if value != 0 {
                        nonzero |= place;
                        let at = places[(place.trailing_zeros() & 63) as usize];
                        if at != NOWHERE {
                            values[usize::from(at)] = if value > 0 { step } else { -step };
                        }
                    }
                }
                if empty_blocks > 0 {
                    bits = correct(bits, nonzero & rest, wanted, &places, values, step);
                    empty_blocks -= 1;
                }
                walk.bits = bits;
                coefficients.nonzero[block] = nonzero;
            }
        }
        end(&walk, empty_blocks)
    }
}

const TOO_MANY: Error = Error::Corrupt("a block has too many coefficients");

fn end(walk: &Walk<'_>, empty_blocks: u32) -> Result<usize, Error> {
    if empty_blocks > 0 {
        return Err(Error::Corrupt("a run of empty blocks goes beyond the picture"));
    }
    walk.bits.finish()
}

/// How many blocks, this one included, have nothing more in the band.
#[inline(always)]
fn run_of_blocks(bits: &mut Bits<'_>, run: u8) -> u32 {
    let low = if run == 0 { 0 } else { bits.take(run.into()) };
    (1 << run) + low
}

/// Reads a bit for each of these coefficients, which are not zero, and applies it to those that are kept.
#[inline(always)]
fn correct<'a>(
    mut bits: Bits<'a>,
    mut passed: u64,
    wanted: u64,
    places: &[u8; 64],
    values: &mut [i16],
    step: i16,
) -> Bits<'a> {
    let mut count = passed.count_ones();
    while count > 0 {
        bits = bits.refill();
        let now = count.min(32);
        // The first from the top.
        let mut corrections = bits.take(now) << (32 - now);
        count -= now;
        if passed & wanted == 0 {
            continue;
        }
        for _ in 0..now {
            let place = places[(passed.trailing_zeros() & 63) as usize];
            passed &= passed.wrapping_sub(1);
            if corrections >> 31 == 1
                && let Some(value) = values.get_mut(usize::from(place))
                && *value & step == 0
            {
                *value = value.wrapping_add(if *value < 0 { -step } else { step });
            }
            corrections <<= 1;
        }
    }
    bits
}

/// Transforms what the scans brought, one component after another, and lets go of it.
pub(crate) fn finish(decoder: &mut Decoder<'_>, should_stop: &mut dyn FnMut() -> bool) -> Result<(), Error> {
    if !decoder.coefficients.iter().all(Coefficients::are_complete) {
        return Err(Error::Corrupt("a scan is missing"));
    }
    for (coefficients, layout) in std::mem::take(&mut decoder.coefficients).into_iter().zip(&decoder.layouts)
    {
        let mut plane = Plane::new(layout);
        coefficients.transform(&mut plane, should_stop)?;
        decoder.planes.push(plane);
    }
    Ok(())
}

impl Coefficients {
    fn transform(&self, plane: &mut Plane, should_stop: &mut dyn FnMut() -> bool) -> Result<(), Error> {
        let (width, height) = (self.block_width, self.block_height);
        let factors = factors(self.quantisation.as_ref().ok_or(NO_TABLE)?);
        // In the order that the values are kept in.
        let mut steps = [0.0; 64];
        for (k, &place) in self.places.iter().enumerate() {
            if let Some(step) = steps.get_mut(usize::from(place)) {
                *step = factors[k];
            }
        }
        let inverse = transform(width, height);
        let mut strip = Strip::new(self.across * width, height);
        let mut block = [0.0; 64];
        for y in 0..self.down {
            if should_stop() {
                return Err(Error::Stopped);
            }
            for x in 0..self.across {
                let index = y * self.across + x;
                let values = &self.values[index * self.kept..(index + 1) * self.kept];
                let (out, stride) = strip.at(x * width, 0);
                let nonzero = self.nonzero[index] & self.wanted;
                let columns = values.chunks_exact(height).zip(steps.chunks_exact(height));
                for (column, (values, steps)) in block.as_chunks_mut::<8>().0.iter_mut().zip(columns) {
                    for ((out, &value), &step) in column.iter_mut().zip(values).zip(steps) {
                        *out = f32::from(value) * step;
                    }
                }
                block[0] += 128.0;
                let last = (nonzero | 1).ilog2() as usize;
                inverse.write(&block, last, out, stride);
            }
            strip.store(plane, y * height);
        }
        Ok(())
    }
}
