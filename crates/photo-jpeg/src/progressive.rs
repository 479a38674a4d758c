//! Scans of progressive files (ITU-T T.81, annex G), and the picture when all of them are read.

use crate::bits::Bits;
use crate::coefficients::{Coefficients, NOWHERE};
use crate::decode::Decoder;
use crate::entropy::{EntropyReader, Mcu};
use crate::error::Error;
use crate::huffman::{HAS_VALUE, LOOK, Table};
use crate::idct::transform;
use crate::loss::Outcome;
use crate::picture::{Plane, Strip};
use crate::tables::{NO_TABLE, Quantisation, factors};
use crate::walk::{Scan, Selected, coefficient_mask};

/// Decodes a scan whose data begin at `at`, as far as they have come.
pub(crate) fn scan(
    decoder: &mut Decoder<'_, '_, '_>,
    scan: &Scan,
    at: usize,
    should_stop: &mut dyn FnMut() -> bool,
) -> Result<Outcome, Error> {
    let ((first, last), (high, low)) = (scan.spectral_selection, scan.successive_approximation);
    for selected in &scan.components {
        let coefficients = &mut decoder.coefficients[selected.index];
        if coefficients.quantisation.is_none() {
            let number = decoder.frame.components[selected.index].quantisation;
            let table = decoder.tables.quantisation[usize::from(number)];
            coefficients.quantisation = Some(table.ok_or(NO_TABLE)?);
        }
    }
    let (is_refinement, shift) = (high > 0, low.into());
    match scan.components[..] {
        [only] if first > 0 => decoder.tables.build_ac(only.ac, false)?,
        _ if is_refinement => {}
        _ => scan.components.iter().try_for_each(|selected| decoder.tables.build_dc(selected.dc))?,
    }
    let frame = decoder.frame;
    let mcus = match scan.components[..] {
        [only] => frame.blocks(&frame.components[only.index]),
        _ => (frame.horizontal_mcus, frame.vertical_mcus),
    };
    let interval = decoder.tables.restart_interval;
    let mut reader = EntropyReader::new(decoder.bytes, at, interval, mcus, decoder.sink.take());
    match scan.components[..] {
        [only] if first > 0 => {
            let coefficients = &mut decoder.coefficients[only.index];
            let table = decoder.tables.ac(only.ac)?;
            let band = Band { table, first: first.into(), last: last.into(), shift };
            if is_refinement {
                band.refine(&mut reader, coefficients, mcus, should_stop)?;
            } else {
                band.begin(&mut reader, coefficients, mcus, should_stop)?;
            }
        }
        _ => dc(decoder, &scan.components, &mut reader, (is_refinement, shift), mcus, should_stop)?,
    }
    let (outcome, sink) = reader.finish();
    decoder.sink = sink;
    Ok(outcome)
}

/// The first DC coefficients of all blocks, or one more bit of each.
fn dc(
    decoder: &mut Decoder<'_, '_, '_>,
    selected: &[Selected],
    reader: &mut EntropyReader<'_, '_>,
    (is_refinement, shift): (bool, u32),
    (horizontal, vertical): (u32, u32),
    should_stop: &mut dyn FnMut() -> bool,
) -> Result<(), Error> {
    let frame = decoder.frame;
    let is_alone = selected.len() == 1;
    let mut dc_predictors = [0_i32; 4];
    for mcu_y in 0..vertical {
        if !reader.begin_row(u64::from(vertical - mcu_y) * u64::from(horizontal), should_stop)? {
            break;
        }
        for mcu_x in 0..horizontal as usize {
            match reader.next_mcu() {
                Mcu::Next => {}
                Mcu::First => dc_predictors = [0; 4],
                Mcu::Missing => continue,
            }
            'mcu: for &Selected { index, dc, .. } in selected {
                let component = &frame.components[index];
                let (h, v) = if is_alone { (1, 1) } else { (component.h as usize, component.v as usize) };
                let coefficients = &mut decoder.coefficients[index];
                for (y, x) in (0..v).flat_map(|y| (0..h).map(move |x| (y, x))) {
                    let block = (mcu_y as usize * v + y) * coefficients.horizontal_blocks + mcu_x * h + x;
                    let value = &mut coefficients.values[block * coefficients.kept];
                    reader.bits = reader.bits.refill();
                    if is_refinement {
                        *value |= i16::from(reader.bits.take(1) == 1) << shift;
                        continue;
                    }
                    match decoder.tables.dc(dc)?.difference(&mut reader.bits) {
                        Ok(difference) => {
                            dc_predictors[index] = dc_predictors[index].wrapping_add(difference);
                        }
                        Err(error) => {
                            reader.fail(error);
                            break 'mcu;
                        }
                    }
                    // Wraps for files that no encoder writes.
                    #[expect(clippy::cast_possible_truncation)]
                    let wrapped = (dc_predictors[index] << shift) as i16;
                    *value = wrapped;
                }
            }
            reader.check();
        }
    }
    Ok(())
}

