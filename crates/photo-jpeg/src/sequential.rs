//! Scans of sequential files: each block is decoded, transformed and written at once, one row of MCUs at a time.

use crate::bits::Bits;
use crate::decode::Decoder;
use crate::entropy::{EntropyReader, Mcu};
use crate::error::Error;
use crate::huffman::{BAD_CODE, ENDS_BLOCK, HAS_VALUE, LOOK, Table};
use crate::idct::{Block, Transform, transform};
use crate::loss::Outcome;
use crate::picture::Strip;
use crate::tables::{NO_TABLE, ZIGZAG, factors, reach};
use crate::walk::Scan;

/// A component of the scan.
struct Part<'a> {
    index: usize,
    /// Blocks of an MCU, side by side and one below the other.
    h: usize,
    v: usize,
    decoding: Decoding<'a>,
    width: usize,
    height: usize,
    transform: Transform,
    strip: Strip,
}

/// What decoding a block takes.
struct Decoding<'a> {
    dc: &'a Table,
    ac: &'a Table,
    factors: [f32; 128],
    /// Steps of the zigzag that matter at this scale.
    reach: usize,
    /// The last DC value, which the next is written as a difference to.
    dc_predictor: i32,
}

/// Decodes a scan whose data begin at `at`, as far as they have come. MCUs that did not come are gray, as from libjpeg.
pub(crate) fn scan(
    decoder: &mut Decoder<'_, '_, '_>,
    scan: &Scan,
    at: usize,
    should_stop: &mut dyn FnMut() -> bool,
) -> Result<Outcome, Error> {
    let frame = decoder.frame;
    let is_alone = scan.components.len() == 1;
    let (horizontal_mcus, vertical_mcus) = match scan.components[..] {
        // Alone, a component has no MCUs but its own blocks, and none to fill up with.
        [only] => frame.blocks(&frame.components[only.index]),
        _ => (frame.horizontal_mcus, frame.vertical_mcus),
    };
    let skipping = decoder.layouts.iter().any(|l| l.block_width < 8 || l.block_height < 8);
    for selected in &scan.components {
        decoder.tables.build_dc(selected.dc)?;
        decoder.tables.build_ac(selected.ac, skipping)?;
    }
    let mut parts = Vec::with_capacity(scan.components.len());
    for selected in &scan.components {
        let component = &frame.components[selected.index];
        let (h, v) = if is_alone { (1, 1) } else { (component.h as usize, component.v as usize) };
        let tables = &decoder.tables;
        let quantisation =
            tables.quantisation[usize::from(component.quantisation)].as_ref().ok_or(NO_TABLE)?;
        let layout = &decoder.layouts[selected.index];
        let (width, height) = (layout.block_width, layout.block_height);
        parts.push(Part {
            index: selected.index,
            h,
            v,
            decoding: Decoding {
                dc: tables.dc(selected.dc)?,
                ac: tables.ac(selected.ac)?,
                factors: factors(quantisation),
                reach: reach(width, height),
                dc_predictor: 0,
            },
            width,
            height,
            transform: transform(width, height),
            strip: Strip::new(horizontal_mcus as usize * h * width, v * height),
        });
    }

    let mcus = (horizontal_mcus, vertical_mcus);
    let interval = decoder.tables.restart_interval;
    let mut reader = EntropyReader::new(decoder.bytes, at, interval, mcus, decoder.sink.take());
    let mut block = [0.0; 64];
    for mcu_y in 0..vertical_mcus {
        let undone = u64::from(vertical_mcus - mcu_y) * u64::from(horizontal_mcus);
        let has_more = reader.begin_row(undone, should_stop)?;
        if !has_more {
            for part in &parts {
                decoder.planes[part.index].fill_gray(mcu_y as usize * part.v * part.height);
            }
            break;
        }
        for mcu_x in 0..horizontal_mcus as usize {
            match reader.next_mcu() {
                Mcu::Next => {}
                Mcu::First => {
                    for part in &mut parts {
                        part.decoding.dc_predictor = 0;
                    }
                }
                Mcu::Missing => {
                    fill_gray(&mut parts, mcu_x);
                    continue;
                }
            }
            for part in &mut parts {
                if let Err(error) = part.mcu(&mut reader.bits, mcu_x, &mut block) {
                    reader.fail(error);
                    block = [0.0; 64];
                    fill_gray(&mut parts, mcu_x);
                    break;
                }
            }
            reader.check();
        }
        for part in &parts {
            part.strip.store(&mut decoder.planes[part.index], mcu_y as usize * part.v * part.height);
        }
    }
    let (outcome, sink) = reader.finish();
    decoder.sink = sink;
    Ok(outcome)
}

