//! Scans of sequential files: each block is decoded, transformed and written at once, one row of units at a time.

use crate::bits::Bits;
use crate::decode::{Decoder, Scan};
use crate::error::Error;
use crate::huffman::{BAD_CODE, ENDS_BLOCK, HAS_VALUE, LOOK, Table};
use crate::idct::{Block, Transform, transform};
use crate::picture::Strip;
use crate::tables::{NO_TABLE, ZIGZAG, factors, reach};

/// A component of the scan.
struct Part<'a> {
    index: usize,
    /// Blocks across and down in a unit.
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
    previous: i32,
}

/// Decodes a scan whose data starts at `at` and gives the place of the marker behind it.
pub(crate) fn scan(
    decoder: &mut Decoder<'_>,
    scan: &Scan,
    at: usize,
    should_stop: &mut dyn FnMut() -> bool,
) -> Result<usize, Error> {
    let frame = decoder.frame;
    let (units_across, units_down) = match scan.components[..] {
        // Alone, a component has no units but its own blocks, and none to fill up with.
        [only] => frame.blocks(&frame.components[only.index]),
        _ => (frame.mcus_across, frame.mcus_down),
    };
    let skipping = decoder.layouts.iter().any(|l| l.block_width < 8 || l.block_height < 8);
    for selected in &scan.components {
        decoder.tables.build_dc(selected.dc)?;
        decoder.tables.build_ac(selected.ac, skipping)?;
    }
    let mut parts = Vec::with_capacity(scan.components.len());
    for selected in &scan.components {
        let component = &frame.components[selected.index];
        if std::mem::replace(&mut decoder.decoded[selected.index], true) {
            return Err(Error::Corrupt("a component has two scans"));
        }
        let alone = scan.components.len() == 1;
        let (h, v) = if alone { (1, 1) } else { (component.h as usize, component.v as usize) };
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
                previous: 0,
            },
            width,
            height,
            transform: transform(width, height),
            strip: Strip::new(units_across as usize * h * width, v * height),
        });
    }

    let interval = decoder.tables.restart_interval;
    let mut bits = Bits::new(decoder.bytes, at);
    let (mut until_restart, mut restarts) = (interval, 0_u8);
    let mut block = [0.0; 64];
    for unit_y in 0..units_down as usize {
        if should_stop() {
            return Err(Error::Stopped);
        }
        for unit_x in 0..units_across as usize {
            if interval > 0 {
                if until_restart == 0 {
                    bits = bits.restart(restarts)?;
                    restarts = restarts.wrapping_add(1);
                    until_restart = interval;
                    for part in &mut parts {
                        part.decoding.previous = 0;
                    }
                }
                until_restart -= 1;
            }
            for part in &mut parts {
                part.unit(&mut bits, unit_x, &mut block)?;
            }
        }
        // Not only at the end: a photo that is cut off is not to cost a whole one's time.
        if bits.ran_out() {
            return Err(Error::Corrupt("a scan ends before its last block"));
        }
        for part in &parts {
            part.strip.store(&mut decoder.planes[part.index], unit_y * part.v * part.height);
        }
    }
    bits.finish()
}

impl Part<'_> {
    /// The blocks of one unit.
    #[inline(always)]
    fn unit(&mut self, bits: &mut Bits<'_>, unit_x: usize, block: &mut Block) -> Result<(), Error> {
        for y in 0..self.v {
            for x in 0..self.h {
                let last = self.decoding.block(bits, block)?;
                let at = (unit_x * self.h + x) * self.width;
                let (out, stride) = self.strip.at(at, y * self.height);
                self.transform.write(block, last, out, stride);
                *block = [0.0; 64];
            }
        }
        Ok(())
    }
}

impl Decoding<'_> {
    /// Decodes a block into one of zeros, and gives the last step of the zigzag that is not zero.
    // By itself it has registers enough.
    #[inline(never)]
    fn block(&mut self, reader: &mut Bits<'_>, block: &mut Block) -> Result<usize, Error> {
        let mut bits = reader.refill();
        self.previous = self.previous.wrapping_add(self.dc.difference(&mut bits)?);
        // DC values are of 12 bits; floats hold 24.
        #[expect(clippy::cast_precision_loss)]
        let mean = self.previous as f32 * self.factors[0] + 128.0;
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
                    let (length, symbol) = ac.code(entry, &bits)?;
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
                            _ => return Err(BAD_CODE),
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
            k = ac.pass(&mut bits, k)?;
        }
        *reader = bits;
        if k > 64 { Err(Error::Corrupt("a block has too many coefficients")) } else { Ok(last) }
    }
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
                let (length, symbol) = self.code(entry, &bits)?;
                match (symbol >> 4, symbol & 15) {
                    (0, 0) => k = 64,
                    (15, 0) => k += 16,
                    (_, 0) => return Err(BAD_CODE),
                    (run, _) => k += usize::from(run) + 1,
                }
                bits.skip(length + u32::from(symbol & 15));
            }
        }
        *reader = bits;
        Ok(k)
    }
}