/// A Huffman code of an AC scan, with the bits that belong to it.
enum Code {
    /// A run of zeros, and the coefficient behind them, which is not zero.
    Coefficient { run: u32, value: i32 },
    /// Sixteen zeros (ZRL).
    SixteenZeros,
    /// Blocks that have no more codes, this one included.
    EobRun(u32),
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
        reader: &mut EntropyReader<'_, '_>,
        coefficients: &mut Coefficients,
        (horizontal, vertical): (u32, u32),
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<(), Error> {
        let mut eob_run = 0_u32;
        let places = coefficients.places;
        let kept = coefficients.kept;
        for y in 0..vertical {
            if !reader.begin_row(u64::from(vertical - y) * u64::from(horizontal), should_stop)? {
                break;
            }
            let row = y as usize * coefficients.horizontal_blocks;
            for block in row..row + horizontal as usize {
                match reader.next_mcu() {
                    Mcu::Next => {}
                    Mcu::First => eob_run = 0,
                    Mcu::Missing => continue,
                }
                if eob_run > 0 {
                    eob_run -= 1;
                    continue;
                }
                let values = &mut coefficients.values[block * kept..(block + 1) * kept];
                let nonzero = &mut coefficients.nonzero[block];
                match self.first_block(&mut reader.bits, values, nonzero, &places) {
                    Ok(run) => eob_run = run,
                    Err(error) => reader.fail(error),
                }
                reader.check();
            }
        }
        Ok(())
    }

    /// Reads a code.
    #[inline(always)]
    fn code(&self, bits: &mut Bits<'_>) -> Result<Code, Error> {
        *bits = bits.refill();
        let entry = self.table.codes[bits.peek::<LOOK>()];
        if entry & HAS_VALUE != 0 {
            bits.skip(entry & 63);
            return Ok(Code::Coefficient { run: entry >> 8 & 15, value: entry.cast_signed() >> 16 });
        }
        let (length, symbol) = self.table.code(entry, bits)?;
        bits.skip(length);
        Ok(match (symbol >> 4, symbol & 15) {
            (15, 0) => Code::SixteenZeros,
            (run, 0) => Code::EobRun((1 << run) + if run == 0 { 0 } else { bits.take(run.into()) }),
            (run, size) => Code::Coefficient { run: run.into(), value: bits.take_signed(size.into()) },
        })
    }