impl Part<'_> {
    /// The blocks of one MCU.
    #[inline(always)]
    fn mcu(&mut self, bits: &mut Bits<'_>, mcu_x: usize, block: &mut Block) -> Result<(), Error> {
        for y in 0..self.v {
            for x in 0..self.h {
                let last = self.decoding.block(bits, block)?;
                let at = (mcu_x * self.h + x) * self.width;
                let (out, stride) = self.strip.at(at, y * self.height);
                self.transform.write(block, last, out, stride);
                *block = [0.0; 64];
            }
        }
        Ok(())
    }
}

/// Gray for an MCU.
#[cold]
#[inline(never)]
fn fill_gray(parts: &mut [Part<'_>], mcu_x: usize) {
    for part in parts {
        let width = part.h * part.width;
        part.strip.fill_gray(mcu_x * width, (width, part.v * part.height));
    }
}

impl Decoding<'_> {
    /// Decodes a block into one of zeros, and gives the last step of the zigzag that is not zero.
    // By itself it has registers enough.
    #[inline(never)]
    fn block(&mut self, reader: &mut Bits<'_>, block: &mut Block) -> Result<usize, Error> {
        let mut bits = reader.refill();
        let difference = match self.dc.difference(&mut bits) {
            Ok(difference) => difference,
            Err(error) => return lost(reader, bits, error),
        };
        self.dc_predictor = self.dc_predictor.wrapping_add(difference);
        // DC values are of 12 bits; floats hold 24.
        #[expect(clippy::cast_precision_loss)]
        let mean = self.dc_predictor as f32 * self.factors[0] + 128.0;
        block[0] = mean;

        let (mut k, mut last) = (1, 0);
        let mut ended = false;
        let (ac, factors, reach) = (self.ac, &self.factors, self.reach);
        // Two loops, so that the inner one has little to keep in registers.
        'block: while k < reach {
            bits = bits.refill();
            while k < reach && bits.is_filled() {
                let entry = ac.codes[bits.peek::<LOOK>()];
                let value = if entry & HAS_VALUE != 0 {
                    bits.skip(entry & 63);
                    k += (entry >> 8 & 15) as usize;
                    entry.cast_signed() >> 16
                } else {
                    let (length, symbol) = match ac.code(entry, &bits) {
                        Ok(code) => code,
                        Err(error) => return lost(reader, bits, error),
                    };
                    bits.skip(length);
                    let (run, size) = (symbol >> 4, symbol & 15);
                    if size == 0 {
                        match run {
                            0 => {
                                ended = true;
                                break 'block;
                            }
                            15 => {
                                k += 16;
                                continue;
                            }
                            _ => return lost(reader, bits, BAD_CODE),
                        }
                    }
                    k += usize::from(run);
                    bits.take_signed(size.into())
                };
                // Beyond the block it is damage, which is seen below; the tables go that far.
                let step = k & 127;
                // Of 16 bits at most.
                #[expect(clippy::cast_precision_loss)]
                let coefficient = value as f32 * factors[step];
                block[usize::from(ZIGZAG[step]) & 63] = coefficient;
                last = k;
                k += 1;
            }
        }
        if !ended && k < 64 {
            k = match ac.pass(&mut bits, k) {
                Ok(k) => k,
                Err(error) => return lost(reader, bits, error),
            };
        }
        *reader = bits;
        if k > 64 { Err(Error::Corrupt("a block has too many coefficients")) } else { Ok(last) }
    }
}

/// Gives the bits back for a code that means nothing, so that a reader sees whether they had run out.
#[cold]
fn lost<'a, T>(reader: &mut Bits<'a>, bits: Bits<'a>, error: Error) -> Result<T, Error> {
    *reader = bits;
    Err(error)
}

impl Table {
    /// Passes over the coefficients from `k` to the end of the block, and gives 64, or more if there are too many.
    #[inline(always)]
    fn pass(&self, reader: &mut Bits<'_>, mut k: usize) -> Result<usize, Error> {
        let mut bits = *reader;
        while k < 64 {
            bits = bits.refill();
            while k < 64 && bits.is_filled() {
                let look = bits.peek::<LOOK>();
                let skip = self.skips[look];
                let passed = usize::from(skip >> 8);
                // At 64 a block ends without saying so, and what follows is the next one's.
                if skip != 0 && k + passed < 64 {
                    bits.skip(u32::from(skip & 63));
                    k += passed;
                    if skip & ENDS_BLOCK != 0 {
                        k = 64;
                    }
                    continue;
                }
                let entry = self.codes[look];
                if entry & HAS_VALUE != 0 {
                    bits.skip(entry & 63);
                    k += (entry >> 8 & 15) as usize + 1;
                    continue;
                }
                let (length, symbol) = match self.code(entry, &bits) {
                    Ok(code) => code,
                    Err(error) => return lost(reader, bits, error),
                };
                match (symbol >> 4, symbol & 15) {
                    (0, 0) => k = 64,
                    (15, 0) => k += 16,
                    (_, 0) => return lost(reader, bits, BAD_CODE),
                    (run, _) => k += usize::from(run) + 1,
                }
                bits.skip(length + u32::from(symbol & 15));
            }
        }
        *reader = bits;
        Ok(k)
    }
}