    /// A block, and how many blocks behind it have nothing in the band.
    #[inline(always)]
    fn first_block(
        &self,
        reader: &mut Bits<'_>,
        values: &mut [i16],
        all_nonzero: &mut u64,
        places: &[u8; 64],
    ) -> Result<u32, Error> {
        let mut nonzero = 0_u64;
        let mut bits = *reader;
        let mut k = self.first;
        let mut answer = Ok(0);
        while k <= self.last {
            let value = match self.code(&mut bits) {
                Ok(Code::Coefficient { run, value }) => {
                    k += run as usize;
                    value
                }
                Ok(Code::SixteenZeros) => {
                    k += 16;
                    continue;
                }
                Ok(Code::EobRun(run)) => {
                    answer = Ok(run - 1);
                    break;
                }
                Err(error) => {
                    answer = Err(error);
                    break;
                }
            };
            if k > self.last {
                answer = Err(TOO_MANY);
                break;
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
        *reader = bits;
        *all_nonzero |= nonzero;
        if k > self.last + 1 { Err(TOO_MANY) } else { answer }
    }

    /// One more bit of every coefficient of the band: of those that were zero, where they stop being so, and of the
    /// others a bit each, in between.
    fn refine(
        &self,
        reader: &mut EntropyReader<'_, '_>,
        coefficients: &mut Coefficients,
        (horizontal, vertical): (u32, u32),
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<(), Error> {
        let mut eob_run = 0_u32;
        let (places, wanted, kept) = (coefficients.places, coefficients.wanted, coefficients.kept);
        let within = coefficient_mask(self.first, self.last);
        for y in 0..vertical {
            if !reader.begin_row(u64::from(vertical - y) * u64::from(horizontal), should_stop)? {
                break;
            }
            let row = y as usize * coefficients.horizontal_blocks;
            for block in row..row + horizontal as usize {
                match reader.next_mcu() {
                    Mcu::Next => {}
                    Mcu::First => eob_run = 0,
                    Mcu::Missing => continue,
                }
                let nonzero = &mut coefficients.nonzero[block];
                if eob_run > 0 && *nonzero & within == 0 {
                    eob_run -= 1;
                    continue;
                }
                let values = &mut coefficients.values[block * kept..(block + 1) * kept];
                match self.refine_block(
                    &mut reader.bits,
                    (values, nonzero),
                    (within, wanted),
                    &places,
                    eob_run,
                ) {
                    Ok(run) => eob_run = run,
                    Err(error) => reader.fail(error),
                }
                reader.check();
            }
        }
        Ok(())
    }

    /// A block, and how many blocks behind it have no new coefficients in the band.
    #[inline(always)]
    fn refine_block(
        &self,
        reader: &mut Bits<'_>,
        (values, all_nonzero): (&mut [i16], &mut u64),
        (within, wanted): (u64, u64),
        places: &[u8; 64],
        mut eob_run: u32,
    ) -> Result<u32, Error> {
        // 1 to 8192.
        let step = 1_i16 << self.shift;
        let mut nonzero = *all_nonzero;
        // The part of the band that is still to be passed.
        let mut rest = within;
        let mut bits = *reader;
        let mut answer = Ok(());
        while eob_run == 0 && rest != 0 {
            let (run, value) = match self.code(&mut bits) {
                Ok(Code::Coefficient { run, value }) => (run, value),
                Ok(Code::SixteenZeros) => (15, 0),
                Ok(Code::EobRun(run)) => {
                    eob_run = run;
                    break;
                }
                Err(error) => {
                    answer = Err(error);
                    break;
                }
            };
            if !(-1..=1).contains(&value) {
                answer = Err(Error::Corrupt("a refinement of more than one bit"));
                break;
            }
            // `run` zeros are passed, the next one is the place.
            let mut zeros = !nonzero & rest;
            for _ in 0..run {
                zeros &= zeros.wrapping_sub(1);
            }
            if zeros == 0 {
                answer = Err(TOO_MANY);
                break;
            }
            let place = zeros & zeros.wrapping_neg();
            bits = correct(bits, nonzero & rest & (place - 1), wanted, places, values, step);
            rest &= !(place | (place - 1));
            if value != 0 {
                nonzero |= place;
                let at = places[(place.trailing_zeros() & 63) as usize];
                if at != NOWHERE {
                    values[usize::from(at)] = if value > 0 { step } else { -step };
                }
            }
        }
        if eob_run > 0 {
            bits = correct(bits, nonzero & rest, wanted, places, values, step);
            eob_run -= 1;
        }
        *reader = bits;
        *all_nonzero = nonzero;
        answer.map(|()| eob_run)
    }
}

const TOO_MANY: Error = Error::Corrupt("a block has too many coefficients");

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
pub(crate) fn finish(
    decoder: &mut Decoder<'_, '_, '_>,
    should_stop: &mut dyn FnMut() -> bool,
) -> Result<(), Error> {
    for (coefficients, layout) in std::mem::take(&mut decoder.coefficients).into_iter().zip(&decoder.layouts)
    {
        let mut plane = Plane::new(layout);
        match &coefficients.quantisation {
            Some(quantisation) => coefficients.transform(&mut plane, quantisation, should_stop)?,
            None => plane.fill_gray(0),
        }
        decoder.planes.push(plane);
    }
    Ok(())
}

impl Coefficients {
    fn transform(
        &self,
        plane: &mut Plane,
        quantisation: &Quantisation,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<(), Error> {
        let (width, height) = (self.block_width, self.block_height);
        let factors = factors(quantisation);
        // In the order that the values are kept in.
        let mut steps = [0.0; 64];
        for (k, &place) in self.places.iter().enumerate() {
            if let Some(step) = steps.get_mut(usize::from(place)) {
                *step = factors[k];
            }
        }
        let inverse = transform(width, height);
        let mut strip = Strip::new(self.horizontal_blocks * width, height);
        let mut block = [0.0; 64];
        for y in 0..self.vertical_blocks {
            if should_stop() {
                return Err(Error::Stopped);
            }
            for x in 0..self.horizontal_blocks {
                let index = y * self.horizontal_blocks + x;
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
